/*
 * An epoll_ctl must not reach the kernel before a wait on its epoll instance, and must not miss
 * that wait, by whichever function of the epoll_wait family, with whatever arguments. What a wait
 * flushes beyond that is the policy's. What the program does with its event after the call must
 * not matter.
 */
#include "tests/unit/shim/support.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct timespec no_time;

enum waiter { WAIT, PWAIT, PWAIT2, WAITERS };

static int wait_by(enum waiter waiter, int epfd, struct epoll_event *events, int maxevents)
{
    switch (waiter) {
    case WAIT:
        return epoll_wait(epfd, events, maxevents, 0);
    case PWAIT:
        return epoll_pwait(epfd, events, maxevents, 0, NULL);
    default:
        return epoll_pwait2(epfd, events, maxevents, &no_time, NULL);
    }
}

static void body_wait_family(void)
{
    for (enum waiter waiter = WAIT; waiter < WAITERS; waiter++) {
        struct epoll_event events[2];
        int epfd = epoll_create1(0);
        int ends[2];

        ready_pipe(ends);
        CHECK_EQUAL(add(epfd, ends[0], 77), 0);
        CHECK_EQUAL(interest(epfd, ends[0], NULL), by_policy(1, 0, 0, 0));
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2), 1);
        CHECK_EQUAL(events[0].events, EPOLLIN);
        CHECK_EQUAL(events[0].data.u64, 77);
        CHECK(interest(epfd, ends[0], NULL));
        /* Once: a second wait must not find the ADD again and fail. */
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2), 1);
    }
}

static void test_wait_family(void **state)
{
    (void)state;
    isolate(body_wait_family);
}

static void body_failing_wait(void)
{
    for (enum waiter waiter = WAIT; waiter < WAITERS; waiter++) {
        struct epoll_event event;
        int epfd = epoll_create1(0);
        int ends[2];

        ready_pipe(ends);
        CHECK_EQUAL(add(epfd, ends[0], 77), 0);
        errno = 0;
        CHECK_EQUAL(wait_by(waiter, epfd, &event, 0), -1);
        CHECK_EQUAL(errno, EINVAL);
        /* Hazard D1. */
        CHECK(interest(epfd, ends[0], NULL));
    }
}

static void test_failing_wait(void **state)
{
    (void)state;
    isolate(body_failing_wait);
}

static void body_other_instance(void)
{
    struct epoll_event events[2];
    int mine = epoll_create1(0);
    int other = epoll_create1(0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(add(mine, ends[0], 1), 0);
    CHECK_EQUAL(epoll_wait(other, events, 2, 0), 0);
    CHECK_EQUAL(interest(mine, ends[0], NULL), by_policy(1, 0, 0, 1));
    CHECK_EQUAL(epoll_wait(mine, events, 2, 0), 1);
}

static void test_other_instance(void **state)
{
    (void)state;
    isolate(body_other_instance);
}

static void body_order(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    struct epoll_event seen;
    int epfd = epoll_create1(0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, ends[0], &event), 0);
    event.data.u64 = 2;
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, ends[0], &event), 0);
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_DEL, ends[0], NULL), 0);
    event.data.u64 = 3;
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, ends[0], &event), 0);
    event.data.u64 = 4;
    event.events = EPOLLIN | EPOLLET;
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, ends[0], &event), 0);
    memset(&event, 0xff, sizeof(event));
    CHECK_EQUAL(epoll_wait(epfd, &seen, 1, 0), 1);
    CHECK_EQUAL(seen.data.u64, 4);
    CHECK(interest(epfd, ends[0], &seen));
    CHECK_EQUAL(seen.data.u64, 4);
    CHECK_EQUAL(seen.events & EPOLLET, EPOLLET);
}

static void test_order(void **state)
{
    (void)state;
    isolate(body_order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_family),
        cmocka_unit_test(test_failing_wait),
        cmocka_unit_test(test_other_instance),
        cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests_name("shim.defer", tests, NULL, NULL);
}
