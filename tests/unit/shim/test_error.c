/*
 * A late error must not be lost at a wait: the wait fails with it, does not take place, and the
 * rest of the batch is dropped (seed, "Error Handling"). Under `hash` and `tls` ADD and MOD stand
 * in for each other; under `naive` they must not.
 */
#include "tests/unit/shim/support.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void body_fails_the_wait(void)
{
    struct epoll_event event = {0};
    int epfd = epoll_create1(0);
    int ends[2];
    int later = eventfd(1, EFD_NONBLOCK);
    int result;

    ready_pipe(ends);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_DEL, later, NULL), by_policy(-1, 0, 0, 0));
    CHECK_EQUAL(add(epfd, later, 2), 0);
    errno = 0;
    result = epoll_wait(epfd, &event, 1, 0);
    CHECK_EQUAL(result, by_policy(1, -1, -1, -1));
    CHECK_EQUAL(errno, by_policy(0, ENOENT, ENOENT, ENOENT));
    /* Nothing was waited for: the ready pipe was not reported. */
    CHECK_EQUAL(event.events, by_policy(EPOLLIN, 0, 0, 0));
    CHECK(interest(epfd, ends[0], NULL));
    CHECK_EQUAL(interest(epfd, later, NULL), by_policy(1, 0, 0, 0));
    /* The failed batch is gone, and does not fail the next wait. */
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 1);
    CHECK_EQUAL(interest(epfd, later, NULL), by_policy(1, 0, 0, 0));
}

static void test_fails_the_wait(void **state)
{
    (void)state;
    isolate(body_fails_the_wait);
}

static void body_add_twice(void)
{
    struct epoll_event event;
    int epfd = epoll_create1(0);
    int target = eventfd(1, EFD_NONBLOCK);

    CHECK_EQUAL(add(epfd, target, 1), 0);
    CHECK_EQUAL(add(epfd, target, 2), by_policy(-1, 0, 0, 0));
    errno = 0;
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(1, -1, 1, 1));
    CHECK_EQUAL(errno, by_policy(0, EEXIST, 0, 0));
    CHECK(interest(epfd, target, &event));
    CHECK_EQUAL(event.data.u64, by_policy(1, 1, 2, 2));
}

static void test_add_twice(void **state)
{
    (void)state;
    isolate(body_add_twice);
}

static void body_mod_of_nothing(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 3};
    int epfd = epoll_create1(0);
    int target = eventfd(1, EFD_NONBLOCK);

    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, target, &event), by_policy(-1, 0, 0, 0));
    errno = 0;
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(0, -1, 1, 1));
    CHECK_EQUAL(errno, by_policy(0, ENOENT, 0, 0));
    CHECK_EQUAL(interest(epfd, target, NULL), by_policy(0, 0, 1, 1));
}

static void test_mod_of_nothing(void **state)
{
    (void)state;
    isolate(body_mod_of_nothing);
}

static void body_bad_arguments(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epfd = epoll_create1(0);
    int target = eventfd(1, EFD_NONBLOCK);

    /* A null event is kept and fails late with the kernel's own error. */
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, target, NULL), by_policy(-1, 0, 0, 0));
    errno = 0;
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(0, -1, -1, -1));
    CHECK_EQUAL(errno, by_policy(0, EFAULT, EFAULT, EFAULT));
    /* An operation that does not exist, too. */
    CHECK_EQUAL(epoll_ctl(epfd, 99, target, &event), by_policy(-1, 0, 0, 0));
    errno = 0;
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(0, -1, -1, -1));
    CHECK_EQUAL(errno, by_policy(0, EINVAL, EINVAL, EINVAL));
    /* DEL does not read its event. */
    CHECK_EQUAL(add(epfd, target, 1), 0);
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_DEL, target, (struct epoll_event *)8), 0);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 0);
    /* A number that is no epoll instance: `hash` asks the kernel at once. */
    errno = 0;
    CHECK_EQUAL(add(-1, target, 1), by_policy(-1, 0, -1, 0));
    CHECK_EQUAL(errno, by_policy(EBADF, 0, EBADF, 0));
}

static void test_bad_arguments(void **state)
{
    (void)state;
    isolate(body_bad_arguments);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fails_the_wait),
        cmocka_unit_test(test_add_twice),
        cmocka_unit_test(test_mod_of_nothing),
        cmocka_unit_test(test_bad_arguments),
    };

    return cmocka_run_group_tests_name("shim.error", tests, NULL, NULL);
}
