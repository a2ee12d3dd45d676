/*
 * The table must not mix numbers up, must not keep what was pending under a number that is given
 * out again, and its lock must not stop the thread that forks.
 */
#include "shim/table.h"
#include "tests/unit/shim/cmocka_all.h"

#define NUMBERS 1000

static int visited;
static int visited_last;

static void visit_in_order(struct table_entry *entry)
{
    assert_int_equal(entry->epfd, visited_last + 3);
    visited_last = entry->epfd;
    visited++;
}

static void test_finds_each_number(void **state)
{
    (void)state;
    table_lock();
    for (int epfd = 0; epfd < NUMBERS * 3; epfd += 3) {
        struct table_entry *entry = table_reset(epfd);

        assert_non_null(entry);
        assert_int_equal(entry->epfd, epfd);
        assert_int_equal(entry->pending.length, 0);
        assert_false(entry->nested);
    }
    for (int epfd = -1; epfd <= NUMBERS * 3; epfd++) {
        struct table_entry *entry = table_find(epfd);

        if (epfd >= 0 && epfd < NUMBERS * 3 && epfd % 3 == 0) {
            assert_non_null(entry);
            assert_int_equal(entry->epfd, epfd);
        } else {
            assert_null(entry);
        }
    }
    visited = 0;
    visited_last = -3;
    table_each(visit_in_order);
    assert_int_equal(visited, NUMBERS);
    table_unlock();
}

static void test_reset_discards(void **state)
{
    struct table_entry *entry;

    (void)state;
    table_lock();
    entry = table_reset(7);
    assert_non_null(entry);
    assert_int_equal(pending_append(&entry->pending, 7, EPOLL_CTL_DEL, 8, NULL), 0);
    entry->nested = true;
    assert_ptr_equal(table_reset(7), entry);
    assert_int_equal(entry->pending.length, 0);
    assert_false(entry->nested);
    table_unlock();
}

static void test_fork_passes_its_own_lock(void **state)
{
    (void)state;
    table_lock_for_fork();
    /* As an atfork handler that calls close does. */
    table_lock();
    table_unlock();
    table_unlock_after_fork();
    /* Not held any more: a second taking would block if it were. */
    table_lock_for_fork();
    table_unlock_after_fork();
    table_lock();
    table_unlock();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_each_number),
        cmocka_unit_test(test_reset_discards),
        cmocka_unit_test(test_fork_passes_its_own_lock),
    };

    return cmocka_run_group_tests_name("shim.table", tests, NULL, NULL);
}
