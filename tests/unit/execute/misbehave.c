/*
 * libmisbehave.so: a subject that does what no subject should. close(2) or read(2) of a number from
 * misbehave.h does the misdeed of that number in the calling thread; EPDIFF_MISBEHAVE in the
 * environment names one to be done before main.
 */
#include "tests/unit/execute/misbehave.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SLOW_MS = 600, /* twice the watchdog of the tests that use it, but never all of it at rest */
    NAP_MS = 150,
};

/* What the handlers of a fork do in the child. */
static int in_child;

static void sleep_for_ever(void)
{
    static int word;

    for (;;)
        syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void spin_for_ever(void)
{
    for (volatile unsigned turns = 0;; turns++)
        ;
}

static void crash(void)
{
    volatile int *volatile nowhere = (volatile int *)16;

    *nowhere = 1;
}

static void *helper_sleeps(void *argument)
{
    (void)argument;
    sleep_for_ever();
    return NULL;
}

static void *helper_spins(void *argument)
{
    (void)argument;
    spin_for_ever();
    return NULL;
}

static void *helper_crashes(void *argument)
{
    (void)argument;
    crash();
    return NULL;
}

static void start_helper(void *(*body)(void *))
{
    pthread_t thread;

    pthread_create(&thread, NULL, body, NULL);
    pthread_detach(thread);
}

/* Uses a CPU for `milliseconds` of its own time, not of the clock's. */
static void work(unsigned milliseconds)
{
    struct timespec start, now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 <
           (long)milliseconds);
}

/* Longer than the watchdog in all, and never as long at one place: slow is not stuck. */
static void take_naps(void)
{
    struct timespec nap = {.tv_nsec = NAP_MS * 1000000};

    for (unsigned slept_ms = 0; slept_ms < SLOW_MS; slept_ms += NAP_MS)
        nanosleep(&nap, NULL);
}

static void lock_twice(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
}

/* A process whose parent has left, in a session and process group of its own. */
static void start_daemon(void)
{
    long child = syscall(SYS_fork);

    if (child > 0) {
        waitpid((pid_t)child, NULL, 0);
        return;
    }
    setsid();
    if (syscall(SYS_fork) == 0)
        sleep_for_ever();
    _exit(0);
}

/* More than a pipe holds. */
static void chatter(void)
{
    for (unsigned i = 0; i < 20000; i++)
        fprintf(stderr, "misbehave: line %u of many\n", i);
}

static void after_fork(void)
{
    if (in_child == MISBEHAVE_FORK_HANGS)
        sleep_for_ever();
    if (in_child == MISBEHAVE_FORK_SPINS)
        spin_for_ever();
    if (in_child == MISBEHAVE_FORK_CRASHES)
        crash();
}

static int misbehave(int number)
{
    switch (number) {
    case MISBEHAVE_CRASH:
        crash();
        break;
    case MISBEHAVE_ABORT:
        abort();
    case MISBEHAVE_EXIT:
        _exit(125);
    case MISBEHAVE_SLEEP:
        sleep_for_ever();
        break;
    case MISBEHAVE_DEADLOCK:
        lock_twice();
        break;
    case MISBEHAVE_SPIN:
        spin_for_ever();
        break;
    case MISBEHAVE_STOP:
        raise(SIGSTOP);
        break;
    case MISBEHAVE_WORK:
        work(MISBEHAVE_WORK_MS);
        break;
    case MISBEHAVE_NAPS:
        take_naps();
        break;
    case MISBEHAVE_LEAK:
        (void)!dup(0);
        break;
    case MISBEHAVE_HELPER_SLEEPS:
        start_helper(helper_sleeps);
        break;
    case MISBEHAVE_HELPER_SPINS:
        start_helper(helper_spins);
        sleep_for_ever();
        break;
    case MISBEHAVE_HELPER_CRASHES:
        start_helper(helper_crashes);
        sleep_for_ever();
        break;
    case MISBEHAVE_THREAD_ENDS:
        syscall(SYS_exit, 0);
        break;
    case MISBEHAVE_KILL_SERVER:
        kill(getppid(), SIGKILL);
        sleep_for_ever();
        break;
    case MISBEHAVE_ERRNO:
        errno = EXFULL;
        break;
    case MISBEHAVE_DAEMON:
        start_daemon();
        break;
    case MISBEHAVE_SESSION:
        setsid();
        break;
    case MISBEHAVE_FORK_HANGS:
    case MISBEHAVE_FORK_SPINS:
    case MISBEHAVE_FORK_CRASHES:
        in_child = number;
        break;
    default:
        return -1;
    }
    return 0;
}

__attribute__((visibility("default"))) int close(int fd)
{
    if (misbehave(fd) == 0)
        return 0;
    return (int)syscall(SYS_close, fd);
}

__attribute__((visibility("default"))) int epoll_ctl(int epfd, int op, int fd,
                                                     struct epoll_event *event)
{
    if (misbehave(epfd) == 0)
        return 0;
    return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

/* Calls that may sleep, and must not be taken to sleep as they may. */
__attribute__((visibility("default"))) ssize_t read(int fd, void *bytes, size_t count)
{
    if (misbehave(fd) == 0)
        return 0;
    return syscall(SYS_read, fd, bytes, count);
}

static void refuse(void)
{
    fprintf(stderr, "misbehave: EPDIFF_MISBEHAVE: this subject refuses\nto start\n");
    fflush(stderr);
    _exit(125);
}

__attribute__((constructor)) static void start(void)
{
    const char *wanted = getenv("EPDIFF_MISBEHAVE");

    pthread_atfork(NULL, NULL, after_fork);
    if (!wanted)
        return;
    if (strcmp(wanted, "refuse") == 0)
        refuse();
    else if (strcmp(wanted, "silent") == 0)
        _exit(125);
    else if (strcmp(wanted, "sleep") == 0)
        sleep_for_ever();
    else if (strcmp(wanted, "nap") == 0)
        take_naps();
    else if (strcmp(wanted, "crash") == 0)
        crash();
    else if (strcmp(wanted, "daemon") == 0)
        start_daemon();
    else if (strcmp(wanted, "chatter") == 0)
        chatter();
    else if (strcmp(wanted, "low") == 0)
        (void)!fcntl(0, F_DUPFD, 4);
    else if (strcmp(wanted, "high") == 0)
        (void)!fcntl(0, F_DUPFD, 300);
    else if (strcmp(wanted, "fork-hangs") == 0)
        in_child = MISBEHAVE_FORK_HANGS;
    else if (strcmp(wanted, "fork-spins") == 0)
        in_child = MISBEHAVE_FORK_SPINS;
    else if (strcmp(wanted, "fork-crashes") == 0)
        in_child = MISBEHAVE_FORK_CRASHES;
}
