/* What the files of operations share (ops.c, ops_sockets.c, ops_special.c). */
#ifndef EPDIFF_EXECUTE_OPS_INSIDE_H
#define EPDIFF_EXECUTE_OPS_INSIDE_H

#include "fuzz/execute/ops.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

static inline void bind_fds(struct call *call, int first, int second)
{
    const struct op_info *op = &op_table[call->step->op];
    int fds[PROGRAM_OUTS_MAX] = {first, second};

    for (unsigned i = 0; i < op->nouts; i++) {
        call->result->fds[i] = fds[i];
        call->wire->slots[call->step->outs[i]] = fds[i];
    }
}

/* A call whose result is the new descriptor. */
static inline void returned_fd(struct call *call, int fd)
{
    call_returned(call, fd);
    bind_fds(call, fd, -1);
}

static inline const sigset_t *signal_mask(sigset_t *room, int64_t which)
{
    if (which == SIGMASK_NULL)
        return NULL;
    if (which == SIGMASK_FULL)
        sigfillset(room);
    else
        sigemptyset(room);
    return room;
}

/* The bytes that a write of `count` bytes moves: the number 1 in eight bytes, then zeros. They are
 * the actor's own until its next call. `count` is at most PROGRAM_IO_MAX. */
char *op_bytes_to_write(const struct call *call, size_t count);

/*
 * Takes what chance decides (a pid, a cookie) out of what read(2) got from `fd`, if that is a
 * signalfd or an inotify instance. Returns how many bytes are left.
 */
size_t op_strip_chance(int fd, char *bytes, size_t length);

/* Part of actor_reset_process: forgets directory streams, pending signals and limits. The
 * descriptors are closed already. */
void op_reset_files(void);

#endif
