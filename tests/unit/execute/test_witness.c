/*
 * What must not happen: that an epoll_ctl which reaches the kernel is not written down, or one
 * that the subject holds back is; that step, actor, operation, data or result are another's.
 */
#include "tests/unit/execute/support.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

static const char text[] = "main: e0 = epoll_create1(0)\n"
                           "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                           "main: t1 = pthread_create()\n"
                           "main: p1 = fork()\n"
                           "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                           "t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                           "p1: epoll_ctl(e0, EPOLL_CTL_MOD, v0, EPOLLOUT)\n"
                           "t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, BADPTR)\n"
                           "t1: epoll_ctl(e0, EPOLL_CTL_DEL, v0, NULL)\n"
                           "main: epoll_wait(e0, 8, 0)\n";

static void assert_carried(const struct trace *trace, unsigned index, unsigned step, unsigned actor,
                           int op, uint64_t data, int err)
{
    const struct trace_carried *carried = &trace->carried[index];

    assert_true(index < trace->ncarried);
    assert_int_equal(carried->step, step);
    assert_int_equal(carried->actor, actor);
    assert_int_equal(carried->epfd, 3);
    assert_int_equal(carried->number, 4);
    assert_int_equal(carried->op, op);
    assert_int_equal(carried->data, data);
    assert_int_equal(carried->err, err);
}

static void test_native(void **state)
{
    struct executor *executor = start("native", 0);

    (void)state;
    const struct trace *trace = run(executor, text, EXECUTE_EVIDENCE);
    assert_int_equal(trace->ncarried, 5);
    assert_carried(trace, 0, 4, 0, EPOLL_CTL_ADD, 5, 0);
    assert_carried(trace, 1, 5, 1, EPOLL_CTL_ADD, 6, EEXIST);
    assert_carried(trace, 2, 6, 2, EPOLL_CTL_MOD, 7, 0);
    assert_carried(trace, 3, 7, 1, EPOLL_CTL_ADD, 0, EFAULT);
    assert_carried(trace, 4, 8, 1, EPOLL_CTL_DEL, 0, 0);
    executor_stop(executor);
}

/* Without evidence as well: quick looks are judged with it too. */
static void test_without_evidence(void **state)
{
    struct executor *executor = start("native", 0);

    (void)state;
    assert_int_equal(run(executor, text, 0)->ncarried, 5);
    /* Nothing stays from the run before. */
    assert_int_equal(run(executor, "main: e0 = epoll_create1(0)\n", 0)->ncarried, 0);
    executor_stop(executor);
}

/* naive carries out at the wait of step 10 what this thread called for; the thread's list and the
 * child's are theirs. */
static void test_deferred(void **state)
{
    static const char deferred[] = "main: e0 = epoll_create1(0)\n"
                                   "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                   "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                   "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                   "main: v1 = eventfd(1, EFD_NONBLOCK)\n"
                                   "main: epoll_wait(e0, 8, 0)\n";
    struct executor *executor = start("shim:naive", 0);

    (void)state;
    const struct trace *trace = run(executor, deferred, EXECUTE_EVIDENCE);
    assert_int_equal(trace->ncarried, 2);
    assert_carried(trace, 0, 5, 0, EPOLL_CTL_ADD, 3, 0);
    assert_carried(trace, 1, 5, 0, EPOLL_CTL_ADD, 4, EEXIST);
    executor_stop(executor);
}

/* More calls than there is room for: those that fit are there, and the run goes on. */
static void test_no_room(void **state)
{
    static char many[1 << 15];
    size_t length = 0;
    struct executor *executor = start("native", 0);

    (void)state;
    length += (size_t)snprintf(many, sizeof(many),
                               "main: e0 = epoll_create1(0)\nmain: v0 = eventfd(1, 0)\n");
    for (unsigned i = 2; i < PROGRAM_STEPS_MAX; i++)
        length += (size_t)snprintf(many + length, sizeof(many) - length,
                                   "main: epoll_ctl(e0, EPOLL_CTL_MOD, v0, EPOLLIN)\n");
    const struct trace *trace = run(executor, many, 0);
    assert_int_equal(trace->ncarried, PROGRAM_STEPS_MAX - 2);
    for (unsigned i = 0; i < trace->ncarried; i++)
        assert_int_equal(trace->carried[i].err, ENOENT);
    executor_stop(executor);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_without_evidence),
        cmocka_unit_test(test_deferred),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
