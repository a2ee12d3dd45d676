/* SIGUSR1: what a process does about it, and when an actor handles it. docs/lives.md. */
#include "oracle/model/state.h"

#include <assert.h>
#include <errno.h>

static struct model_handler *handler_of(struct model *model, unsigned actor)
{
    return &model->processes[model->actors[actor].process].handler;
}

void model_call_SIGACTION(struct model *model)
{
    *handler_of(model, model->step->actor) = (struct model_handler){
        .kind = model_arg(model, 0),
        .epfd = model_arg_number(model, 1),
        .op = model_arg(model, 2),
        .number = model_arg_number(model, 3),
        .event = model_arg(model, 4),
    };
    /* What is ignored does not wait any longer either. */
    for (unsigned i = 0; i < model->program->nactors && model_arg(model, 0) == HANDLER_IGNORE;
         i++) {
        struct model_actor *actor = &model->actors[i];
        if (!actor->born || actor->process != model_self(model)->process)
            continue;
        actor->held = false;
        actor->signalled = 0;
    }
    model_return_value(model, 0);
}

/* True if the call in which the actor sleeps blocks the signal. */
static bool blocks_signal(const struct model *model, const struct model_actor *actor)
{
    const struct step *step = &model->program->steps[actor->step];
    const struct op_info *op = &op_table[step->op];

    if (actor->sleep == SLEEP_NONE)
        return false;
    for (unsigned i = 0; i < op->nargs; i++) {
        if (op->args[i] == ARG_SIGMASK && step->args[i] == SIGMASK_FULL)
            return true;
    }
    return false;
}

/* The handler's epoll_ctl, made by the thread that was interrupted. Returns 0 or an errno. */
static int handler_ctl(struct model *model, unsigned actor, unsigned index)
{
    const struct model_handler *handler = handler_of(model, actor);
    const struct step *step = model->step;
    struct step call = {.op = OP_EPOLL_CTL, .actor = (uint8_t)actor};
    unsigned own = model->index;
    unsigned current = model->current;

    model->step = &call;
    model->index = index;
    model->current = actor;
    model->atomic++;
    int err = model_ctl(model, handler->epfd, handler->op, handler->number, handler->event);
    model->atomic--;
    model->step = step;
    model->index = own;
    model->current = current;
    return err;
}

/* Returns true if the handler leaves what it interrupted by siglongjmp. */
static bool run_handler(struct model *model, unsigned index)
{
    struct model_actor *actor = &model->actors[index];
    const struct model_handler *handler = handler_of(model, index);
    int signalled = actor->signalled;

    actor->held = false;
    if (handler->kind == HANDLER_IGNORE)
        return false;
    actor->signalled = 0;
    /* The executor writes down what was handled of the signals that were sent to be handled. */
    if (signalled > 0) {
        int err = handler->kind == HANDLER_CTL && !MISTAKE(HANDLER_LOST)
                      ? handler_ctl(model, index, (unsigned)signalled - 1)
                      : 0;
        assert(model->report->nhandled < PROGRAM_ACTORS_MAX);
        model->report->handled[model->report->nhandled++] = (struct model_handled){
            .step = (unsigned)signalled - 1, .ret = err ? -1 : 0, .err = err};
    }
    return handler->kind == HANDLER_LONGJMP;
}

static void jump(struct model_return *back)
{
    unsigned step = back->step;

    *back = (struct model_return){.step = step, .ret = TRACE_JUMPED};
    for (unsigned i = 0; i < PROGRAM_OUTS_MAX; i++)
        back->fds[i] = -1;
}

/*
 * libc makes a thread asynchronously cancellable around calls that sleep, and a jump out of one
 * leaves it so.
 */
static void leave_call(struct model_actor *actor)
{
    actor->async |= actor->threaded;
}

/* A signal takes an actor out of its sleep. There is no SA_RESTART. */
static void interrupt(struct model *model, unsigned index)
{
    struct model_actor *actor = &model->actors[index];
    unsigned step = (unsigned)actor->step;
    /* libc goes on waiting for the thread. */
    bool stays =
        op_table[model->program->steps[step].op].effect == EFFECT_JOIN || MISTAKE(EINTR_RESTARTS);

    /* The waits, poll and select look once more before they look for signals (rule 26). What they
     * find can have come with the signal: it wakes whoever watches a signalfd. */
    if ((actor->sleep == SLEEP_POLL || actor->sleep == SLEEP_WAIT) && !stays) {
        actor->held = true;
        if (model_resume(model, index))
            return;
        actor->held = false;
    }
    int64_t done = stays ? 0 : model_interrupt(model, index);

    if (run_handler(model, index)) {
        if (stays) {
            model_beyond(model, "pthread_join is left by siglongjmp, which leaves it undefined");
            return;
        }
        jump(model_return_of(model, step, TRACE_JUMPED, 0));
        leave_call(actor);
        return;
    }
    if (!stays)
        (void)model_return_of(model, step, done > 0 ? done : -1, done > 0 ? 0 : EINTR);
}

void model_deliver_late(struct model *model, unsigned index, unsigned step)
{
    struct model_report *report = model->report;

    if (!run_handler(model, index))
        return;
    for (unsigned i = 0; i < report->nreturns; i++) {
        if (report->returns[i].step == step)
            jump(&report->returns[i]);
    }
    leave_call(&model->actors[index]);
}

void model_call_TGKILL(struct model *model)
{
    unsigned target = (unsigned)model_arg(model, 0);
    struct model_actor *actor = &model->actors[target];

    if (!actor->alive) {
        model_return_error(model, ESRCH);
        return;
    }
    bool ignored = handler_of(model, target)->kind == HANDLER_IGNORE;
    bool blocked = blocks_signal(model, actor) && !MISTAKE(MASK_IGNORED);
    if (!ignored && actor->signalled == 0)
        actor->signalled = (int16_t)step_number(model->index);
    struct model_return *back = model_return_of(model, model->index, 0, 0);
    /* __send_signal: who watches a signalfd hears of every signal that is not ignored or pending.
     */
    if ((blocked && !actor->held) || (!blocked && !ignored))
        model_wake_signals(model, actor->process, 0, 1);
    /* sig_ignored: one that is blocked waits, for what is done about it can change. */
    actor->held = blocked;
    if (blocked || ignored)
        return;
    if (actor->sleep != SLEEP_NONE)
        interrupt(model, target);
    else if (run_handler(model, target) && target == model->step->actor)
        jump(back); /* an idle actor has nothing to leave */
}
