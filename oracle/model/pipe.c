/* Pipes, as fs/pipe.c has them: pages, each of which a write fills or shares with the next one. */
#include "oracle/model/kinds.h"

#include <errno.h>
#include <sys/epoll.h>

static bool pipe_full(const struct model *model, int reader)
{
    return model->files[reader].units >= model->facts->pipe_pages;
}

static uint32_t poll_read_end(struct model *model, int file, uint32_t requested)
{
    struct model_file *state = &model->files[file];

    (void)requested;
    state->polled = true;
    model->files[state->peer].polled = true;
    return (state->units > 0 ? MASK_IN : 0) | (model->files[state->peer].released ? MASK_HUP : 0);
}

static uint32_t poll_write_end(struct model *model, int file, uint32_t requested)
{
    struct model_file *state = &model->files[file];

    (void)requested;
    state->polled = true;
    model->files[state->peer].polled = true;
    return (pipe_full(model, state->peer) ? 0 : MASK_OUT) |
           (model->files[state->peer].released ? MASK_ERR : 0);
}

static enum model_io fail(struct model_transfer *transfer, int err)
{
    transfer->err = err;
    return IO_ERROR;
}

/* Rule 45. */
static enum model_io read_pipe(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];
    struct model_bytes bytes = {.length = 0};
    bool was_full = pipe_full(model, file);
    bool freed_any = false;

    if (transfer->count == 0)
        return IO_DONE;
    if (state->units == 0)
        return model->files[state->peer].released ? IO_DONE : IO_SLEEP;
    while (state->units > 0 && transfer->done < transfer->count) {
        bool freed;
        uint32_t charge;
        transfer->done +=
            model_queue_take(model, file, (uint32_t)(transfer->count - transfer->done), false,
                             &bytes, &freed, &charge);
        freed_any |= freed;
    }
    transfer->digest = model_bytes_digest(&bytes);
    if (was_full && freed_any && !model->files[state->peer].released)
        model_wake(model, state->peer, MASK_OUT, 1);
    /* wake_next_reader: who slept passes on what he leaves. */
    if (transfer->resumed && state->units > 0)
        model_wake(model, file, MASK_IN, 1);
    return IO_DONE;
}

/* Rule 45: the part of a write that is over whole pages goes behind what the last page holds, if it
 * fits. */
static uint32_t merge(struct model *model, int reader, uint32_t odd)
{
    struct model_file *state = &model->files[reader];

    if (odd == 0 || state->units == 0 || state->page_end + odd > MODEL_PAGE)
        return 0;
    model_queue_append(model, reader, odd, true, false, 0);
    state->page_end = (uint16_t)(state->page_end + odd);
    return odd;
}

/* Rules 45 and 46. */
static enum model_io write_pipe(struct model *model, int file, struct model_transfer *transfer)
{
    int reader = model->files[file].peer;
    struct model_file *state = &model->files[reader];
    bool was_empty = state->units == 0;
    int64_t before = transfer->done;

    if (transfer->count == 0)
        return IO_DONE;
    if (state->released)
        return transfer->done > 0 ? IO_DONE : fail(transfer, EPIPE);
    if (!transfer->resumed)
        transfer->done += merge(model, reader, (uint32_t)(transfer->count % MODEL_PAGE));
    while (transfer->done < transfer->count && !pipe_full(model, reader) &&
           !model_is_beyond(model)) {
        int64_t left = transfer->count - transfer->done;
        uint32_t piece = left < MODEL_PAGE ? (uint32_t)left : MODEL_PAGE;
        model_queue_append(model, reader, piece, transfer->done == 0, true, 0);
        state->page_end = (uint16_t)piece;
        transfer->done += piece;
    }
    bool sleeps = transfer->done < transfer->count && !transfer->nonblock;
    /* poll_usage: once a pipe has been polled, a write that finds it full wakes readers as well,
     * but not one that goes to sleep. */
    if ((was_empty && transfer->done > before) || (!sleeps && state->polled))
        model_wake(model, reader, MASK_IN, 1);
    if (sleeps)
        return IO_SLEEP;
    /* wake_next_writer */
    if (transfer->resumed && !pipe_full(model, reader))
        model_wake(model, file, MASK_OUT, 1);
    return transfer->done > 0 ? IO_DONE : IO_SLEEP;
}

/* pipe_release, rule 46: everyone hears of it while the other end is there. */
static void release_pipe(struct model *model, int file)
{
    int peer = model->files[file].peer;

    if (!model->files[peer].released && !MISTAKE(HUP_SILENT))
        model_wake(model, peer, 0, 0);
    else
        model_queue_clear(model, model->files[file].kind == FILE_PIPE_READ ? file : peer);
}

/* pipe_write says on its way out what it would have said at its end: see poll_usage above. */
static void interrupt_pipe(struct model *model, int file)
{
    int reader = model->files[file].peer;

    if (model->files[reader].polled && !model->files[reader].released)
        model_wake(model, reader, MASK_IN, 1);
}

const struct model_kind model_kind_pipe_read = {
    .polls = true,
    .poll = poll_read_end,
    .read = read_pipe,
    .release = release_pipe,
    .what = "pipe",
    .exclusive_io = true,
};

const struct model_kind model_kind_pipe_write = {
    .polls = true,
    .poll = poll_write_end,
    .write = write_pipe,
    .release = release_pipe,
    .interrupt = interrupt_pipe,
    .what = "pipe",
    .exclusive_io = true,
};
