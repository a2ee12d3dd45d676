#include "shim/real.h"

#include "shim/raw.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel expects as the size of a signal set; libc's sigset_t is larger. */
#define KERNEL_SIGSET_SIZE ((_NSIG - 1) / 8)

/* As the function syscall, with an errno. */
static long raw_syscall(long number, ...)
{
    va_list arguments;
    long a[6];

    va_start(arguments, number);
    for (size_t index = 0; index < 6; index++) {
        a[index] = va_arg(arguments, long);
    }
    va_end(arguments);
    long result = raw_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/*
 * Before the constructor has run, the interposers may already be called: by the constructor of
 * another library, or by an allocator that dlsym itself uses. Asking dlsym then could recurse
 * without end (hazard H3), so those calls go to the kernel by number. They behave as libc's,
 * except that they are no cancellation points.
 */
static int raw_epoll_create(int size)
{
    return (int)raw_syscall(SYS_epoll_create, size);
}

static int raw_epoll_create1(int flags)
{
    return (int)raw_syscall(SYS_epoll_create1, flags);
}

static int raw_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    return (int)raw_syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

static int raw_epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
    return (int)raw_syscall(SYS_epoll_wait, epfd, events, maxevents, timeout);
}

static int raw_epoll_pwait(int epfd, struct epoll_event *events, int maxevents, int timeout,
                           const sigset_t *sigmask)
{
    return (int)raw_syscall(SYS_epoll_pwait, epfd, events, maxevents, timeout, sigmask,
                            (size_t)KERNEL_SIGSET_SIZE);
}

static int raw_epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
                            const struct timespec *timeout, const sigset_t *sigmask)
{
    return (int)raw_syscall(SYS_epoll_pwait2, epfd, events, maxevents, timeout, sigmask,
                            (size_t)KERNEL_SIGSET_SIZE);
}

static int raw_close(int fd)
{
    return (int)raw_syscall(SYS_close, fd);
}

static int raw_pipe(int fds[2])
{
    return (int)raw_syscall(SYS_pipe, fds);
}

static int raw_pipe2(int fds[2], int flags)
{
    return (int)raw_syscall(SYS_pipe2, fds, flags);
}

static int raw_socket(int domain, int type, int protocol)
{
    return (int)raw_syscall(SYS_socket, domain, type, protocol);
}

static int raw_socketpair(int domain, int type, int protocol, int fds[2])
{
    return (int)raw_syscall(SYS_socketpair, domain, type, protocol, fds);
}

static int raw_eventfd(unsigned int initval, int flags)
{
    return (int)raw_syscall(SYS_eventfd2, initval, flags);
}

static int raw_timerfd_create(int clock, int flags)
{
    return (int)raw_syscall(SYS_timerfd_create, clock, flags);
}

static int raw_dup(int fd)
{
    return (int)raw_syscall(SYS_dup, fd);
}

static int raw_dup2(int fd, int over)
{
    return (int)raw_syscall(SYS_dup2, fd, over);
}

static int raw_dup3(int fd, int over, int flags)
{
    return (int)raw_syscall(SYS_dup3, fd, over, flags);
}

/* dlsym hands functions out as void *; POSIX, not ISO C, promises that this conversion works. */
static void *real_lookup(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/*
 * fork is more than its system call: libc runs the atfork handlers and repairs its own locks. So
 * this one is looked up even early. dlsym never forks, hence no recursion.
 */
static pid_t raw_fork(void)
{
    pid_t (*next)(void) = (pid_t(*)(void))real_lookup("fork");

    assert(next != NULL);
    return next();
}

/* The late ones are filled in by the first call: see real_functions. */
static struct real_functions raw = {
#define INTERPOSED(type, name, parameters) .name = raw_##name,
#define INTERPOSED_LATE(type, name, parameters)
#include "shim/interposed.def"
#undef INTERPOSED
};

static struct real_functions resolved;
static bool looked_up;

static void real_look_up_late(void)
{
#define INTERPOSED(type, name, parameters)
#define INTERPOSED_LATE(type, name, parameters) raw.name = (type(*) parameters)real_lookup(#name);
#include "shim/interposed.def"
#undef INTERPOSED
    looked_up = true;
}

const struct real_functions *_Atomic real_current = &raw;

const struct real_functions *real_functions_early(void)
{
    const struct real_functions *functions = real_functions();

    if (functions == &raw && !looked_up) {
        real_look_up_late();
    }
    return functions;
}

void real_resolve(void)
{
    assert(real_functions() == &raw);
    if (!looked_up) {
        real_look_up_late();
    }
    resolved = raw;
/* A libc that lacks a function (epoll_pwait2 came with 2.35) leaves the system call in place. */
#define INTERPOSED(type, name, parameters)                                                         \
    {                                                                                              \
        void *symbol = real_lookup(#name);                                                         \
        if (symbol != NULL) {                                                                      \
            resolved.name = (type(*) parameters)symbol;                                            \
        }                                                                                          \
    }
#define INTERPOSED_LATE(type, name, parameters)
#include "shim/interposed.def"
#undef INTERPOSED
    atomic_store_explicit(&real_current, &resolved, memory_order_release);
}
