/*
 * What must not happen: that a process or a descriptor outlives the executor, whatever the last
 * program did; that they outlive the tool when it is killed without a chance to clear away.
 */
#include "tests/unit/execute/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_stop(const char *subject, const char *text)
{
    char before[4096];

    strcpy(before, open_descriptors());
    struct executor *executor = start(subject, TEST_WATCHDOG_MS);
    if (text)
        run(executor, text, 0);
    executor_stop(executor);
    assert_string_equal(before, open_descriptors());
    assert_no_processes();
}

static void test_nothing_left(void **state)
{
    (void)state;
    executor_stop(NULL);
    check_stop("native", NULL);
    check_stop("shim:tls", NULL);
    check_stop("native", "main: v0 = eventfd(0, 0)\n");
    check_stop("native", "main: r0, w0 = pipe2(0)\n"
                         "main: p1 = fork()\n"
                         "p1: p2 = fork()\n"
                         "p2: t1 = pthread_create()\n"
                         "t1: read(r0, 8)\n"
                         "p2: read(r0, 8)\n"
                         "p1: _exit(0)\n"
                         "main: _exit(0)\n");
}

static void test_nothing_left_of_crash(void **state)
{
    (void)state;
    check_stop(MISBEHAVE, "main: close(901)\n");
    check_stop(MISBEHAVE, "main: p1 = fork()\np1: p2 = fork()\np1: close(901)\n");
}

static void test_nothing_left_of_hang(void **state)
{
    (void)state;
    check_stop(MISBEHAVE, "main: p1 = fork()\nmain: close(904)\n");
    check_stop(MISBEHAVE, "main: p1 = fork()\np1: close(906)\n");
    check_stop(MISBEHAVE, "main: p1 = fork()\np1: close(907)\n");
    check_stop(MISBEHAVE, "main: close(912)\n");
}

/* Whoever leaves the run's process group does not get away. */
static void test_nothing_left_of_daemon(void **state)
{
    (void)state;
    check_stop(MISBEHAVE, "main: close(920)\nmain: close(920)\n");
    check_stop(MISBEHAVE, "main: p1 = fork()\np1: close(921)\np1: close(920)\np1: close(904)\n");
}

static void test_nothing_left_between_runs(void **state)
{
    struct executor *executor = start("native", 0);
    unsigned idle = count_processes();

    (void)state;
    assert_int_equal(idle, 1); /* the server */
    for (unsigned i = 0; i < 10; i++) {
        run(executor, "main: p1 = fork()\np1: p2 = fork()\np1: _exit(0)\np2: p3 = fork()\n", 0);
        assert_int_equal(count_processes(), idle);
    }
    executor_stop(executor);
}

/* A tool that is in the middle of a run and says so by a byte. */
static void be_tool(int out, const char *text)
{
    static struct program program;
    char mark[16], why[EXECUTE_WHY_MAX + 1];

    (void)text;
    snprintf(mark, sizeof(mark), "%d", getppid());
    setenv("EPDIFF_TEST_MARK", mark, 1);
    struct executor *executor = start(MISBEHAVE, 600000);
    struct trace *trace = trace_new();
    parse("main: t1 = pthread_create()\n", &program);
    if (executor_run(executor, &program, 0, trace, why) != 0)
        _exit(1);
    parse(text, &program);
    if (write(out, "x", 1) != 1)
        _exit(1);
    executor_run(executor, &program, 0, trace, why);
    _exit(1);
}

static void check_killed_tool(const char *text)
{
    int ends[2];
    char byte;

    assert_int_equal(pipe(ends), 0);
    pid_t tool = fork();
    if (tool == 0)
        be_tool(ends[1], text);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    /* Wherever it is by now: server, root, child, grandchild. */
    for (unsigned i = 0; count_processes() < 4 && i < 10000; i++)
        ;
    assert_true(count_processes() >= 4);
    kill(tool, SIGKILL);
    assert_int_equal(waitpid(tool, NULL, 0), tool);
    assert_no_processes();
}

static void test_tool_is_killed(void **state)
{
    (void)state;
    check_killed_tool("main: p1 = fork()\n"
                      "p1: p2 = fork()\n"
                      "p2: close(904)\n");
    check_killed_tool("main: p1 = fork()\n"
                      "p1: p2 = fork()\n"
                      "p1: close(906)\n");
    /* An orphan. */
    check_killed_tool("main: p1 = fork()\n"
                      "p1: p2 = fork()\n"
                      "p2: p3 = fork()\n"
                      "p1: _exit(0)\n"
                      "main: waitpid(p1, 0)\n"
                      "p3: close(904)\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_nothing_left_of_crash),
        cmocka_unit_test(test_nothing_left_of_hang),
        cmocka_unit_test(test_nothing_left_of_daemon),
        cmocka_unit_test(test_nothing_left_between_runs),
        cmocka_unit_test(test_tool_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
