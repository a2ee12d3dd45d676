/*
 * count: runs a program and counts system calls of it and of all its descendants.
 *
 *     count FILE PROGRAM [ARGUMENT...]
 *
 * This process becomes PROGRAM, so signals and the exit status are the program's own. The counting
 * is the kernel's, by perf events on the system call tracepoints, and costs next to nothing: a
 * tracer would slow the program down, and how much is batched depends on how fast it is. A helper
 * that is no child of the program writes `CALL NUMBER` lines into FILE when the program has ended.
 *
 * Without PROGRAM it only tries whether it can count. Exit status 125 if it cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STATUS_CANNOT = 125,
};

static const char *const calls[] = {
    "epoll_ctl", "io_uring_enter", "epoll_wait", "epoll_pwait", "epoll_pwait2", "close",
};
enum {
    CALLS = sizeof(calls) / sizeof(calls[0]),
};

static const char *const tracing[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

__attribute__((noreturn)) static void give_up(const char *what)
{
    fprintf(stderr, "count: %s: %s\n", what, strerror(errno));
    _exit(STATUS_CANNOT);
}

static uint64_t tracepoint(const char *call)
{
    char path[160];
    unsigned long long id;

    for (unsigned i = 0; i < sizeof(tracing) / sizeof(tracing[0]); i++) {
        snprintf(path, sizeof(path), "%s/events/syscalls/sys_enter_%s/id", tracing[i], call);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        int count = fscanf(file, "%llu", &id);
        fclose(file);
        if (count == 1)
            return id;
    }
    give_up("no tracepoints: is tracefs mounted, and may this user read it?");
}

/* Counts from the next exec of `pid` on, in all that descends from it. */
static int open_event(const char *call, pid_t pid)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_TRACEPOINT,
        .size = sizeof(attributes),
        .config = tracepoint(call),
        .disabled = 1,
        .inherit = 1,
        .enable_on_exec = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attributes, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

    if (fd < 0)
        give_up("perf_event_open");
    return fd;
}

static void open_events(int *ret_events, pid_t pid)
{
    for (unsigned i = 0; i < CALLS; i++)
        ret_events[i] = open_event(calls[i], pid);
}

static void write_counts(const int *events, const char *path)
{
    uint64_t count;
    FILE *file = fopen(path, "we");

    if (!file)
        give_up(path);
    for (unsigned i = 0; i < CALLS; i++) {
        if (read(events[i], &count, sizeof(count)) != sizeof(count))
            give_up("read");
        fprintf(file, "%s %llu\n", calls[i], (unsigned long long)count);
    }
    fclose(file);
}

/* Never returns. `ready` is told when everything is counted. */
__attribute__((noreturn)) static void count(const char *path, pid_t pid, int ready)
{
    int events[CALLS];
    struct pollfd program = {.events = POLLIN};

    program.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (program.fd < 0)
        give_up("pidfd_open");
    open_events(events, pid);
    if (write(ready, "", 1) != 1)
        give_up("write");
    close(ready);
    while (poll(&program, 1, -1) < 0 && errno == EINTR)
        continue;
    write_counts(events, path);
    _exit(0);
}

int main(int argc, char **argv)
{
    int events[CALLS];
    int ready[2];
    char byte;

    if (argc < 3) {
        open_events(events, 0);
        return 0;
    }
    pid_t program = getpid();
    if (pipe2(ready, O_CLOEXEC) != 0)
        give_up("pipe");
    pid_t middle = fork();
    if (middle < 0)
        give_up("fork");
    if (middle == 0) {
        pid_t helper = fork();
        if (helper < 0)
            give_up("fork");
        if (helper > 0)
            _exit(0);
        close(ready[0]);
        count(argv[1], program, ready[1]);
    }
    close(ready[1]);
    waitpid(middle, NULL, 0);
    if (read(ready[0], &byte, 1) != 1)
        return STATUS_CANNOT; /* the helper has said why */
    close(ready[0]);
    execv(argv[2], &argv[2]);
    give_up(argv[2]);
}
