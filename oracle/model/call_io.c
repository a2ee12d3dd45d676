/* read, write and shutdown. */
#include "oracle/model/kinds.h"

#include <errno.h>

static void transfer_bytes(struct model *model, bool reads)
{
    int file = model_arg_file(model, 0);

    if (file == MODEL_NONE) {
        model_return_error(model, EBADF);
        return;
    }
    const struct model_file *state = &model->files[file];
    const struct model_kind *kind = model_kind_of(model, file);
    if (reads ? state->no_read : state->no_write) {
        model_return_error(model, EBADF);
        return;
    }
    if (!(reads ? kind->read : kind->write)) {
        model_return_error(model, EINVAL);
        return;
    }
    struct model_transfer transfer = {.count = model_arg(model, 1), .nonblock = state->nonblock};
    enum model_io io =
        reads ? kind->read(model, file, &transfer) : kind->write(model, file, &transfer);
    if (io == IO_SLEEP && !transfer.nonblock) {
        struct model_actor *self = model_sleep(model, reads ? SLEEP_READ : SLEEP_WRITE, file);
        self->count = transfer.count;
        self->done = transfer.done;
        return;
    }
    if (io == IO_ERROR || (io == IO_SLEEP && transfer.done == 0)) {
        model_return_error(model, io == IO_ERROR ? transfer.err : EAGAIN);
        return;
    }
    model_notify_io(model, file, reads, transfer.done);
    struct model_return *back = model_return_of(model, model->index, transfer.done, 0);
    back->digest = transfer.digest;
    back->any_digest = transfer.any_digest;
}

void model_call_READ(struct model *model)
{
    transfer_bytes(model, true);
}

void model_call_WRITE(struct model *model)
{
    transfer_bytes(model, false);
}

static int shut_down(struct model *model, int file, int64_t how)
{
    if (model->files[file].kind == FILE_LISTENER)
        return model_listener_shutdown(model, file, how);
    if (model->files[file].kind != FILE_SOCKET)
        return ENOTSOCK;
    return model->files[file].inet ? model_tcp_shutdown(model, file, how)
                                   : model_unix_shutdown(model, file, how);
}

void model_call_SHUTDOWN(struct model *model)
{
    int file = model_arg_file(model, 0);
    int err = EBADF;

    if (file != MODEL_NONE)
        err = shut_down(model, file, model_arg(model, 1));
    if (err)
        model_return_error(model, err);
    else
        model_return_value(model, 0);
}
