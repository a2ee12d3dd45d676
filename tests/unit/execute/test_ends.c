/*
 * What must not happen: that the end of a thread or process that the program asked for is taken
 * for a crash, or is missed; that others who live on are lost with it; that a child of a thread,
 * of a child, or of a parent that is gone does not run its steps.
 */
#include "tests/unit/execute/support.h"

enum {
    REPETITIONS = 50, /* ends are races between the kernel and whoever looks */
};

static struct executor *executor;

static int set_up(void **state)
{
    (void)state;
    executor = start_unpinned("native", 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    executor_stop(executor);
    return 0;
}

static void assert_process(const struct trace *trace, unsigned process, enum process_state state,
                           int status, int ended_at)
{
    if (trace->processes[process].state != state || trace->processes[process].status != status ||
        trace->processes[process].ended_at != ended_at)
        fail_msg("process %u: expected state %d, status %d, ended at %d\n%s", process, (int)state,
                 status, ended_at, trace_text(trace));
}

static void test_thread_exit(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"}, {"main: t2 = pthread_create()", "0"},
        {"t1: pthread_exit()", "ends"},       {"t2: v0 = eventfd(0, 0)", "3"},
        {"main: pthread_join(t1)", "0"},      {"t2: pthread_exit()", "ends"},
        {"main: v1 = eventfd(0, 0)", "4"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_process(trace, 0, PROCESS_ALIVE, 0, TRACE_NEVER);
    }
}

/* The main thread leaves; its process lives until the last thread does, and that exits with 0. */
static void test_main_thread_leaves(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"},    {"main: t2 = pthread_create()", "0"},
        {"main: pthread_exit()", "ends"},        {"t1: v0 = eventfd(0, 0)", "3"},
        {"main: v1 = eventfd(0, 0)", "skipped"}, {"t1: t3 = pthread_create()", "0"},
        {"t1: pthread_exit()", "ends"},          {"t3: close(v0)", "0"},
        {"t2: pthread_exit()", "ends"},          {"t3: pthread_exit()", "ends"},
        {"t3: v2 = eventfd(0, 0)", "skipped"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_process(trace, 0, PROCESS_EXITED, 0, 9);
    }
}

static void test_only_thread_leaves(void **state)
{
    static const struct expected lines[] = {
        {"main: p1 = fork()", "0"},
        {"main: pthread_exit()", "ends"},
        {"p1: v0 = eventfd(0, 0)", "3"},
        {"p1: pthread_exit()", "ends"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_process(trace, 0, PROCESS_EXITED, 0, 1);
    assert_process(trace, 1, PROCESS_EXITED, 0, 3);
}

static void test_exit_with_blocked_thread(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},  {"main: p1 = fork()", "0"},
        {"p1: t1 = pthread_create()", "0"},    {"t1: epoll_wait(e0, 8, -1)", "ends"},
        {"main: epoll_wait(e0, 8, 0)", "0"},   {"p1: exit(6)", "ends"},
        {"t1: v0 = eventfd(0, 0)", "skipped"}, {"main: waitpid(p1, 0)", "6"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_true(trace->steps[3].blocked);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_process(trace, 1, PROCESS_EXITED, 6, 5);
        assert_true(trace->processes[1].reaped);
    }
}

/* exit of a thread that is not the first ends all, main included. */
static void test_exit_of_other_thread(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"},
        {"t1: _exit(5)", "ends"},
        {"main: v0 = eventfd(0, 0)", "skipped"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->end, RUN_COMPLETE);
    assert_process(trace, 0, PROCESS_EXITED, 5, 1);
}

static void test_fork_from_thread(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"},
        {"t1: p1 = fork()", "0"},
        {"p1: v0 = eventfd(0, 0)", "3"},
        {"p1: t2 = pthread_create()", "0"},
        {"t2: close(v0)", "0"},
        {"p1: pthread_join(t1)", "-1 ESRCH"}, /* the parent's thread is not here */
        {"t2: pthread_exit()", "ends"},
        {"p1: pthread_join(t2)", "0"},
        {"p1: exit(3)", "ends"},
        {"main: waitpid(p1, 0)", "3"},
        {"t1: pthread_exit()", "ends"},
        {"main: pthread_join(t1)", "0"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++)
        EXPECT(executor, lines);
}

static void test_grandchild_and_orphan(void **state)
{
    static const struct expected lines[] = {
        {"main: r0, w0 = pipe2(0)", "3, 4"},
        {"main: p1 = fork()", "0"},
        {"p1: p2 = fork()", "0"},
        {"p2: p3 = fork()", "0"},
        {"p3: read(r0, 8)", "blocks until 8: 8"},
        {"p1: _exit(1)", "ends"}, /* p2 is an orphan from here on */
        {"main: waitpid(p1, 0)", "1"},
        {"p2: write(w0, 8)", "8"},
        {"p2: waitpid(p3, WNOHANG)", "2147483647"},
        {"p3: _exit(2)", "ends"},
        {"p2: waitpid(p3, 0)", "2"},
        {"main: waitpid(p2, 0)", "-1 ECHILD"},
        {"p2: _exit(3)", "ends"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_process(trace, 0, PROCESS_ALIVE, 0, TRACE_NEVER);
        assert_process(trace, 2, PROCESS_EXITED, 3, 12);
        assert_false(trace->processes[2].reaped);
        assert_true(trace->processes[3].reaped);
    }
}

/* The run's first process ends while others go on. */
static void test_main_process_ends(void **state)
{
    static const struct expected lines[] = {
        {"main: r0, w0 = pipe2(0)", "3, 4"},
        {"main: p1 = fork()", "0"},
        {"main: exit(0)", "ends"},
        {"p1: t1 = pthread_create()", "0"},
        {"t1: read(r0, 8)", "blocks until 6: 8"},
        {"p1: write(w0, 8)", "8"},
        {"t1: read(r0, 8)", "blocks"},
        {"main: close(r0)", "skipped"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_process(trace, 0, PROCESS_EXITED, 0, 2);
        assert_process(trace, 1, PROCESS_ALIVE, 0, TRACE_NEVER);
        assert_int_equal(trace->nfds, 5);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thread_exit),
        cmocka_unit_test(test_main_thread_leaves),
        cmocka_unit_test(test_only_thread_leaves),
        cmocka_unit_test(test_exit_with_blocked_thread),
        cmocka_unit_test(test_exit_of_other_thread),
        cmocka_unit_test(test_fork_from_thread),
        cmocka_unit_test(test_grandchild_and_orphan),
        cmocka_unit_test(test_main_process_ends),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
