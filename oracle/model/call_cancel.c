/* Cancellation of threads, as glibc 2.36 does it. docs/lives.md. */
#include "oracle/model/state.h"

#include <errno.h>
#include <pthread.h>

/* The operations that obey a deferred cancellation before they make their call. A join does when
 * it comes to sleep. */
static const bool points[OPS] = {
    [OP_EPOLL_WAIT] = true, [OP_EPOLL_PWAIT] = true, [OP_EPOLL_PWAIT2] = true, [OP_POLL] = true,
    [OP_SELECT] = true,     [OP_READ] = true,        [OP_WRITE] = true,        [OP_CLOSE] = true,
    [OP_WAITPID] = true,    [OP_OPEN] = true,        [OP_PPOLL] = true,        [OP_PSELECT] = true,
    [OP_ACCEPT4] = true,    [OP_SEND] = true,        [OP_SEND_FD] = true,      [OP_RECV_FD] = true,
};

static void obey(struct model *model, unsigned actor)
{
    model->report->cancelled |= UINT32_C(1) << actor;
    if (actor == model->step->actor)
        model->report->fate = MODEL_DIED;
    model_end_thread(model, actor);
}

static bool obey_waiting(struct model *model)
{
    const struct model_actor *self = model_self(model);

    if (!self->cancelled || !self->threaded)
        return false;
    obey(model, model->step->actor);
    return true;
}

bool model_obeys_cancel(struct model *model)
{
    const struct model_actor *self = model_self(model);

    /* connect(2) is one, and by then the step has its socket. */
    if (model->step->op == OP_CONNECT && self->cancelled && self->threaded) {
        model_beyond(model, "a cancellation in the middle of a step");
        return true;
    }
    /* What the executor refuses never becomes a call. */
    if (model->step->op == OP_SEND_FD && model_refuses_send_fd(model))
        return false;
    return points[model->step->op] && obey_waiting(model);
}

bool model_obeys_in_sleep(struct model *model)
{
    return obey_waiting(model);
}

void model_call_PTHREAD_CANCEL(struct model *model)
{
    unsigned target = (unsigned)model_arg(model, 0);
    struct model_actor *actor = &model->actors[target];

    /* As for pthread_join. */
    if (!actor->born || actor->process != model_self(model)->process || model->joined[target]) {
        model_return_error(model, ESRCH);
        return;
    }
    /* It looks for libgcc, to unwind with, before anything else. */
    if (model_lowest_free(model, model->step->actor, 0) < 0) {
        model_beyond(model,
                     "pthread_cancel, for which libc opens a library, without a free number");
        return;
    }
    if (!actor->alive) {
        model_return_value(model, 0);
        return;
    }
    /* All calls that can sleep are cancellation points. */
    bool now = actor->async || actor->sleep != SLEEP_NONE;
    if (!now)
        actor->cancelled = !MISTAKE(CANCEL_IGNORED);
    if (!now || target != model->step->actor)
        model_return_value(model, 0);
    /* SIGCANCEL: who watches a signalfd hears of every signal. */
    if (now && target != model->step->actor)
        model_wake_signals(model, actor->process, 0, 1);
    if (now)
        obey(model, target);
}

void model_call_PTHREAD_SETCANCELTYPE(struct model *model)
{
    struct model_actor *self = model_self(model);
    int64_t type = model_arg(model, 0);

    if (type != PTHREAD_CANCEL_DEFERRED && type != PTHREAD_CANCEL_ASYNCHRONOUS) {
        model_return_error(model, EINVAL);
        return;
    }
    self->async = type == PTHREAD_CANCEL_ASYNCHRONOUS;
    if (self->async && self->cancelled)
        obey(model, model->step->actor);
    else
        model_return_value(model, 0);
}
