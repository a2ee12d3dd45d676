/*
 * What must not happen: that a subject which cannot be tested is tested as something else; that
 * the reason is lost, or takes more than one line; that a failed start leaves a process, a
 * descriptor or an executor behind.
 */
#include "tests/unit/execute/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_failure(const char *subject, int err, const char *const *words)
{
    char why[EXECUTE_WHY_MAX + 1];
    char before[4096];

    strcpy(before, open_descriptors());
    assert_int_equal(try_start(subject, 500, why), err);
    for (; *words; words++) {
        if (!strstr(why, *words))
            fail_msg("%s: '%s' does not say '%s'", subject, why, *words);
    }
    assert_null(strchr(why, '\n'));
    assert_string_equal(before, open_descriptors());
    assert_no_processes();
}
#define CHECK_FAILURE(subject, err, ...)                                                           \
    check_failure(subject, err, (const char *const[]){__VA_ARGS__, NULL})

static void test_unknown(void **state)
{
    (void)state;
    CHECK_FAILURE("nonsense", -EINVAL, "unknown subject", "nonsense", "expected native");
    CHECK_FAILURE("shim:none", -EINVAL, "unknown policy", "none", "naive");
    CHECK_FAILURE("shim:naive+none", -EINVAL, "unknown backend", "none", "syscall");
}

static void test_missing_library(void **state)
{
    (void)state;
    CHECK_FAILURE("preload:/nonexistent/lib.so", -EINVAL, "/nonexistent/lib.so", "No such file");
    CHECK_FAILURE("preload:", -EINVAL, "library");
}

/* ld.so complains about it and goes on without: that must not become a native run in disguise. */
static void test_no_library(void **state)
{
    char name[] = "/tmp/epdiff-test-XXXXXX";
    char subject[64];

    (void)state;
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "no library\n", 11), 11);
    close(fd);
    snprintf(subject, sizeof(subject), "preload:%s", name);
    CHECK_FAILURE(subject, -ECHILD, name, "does not start");
    unlink(name);
}

static void check_start(const char *how, int err, const char *word, const char *other)
{
    setenv("EPDIFF_MISBEHAVE", how, 1);
    CHECK_FAILURE(MISBEHAVE, err, "does not start", word, other);
    unsetenv("EPDIFF_MISBEHAVE");
}

static void test_refusal(void **state)
{
    (void)state;
    check_start("refuse", -ECHILD, "this subject refuses", "to start");
    check_start("silent", -ECHILD, "ends with status", "before main");
    check_start("crash", -ECHILD, "dies of SIG", "before main");
}

static void test_stuck_before_main(void **state)
{
    (void)state;
    check_start("sleep", -ETIMEDOUT, "stuck before main", "misbehave");
}

/* Slow to start is not stuck. */
static void test_slow_to_start(void **state)
{
    (void)state;
    setenv("EPDIFF_MISBEHAVE", "nap", 1);
    struct executor *executor = start(MISBEHAVE, 0);
    unsetenv("EPDIFF_MISBEHAVE");
    assert_usable(executor);
    executor_stop(executor);
}

/* What a subject prints, or starts, before main is no reason to be stuck. */
static void test_busy_before_main(void **state)
{
    static const char *const how[] = {"chatter", "daemon"};

    (void)state;
    for (unsigned i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
        setenv("EPDIFF_MISBEHAVE", how[i], 1);
        struct executor *executor = start(MISBEHAVE, 0);
        unsetenv("EPDIFF_MISBEHAVE");
        assert_usable(executor);
        executor_stop(executor);
        assert_no_processes();
    }
}

/* A refusal of our own shim, by the words that it has for it. */
static void test_shim_refuses(void **state)
{
    char why[EXECUTE_WHY_MAX + 1];

    (void)state;
    setenv("EPBATCH_POLICY", "nonsense", 1);
    /* What the user's environment says about the shim is not the subject's. */
    assert_int_equal(try_start("shim:naive", 0, why), 0);
    unsetenv("EPBATCH_POLICY");
}

static void test_bad_cpu(void **state)
{
    struct executor_options options = {.cpu = 1000};
    struct executor *executor = NULL;
    struct subject subject;
    char why[EXECUTE_WHY_MAX + 1] = "";

    (void)state;
    assert_int_equal(subject_parse("native", &subject, why, sizeof(why)), 0);
    assert_int_equal(executor_start(&subject, &options, &executor, why), -EINVAL);
    assert_non_null(strstr(why, "1000"));
    assert_null(executor);
}

/* Makes of this test's binary a copy in a folder where nothing else is, and asks it. */
static void run_copy(const char *folder, const char *expected)
{
    char path[300], output[1024] = "";
    int ends[2];

    snprintf(path, sizeof(path), "cp /proc/%d/exe %s/copy", getpid(), folder);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof(path), "%s/copy", folder);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        execl(path, path, "start", NULL);
        _exit(99);
    }
    close(ends[1]);
    for (size_t length = 0; length < sizeof(output) - 1;) {
        ssize_t got = read(ends[0], output + length, sizeof(output) - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    close(ends[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    if (!strstr(output, expected))
        fail_msg("'%s' does not say '%s'", output, expected);
    unlink(path);
}

static void test_missing_executor(void **state)
{
    char folder[] = "/tmp/epdiff-test-XXXXXX";
    char path[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    run_copy(folder, "-2 no executor: ");
    /* An executor that is none, and no witness beside it. */
    snprintf(path, sizeof(path), "%s/epdiff-exec", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\177ELF", 4), 4);
    close(fd);
    run_copy(folder, "-2 no witness library: ");
    char witness[64];
    snprintf(witness, sizeof(witness), "%s/libepdiff-witness.so", folder);
    assert_int_equal(close(open(witness, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)), 0);
    run_copy(folder, "-8 ");
    unlink(witness);
    unlink(path);
    rmdir(folder);
}

/* Not run as a test: tells what a start of native gives from where this binary lies. */
static int start_here(void)
{
    char why[EXECUTE_WHY_MAX + 1] = "";
    int err = try_start("native", 0, why);

    printf("%d %s\n", err, why);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown),          cmocka_unit_test(test_missing_library),
        cmocka_unit_test(test_no_library),       cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_busy_before_main), cmocka_unit_test(test_stuck_before_main),
        cmocka_unit_test(test_slow_to_start),    cmocka_unit_test(test_shim_refuses),
        cmocka_unit_test(test_bad_cpu),          cmocka_unit_test(test_missing_executor),
    };

    if (argc > 1 && strcmp(argv[1], "start") == 0)
        return start_here();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
