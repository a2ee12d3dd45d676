/*
 * What must not happen: that executor_interrupt is lost on a run in progress, whatever it is
 * waiting for, or on one that begins later; that an interrupted executor cannot be ended.
 *
 * An interruption is for good, so each test is a process of its own.
 */
#include "tests/unit/execute/support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_alarm(int number)
{
    (void)number;
    executor_interrupt();
}

/* Interrupts in `milliseconds`, from a signal handler as the tool does. */
static void interrupt_in(unsigned milliseconds)
{
    struct itimerval timer = {.it_value.tv_usec = milliseconds * 1000};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Each body returns NULL, or what went wrong. */
static const char *interrupt_run(const char *text)
{
    static struct program program;
    char why[EXECUTE_WHY_MAX + 1] = "";
    struct executor *executor = start(MISBEHAVE, 60000);
    struct trace *trace = trace_new();
    const char *wrong = NULL;

    parse(text, &program);
    interrupt_in(50);
    if (executor_run(executor, &program, 0, trace, why) != -EINTR)
        wrong = "a run was not interrupted";
    else if (!strstr(why, "interrupted") || strchr(why, '\n'))
        wrong = "no line says why";
    else if (executor_run(executor, &program, 0, trace, why) != -EINTR)
        wrong = "a later run was not interrupted";
    executor_stop(executor);
    trace_free(trace);
    if (!wrong)
        assert_no_processes();
    return wrong;
}

static const char *while_asleep(void)
{
    return interrupt_run("main: close(904)\n");
}

static const char *while_spinning(void)
{
    return interrupt_run("main: close(906)\n");
}

/* Somebody sleeps in a call of its own, so two passes are what the run waits for. */
static const char *while_settling(void)
{
    return interrupt_run("main: r0, w0 = pipe2(0)\n"
                         "main: t1 = pthread_create()\n"
                         "t1: read(r0, 8)\n"
                         "main: close(906)\n");
}

static const char *while_child_is_born(void)
{
    return interrupt_run("main: close(917)\nmain: p1 = fork()\np1: exit(0)\n");
}

static const char *while_first_process_is_born(void)
{
    setenv("EPDIFF_MISBEHAVE", "fork-hangs", 1);
    return interrupt_run("main: v0 = eventfd(0, 0)\n");
}

static const char *while_starting(void)
{
    char why[EXECUTE_WHY_MAX + 1];

    setenv("EPDIFF_MISBEHAVE", "sleep", 1);
    interrupt_in(50);
    if (try_start(MISBEHAVE, 0, why) != -EINTR)
        return "a start was not interrupted";
    assert_no_processes();
    return NULL;
}

static const char *before(void)
{
    static struct program program;
    char why[EXECUTE_WHY_MAX + 1] = "";
    struct executor *executor = start("native", 0);
    struct trace *trace = trace_new();

    parse("main: v0 = eventfd(0, 0)\n", &program);
    executor_interrupt();
    int err = executor_run(executor, &program, 0, trace, why);
    executor_stop(executor);
    trace_free(trace);
    return err == -EINTR ? NULL : "a run after an interruption was made";
}

/* The mark by which processes are found is that of the process that looks. */
static void check_apart(const char *(*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        char mark[16];
        snprintf(mark, sizeof(mark), "%d", getpid());
        setenv("EPDIFF_TEST_MARK", mark, 1);
        const char *wrong = body();
        if (wrong)
            fprintf(stderr, "%s\n", wrong);
        _exit(wrong ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_asleep(void **state)
{
    (void)state;
    check_apart(while_asleep);
}

static void test_spinning(void **state)
{
    (void)state;
    check_apart(while_spinning);
}

static void test_settling(void **state)
{
    (void)state;
    check_apart(while_settling);
}

static void test_birth(void **state)
{
    (void)state;
    check_apart(while_child_is_born);
    check_apart(while_first_process_is_born);
}

static void test_start(void **state)
{
    (void)state;
    check_apart(while_starting);
}

static void test_before(void **state)
{
    (void)state;
    check_apart(before);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asleep),   cmocka_unit_test(test_spinning),
        cmocka_unit_test(test_settling), cmocka_unit_test(test_birth),
        cmocka_unit_test(test_start),    cmocka_unit_test(test_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
