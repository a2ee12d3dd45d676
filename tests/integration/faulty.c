/*
 * libfaulty.so: wraps every call that programs make and changes nothing, until EPDIFF_FAULT in the
 * environment names a fault. Each fault is what one class of divergence looks like in a subject.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    FDS_MAX = 1024,
};

enum fault {
    FAULT_NONE,
    FAULT_ORDER,
    FAULT_LEAK,
    FAULT_HANG,
    FAULT_CRASH,
    FAULT_ERRNO_LOST,
    FAULT_ERRNO_LATE,
    FAULT_ERRNO_MASKED,
    FAULT_ERRNO_PHANTOM,
    FAULT_ERRNO_WRONG,
    FAULT_ERRNO_CLOBBERED,
    FAULT_MISSING,
    FAULT_EXTRA,
    FAULT_STALE,
    FAULT_MASK,
    FAULT_WAKEUP_LOST,
    FAULT_WAKEUP_EXTRA,
    FAULT_INTEREST,
    FAULT_LATE_ADD,
    FAULT_SHORT_WRITE,
};

static const char *const fault_names[] = {
    [FAULT_NONE] = "none",
    [FAULT_ORDER] = "order",
    [FAULT_LEAK] = "leak",
    [FAULT_HANG] = "hang",
    [FAULT_CRASH] = "crash",
    [FAULT_ERRNO_LOST] = "errno-lost",
    [FAULT_ERRNO_LATE] = "errno-late",
    [FAULT_ERRNO_MASKED] = "errno-masked",
    [FAULT_ERRNO_PHANTOM] = "errno-phantom",
    [FAULT_ERRNO_WRONG] = "errno-wrong",
    [FAULT_ERRNO_CLOBBERED] = "errno-clobbered",
    [FAULT_MISSING] = "missing",
    [FAULT_EXTRA] = "extra",
    [FAULT_STALE] = "stale",
    [FAULT_MASK] = "mask",
    [FAULT_WAKEUP_LOST] = "wakeup-lost",
    [FAULT_WAKEUP_EXTRA] = "wakeup-extra",
    [FAULT_INTEREST] = "interest",
    [FAULT_LATE_ADD] = "late-add",
    [FAULT_SHORT_WRITE] = "short-write",
};

static enum fault fault;
static uint64_t first_data[FDS_MAX];             /* stale */
static struct epoll_event last_added;            /* extra */
static int late_epfd = -1, late_op, late_number; /* late-add */
static struct epoll_event late_event;

/* The function behind this library. */
#define NEXT(name)                                                                                 \
    static __typeof__(&name) next;                                                                 \
    if (!next)                                                                                     \
    next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define WRAP(type, name, parameters, arguments)                                                    \
    EXPORT type name parameters                                                                    \
    {                                                                                              \
        NEXT(name);                                                                                \
        return next arguments;                                                                     \
    }

WRAP(int, epoll_create, (int size), (size))
WRAP(int, close, (int fd), (fd))
WRAP(int, close_range, (unsigned first, unsigned last, int flags), (first, last, flags))
WRAP(int, fclose, (FILE * file), (file))
WRAP(int, dup, (int fd), (fd))
WRAP(int, dup2, (int from, int to), (from, to))
WRAP(int, dup3, (int from, int to, int flags), (from, to, flags))
WRAP(int, pipe2, (int fds[2], int flags), (fds, flags))
WRAP(int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
WRAP(int, eventfd, (unsigned value, int flags), (value, flags))
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags))
WRAP(ssize_t, read, (int fd, void *bytes, size_t count), (fd, bytes, count))
WRAP(int, shutdown, (int fd, int how), (fd, how))
WRAP(int, poll, (struct pollfd * entries, nfds_t count, int timeout), (entries, count, timeout))
WRAP(int, select, (int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout),
     (count, in, out, except, timeout))
WRAP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
WRAP(int, pthread_join, (pthread_t thread, void **result), (thread, result))
WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument),
     (thread, attributes, body, argument))

EXPORT int open(const char *path, int flags, ...)
{
    NEXT(open);
    return next(path, flags);
}

EXPORT int fcntl(int fd, int command, ...)
{
    va_list arguments;
    NEXT(fcntl);

    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return next(fd, command, argument);
}

EXPORT long syscall(long number, ...)
{
    va_list arguments;
    long values[6];
    NEXT(syscall);

    va_start(arguments, number);
    for (unsigned i = 0; i < 6; i++)
        values[i] = va_arg(arguments, long);
    va_end(arguments);
    return next(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}

WRAP(pid_t, fork, (void), ())

EXPORT ssize_t write(int fd, const void *bytes, size_t count)
{
    NEXT(write);
    if (fault == FAULT_WAKEUP_LOST)
        return (ssize_t)count;
    return next(fd, bytes, fault == FAULT_SHORT_WRITE && count > 8 ? count - 1 : count);
}

EXPORT int epoll_create1(int flags)
{
    NEXT(epoll_create1);
    int fd = next(flags);
    if (fault == FAULT_LEAK && fd >= 0)
        (void)!dup(fd);
    return fd;
}

static void sleep_for_ever(void)
{
    static int word;

    for (;;)
        syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* What stands in the way of the call. */
static void before_ctl(int op)
{
    volatile int *volatile nowhere = (volatile int *)16;

    if (fault == FAULT_HANG && op == EPOLL_CTL_DEL)
        sleep_for_ever();
    if (fault == FAULT_CRASH && op == EPOLL_CTL_DEL)
        *nowhere = 1;
}

/* The event as the fault wants it. */
static struct epoll_event *bend_event(int op, int fd, struct epoll_event *event,
                                      struct epoll_event *room)
{
    if (!event || fd < 0 || fd >= FDS_MAX || op == EPOLL_CTL_DEL)
        return event;
    if (fault == FAULT_STALE && op == EPOLL_CTL_ADD)
        first_data[fd] = event->data.u64;
    if (fault != FAULT_STALE && fault != FAULT_INTEREST)
        return event;
    *room = *event;
    if (fault == FAULT_STALE)
        room->data.u64 = first_data[fd];
    else
        room->events |= EPOLLPRI;
    return room;
}

static int fail_with(int err)
{
    errno = err;
    return -1;
}

/* What the caller is told. */
static int after_ctl(int op, int result)
{
    switch (fault) {
    case FAULT_ERRNO_LOST:
        return 0;
    case FAULT_ERRNO_PHANTOM:
        return op == EPOLL_CTL_MOD ? fail_with(EINVAL) : result;
    case FAULT_ERRNO_WRONG:
        return result < 0 ? fail_with(EPERM) : result;
    case FAULT_ERRNO_CLOBBERED:
        errno = EINTR;
        return result;
    default:
        return result;
    }
}

EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    struct epoll_event room;
    NEXT(epoll_ctl);

    if (fault == FAULT_NONE)
        return next(epfd, op, fd, event);
    before_ctl(op);
    if ((fault == FAULT_LATE_ADD && op == EPOLL_CTL_ADD) ||
        (fault == FAULT_ERRNO_LATE && op == EPOLL_CTL_DEL)) {
        late_epfd = epfd;
        late_op = op;
        late_number = fd;
        if (event)
            late_event = *event;
        return 0;
    }
    if (fault == FAULT_EXTRA && op == EPOLL_CTL_ADD)
        last_added = *event;
    int result = next(epfd, op, fd, bend_event(op, fd, event, &room));
    if (fault == FAULT_ERRNO_MASKED && result < 0 && errno == EEXIST) {
        errno = 0;
        result = next(epfd, EPOLL_CTL_MOD, fd, event);
    }
    return after_ctl(op, result);
}

static void reverse(struct epoll_event *events, int count)
{
    for (int i = 0; i < count / 2; i++) {
        struct epoll_event swap = events[i];
        events[i] = events[count - 1 - i];
        events[count - 1 - i] = swap;
    }
}

static int bend_events(struct epoll_event *events, int count, int room)
{
    if (fault == FAULT_ORDER)
        reverse(events, count);
    if (fault == FAULT_MISSING && count > 0)
        return count - 1;
    if (fault == FAULT_EXTRA && count >= 0 && count < room) {
        events[count] = last_added;
        return count + 1;
    }
    for (int i = 0; fault == FAULT_MASK && i < count; i++)
        events[i].events |= EPOLLPRI;
    return count;
}

/* What is pending is carried out now. Returns what a late error makes of the wait: 0 or -1. */
static int carry_out_late(void)
{
    int result = 0;
    NEXT(epoll_ctl);

    if (late_epfd >= 0)
        result = next(late_epfd, late_op, late_number, &late_event);
    late_epfd = -1;
    return result;
}

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int room, int timeout)
{
    NEXT(epoll_wait);
    if (carry_out_late() < 0)
        return -1;
    timeout = fault == FAULT_WAKEUP_EXTRA ? 0 : timeout;
    return bend_events(events, next(epfd, events, room, timeout), room);
}

EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int room, int timeout,
                       const sigset_t *mask)
{
    NEXT(epoll_pwait);
    return bend_events(events, next(epfd, events, room, timeout, mask), room);
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int room,
                        const struct timespec *timeout, const sigset_t *mask)
{
    NEXT(epoll_pwait2);
    return bend_events(events, next(epfd, events, room, timeout, mask), room);
}

__attribute__((constructor)) static void start(void)
{
    const char *wanted = getenv("EPDIFF_FAULT");

    if (!wanted)
        return;
    for (unsigned i = 0; i < sizeof(fault_names) / sizeof(fault_names[0]); i++) {
        if (strcmp(fault_names[i], wanted) == 0) {
            fault = (enum fault)i;
            return;
        }
    }
    fprintf(stderr, "faulty: EPDIFF_FAULT=%s is unknown\n", wanted);
    _exit(125);
}
