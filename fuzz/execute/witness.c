/*
 * libepdiff-witness.so: preloaded behind the subject, on the native side too, it stands where the
 * subject looks for the next epoll_ctl. It makes the call and writes down when it was made and what
 * came of it: that is how the oracle knows when a deferred operation was carried out, and with what
 * result, instead of guessing it from the effects.
 *
 * It reads the calls of the kernel module of kmod/ as well. What goes to the kernel by another road
 * (inline system calls, io_uring) it does not see; the oracle then reasons from the interest lists
 * alone.
 */
#include "fuzz/execute/raw.h"
#include "fuzz/execute/wire.h"

#include "kmod/epoll_batch.h"

#include <sys/epoll.h>
#include <sys/prctl.h>

#define WITNESS_EXPORT __attribute__((visibility("default")))

/* The executor's shared memory. Weak: a program other than the executor has none. */
extern struct wire *epdiff_wire __attribute__((weak));

/* Runs before the subject's constructors, for it is loaded behind them: a process that one of those
 * leaves behind is the server's to end. */
__attribute__((constructor)) static void adopt_orphans(int argc)
{
    /* A new image of a program's process is no server: its orphans are the server's, too. */
    if (&epdiff_wire && argc != IMAGE_ARGUMENTS)
        raw_syscall3(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0);
}

static void write_down(long epfd, long op, long fd, const struct epoll_event *event, long result)
{
    struct wire *wire = &epdiff_wire ? epdiff_wire : NULL;

    if (!wire)
        return;
    uint32_t index = __atomic_fetch_add(&wire->ncarried, 1, __ATOMIC_RELAXED);
    if (index >= TRACE_CARRIED_MAX)
        return;
    /* The kernel reads the event before it looks at anything else: unless it said EFAULT, it can be
     * read here. */
    bool readable = op != EPOLL_CTL_DEL && event && result != -EFAULT;
    wire->carried[index] = (struct wire_carried){
        .tid = (int32_t)raw_syscall3(SYS_gettid, 0, 0, 0),
        .call = {.step = (int16_t)raw_load(&wire->now),
                 .epfd = (int)epfd,
                 .op = (int)op,
                 .number = (int)fd,
                 .data = readable ? event->data.u64 : 0,
                 .err = result < 0 ? (int)-result : 0},
    };
}

static long carry_out(long epfd, long op, long fd, struct epoll_event *event)
{
    long result = raw_syscall6(SYS_epoll_ctl, epfd, op, fd, (long)event, 0, 0);

    write_down(epfd, op, fd, event, result);
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

WITNESS_EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    return (int)carry_out(epfd, op, fd, event);
}

/* One operation of a batch. One that was tried again was two calls. */
static void write_down_carried(const struct epoll_batch_op *op, int result)
{
    struct epoll_event event = {.events = op->events, .data.u64 = op->data};

    if (result == EPOLL_BATCH_REPAIRED || result < -EPOLL_BATCH_SECOND) {
        bool add = op->op == EPOLL_CTL_ADD;
        write_down(op->epfd, op->op, op->fd, &event, add ? -EEXIST : -ENOENT);
        write_down(op->epfd, add ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, op->fd, &event,
                   result == EPOLL_BATCH_REPAIRED ? 0 : result + EPOLL_BATCH_SECOND);
        return;
    }
    write_down(op->epfd, op->op, op->fd, &event, result);
}

/* What the module says that it has carried out. It has read and written this memory, so it can be
 * read. */
static void write_down_batch(const struct epoll_batch_run *run, long done)
{
    const struct epoll_batch_op *ops = (const void *)(uintptr_t)run->ops;
    const int32_t *results = (const void *)(uintptr_t)run->results;

    for (long index = 0; index < done; index++)
        write_down_carried(&ops[index], results[index]);
}

WITNESS_EXPORT int ioctl(int fd, unsigned long request, void *argument);
WITNESS_EXPORT int ioctl(int fd, unsigned long request, void *argument)
{
    long result = raw_syscall3(SYS_ioctl, fd, (long)request, (long)argument);

    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    /* Both structures begin with the batch. */
    if (request == EPOLL_BATCH_RUN || request == EPOLL_BATCH_WAIT)
        write_down_batch(argument, result);
    return (int)result;
}

/* syscall(2) takes up to six arguments; reading ones that were not passed is what libc's own does.
 */
WITNESS_EXPORT long syscall(long number, long a, long b, long c, long d, long e, long f);
WITNESS_EXPORT long syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_epoll_ctl)
        return carry_out(a, b, c, (struct epoll_event *)d);
    long result = raw_syscall6(number, a, b, c, d, e, f);
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}
