/* Files that are readable for what happens elsewhere: timerfd and signalfd. */
#include "oracle/model/kinds.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static enum model_io fail(struct model_transfer *transfer, int err)
{
    transfer->err = err;
    return IO_ERROR;
}

static uint32_t poll_timerfd(struct model *model, int file, uint32_t requested)
{
    (void)requested;
    return model->files[file].count > 0 ? (uint32_t)EPOLLIN : 0;
}

static enum model_io read_timerfd(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];

    if (transfer->count < (int64_t)sizeof(uint64_t))
        return fail(transfer, EINVAL);
    if (state->count == 0)
        return IO_SLEEP;
    transfer->done = sizeof(uint64_t);
    transfer->digest = XXH3_64bits(&state->count, sizeof(uint64_t));
    state->count = 0;
    return IO_DONE;
}

const struct model_kind model_kind_timerfd = {
    .polls = true,
    .poll = poll_timerfd,
    .read = read_timerfd,
    .what = "[timerfd]",
    .shares_target = true,
    .tail_io = true, /* wait_event_interruptible_locked_irq */
};

/* The signals that are pending for whoever looks, not for the process that opened the file. */
static bool has_signal(const struct model *model)
{
    if (!MISTAKE(SIGNALFD_ANY_THREAD))
        return model->actors[model->current].pending;
    for (unsigned i = 0; i < model->program->nactors; i++) {
        if (model->actors[i].pending)
            return true;
    }
    return false;
}

static uint32_t poll_signalfd(struct model *model, int file, uint32_t requested)
{
    (void)file;
    (void)requested;
    return has_signal(model) ? (uint32_t)EPOLLIN : 0;
}

static enum model_io read_signalfd(struct model *model, int file, struct model_transfer *transfer)
{
    uint32_t number = SIGUSR2; /* what the executor keeps of a signal */

    (void)file;
    if (transfer->count < (int64_t)sizeof(struct signalfd_siginfo))
        return fail(transfer, EINVAL);
    if (!model->actors[model->current].pending)
        return IO_SLEEP;
    model->actors[model->current].pending = false;
    transfer->done = sizeof(struct signalfd_siginfo);
    transfer->digest = XXH3_64bits(&number, sizeof(number));
    return IO_DONE;
}

const struct model_kind model_kind_signalfd = {
    .polls = true,
    .poll = poll_signalfd,
    .read = read_signalfd,
    .what = "[signalfd]",
    .shares_target = true,
};
