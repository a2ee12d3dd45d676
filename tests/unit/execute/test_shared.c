/*
 * What must not happen: that a program which runs in the process that another one left sees
 * anything of that one: its descriptors, threads, results; that a program with more than one actor,
 * or one that crashed, hung or fell asleep, leaves its process to the next.
 */
#include "tests/unit/execute/support.h"

#include "fuzz/generate/generate.h"

#include <string.h>

enum {
    PROGRAMS = 1500,
};

/* A select of numbers that no descriptor has looks no further than the table's size, which a
 * process does not lose again when it has once had a high number. */
static bool looks_at_table_size(const struct program *program)
{
    for (unsigned i = 0; i < program->nsteps; i++) {
        if (program->steps[i].op == OP_SELECT && program->steps[i].tags[0] == TAG_INT)
            return true;
    }
    return false;
}

static void run_program(struct executor *executor, const struct program *program, unsigned flags,
                        struct trace *trace)
{
    char why[EXECUTE_WHY_MAX + 1] = "";

    if (executor_run(executor, program, flags, trace, why) != 0)
        fail_msg("%s", why);
}

/* Whatever came before, threads and processes among it. */
static void test_same_traces(void **state)
{
    static struct program program;
    static char alone[TEST_TRACE_MAX];
    struct executor *fresh = start("native", 0);
    struct executor *shared = start("native", 0);
    struct trace *trace = trace_new();

    (void)state;
    for (unsigned i = 0; i < TRIALS(PROGRAMS); i++) {
        generate_program(3, i, &program);
        run_program(shared, &program, EXECUTE_SHARED, trace);
        if (program.nactors > 1 || looks_at_table_size(&program))
            continue;
        strcpy(alone, trace_text(trace));
        run_program(fresh, &program, 0, trace);
        if (strcmp(alone, trace_text(trace)) != 0)
            fail_msg("program %u: shared\n%s\nalone\n%s", i, alone, trace_text(trace));
    }
    trace_free(trace);
    executor_stop(fresh);
    executor_stop(shared);
}

static void check_after(const char *before)
{
    static const char after[] = "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                "main: e0 = epoll_create1(0)\n"
                                "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                "main: epoll_wait(e0, 8, 0)\n"
                                "main: close(12)\n";
    struct executor *executor = start(MISBEHAVE, TEST_WATCHDOG_MS);

    for (unsigned i = 0; i < 3; i++) {
        run(executor, before, EXECUTE_SHARED);
        const struct trace *trace = run(executor, after, EXECUTE_SHARED);
        assert_string_equal(trace_line(trace, 0), "3");
        assert_string_equal(trace_line(trace, 3), "1: 1@3");
        assert_string_equal(trace_line(trace, 4), "-1 EBADF");
        assert_int_equal(trace->nfds, 5);
        for (unsigned number = 0; number < 3; number++)
            assert_string_equal(trace->fds[number].what, "/dev/null");
        assert_int_equal(trace->processes[0].state, PROCESS_ALIVE);
    }
    executor_stop(executor);
    assert_no_processes();
}

static void test_after_anything(void **state)
{
    (void)state;
    check_after("main: v0 = eventfd(0, 0)\nmain: d0 = dup2(v0, 12)\n");
    check_after("main: v0 = eventfd(0, 0)\nmain: d0 = dup2(v0, 300)\nmain: d1 = dup2(v0, 0)\n");
    check_after("main: t1 = pthread_create()\nt1: r0, w0 = pipe2(0)\nt1: read(r0, 8)\n");
    check_after("main: r0, w0 = pipe2(0)\nmain: read(r0, 8)\n");
    check_after("main: p1 = fork()\nmain: d0 = dup2(0, 12)\n");
    check_after("main: _exit(3)\n");
    check_after("main: pthread_exit()\n");
    check_after("main: d0 = dup2(0, 12)\nmain: close(901)\n");
    check_after("main: d0 = dup2(0, 12)\nmain: close(904)\n");
}

/* A run that does not share gets a process of its own, and nobody inherits it. */
static void test_shared_and_alone(void **state)
{
    struct executor *executor = start("native", 0);

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        run(executor, "main: v0 = eventfd(0, 0)\n", EXECUTE_SHARED);
        const struct trace *trace = run(executor, "main: v0 = eventfd(0, 0)\n", 0);
        assert_string_equal(trace_line(trace, 0), "3");
        assert_usable(executor);
        assert_int_equal(count_processes(), 1);
    }
    run(executor, "main: v0 = eventfd(0, 0)\n", EXECUTE_SHARED);
    assert_int_equal(count_processes(), 2);
    executor_stop(executor);
    assert_no_processes();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_traces),
        cmocka_unit_test(test_after_anything),
        cmocka_unit_test(test_shared_and_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
