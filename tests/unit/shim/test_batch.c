/*
 * A flush must not run a call twice, must not leave any behind, whatever its outcome, and must not
 * bother the backend with an empty batch. Deferring must not reach the kernel.
 */
#include "shim/batch.h"
#include "tests/unit/shim/fake.h"

static int recorded_fds[FAKE_CALLS_MAX];
static size_t recorded_count;
static unsigned int recorded_flags;
static int recorded_batches;
static int backend_result;

static int recording_execute(struct pending_op *ops, size_t count, unsigned int flags)
{
    assert_true(count <= FAKE_CALLS_MAX);
    for (size_t index = 0; index < count; index++) {
        recorded_fds[index] = ops[index].fd;
    }
    recorded_count = count;
    recorded_flags = flags;
    recorded_batches++;
    return backend_result;
}

static const struct backend recording = {.name = "recording", .execute = recording_execute};

static int setup(void **state)
{
    recorded_count = 0;
    recorded_flags = 0;
    recorded_batches = 0;
    backend_result = 0;
    batch_set_backend(&recording);
    return fake_reset(state);
}

static void defer(struct pending_list *list, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    assert_int_equal(batch_defer(list, 3, EPOLL_CTL_ADD, fd, &event, BATCH_FIXUPS), 0);
}

static void test_defers_without_the_kernel(void **state)
{
    struct pending_list list = {0};

    (void)state;
    defer(&list, 4);
    assert_int_equal(list.length, 1);
    assert_int_equal(fake_calls_made, 0);
    assert_int_equal(recorded_batches, 0);
    pending_release(&list);
}

static void test_flushes_all_once_in_order(void **state)
{
    struct pending_list list = {0};

    (void)state;
    defer(&list, 4);
    defer(&list, 6);
    defer(&list, 5);
    assert_int_equal(batch_flush(&list, BATCH_FIXUPS), 0);
    assert_int_equal(recorded_count, 3);
    assert_int_equal(recorded_fds[0], 4);
    assert_int_equal(recorded_fds[1], 6);
    assert_int_equal(recorded_fds[2], 5);
    assert_int_equal(recorded_flags, BATCH_FIXUPS);
    assert_int_equal(list.length, 0);
    assert_int_equal(batch_flush(&list, BATCH_FIXUPS), 0);
    assert_int_equal(recorded_batches, 1);
    pending_release(&list);
}

static void test_drops_the_batch_that_failed(void **state)
{
    struct pending_list list = {0};

    (void)state;
    defer(&list, 4);
    defer(&list, 5);
    backend_result = -EBADF;
    assert_int_equal(batch_flush(&list, 0), -EBADF);
    assert_int_equal(recorded_flags, 0);
    assert_int_equal(list.length, 0);
    pending_release(&list);
}

static void test_direct_call_tells_its_errno(void **state)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 9};

    (void)state;
    fake_answers[1] = EPERM;
    assert_int_equal(batch_ctl_direct(3, EPOLL_CTL_ADD, 4, &event), 0);
    assert_int_equal(batch_ctl_direct(3, EPOLL_CTL_ADD, 5, &event), -EPERM);
    assert_call(0, 3, EPOLL_CTL_ADD, 4);
    assert_int_equal(fake_calls[0].event.data.u64, 9);
    assert_call(1, 3, EPOLL_CTL_ADD, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defers_without_the_kernel, setup),
        cmocka_unit_test_setup(test_flushes_all_once_in_order, setup),
        cmocka_unit_test_setup(test_drops_the_batch_that_failed, setup),
        cmocka_unit_test_setup(test_direct_call_tells_its_errno, setup),
    };

    return cmocka_run_group_tests_name("shim.batch", tests, NULL, NULL);
}
