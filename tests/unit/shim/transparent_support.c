#include "tests/unit/shim/transparent_support.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int mod(int epfd, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};

    return epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event);
}

int del(int epfd, int fd)
{
    return epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
}

int ready(void)
{
    int fd = eventfd(1, EFD_NONBLOCK);

    CHECK(fd >= 0);
    return fd;
}

long long reported(int epfd)
{
    struct epoll_event events[2];
    int count = epoll_wait(epfd, events, 2, 0);

    CHECK(count == 0 || count == 1);
    return count == 0 ? -1 : (long long)events[0].data.u64;
}

void check_goes_on(int epfd)
{
    int fd = ready();

    CHECK_EQUAL(add(epfd, fd, 99), 0);
    CHECK_DEFERRED(epfd, fd);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK(!interest(epfd, fd, NULL));
    CHECK_EQUAL(close(fd), 0);
}

void check_stopped(int epfd)
{
    int fd = ready();

    CHECK_EQUAL(add(epfd, fd, 99), 0);
    CHECK_KNOWN(epfd, fd);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN, 98), 0);
    CHECK_EQUAL(reported(epfd), 98);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK(!interest(epfd, fd, NULL));
    CHECK_EQUAL(close(fd), 0);
}

void expect_child(pid_t child, int expected)
{
    int status;

    CHECK(child > 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), expected);
}

void look_fork(int epfd)
{
    pid_t child = fork();

    if (child == 0) {
        /* Once: what is pending must not be in the child's list as well. */
        _exit(reported(epfd) == 1 ? 0 : 1);
    }
    expect_child(child, 0);
}

static const struct timespec no_time;

int wait_by(enum waiter waiter, int epfd, struct epoll_event *events, int most, int timeout)
{
    const struct timespec *time = timeout == 0 ? &no_time : NULL;

    switch (waiter) {
    case WAIT:
        return epoll_wait(epfd, events, most, timeout);
    case PWAIT:
        return epoll_pwait(epfd, events, most, timeout, NULL);
    case PWAIT2:
        return epoll_pwait2(epfd, events, most, time, NULL);
    case NUMBER_WAIT:
        return (int)syscall(SYS_epoll_wait, epfd, events, most, timeout);
    case NUMBER_PWAIT:
        return (int)syscall(SYS_epoll_pwait, epfd, events, most, timeout, NULL, 8);
    default:
        return (int)syscall(SYS_epoll_pwait2, epfd, events, most, time, NULL, 8);
    }
}
