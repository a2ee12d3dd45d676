/*
 * The libc names that the shim takes over, and its only exported symbols. Each asks the policy,
 * then calls the real function; epbatch_flush alone has none behind it. A hook never changes errno
 * here: a call that succeeds leaves errno as the real call alone would have, and one that fails
 * leaves its own error (hazards C13, C14).
 */
#include "shim/epbatch.h"
#include "shim/policy.h"
#include "shim/real.h"
#include "shim/shim.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static int interpose_created(int epfd)
{
    const struct policy *policy = shim_policy();

    if (epfd >= 0 && policy != NULL && policy->created != NULL) {
        int saved_errno = errno;

        policy->created(epfd);
        errno = saved_errno;
    }
    return epfd;
}

EXPORT int epoll_create(int size)
{
    return interpose_created(real_functions()->epoll_create(size));
}

EXPORT int epoll_create1(int flags)
{
    return interpose_created(real_functions()->epoll_create1(flags));
}

EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    const struct policy *policy = shim_policy();
    int saved_errno = errno;
    int result;

    if (policy == NULL) {
        return real_functions()->epoll_ctl(epfd, op, fd, event);
    }
    result = policy->ctl(epfd, op, fd, event);
    errno = result < 0 ? -result : saved_errno;
    return result < 0 ? -1 : 0;
}

/* Returns 0 if the wait is to be carried out, -1 with errno set if it is not. */
static int interpose_before_wait(int epfd)
{
    const struct policy *policy = shim_policy();
    int saved_errno = errno;
    int result;

    if (policy == NULL || policy->before_wait == NULL) {
        return 0;
    }
    result = policy->before_wait(epfd);
    errno = result < 0 ? -result : saved_errno;
    return result < 0 ? -1 : 0;
}

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
    if (interpose_before_wait(epfd) < 0) {
        return -1;
    }
    return real_functions()->epoll_wait(epfd, events, maxevents, timeout);
}

/* The flush comes before the real call, so it never runs under the caller's mask (hazard D4). */
EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int maxevents, int timeout,
                       const sigset_t *sigmask)
{
    if (interpose_before_wait(epfd) < 0) {
        return -1;
    }
    return real_functions()->epoll_pwait(epfd, events, maxevents, timeout, sigmask);
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
                        const struct timespec *timeout, const sigset_t *sigmask)
{
    if (interpose_before_wait(epfd) < 0) {
        return -1;
    }
    return real_functions()->epoll_pwait2(epfd, events, maxevents, timeout, sigmask);
}

EXPORT int close(int fd)
{
    const struct policy *policy = shim_policy();

    if (policy != NULL && policy->before_close != NULL) {
        int saved_errno = errno;

        policy->before_close(fd);
        errno = saved_errno;
    }
    return real_functions()->close(fd);
}

EXPORT pid_t fork(void)
{
    const struct policy *policy = shim_policy();
    pid_t pid;

    if (policy != NULL && policy->before_fork != NULL) {
        int saved_errno = errno;

        policy->before_fork();
        errno = saved_errno;
    }
    pid = real_functions()->fork();
    if (policy != NULL && policy->after_fork != NULL) {
        int saved_errno = errno;

        policy->after_fork();
        errno = saved_errno;
    }
    return pid;
}

EXPORT int epbatch_flush(void)
{
    const struct policy *policy = shim_policy();
    int saved_errno = errno;
    int result = policy == NULL ? 0 : policy->flush();

    errno = result < 0 ? -result : saved_errno;
    return result < 0 ? -1 : 0;
}
