/* The backend `syscall`: a plain loop over the real epoll_ctl. It works everywhere. */
#include "shim/backend.h"

#include <errno.h>

static int syscall_execute(struct pending_op *ops, size_t count, unsigned int flags)
{
    int first_error = 0;

    for (size_t index = 0; index < count; index++) {
        if (first_error < 0 && (flags & BATCH_ALL) == 0) {
            ops[index].result = -ECANCELED;
            continue;
        }
        ops[index].result = backend_repair(&ops[index], backend_ctl(&ops[index]), flags);
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
