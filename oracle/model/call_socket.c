/* Sockets that have an address, and descriptors sent over sockets. */
#include "oracle/model/kinds.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

/* The socket that argument 0 names, or MODEL_NONE and why not. */
static int arg_socket(struct model *model, int *ret_err)
{
    int file = model_arg_file(model, 0);

    *ret_err = 0;
    if (file == MODEL_NONE)
        *ret_err = EBADF;
    else if (model->files[file].kind != FILE_SOCKET && model->files[file].kind != FILE_LISTENER)
        *ret_err = ENOTSOCK;
    return *ret_err ? MODEL_NONE : file;
}

void model_call_LISTEN(struct model *model)
{
    int64_t flags = model_arg(model, 1);

    if (flags & ~(int64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
        model_beyond(model, "listen with flags that the model does not know");
        return;
    }
    int file = model_open_one(model, FILE_LISTENER, flags & SOCK_NONBLOCK, flags & SOCK_CLOEXEC);
    if (file != MODEL_NONE)
        model->files[file].inet = model_arg(model, 0) == AF_INET;
}

/* What connect answers before it makes a socket. */
static int check_connect(struct model *model, int *ret_listener)
{
    int err;

    *ret_listener = arg_socket(model, &err);
    if (!err && model->files[*ret_listener].kind != FILE_LISTENER)
        err = EINVAL;
    return err;
}

void model_call_CONNECT(struct model *model)
{
    int64_t flags = model_arg(model, 1);
    unsigned self = model->step->actor;
    int listener;

    int err = check_connect(model, &listener);
    if (err) {
        model_fail_open(model, err);
        return;
    }
    if (flags & ~(int64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
        model_beyond(model, "connect with flags that the model does not know");
        return;
    }
    int number = model_lowest_free(model, self, 0);
    if (number < 0) {
        model_fail_open(model, EMFILE);
        return;
    }
    if (!model->files[listener].inet && (model->files[listener].shutdown & SHUT_RECEIVE)) {
        model_fail_open(model, ECONNREFUSED);
        return;
    }
    /* The number is taken before anybody hears of the connection. */
    model_table_of(model, self)->files[number] = MODEL_RESERVED;
    int client = model_listener_connect(model, listener, flags & SOCK_NONBLOCK);
    if (client == MODEL_NONE)
        return;
    model_install(model, self, number, client, flags & SOCK_CLOEXEC);
    model_return_fds(model, number, number, -1);
}

/* --- accept4 --- */

/* Binds the oldest connection to a number of the actor's. Returns false if there is none. */
static bool accept_oldest(struct model *model, unsigned actor, int listener, unsigned step,
                          int number, bool nonblock, bool cloexec)
{
    int connection = model_listener_accept(model, listener, step, nonblock);

    if (connection == MODEL_NONE)
        return false;
    model_install(model, actor, number, connection, cloexec);
    model_unref(model, connection);
    model_bind_fd(model, model_return_of(model, step, number, 0), number);
    return true;
}

/* What accept4 answers when its number is reserved: the socket is asked then. */
static int check_accept(const struct model *model, int file)
{
    const struct model_file *state = &model->files[file];

    if (state->kind == FILE_LISTENER)
        return 0;
    if (state->kind != FILE_SOCKET)
        return ENOTSOCK;
    return state->datagram ? EOPNOTSUPP : EINVAL;
}

void model_call_ACCEPT4(struct model *model)
{
    int64_t flags = model_arg(model, 1);
    unsigned self = model->step->actor;
    int file = model_arg_file(model, 0);

    if (flags & ~(int64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
        model_beyond(model, "accept4 with flags that the model does not know");
        return;
    }
    int number = file == MODEL_NONE ? -1 : model_lowest_free(model, self, 0);
    int err = file == MODEL_NONE ? EBADF : number < 0 ? EMFILE : check_accept(model, file);
    if (err) {
        model_fail_open(model, err);
        return;
    }
    if (accept_oldest(model, self, file, model->index, number, flags & SOCK_NONBLOCK,
                      flags & SOCK_CLOEXEC))
        return;
    /* skb_recv_datagram: only who sleeps finds out that nobody will come. */
    if (model->files[file].nonblock || (model->files[file].shutdown & SHUT_RECEIVE)) {
        model_fail_open(model, model->files[file].nonblock ? EAGAIN : EINVAL);
        return;
    }
    struct model_actor *actor = model_sleep(model, SLEEP_ACCEPT, file);
    actor->nonblock = flags & SOCK_NONBLOCK;
    actor->cloexec = flags & SOCK_CLOEXEC;
    if (MISTAKE(ACCEPT_LATE_NUMBER))
        return;
    actor->number = (int16_t)number;
    model_table_of(model, self)->files[number] = MODEL_RESERVED;
}

bool model_resume_accept(struct model *model, struct model_actor *actor)
{
    unsigned self = (unsigned)(actor - model->actors);
    unsigned step = (unsigned)actor->step;
    int number = actor->number >= 0 ? actor->number : model_lowest_free(model, self, 0);

    if (number < 0)
        return false;
    if (accept_oldest(model, self, actor->file, step, number, actor->nonblock, actor->cloexec))
        return true;
    if (model->files[actor->file].inet || !(model->files[actor->file].shutdown & SHUT_RECEIVE))
        return false;
    model_bind_fd(model, model_return_of(model, step, -1, EINVAL), -1);
    return true;
}

/* --- send and setsockopt --- */

static enum model_io send_bytes(struct model *model, int file, struct model_transfer *transfer,
                                bool urgent)
{
    const struct model_file *state = &model->files[file];

    if (urgent && state->inet && state->kind == FILE_SOCKET)
        return model_tcp_send(model, file, transfer, true);
    /* Where Unix sockets have urgent data, there is one byte of it at least. */
    if (urgent && !state->inet &&
        (state->datagram || !model->facts->unix_oob || transfer->count == 0)) {
        transfer->err = EOPNOTSUPP;
        return IO_ERROR;
    }
    if (urgent && !state->inet && state->kind == FILE_SOCKET)
        model_beyond(model, "urgent data on a Unix socket");
    return model_kind_of(model, file)->write(model, file, transfer);
}

void model_call_SEND(struct model *model)
{
    int64_t flags = model_arg(model, 2);
    int err;
    int file = arg_socket(model, &err);

    if (err) {
        model_return_error(model, err);
        return;
    }
    if (flags & ~(int64_t)(MSG_OOB | MSG_DONTWAIT)) {
        model_beyond(model, "send with flags that the model does not know");
        return;
    }
    struct model_transfer transfer = {.count = model_arg(model, 1),
                                      .nonblock =
                                          model->files[file].nonblock || (flags & MSG_DONTWAIT)};
    enum model_io io = send_bytes(model, file, &transfer, flags & MSG_OOB);
    if (io == IO_SLEEP && !transfer.nonblock) {
        struct model_actor *self = model_sleep(model, SLEEP_WRITE, file);
        self->count = transfer.count;
        self->done = transfer.done;
        return;
    }
    if (io == IO_ERROR || (io == IO_SLEEP && transfer.done == 0))
        model_return_error(model, io == IO_ERROR ? transfer.err : EAGAIN);
    else
        model_return_value(model, transfer.done);
}

void model_call_SETSOCKOPT(struct model *model)
{
    int err;
    int file = arg_socket(model, &err);

    if (err) {
        model_return_error(model, err);
        return;
    }
    if (model_arg(model, 1) != SO_OOBINLINE) {
        model_beyond(model, "a socket option that the model does not know");
        return;
    }
    model->files[file].oob_inline = model_arg(model, 2) != 0;
    model_return_value(model, 0);
}

/* --- Descriptors in messages --- */

bool model_refuses_send_fd(struct model *model)
{
    int file = model_arg_file(model, 1);

    return file != MODEL_NONE && !model->files[file].inet &&
           (model->files[file].kind == FILE_SOCKET || model->files[file].kind == FILE_LISTENER);
}

/* What sendmsg answers before the message goes its way. */
static int check_send_fd(struct model *model, int over, int file)
{
    if (model_refuses_send_fd(model))
        return EINVAL;
    if (over == MODEL_NONE)
        return EBADF;
    if (model->files[over].kind != FILE_SOCKET && model->files[over].kind != FILE_LISTENER)
        return ENOTSOCK;
    return !model->files[over].inet && file == MODEL_NONE ? EBADF : 0;
}

void model_call_SEND_FD(struct model *model)
{
    int over = model_arg_file(model, 0);
    int file = model_arg_file(model, 1);

    int err = check_send_fd(model, over, file);
    if (err) {
        model_return_error(model, err);
        return;
    }
    struct model_transfer transfer = {
        .count = 1, .nonblock = model->files[over].nonblock, .flight = file + 1, .zeros = true};
    enum model_io io = model_kind_of(model, over)->write(model, over, &transfer);
    if (io == IO_SLEEP && !transfer.nonblock)
        model_beyond(model, "a descriptor whose message has to wait for room");
    else if (io != IO_DONE)
        model_return_error(model, io == IO_ERROR ? transfer.err : EAGAIN);
    else
        model_return_value(model, transfer.done);
}

/* One try of recvmsg. Returns false if there is nothing yet. */
static bool receive(struct model *model, unsigned actor, int file, unsigned step, bool nonblock,
                    bool resumed, bool cloexec)
{
    struct model_transfer transfer = {.count = 1, .nonblock = nonblock, .resumed = resumed};
    unsigned landed = model->nlanded;
    enum model_io io = model_kind_of(model, file)->read(model, file, &transfer);

    if (io == IO_SLEEP && !nonblock)
        return false;
    int err = io == IO_ERROR ? transfer.err : io == IO_SLEEP ? EAGAIN : 0;
    int number = -1;
    if (model->nlanded > landed) {
        number = model_lowest_free(model, actor, 0);
        if (number >= 0)
            model_install(model, actor, number, model->landed[landed], cloexec);
        else
            err = EMFILE;
    } else if (!err) {
        err = transfer.done == 0 ? ENODATA : ENOMSG;
    }
    model_bind_fd(model, model_return_of(model, step, number, err), number);
    return true;
}

void model_call_RECV_FD(struct model *model)
{
    int64_t flags = model_arg(model, 1);
    int err;
    int file = arg_socket(model, &err);

    if (err) {
        model_fail_open(model, err);
        return;
    }
    if (flags & ~(int64_t)(MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) {
        model_beyond(model, "recvmsg with flags that the model does not know");
        return;
    }
    bool nonblock = model->files[file].nonblock || (flags & MSG_DONTWAIT);
    if (receive(model, model->step->actor, file, model->index, nonblock, false,
                flags & MSG_CMSG_CLOEXEC))
        return;
    model_sleep(model, SLEEP_RECV_FD, file)->cloexec = flags & MSG_CMSG_CLOEXEC;
}

bool model_resume_recv_fd(struct model *model, struct model_actor *actor)
{
    return receive(model, (unsigned)(actor - model->actors), actor->file, (unsigned)actor->step,
                   false, true, actor->cloexec);
}
