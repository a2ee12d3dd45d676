/*
 * What must not happen: that a deferred cancellation acts where glibc has no cancellation point,
 * the harness's own waiting included, or fails to act where it has one; that an asynchronous one
 * leaves the thread alive; that the end of a cancelled thread is taken for a crash or missed.
 */
#include "tests/unit/execute/support.h"

#include <stdio.h>
#include <string.h>

enum {
    REPETITIONS = 30,
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

#include <pthread.h>

/* glibc 2.36, checked by trial: the calls that act on a cancellation, and those that do not. */
static void test_cancellation_points(void **state)
{
    static const struct {
        const char *call;
        bool point;
    } calls[] = {
        {"epoll_wait(e0, 8, 0)", true},
        {"epoll_pwait(e0, 8, 0, NULL)", true},
        {"epoll_pwait2(e0, 8, 0, NULL)", true},
        {"poll(v0, POLLIN, 0)", true},
        {"select(v0, 0)", true},
        {"read(v0, 8)", true},
        {"write(v0, 8)", true},
        {"close(v0)", true},
        {"waitpid(p1, WNOHANG)", true},
        {"f0 = open(\"/dev/null\", O_RDONLY)", true},
        {"epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", false},
        {"e1 = epoll_create1(0)", false},
        {"v1 = eventfd(0, 0)", false},
        {"r0, w0 = pipe2(0)", false},
        {"s0, s1 = socketpair(SOCK_STREAM)", false},
        {"d0 = dup(v0)", false},
        {"d0 = dup2(v0, 200)", false},
        {"pthread_join(t2)", true},
        {"fclose(v0)", false},
        {"close_range(v0, v0, 0)", false},
        {"syscall(SYS_close, v0)", false},
        {"shutdown(v0, SHUT_WR)", false},
        {"unshare(CLONE_FILES)", false},
        {"tgkill(main)", false},
        {"sigaction(RETURN)", false},
        {"execve(\"/nonexistent\")", false},
        {"m0 = memfd_create(0)", false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        char call[128];
        snprintf(call, sizeof(call), "t1: %s", calls[i].call);
        struct expected lines[] = {
            {"main: e0 = epoll_create1(0)", "3"},
            {"main: v0 = eventfd(1, EFD_NONBLOCK)", "4"},
            {"main: t1 = pthread_create()", "0"},
            {"main: p1 = fork()", "0"},
            {"main: t2 = pthread_create()", "0"},
            {"main: pthread_cancel(t1)", "0"},
            {call, calls[i].point ? "ends" : NULL},
            {"t1: v9 = eventfd(0, 0)", calls[i].point ? "skipped" : NULL},
        };
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_int_equal(trace->cancelled_at[1], calls[i].point ? 6 : TRACE_NEVER);
        if (!calls[i].point &&
            (trace->steps[6].state != STEP_DONE || trace->steps[7].state != STEP_DONE))
            fail_msg("%s is a cancellation point", calls[i].call);
    }
}

static void test_sleepers_end(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},  {"main: r0, w0 = pipe2(0)", "4, 5"},
        {"main: t1 = pthread_create()", "0"},  {"main: t2 = pthread_create()", "0"},
        {"main: t3 = pthread_create()", "0"},  {"main: t4 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "ends"}, {"t2: read(r0, 8)", "ends"},
        {"t3: poll(r0, POLLIN, -1)", "ends"},  {"t4: pthread_join(t1)", "blocks until 12: 0"},
        {"main: pthread_cancel(t2)", "0"},     {"main: pthread_cancel(t1)", "0"},
        {"main: pthread_cancel(t3)", "0"},     {"main: pthread_join(t3)", "0"},
        {"t1: close(e0)", "skipped"},          {"t4: v0 = eventfd(0, 0)", "6"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_int_equal(trace->cancelled_at[1], 11);
        assert_int_equal(trace->cancelled_at[2], 10);
        assert_int_equal(trace->cancelled_at[3], 12);
        assert_int_equal(trace->cancelled_at[4], TRACE_NEVER);
    }
}

static void test_asynchronous(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"},
        {"main: t2 = pthread_create()", "0"},
        {"main: t3 = pthread_create()", "0"},
        {"t1: pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS)", "0"},
        {"main: pthread_cancel(t1)", "0"}, /* idle: it ends at once */
        {"t1: v0 = eventfd(0, 0)", "skipped"},
        {"main: pthread_cancel(t2)", "0"},
        {"t2: v1 = eventfd(0, 0)", "3"},
        {"t2: pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS)", "ends"},
        {"t3: pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS)", "0"},
        {"t3: pthread_cancel(t3)", "ends"}, /* itself */
        {"main: pthread_join(t1)", "0"},
        {"main: pthread_join(t2)", "0"},
        {"main: pthread_join(t3)", "0"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_int_equal(trace->cancelled_at[1], 4);
        assert_int_equal(trace->cancelled_at[2], 8);
        assert_int_equal(trace->cancelled_at[3], 10);
    }
}

/* fork copies a thread with the cancellation that it has not obeyed yet; execve does away with it.
 */
static void test_fork_copies_it(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"},
        {"main: pthread_cancel(t1)", "0"},
        {"t1: p1 = fork()", "0"},
        {"t1: p2 = fork()", "0"},
        {"t1: p3 = vfork_exec()", "0"},
        {"p1: t2 = pthread_create()", "0"},
        {"p1: close(200)", "ends"},
        {"t2: close(200)", "-1 EBADF"},
        {"p2: execve(\"/proc/thread-self/exe\")", "0"},
        {"p2: close(200)", "-1 EBADF"},
        {"p3: close(200)", "-1 EBADF"},
        {"t1: close(200)", "ends"},
        {"main: close(200)", "-1 EBADF"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_int_equal(trace->processes[2].state, PROCESS_ALIVE);
    }
}

/* The process of the last thread ends with it, with status 0. */
static void test_last_thread(void **state)
{
    static const struct expected lines[] = {
        {"main: p1 = fork()", "0"},         {"p1: t1 = pthread_create()", "0"},
        {"p1: t2 = pthread_create()", "0"}, {"p1: pthread_exit()", "ends"},
        {"t2: pthread_cancel(t1)", "0"},    {"t1: close(200)", "ends"},
        {"t2: pthread_cancel(t2)", "0"},    {"t2: close(200)", "ends"},
        {"main: waitpid(p1, 0)", "0"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_int_equal(trace->processes[1].state, PROCESS_EXITED);
        assert_int_equal(trace->processes[1].ended_at, 7);
    }
}

/* A waitpid that a cancellation ends, or that sleeps, has reaped nobody. */
static void test_nothing_is_reaped(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"},
        {"t1: p1 = fork()", "0"},
        {"t1: p2 = fork()", "0"},
        {"p1: exit(7)", "ends"},
        {"main: pthread_cancel(t1)", "0"},
        {"t1: waitpid(p1, 0)", "ends"},
        {"main: waitpid(p2, 0)", "blocks"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_false(trace->processes[2].reaped);
    assert_int_equal(trace->processes[2].status, 7);
    assert_false(trace->processes[3].reaped);
    assert_int_equal(trace->processes[3].state, PROCESS_ALIVE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancellation_points), cmocka_unit_test(test_sleepers_end),
        cmocka_unit_test(test_asynchronous),        cmocka_unit_test(test_fork_copies_it),
        cmocka_unit_test(test_last_thread),         cmocka_unit_test(test_nothing_is_reaped),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
