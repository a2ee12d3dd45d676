/*
 * Under `hash` and `tls` a pending call must not outlive a close: it would hit whatever takes the
 * number over (seed, "Closing"; hazard B2). `naive` has no close hook and must show that hazard.
 * An error of the flush must not become the error of the close.
 */
#include "tests/unit/shim/support.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void body_flushes_all(void)
{
    int first = epoll_create1(0);
    int second = epoll_create1(0);
    int ends[2];
    int other = eventfd(0, 0);

    ready_pipe(ends);
    CHECK_EQUAL(add(second, ends[0], 1), 0);
    CHECK_EQUAL(add(first, ends[0], 2), 0);
    CHECK_EQUAL(interest(first, ends[0], NULL), by_policy(1, 0, 0, 0));
    CHECK_EQUAL(close(other), 0);
    CHECK_EQUAL(interest(first, ends[0], NULL), by_policy(1, 0, 1, 1));
    CHECK_EQUAL(interest(second, ends[0], NULL), by_policy(1, 0, 1, 1));
}

static void test_flushes_all(void **state)
{
    (void)state;
    isolate(body_flushes_all);
}

static void body_number_reused(void)
{
    struct epoll_event event;
    int epfd = epoll_create1(0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    CHECK_EQUAL(close(ends[0]), 0);
    CHECK_EQUAL(eventfd(1, EFD_NONBLOCK), ends[0]);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(0, 1, 0, 0));
}

static void test_number_reused(void **state)
{
    (void)state;
    isolate(body_number_reused);
}

static void body_error_of_the_flush(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    int epfd = epoll_create1(0);
    int target = eventfd(1, EFD_NONBLOCK);
    int other = eventfd(1, EFD_NONBLOCK);

    /* Fails in every order of trying: there is nothing to delete. */
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_DEL, target, NULL), by_policy(-1, 0, 0, 0));
    CHECK_EQUAL(add(epfd, target, 2), 0);
    errno = ELIBBAD;
    CHECK_EQUAL(close(other), 0);
    CHECK_EQUAL(errno, ELIBBAD);
    /* The ADD stood behind the failed operation, and was dropped with it. */
    CHECK_EQUAL(interest(epfd, target, NULL), by_policy(1, 0, 0, 0));
    if (by_policy(0, 1, 0, 0)) {
        return;
    }
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(1, -2, 0, 0));
    /* A close that fails by itself keeps its own error. */
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_DEL, target, NULL), 0);
    CHECK_EQUAL(close(other), -1);
    CHECK_EQUAL(errno, EBADF);
}

static void test_error_of_the_flush(void **state)
{
    (void)state;
    isolate(body_error_of_the_flush);
}

static void body_lists_fail_alone(void)
{
    int first = epoll_create1(0);
    int second = epoll_create1(0);
    int target = eventfd(1, EFD_NONBLOCK);

    (void)epoll_ctl(first, EPOLL_CTL_DEL, target, NULL);
    CHECK_EQUAL(add(second, target, 2), 0);
    CHECK_EQUAL(close(-1), -1);
    /* `hash` has a batch for each epoll instance, `tls` has one for the thread. */
    CHECK_EQUAL(interest(second, target, NULL), by_policy(1, 0, 1, 0));
}

static void test_lists_fail_alone(void **state)
{
    (void)state;
    isolate(body_lists_fail_alone);
}

static void body_other_doors(void)
{
    int epfd = epoll_create1(0);
    int other = eventfd(0, 0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    /* Not hooked, and not to be: only the function close is (hazard B3). */
    CHECK_EQUAL(dup2(ends[1], other), other);
    CHECK_EQUAL(close_range((unsigned int)other, (unsigned int)other, 0), 0);
    CHECK_EQUAL(interest(epfd, ends[0], NULL), by_policy(1, 0, 0, 0));
}

static void test_other_doors(void **state)
{
    (void)state;
    isolate(body_other_doors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flushes_all),        cmocka_unit_test(test_number_reused),
        cmocka_unit_test(test_error_of_the_flush), cmocka_unit_test(test_lists_fail_alone),
        cmocka_unit_test(test_other_doors),
    };

    return cmocka_run_group_tests_name("shim.close", tests, NULL, NULL);
}
