/*
 * The function syscall(2), through which programs make calls that libc has functions for: libuv
 * closes by it. What the shim takes over by name it takes over here by number. The call itself is
 * made by number, too: syscall is no cancellation point.
 */
#include "shim/interpose.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static long make(long number, const long *a)
{
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long make_fd(long number, const long *a, enum shadow_kind kind)
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened((int)make(number, a), kind, stamp);
}

static long make_pair(long number, const long *a, const int *fds, enum shadow_kind kind)
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened_pair((int)make(number, a), fds, kind, stamp);
}

static long make_duplicate(long number, const long *a)
{
    uint64_t stamp = interpose_before_open();

    CALL_HOOK(before_duplicate, (int)a[0]);
    return interpose_duplicated((int)a[0], (int)make(number, a), stamp);
}

static long make_replacement(long number, const long *a)
{
    bool owed;
    uint64_t stamp = interpose_before_replace((int)a[0], (int)a[1], &owed);

    return interpose_replaced((int)a[0], (int)a[1], (int)make(number, a), stamp, owed);
}

static long make_instance(long number, const long *a)
{
    int epfd;

    epfd = (int)make_fd(number, a, SHADOW_EPOLL);
    if (epfd >= 0) {
        CALL_HOOK(created, epfd);
    }
    return epfd;
}

static long make_wait(long number, const long *a)
{
    const struct policy *policy = shim_policy();
    bool sleeps = number == SYS_epoll_pwait2 || (int)a[3] != 0;
    void *token = NULL;
    long result;

    (void)policy->before_wait((int)a[0], sleeps, &token);
    result = make(number, a);
    if (token != NULL) {
        CALL_HOOK(after_wait, token);
    }
    return result;
}

/* What has to happen before the call, for those that return nothing to take note of. */
static void before(long number, const long *a)
{
    switch (number) {
    case SYS_setsockopt:
        CALL_HOOK(before_change, (int)a[0], false);
        break;
    case SYS_connect:
        CALL_HOOK(before_change, (int)a[0], true);
        break;
    case SYS_sendmsg:
        interpose_send_away((const struct msghdr *)a[1]);
        break;
    case SYS_poll:
    case SYS_ppoll:
        interpose_look_at((const struct pollfd *)a[0], (nfds_t)a[1]);
        break;
    case SYS_select:
    case SYS_pselect6:
        interpose_look_at_sets((int)a[0], (const fd_set *)a[1], (const fd_set *)a[2],
                               (const fd_set *)a[3]);
        break;
    case SYS_sendmmsg:
    case SYS_fork:
    case SYS_vfork:
    case SYS_clone:
    case SYS_clone3:
    case SYS_unshare:
    case SYS_seccomp:
    case SYS_io_uring_setup: /* what goes through the program's own ring passes the shim by */
        CALL_HOOK(before, CHANGE_SPLIT);
        break;
    default:
        break;
    }
}

static long answer(long number, const long *a)
{
    long result;
    bool owed;

    switch (number) {
    case SYS_epoll_create:
    case SYS_epoll_create1:
        return make_instance(number, a);
    case SYS_epoll_ctl:
        return epoll_ctl((int)a[0], (int)a[1], (int)a[2], (struct epoll_event *)a[3]);
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return make_wait(number, a);
    case SYS_pipe:
    case SYS_pipe2:
        return make_pair(number, a, (const int *)a[0], SHADOW_PIPE);
    case SYS_socketpair:
        return make_pair(number, a, (const int *)a[3], interpose_socket_kind((int)a[0], (int)a[1]));
    case SYS_socket:
        return make_fd(number, a, interpose_socket_kind((int)a[0], (int)a[1]));
    case SYS_accept:
    case SYS_accept4:
        return make_fd(number, a, SHADOW_SOCKET);
    case SYS_eventfd:
    case SYS_eventfd2:
        return make_fd(number, a, SHADOW_EVENTFD);
    case SYS_timerfd_create:
        return make_fd(number, a, SHADOW_TIMERFD);
    case SYS_dup:
        return make_duplicate(number, a);
    case SYS_dup2:
    case SYS_dup3:
        return make_replacement(number, a);
    case SYS_fcntl:
        if (a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC) {
            return make_duplicate(number, a);
        }
        return make(number, a);
    case SYS_close:
        CALL_OWING(owed, before_close, (int)a[0]);
        result = make(number, a);
        if (owed) {
            CALL_HOOK(after_close, (int)a[0]);
        }
        return result;
    case SYS_close_range:
        owed = interpose_before_close_range((unsigned int)a[0], (unsigned int)a[1], (int)a[2]);
        result = make(number, a);
        if (owed) {
            CALL_HOOK(after_close_range);
        }
        return result;
    case SYS_execve:
    case SYS_execveat:
        CALL_HOOK(before, CHANGE_EXEC);
        result = make(number, a);
        CALL_HOOK(after, CHANGE_EXEC);
        return result;
    default:
        before(number, a);
        return make(number, a);
    }
}

/* Reads as many arguments as a call can have, as libc's own does: the last of them from the
 * caller's stack, also where none was passed. */
EXPORT __attribute__((no_sanitize_address)) long syscall(long number, ...)
{
    va_list arguments;
    long a[6];

    va_start(arguments, number);
    for (size_t index = 0; index < 6; index++) {
        a[index] = va_arg(arguments, long);
    }
    va_end(arguments);
    return HOOKS(inside) ? answer(number, a) : make(number, a);
}
