#include "tests/unit/shim/support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void check_equal(long long actual, long long expected, const char *text, const char *file, int line)
{
    if (actual != expected) {
        dprintf(STDERR_FILENO, "%s:%d: %s is %lld, must be %lld\n", file, line, text, actual,
                expected);
        _exit(1);
    }
}

static bool shim_loaded(void)
{
    Dl_info info;
    void *symbol = dlsym(RTLD_DEFAULT, "epoll_ctl");

    CHECK(symbol != NULL);
    CHECK(dladdr(symbol, &info) != 0);
    return strstr(info.dli_fname, "libepbatch") != NULL;
}

int by_policy(int native, int naive, int hash, int tls)
{
    const char *policy = getenv("EPBATCH_POLICY");

    CHECK_EQUAL(shim_loaded(), policy != NULL);
    if (policy == NULL || strcmp(policy, "transparent") == 0) {
        return native;
    }
    if (strcmp(policy, "naive") == 0) {
        return naive;
    }
    if (strcmp(policy, "hash") == 0) {
        return hash;
    }
    CHECK(strcmp(policy, "tls") == 0);
    return tls;
}

bool is_transparent(void)
{
    const char *policy = getenv("EPBATCH_POLICY");

    CHECK_EQUAL(shim_loaded(), policy != NULL);
    return policy != NULL && strcmp(policy, "transparent") == 0;
}

void close_unseen(int fd)
{
    CHECK_EQUAL(syscall(SYS_close, fd), 0);
}

/* Reads a small file of /proc whole. */
static void read_unseen(const char *path, char *ret_text, size_t size)
{
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got;

    CHECK(fd >= 0);
    while ((got = read((int)fd, ret_text + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    CHECK_EQUAL(got, 0);
    CHECK(length < size - 1);
    ret_text[length] = '\0';
    close_unseen((int)fd);
}

bool interest(int epfd, int fd, struct epoll_event *ret_event)
{
    char path[64];
    char text[16384];
    int found = 0;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epfd);
    read_unseen(path, text, sizeof(text));
    for (char *line = strstr(text, "tfd:"); line != NULL; line = strstr(line + 1, "tfd:")) {
        int number;
        uint32_t events;
        uint64_t data;

        CHECK_EQUAL(
            sscanf(line, "tfd: %d events: %" SCNx32 " data: %" SCNx64, &number, &events, &data), 3);
        if (number == fd) {
            found++;
            if (ret_event != NULL) {
                ret_event->events = events;
                ret_event->data.u64 = data;
            }
        }
    }
    CHECK(found <= 1);
    return found == 1;
}

int add(int epfd, int fd, uint64_t data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};

    return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
}

void ready_pipe(int ret_ends[2])
{
    CHECK_EQUAL(pipe2(ret_ends, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQUAL(write(ret_ends[1], "x", 1), 1);
}

void await_thread_in(int tid, long number)
{
    char path[64];
    char text[512];

    snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
    for (;;) {
        read_unseen(path, text, sizeof(text));
        if (strtol(text, NULL, 10) == number && strncmp(text, "running", 7) != 0) {
            return;
        }
        sched_yield();
    }
}

void die_with_parent(void)
{
    CHECK_EQUAL(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
}

void isolate(void (*body)(void))
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        die_with_parent();
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
