/*
 * A pending list must not lose, reorder or alter a call, must not keep the caller's pointer, and
 * must not read the event of a DEL.
 */
#include "shim/pending.h"
#include "tests/unit/shim/cmocka_all.h"

#include <string.h>

static void test_keeps_calls_in_order(void **state)
{
    struct pending_list list = {0};
    const int count = PENDING_CAPACITY_FIRST * 5 + 1; /* grows several times */

    (void)state;
    for (int index = 0; index < count; index++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = (uint64_t)index};

        assert_int_equal(pending_append(&list, 3, EPOLL_CTL_MOD, index, &event), 0);
    }
    assert_int_equal(list.length, count);
    for (int index = 0; index < count; index++) {
        assert_int_equal(list.ops[index].epfd, 3);
        assert_int_equal(list.ops[index].op, EPOLL_CTL_MOD);
        assert_int_equal(list.ops[index].fd, index);
        assert_true(list.ops[index].has_event);
        assert_int_equal(list.ops[index].event.events, EPOLLIN | EPOLLET);
        assert_int_equal(list.ops[index].event.data.u64, index);
    }
    pending_release(&list);
}

static void test_copies_the_event(void **state)
{
    struct pending_list list = {0};
    struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 7};

    (void)state;
    assert_int_equal(pending_append(&list, 3, EPOLL_CTL_ADD, 4, &event), 0);
    memset(&event, 0xff, sizeof(event));
    assert_int_equal(list.ops[0].event.events, EPOLLOUT);
    assert_int_equal(list.ops[0].event.data.u64, 7);
    pending_release(&list);
}

static void test_keeps_a_null_event(void **state)
{
    struct pending_list list = {0};

    (void)state;
    assert_int_equal(pending_append(&list, 3, EPOLL_CTL_ADD, 4, NULL), 0);
    assert_false(list.ops[0].has_event);
    pending_release(&list);
}

static void test_reads_no_event_of_a_delete(void **state)
{
    struct pending_list list = {0};

    (void)state;
    /* Nothing is mapped there: reading it would crash. */
    assert_int_equal(pending_append(&list, 3, EPOLL_CTL_DEL, 4, (struct epoll_event *)8), 0);
    assert_false(list.ops[0].has_event);
    pending_release(&list);
}

static void test_is_usable_after_clear_and_release(void **state)
{
    struct pending_list list = {0};

    (void)state;
    assert_int_equal(pending_append(&list, 3, EPOLL_CTL_DEL, 4, NULL), 0);
    pending_clear(&list);
    assert_int_equal(list.length, 0);
    assert_int_equal(list.capacity, PENDING_CAPACITY_FIRST);
    assert_int_equal(pending_append(&list, 3, EPOLL_CTL_DEL, 5, NULL), 0);
    assert_int_equal(list.ops[0].fd, 5);
    pending_release(&list);
    assert_null(list.ops);
    assert_int_equal(pending_append(&list, 3, EPOLL_CTL_DEL, 6, NULL), 0);
    assert_int_equal(list.length, 1);
    pending_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_calls_in_order),
        cmocka_unit_test(test_copies_the_event),
        cmocka_unit_test(test_keeps_a_null_event),
        cmocka_unit_test(test_reads_no_event_of_a_delete),
        cmocka_unit_test(test_is_usable_after_clear_and_release),
    };

    return cmocka_run_group_tests_name("shim.pending", tests, NULL, NULL);
}
