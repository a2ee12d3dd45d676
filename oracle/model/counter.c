/* Descriptors that are a counter: eventfd. */
#include "oracle/model/kinds.h"

#include <errno.h>
#include <sys/epoll.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint32_t poll_eventfd(struct model *model, int file, uint32_t requested)
{
    (void)requested;
    return (model->files[file].count > 0 ? (uint32_t)EPOLLIN : 0) | (uint32_t)EPOLLOUT;
}

static enum model_io fail(struct model_transfer *transfer, int err)
{
    transfer->err = err;
    return IO_ERROR;
}

/* Rule 51. */
static enum model_io read_eventfd(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];

    if (transfer->count < (int64_t)sizeof(uint64_t))
        return fail(transfer, EINVAL);
    if (state->count == 0)
        return IO_SLEEP;
    uint64_t value = state->semaphore ? 1 : state->count;
    state->count -= value;
    transfer->done = sizeof(value);
    transfer->digest = XXH3_64bits(&value, sizeof(value));
    model_wake(model, file, (uint32_t)EPOLLOUT, 1);
    return IO_DONE;
}

/* Rule 51. */
static enum model_io write_eventfd(struct model *model, int file, struct model_transfer *transfer)
{
    if (transfer->count < (int64_t)sizeof(uint64_t) ||
        (transfer->count > (int64_t)sizeof(uint64_t) && !model->facts->eventfd_takes_long))
        return fail(transfer, EINVAL);
    /* Programs write the number 1: the counter never comes near its end. */
    model->files[file].count++;
    transfer->done = sizeof(uint64_t);
    model_wake(model, file, (uint32_t)EPOLLIN, 1);
    return IO_DONE;
}

const struct model_kind model_kind_eventfd = {
    .polls = true,
    .poll = poll_eventfd,
    .read = read_eventfd,
    .write = write_eventfd,
    .what = "[eventfd]",
    .shares_target = true,
    .tail_io = true, /* wait_event_interruptible_locked_irq */
};
