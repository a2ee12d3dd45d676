/*
 * What must not happen: that a server which has run ten thousand programs has more descriptors,
 * memory, or processes than one that has run a hundred, or gives another trace.
 */
#include "tests/unit/execute/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RUNS = 10000,
    WARM_UP = 100,
    GROWTH_KB_MAX = 256, /* what an allocator may round up to; a leak of 200 bytes a run is more */
};

static const char text[] = "main: e0 = epoll_create1(0)\n"
                           "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                           "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                           "main: t1 = pthread_create()\n"
                           "t1: epoll_wait(e0, 8, -1)\n"
                           "main: p1 = fork()\n"
                           "p1: write(v0, 8)\n"
                           "p1: exit(1)\n";

/* The one process below this one. */
static int find_server(void)
{
    char path[64];
    int pid = -1;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    return pid;
}

static unsigned count_entries(int pid, const char *name)
{
    char path[64];
    unsigned count = 0;

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static unsigned long read_kilobytes(int pid, const char *key)
{
    char path[64], line[256];
    unsigned long value = 0;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtoul(line + strlen(key), NULL, 10);
    }
    fclose(file);
    return value;
}

static void check_endurance(const char *subject, unsigned runs)
{
    static char first[TEST_TRACE_MAX];
    struct executor *executor = start(subject, 0);
    int server = find_server();
    char descriptors[4096] = "";
    unsigned fds = 0;
    unsigned long private_kb = 0, own_kb = 0;

    for (unsigned i = 0; i < TRIALS(runs); i++) {
        const char *trace = trace_text(run(executor, text, 0));
        if (i == 0)
            strcpy(first, trace);
        if (strcmp(first, trace) != 0)
            fail_msg("run %u differs:\n%s\nfrom\n%s", i, trace, first);
        if (i != WARM_UP)
            continue;
        strcpy(descriptors, open_descriptors());
        fds = count_entries(server, "fd");
        private_kb = read_kilobytes(server, "RssAnon:");
        own_kb = read_kilobytes(getpid(), "RssAnon:");
    }
    assert_string_equal(descriptors, open_descriptors());
    assert_int_equal(count_entries(server, "fd"), fds);
    assert_int_equal(count_entries(server, "task"), 3); /* ".", ".." and its only thread */
    assert_in_range(read_kilobytes(server, "RssAnon:"), 0, private_kb + GROWTH_KB_MAX);
    assert_in_range(read_kilobytes(getpid(), "RssAnon:"), 0, own_kb + GROWTH_KB_MAX);
    executor_stop(executor);
}

static void test_native(void **state)
{
    (void)state;
    check_endurance("native", RUNS);
}

static void test_shim(void **state)
{
    (void)state;
    check_endurance("shim:tls", RUNS / 5);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_shim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
