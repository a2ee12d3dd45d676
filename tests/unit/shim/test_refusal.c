/*
 * An unset, empty or unknown EPBATCH_POLICY or EPBATCH_BACKEND must not let the program run, not
 * even one instruction of main: status 125 and one line on stderr that names the value and the
 * accepted ones, or why this machine cannot have it.
 */
#include "tests/unit/shim/cmocka_all.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED 125
#define RAN     7

static char self[4096];

/* Whether the program to be run finds itself without io_uring. */
static bool without_io_uring;

struct outcome {
    int status;
    char text[2048];
};

static int forbid_io_uring(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
               ? -1
               : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Runs this program again, under the library, with that environment; NULL leaves a name unset. */
static struct outcome run(const char *policy, const char *backend)
{
    struct outcome outcome = {0};
    size_t length = 0;
    ssize_t got;
    int ends[2];
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if ((without_io_uring && forbid_io_uring() != 0) || dup2(ends[1], STDERR_FILENO) < 0 ||
            dup2(ends[1], STDOUT_FILENO) < 0 || setenv("LD_PRELOAD", EPBATCH_LIBRARY, 1) != 0 ||
            (policy == NULL ? unsetenv("EPBATCH_POLICY") : setenv("EPBATCH_POLICY", policy, 1)) !=
                0 ||
            (backend == NULL ? unsetenv("EPBATCH_BACKEND")
                             : setenv("EPBATCH_BACKEND", backend, 1)) != 0) {
            _exit(1);
        }
        execl(self, self, "--child", NULL);
        _exit(1);
    }
    assert_int_equal(close(ends[1]), 0);
    while ((got = read(ends[0], outcome.text + length, sizeof(outcome.text) - 1 - length)) > 0) {
        length += (size_t)got;
    }
    assert_int_equal(got, 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(child, &outcome.status, 0), child);
    assert_true(WIFEXITED(outcome.status));
    outcome.status = WEXITSTATUS(outcome.status);
    return outcome;
}

static void check_refused(const char *policy, const char *backend, const char *message)
{
    struct outcome outcome = run(policy, backend);

    assert_string_equal(outcome.text, message);
    assert_int_equal(outcome.status, REFUSED);
}

static void check_runs(const char *policy, const char *backend)
{
    struct outcome outcome = run(policy, backend);

    assert_string_equal(outcome.text, "main ran\n");
    assert_int_equal(outcome.status, RAN);
}

static void test_policy(void **state)
{
    (void)state;
    check_refused(
        NULL, NULL,
        "libepbatch: EPBATCH_POLICY is not set; it must be one of: naive hash tls transparent\n");
    check_refused("", NULL,
                  "libepbatch: EPBATCH_POLICY is \"\", which is unknown; it must be one of: "
                  "naive hash tls transparent\n");
    check_refused("hashed", "syscall",
                  "libepbatch: EPBATCH_POLICY is \"hashed\", which is unknown; it must be one of: "
                  "naive hash tls transparent\n");
    check_refused("TLS", NULL,
                  "libepbatch: EPBATCH_POLICY is \"TLS\", which is unknown; it must be one of: "
                  "naive hash tls transparent\n");
}

static void test_backend(void **state)
{
    (void)state;
    check_refused("hash", "",
                  "libepbatch: EPBATCH_BACKEND is \"\", which is unknown; it must be one of: "
                  "syscall uring module\n");
    check_refused("hash", "io_uring",
                  "libepbatch: EPBATCH_BACKEND is \"io_uring\", which is unknown; it must be one "
                  "of: syscall uring module\n");
}

static void test_stays_one_line(void **state)
{
    char value[1000];
    struct outcome outcome;

    (void)state;
    check_refused("a\nb", NULL,
                  "libepbatch: EPBATCH_POLICY is \"a?b\", which is unknown; it must be one of: "
                  "naive hash tls transparent\n");
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    outcome = run(value, NULL);
    assert_int_equal(outcome.status, REFUSED);
    assert_ptr_equal(strchr(outcome.text, '\n'), outcome.text + strlen(outcome.text) - 1);
    assert_non_null(strstr(outcome.text, "must be one of: naive hash tls transparent\n"));
}

static void test_a_machine_without_io_uring(void **state)
{
    (void)state;
    without_io_uring = true;
    check_refused("hash", "uring",
                  "libepbatch: EPBATCH_BACKEND is \"uring\", but io_uring_setup fails with ENOSYS: "
                  "the kernel has no io_uring, or a seccomp filter hides it\n");
    check_runs("hash", NULL);
    check_runs("hash", "syscall");
    without_io_uring = false;
}

static void test_a_machine_without_the_module(void **state)
{
    (void)state;
    if (access("/dev/epoll_batch", F_OK) == 0) {
        check_runs("hash", "module");
        return;
    }
    check_refused(
        "hash", "module",
        "libepbatch: EPBATCH_BACKEND is \"module\", but there is no /dev/epoll_batch: the "
        "kernel module epoll_batch is not loaded\n");
}

static void test_accepted(void **state)
{
    (void)state;
    check_runs("naive", NULL);
    check_runs("hash", NULL);
    check_runs("tls", NULL);
    check_runs("tls", "syscall");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_backend),
        cmocka_unit_test(test_stays_one_line),
        cmocka_unit_test(test_a_machine_without_io_uring),
        cmocka_unit_test(test_a_machine_without_the_module),
        cmocka_unit_test(test_accepted),
    };
    ssize_t length;

    if (argc == 2 && strcmp(argv[1], "--child") == 0) {
        puts("main ran");
        return RAN;
    }
    length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    assert_true(length > 0);
    return cmocka_run_group_tests_name("shim.refusal", tests, NULL, NULL);
}
