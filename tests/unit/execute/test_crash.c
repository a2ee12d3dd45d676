/*
 * What must not happen: that the crash of a process of the program is missed, is laid at another
 * step's or actor's door, or takes the executor with it; that the steps before it are lost.
 */
#include "tests/unit/execute/support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct executor *executor;

static int set_up(void **state)
{
    (void)state;
    executor = start(MISBEHAVE, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    executor_stop(executor);
    return 0;
}

static void assert_crash(const struct trace *trace, int step, unsigned actor, int signal)
{
    if (trace->end != RUN_CRASHED || trace->end_step != step || trace->end_actor != actor ||
        trace->end_signal != signal)
        fail_msg("expected a crash in step index %d by %u, signal %d:\n%s", step, actor, signal,
                 trace_text(trace));
}

#define EXPECT_CRASH(lines, step, actor, signal)                                                   \
    do {                                                                                           \
        for (unsigned round = 0; round < 20; round++)                                              \
            assert_crash(EXPECT(executor, lines), step, actor, signal);                            \
        assert_usable(executor);                                                                   \
    } while (0)

static void test_main_crashes(void **state)
{
    static const struct expected lines[] = {
        {"main: v0 = eventfd(0, 0)", "3"},
        {"main: close(901)", "ends"},
        {"main: close(v0)", "not reached"},
    };

    (void)state;
    EXPECT_CRASH(lines, 1, 0, SIGSEGV);
}

static void test_abort(void **state)
{
    static const struct expected lines[] = {
        {"main: close(902)", "ends"},
    };

    (void)state;
    EXPECT_CRASH(lines, 0, 0, SIGABRT);
}

/* An exit that no step asked for is no crash by signal, but the run is over all the same. */
static void test_exit_out_of_turn(void **state)
{
    static const struct expected lines[] = {
        {"main: close(903)", "ends"},
    };

    (void)state;
    EXPECT_CRASH(lines, 0, 0, 0);
    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->processes[0].state, PROCESS_EXITED);
    assert_int_equal(trace->processes[0].status, 125);
}

/* All threads of a process die with the one that crashes: it is that one's crash all the same. */
static void test_thread_crashes(void **state)
{
    static const struct expected lines[] = {
        {"main: r0, w0 = pipe2(0)", "3, 4"},  {"main: t1 = pthread_create()", "0"},
        {"main: t2 = pthread_create()", "0"}, {"t1: read(r0, 8)", "blocks"},
        {"t2: close(901)", "ends"},           {"main: close(r0)", "not reached"},
    };

    (void)state;
    EXPECT_CRASH(lines, 4, 2, SIGSEGV);
}

static void test_child_crashes(void **state)
{
    static const struct expected lines[] = {
        {"main: r0, w0 = pipe2(0)", "3, 4"},
        {"main: t1 = pthread_create()", "0"},
        {"main: p1 = fork()", "0"},
        {"t1: read(r0, 8)", "blocks"},
        {"p1: close(w0)", "0"},
        {"p1: close(901)", "ends"},
        {"main: close(r0)", "not reached"},
    };

    (void)state;
    EXPECT_CRASH(lines, 5, 2, SIGSEGV);
    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->processes[0].state, PROCESS_ALIVE);
    assert_int_equal(trace->processes[2].state, PROCESS_SIGNALED);
}

/* While its parent waits for it, who would otherwise be told first. */
static void test_awaited_child_crashes(void **state)
{
    static const struct expected lines[] = {
        {"main: p1 = fork()", "0"},
        {"main: waitpid(p1, 0)", NULL},
        {"p1: close(901)", "ends"},
        {"main: v0 = eventfd(0, 0)", "not reached"},
    };

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_CRASHED);
        assert_int_equal(trace->end_step, 2);
        assert_int_equal(trace->end_actor, 1);
    }
    assert_usable(executor);
}

static void test_helper_crashes(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"},
        {"t1: close(913)", "ends"},
    };

    (void)state;
    EXPECT_CRASH(lines, 1, 1, SIGSEGV);
}

/* A thread that ends behind everybody's back will never carry out its order. */
static void test_thread_vanishes(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"},
        {"t1: close(914)", "ends"},
        {"main: v0 = eventfd(0, 0)", "not reached"},
    };

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_CRASHED);
        assert_int_equal(trace->end_step, 1);
        assert_int_equal(trace->end_actor, 1);
    }
    assert_usable(executor);
}

static void test_child_crashes_in_fork(void **state)
{
    static const struct expected lines[] = {
        {"main: close(919)", "0"},
        {"main: p1 = fork()", NULL},
        {"p1: v0 = eventfd(0, 0)", "not reached"},
    };

    (void)state;
    EXPECT_CRASH(lines, 1, 1, SIGSEGV);
}

/* The run's first process is a child too: of the fork server. */
static void test_first_process_crashes_in_fork(void **state)
{
    static const struct expected lines[] = {
        {"main: v0 = eventfd(0, 0)", "ends"},
        {"main: close(v0)", "not reached"},
    };

    (void)state;
    setenv("EPDIFF_MISBEHAVE", "fork-crashes", 1);
    struct executor *crashing = start(MISBEHAVE, 0);
    unsetenv("EPDIFF_MISBEHAVE");
    for (unsigned round = 0; round < 20; round++)
        assert_crash(EXPECT(crashing, lines), 0, 0, SIGSEGV);
    executor_stop(crashing);
}

/* The harness's own process killed by the subject: no trace, but an error, and nothing left. */
static void test_server_is_killed(void **state)
{
    static struct program program;
    char why[EXECUTE_WHY_MAX + 1] = "";

    (void)state;
    struct executor *orphaned = start(MISBEHAVE, 0);
    struct trace *trace = trace_new();
    parse("main: p1 = fork()\n"
          "p1: r0, w0 = pipe2(0)\n"
          "p1: read(r0, 8)\n"
          "main: close(915)\n",
          &program);
    assert_true(executor_run(orphaned, &program, 0, trace, why) < 0);
    assert_non_null(strstr(why, "has died"));
    assert_true(executor_run(orphaned, &program, 0, trace, why) < 0);
    executor_stop(orphaned);
    trace_free(trace);
    executor_stop(executor);
    assert_no_processes();
    executor = start(MISBEHAVE, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_main_crashes),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_exit_out_of_turn),
        cmocka_unit_test(test_thread_crashes),
        cmocka_unit_test(test_child_crashes),
        cmocka_unit_test(test_awaited_child_crashes),
        cmocka_unit_test(test_helper_crashes),
        cmocka_unit_test(test_thread_vanishes),
        cmocka_unit_test(test_child_crashes_in_fork),
        cmocka_unit_test(test_first_process_crashes_in_fork),
        cmocka_unit_test(test_server_is_killed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
