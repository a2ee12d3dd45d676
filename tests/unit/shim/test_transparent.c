/*
 * `transparent` must defer, or it is of no use; and what the kernel could answer with anything but
 * 0 must be asked at once.
 */
#include "tests/unit/shim/transparent_support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What is deferred. */

static void check_deferred(int epfd, int fd, int *ends)
{
    struct epoll_event event;

    CHECK(fd >= 0);
    CHECK_EQUAL(add(epfd, fd, 1), 0);
    CHECK_DEFERRED(epfd, fd);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0) < 0, 0);
    CHECK_KNOWN(epfd, fd);
    CHECK_EQUAL(mod(epfd, fd, EPOLLET, 5), 0);
    CHECK(interest(epfd, fd, &event));
    CHECK_EQUAL(event.data.u64, is_transparent() ? 1 : 5);
    CHECK_EQUAL(reported(epfd) == 1, 0);
    CHECK(interest(epfd, fd, &event));
    CHECK_EQUAL(event.data.u64, 5);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK_EQUAL(interest(epfd, fd, NULL), is_transparent());
    CHECK_EQUAL(reported(epfd), -1);
    CHECK(!interest(epfd, fd, NULL));
    CHECK_EQUAL(close(fd), 0);
    if (ends != NULL) {
        CHECK_EQUAL(close(ends[1]), 0);
    }
}

static void body_kinds(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int ends[2];
    int listener;
    int client;

    CHECK_EQUAL(pipe(ends), 0);
    check_deferred(epfd, ends[0], ends);
    CHECK_EQUAL(pipe2(ends, O_NONBLOCK), 0);
    check_deferred(epfd, ends[0], ends);
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    check_deferred(epfd, ends[0], ends);
    check_deferred(epfd, eventfd(0, 0), NULL);
    check_deferred(epfd, timerfd_create(CLOCK_MONOTONIC, 0), NULL);
    check_deferred(epfd, socket(AF_INET, SOCK_STREAM, 0), NULL);
    check_deferred(epfd, socket(AF_INET, SOCK_DGRAM, 0), NULL);
    check_deferred(epfd, (int)syscall(SYS_eventfd2, 0, 0), NULL);
    check_deferred((int)syscall(SYS_epoll_create1, 0), eventfd(0, 0), NULL);
    check_deferred(epoll_create(1), eventfd(0, 0), NULL);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_EQUAL(listen(listener, 1), 0);
    CHECK_EQUAL(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    for (int round = 0; round < 2; round++) {
        client = socket(AF_INET, SOCK_STREAM, 0);
        CHECK_EQUAL(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
        check_deferred(epfd,
                       round == 0 ? accept(listener, NULL, NULL) : accept4(listener, NULL, NULL, 0),
                       NULL);
        CHECK_EQUAL(close(client), 0);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    isolate(body_kinds);
}

/* Waits. */

static void body_waits(void)
{
    for (enum waiter waiter = WAIT; waiter < WAITERS; waiter++) {
        struct epoll_event events[2];
        int other = epoll_create1(0);
        int epfd = epoll_create1(0);
        int fd = ready();

        CHECK_EQUAL(add(epfd, fd, 77), 0);
        CHECK_DEFERRED(epfd, fd);
        CHECK_EQUAL(wait_by(waiter, other, events, 2, 0), 0);
        CHECK_DEFERRED(epfd, fd);
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2, 0), 1);
        CHECK_EQUAL(events[0].data.u64, 77);
        CHECK_KNOWN(epfd, fd);
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2, 0), 1);
        check_goes_on(epfd);
        /* A wait that sleeps and finds something at once leaves nobody behind who waits. */
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2, -1), 1);
        check_goes_on(epfd);
        CHECK_EQUAL(del(epfd, fd), 0);
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2, 0), 0);
        CHECK_EQUAL(add(epfd, fd, 77), 0);
        CHECK_FAILS(wait_by(waiter, epfd, events, 0, 0), EINVAL);
        CHECK_KNOWN(epfd, fd);
        check_goes_on(epfd);
    }
}

static void test_waits(void **state)
{
    (void)state;
    isolate(body_waits);
}

/* The last word counts, and the caller's struct is its own again. */
static void body_order(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    int epfd = epoll_create1(0);
    int fd = ready();

    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    event.data.u64 = 2;
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), 0);
    CHECK_EQUAL(del(epfd, fd), 0);
    event.data.u64 = 3;
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 4};
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), 0);
    memset(&event, 0xff, sizeof(event));
    CHECK_EQUAL(reported(epfd), 4);
    CHECK_EQUAL(reported(epfd), -1);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK_EQUAL(add(epfd, fd, 5), 0);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK_EQUAL(reported(epfd), -1);
    CHECK(!interest(epfd, fd, NULL));
    /* An edge that came before the MOD is told once more. */
    CHECK_EQUAL(add(epfd, fd, 6), 0);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN | EPOLLET, 7), 0);
    CHECK_EQUAL(reported(epfd), 7);
    CHECK_EQUAL(reported(epfd), -1);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN | EPOLLET, 8), 0);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN | EPOLLET, 9), 0);
    CHECK_EQUAL(reported(epfd), 9);
}

static void test_order(void **state)
{
    (void)state;
    isolate(body_order);
}

/* What is never certain. */

static struct epoll_event static_event = {.events = EPOLLIN, .data.u64 = 3};

static void body_errors_at_once(void)
{
    int epfd = epoll_create1(0);
    int fd = ready();
    int absent = ready();
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};

    CHECK_EQUAL(add(epfd, fd, 1), 0);
    CHECK_FAILS(add(epfd, fd, 2), EEXIST);
    /* To fail as it does natively the pair's own ADD had to be made. */
    CHECK_KNOWN(epfd, fd);
    CHECK_FAILS(mod(epfd, absent, EPOLLIN, 1), ENOENT);
    CHECK_FAILS(del(epfd, absent), ENOENT);
    CHECK_EQUAL(add(epfd, absent, 1), 0);
    CHECK_EQUAL(del(epfd, absent), 0);
    CHECK_FAILS(del(epfd, absent), ENOENT);
    CHECK_FAILS(mod(epfd, absent, EPOLLIN, 1), ENOENT);
    CHECK_FAILS(add(epfd, file, 1), EPERM);
    CHECK_FAILS(add(epfd, 200, 1), EBADF);
    CHECK_FAILS(add(epfd, -1, 1), EBADF);
    CHECK_FAILS(add(200, fd, 1), EBADF);
    CHECK_FAILS(add(-1, fd, 1), EBADF);
    CHECK_FAILS(add(fd, absent, 1), EINVAL);
    CHECK_FAILS(add(epfd, epfd, 1), EINVAL);
    CHECK_FAILS(epoll_ctl(epfd, 99, fd, &event), EINVAL);
    CHECK_FAILS(epoll_ctl(epfd, EPOLL_CTL_ADD, absent, NULL), EFAULT);
    CHECK_FAILS(epoll_ctl(epfd, EPOLL_CTL_ADD, absent, (struct epoll_event *)8), EFAULT);
    CHECK_FAILS(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, (struct epoll_event *)-1), EFAULT);
    /* DEL never reads its event. */
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_DEL, fd, (struct epoll_event *)8), 0);
    CHECK_FAILS(del(epfd, fd), ENOENT);
    check_goes_on(epfd);
}

static void test_errors_at_once(void **state)
{
    (void)state;
    isolate(body_errors_at_once);
}

/* An event that a look could fault on is left to the kernel to read. */
static void body_where_the_event_lies(void)
{
    struct epoll_event *heap = malloc(sizeof(*heap));
    int epfd = epoll_create1(0);
    int fd = ready();

    CHECK(heap != NULL);
    *heap = (struct epoll_event){.events = EPOLLIN, .data.u64 = 2};
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, heap), 0);
    CHECK_KNOWN(epfd, fd);
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &static_event), 0);
    CHECK_EQUAL(reported(epfd), 3);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK_EQUAL(reported(epfd), -1);
    /* Static data stays where it is. */
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &static_event), 0);
    CHECK_DEFERRED(epfd, fd);
    CHECK_EQUAL(reported(epfd), 3);
    CHECK_EQUAL(del(epfd, fd), 0);
    /* The DEL was deferred. It must not be overtaken. */
    CHECK_EQUAL(interest(epfd, fd, NULL), is_transparent());
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, heap), 0);
    CHECK_KNOWN(epfd, fd);
    CHECK_EQUAL(reported(epfd), 2);
    free(heap);
}

static void test_where_the_event_lies(void **state)
{
    (void)state;
    isolate(body_where_the_event_lies);
}

static void body_events_at_once(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    int epfd = epoll_create1(0);
    int fd = ready();

    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    CHECK_KNOWN(epfd, fd);
    /* The kernel refuses it for such an entry, and with such a mask. */
    CHECK_FAILS(mod(epfd, fd, EPOLLIN, 1), EINVAL);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK(!interest(epfd, fd, NULL));
    CHECK_EQUAL(add(epfd, fd, 1), 0);
    CHECK_FAILS(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), EINVAL);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN | EPOLLWAKEUP, 4), 0);
    CHECK(interest(epfd, fd, &event));
    CHECK_EQUAL(event.data.u64, 4);
    check_goes_on(epfd);
}

static void test_events_at_once(void **state)
{
    (void)state;
    isolate(body_events_at_once);
}

static int ready_instance(void)
{
    int epfd = epoll_create1(0);

    CHECK_EQUAL(add(epfd, ready(), 1), 0);
    return epfd;
}

static int inherited_pipe;

/* Numbers whose origin the shim did not see, or that another process has, too. */
static void body_unknown_targets(void)
{
    int epfd = epoll_create1(0);
    int other = epoll_create1(0);
    int ends[2];

    CHECK_EQUAL(add(epfd, inherited_pipe, 1), 0);
    CHECK_KNOWN(epfd, inherited_pipe);
    CHECK_FAILS(add(epfd, inherited_pipe, 1), EEXIST);
    CHECK_EQUAL(del(epfd, inherited_pipe), 0);
    CHECK(!interest(epfd, inherited_pipe, NULL));
    /* A target that is an instance: whether it nests too deep the kernel must say. */
    CHECK_EQUAL(add(epfd, other, 1), 0);
    CHECK_KNOWN(epfd, other);
    CHECK_FAILS(add(other, epfd, 1), ELOOP);
    /* After a fork the other process can keep the file, and with it the entry. */
    CHECK_EQUAL(pipe(ends), 0);
    look_fork(ready_instance());
    epfd = epoll_create1(0);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    CHECK_KNOWN(epfd, ends[0]);
}

static void test_unknown_targets(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    inherited_pipe = ends[0];
    isolate(body_unknown_targets);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* More than one batch of the backend, and more than the room for operations. */
static void body_many(void)
{
    enum { TARGETS = 100, CALLS = 70000 };
    int epfd = epoll_create1(0);
    int fds[TARGETS];

    for (int index = 0; index < TARGETS; index++) {
        fds[index] = eventfd(0, EFD_NONBLOCK);
        CHECK_EQUAL(add(epfd, fds[index], (uint64_t)index), 0);
    }
    for (int call = 0; call < CALLS; call++) {
        int index = call % TARGETS;

        CHECK_EQUAL(del(epfd, fds[index]), 0);
        CHECK_EQUAL(add(epfd, fds[index], (uint64_t)call), 0);
    }
    CHECK_EQUAL(reported(epfd), -1);
    for (int index = 0; index < TARGETS; index++) {
        struct epoll_event event;

        CHECK(interest(epfd, fds[index], &event));
        CHECK_EQUAL(event.data.u64, CALLS - TARGETS + index);
    }
    check_goes_on(epfd);
}

static void test_many(void **state)
{
    (void)state;
    isolate(body_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_errors_at_once),
        cmocka_unit_test(test_where_the_event_lies),
        cmocka_unit_test(test_events_at_once),
        cmocka_unit_test(test_unknown_targets),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests_name("shim.transparent", tests, NULL, NULL);
}
