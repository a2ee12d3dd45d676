/*
 * What must not happen: that an operation gives anything but what the kernel gives for this call
 * in this state: value, errno, events, data; that errno is made up on success, or kept from the
 * call before; that an operation of the table stands in no case here.
 */
#include "tests/unit/execute/support.h"

#include <string.h>

struct program_case {
    const char *name;
    const struct expected *lines;
    unsigned nlines;
};

static const struct expected instances[] = {
    {"main: e0 = epoll_create(8)", "3"},
    {"main: e1 = epoll_create(0)", "-1 EINVAL"},
    {"main: e2 = epoll_create1(EPOLL_CLOEXEC)", "4"},
    {"main: e3 = epoll_create1(1)", "-1 EINVAL"},
    {"main: close(e0)", "0"}, /* errno of the failure before must not show */
};

static const struct expected ctl[] = {
    {"main: e0 = epoll_create1(0)", "3"},
    {"main: v0 = eventfd(1, EFD_NONBLOCK)", "4"},
    {"main: f0 = open(\"/dev/null\", O_RDWR)", "5"},
    {"main: epoll_ctl(e0, EPOLL_CTL_MOD, v0, EPOLLIN)", "-1 ENOENT"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "-1 EEXIST"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, f0, EPOLLIN)", "-1 EPERM"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, e0, EPOLLIN)", "-1 EINVAL"},
    {"main: epoll_ctl(v0, EPOLL_CTL_ADD, e0, EPOLLIN)", "-1 EINVAL"},
    {"main: epoll_ctl(e0, 77, v0, EPOLLIN)", "-1 EINVAL"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, NULL)", "-1 EFAULT"},
    {"main: epoll_ctl(e0, EPOLL_CTL_MOD, v0, BADPTR)", "-1 EFAULT"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, 200, EPOLLIN)", "-1 EBADF"},
    {"main: epoll_ctl(-1, EPOLL_CTL_ADD, v0, EPOLLIN)", "-1 EBADF"},
    {"main: epoll_ctl(e0, EPOLL_CTL_MOD, v0, EPOLLOUT|EPOLLET)", "0"},
    {"main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, NULL)", "0"},
    {"main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, NULL)", "-1 ENOENT"},
};

static const struct expected waits[] = {
    {"main: e0 = epoll_create1(0)", "3"},
    {"main: v0 = eventfd(1, EFD_NONBLOCK)", "4"},
    {"main: r0, w0 = pipe2(O_NONBLOCK)", "5, 6"},
    {"main: epoll_wait(e0, 8, 0)", "0"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, w0, EPOLLOUT)", "0"},
    {"main: epoll_wait(e0, 8, 0)", "2: 1@5 4@6"},
    {"main: epoll_wait(e0, 1, -1)", "1: 1@5"},
    {"main: epoll_wait(e0, 0, 0)", "-1 EINVAL"},
    {"main: epoll_wait(e0, -1, 0)", "-1 EINVAL"},
    {"main: epoll_wait(e0, 178956971, 0)", "-1 EINVAL"},
    {"main: epoll_wait(v0, 8, 0)", "-1 EINVAL"},
    {"main: epoll_wait(200, 8, 0)", "-1 EBADF"},
    {"main: epoll_wait(e0, 8, 0, NULL)", "-1 EFAULT"},
    {"main: epoll_wait(e0, 8, 0, BADPTR)", "-1 EFAULT"},
    {"main: epoll_pwait(e0, 8, 0, EMPTY)", NULL},
    {"main: epoll_pwait(e0, 1, 0, FULL)", NULL},
    {"main: epoll_pwait(e0, 8, 0, NULL, NULL)", "-1 EFAULT"},
    {"main: epoll_pwait2(e0, 8, 0, NULL)", NULL},
    {"main: epoll_pwait2(e0, 8, NULL, EMPTY)", NULL},
    {"main: epoll_pwait2(e0, 8, BADTS, NULL)", "-1 EINVAL"},
    {"main: epoll_pwait2(e0, 8, BADPTR, NULL)", "-1 EFAULT"},
    {"main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, NULL)", "0"},
    {"main: epoll_pwait(e0, 8, -1, FULL)", "1: 4@6"},
    {"main: epoll_pwait2(e0, 8, 1, FULL)", "1: 4@6"},
    {"main: epoll_ctl(e0, EPOLL_CTL_MOD, w0, EPOLLIN)", "0"},
    {"main: close(r0)", "0"},
    {"main: epoll_wait(e0, 8, 1)", "1: 8@1a"}, /* EPOLLERR, and the data of the MOD */
};

static const struct expected polls[] = {
    {"main: e0 = epoll_create1(0)", "3"},
    {"main: v0 = eventfd(0, EFD_NONBLOCK)", "4"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
    {"main: poll(e0, POLLIN, 0)", "0, revents 0"},
    {"main: select(e0, 0)", "0, revents 0"},
    {"main: write(v0, 8)", "8"},
    {"main: poll(e0, POLLIN, 0)", "1, revents 1"},
    {"main: poll(e0, POLLIN, -1)", "1, revents 1"},
    {"main: select(e0, 0)", "1, revents 1"},
    {"main: select(e0, -1)", "1, revents 1"},
    {"main: poll(200, POLLIN, 0)", "1, revents 20"}, /* POLLNVAL */
    {"main: select(20, 0)", "-1 EBADF"},
    {"main: select(200, 0)", "0, revents 1"}, /* beyond the table's size the kernel never looks */
    {"main: select(-1, 0)", "-1 EINVAL"},
};

static const struct expected closes[] = {
    {"main: v0 = eventfd(0, 0)", "3"},
    {"main: v1 = eventfd(0, 0)", "4"},
    {"main: v2 = eventfd(0, 0)", "5"},
    {"main: v3 = eventfd(0, 0)", "6"},
    {"main: r0, w0 = pipe2(O_CLOEXEC)", "7, 8"},
    {"main: close(v0)", "0"},
    {"main: close(v0)", "-1 EBADF"},
    {"main: close(-1)", "-1 EBADF"},
    {"main: close_range(v1, v2, 0)", "0"},
    {"main: close(v2)", "-1 EBADF"},
    {"main: close_range(v3, v1, 0)", "-1 EINVAL"},
    {"main: close_range(v3, v3, CLOSE_RANGE_CLOEXEC)", "0"},
    {"main: syscall(SYS_close, v3)", "0"},
    {"main: syscall(SYS_close, v3)", "-1 EBADF"},
    {"main: fclose(r0)", "0"},
    {"main: fclose(w0)", "0"},
    {"main: fclose(w0)", "-1 EBADF"},
};

static const struct expected dups[] = {
    {"main: v0 = eventfd(0, EFD_NONBLOCK)", "3"},
    {"main: d0 = dup(v0)", "4"},
    {"main: d1 = dup(200)", "-1 EBADF"},
    {"main: d2 = dup2(v0, d0)", "4"},
    {"main: d3 = dup2(v0, v0)", "3"},
    {"main: d4 = dup2(v0, 20)", "20"},
    {"main: d5 = dup2(-1, v0)", "-1 EBADF"},
    {"main: d6 = dup3(v0, 21, O_CLOEXEC)", "21"},
    {"main: d7 = dup3(v0, v0, 0)", "-1 EINVAL"},
    {"main: d8 = dup3(v0, d0, O_NONBLOCK)", "-1 EINVAL"},
    {"main: d9 = fcntl(v0, F_DUPFD, 20)", "22"},
    {"main: d10 = fcntl(v0, F_DUPFD, 0)", "5"},
    {"main: write(d4, 8)", "8"},
    {"main: read(v0, 8)", "8"}, /* one open file description behind all of them */
};

static const struct expected files[] = {
    {"main: r0, w0 = pipe2(O_NONBLOCK)", "3, 4"},
    {"main: read(r0, 8)", "-1 EAGAIN"},
    {"main: write(w0, 65536)", "65536"},
    {"main: write(w0, 8)", "-1 EAGAIN"},
    {"main: read(r0, 4096)", "4096"},
    {"main: write(r0, 8)", "-1 EBADF"},
    {"main: close(r0)", "0"},
    {"main: write(w0, 8)", "-1 EPIPE"},
    {"main: s0, s1 = socketpair(SOCK_STREAM|SOCK_NONBLOCK)", "3, 5"},
    {"main: s2, s3 = socketpair(SOCK_DGRAM)", "6, 7"},
    {"main: write(s0, 1)", "1"},
    {"main: shutdown(s0, SHUT_WR)", "0"},
    {"main: write(s0, 1)", "-1 EPIPE"},
    {"main: read(s1, 8)", "1"},
    {"main: read(s1, 8)", "0"},
    {"main: shutdown(w0, SHUT_RD)", "-1 ENOTSOCK"},
    {"main: v0 = eventfd(3, EFD_NONBLOCK|EFD_SEMAPHORE)", "8"},
    {"main: read(v0, 8)", "8"},
    {"main: read(v0, 4)", "-1 EINVAL"},
    {"main: v1 = eventfd(0, 64)", "-1 EINVAL"},
    {"main: f0 = open(\"/dev/null\", O_RDWR)", "9"},
    {"main: write(f0, 8)", "8"},
    {"main: read(f0, 8)", "0"},
    {"main: f1 = open(\"/proc/self/exe\", O_RDONLY)", "10"},
    {"main: read(f1, 8)", "8"},
    {"main: f2 = open(\"/proc/self/exe\", O_RDWR)", "-1 ETXTBSY"},
    {"main: m0 = memfd_create(MFD_CLOEXEC)", "11"},
    {"main: write(m0, 4096)", "4096"},
    {"main: read(m0, 8)", "0"},
    {"main: m1 = memfd_create(0)", "12"},
    {"main: r1, w1 = pipe2(1)", "-1 EINVAL"},
    {"main: s4, s5 = socketpair(9)", "-1 ESOCKTNOSUPPORT"},
};

static const struct expected tasks[] = {
    {"main: p1 = fork()", "0"},
    {"main: waitpid(p1, WNOHANG)", "2147483647"}, /* alive */
    {"p1: p2 = fork()", "0"},
    {"p1: exit(3)", "ends"},
    {"main: waitpid(p1, 0)", "3"},
    {"main: waitpid(p1, 0)", "-1 ECHILD"},
    {"main: waitpid(p2, 0)", "-1 ECHILD"},
    {"p2: _exit(9)", "ends"},
    {"main: t1 = pthread_create()", "0"},
    {"main: t2 = pthread_create()", "0"},
    {"t1: pthread_exit()", "ends"},
    {"main: pthread_join(t1)", "0"},
    {"main: pthread_join(t1)", "-1 ESRCH"},
    {"t2: pthread_join(t2)", "-1 ESRCH"},
    {"t2: pthread_exit()", "ends"},
};

/* Natively there is nothing to flush. */
static const struct expected flushes[] = {{"main: flush()", "0"}};
#ifndef __SANITIZE_ADDRESS__
static const struct expected lives[] = {
    {"main: t1 = pthread_create()", "0"},
    {"t1: unshare(CLONE_FILES)", "0"},
    {"t1: unshare(0)", "0"},
    {"main: execve(\"/nonexistent\")", "-1 ENOENT"},
    {"main: execve(\"/dev/null\")", "-1 EACCES"},
    {"main: p1 = vfork_exec()", "0"},
    {"main: p2 = posix_spawn()", "0"},
    {"main: sigaction(RETURN)", "0"},
    {"main: tgkill(main)", "0, handled in 9: 0 0"},
    {"t1: pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS)", "0"},
    {"p1: pthread_cancel(t1)", "-1 ESRCH"},
    {"main: pthread_cancel(t1)", "0"},
    {"main: tgkill(t1)", "-1 ESRCH"},
    {"main: pthread_join(t1)", "0"},
    {"main: pthread_cancel(t1)", "-1 ESRCH"},
    {"p2: execve(\"/proc/thread-self/exe\")", "0"},
    {"p2: _exit(4)", "ends"},
    {"main: waitpid(p2, 0)", "4"},
};
#endif

#define CASE(table)                                                                                \
    {                                                                                              \
        .name = #table, .lines = (table), .nlines = sizeof(table) / sizeof((table)[0])             \
    }
static const struct program_case cases[] = {
    CASE(instances),
    CASE(ctl),
    CASE(waits),
    CASE(polls),
    CASE(closes),
    CASE(dups),
    CASE(files),
    CASE(tasks),
    CASE(flushes),
#ifndef __SANITIZE_ADDRESS__
    /* Under AddressSanitizer a cancelled thread is not over when libc's own would be. */
    CASE(lives),
#endif
};

static void test_every_case(void **state)
{
    struct executor *executor = start("native", 0);

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct trace *trace = expect(executor, cases[i].lines, cases[i].nlines);
        assert_int_equal(trace->end, RUN_COMPLETE);
    }
    executor_stop(executor);
}

static void test_every_operation_is_here(void **state)
{
    bool seen[OPS] = {false};
    struct executor *executor = start("native", 0);

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct trace *trace = expect(executor, cases[i].lines, cases[i].nlines);
        for (unsigned s = 0; s < trace->nsteps; s++)
            seen[trace->program->steps[s].op] |=
                trace->steps[s].state == STEP_DONE || trace->steps[s].state == STEP_DIED;
    }
    for (unsigned op = 0; op < OPS; op++) {
        /* Those of these groups are the matter of test_alphabet.c, and some doors and looks. */
        bool elsewhere = op_table[op].group == GROUP_RIGHTS ||
                         op_table[op].group == GROUP_SPECIAL || op_table[op].group == GROUP_TABLE ||
                         op_table[op].group == GROUP_SOCKETS || op == OP_PPOLL ||
                         op == OP_PSELECT || op == OP_CLOSEFROM || op == OP_INLINE_CLOSE ||
                         op == OP_OPENDIR || op == OP_CLOSEDIR;
#ifdef __SANITIZE_ADDRESS__
        elsewhere |= op_table[op].group == GROUP_THREADS || op_table[op].group == GROUP_EXEC ||
                     op_table[op].group == GROUP_SIGNALS;
#endif
        if (!seen[op] && !elsewhere)
            fail_msg("no case runs %s", op_table[op].text);
    }
    executor_stop(executor);
}

/* errno is 0 after a call that leaves it alone, and what the subject makes of it if not. */
static void test_errno_on_success(void **state)
{
    static const struct expected lines[] = {
        {"main: close(200)", "-1 EBADF"},
        {"main: v0 = eventfd(0, 0)", "3"},
        {"main: close(916)", "0, errno EXFULL"},
        {"main: close(v0)", "0"},
    };
    struct executor *executor = start(MISBEHAVE, 0);

    (void)state;
    EXPECT(executor, lines);
    executor_stop(executor);
}

/* What reads hand out is told apart by its digest, and the same bytes have the same one. */
static void test_data(void **state)
{
    static const struct expected lines[] = {
        {"main: v0 = eventfd(1, EFD_NONBLOCK)", "3"},
        {"main: v1 = eventfd(2, EFD_NONBLOCK)", "4"},
        {"main: v2 = eventfd(1, EFD_NONBLOCK)", "5"},
        {"main: read(v0, 8)", "8"},
        {"main: read(v1, 8)", "8"},
        {"main: read(v2, 8)", "8"},
        {"main: read(v2, 8)", "-1 EAGAIN"},
    };
    struct executor *executor = start("native", 0);

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    assert_true(trace->steps[3].digest != trace->steps[4].digest);
    assert_true(trace->steps[3].digest == trace->steps[5].digest);
    assert_true(trace->steps[6].digest == 0);
    executor_stop(executor);
}

/* The list of a flush point holds what the kernel's does: number, mask, data. */
static void test_interest_list(void **state)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: r0, w0 = pipe2(O_NONBLOCK)", "4, 5"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, w0, EPOLLIN|EPOLLET)", "0"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)", "0"},
        {"main: epoll_wait(e0, 8, 0)", "0"},
        {"main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, NULL)", "0"},
        {"main: epoll_wait(200, 8, 0)", "-1 EBADF"},
        {"main: epoll_wait(e0, 8, 0)", "0"},
    };
    struct executor *executor = start("native", 0);

    (void)state;
    const struct trace *trace = EXPECT(executor, lines);
    /* EPOLLERR and EPOLLHUP the kernel adds to every mask. */
    assert_non_null(strstr(trace_text(trace), "list after 5, process 0, 3: 4:19@4 5:80000019@3\n"
                                              "list after 8, process 0, 3: 5:80000019@3\n"));
    executor_stop(executor);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_case),       cmocka_unit_test(test_every_operation_is_here),
        cmocka_unit_test(test_errno_on_success), cmocka_unit_test(test_data),
        cmocka_unit_test(test_interest_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
