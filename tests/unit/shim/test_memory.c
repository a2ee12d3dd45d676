/*
 * When memory runs out, no epoll_ctl call may be lost, overtake another, or fail for that reason:
 * what is pending is flushed and the call carried out at once. And a thread that ends must not
 * leave its list's memory behind.
 */
#include "shim/batch.h"
#include "shim/policy.h"
#include "shim/table.h"
#include "tests/unit/shim/fake.h"

#include <limits.h>
#include <pthread.h>

/* Allocations that still succeed. */
static int allocations_left = INT_MAX;

/* Allocations that were not freed yet. */
static int allocations_live;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static bool allocation_fails(void)
{
    if (allocations_left == 0) {
        errno = ENOMEM;
        return true;
    }
    allocations_left--;
    allocations_live++;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (allocation_fails()) {
        return NULL;
    }
    allocations_live -= memory != NULL;
    return __real_realloc(memory, size);
}

void __wrap_free(void *memory)
{
    allocations_live -= memory != NULL;
    __real_free(memory);
}

static int setup(void **state)
{
    allocations_left = INT_MAX;
    batch_set_backend(&backend_syscall);
    return fake_reset(state);
}

static int teardown(void **state)
{
    (void)state;
    allocations_left = INT_MAX;
    return 0;
}

static int add(const struct policy *policy, int epfd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return policy->ctl(epfd, EPOLL_CTL_ADD, fd, &event);
}

static void test_append_leaves_the_list_as_it_was(void **state)
{
    struct pending_list list = {0};

    (void)state;
    for (int fd = 0; fd < PENDING_CAPACITY_FIRST; fd++) {
        assert_int_equal(pending_append(&list, 3, EPOLL_CTL_DEL, fd, NULL), 0);
    }
    allocations_left = 0;
    assert_int_equal(pending_append(&list, 3, EPOLL_CTL_DEL, 99, NULL), -ENOMEM);
    assert_int_equal(list.length, PENDING_CAPACITY_FIRST);
    assert_int_equal(list.ops[PENDING_CAPACITY_FIRST - 1].fd, PENDING_CAPACITY_FIRST - 1);
    allocations_left = INT_MAX;
    assert_int_equal(pending_append(&list, 3, EPOLL_CTL_DEL, 99, NULL), 0);
    pending_release(&list);
}

static void *no_token;

/* Fills the list of a policy to the brim, then adds one more without memory. */
static void check_overflow(const struct policy *policy, int epfd, int answer)
{
    for (int fd = 0; fd < PENDING_CAPACITY_FIRST; fd++) {
        assert_int_equal(add(policy, epfd, 100 + fd), 0);
    }
    assert_int_equal(fake_calls_made, 0);
    allocations_left = 0;
    fake_answers[PENDING_CAPACITY_FIRST] = answer;
    assert_int_equal(add(policy, epfd, 200), -answer);
    assert_int_equal(fake_calls_made, PENDING_CAPACITY_FIRST + 1);
    for (int fd = 0; fd < PENDING_CAPACITY_FIRST; fd++) {
        assert_call(fd, epfd, EPOLL_CTL_ADD, 100 + fd);
    }
    assert_call(PENDING_CAPACITY_FIRST, epfd, EPOLL_CTL_ADD, 200);
    assert_int_equal(fake_calls[PENDING_CAPACITY_FIRST].event.data.fd, 200);
    /* Nothing is left for the wait. */
    assert_int_equal(policy->before_wait(epfd, false, &no_token), 0);
    assert_int_equal(fake_calls_made, PENDING_CAPACITY_FIRST + 1);
}

static void test_naive_overflow(void **state)
{
    (void)state;
    policy_naive.created(3);
    check_overflow(&policy_naive, 3, 0);
}

static void test_hash_overflow(void **state)
{
    (void)state;
    policy_hash.created(4);
    check_overflow(&policy_hash, 4, EPERM);
}

static void test_tls_overflow(void **state)
{
    (void)state;
    policy_tls.start();
    check_overflow(&policy_tls, 5, ENOSPC);
}

/* A number that never found room in the table goes straight to the kernel. */
static void check_no_entry(const struct policy *policy, int epfd, int allocations)
{
    allocations_left = allocations;
    policy->created(epfd);
    assert_null(table_find(epfd));
    allocations_left = 0;
    fake_answers[1] = EEXIST;
    assert_int_equal(add(policy, epfd, 6), 0);
    assert_int_equal(add(policy, epfd, 6), -EEXIST);
    assert_int_equal(fake_calls_made, 2);
    assert_call(0, epfd, EPOLL_CTL_ADD, 6);
    assert_int_equal(policy->before_wait(epfd, false, &no_token), 0);
    assert_int_equal(fake_calls_made, 2);
}

static void test_naive_no_entry(void **state)
{
    (void)state;
    check_no_entry(&policy_naive, 10, 0);
}

static void test_hash_no_entry(void **state)
{
    (void)state;
    check_no_entry(&policy_hash, 11, 0);
}

/* The first entry of all needs memory for the table as well: this test must run first. */
static void test_no_table(void **state)
{
    int live = allocations_live;

    (void)state;
    for (int allocations = 0; allocations < 3; allocations++) {
        fake_reset(state);
        check_no_entry(&policy_hash, 12, allocations);
        /* naive makes the entry at the first call; a call on one that is not in would be lost. */
        fake_reset(state);
        allocations_left = allocations;
        assert_int_equal(add(&policy_naive, 12, 6), 0);
        assert_int_equal(fake_calls_made, 1);
        assert_null(table_find(12));
        assert_int_equal(allocations_live, live);
    }
    allocations_left = 3;
    policy_hash.created(12);
    assert_non_null(table_find(12));
}

/* The table also grows; a number that does not fit must not spoil those that are in. */
static void test_no_growth(void **state)
{
    const int first = 1000;
    const int last = first + 2000;
    int missing = 0;

    (void)state;
    for (int epfd = first; epfd < last; epfd++) {
        allocations_left = 1; /* the entry itself */
        policy_hash.created(epfd);
    }
    allocations_left = INT_MAX;
    for (int epfd = first; epfd < last; epfd++) {
        const struct table_entry *entry = table_find(epfd);

        if (entry == NULL) {
            missing++;
        } else {
            assert_int_equal(entry->epfd, epfd);
        }
    }
    assert_true(missing > 0);
    assert_true(missing < last - first);
    for (int epfd = first; epfd < last; epfd++) {
        policy_hash.created(epfd);
        assert_non_null(table_find(epfd));
    }
}

static pthread_key_t late_key;

/* A destructor of the program that runs after the shim's, and makes a list appear once more. */
static void late_destructor(void *fd)
{
    assert_int_equal(add(&policy_tls, 3, *(int *)fd), 0);
}

static void *thread_defers(void *fd)
{
    assert_int_equal(add(&policy_tls, 3, *(int *)fd), 0);
    assert_int_equal(pthread_setspecific(late_key, fd), 0);
    return NULL;
}

static void test_thread_end_frees(void **state)
{
    int fd = 4;
    int live = allocations_live;
    pthread_t thread;

    (void)state;
    policy_tls.start();
    assert_int_equal(pthread_key_create(&late_key, late_destructor), 0);
    assert_int_equal(pthread_create(&thread, NULL, thread_defers, &fd), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(allocations_live, live);
    /* What was pending is lost, not carried out. */
    assert_int_equal(fake_calls_made, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append_leaves_the_list_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_naive_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_naive_no_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_no_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_growth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_thread_end_frees, setup, teardown),
    };

    return cmocka_run_group_tests_name("shim.memory", tests, NULL, NULL);
}
