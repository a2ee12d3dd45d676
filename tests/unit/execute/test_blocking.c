/*
 * What must not happen: that a call which sleeps holds the schedule up, or is taken for one that
 * returned; that its return is written down at another step than the one that woke it, or with
 * other events; that a step of an actor that sleeps, has ended or was never born runs.
 */
#include "tests/unit/execute/support.h"

static struct executor *executor;

static int set_up(void **state)
{
    (void)state;
    executor = start("native", 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    executor_stop(executor);
    return 0;
}

static void test_woken_by_write(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(0, EFD_NONBLOCK)", "4"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 8: 1: 1@3"},
        {"main: v1 = eventfd(0, EFD_NONBLOCK)", "5"},
        {"main: write(v1, 8)", "8"},
        {"main: write(v0, 8)", "8"},
        {"t1: read(v0, 8)", "8"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_true(trace->steps[4].blocked);
    assert_false(trace->steps[7].blocked);
}

/* Every call of the table that can sleep, and what ends its sleep. */
static void test_every_call_that_sleeps(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(0, EFD_SEMAPHORE)", "4"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 6: 1: 1@3"},
        {"main: write(v0, 8)", "8"},
        {"t1: read(v0, 8)", "8"},
        {"t1: epoll_pwait(e0, 8, -1, FULL)", "blocks until 9: 1: 1@3"},
        {"main: write(v0, 8)", "8"},
        {"t1: read(v0, 8)", "8"},
        {"t1: epoll_pwait2(e0, 8, NULL, EMPTY)", "blocks until 12: 1: 1@3"},
        {"main: write(v0, 8)", "8"},
        {"t1: read(v0, 8)", "8"},
        {"t1: poll(e0, POLLIN, -1)", "blocks until 15: 1, revents 1"},
        {"main: write(v0, 8)", "8"},
        {"t1: read(v0, 8)", "8"},
        {"t1: select(e0, -1)", "blocks until 18: 1, revents 1"},
        {"main: write(v0, 8)", "8"},
        {"t1: read(v0, 8)", "8"},
        {"t1: read(v0, 8)", "blocks until 21: 8"},
        {"main: write(v0, 8)", "8"},
        {"main: r0, w0 = pipe2(0)", "5, 6"},
        {"main: write(w0, 65536)", "65536"},
        {"t1: write(w0, 4096)", "blocks until 25: 4096"},
        {"main: read(r0, 65536)", "65536"},
        {"main: p1 = fork()", "0"},
        {"main: t2 = pthread_create()", "0"},
        {"main: waitpid(p1, 0)", "blocks until 29: 4"},
        {"p1: _exit(4)", "ends"},
        {"main: pthread_join(t2)", "blocks until 31: 0"},
        {"t2: pthread_exit()", "ends"},
    };

    (void)state;
    EXPECT(executor, lines);
}

static void test_never_returned(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},    {"main: v0 = eventfd(0, 0)", "4"},
        {"main: r0, w0 = pipe2(0)", "5, 6"},     {"main: t1 = pthread_create()", "0"},
        {"main: t2 = pthread_create()", "0"},    {"main: t3 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks"}, {"t2: read(v0, 8)", "blocks"},
        {"t3: pthread_join(t1)", "blocks"},      {"t1: epoll_wait(e0, 8, 0)", "skipped"},
        {"main: write(w0, 65536)", "65536"},     {"main: write(w0, 1)", "blocks"},
        {"main: close(e0)", "skipped"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->end, RUN_COMPLETE);
    for (unsigned i = 6; i <= 8; i++)
        assert_int_equal(trace->steps[i].completed_at, TRACE_NEVER);
    assert_int_equal(trace->processes[0].state, PROCESS_ALIVE);
}

static void test_skipped(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"},
        {"main: p1 = fork()", "0"},
        {"t1: pthread_exit()", "ends"},
        {"t1: v0 = eventfd(0, 0)", "skipped"},
        {"t1: t2 = pthread_create()", "skipped"},
        {"t2: v1 = eventfd(0, 0)", "skipped"}, /* never born */
        {"p1: _exit(0)", "ends"},
        {"p1: v2 = eventfd(0, 0)", "skipped"},
        {"main: v3 = eventfd(0, 0)", "3"},
        {"main: pthread_join(t2)", "-1 ESRCH"},
        {"main: close(v0)", "-1 EBADF"}, /* a slot that nobody bound */
    };

    (void)state;
    EXPECT(executor, lines);
}

/* Steps that follow each other may be one order, but what comes behind one that sleeps is skipped,
 * and stays so when it wakes. */
static void test_rest_of_an_order(void **state)
{
    static const struct expected lines[] = {
        {"main: r0, w0 = pipe2(0)", "3, 4"},
        {"main: t1 = pthread_create()", "0"},
        {"main: v0 = eventfd(0, 0)", "5"},
        {"main: read(r0, 8)", "blocks until 7: 8"},
        {"main: v3 = eventfd(0, 0)", "skipped"},
        {"main: v1 = eventfd(0, 0)", "skipped"},
        {"t1: write(w0, 8)", "8"},
        {"main: v2 = eventfd(0, 0)", "6"},
    };

    (void)state;
    EXPECT(executor, lines);
}

/* A wait that an ADD makes ready at once is no blocked wait, whatever its timeout. */
static void test_not_blocked(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(1, 0)", "4"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: epoll_wait(e0, 8, -1)", "1: 1@3"},
        {"main: read(v0, 8)", "8"},
        {"main: p1 = fork()", "0"},
        {"p1: _exit(2)", "ends"},
        {"main: waitpid(p1, 0)", "2"},
        /* A finite timeout is waited for, also behind a call that might have slept. */
        {"main: epoll_wait(e0, 8, 40)", "0"},
        {"main: write(v0, 8)", "8"},
        {"main: read(v0, 8)", "8"},
        {"main: poll(e0, POLLIN, 40)", "0, revents 0"},
        {"main: write(v0, 8)", "8"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    for (unsigned i = 0; i < trace->nsteps; i++)
        assert_false(trace->steps[i].blocked);
}

/* Waiters of one instance in two processes, a thread among them: a level-triggered event that
 * nobody consumes reaches both, in the step that made it. */
static void test_two_processes(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(0, 0)", "4"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: p1 = fork()", "0"},
        {"p1: epoll_wait(e0, 8, -1)", "blocks until 10: 1: 1@3"},
        {"main: p2 = fork()", "0"},
        {"p2: t1 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 10: 1: 1@3"},
        {"p2: v1 = eventfd(0, 0)", "5"},
        {"main: write(v0, 8)", "8"},
        {"p1: epoll_wait(e0, 8, 0)", "1: 1@3"},
    };

    (void)state;
    EXPECT(executor, lines);
}

/* The end of an instance does not wake its waiters; what a dead descriptor held does. */
static void test_woken_by_close(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: r0, w0 = pipe2(O_NONBLOCK)", "4, 5"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)", "0"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 6: 1: 10@3"},
        {"main: close(w0)", "0"},
        {"main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, NULL)", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks"},
        {"main: close(e0)", "0"},
    };

    (void)state;
    EXPECT(executor, lines);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_woken_by_write), cmocka_unit_test(test_every_call_that_sleeps),
        cmocka_unit_test(test_never_returned), cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_not_blocked),    cmocka_unit_test(test_two_processes),
        cmocka_unit_test(test_woken_by_close), cmocka_unit_test(test_rest_of_an_order),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
