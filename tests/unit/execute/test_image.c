/*
 * What must not happen: that a new program image disturbs the program's descriptors, or shows one
 * of the harness; that a descriptor without FD_CLOEXEC is lost in it or one with it kept; that
 * threads survive execve; that a step is over before the new image is; that the subject is missing
 * in it.
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

static void put_table(const struct trace *trace, unsigned process, char *text, size_t size)
{
    size_t length = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < trace->nfds; i++) {
        if (trace->fds[i].process == process)
            length += (size_t)snprintf(text + length, size - length, "%d:%s ", trace->fds[i].number,
                                       trace->fds[i].what);
        assert_true(length < size);
    }
}

static void assert_table(const struct trace *trace, unsigned process, const char *expected)
{
    char text[1024];

    put_table(trace, process, text, sizeof(text));
    if (strcmp(text, expected) != 0)
        fail_msg("table of %u: expected '%s', got '%s'", process, expected, text);
}

#define STANDARD "0:/dev/null 1:/dev/null 2:/dev/null "

static void test_cloexec_decides(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(1, EFD_CLOEXEC)", "4"},
        {"main: v1 = eventfd(1, 0)", "5"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v1, EPOLLIN)", "0"},
        {"main: execve(\"/proc/thread-self/exe\")", "0"},
        {"main: epoll_wait(e0, 8, 0)", "1: 1@5"},
        {"main: read(v0, 8)", "-1 EBADF"},
        {"main: d0 = dup(v1)", "4"},
        {"main: e1 = epoll_create1(EPOLL_CLOEXEC)", "6"},
        {"main: execve(\"/proc/thread-self/exe\")", "0"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_table(trace, 0, STANDARD "3:[eventpoll] 4:[eventfd] 5:[eventfd] ");
    }
}

/* A thread that is not the first one calls execve while others sleep, wait for orders, have left.
 */
static void test_threads_end(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: t1 = pthread_create()", "0"},
        {"main: t2 = pthread_create()", "0"},
        {"main: t3 = pthread_create()", "0"},
        {"t2: epoll_wait(e0, 8, -1)", "ends"},
        {"t3: pthread_exit()", "ends"},
        {"t1: execve(\"/proc/thread-self/exe\")", "0"},
        {"main: close(e0)", "skipped"},
        {"t2: close(e0)", "skipped"},
        {"t1: t4 = pthread_create()", "0"},
        {"t4: v0 = eventfd(1, 0)", "4"},
        {"t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"t4: epoll_wait(e0, 8, 0)", "1: 1@c"},
        {"t1: pthread_join(t2)", "-1 ESRCH"}, /* no thread of this image */
        {"t1: pthread_exit()", "ends"},       /* the main thread now, which others outlive */
        {"t4: exit(5)", "ends"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_int_equal(trace->processes[0].state, PROCESS_EXITED);
        assert_int_equal(trace->processes[0].status, 5);
        assert_int_equal(trace->processes[0].ended_at, 15);
    }
}

static void test_main_thread_had_left(void **state)
{
    static const struct expected lines[] = {
        {"main: v0 = eventfd(0, 0)", "3"}, {"main: t1 = pthread_create()", "0"},
        {"main: pthread_exit()", "ends"},  {"t1: execve(\"/proc/thread-self/exe\")", "0"},
        {"t1: write(v0, 8)", "8"},         {"t1: read(v0, 8)", "8"},
        {"t1: read(v0, 8)", "blocks"},
    };

    (void)state;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_table(trace, 0, STANDARD "3:[eventfd] ");
    }
}

static void test_failure_changes_nothing(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(EPOLL_CLOEXEC)", "3"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 6: 1: 1@6"},
        {"main: execve(\"/nonexistent\")", "-1 ENOENT"},
        {"main: v0 = eventfd(1, EFD_CLOEXEC)", "4"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
    };

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_table(trace, 0, STANDARD "3:[eventpoll] 4:[eventfd] ");
}

/* Both calls that start a process in a new image, with threads about and a descriptor closed. */
static void spawn(const char *first, const char *second)
{
    struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: r0, w0 = pipe2(O_NONBLOCK)", "4, 5"},
        {"main: r1, w1 = pipe2(O_CLOEXEC)", "6, 7"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)", "0"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 12: 1: 10@4"},
        {first, "0"},
        {second, "0"},
        {"main: close(w0)", "0"},
        {"p2: close(w0)", "-1 EBADF"}, /* closed on the way */
        {"main: read(r0, 8)", "-1 EAGAIN"},
        {"p1: close(w0)", "0"}, /* the last one */
        {"main: read(r0, 8)", "0"},
        {"p1: write(w1, 8)", "-1 EBADF"},
        {"p1: exit(3)", "ends"},
        {"main: waitpid(p1, 0)", "3"},
        {"p2: p3 = fork()", "0"},
        {"p2: exit(4)", "ends"},
        {"p3: v0 = eventfd(0, 0)", "5"},
    };

    for (unsigned i = 0; i < REPETITIONS; i++) {
        const struct trace *trace = EXPECT(executor, lines);
        assert_int_equal(trace->end, RUN_COMPLETE);
        assert_table(trace, 4, STANDARD "3:[eventpoll] 4:pipe 5:[eventfd] ");
        assert_int_equal(trace->processes[3].status, 4);
    }
}

static void test_vfork(void **state)
{
    (void)state;
    spawn("main: p1 = vfork_exec()", "main: p2 = vfork_exec(w0)");
}

static void test_posix_spawn(void **state)
{
    (void)state;
    spawn("main: p1 = posix_spawn()", "main: p2 = posix_spawn(w0)");
}

/* The child's CLOEXEC copy of the last write end is closed when the step is over: F12. */
static void test_step_covers_closing(void **state)
{
    static const struct expected lines[] = {
        {"main: r0, w0 = pipe2(O_NONBLOCK|O_CLOEXEC)", "3, 4"},
        {"main: p1 = posix_spawn()", "0"},
        {"main: close(w0)", "0"},
        {"main: read(r0, 8)", "0"}, /* EAGAIN: somebody still has it */
        {"main: r1, w1 = pipe2(O_NONBLOCK|O_CLOEXEC)", "4, 5"},
        {"main: p2 = vfork_exec()", "0"},
        {"main: close(w1)", "0"},
        {"main: read(r1, 8)", "0"},
    };

    (void)state;
    for (unsigned i = 0; i < 3 * REPETITIONS; i++)
        EXPECT(executor, lines);
}

/* The shim defers in the new image, too, and what it held back before is lost with the old one. */
static void test_subject_is_loaded_anew(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(1, 0)", "4"},
        {"main: v1 = eventfd(1, 0)", "5"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: execve(\"/proc/thread-self/exe\")", "0"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v1, EPOLLIN)", "0"},
        {"main: p1 = fork()", "0"}, /* naive has no hook: both have it pending */
        {"p1: epoll_wait(e0, 8, 0)", "1: 1@6"},
        {"main: epoll_wait(e0, 8, 0)", "-1 EEXIST"},
    };
    struct executor *shim = start("shim:naive", 0);

    (void)state;
    const struct trace *trace = EXPECT(shim, lines);
    assert_int_equal(trace->end, RUN_COMPLETE);
    assert_table(trace, 0, STANDARD "3:[eventpoll] 4:[eventfd] 5:[eventfd] ");
    executor_stop(shim);
}

/* Both images of a thread that gets another tid are one actor to the witness. */
static void test_witness_knows_both_images(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(1, 0)", "4"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: epoll_ctl(e0, EPOLL_CTL_DEL, v0, NULL)", "0"},
        {"t1: execve(\"/proc/thread-self/exe\")", "0"},
        {"t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
    };
    static const uint8_t actors[] = {0, 1, 1};

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->ncarried, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(trace->carried[i].actor, actors[i]);
}

static void test_nothing_is_left(void **state)
{
    struct executor *other;
    char before[4096];

    (void)state;
    snprintf(before, sizeof(before), "%s", open_descriptors());
    unsigned processes = count_processes();
    other = start("native", 0);
    (void)run(other,
              "main: p1 = vfork_exec()\np1: p2 = posix_spawn()\np2: t1 = pthread_create()\n"
              "t1: execve(\"/proc/thread-self/exe\")\np1: exit(0)\nmain: exit(0)\n",
              0);
    executor_stop(other);
    assert_string_equal(open_descriptors(), before);
    assert_int_equal(count_processes(), processes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cloexec_decides),
        cmocka_unit_test(test_threads_end),
        cmocka_unit_test(test_main_thread_had_left),
        cmocka_unit_test(test_failure_changes_nothing),
        cmocka_unit_test(test_vfork),
        cmocka_unit_test(test_posix_spawn),
        cmocka_unit_test(test_step_covers_closing),
        cmocka_unit_test(test_subject_is_loaded_anew),
        cmocka_unit_test(test_witness_knows_both_images),
        cmocka_unit_test(test_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
