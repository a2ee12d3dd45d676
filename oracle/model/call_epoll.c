/* epoll_ctl, and the calls that wait: the epoll_wait family, poll and select. */
#include "oracle/model/state.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

void model_call_EPOLL_CTL(struct model *model)
{
    /* ep->mtx is held: who is woken gets no further until the call is over. */
    model->atomic++;
    int err = model_ctl(model, model_arg_number(model, 0), model_arg(model, 1),
                        model_arg_number(model, 2), model_arg(model, 3));
    model->atomic--;
    if (err)
        model_return_error(model, err);
    else
        model_return_value(model, 0);
}

/* Rule 24. Returns 0 or an errno. */
static int check_wait(struct model *model, int instance, int64_t room)
{
    bool bad_room = room <= 0 || room > PROGRAM_EVENTS_EINVAL;

    if (bad_room && (!model->facts->wait_checks_fd_first || MISTAKE(WAIT_EINVAL)))
        return EINVAL;
    if (instance == MODEL_NONE)
        return EBADF;
    return bad_room || model->files[instance].kind != FILE_EPOLL ? EINVAL : 0;
}

/* SIGUSR2 is pending for good while it is blocked; a wait that unblocks it is interrupted, or
 * starts anew, and takes it. */
void model_mask_signals(struct model *model, int64_t mask)
{
    struct model_actor *self = model_self(model);

    if (mask != SIGMASK_EMPTY)
        return;
    if (self->pending)
        model_beyond(model, "a wait that unblocks a pending signal");
    self->unblocks = self->sleep != SLEEP_NONE;
}

/* Rule 26: events first, only then the timeout. */
static void wait_for_events(struct model *model, int64_t room, bool faults)
{
    int instance = model_arg_file(model, 0);

    int err = check_wait(model, instance, room);
    if (err) {
        model_return_error(model, err);
        return;
    }
    struct model_return *back = model_return_of(model, model->index, 0, 0);
    int count = model_send_events(model, instance, room, faults, back);
    if (count == 0 && step_may_block(model->step)) {
        model->report->nreturns--;
        struct model_actor *self = model_sleep(model, SLEEP_WAIT, instance);
        self->count = room;
        self->faults = faults;
        return;
    }
    back->ret = count < 0 ? -1 : count;
    back->err = count < 0 ? -count : 0;
}

void model_call_EPOLL_WAIT(struct model *model)
{
    wait_for_events(model, model_arg(model, 1), model_arg(model, 3) != BUFFER_GOOD);
}

void model_call_EPOLL_PWAIT(struct model *model)
{
    wait_for_events(model, model_arg(model, 1), model_arg(model, 4) != BUFFER_GOOD);
    model_mask_signals(model, model_arg(model, 3));
}

/* Rule 25: the timespec is looked at before everything else. */
void model_call_EPOLL_PWAIT2(struct model *model)
{
    switch (model_arg(model, 2)) {
    case TIMESPEC_BADPTR:
        model_return_error(model, EFAULT);
        return;
    case TIMESPEC_BADTS:
        model_return_error(model, EINVAL);
        return;
    default:
        wait_for_events(model, model_arg(model, 1), model_arg(model, 4) != BUFFER_GOOD);
        model_mask_signals(model, model_arg(model, 3));
        return;
    }
}

/* Looks at a file by poll or select: comes back with `digest` or the mask, or sleeps. */
static void look(struct model *model, int file, uint32_t mask, bool selects)
{
    uint32_t found = file == MODEL_NONE ? 0 : model_poll(model, file, mask, 0) & mask;

    if (found == 0 && step_may_block(model->step)) {
        struct model_actor *self = model_sleep(model, SLEEP_POLL, file);
        self->mask = mask;
        self->count = model_arg_number(model, 0);
        self->done = selects;
        return;
    }
    struct model_return *back = model_return_of(model, model->index, found != 0, 0);
    back->digest = selects ? found != 0 : found;
}

static void poll_one(struct model *model)
{
    int number = model_arg_number(model, 0);
    int file = model_arg_file(model, 0);
    uint32_t events = (uint16_t)model_arg(model, 1);

    if (model_limit(model) < 1) {
        model_return_error(model, EINVAL);
        return;
    }
    if (number >= PROGRAM_FD_LIMIT) {
        model_beyond(model, "a descriptor number past those that the model has");
        return;
    }
    if (number >= 0 && file == MODEL_NONE) {
        model_return_of(model, model->index, 1, 0)->digest = POLLNVAL;
        return;
    }
    /* A negative number is passed over. */
    look(model, number < 0 ? MODEL_NONE : file, events | MASK_ALWAYS, false);
}

void model_call_POLL(struct model *model)
{
    poll_one(model);
}

void model_call_PPOLL(struct model *model)
{
    if (model_arg(model, 2) == TIMESPEC_BADTS) {
        model_return_error(model, EINVAL);
        return;
    }
    poll_one(model);
    model_mask_signals(model, model_arg(model, 3));
}

static void select_one(struct model *model)
{
    /* POLLIN_SET of fs/select.c */
    const uint32_t mask =
        (uint32_t)(EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR) | POLLNVAL;
    int number = model_arg_number(model, 0);
    int file = model_arg_file(model, 0);

    if (number < 0 || number >= FD_SETSIZE) {
        model_return_error(model, EINVAL);
        return;
    }
    if (file == MODEL_NONE && number >= MODEL_TABLE_SURE) {
        model_beyond(model, "select of a number that may lie beyond the kernel's table");
        return;
    }
    if (file == MODEL_NONE)
        model_return_error(model, EBADF);
    else
        look(model, file, mask, true);
}

/* Rule 52. */
void model_call_SELECT(struct model *model)
{
    select_one(model);
}

void model_call_PSELECT(struct model *model)
{
    if (model_arg(model, 1) == TIMESPEC_BADTS) {
        model_return_error(model, EINVAL);
        return;
    }
    select_one(model);
    model_mask_signals(model, model_arg(model, 2));
}
