/*
 * The shim must not take a descriptor, start a thread, or print anything: the program's next
 * descriptor numbers and its output are observed behaviour (hazards I1, I5).
 */
#include "tests/unit/shim/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptors beyond this are of no interest. */
#define FDS_MAX 256

static void snapshot(bool ret_open[FDS_MAX])
{
    for (int fd = 0; fd < FDS_MAX; fd++) {
        ret_open[fd] = fcntl(fd, F_GETFD) >= 0;
    }
}

static int count_tasks(void)
{
    DIR *directory = opendir("/proc/self/task");
    int count = 0;

    CHECK(directory != NULL);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        count += entry->d_name[0] != '.';
    }
    CHECK_EQUAL(closedir(directory), 0);
    return count;
}

/* Every hook once, with something pending. */
static void use_everything(void)
{
    struct epoll_event event;
    int epfd = epoll_create1(0);
    int ends[2];
    pid_t child;

    ready_pipe(ends);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    child = fork();
    if (child == 0) {
        _exit(0);
    }
    CHECK_EQUAL(waitpid(child, NULL, 0), child);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 1);
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_DEL, ends[0], NULL), 0);
    CHECK_EQUAL(close(ends[0]), 0);
    CHECK_EQUAL(close(ends[1]), 0);
    CHECK_EQUAL(close(epfd), 0);
}

static void body_descriptors_and_threads(void)
{
    bool before[FDS_MAX];
    bool after[FDS_MAX];
    int lowest = 0;
    int tasks = count_tasks();

    snapshot(before);
    while (before[lowest]) {
        lowest++;
    }
    use_everything();
    /* The next numbers are the lowest free ones. */
    CHECK_EQUAL(epoll_create1(0), lowest);
    CHECK_EQUAL(close(lowest), 0);
    snapshot(after);
    CHECK_EQUAL(memcmp(before, after, sizeof(before)), 0);
    CHECK_EQUAL(count_tasks(), tasks);
}

static void test_descriptors_and_threads(void **state)
{
    (void)state;
    isolate(body_descriptors_and_threads);
}

static void body_output(void)
{
    struct stat status;
    int file = memfd_create("output", 0);

    CHECK(file >= 0);
    /* Not onto stderr: that is where a failed check must speak. A line there is one too many. */
    CHECK_EQUAL(dup2(file, STDOUT_FILENO), STDOUT_FILENO);
    use_everything();
    CHECK_EQUAL(fstat(file, &status), 0);
    CHECK_EQUAL(status.st_size, 0);
    CHECK_EQUAL(dup2(file, STDERR_FILENO), STDERR_FILENO);
    use_everything();
    CHECK_EQUAL(fstat(file, &status), 0);
    if (status.st_size != 0) {
        _exit(2);
    }
}

static void test_output(void **state)
{
    (void)state;
    isolate(body_output);
}

static char self[4096];

/* In a new program that has no descriptor but the first three. */
static int fresh_main(void)
{
    CHECK_EQUAL(fcntl(STDERR_FILENO + 1, F_GETFD), -1);
    CHECK_EQUAL(epoll_create1(0), STDERR_FILENO + 1);
#if !defined(__SANITIZE_THREAD__) /* it has a thread of its own */
    CHECK_EQUAL(count_tasks(), 1);
#endif
    return 0;
}

static void body_start(void)
{
    CHECK_EQUAL(close_range(STDERR_FILENO + 1, ~0U, 0), 0);
    execl(self, self, "--fresh", NULL);
    CHECK(false);
}

static void test_start(void **state)
{
    (void)state;
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    isolate(body_start);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_descriptors_and_threads),
        cmocka_unit_test(test_output),
    };

    if (argc == 2 && strcmp(argv[1], "--fresh") == 0) {
        return fresh_main();
    }
    return cmocka_run_group_tests_name("shim.resources", tests, NULL, NULL);
}
