/*
 * EPBATCH_STATS must tell the truth: one line for each process, however it ends, whose sums add up,
 * and none where nobody asked. By it this file also holds EPBATCH_ELIDE to its word: a rule that is
 * switched off must not be applied, and one that is on must be. A word that is no rule must not let
 * the program run.
 */
#include "tests/unit/shim/cmocka_all.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED 125
#define FAILED  9

static char self[4096];

/* What the programs that are started do. They end with 0, or FAILED. */

static void need(bool condition)
{
    if (!condition) {
        syscall(SYS_exit_group, FAILED); /* no report: the test must not find one */
    }
}

static void ctl(int epfd, int op, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    need(epoll_ctl(epfd, op, fd, op == EPOLL_CTL_DEL ? NULL : &event) == 0);
}

static void look(int epfd)
{
    struct epoll_event event;

    need(epoll_wait(epfd, &event, 1, 0) >= 0);
}

static int instance(void)
{
    int epfd = epoll_create1(0);

    need(epfd >= 0);
    return epfd;
}

static int target(void)
{
    int fd = eventfd(0, 0);

    need(fd >= 0);
    return fd;
}

/* Three deferred and flushed, one direct. */
static void play_some(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epfd = instance();
    int fd = target();

    ctl(epfd, EPOLL_CTL_ADD, fd);
    ctl(epfd, EPOLL_CTL_ADD, target());
    ctl(epfd, EPOLL_CTL_ADD, target());
    need(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) == -1); /* flushes the first */
    look(epfd);
}

static void play_exit(void)
{
    play_some();
    exit(0);
}

static void play_bare_exit(void)
{
    play_some();
    _exit(0);
}

static void play_bare_exit_c(void)
{
    play_some();
    _Exit(0);
}

static void play_quick_exit(void)
{
    play_some();
    quick_exit(0);
}

static void play_fork(void)
{
    int status;
    pid_t child;

    play_some();
    child = fork();
    if (child == 0) {
        int epfd = instance();

        ctl(epfd, EPOLL_CTL_ADD, target());
        look(epfd);
        exit(0);
    }
    need(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void play_vfork(void)
{
    int status;
    pid_t child;

    play_some();
    child = vfork();
    if (child == 0) {
        _exit(0);
    }
    need(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* Pending at the end: nobody can ask any more. */
static void play_pending(void)
{
    ctl(instance(), EPOLL_CTL_ADD, target());
}

static void play_add_del(void)
{
    int epfd = instance();
    int fd = target();

    ctl(epfd, EPOLL_CTL_ADD, fd);
    ctl(epfd, EPOLL_CTL_DEL, fd);
    look(epfd);
}

static void play_mod(void)
{
    int epfd = instance();
    int fd = target();

    ctl(epfd, EPOLL_CTL_ADD, fd);
    ctl(epfd, EPOLL_CTL_MOD, fd);
    look(epfd);
    ctl(epfd, EPOLL_CTL_MOD, fd);
    ctl(epfd, EPOLL_CTL_MOD, fd);
    ctl(epfd, EPOLL_CTL_DEL, fd);
    look(epfd);
}

/* A DEL followed by an ADD is not the same as a MOD: it must be made. */
static void play_del_add(void)
{
    int epfd = instance();
    int fd = target();

    ctl(epfd, EPOLL_CTL_ADD, fd);
    look(epfd);
    ctl(epfd, EPOLL_CTL_DEL, fd);
    ctl(epfd, EPOLL_CTL_ADD, fd);
    look(epfd);
}

static void play_close(void)
{
    int epfd = instance();
    int fd = target();

    ctl(epfd, EPOLL_CTL_ADD, fd);
    need(close(fd) == 0);
    fd = target();
    ctl(epfd, EPOLL_CTL_ADD, fd);
    look(epfd);
    ctl(epfd, EPOLL_CTL_DEL, fd);
    need(close(fd) == 0);
    look(epfd);
}

/* A second number keeps the file: nothing may be dropped. */
static void play_close_duplicate(void)
{
    int epfd = instance();
    int fd = target();

    need(dup(fd) >= 0);
    ctl(epfd, EPOLL_CTL_ADD, fd);
    need(close(fd) == 0);
    look(epfd);
}

static void *idle(void *nothing)
{
    return nothing;
}

/* Where there are threads another one may look between the drop and the close. */
static void play_close_threaded(void)
{
    pthread_t thread;

    need(pthread_create(&thread, NULL, idle, NULL) == 0);
    need(pthread_join(thread, NULL) == 0);
    play_close();
}

static void play_instance(void)
{
    int epfd = instance();
    int fd = target();

    ctl(epfd, EPOLL_CTL_ADD, fd);
    ctl(epfd, EPOLL_CTL_ADD, target());
    need(close(epfd) == 0);
}

static const struct play {
    const char *name;
    void (*play)(void);
} plays[] = {
    {"exit", play_exit},
    {"_exit", play_bare_exit},
    {"_Exit", play_bare_exit_c},
    {"quick_exit", play_quick_exit},
    {"fork", play_fork},
    {"vfork", play_vfork},
    {"pending", play_pending},
    {"add-del", play_add_del},
    {"mod", play_mod},
    {"del-add", play_del_add},
    {"close", play_close},
    {"close-duplicate", play_close_duplicate},
    {"close-threaded", play_close_threaded},
    {"instance", play_instance},
};

static int played_main(const char *name)
{
    for (size_t index = 0; index < sizeof(plays) / sizeof(*plays); index++) {
        if (strcmp(plays[index].name, name) == 0) {
            plays[index].play();
            return 0;
        }
    }
    return FAILED;
}

/* The tests. */

struct outcome {
    int status;
    pid_t pid;
    char text[8192]; /* stderr and stdout */
};

static void set(const char *name, const char *value)
{
    if ((value == NULL ? unsetenv(name) : setenv(name, value, 1)) != 0) {
        _exit(1);
    }
}

static struct outcome run(const char *play, const char *policy, const char *stats,
                          const char *elide)
{
    struct outcome outcome = {0};
    size_t length = 0;
    ssize_t got;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    outcome.pid = fork();
    assert_true(outcome.pid >= 0);
    if (outcome.pid == 0) {
        set("LD_PRELOAD", EPBATCH_LIBRARY);
        set("EPBATCH_POLICY", policy);
        set("EPBATCH_BACKEND", NULL);
        set("EPBATCH_STATS", stats);
        set("EPBATCH_ELIDE", elide);
        if (dup2(ends[1], STDERR_FILENO) < 0 || dup2(ends[1], STDOUT_FILENO) < 0) {
            _exit(1);
        }
        execl(self, self, "--play", play, NULL);
        _exit(1);
    }
    assert_int_equal(close(ends[1]), 0);
    while ((got = read(ends[0], outcome.text + length, sizeof(outcome.text) - 1 - length)) > 0) {
        length += (size_t)got;
    }
    assert_int_equal(got, 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(outcome.pid, &outcome.status, 0), outcome.pid);
    assert_true(WIFEXITED(outcome.status));
    outcome.status = WEXITSTATUS(outcome.status);
    return outcome;
}

static int count_lines(const char *text)
{
    int count = 0;

    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

/* The number behind " NAME=" in the line, or 0. */
static unsigned long field(const char *line, const char *name)
{
    char key[64];
    const char *found;
    int length = snprintf(key, sizeof(key), " %s=", name);

    found = strstr(line, key);
    return found == NULL ? 0 : strtoul(found + length, NULL, 10);
}

/* The sum of all fields whose name begins so. */
static unsigned long fields(const char *line, const char *prefix)
{
    char key[64];
    unsigned long sum = 0;

    snprintf(key, sizeof(key), " %s", prefix);
    for (const char *at = strstr(line, key); at != NULL; at = strstr(at + 1, key)) {
        sum += strtoul(strchr(at, '=') + 1, NULL, 10);
    }
    return sum;
}

/* The operations that the sizes of batches allow for: at least this many batches. */
static unsigned long batches(const char *line)
{
    const char *at = strstr(line, " sizes=");
    unsigned long sum = 0;

    assert_non_null(at);
    at += strlen(" sizes=");
    do {
        char *end;

        sum += strtoul(at, &end, 10);
        at = end;
    } while (*at++ == ',');
    return sum;
}

/* The same from flush-WHY=OPERATIONS/BATCHES. */
static unsigned long flushes(const char *line)
{
    unsigned long sum = 0;

    for (const char *at = strstr(line, " flush-"); at != NULL; at = strstr(at + 1, " flush-")) {
        sum += strtoul(strchr(at, '/') + 1, NULL, 10);
    }
    return sum;
}

static void check_sums(const char *line, unsigned long pending)
{
    assert_memory_equal(line, "epbatch pid=", strlen("epbatch pid="));
    assert_int_equal(field(line, "seen"), field(line, "deferred") + field(line, "direct"));
    assert_int_equal(field(line, "deferred"),
                     fields(line, "flush-") + fields(line, "elided-") + pending);
    assert_int_equal(batches(line), flushes(line));
    assert_int_equal(field(line, "bypasses"), 0);
    assert_int_equal(field(line, "missed-closes"), 0);
    assert_int_equal(field(line, "faults"), 0);
}

static void test_ends(void **state)
{
    static const char *const ends[] = {"exit", "_exit", "_Exit", "quick_exit"};

    (void)state;
    for (size_t index = 0; index < sizeof(ends) / sizeof(*ends); index++) {
        struct outcome outcome = run(ends[index], "transparent", "1", NULL);

        assert_int_equal(outcome.status, 0);
        assert_int_equal(count_lines(outcome.text), 1);
        assert_int_equal(outcome.text[strlen(outcome.text) - 1], '\n');
        check_sums(outcome.text, 0);
        assert_int_equal(field(outcome.text, "seen"), 4);
        assert_int_equal(field(outcome.text, "deferred"), 3);
        assert_int_equal(field(outcome.text, "direct"), 1);
        assert_int_equal(field(outcome.text, "flush-direct-call"), 1);
        assert_int_equal(field(outcome.text, "flush-wait"), 2);
        assert_int_equal(field(outcome.text, "instances"), 1);
        assert_int_equal(strtol(outcome.text + strlen("epbatch pid="), NULL, 10), outcome.pid);
    }
}

static void test_pending_at_the_end(void **state)
{
    struct outcome outcome = run("pending", "transparent", "1", NULL);

    (void)state;
    assert_int_equal(outcome.status, 0);
    check_sums(outcome.text, 1);
    assert_int_equal(field(outcome.text, "deferred"), 1);
}

/* A vfork's child has its parent's counts: it must not tell them in its name, or for good. */
static void test_vfork(void **state)
{
    struct outcome outcome = run("vfork", "transparent", "1", NULL);

    (void)state;
    assert_int_equal(outcome.status, 0);
    assert_int_equal(count_lines(outcome.text), 1);
    check_sums(outcome.text, 0);
    assert_int_equal(field(outcome.text, "stopped-forked"), 1);
    assert_int_equal(strtol(outcome.text + strlen("epbatch pid="), NULL, 10), outcome.pid);
}

static void test_silence(void **state)
{
    static const char *const policies[] = {"transparent", "naive", "hash", "tls"};
    struct outcome outcome;

    (void)state;
    outcome = run("exit", "transparent", NULL, NULL);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(outcome.text, "");
    outcome = run("exit", "transparent", "", NULL);
    assert_string_equal(outcome.text, "");
    outcome = run("exit", "transparent", "0", NULL);
    assert_string_equal(outcome.text, "");
    assert_int_not_equal(access("0", F_OK), 0); /* no file of that name, either */
    /* Only `transparent` counts. */
    for (size_t index = 1; index < sizeof(policies) / sizeof(*policies); index++) {
        outcome = run("pending", policies[index], "1", NULL);
        assert_int_equal(outcome.status, 0);
        assert_string_equal(outcome.text, "");
    }
}

/* Reads the file that the reports are appended to. */
static void read_file(const char *path, char *ret_text, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t length;

    assert_non_null(file);
    length = fread(ret_text, 1, size - 1, file);
    ret_text[length] = '\0';
    assert_int_equal(fclose(file), 0);
}

/* One line for each process: the child of a fork starts at 0, or its parent's would count twice. */
static void test_file(void **state)
{
    char path[] = "/tmp/epbatch-stats-XXXXXX";
    char text[8192];
    struct outcome outcome;
    char *second;
    char *third;
    int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    outcome = run("fork", "transparent", path, NULL);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(outcome.text, "");
    outcome = run("exit", "transparent", path, NULL);
    assert_int_equal(outcome.status, 0);
    read_file(path, text, sizeof(text));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(count_lines(text), 3);
    second = strchr(text, '\n');
    *second++ = '\0';
    third = strchr(second, '\n');
    *third++ = '\0';
    /* The child ends first. */
    check_sums(text, 0);
    assert_int_equal(field(text, "seen"), 1);
    assert_int_equal(field(text, "deferred"), 1);
    assert_int_equal(field(text, "flush-wait"), 1);
    assert_int_equal(field(text, "instances"), 1);
    check_sums(second, 0);
    assert_int_equal(field(second, "seen"), 4);
    assert_int_equal(field(second, "stopped-forked"), 1);
    check_sums(third, 0);
    assert_int_equal(field(third, "seen"), 4);
    assert_int_not_equal(strtol(text + strlen("epbatch pid="), NULL, 10),
                         strtol(second + strlen("epbatch pid="), NULL, 10));
    assert_int_equal(strtol(third + strlen("epbatch pid="), NULL, 10), outcome.pid);
}

/* How many operations the play's rule saves, when only the rules of `elide` are on. */
static unsigned long elided(const char *play, const char *elide, const char *rule)
{
    struct outcome outcome = run(play, "transparent", "1", elide);
    char name[64];
    unsigned long count;

    snprintf(name, sizeof(name), "elided-%s", rule);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(count_lines(outcome.text), 1);
    check_sums(outcome.text, 0);
    assert_int_equal(field(outcome.text, "direct"), 0);
    count = field(outcome.text, name);
    /* No other rule. */
    assert_int_equal(fields(outcome.text, "elided-"), count);
    return count;
}

static void test_rules(void **state)
{
    static const struct {
        const char *play;
        const char *rule;
        unsigned long count;
    } cases[] = {
        {"add-del", "add-del", 2},       {"mod", "mod", 3},
        {"close", "close", 2},           {"instance", "instance", 2},
        {"del-add", "add-del", 0},       {"del-add", "mod", 0},
        {"close-duplicate", "close", 0}, {"close-threaded", "close", 0},
    };

    (void)state;
    for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
        const char *play = cases[index].play;
        const char *rule = cases[index].rule;

        assert_int_equal(elided(play, NULL, rule), cases[index].count);
        assert_int_equal(elided(play, rule, rule), cases[index].count);
        assert_int_equal(elided(play, "none", rule), 0);
        /* Any of the others. */
        for (size_t other = 0; other < 4; other++) {
            if (strcmp(cases[other].rule, rule) != 0) {
                assert_int_equal(elided(play, cases[other].rule, rule), 0);
            }
        }
    }
    assert_int_equal(elided("mod", "add-del,mod", "mod"), 3);
    assert_int_equal(elided("close", "mod,close,instance", "close"), 2);
}

static void check_refused(const char *elide, const char *message)
{
    struct outcome outcome = run("exit", "transparent", "1", elide);

    assert_string_equal(outcome.text, message);
    assert_int_equal(outcome.status, REFUSED);
}

static void test_refusal(void **state)
{
    (void)state;
    check_refused("", "libepbatch: EPBATCH_ELIDE is \"\", which is unknown; it must be one of: "
                      "none add-del mod close instance\n");
    check_refused("all", "libepbatch: EPBATCH_ELIDE is \"all\", which is unknown; it must be one "
                         "of: none add-del mod close instance\n");
    check_refused("mod,clos", "libepbatch: EPBATCH_ELIDE is \"mod,clos\", which is unknown; it "
                              "must be one of: none add-del mod close instance\n");
    check_refused("mod,", "libepbatch: EPBATCH_ELIDE is \"mod,\", which is unknown; it must be one "
                          "of: none add-del mod close instance\n");
    check_refused("mod,none", "libepbatch: EPBATCH_ELIDE is \"mod,none\", which is unknown; it "
                              "must be one of: none add-del mod close instance\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),    cmocka_unit_test(test_pending_at_the_end),
        cmocka_unit_test(test_vfork),   cmocka_unit_test(test_silence),
        cmocka_unit_test(test_file),    cmocka_unit_test(test_rules),
        cmocka_unit_test(test_refusal),
    };
    ssize_t length;

    if (argc == 3 && strcmp(argv[1], "--play") == 0) {
        return played_main(argv[2]);
    }
    length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    assert_true(length > 0);
    return cmocka_run_group_tests_name("shim.stats", tests, NULL, NULL);
}
