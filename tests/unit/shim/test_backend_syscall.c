/*
 * The plain backend must not go on after an operation that failed, must not hide an error, and
 * must not turn ADD and MOD into each other unless asked, and then not more than once.
 */
#include "shim/batch.h"
#include "tests/unit/shim/fake.h"

static struct pending_op three[] = {
    {.epfd = 3, .op = EPOLL_CTL_ADD, .fd = 4, .has_event = true, .event = {.events = EPOLLIN}},
    {.epfd = 3, .op = EPOLL_CTL_MOD, .fd = 5, .has_event = true, .event = {.events = EPOLLOUT}},
    {.epfd = 9, .op = EPOLL_CTL_DEL, .fd = 6},
};

static int execute(size_t count, unsigned int flags)
{
    return backend_syscall.execute(three, count, flags);
}

static void test_runs_in_order(void **state)
{
    (void)state;
    assert_int_equal(execute(3, 0), 0);
    assert_int_equal(fake_calls_made, 3);
    assert_call(0, 3, EPOLL_CTL_ADD, 4);
    assert_int_equal(fake_calls[0].event.events, EPOLLIN);
    assert_call(1, 3, EPOLL_CTL_MOD, 5);
    assert_int_equal(fake_calls[1].event.events, EPOLLOUT);
    assert_call(2, 9, EPOLL_CTL_DEL, 6);
    assert_false(fake_calls[2].has_event);
}

static void test_stops_at_the_first_failure(void **state)
{
    (void)state;
    fake_answers[1] = EBADF;
    assert_int_equal(execute(3, BATCH_FIXUPS), -EBADF);
    assert_int_equal(fake_calls_made, 2);
    assert_int_equal(three[0].result, 0);
    assert_int_equal(three[1].result, -EBADF);
    assert_int_equal(three[2].result, -ECANCELED);
}

static void test_goes_on_when_asked(void **state)
{
    (void)state;
    fake_answers[0] = EPERM;
    fake_answers[1] = EBADF;
    assert_int_equal(execute(3, BATCH_ALL), -EPERM);
    assert_int_equal(fake_calls_made, 3);
    assert_int_equal(three[0].result, -EPERM);
    assert_int_equal(three[1].result, -EBADF);
    assert_int_equal(three[2].result, 0);
}

static void test_fixes_nothing_unasked(void **state)
{
    (void)state;
    fake_answers[0] = EEXIST;
    assert_int_equal(execute(1, 0), -EEXIST);
    assert_int_equal(fake_calls_made, 1);
}

static void test_tries_a_mod_for_an_add(void **state)
{
    (void)state;
    fake_answers[0] = EEXIST;
    assert_int_equal(execute(3, BATCH_FIXUPS), 0);
    assert_int_equal(fake_calls_made, 4);
    assert_call(1, 3, EPOLL_CTL_MOD, 4);
    assert_int_equal(fake_calls[1].event.events, EPOLLIN);
    assert_call(2, 3, EPOLL_CTL_MOD, 5);
}

static void test_tries_an_add_for_a_mod(void **state)
{
    (void)state;
    fake_answers[1] = ENOENT;
    assert_int_equal(execute(3, BATCH_FIXUPS), 0);
    assert_int_equal(fake_calls_made, 4);
    assert_call(2, 3, EPOLL_CTL_ADD, 5);
    assert_int_equal(fake_calls[2].event.events, EPOLLOUT);
    assert_call(3, 9, EPOLL_CTL_DEL, 6);
}

static void test_tells_the_error_of_the_second_try(void **state)
{
    (void)state;
    fake_answers[0] = EEXIST;
    fake_answers[1] = ENOENT; /* as if another thread had deleted it in between */
    assert_int_equal(execute(3, BATCH_FIXUPS), -ENOENT);
    assert_int_equal(fake_calls_made, 2);
}

static void test_fixes_no_other_error(void **state)
{
    (void)state;
    fake_answers[0] = ENOENT;
    assert_int_equal(execute(1, BATCH_FIXUPS), -ENOENT);
    assert_int_equal(fake_calls_made, 1);
    fake_answers[1] = EEXIST;
    assert_int_equal(backend_syscall.execute(&three[1], 1, BATCH_FIXUPS), -EEXIST);
    fake_answers[2] = ENOENT;
    assert_int_equal(backend_syscall.execute(&three[2], 1, BATCH_FIXUPS), -ENOENT);
    assert_int_equal(fake_calls_made, 3);
}

static void test_passes_a_null_event_on(void **state)
{
    struct pending_op op = {.epfd = 3, .op = EPOLL_CTL_ADD, .fd = 4};

    (void)state;
    fake_answers[0] = EFAULT;
    assert_int_equal(backend_syscall.execute(&op, 1, BATCH_FIXUPS), -EFAULT);
    assert_false(fake_calls[0].has_event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_runs_in_order, fake_reset),
        cmocka_unit_test_setup(test_stops_at_the_first_failure, fake_reset),
        cmocka_unit_test_setup(test_goes_on_when_asked, fake_reset),
        cmocka_unit_test_setup(test_fixes_nothing_unasked, fake_reset),
        cmocka_unit_test_setup(test_tries_a_mod_for_an_add, fake_reset),
        cmocka_unit_test_setup(test_tries_an_add_for_a_mod, fake_reset),
        cmocka_unit_test_setup(test_tells_the_error_of_the_second_try, fake_reset),
        cmocka_unit_test_setup(test_fixes_no_other_error, fake_reset),
        cmocka_unit_test_setup(test_passes_a_null_event_on, fake_reset),
    };

    return cmocka_run_group_tests_name("shim.backend_syscall", tests, NULL, NULL);
}
