/*
 * What must not happen: that a table of a thread's own is taken for that of its process, in a list,
 * a final table or the world; that what it names is still open when the step in which the thread
 * ended is over.
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

static void test_tables_part(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(1, 0)", "4"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: unshare(CLONE_FILES)", "0"},
        {"main: close(e0)", "0"},
        {"main: e1 = epoll_create1(0)", "3"},
        {"t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: epoll_wait(e1, 8, 0)", "0"},
        {"t1: epoll_wait(e0, 8, 0)", "1: 1@7"},
        {"t1: t2 = pthread_create()", "0"}, /* has the table of who started it */
        {"t1: close(v0)", "0"},
        {"t2: write(v0, 8)", "-1 EBADF"},
        {"main: write(v0, 8)", "8"},
        {"t1: pthread_exit()", "ends"},
        {"t2: epoll_wait(e0, 8, 0)", "1: 1@7"}, /* main's number 4 keeps the file */
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        const char *text = trace_text(trace);
        assert_non_null(strstr(text, "list after 8, process 0, 3:\n"));
        assert_non_null(strstr(text, "list after 9, process 1, 3: 4:19@7\n"));
        assert_non_null(strstr(text, "list after 15, process 1, 3: 4:19@7\n"));
        assert_non_null(strstr(text, "fd 4 of process 0: [eventfd]"));
        assert_null(strstr(text, "fd 4 of process 1:"));
    }
}

/* The only end of a pipe in a thread's own table is closed when its end is over, whatever ends it.
 */
static void end_by(const char *type, const char *how, const char *result)
{
    struct expected lines[] = {
        {"main: r0, w0 = pipe2(O_NONBLOCK)", "3, 4"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: unshare(CLONE_FILES)", "0"},
        {type, "0"},
        {"main: close(w0)", "0"},
        {"main: read(r0, 8)", "-1 EAGAIN"},
        {how, result},
        {"main: read(r0, 8)", "0"},
        {"main: pthread_join(t1)", "0"},
    };

    for (unsigned i = 0; i < TRIALS(300); i++)
        EXPECT(executor, lines);
}

static void test_end_closes(void **state)
{
    (void)state;
    end_by("t1: pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED)", "t1: pthread_exit()", "ends");
    end_by("t1: pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS)", "main: pthread_cancel(t1)",
           "0");
}

static void test_main_parts(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: t1 = pthread_create()", "0"},
        {"main: close_range(3, 3, CLOSE_RANGE_UNSHARE)", "0"},
        {"t1: epoll_wait(e0, 8, 0)", "0"},
        {"main: epoll_wait(e0, 8, 0)", "-1 EBADF"},
        {"main: v0 = eventfd(1, 0)", "3"},
        {"main: p1 = fork()", "0"},
        {"t1: p2 = fork()", "0"},
        {"p1: epoll_wait(e0, 8, 0)", "-1 EINVAL"},
        {"p2: epoll_wait(e0, 8, 0)", "0"},
        {"t1: execve(\"/proc/thread-self/exe\")", "0"},
        {"t1: epoll_wait(e0, 8, 0)", "0"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
    }
}

/* The steps of main make one order: who is born at its end has the table that main has then. */
static void test_born_behind(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: unshare(CLONE_FILES)", "0"}, /* nobody else has the table: it stays the same */
        {"main: v0 = eventfd(1, 0)", "4"},
        {"main: t1 = pthread_create()", "0"},
        {"main: unshare(CLONE_FILES)", "0"},
        {"main: v1 = eventfd(1, 0)", "5"},
        {"main: t2 = pthread_create()", "0"},
        {"t2: epoll_ctl(e0, EPOLL_CTL_ADD, v1, EPOLLIN)", "0"},
        {"t1: epoll_wait(e0, 8, 0)", "1: 1@8"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const char *text = trace_text(EXPECT(executor, lines));
        assert_non_null(strstr(text, "list after 9, process 1, 3: 5:19@8\n"));
        assert_non_null(strstr(text, "fd 5 of process 0: [eventfd]"));
        assert_non_null(strstr(text, "fd 4 of process 1: [eventfd]"));
        assert_null(strstr(text, "fd 5 of process 1:"));
        assert_null(strstr(text, "of process 2:"));
    }
}

/* What is left of a process is known by its main actor, with the table of who called execve. */
static void test_exec_keeps_the_table(void **state)
{
    static const struct expected lines[] = {
        {"main: v0 = eventfd(1, 0)", "3"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: unshare(CLONE_FILES)", "0"},
        {"t1: v1 = eventfd(1, 0)", "4"},
        {"t1: execve(\"/proc/thread-self/exe\")", "0"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const char *text = trace_text(EXPECT(executor, lines));
        assert_non_null(strstr(text, "fd 4 of process 0: [eventfd]"));
        assert_null(strstr(text, "of process 1:"));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_part),          cmocka_unit_test(test_end_closes),
        cmocka_unit_test(test_main_parts),           cmocka_unit_test(test_born_behind),
        cmocka_unit_test(test_exec_keeps_the_table),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
