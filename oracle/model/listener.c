/* Listening sockets of both families: connections wait in them, the oldest first. */
#include "oracle/model/kinds.h"

#include <errno.h>
#include <sys/epoll.h>

/* The oldest connection that waits, or MODEL_NONE. */
static int oldest(const struct model *model, int listener)
{
    for (unsigned i = 0; i < model->nfiles; i++) {
        if (model->files[i].queued_on == listener && !model->files[i].released)
            return (int)i;
    }
    return MODEL_NONE;
}

static uint32_t poll_listener(struct model *model, int file, uint32_t requested)
{
    const struct model_file *state = &model->files[file];
    uint32_t found = oldest(model, file) != MODEL_NONE ? MASK_IN : 0;

    (void)requested;
    if (state->inet)
        return found;
    if (state->shutdown == SHUT_BOTH)
        found |= MASK_HUP;
    if (state->shutdown & SHUT_RECEIVE)
        found |= MASK_RDHUP | MASK_IN;
    return found;
}

static enum model_io read_listener(struct model *model, int file, struct model_transfer *transfer)
{
    if (transfer->count == 0)
        return IO_DONE;
    transfer->err = model->files[file].inet ? ENOTCONN : EINVAL;
    return IO_ERROR;
}

static enum model_io write_listener(struct model *model, int file, struct model_transfer *transfer)
{
    transfer->err = model->files[file].inet ? EPIPE : ENOTCONN;
    return IO_ERROR;
}

/* unix_release_sock, inet_csk_listen_stop: who has not been accepted is reset. */
static void release_listener(struct model *model, int file)
{
    int connection;

    while ((connection = oldest(model, file)) != MODEL_NONE) {
        model->files[connection].embryo = !MISTAKE(EMBRYO_CLOSES);
        model->files[connection].queued_on = MODEL_NONE;
        model_unref(model, connection);
    }
}

const struct model_kind model_kind_listener = {
    .polls = true,
    .poll = poll_listener,
    .read = read_listener,
    .write = write_listener,
    .release = release_listener,
    .what = "socket",
};

int model_listener_shutdown(struct model *model, int file, int64_t how)
{
    struct model_file *state = &model->files[file];
    uint8_t mode = (uint8_t)(how + 1);

    if (how < 0 || how > 2)
        return EINVAL;
    if (state->inet && (mode & SHUT_RECEIVE))
        model_beyond(model, "a TCP socket that stops listening");
    state->shutdown |= mode;
    model_wake(model, file, 0, 0);
    return 0;
}

int model_listener_connect(struct model *model, int listener, bool nonblock)
{
    int client = model_file_new(model, FILE_SOCKET, 0);
    int server = model_file_new(model, FILE_SOCKET, 0);

    if (client == MODEL_NONE || server == MODEL_NONE)
        return MODEL_NONE;
    for (unsigned i = 0; i < 2; i++) {
        struct model_file *end = &model->files[i ? server : client];
        end->inet = model->files[listener].inet;
        end->peer = (int16_t)(i ? client : server);
    }
    model->files[client].nonblock = nonblock;
    model->files[server].inner = true;
    model->files[server].queued_on = (int16_t)listener;
    model_ref(model, server);
    if (!MISTAKE(CONNECT_SILENT))
        model_wake(model, listener, KEY_DATA, 1);
    return client;
}

int model_listener_accept(struct model *model, int listener, unsigned step, bool nonblock)
{
    int connection = oldest(model, listener);

    if (connection == MODEL_NONE)
        return MODEL_NONE;
    struct model_file *state = &model->files[connection];
    state->queued_on = MODEL_NONE;
    state->inner = false;
    state->born = (int16_t)step;
    state->out = 0;
    state->nonblock = nonblock;
    return connection;
}
