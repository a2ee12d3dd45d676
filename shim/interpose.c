/*
 * The libc names of the seed: epoll itself, close and fork. Each asks the policy, then calls the
 * real function; epbatch_flush alone has none behind it.
 */
#include "shim/interpose.h"
#include "shim/epbatch.h"

#include <unistd.h>

static int interpose_created(int epfd, uint64_t stamp)
{
    if (epfd >= 0) {
        CALL_HOOK(created, epfd);
    }
    return interpose_opened(epfd, SHADOW_EPOLL, stamp);
}

EXPORT int epoll_create(int size)
{
    uint64_t stamp = interpose_before_open();

    return interpose_created(real_functions()->epoll_create(size), stamp);
}

EXPORT int epoll_create1(int flags)
{
    uint64_t stamp = interpose_before_open();

    return interpose_created(real_functions()->epoll_create1(flags), stamp);
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
static int interpose_before_wait(int epfd, bool sleeps, void **ret_token)
{
    const struct policy *policy = shim_policy();
    int saved_errno = errno;
    int result;

    if (policy == NULL || policy->before_wait == NULL) {
        return 0;
    }
    result = policy->before_wait(epfd, sleeps, ret_token);
    errno = result < 0 ? -result : saved_errno;
    return result < 0 ? -1 : 0;
}

/* Runs when a wait is over, also when its thread is cancelled in it: the file is compiled with
 * -fexceptions for that. */
static void interpose_after_wait(void **token)
{
    if (*token != NULL) {
        CALL_HOOK(after_wait, *token);
    }
}

#define WAIT_TOKEN __attribute__((cleanup(interpose_after_wait))) void *token = NULL

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
    WAIT_TOKEN;

    if (interpose_before_wait(epfd, timeout != 0, &token) < 0) {
        return -1;
    }
    return real_functions()->epoll_wait(epfd, events, maxevents, timeout);
}

/* The flush comes before the real call, so it never runs under the caller's mask (hazard D4). */
EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int maxevents, int timeout,
                       const sigset_t *sigmask)
{
    WAIT_TOKEN;

    if (interpose_before_wait(epfd, timeout != 0, &token) < 0) {
        return -1;
    }
    return real_functions()->epoll_pwait(epfd, events, maxevents, timeout, sigmask);
}

/* Its timeout is not looked at: the pointer may be wild. */
EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
                        const struct timespec *timeout, const sigset_t *sigmask)
{
    WAIT_TOKEN;

    if (interpose_before_wait(epfd, true, &token) < 0) {
        return -1;
    }
    return real_functions()->epoll_pwait2(epfd, events, maxevents, timeout, sigmask);
}

EXPORT int close(int fd)
{
    bool owed;
    int state;
    int result;

    if (!HOOKS(inside)) {
        CALL_HOOK(before_close, fd);
        return real_functions()->close(fd);
    }
    /* A cancellation acts before the hooks or after the close: what they did must follow (D5). */
    pthread_testcancel();
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    CALL_OWING(owed, before_close, fd);
    result = real_functions()->close(fd);
    if (owed) {
        CALL_HOOK(after_close, fd);
    }
    (void)pthread_setcancelstate(state, NULL);
    return result;
}

EXPORT pid_t fork(void)
{
    pid_t pid;

    CALL_HOOK(before_fork);
    pid = real_functions()->fork();
    CALL_HOOK(after_fork);
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
