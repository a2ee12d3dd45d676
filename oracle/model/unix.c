/* Connected pairs of Unix sockets, as net/unix/af_unix.c has them. */
#include "oracle/model/kinds.h"

#include <errno.h>
#include <sys/epoll.h>

enum {
    /* SKB_MAX_HEAD(0) + UNIX_SKB_FRAGS_SZ: bytes of one sk_buff of a stream. */
    STREAM_PIECE = 3776 + 32768,
};

/* unix_writable; sk_wmem_alloc counts one more than what was sent. `more`: what is just being
 * freed still counts one. */
static bool writable(const struct model *model, int file, uint32_t more)
{
    return ((uint64_t)model->files[file].charged + 1 + more) * 4 <= model->facts->socket_buffer;
}

static uint32_t poll_unix(struct model *model, int file, uint32_t requested)
{
    const struct model_file *state = &model->files[file];
    uint32_t found = 0;

    if (state->error != 0)
        found |= MASK_ERR;
    if (state->shutdown == SHUT_BOTH)
        found |= MASK_HUP;
    if (state->shutdown & SHUT_RECEIVE)
        found |= MASK_RDHUP | MASK_IN;
    if (state->units > 0)
        found |= MASK_IN;
    if (state->datagram && (requested & MASK_OUT_BAND) == 0)
        return found;
    return found | (writable(model, file, 0) ? MASK_OUT_BAND : 0);
}

/* sock_wfree, rule 47: a message of `charge` bytes that `sender` sent is gone. */
static void uncharge(struct model *model, int sender, uint32_t charge)
{
    struct model_file *state = &model->files[sender];

    state->charged -= charge;
    if (!state->released && writable(model, sender, 1))
        model_wake(model, sender, MASK_OUT_BAND, 1);
}

static enum model_io fail(struct model_transfer *transfer, int err)
{
    transfer->err = err;
    return IO_ERROR;
}

/* sock_error: an error is told once. Rule 48. */
static int take_error(struct model *model, int file)
{
    int err = model->files[file].error;

    model->files[file].error = 0;
    return err;
}

/* Rules 49 and 50. */
static enum model_io read_datagram(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];
    struct model_bytes bytes = {.length = 0};
    bool freed;
    uint32_t charge;

    int err = take_error(model, file);
    if (err)
        return fail(transfer, err);
    if (state->units == 0)
        /* Only who sleeps finds out that nothing more will come. */
        return (state->shutdown & SHUT_RECEIVE) && !transfer->nonblock ? IO_DONE : IO_SLEEP;
    transfer->done =
        model_queue_take(model, file, (uint32_t)transfer->count, true, &bytes, &freed, &charge);
    transfer->digest = model_bytes_digest(&bytes);
    uncharge(model, state->peer, charge);
    return IO_DONE;
}

static enum model_io read_unix(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];
    struct model_bytes bytes = {.length = 0};

    unsigned landed = model->nlanded;

    if (transfer->count == 0)
        return IO_DONE;
    if (state->datagram)
        return read_datagram(model, file, transfer);
    if (state->units == 0) {
        int err = take_error(model, file);
        if (err)
            return fail(transfer, err);
        return state->shutdown & SHUT_RECEIVE ? IO_DONE : IO_SLEEP;
    }
    while (state->units > 0 && transfer->done < transfer->count) {
        bool freed;
        uint32_t charge;
        transfer->done +=
            model_queue_take(model, file, (uint32_t)(transfer->count - transfer->done), false,
                             &bytes, &freed, &charge);
        if (freed)
            uncharge(model, state->peer, charge);
        /* A read ends behind a message that carried a descriptor. */
        if (model->nlanded > landed)
            break;
    }
    transfer->digest = model_bytes_digest(&bytes);
    return IO_DONE;
}

/* Puts one message into the peer's queue. */
static void deliver(struct model *model, int file, uint32_t length, bool one, int flight)
{
    struct model_file *state = &model->files[file];
    uint32_t charge = model->facts->charge(state->datagram, length);

    state->charged += charge;
    model_queue_append(model, state->peer, length, one, true, charge);
    if (flight > 0 && !MISTAKE(INFLIGHT_LOST))
        model_queue_attach(model, state->peer, flight - 1);
    model_wake(model, state->peer, KEY_DATA, 1);
}

static bool room(const struct model *model, int file)
{
    return model->files[file].charged < model->facts->socket_buffer;
}

/* Rule 47. */
static enum model_io write_stream(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];

    if (state->shutdown & SHUT_SEND)
        return transfer->done > 0 ? IO_DONE : fail(transfer, EPIPE);
    while (transfer->done < transfer->count) {
        if (state->error != 0)
            return transfer->done > 0 ? IO_DONE : fail(transfer, take_error(model, file));
        if (state->shutdown & SHUT_SEND)
            return transfer->done > 0 ? IO_DONE : fail(transfer, EPIPE);
        if (!room(model, file))
            return transfer->nonblock && transfer->done > 0 ? IO_DONE : IO_SLEEP;
        int64_t left = transfer->count - transfer->done;
        uint32_t piece = left < STREAM_PIECE ? (uint32_t)left : STREAM_PIECE;
        deliver(model, file, piece, transfer->done == 0 && !transfer->zeros, transfer->flight);
        transfer->done += piece;
        if (model_is_beyond(model))
            break;
    }
    return IO_DONE;
}

/* A message that was made for nothing is freed again, which wakes who waits for room. */
static enum model_io fail_sent(struct model *model, int file, struct model_transfer *transfer,
                               int err)
{
    uncharge(model, file, 0);
    return fail(transfer, err);
}

/* Rule 50. */
static enum model_io write_datagram(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];

    if ((uint64_t)transfer->count > model->facts->socket_buffer - 32)
        return fail(transfer, EMSGSIZE);
    if (state->error != 0)
        return fail(transfer, take_error(model, file));
    if (state->shutdown & SHUT_SEND)
        return fail(transfer, EPIPE);
    if (!room(model, file))
        return IO_SLEEP;
    /* Its peer was closed, and an earlier write has found that out: unix_peer is gone. */
    if (state->peer_forgotten)
        return fail_sent(model, file, transfer, ENOTCONN);
    if (model->files[state->peer].released) {
        /* unix_dgram_disconnected: what the peer had sent is lost. */
        state->peer_forgotten = true;
        model_queue_clear(model, file);
        return fail_sent(model, file, transfer, ECONNREFUSED);
    }
    if (model->files[state->peer].shutdown & SHUT_RECEIVE)
        return fail_sent(model, file, transfer, EPIPE);
    deliver(model, file, (uint32_t)transfer->count, !transfer->zeros, transfer->flight);
    transfer->done = transfer->count;
    return IO_DONE;
}

static enum model_io write_unix(struct model *model, int file, struct model_transfer *transfer)
{
    return model->files[file].datagram ? write_datagram(model, file, transfer)
                                       : write_stream(model, file, transfer);
}

/* unix_release_sock, rule 48: the peer hears of the end, then what was not read is thrown away. */
static void release_unix(struct model *model, int file)
{
    struct model_file *state = &model->files[file];
    int peer = state->peer;
    struct model_file *other = &model->files[peer];

    if (!other->released && !state->datagram) {
        other->shutdown = SHUT_BOTH;
        if ((state->units > 0 && !MISTAKE(NO_RESET)) || state->embryo)
            other->error = ECONNRESET;
        model_wake(model, peer, 0, 0);
    }
    while (state->units > 0) {
        bool freed;
        uint32_t charge;
        (void)model_queue_take(model, file, UINT32_MAX, true, NULL, &freed, &charge);
        uncharge(model, peer, charge);
    }
}

const struct model_kind model_kind_unix = {
    .polls = true,
    .poll = poll_unix,
    .read = read_unix,
    .write = write_unix,
    .release = release_unix,
    .what = "socket",
};

int model_unix_shutdown(struct model *model, int file, int64_t how)
{
    struct model_file *state = &model->files[file];
    uint8_t mode = (uint8_t)(how + 1);

    if (how < 0 || how > 2)
        return EINVAL;
    state->shutdown |= mode;
    model_wake(model, file, 0, 0);
    if (state->datagram || model->files[state->peer].released)
        return 0;
    struct model_file *other = &model->files[state->peer];
    other->shutdown |=
        (uint8_t)((mode & SHUT_RECEIVE ? SHUT_SEND : 0) | (mode & SHUT_SEND ? SHUT_RECEIVE : 0));
    model_wake(model, state->peer, 0, 0);
    return 0;
}
