/* What one thread defers, another one that waits must see, and nobody must see too late. */
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

/* A wait that begins while another thread defers: one of the two must see the other. */

enum { MEETINGS = 200000 };

static atomic_int met;

static void *meet(void *argument)
{
    int epfd = *(int *)argument;

    for (int count = 1; count <= MEETINGS; count++) {
        struct epoll_event event;

        CHECK_EQUAL(epoll_wait(epfd, &event, 1, -1), 1);
        CHECK_EQUAL(event.data.u64, count);
        atomic_store(&met, count);
        while (atomic_load(&met) == count) {
            CHECK_EQUAL(sched_yield(), 0);
        }
    }
    return NULL;
}

static void body_waits_that_begin(void)
{
    int epfd = epoll_create1(0);
    int fd = ready();
    pthread_t thread;

    CHECK_EQUAL(pthread_create(&thread, NULL, meet, &epfd), 0);
    for (int count = 1; count <= MEETINGS; count++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)count};

        /* At each distance from the wait: what is looked for takes some nanoseconds. */
        for (volatile int spin = 0; spin < count % 512; spin++) {
        }
        CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
        while (atomic_load(&met) != count) {
            CHECK_EQUAL(sched_yield(), 0);
        }
        CHECK_EQUAL(del(epfd, fd), 0);
        CHECK_EQUAL(reported(epfd), -1); /* nothing is pending: the next call is the first */
        atomic_store(&met, 0);
    }
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void test_waits_that_begin(void **state)
{
    (void)state;
    isolate(body_waits_that_begin);
}

/* Threads. */

static int shared_epfd;
static enum waiter waiting_by;
static _Atomic int waiter_tid;

static void *thread_waits(void *timeout)
{
    struct epoll_event event;

    waiter_tid = gettid();
    CHECK_EQUAL(wait_by(waiting_by, shared_epfd, &event, 1, *(int *)timeout), 1);
    CHECK_EQUAL(event.data.u64, 7);
    return NULL;
}

static const long wait_numbers[WAITERS] = {
    [WAIT] = SYS_epoll_wait,          [PWAIT] = SYS_epoll_pwait,
    [PWAIT2] = SYS_epoll_pwait2,      [NUMBER_WAIT] = SYS_epoll_wait,
    [NUMBER_PWAIT] = SYS_epoll_pwait, [NUMBER_PWAIT2] = SYS_epoll_pwait2,
};

static pthread_t start_waiter(void)
{
    static int forever = -1;
    pthread_t thread;

    waiter_tid = 0;
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_waits, &forever), 0);
    while (waiter_tid == 0) {
        sched_yield();
    }
    await_thread_in(waiter_tid, wait_numbers[waiting_by]);
    return thread;
}

/* A thread that sleeps in a wait must be woken by what others register meanwhile (A2), and must not
 * be told of what they took off (A3). */
static void body_sleeper(void)
{
    for (waiting_by = WAIT; waiting_by < WAITERS; waiting_by++) {
        int calm = eventfd(0, EFD_NONBLOCK);
        int fd = ready();
        uint64_t one = 1;
        pthread_t thread;

        shared_epfd = epoll_create1(0);
        CHECK_EQUAL(add(shared_epfd, calm, 6), 0);
        CHECK_DEFERRED(shared_epfd, calm);
        thread = start_waiter();
        CHECK_KNOWN(shared_epfd, calm);
        CHECK_EQUAL(del(shared_epfd, calm), 0);
        CHECK(!interest(shared_epfd, calm, NULL));
        CHECK_EQUAL(write(calm, &one, sizeof(one)), (ssize_t)sizeof(one));
        CHECK_EQUAL(add(shared_epfd, fd, 7), 0);
        CHECK_EQUAL(pthread_join(thread, NULL), 0);
        CHECK_KNOWN(shared_epfd, fd);
        /* Nobody waits any more. */
        check_goes_on(shared_epfd);
        CHECK_EQUAL(close(fd), 0);
        CHECK_EQUAL(close(shared_epfd), 0);
    }
}

static void test_sleeper(void **state)
{
    (void)state;
    isolate(body_sleeper);
}

/* A wait that is cancelled is over, too. */
static void body_cancelled_sleeper(void)
{
    for (waiting_by = WAIT; waiting_by <= PWAIT2; waiting_by++) {
        pthread_t thread;
        void *result;

        shared_epfd = epoll_create1(0);
        thread = start_waiter();
        CHECK_EQUAL(pthread_cancel(thread), 0);
        CHECK_EQUAL(pthread_join(thread, &result), 0);
        CHECK(result == PTHREAD_CANCELED);
        check_goes_on(shared_epfd);
        CHECK_EQUAL(close(shared_epfd), 0);
    }
}

static void test_cancelled_sleeper(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* it takes the unwinding for an overflow, also natively */
#endif
    isolate(body_cancelled_sleeper);
}

/* A waiter's instance is closed under it, and the number given to another one. */
static void body_sleeper_loses_its_number(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};
    int fd = eventfd(0, EFD_NONBLOCK);
    uint64_t one = 1;
    pthread_t thread;

    waiting_by = WAIT;
    shared_epfd = epoll_create1(0);
    CHECK_EQUAL(epoll_ctl(shared_epfd, EPOLL_CTL_ADD, fd, &event), 0);
    thread = start_waiter();
    CHECK_EQUAL(close(shared_epfd), 0);
    CHECK_EQUAL(epoll_create1(0), shared_epfd);
    /* The sleeper is not this instance's. */
    check_goes_on(shared_epfd);
    CHECK_EQUAL(write(fd, &one, sizeof(one)), (ssize_t)sizeof(one));
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    check_goes_on(shared_epfd);
}

static void test_sleeper_loses_its_number(void **state)
{
    (void)state;
    isolate(body_sleeper_loses_its_number);
}

static int blocked_pipe[2];

static void *thread_polls(void *unused)
{
    struct pollfd poll_fd = {.fd = blocked_pipe[0], .events = POLLIN};

    (void)unused;
    waiter_tid = gettid();
    CHECK_EQUAL(poll(&poll_fd, 1, -1), 1);
    return NULL;
}

/* A call that is under way keeps the file, and with it the entry, beyond the close (B14): a DEL
 * that is pending at the close must have been made. */
static void body_call_keeps_the_file(void)
{
    int epfd = epoll_create1(0);
    pthread_t thread;

    CHECK_EQUAL(pipe2(blocked_pipe, O_NONBLOCK), 0);
    CHECK_EQUAL(add(epfd, blocked_pipe[0], 1), 0);
    CHECK_EQUAL(reported(epfd), -1);
    waiter_tid = 0;
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_polls, NULL), 0);
    while (waiter_tid == 0) {
        sched_yield();
    }
    await_thread_in(waiter_tid, SYS_poll);
    CHECK_EQUAL(del(epfd, blocked_pipe[0]), 0);
    CHECK_EQUAL(close(blocked_pipe[0]), 0);
    CHECK(!interest(epfd, blocked_pipe[0], NULL));
    CHECK_EQUAL(write(blocked_pipe[1], "x", 1), 1);
    CHECK_EQUAL(reported(epfd), -1);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void test_call_keeps_the_file(void **state)
{
    (void)state;
    isolate(body_call_keeps_the_file);
}

static void *thread_registers(void *fd)
{
    CHECK_EQUAL(add(shared_epfd, *(int *)fd, 4), 0);
    return NULL;
}

/* What a thread deferred is not lost with it, and what another one does stays behind it. */
static void body_threads_share(void)
{
    int fd = ready();
    pthread_t thread;

    shared_epfd = epoll_create1(0);
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_registers, &fd), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_DEFERRED(shared_epfd, fd);
    CHECK_FAILS(add(shared_epfd, fd, 5), EEXIST);
    CHECK_EQUAL(mod(shared_epfd, fd, EPOLLIN, 6), 0);
    CHECK_EQUAL(reported(shared_epfd), 6);
}

static void test_threads_share(void **state)
{
    (void)state;
    isolate(body_threads_share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_that_begin),    cmocka_unit_test(test_sleeper),
        cmocka_unit_test(test_cancelled_sleeper),   cmocka_unit_test(test_sleeper_loses_its_number),
        cmocka_unit_test(test_call_keeps_the_file), cmocka_unit_test(test_threads_share),
    };

    return cmocka_run_group_tests_name("shim.transparent_threads", tests, NULL, NULL);
}
