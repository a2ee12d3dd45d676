/*
 * What was pending under a number must not reach an epoll instance that gets the number later,
 * under the policies that hook epoll_create. `hash` must not defer on a number that it did not
 * see created; the other two must, for they do not ask.
 */
#include "tests/unit/shim/support.h"

#include <sys/syscall.h>
#include <unistd.h>

static void body_create_family(void)
{
    int ends[2];
    int epfd;

    ready_pipe(ends);
    epfd = epoll_create(1);
    CHECK(epfd >= 0);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    CHECK_EQUAL(interest(epfd, ends[0], NULL), by_policy(1, 0, 0, 0));
    epfd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epfd >= 0);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    CHECK_EQUAL(interest(epfd, ends[0], NULL), by_policy(1, 0, 0, 0));
}

static void test_create_family(void **state)
{
    (void)state;
    isolate(body_create_family);
}

static void body_unseen_number(void)
{
    struct epoll_event event;
    int epfd = (int)syscall(SYS_epoll_create1, 0);
    int ends[2];

    CHECK(epfd >= 0);
    ready_pipe(ends);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    CHECK_EQUAL(interest(epfd, ends[0], NULL), by_policy(1, 0, 1, 0));
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 1);
}

static void test_unseen_number(void **state)
{
    (void)state;
    isolate(body_unseen_number);
}

static void body_number_reused(void)
{
    struct epoll_event event;
    int epfd = epoll_create1(0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    /* Behind the shim's back, so that no close hook flushes first. */
    close_unseen(epfd);
    CHECK_EQUAL(epoll_create1(0), epfd);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(0, 0, 0, 1));
    CHECK_EQUAL(interest(epfd, ends[0], NULL), by_policy(0, 0, 0, 1));
}

static void test_number_reused(void **state)
{
    (void)state;
    isolate(body_number_reused);
}

static void body_closed_number(void)
{
    int epfd = epoll_create1(0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(close(epfd), 0);
    /* The entry stays: the error of a use after close is not seen (seed: nothing removes it). */
    CHECK_EQUAL(add(epfd, ends[0], 1), by_policy(-1, 0, 0, 0));
}

static void test_closed_number(void **state)
{
    (void)state;
    isolate(body_closed_number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_family),
        cmocka_unit_test(test_unseen_number),
        cmocka_unit_test(test_number_reused),
        cmocka_unit_test(test_closed_number),
    };

    return cmocka_run_group_tests_name("shim.create", tests, NULL, NULL);
}
