/*
 * What must not happen: that an actor which is stuck inside the subject stops the run for ever, by
 * whatever means it is stuck; that a slow one is taken for a stuck one; that a call which sleeps
 * as the program asked is taken for a hang; that the executor is of no use afterwards.
 */
#include "tests/unit/execute/support.h"

#include <stdlib.h>
#include <sys/syscall.h>

static struct executor *executor;

static int set_up(void **state)
{
    (void)state;
    executor = start(MISBEHAVE, TEST_WATCHDOG_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    executor_stop(executor);
    return 0;
}

/* Runs, while another thread and another process sleep in calls of their own, a step that hangs.
 * Returns the system call in which it is said to hang. */
static long hang(const char *call)
{
    const struct expected lines[] = {
        {"main: r0, w0 = pipe2(0)", "3, 4"},
        {"main: t1 = pthread_create()", "0"},
        {"main: p1 = fork()", "0"},
        {"p1: read(r0, 8)", "blocks"},
        {call, "hangs"},
        {"main: close(r0)", "not reached"},
    };

    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->end, RUN_HUNG);
    assert_int_equal(trace->end_step, 4);
    assert_int_equal(trace->end_actor, 1);
    long number = trace->end_syscall;
    assert_usable(executor);
    return number;
}

static void test_sleeping(void **state)
{
    (void)state;
    assert_int_equal(hang("t1: close(904)"), SYS_futex);
}

/* Asleep in the subject, in a call that may sleep elsewhere. */
static void test_sleeping_in_call_that_may(void **state)
{
    (void)state;
    assert_int_equal(hang("t1: read(904, 8)"), SYS_futex);
    assert_int_equal(hang("t1: read(912, 8)"), -1);
}

static void test_deadlocked(void **state)
{
    (void)state;
    assert_int_equal(hang("t1: close(905)"), SYS_futex);
}

static void test_spinning(void **state)
{
    (void)state;
    assert_int_equal(hang("t1: close(906)"), -1);
}

static void test_stopped(void **state)
{
    (void)state;
    hang("t1: close(907)");
}

/* The actor sleeps, and the thread that it waits for is busy without end. */
static void test_waiting_for_spinning_helper(void **state)
{
    (void)state;
    hang("t1: close(912)");
}

/* Nobody else is about: the quick way to wait for an actor has its watchdog too. */
static void test_alone(void **state)
{
    static const struct expected lines[] = {
        {"main: v0 = eventfd(0, 0)", "3"},
        {"main: close(904)", "hangs"},
        {"main: close(v0)", "not reached"},
    };
    static const struct expected spins[] = {
        {"main: v0 = eventfd(0, 0)", "3"},
        {"main: close(906)", "hangs"},
        {"main: close(v0)", "not reached"},
    };

    (void)state;
    assert_int_equal(EXPECT(executor, lines)->end_step, 1);
    assert_int_equal(EXPECT(executor, spins)->end_step, 1);
    assert_usable(executor);
}

static void test_child_hangs_in_fork(void **state)
{
    static const struct expected sleeps[] = {
        {"main: close(917)", "0"},
        {"main: p1 = fork()", NULL},
        {"p1: v0 = eventfd(0, 0)", "not reached"},
    };
    static const struct expected spins[] = {
        {"main: close(918)", "0"},
        {"main: p1 = fork()", NULL},
        {"p1: v0 = eventfd(0, 0)", "not reached"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, sleeps);
    assert_int_equal(trace->end, RUN_HUNG);
    assert_int_equal(trace->end_actor, 1);
    trace = EXPECT(executor, spins);
    assert_int_equal(trace->end, RUN_HUNG);
    assert_int_equal(trace->end_actor, 1);
    assert_usable(executor);
}

static void check_first_process(const char *how)
{
    static const struct expected lines[] = {
        {"main: v0 = eventfd(0, 0)", "hangs"},
        {"main: close(v0)", "not reached"},
    };

    setenv("EPDIFF_MISBEHAVE", how, 1);
    struct executor *hanging = start(MISBEHAVE, TEST_WATCHDOG_MS);
    unsetenv("EPDIFF_MISBEHAVE");
    for (unsigned round = 0; round < 2; round++) {
        const struct trace *trace = EXPECT(hanging, lines);
        assert_int_equal(trace->end, RUN_HUNG);
        assert_int_equal(trace->end_actor, 0);
    }
    executor_stop(hanging);
    executor_stop(executor);
    assert_no_processes();
    executor = start(MISBEHAVE, TEST_WATCHDOG_MS);
}

static void test_first_process_hangs_in_fork(void **state)
{
    (void)state;
    check_first_process("fork-hangs");
    check_first_process("fork-spins");
}

/* Half the watchdog's time of CPU, or its whole time in naps, is slow and no more. */
static void test_slow(void **state)
{
    static const struct expected lines[] = {
        {"main: r0, w0 = pipe2(0)", "3, 4"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: read(r0, 8)", "blocks until 6: 8"},
        {"main: close(908)", "0"},
        {"main: close(909)", "0"},
        {"main: write(w0, 8)", "8"},
        {"t1: close(908)", "0"},
        {"t1: close(909)", "0"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->end, RUN_COMPLETE);
}

/* Steps that follow each other are one order: each has the watchdog's time for itself. */
static void test_slow_in_a_row(void **state)
{
    static const struct expected lines[] = {
        {"main: close(908)", "0"}, {"main: close(908)", "0"}, {"main: close(908)", "0"},
        {"main: close(908)", "0"}, {"main: close(908)", "0"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->end, RUN_COMPLETE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleeping),
        cmocka_unit_test(test_sleeping_in_call_that_may),
        cmocka_unit_test(test_deadlocked),
        cmocka_unit_test(test_spinning),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_waiting_for_spinning_helper),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_child_hangs_in_fork),
        cmocka_unit_test(test_first_process_hangs_in_fork),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_slow_in_a_row),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
