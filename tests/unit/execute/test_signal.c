/*
 * What must not happen: that a handler runs later than its tgkill, or not in the actor it was sent
 * to; that its errno reaches the call it interrupts; that an event of its registration names
 * another step; that a process dies of a signal that it has not asked for.
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

static void test_ignored_at_first(void **state)
{
    static const struct expected lines[] = {
        {"main: v0 = eventfd(0, 0)", "3"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: read(v0, 8)", "blocks until 8: 8"},
        {"main: tgkill(t1)", "0"},
        {"main: sigaction(RETURN)", "0"},
        {"main: sigaction(SIG_IGN)", "0"},
        {"main: tgkill(t1)", "0"},
        {"main: write(v0, 8)", "8"},
    };

    (void)state;
    EXPECT(executor, lines);
}

/* In an actor that sleeps, one that is idle, and the caller: own results, own data, own errno. */
static void test_ctl(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(1, 0)", "4"},
        {"main: t1 = pthread_create()", "0"},
        {"main: sigaction(CTL, e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 6: -1 EINTR"},
        {"main: tgkill(t1)", "0, handled in 6: 0 0"},
        {"t1: epoll_wait(e0, 8, 0)", "1: 1@6"},
        {"main: tgkill(t1)", "0, handled in 8: -1 EEXIST"},
        {"main: tgkill(main)", "0, handled in 9: -1 EEXIST"},
        {"main: sigaction(CTL, e0, EPOLL_CTL_MOD, v0, BADPTR)", "0"},
        {"t1: tgkill(main)", "0, handled in 11: -1 EFAULT"},
        {"main: sigaction(CTL, e0, EPOLL_CTL_MOD, v0, EPOLLIN|EPOLLET)", "0"},
        {"main: tgkill(t1)", "0, handled in 13: 0 0"},
        {"main: epoll_wait(e0, 8, 0)", "1: 1@d"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        /* The list behind the interrupted wait has what the handler added. */
        assert_non_null(strstr(trace_text(trace), "list after 6, process 0, 3: 4:19@6\n"));
    }
}

static void test_other_calls_are_interrupted(void **state)
{
    static const struct expected lines[] = {
        {"main: r0, w0 = pipe2(0)", "3, 4"},
        {"main: p1 = fork()", "0"},
        {"main: sigaction(RETURN)", "0"},
        {"main: t1 = pthread_create()", "0"},
        {"main: t2 = pthread_create()", "0"},
        {"main: t3 = pthread_create()", "0"},
        {"main: t4 = pthread_create()", "0"},
        {"t1: read(r0, 8)", "blocks until 12: -1 EINTR"},
        {"t2: poll(r0, POLLIN, -1)", "blocks until 13: -1 EINTR"},
        {"t3: waitpid(p1, 0)", "blocks until 14: -1 EINTR"},
        {"t4: pthread_join(t1)", "blocks until 16: 0"}, /* goes on waiting */
        {"main: tgkill(t1)", NULL},
        {"main: tgkill(t2)", NULL},
        {"main: tgkill(t3)", NULL},
        {"main: tgkill(t4)", "0, handled in 15: 0 0"},
        {"t1: pthread_exit()", "ends"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++)
        EXPECT(executor, lines);
}

/* It waits until the call that blocks it is over; a second one meanwhile is lost. */
static void test_blocked_by_pwait(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(0, 0)", "4"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: sigaction(CTL, e0, EPOLL_CTL_DEL, v0)", "0"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: epoll_pwait(e0, 8, -1, FULL)", "blocks until 9: 1: 1@3"},
        {"main: tgkill(t1)", "0, handled in 9: 0 0"},
        {"main: tgkill(t1)", "0"},
        {"main: write(v0, 8)", "8"},
        {"t1: epoll_wait(e0, 8, 0)", "0"},
        {"t1: epoll_pwait(e0, 8, -1, EMPTY)", "blocks until 12: -1 EINTR"},
        {"main: tgkill(t1)", "0, handled in 12: -1 ENOENT"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++)
        EXPECT(executor, lines);
}

static void test_longjmp(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: t1 = pthread_create()", "0"},
        {"main: sigaction(LONGJMP)", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 5: jumped"},
        {"main: tgkill(t1)", "0, handled in 5: 0 0"},
        {"main: tgkill(t1)", "0, handled in 6: 0 0"}, /* idle: nothing to leave */
        {"main: tgkill(main)", "jumped, handled in 7: 0 0"},
        {"t1: epoll_pwait(e0, 8, -1, EMPTY)", "blocks until 9: jumped"},
        {"main: tgkill(t1)", "0, handled in 9: 0 0"},
        {"t1: v0 = eventfd(0, 0)", "4"}, /* the mask is as it was: signals still come */
        {"t1: read(v0, 8)", "blocks until 12: jumped"},
        {"main: tgkill(t1)", "0, handled in 12: 0 0"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++)
        EXPECT(executor, lines);
}

/* A handler is copied by fork and gone with execve; a thread of another process can be meant. */
static void test_processes(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(1, 0)", "4"},
        {"main: sigaction(CTL, e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: p1 = fork()", "0"},
        {"p1: close(e0)", "0"},
        {"main: tgkill(p1)", "0, handled in 6: -1 EBADF"},
        {"p1: tgkill(main)", "0, handled in 7: 0 0"},
        {"main: p2 = vfork_exec()", "0"},
        {"main: tgkill(p2)", "0"},
        {"p1: execve(\"/proc/thread-self/exe\")", "0"},
        {"main: tgkill(p1)", "0"},
        {"p1: exit(0)", "ends"},
        {"main: tgkill(p1)", "-1 ESRCH"},
        {"main: waitpid(p1, 0)", "0"},
        {"main: tgkill(p1)", "-1 ESRCH"},
        {"main: epoll_wait(e0, 8, 0)", "1: 1@7"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
    }
}

/* A handler that is stuck inside the subject is a hang, also in an actor that has no step. */
static void test_stuck_handler(void **state)
{
    struct executor *stuck = start(MISBEHAVE, TEST_WATCHDOG_MS);

    (void)state;
    const struct trace *trace = run(stuck,
                                    "main: t1 = pthread_create()\n"
                                    "main: sigaction(CTL, 904, EPOLL_CTL_ADD, 0, EPOLLIN)\n"
                                    "main: tgkill(t1)\n",
                                    0);
    assert_int_equal(trace->end, RUN_HUNG);
    assert_int_equal(trace->end_actor, 1);
    assert_int_equal(trace->end_step, 2);
    executor_stop(stuck);
}

/* A child is born inside its parent's fork: it has no step of its own that it could leave. */
static void test_longjmp_in_a_new_child(void **state)
{
    static const struct expected lines[] = {
        {"main: sigaction(LONGJMP)", "0"},
        {"main: p1 = fork()", "0"},
        {"main: tgkill(p1)", "0, handled in 3: 0 0"},
        {"p1: v0 = eventfd(0, 0)", "3"},
        {"main: v1 = eventfd(0, 0)", "3"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++)
        EXPECT(executor, lines);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ignored_at_first),
        cmocka_unit_test(test_ctl),
        cmocka_unit_test(test_other_calls_are_interrupted),
        cmocka_unit_test(test_blocked_by_pwait),
        cmocka_unit_test(test_longjmp),
        cmocka_unit_test(test_longjmp_in_a_new_child),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_stuck_handler),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
