/*
 * A wait on an outer epoll instance must not miss what is pending on an inner one, under `hash`
 * and `tls` (seed, "Nested Epoll"). `naive` knows nothing of nesting and must miss it. `hash` must
 * not defer on the inner instance again until its number is created anew.
 */
#include "tests/unit/shim/support.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void body_inner_pending_first(void)
{
    struct epoll_event event;
    int inner = epoll_create1(0);
    int outer = epoll_create1(0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(add(inner, ends[0], 1), 0);
    CHECK_EQUAL(interest(inner, ends[0], NULL), by_policy(1, 0, 0, 0));
    CHECK_EQUAL(add(outer, inner, 2), 0);
    CHECK_EQUAL(interest(inner, ends[0], NULL), by_policy(1, 0, 1, 0));
    CHECK_EQUAL(interest(outer, inner, NULL), by_policy(1, 0, 0, 0));
    CHECK_EQUAL(epoll_wait(outer, &event, 1, 0), by_policy(1, 0, 1, 1));
}

static void test_inner_pending_first(void **state)
{
    (void)state;
    isolate(body_inner_pending_first);
}

static void body_inner_later(void)
{
    struct epoll_event event;
    int inner = epoll_create1(0);
    int outer = epoll_create1(0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(add(outer, inner, 2), 0);
    CHECK_EQUAL(epoll_wait(outer, &event, 1, 0), 0);
    CHECK_EQUAL(add(inner, ends[0], 1), 0);
    CHECK_EQUAL(interest(inner, ends[0], NULL), by_policy(1, 0, 1, 0));
    CHECK_EQUAL(epoll_wait(outer, &event, 1, 0), by_policy(1, 0, 1, 1));
    /* The outer instance itself is still batched. */
    CHECK_EQUAL(add(outer, ends[0], 3), 0);
    CHECK_EQUAL(interest(outer, ends[0], NULL), by_policy(1, 0, 0, 0));
}

static void test_inner_later(void **state)
{
    (void)state;
    isolate(body_inner_later);
}

static void body_mark_stays(void)
{
    struct epoll_event event;
    int inner = epoll_create1(0);
    int outer = epoll_create1(0);
    int target = eventfd(0, 0);

    CHECK_EQUAL(add(outer, inner, 1), 0);
    CHECK_EQUAL(epoll_ctl(outer, EPOLL_CTL_DEL, inner, NULL), 0);
    CHECK_EQUAL(epoll_wait(outer, &event, 1, 0), 0);
    CHECK_EQUAL(add(inner, target, 1), 0);
    CHECK_EQUAL(interest(inner, target, NULL), by_policy(1, 0, 1, 0));
    /* A new instance under the number is not nested. */
    CHECK_EQUAL(close(inner), 0);
    CHECK_EQUAL(epoll_create1(0), inner);
    CHECK_EQUAL(add(inner, target, 1), 0);
    CHECK_EQUAL(interest(inner, target, NULL), by_policy(1, 0, 0, 0));
}

static void test_mark_stays(void **state)
{
    (void)state;
    isolate(body_mark_stays);
}

static void body_mod_does_not_mark(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int inner = epoll_create1(0);
    int outer = epoll_create1(0);
    int target = eventfd(0, 0);

    (void)epoll_ctl(outer, EPOLL_CTL_DEL, inner, NULL);
    (void)epoll_ctl(outer, EPOLL_CTL_MOD, inner, &event);
    CHECK_EQUAL(add(inner, target, 1), 0);
    CHECK_EQUAL(interest(inner, target, NULL), by_policy(1, 0, 0, 0));
}

static void test_mod_does_not_mark(void **state)
{
    (void)state;
    isolate(body_mod_does_not_mark);
}

static void body_self(void)
{
    int epfd = epoll_create1(0);

    /* The instance watches itself, so it is nested, so nothing on it is deferred: at once. */
    errno = 0;
    CHECK_EQUAL(add(epfd, epfd, 1), by_policy(-1, 0, -1, 0));
    CHECK_EQUAL(errno, by_policy(EINVAL, 0, EINVAL, 0));
}

static void test_self(void **state)
{
    (void)state;
    isolate(body_self);
}

static void body_error_of_the_inner_flush(void)
{
    int inner = epoll_create1(0);
    int outer = epoll_create1(0);
    int target = eventfd(0, 0);

    (void)epoll_ctl(inner, EPOLL_CTL_DEL, target, NULL);
    errno = ELIBBAD;
    CHECK_EQUAL(add(outer, inner, 1), 0);
    CHECK_EQUAL(errno, ELIBBAD);
}

static void test_error_of_the_inner_flush(void **state)
{
    (void)state;
    isolate(body_error_of_the_inner_flush);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inner_pending_first),
        cmocka_unit_test(test_inner_later),
        cmocka_unit_test(test_mark_stays),
        cmocka_unit_test(test_mod_does_not_mark),
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_error_of_the_inner_flush),
    };

    return cmocka_run_group_tests_name("shim.nested", tests, NULL, NULL);
}
