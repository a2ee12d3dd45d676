/* Calls that open, duplicate and close descriptors. */
#include "oracle/model/state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum {
    SOCK_TYPE_BITS = 0xf, /* SOCK_TYPE_MASK of include/linux/net.h */
};

/* Opens one description and returns its number from the step. Returns the file, or MODEL_NONE. */
int model_open_one(struct model *model, enum file_kind kind, bool nonblock, bool cloexec)
{
    int number = model_lowest_free(model, model->step->actor, 0);
    int file = number < 0 ? MODEL_NONE : model_file_new(model, kind, 0);

    if (number < 0)
        model_fail_open(model, EMFILE);
    if (file == MODEL_NONE)
        return MODEL_NONE;
    model->files[file].nonblock = nonblock;
    model_install(model, model->step->actor, number, file, cloexec);
    model_return_fds(model, number, number, -1);
    return file;
}

/* Opens two that are each other's peer. Returns false if there is no room. */
static bool open_pair(struct model *model, enum file_kind first, enum file_kind second,
                      bool nonblock, bool cloexec, int ret_files[2])
{
    int low = model_lowest_free(model, model->step->actor, 0);
    int high = low < 0 ? -1 : model_lowest_free(model, model->step->actor, low + 1);

    if (high < 0) {
        model_fail_open(model, EMFILE);
        return false;
    }
    ret_files[0] = model_file_new(model, first, 0);
    ret_files[1] = model_file_new(model, second, 1);
    if (ret_files[0] == MODEL_NONE || ret_files[1] == MODEL_NONE)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        model->files[ret_files[i]].nonblock = nonblock;
        model->files[ret_files[i]].peer = (int16_t)ret_files[1 - i];
    }
    model_install(model, model->step->actor, low, ret_files[0], cloexec);
    model_install(model, model->step->actor, high, ret_files[1], cloexec);
    model_return_fds(model, 0, low, high);
    return true;
}

/* Fails the step if the table has no room for `count` more numbers. */
static bool numbers_left(struct model *model, unsigned count)
{
    int number = -1;

    while (count-- > 0) {
        number = model_lowest_free(model, model->step->actor, number + 1);
        if (number < 0) {
            model_fail_open(model, EMFILE);
            return false;
        }
    }
    return true;
}

void model_call_EPOLL_CREATE(struct model *model)
{
    if (model_arg(model, 0) <= 0)
        model_fail_open(model, EINVAL);
    else
        (void)model_open_one(model, FILE_EPOLL, true, false);
}

void model_call_EPOLL_CREATE1(struct model *model)
{
    int64_t flags = model_arg(model, 0);

    if (flags & ~(int64_t)EPOLL_CLOEXEC)
        model_fail_open(model, EINVAL);
    else
        (void)model_open_one(model, FILE_EPOLL, true, flags & EPOLL_CLOEXEC);
}

void model_call_PIPE2(struct model *model)
{
    int64_t flags = model_arg(model, 0);
    int files[2];

    if (flags & ~(int64_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_EXCL)) {
        model_fail_open(model, EINVAL);
        return;
    }
    if (flags & (O_DIRECT | O_EXCL)) {
        model_beyond(model, "a pipe of packets or notifications");
        return;
    }
    if (!open_pair(model, FILE_PIPE_READ, FILE_PIPE_WRITE, flags & O_NONBLOCK, flags & O_CLOEXEC,
                   files))
        return;
    model->files[files[0]].no_write = true;
    model->files[files[1]].no_read = true;
}

void model_call_SOCKETPAIR(struct model *model)
{
    int64_t type = model_arg(model, 0) & SOCK_TYPE_BITS;
    int64_t flags = model_arg(model, 0) & ~(int64_t)SOCK_TYPE_BITS;
    int files[2];

    if (flags & ~(int64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
        model_fail_open(model, EINVAL);
        return;
    }
    if (type == SOCK_SEQPACKET) {
        model_beyond(model, "a pair of sockets of type SOCK_SEQPACKET");
        return;
    }
    /* Numbers are taken before the family is asked. */
    if (!numbers_left(model, 2))
        return;
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_RAW) {
        model_fail_open(model, type > SOCK_PACKET ? EINVAL : ESOCKTNOSUPPORT);
        return;
    }
    if (!open_pair(model, FILE_SOCKET, FILE_SOCKET, flags & SOCK_NONBLOCK, flags & SOCK_CLOEXEC,
                   files))
        return;
    /* unix_create makes a datagram socket of a raw one. */
    model->files[files[0]].datagram = model->files[files[1]].datagram = type != SOCK_STREAM;
}

void model_call_EVENTFD(struct model *model)
{
    int64_t flags = model_arg(model, 1);

    if (flags & ~(int64_t)(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) {
        model_fail_open(model, EINVAL);
        return;
    }
    int file = model_open_one(model, FILE_EVENTFD, flags & EFD_NONBLOCK, flags & EFD_CLOEXEC);
    if (file == MODEL_NONE)
        return;
    model->files[file].count = (unsigned)model_arg(model, 0);
    model->files[file].semaphore = flags & EFD_SEMAPHORE;
}

void model_call_OPEN(struct model *model)
{
    bool executable = model_arg(model, 0) == PATH_EXE;
    int64_t flags = model_arg(model, 1);
    int64_t mode = flags & O_ACCMODE;

    if ((flags & ~(int64_t)(O_ACCMODE | O_NONBLOCK | O_CLOEXEC)) != 0 || mode == O_ACCMODE) {
        model_beyond(model, "open with flags that the model does not know");
        return;
    }
    /* deny_write_access: a program that runs cannot be opened for writing. */
    if (!numbers_left(model, 1))
        return;
    if (executable && mode != O_RDONLY) {
        model_fail_open(model, ETXTBSY);
        return;
    }
    int file = model_open_one(model, FILE_PATH, true, flags & O_CLOEXEC);
    if (file == MODEL_NONE)
        return;
    model->files[file].executable = executable;
    model->files[file].no_read = mode == O_WRONLY;
    model->files[file].no_write = mode == O_RDONLY;
}

void model_call_MEMFD_CREATE(struct model *model)
{
    int64_t flags = model_arg(model, 0);

    if (flags & ~(int64_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
        model_beyond(model, "memfd_create with flags that the model does not know");
    else
        (void)model_open_one(model, FILE_REGULAR, true, flags & MFD_CLOEXEC);
}

/* --- Closing --- */

void model_close_number(struct model *model, int number)
{
    int file = model_file_at(model, number);

    if (file == MODEL_NONE) {
        model_return_error(model, EBADF);
        return;
    }
    model_uninstall(model_table_of(model, model->step->actor), number);
    if (MISTAKE(REMOVE_AT_CLOSE))
        model_forget_file(model, file);
    model_unref(model, file);
    model_return_value(model, 0);
}

void model_call_CLOSE(struct model *model)
{
    model_close_number(model, model_arg_number(model, 0));
}

/* fdopen finds out whether the number is open, by fcntl. */
void model_call_FCLOSE(struct model *model)
{
    model_close_number(model, model_arg_number(model, 0));
}

void model_call_SYSCALL(struct model *model)
{
    if (model_arg(model, 0) != SYS_close)
        model_beyond(model, "a system call other than close");
    else
        model_close_number(model, model_arg_number(model, 1));
}

void model_call_CLOSE_RANGE(struct model *model)
{
    unsigned first = (unsigned)model_arg_number(model, 0);
    unsigned last = (unsigned)model_arg_number(model, 1);
    int64_t flags = model_arg(model, 2);

    if ((flags & ~(int64_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) != 0 || first > last) {
        model_return_error(model, EINVAL);
        return;
    }
    if ((flags & CLOSE_RANGE_UNSHARE) && !MISTAKE(RANGE_SHARED))
        model_unshare(model);
    struct model_table *table = model_table_of(model, model->step->actor);
    unsigned past = last < PROGRAM_FD_LIMIT - 1 ? last + 1 : PROGRAM_FD_LIMIT;
    /* The files' ends are work that the task does last in, first out, on its way back. */
    for (unsigned number = past; number-- > first;) {
        if (table->files[number] < 0)
            continue;
        if (flags & CLOSE_RANGE_CLOEXEC)
            model_set_cloexec(table, (int)number, true);
        else
            model_unref(model, model_uninstall(table, (int)number));
    }
    model_return_value(model, 0);
}

/* --- Duplicates --- */

static void dup_from(struct model *model, int file, int from, bool cloexec)
{
    int number = model_lowest_free(model, model->step->actor, from);

    if (number < 0) {
        model_fail_open(model, EMFILE);
        return;
    }
    model_install(model, model->step->actor, number, file, cloexec);
    model_return_fds(model, number, number, -1);
}

void model_call_DUP(struct model *model)
{
    int file = model_arg_file(model, 0);

    if (file == MODEL_NONE)
        model_fail_open(model, EBADF);
    else
        dup_from(model, file, 0, false);
}

void model_call_FCNTL(struct model *model)
{
    int file = model_arg_file(model, 0);
    int64_t command = model_arg(model, 1);
    int64_t from = model_arg(model, 2);

    if (command != F_DUPFD && command != F_DUPFD_CLOEXEC) {
        model_beyond(model, "an fcntl command that the model does not know");
        return;
    }
    if (file == MODEL_NONE)
        model_fail_open(model, EBADF);
    else if (from < 0 || from >= model_limit(model))
        model_fail_open(model, EINVAL);
    else
        dup_from(model, file, MISTAKE(DUP_FROM_ZERO) ? 0 : (int)from, command == F_DUPFD_CLOEXEC);
}

static void dup_over(struct model *model, bool cloexec)
{
    int from = model_arg_number(model, 0);
    int over = model_arg_number(model, 1);
    int file = model_file_at(model, from);

    /* dup2 of a number over itself does not look at the limit. */
    if (over < 0 || (over >= model_limit(model) && over != from) || file == MODEL_NONE) {
        model_fail_open(model, EBADF);
        return;
    }
    if (over >= PROGRAM_FD_LIMIT) {
        model_beyond(model, "a descriptor number past those that the model has");
        return;
    }
    if (model_table_of(model, model->step->actor)->files[over] == MODEL_RESERVED) {
        model_fail_open(model, EBUSY);
        return;
    }
    if (from != over)
        model_install(model, model->step->actor, over, file, cloexec);
    model_return_fds(model, over, over, -1);
}

void model_call_DUP2(struct model *model)
{
    dup_over(model, false);
}

void model_call_DUP3(struct model *model)
{
    int64_t flags = model_arg(model, 2);

    if ((flags & ~(int64_t)O_CLOEXEC) != 0 ||
        model_arg_number(model, 0) == model_arg_number(model, 1))
        model_fail_open(model, EINVAL);
    else
        dup_over(model, flags & O_CLOEXEC);
}
