/*
 * What must not happen: that an operation on sockets with an address, on descriptors in flight, on
 * timers, signals, watches or folders gives anything but what the kernel gives for it; that what
 * chance decides (a pid, a port, a cookie) shows in a trace; that a descriptor is left over when a
 * call of several fails; that one run leaves something to the next.
 */
#include "tests/unit/execute/support.h"

#include <string.h>

static const struct expected tcp[] = {
    {"main: l0 = listen(AF_INET, SOCK_NONBLOCK)", "3"},
    {"main: s0 = accept4(l0, 0)", "-1 EAGAIN"},
    {"main: c0 = connect(l0, SOCK_NONBLOCK)", "4"},
    {"main: poll(l0, POLLIN, 0)", "1, revents 1"},
    {"main: s1 = accept4(l0, SOCK_NONBLOCK|SOCK_CLOEXEC)", "5"},
    {"main: poll(l0, POLLIN, 0)", "0, revents 0"},
    {"main: write(c0, 8)", "8"},
    {"main: read(s1, 8)", "8"},
    {"main: send(c0, 1, MSG_OOB)", "1"},
    {"main: poll(s1, POLLIN|POLLPRI, 0)", "1, revents 2"}, /* POLLPRI */
    {"main: setsockopt(s1, SO_OOBINLINE, 1)", "0"},
    {"main: poll(s1, POLLIN, 0)", "1, revents 1"}, /* the same byte */
    {"main: c1 = connect(c0, 0)", "-1 EINVAL"},    /* it does not listen */
    {"main: c2 = connect(200, 0)", "-1 EBADF"},
    {"main: e0 = epoll_create1(0)", "6"},
    {"main: c3 = connect(e0, 0)", "-1 ENOTSOCK"},
    {"main: s2 = accept4(e0, 0)", "-1 ENOTSOCK"},
    {"main: s3 = accept4(c0, 0)", "-1 EINVAL"},
    {"main: setsockopt(e0, SO_OOBINLINE, 1)", "-1 ENOTSOCK"},
    {"main: send(e0, 8, 0)", "-1 ENOTSOCK"},
    {"main: v0 = eventfd(0, 0)", "7"}, /* none of the failures left a descriptor */
};

static const struct expected unix_sockets[] = {
    {"main: l0 = listen(AF_UNIX, SOCK_NONBLOCK|SOCK_CLOEXEC)", "3"},
    {"main: l1 = listen(AF_UNIX, 0)", "4"},
    {"main: c0 = connect(l0, 0)", "5"},
    {"main: c1 = connect(l0, SOCK_NONBLOCK)", "6"},
    {"main: write(c1, 4096)", "4096"},
    {"main: s0 = accept4(l0, SOCK_NONBLOCK)", "7"}, /* of c0 */
    {"main: read(s0, 8)", "-1 EAGAIN"},
    {"main: s1 = accept4(l0, 0)", "8"},
    {"main: read(s1, 8)", "8"},
    {"main: read(c1, 8)", "-1 EAGAIN"},
    {"main: shutdown(l1, SHUT_RD)", "0"},
    {"main: c2 = connect(l1, 0)", "-1 ECONNREFUSED"},
    {"main: v0 = eventfd(0, 0)", "9"},
};

static const struct expected rights[] = {
    {"main: s0, s1 = socketpair(SOCK_STREAM|SOCK_NONBLOCK)", "3, 4"},
    {"main: v0 = eventfd(3, EFD_NONBLOCK)", "5"},
    {"main: y0 = recv_fd(s1, 0)", "-1 EAGAIN"},
    {"main: send_fd(s0, v0)", "1"},
    {"main: close(v0)", "0"},
    {"main: y1 = recv_fd(s1, MSG_CMSG_CLOEXEC)", "5"},
    {"main: read(y1, 8)", "8"}, /* the description outlived its number */
    {"main: write(s0, 1)", "1"},
    {"main: y2 = recv_fd(s1, 0)", "-1 ENOMSG"},
    {"main: send_fd(s0, s0)", "-1 EINVAL"},
    {"main: send_fd(s0, 200)", "-1 EBADF"},
    {"main: send_fd(y1, y1)", "-1 ENOTSOCK"},
    {"main: send_fd(s0, y1)", "1"},
    {"main: setrlimit(RLIMIT_NOFILE, 6)", "0"},
    {"main: y3 = recv_fd(s1, 0)", "-1 EMFILE"},
    {"main: close(s0)", "0"},
    {"main: y4 = recv_fd(s1, 0)", "-1 ENODATA"},
};

static const struct expected timers[] = {
    {"main: k0 = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)", "3"},
    {"main: read(k0, 8)", "-1 EAGAIN"},
    {"main: timerfd_settime(k0, EXPIRED)", "0"},
    {"main: ppoll(k0, POLLIN, 0, FULL)", "1, revents 1"},
    {"main: pselect(k0, NULL, NULL)", "1, revents 1"},
    {"main: timerfd_settime(k0, DISARMED)", "0"},
    {"main: ppoll(k0, POLLIN, 0, NULL)", "0, revents 0"},
    {"main: ppoll(k0, POLLIN, BADTS, NULL)", "-1 EINVAL"},
    {"main: pselect(k0, BADTS, EMPTY)", "-1 EINVAL"},
    {"main: timerfd_settime(k0, EXPIRED)", "0"},
    {"main: read(k0, 8)", "8"},
    {"main: timerfd_settime(0, EXPIRED)", "-1 EINVAL"},
    {"main: k1 = timerfd_create(CLOCK_REALTIME, 1)", "-1 EINVAL"},
};

static const struct expected signals[] = {
    {"main: g0 = signalfd(SFD_NONBLOCK)", "3"},
    {"main: t1 = pthread_create()", "0"},
    {"main: p1 = fork()", "0"},
    {"main: raise_blocked(t1)", "0"},
    {"main: raise_blocked(p1)", "-1 ESRCH"},
    {"main: poll(g0, POLLIN, 0)", "0, revents 0"}, /* it is pending for t1 alone */
    {"t1: poll(g0, POLLIN, 0)", "1, revents 1"},
    {"p1: poll(g0, POLLIN, 0)", "0, revents 0"},
    {"t1: read(g0, 4096)", "128"},
    {"t1: read(g0, 4096)", "-1 EAGAIN"},
    {"main: raise_blocked(main)", "0"},
    {"main: read(g0, 4096)", "128"},
    {"t1: pthread_exit()", "ends"},
    {"main: raise_blocked(t1)", "-1 ESRCH"},
    {"main: g1 = signalfd(1)", "-1 EINVAL"},
};

static const struct expected watches[] = {
    {"main: n0 = inotify_init1(IN_NONBLOCK)", "3"},
    {"main: r0, w0 = pipe2(O_NONBLOCK)", "4, 5"},
    {"main: inotify_add_watch(n0, r0, IN_MODIFY|IN_ACCESS)", "1"},
    {"main: read(n0, 4096)", "-1 EAGAIN"},
    {"main: write(w0, 8)", "8"},
    {"main: poll(n0, POLLIN, 0)", "1, revents 1"},
    {"main: read(n0, 4096)", "16"},
    {"main: read(r0, 8)", "8"},
    {"main: read(n0, 4096)", "16"},
    {"main: inotify_add_watch(n0, n0, IN_MODIFY)", "-1 EINVAL"}, /* no pipe */
    {"main: inotify_add_watch(200, r0, IN_MODIFY)", "-1 EBADF"},
    {"main: n1 = inotify_init1(1)", "-1 EINVAL"},
};

static const struct expected doors[] = {
    {"main: o0 = opendir(\"/\")", "3"}, {"main: o1 = opendir(\"/\")", "4"},
    {"main: v0 = eventfd(0, 0)", "5"},  {"main: closedir(v0)", "-1 EINVAL"},
    {"main: closedir(o0)", "0"},        {"main: closedir(o0)", "-1 EINVAL"},
    {"main: close(o1)", "0"},           {"main: closedir(o1)", "-1 EBADF"},
    {"main: inline_close(v0)", "0"},    {"main: inline_close(v0)", "-1 EBADF"},
    {"main: o2 = opendir(\"/\")", "3"}, {"main: p1 = fork()", "0"},
    {"main: closedir(o2)", "0"},        {"p1: closedir(o2)", "0"}, /* its own copy */
    {"main: v1 = eventfd(0, 0)", "3"},  {"main: v2 = eventfd(0, 0)", "4"},
    {"main: closefrom(v2)", "0"},       {"main: close(v2)", "-1 EBADF"},
    {"main: close(v1)", "0"},           {"main: closefrom(-1)", "0"},
    {"main: v3 = eventfd(0, 0)", "0"},
};

static const struct expected numbers[] = {
    {"main: v0 = eventfd(0, 0)", "3"},
    {"main: d0 = fcntl(v0, F_DUPFD_CLOEXEC, 10)", "10"},
    {"main: fcntl_setfd(v0, FD_CLOEXEC)", "0"},
    {"main: fcntl_setfd(200, FD_CLOEXEC)", "-1 EBADF"},
    {"main: setrlimit(RLIMIT_NOFILE, 5)", "0"},
    {"main: d1 = dup(v0)", "4"},
    {"main: d2 = dup(v0)", "-1 EMFILE"},
    {"main: d3 = fcntl(v0, F_DUPFD, 5)", "-1 EINVAL"},
    {"main: d4 = dup2(v0, 5)", "-1 EBADF"},
    {"main: d5 = dup2(d0, d0)", "10"}, /* beyond the limit, and open */
    {"main: s0, s1 = socketpair(SOCK_STREAM)", "-1 EMFILE"},
    {"main: o0 = opendir(\"/\")", "-1 EMFILE"},
    {"main: close(d1)", "0"},
    {"main: l0 = listen(AF_UNIX, SOCK_NONBLOCK)", "4"},
    {"main: c0 = connect(l0, 0)", "-1 EMFILE"},
    {"main: s2 = accept4(l0, 0)", "-1 EMFILE"}, /* before it looks for a connection */
    {"main: setrlimit(RLIMIT_NOFILE, 256)", "0"},
    {"main: c1 = connect(l0, 0)", "5"},
};

static const struct {
    const struct expected *lines;
    unsigned nlines;
} cases[] = {
#define CASE(table)                                                                                \
    {                                                                                              \
        (table), sizeof(table) / sizeof((table)[0])                                                \
    }
    CASE(tcp),     CASE(unix_sockets), CASE(rights), CASE(timers),
    CASE(signals), CASE(watches),      CASE(doors),  CASE(numbers),
};

/* Twice in each order, in one process where a run can be followed by another. */
static bool has_case(enum op_id op)
{
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned line = 0; line < cases[i].nlines; line++) {
            const char *call = strstr(cases[i].lines[line].call, op_table[op].text);
            if (call && call[-1] == ' ' && call[strlen(op_table[op].text)] == '(')
                return true;
        }
    }
    return false;
}

static void test_every_operation_is_here(void **state)
{
    static const enum op_id here[] = {
        OP_PPOLL,         OP_PSELECT,        OP_CLOSEFROM,   OP_INLINE_CLOSE,
        OP_OPENDIR,       OP_CLOSEDIR,       OP_LISTEN,      OP_CONNECT,
        OP_ACCEPT4,       OP_SEND,           OP_SETSOCKOPT,  OP_SEND_FD,
        OP_RECV_FD,       OP_TIMERFD_CREATE, OP_SIGNALFD,    OP_TIMERFD_SETTIME,
        OP_RAISE_BLOCKED, OP_INOTIFY_INIT1,  OP_FCNTL_SETFD, OP_INOTIFY_ADD_WATCH,
        OP_SETRLIMIT,
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
        if (!has_case(here[i]))
            fail_msg("no case runs %s", op_table[here[i]].text);
    }
}

static void test_every_case(void **state)
{
    struct executor *executor = start("native", 0);

    (void)state;
    for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned which = i % (sizeof(cases) / sizeof(cases[0]));
        const struct trace *trace = expect(executor, cases[which].lines, cases[which].nlines);
        assert_int_equal(trace->end, RUN_COMPLETE);
    }
    executor_stop(executor);
}

/* Traces are compared as a whole: whatever chance decides must not be in them. */
static void test_traces_repeat(void **state)
{
    static char first[TEST_TRACE_MAX];
    struct executor *executor = start("native", 0);

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        strcpy(first, trace_text(expect(executor, cases[i].lines, cases[i].nlines)));
        for (unsigned again = 0; again < TRIALS(20); again++)
            assert_string_equal(first,
                                trace_text(expect(executor, cases[i].lines, cases[i].nlines)));
    }
    executor_stop(executor);
}

static void test_calls_that_sleep(void **state)
{
    static const struct expected lines[] = {
        {"main: l0 = listen(AF_UNIX, 0)", "3"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: s0 = accept4(l0, 0)", "blocks until 4: 4"}, /* it takes its number first */
        {"main: c0 = connect(l0, 0)", "5"},
        {"t1: y0 = recv_fd(s0, 0)", "blocks until 6: 6"},
        {"main: send_fd(c0, 0)", "1"},
        {"main: g0 = signalfd(0)", "7"},
        {"t1: read(g0, 4096)", "blocks until 9: 128"},
        {"main: raise_blocked(t1)", "0"},
        {"t1: ppoll(c0, POLLIN, NULL, NULL)", "blocks until 11: 1, revents 1"},
        {"main: send(s0, 8, MSG_DONTWAIT)", "8"},
        {"main: k0 = timerfd_create(CLOCK_MONOTONIC, 0)", "8"},
        {"t1: pselect(k0, NULL, EMPTY)", "blocks until 14: 1, revents 1"},
        {"main: timerfd_settime(k0, EXPIRED)", "0"},
    };
    struct executor *executor = start("native", 0);

    (void)state;
    EXPECT(executor, lines);
    executor_stop(executor);
}

/* What one run leaves in a process that the next one uses: limits, pending signals, streams. */
static void test_nothing_is_left_to_the_next_run(void **state)
{
    struct executor *executor = start("native", 0);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        run(executor,
            "main: o0 = opendir(\"/\")\nmain: raise_blocked(main)\n"
            "main: setrlimit(RLIMIT_NOFILE, 4)\n",
            EXECUTE_SHARED);
        const struct trace *trace = run(executor,
                                        "main: g0 = signalfd(SFD_NONBLOCK)\n"
                                        "main: read(g0, 4096)\nmain: d0 = fcntl(g0, F_DUPFD, 200)\n"
                                        "main: closedir(g0)\n",
                                        EXECUTE_SHARED);
        assert_string_equal(trace_line(trace, 0), "3");
        assert_string_equal(trace_line(trace, 1), "-1 EAGAIN");
        assert_string_equal(trace_line(trace, 2), "200");
        assert_string_equal(trace_line(trace, 3), "-1 EINVAL");
    }
    executor_stop(executor);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_case),
        cmocka_unit_test(test_every_operation_is_here),
        cmocka_unit_test(test_traces_repeat),
        cmocka_unit_test(test_calls_that_sleep),
        cmocka_unit_test(test_nothing_is_left_to_the_next_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
