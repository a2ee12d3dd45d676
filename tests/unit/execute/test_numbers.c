/*
 * What must not happen: that a program sees a descriptor of the harness, or finds other numbers
 * under one subject than under another; that what a subject opens before main moves the program's
 * numbers; that the table at the end shows more or less than the program left open.
 */
#include "tests/unit/execute/support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct expected opens[] = {
    {"main: e0 = epoll_create1(0)", "3"},
    {"main: r0, w0 = pipe2(O_NONBLOCK)", "4, 5"},
    {"main: v0 = eventfd(0, EFD_NONBLOCK)", "6"},
    {"main: close(r0)", "0"},
    {"main: d0 = dup(w0)", "4"},
    {"main: s0, s1 = socketpair(SOCK_STREAM)", "7, 8"},
    {"main: p1 = fork()", "0"},
    {"p1: close(s0)", "0"},
    {"p1: m0 = memfd_create(0)", "7"},
    {"p1: f0 = open(\"/dev/null\", O_RDWR)", "9"},
    {"p1: f1 = open(\"/proc/self/exe\", O_RDONLY)", "10"},
};

/* Of main's process, then of the child's. Both ends of a pipe have one link target, so w0 and its
 * duplicate share an identity. */
static const char table[] = "fd 0 of process 0: /dev/null, file 0\n"
                            "fd 1 of process 0: /dev/null, file 0\n"
                            "fd 2 of process 0: /dev/null, file 0\n"
                            "fd 3 of process 0: [eventpoll], file 3\n"
                            "fd 4 of process 0: pipe, file 4\n"
                            "fd 5 of process 0: pipe, file 4\n"
                            "fd 6 of process 0: [eventfd], file 6\n"
                            "fd 7 of process 0: socket, file 7\n"
                            "fd 8 of process 0: socket, file 8\n"
                            "fd 0 of process 1: /dev/null, file 0\n"
                            "fd 1 of process 1: /dev/null, file 0\n"
                            "fd 2 of process 1: /dev/null, file 0\n"
                            "fd 3 of process 1: [eventpoll], file 3\n"
                            "fd 4 of process 1: pipe, file 4\n"
                            "fd 5 of process 1: pipe, file 4\n"
                            "fd 6 of process 1: [eventfd], file 6\n"
                            "fd 7 of process 1: file, file 16\n"
                            "fd 8 of process 1: socket, file 8\n"
                            "fd 9 of process 1: /dev/null, file 0\n"
                            "fd 10 of process 1: file, file 19\n";

static void check_numbers(const char *subject)
{
    struct executor *executor = start(subject, 0);

    for (unsigned i = 0; i < 3; i++) {
        const struct trace *trace = EXPECT(executor, opens);
        if (!strstr(trace_text(trace), table))
            fail_msg("%s: expected the table\n%s\ngot\n%s", subject, table, trace_text(trace));
    }
    executor_stop(executor);
}

static void test_every_subject(void **state)
{
    static const char *const subjects[] = {"native",   "shim:naive", "shim:hash",
                                           "shim:tls", MISBEHAVE,    NULL};

    (void)state;
    for (const char *const *subject = subjects; *subject; subject++)
        check_numbers(*subject);
}

/* A descriptor that the subject opened before main among the program's numbers is closed, one
 * above stays and is not shown. */
static void test_opened_before_main(void **state)
{
    (void)state;
    setenv("EPDIFF_MISBEHAVE", "low", 1);
    check_numbers(MISBEHAVE);
    setenv("EPDIFF_MISBEHAVE", "high", 1);
    check_numbers(MISBEHAVE);
    unsetenv("EPDIFF_MISBEHAVE");
}

/* The tool's own descriptors must not reach the program either, CLOEXEC or not. */
static void test_tool_with_descriptors(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    check_numbers("native");
    close(ends[0]);
    close(ends[1]);
}

static void test_leak_is_seen(void **state)
{
    static const struct expected lines[] = {
        {"main: v0 = eventfd(0, 0)", "3"},
        {"main: close(910)", "0"},
        {"main: v1 = eventfd(0, 0)", "5"},
    };
    struct executor *executor = start(MISBEHAVE, 0);

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->nfds, 6);
    assert_int_equal(trace->fds[4].number, 4);
    assert_string_equal(trace->fds[4].what, "/dev/null");
    /* The next program begins anew. */
    assert_usable(executor);
    executor_stop(executor);
}

/* The table of a process whose main thread has left is that of the threads that live. */
static void test_table_without_main_thread(void **state)
{
    static const struct expected lines[] = {
        {"main: t1 = pthread_create()", "0"}, {"main: e0 = epoll_create1(0)", "3"},
        {"main: pthread_exit()", "ends"},     {"t1: v0 = eventfd(1, EFD_NONBLOCK)", "4"},
        {"t1: epoll_wait(e0, 8, 0)", "0"},
    };
    struct executor *executor = start("native", 0);

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->nfds, 5);
    assert_string_equal(trace->fds[4].what, "[eventfd]");
    assert_int_equal(trace->nsnapshots, 1);
    executor_stop(executor);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_subject),
        cmocka_unit_test(test_opened_before_main),
        cmocka_unit_test(test_tool_with_descriptors),
        cmocka_unit_test(test_leak_is_seen),
        cmocka_unit_test(test_table_without_main_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
