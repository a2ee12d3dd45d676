/* The backend `syscall`: a plain loop over the real epoll_ctl. It works everywhere. */
#include "shim/backend.h"
#include "shim/batch.h"

#include <errno.h>

static int syscall_execute_one(const struct pending_op *op, unsigned int flags)
{
    /* The kernel takes a pointer to non-const but only reads it. */
    struct epoll_event copy = op->event;
    struct epoll_event *event = op->has_event ? &copy : NULL;
    int result = batch_ctl_direct(op->epfd, op->op, op->fd, event);

    if ((flags & BATCH_FIXUPS) == 0) {
        return result;
    }
    if (op->op == EPOLL_CTL_ADD && result == -EEXIST) {
        return batch_ctl_direct(op->epfd, EPOLL_CTL_MOD, op->fd, event);
    }
    if (op->op == EPOLL_CTL_MOD && result == -ENOENT) {
        return batch_ctl_direct(op->epfd, EPOLL_CTL_ADD, op->fd, event);
    }
    return result;
}

static int syscall_execute(struct pending_op *ops, size_t count, unsigned int flags)
{
    int first_error = 0;

    for (size_t index = 0; index < count; index++) {
        if (first_error < 0 && (flags & BATCH_ALL) == 0) {
            ops[index].result = -ECANCELED;
            continue;
        }
        ops[index].result = syscall_execute_one(&ops[index], flags);
        if (first_error == 0) {
            first_error = ops[index].result;
        }
    }
    return first_error;
}

const struct backend backend_syscall = {
    .name = "syscall",
    .execute = syscall_execute,
};
