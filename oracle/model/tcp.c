/*
 * TCP connections over the loopback device, as net/ipv4/tcp.c and tcp_input.c have them: what one
 * side does has reached the other before its call is over. Urgent data is a mark in the stream.
 */
#include "oracle/model/kinds.h"

#include <errno.h>
#include <sys/epoll.h>

static uint32_t poll_tcp(struct model *model, int file, uint32_t requested)
{
    const struct model_file *state = &model->files[file];
    uint32_t target = state->urgent && state->urgent_at == 0 && !state->oob_inline ? 2 : 1;
    uint32_t found = MASK_OUT; /* there is always room: MODEL_STREAM_MAX */

    (void)requested;
    if (state->error != 0)
        found |= MASK_ERR;
    if (state->shutdown == SHUT_BOTH || state->closed)
        found |= MASK_HUP;
    if (state->shutdown & SHUT_RECEIVE)
        found |= MASK_RDHUP | MASK_IN;
    if (state->available >= target)
        found |= MASK_IN;
    if (state->urgent)
        found |= MASK_PRI;
    return found;
}

static enum model_io fail(struct model_transfer *transfer, int err)
{
    transfer->err = err;
    return IO_ERROR;
}

static int take_error(struct model *model, int file)
{
    int err = model->files[file].error;

    model->files[file].error = 0;
    return err;
}

/* Takes bytes off the stream; `bytes` NULL: nobody gets them. */
static void take(struct model *model, int file, uint32_t count, struct model_bytes *bytes)
{
    struct model_file *state = &model->files[file];

    state->available -= count;
    while (count > 0 && !model_is_beyond(model)) {
        bool freed;
        uint32_t charge;
        count -= model_queue_take(model, file, count, false, bytes, &freed, &charge);
    }
}

/* Reads as far as the next urgent byte. Returns how many bytes, 0 if it stands in front. */
static uint32_t read_run(struct model *model, int file, uint32_t room, struct model_bytes *bytes)
{
    struct model_file *state = &model->files[file];
    uint32_t run = room < state->available ? room : state->available;

    if (state->urgent && state->urgent_at > 0 && state->urgent_at < run)
        run = state->urgent_at;
    take(model, file, run, bytes);
    if (state->urgent && state->urgent_at < run)
        state->urgent = false;
    else if (state->urgent)
        state->urgent_at -= run;
    return run;
}

/* tcp_recvmsg_locked */
static enum model_io read_tcp(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];
    struct model_bytes bytes = {.length = 0};

    if (transfer->count == 0)
        return IO_DONE;
    while (transfer->done < transfer->count && state->available > 0 && !model_is_beyond(model)) {
        bool at_mark = state->urgent && state->urgent_at == 0;
        if (at_mark && transfer->done > 0)
            break;
        if (at_mark && !state->oob_inline) {
            /* Stepped over, and lost. */
            take(model, file, 1, NULL);
            state->urgent = false;
            continue;
        }
        transfer->done +=
            read_run(model, file, (uint32_t)(transfer->count - transfer->done), &bytes);
    }
    transfer->digest = model_bytes_digest(&bytes);
    if (transfer->done > 0 || state->done)
        return IO_DONE;
    if (state->error != 0)
        return fail(transfer, take_error(model, file));
    if (state->shutdown & SHUT_RECEIVE)
        return IO_DONE;
    return state->closed ? fail(transfer, ENOTCONN) : IO_SLEEP;
}

/* tcp_reset: an RST has come. */
static void reset(struct model *model, int file)
{
    struct model_file *state = &model->files[file];

    if (state->closed || state->released)
        return;
    state->error = state->done ? EPIPE : ECONNRESET;
    state->closed = true;
    state->shutdown = SHUT_BOTH;
    model_wake(model, file, 0, 0);
    model_wake(model, file, MASK_ERR, 1);
}

/* tcp_urg: the last of `count` bytes that are about to come is urgent. */
static void mark_urgent(struct model *model, int file, uint32_t count)
{
    struct model_file *state = &model->files[file];

    /* The byte in front was urgent until now, and is not read. */
    if (state->urgent && state->urgent_at == 0 && !state->oob_inline && state->available > 0)
        take(model, file, 1, NULL);
    state->urgent = true;
    state->urgent_at = state->available + count - 1;
    model_wake(model, file, KEY_DATA, 1);
}

enum model_io model_tcp_send(struct model *model, int file, struct model_transfer *transfer,
                             bool urgent)
{
    struct model_file *state = &model->files[file];
    struct model_file *peer = &model->files[state->peer];
    uint32_t count = (uint32_t)transfer->count;

    if (state->closed) {
        int err = take_error(model, file);
        return fail(transfer, err ? err : EPIPE);
    }
    transfer->done = transfer->count;
    if (count == 0)
        return IO_DONE;
    if (peer->released) {
        /* tcp_rcv_state_process of FIN_WAIT2, or of a socket in TIME_WAIT: data gets an RST. */
        reset(model, file);
        return IO_DONE;
    }
    if (peer->available + count > MODEL_STREAM_MAX) {
        model_beyond(model, "more data under way in a TCP connection than fits into any window");
        return IO_DONE;
    }
    if (urgent)
        mark_urgent(model, state->peer, count);
    model_queue_append(model, state->peer, count, !transfer->zeros, true, 0);
    peer->available += count;
    model_wake(model, state->peer, KEY_DATA, 1);
    return IO_DONE;
}

static enum model_io write_tcp(struct model *model, int file, struct model_transfer *transfer)
{
    return model_tcp_send(model, file, transfer, false);
}

/* tcp_close: data that nobody has read makes an RST of the FIN. */
static void release_tcp(struct model *model, int file)
{
    struct model_file *state = &model->files[file];
    struct model_file *peer = &model->files[state->peer];
    bool unread = state->available > 0;

    model_queue_clear(model, file);
    state->available = 0;
    if (state->closed || peer->released || peer->closed)
        return;
    if ((unread && !MISTAKE(NO_RESET)) || state->embryo) {
        reset(model, state->peer);
        return;
    }
    peer->done = true;
    peer->shutdown |= SHUT_RECEIVE;
    model_wake(model, state->peer, 0, 0);
    model_wake(model, state->peer, KEY_DATA, 1);
}

const struct model_kind model_kind_tcp = {
    .polls = true,
    .poll = poll_tcp,
    .read = read_tcp,
    .write = write_tcp,
    .release = release_tcp,
    .what = "socket",
};

/* inet_shutdown */
int model_tcp_shutdown(struct model *model, int file, int64_t how)
{
    struct model_file *state = &model->files[file];
    uint8_t mode = (uint8_t)(how + 1);

    if (how < 0 || how > 2)
        return EINVAL;
    /* The peer acknowledges a FIN when it likes, and that wakes the sender. */
    if (!state->closed && (mode & SHUT_SEND))
        model_beyond(model, "a TCP connection that is shut down for sending");
    state->shutdown |= mode;
    model_wake(model, file, 0, 0);
    return state->closed ? ENOTCONN : 0;
}
