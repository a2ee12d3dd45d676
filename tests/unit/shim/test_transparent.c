/*
 * `transparent` must defer, or it is of no use; but whoever could look must find everything carried
 * out, and what the kernel could answer with anything but 0 must be asked at once. Where this file
 * says "known", the kernel must have it at that point.
 */
#include "tests/unit/shim/support.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK_KNOWN(epfd, fd) CHECK_EQUAL(interest(epfd, fd, NULL), 1)
/* Not known yet, natively it is: the call was answered. */
#define CHECK_DEFERRED(epfd, fd) CHECK_EQUAL(interest(epfd, fd, NULL), !is_transparent())

#define CHECK_FAILS(call, error)                                                                   \
    do {                                                                                           \
        errno = 0;                                                                                 \
        CHECK_EQUAL(call, -1);                                                                     \
        CHECK_EQUAL(errno, error);                                                                 \
    } while (0)

static char self[4096];
static const struct timespec no_time;

static int mod(int epfd, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};

    return epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event);
}

static int del(int epfd, int fd)
{
    return epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
}

static int ready(void)
{
    int fd = eventfd(1, EFD_NONBLOCK);

    CHECK(fd >= 0);
    return fd;
}

/* What a wait reports now: the data of the only event, or -1 if there is none. */
static long long reported(int epfd)
{
    struct epoll_event events[2];
    int count = epoll_wait(epfd, events, 2, 0);

    CHECK(count == 0 || count == 1);
    return count == 0 ? -1 : (long long)events[0].data.u64;
}

/* Deferred again: nothing that happened before has ended that. */
static void check_goes_on(int epfd)
{
    int fd = ready();

    CHECK_EQUAL(add(epfd, fd, 99), 0);
    CHECK_DEFERRED(epfd, fd);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK(!interest(epfd, fd, NULL));
    CHECK_EQUAL(close(fd), 0);
}

/* At once from now on: others may look at the instance at any time. */
static void check_stopped(int epfd)
{
    int fd = ready();

    CHECK_EQUAL(add(epfd, fd, 99), 0);
    CHECK_KNOWN(epfd, fd);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN, 98), 0);
    CHECK_EQUAL(reported(epfd), 98);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK(!interest(epfd, fd, NULL));
    CHECK_EQUAL(close(fd), 0);
}

/* What is deferred. */

static void check_deferred(int epfd, int fd, int *ends)
{
    struct epoll_event event;

    CHECK(fd >= 0);
    CHECK_EQUAL(add(epfd, fd, 1), 0);
    CHECK_DEFERRED(epfd, fd);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0) < 0, 0);
    CHECK_KNOWN(epfd, fd);
    CHECK_EQUAL(mod(epfd, fd, EPOLLET, 5), 0);
    CHECK(interest(epfd, fd, &event));
    CHECK_EQUAL(event.data.u64, is_transparent() ? 1 : 5);
    CHECK_EQUAL(reported(epfd) == 1, 0);
    CHECK(interest(epfd, fd, &event));
    CHECK_EQUAL(event.data.u64, 5);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK_EQUAL(interest(epfd, fd, NULL), is_transparent());
    CHECK_EQUAL(reported(epfd), -1);
    CHECK(!interest(epfd, fd, NULL));
    CHECK_EQUAL(close(fd), 0);
    if (ends != NULL) {
        CHECK_EQUAL(close(ends[1]), 0);
    }
}

static void body_kinds(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int ends[2];
    int listener;
    int client;

    CHECK_EQUAL(pipe(ends), 0);
    check_deferred(epfd, ends[0], ends);
    CHECK_EQUAL(pipe2(ends, O_NONBLOCK), 0);
    check_deferred(epfd, ends[0], ends);
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    check_deferred(epfd, ends[0], ends);
    check_deferred(epfd, eventfd(0, 0), NULL);
    check_deferred(epfd, timerfd_create(CLOCK_MONOTONIC, 0), NULL);
    check_deferred(epfd, socket(AF_INET, SOCK_STREAM, 0), NULL);
    check_deferred(epfd, socket(AF_INET, SOCK_DGRAM, 0), NULL);
    check_deferred(epfd, (int)syscall(SYS_eventfd2, 0, 0), NULL);
    check_deferred((int)syscall(SYS_epoll_create1, 0), eventfd(0, 0), NULL);
    check_deferred(epoll_create(1), eventfd(0, 0), NULL);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_EQUAL(listen(listener, 1), 0);
    CHECK_EQUAL(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    for (int round = 0; round < 2; round++) {
        client = socket(AF_INET, SOCK_STREAM, 0);
        CHECK_EQUAL(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
        check_deferred(epfd,
                       round == 0 ? accept(listener, NULL, NULL) : accept4(listener, NULL, NULL, 0),
                       NULL);
        CHECK_EQUAL(close(client), 0);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    isolate(body_kinds);
}

/* Waits. */

enum waiter { WAIT, PWAIT, PWAIT2, NUMBER_WAIT, NUMBER_PWAIT, NUMBER_PWAIT2, WAITERS };

static int wait_by(enum waiter waiter, int epfd, struct epoll_event *events, int most, int timeout)
{
    const struct timespec *time = timeout == 0 ? &no_time : NULL;

    switch (waiter) {
    case WAIT:
        return epoll_wait(epfd, events, most, timeout);
    case PWAIT:
        return epoll_pwait(epfd, events, most, timeout, NULL);
    case PWAIT2:
        return epoll_pwait2(epfd, events, most, time, NULL);
    case NUMBER_WAIT:
        return (int)syscall(SYS_epoll_wait, epfd, events, most, timeout);
    case NUMBER_PWAIT:
        return (int)syscall(SYS_epoll_pwait, epfd, events, most, timeout, NULL, 8);
    default:
        return (int)syscall(SYS_epoll_pwait2, epfd, events, most, time, NULL, 8);
    }
}

static void body_waits(void)
{
    for (enum waiter waiter = WAIT; waiter < WAITERS; waiter++) {
        struct epoll_event events[2];
        int other = epoll_create1(0);
        int epfd = epoll_create1(0);
        int fd = ready();

        CHECK_EQUAL(add(epfd, fd, 77), 0);
        CHECK_DEFERRED(epfd, fd);
        CHECK_EQUAL(wait_by(waiter, other, events, 2, 0), 0);
        CHECK_DEFERRED(epfd, fd);
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2, 0), 1);
        CHECK_EQUAL(events[0].data.u64, 77);
        CHECK_KNOWN(epfd, fd);
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2, 0), 1);
        check_goes_on(epfd);
        /* A wait that sleeps and finds something at once leaves nobody behind who waits. */
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2, -1), 1);
        check_goes_on(epfd);
        CHECK_EQUAL(del(epfd, fd), 0);
        CHECK_EQUAL(wait_by(waiter, epfd, events, 2, 0), 0);
        CHECK_EQUAL(add(epfd, fd, 77), 0);
        CHECK_FAILS(wait_by(waiter, epfd, events, 0, 0), EINVAL);
        CHECK_KNOWN(epfd, fd);
        check_goes_on(epfd);
    }
}

static void test_waits(void **state)
{
    (void)state;
    isolate(body_waits);
}

/* The last word counts, and the caller's struct is its own again. */
static void body_order(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    int epfd = epoll_create1(0);
    int fd = ready();

    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    event.data.u64 = 2;
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), 0);
    CHECK_EQUAL(del(epfd, fd), 0);
    event.data.u64 = 3;
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 4};
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), 0);
    memset(&event, 0xff, sizeof(event));
    CHECK_EQUAL(reported(epfd), 4);
    CHECK_EQUAL(reported(epfd), -1);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK_EQUAL(add(epfd, fd, 5), 0);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK_EQUAL(reported(epfd), -1);
    CHECK(!interest(epfd, fd, NULL));
    /* An edge that came before the MOD is told once more. */
    CHECK_EQUAL(add(epfd, fd, 6), 0);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN | EPOLLET, 7), 0);
    CHECK_EQUAL(reported(epfd), 7);
    CHECK_EQUAL(reported(epfd), -1);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN | EPOLLET, 8), 0);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN | EPOLLET, 9), 0);
    CHECK_EQUAL(reported(epfd), 9);
}

static void test_order(void **state)
{
    (void)state;
    isolate(body_order);
}

/* Who looks at an instance, or gets it. */

static int flush_by_name(void)
{
    union {
        void *object;
        int (*function)(void);
    } found = {.object = dlsym(RTLD_DEFAULT, "epbatch_flush")};

    CHECK_EQUAL(found.object != NULL, is_transparent());
    return found.object != NULL ? found.function() : 0;
}

static void look_flush(int epfd)
{
    (void)epfd;
    CHECK_EQUAL(flush_by_name(), 0);
}

static void look_poll(int epfd)
{
    struct pollfd fds[] = {{.fd = -1}, {.fd = epfd, .events = POLLIN}};

    CHECK_EQUAL(poll(fds, 2, 0), 1);
}

static void look_ppoll(int epfd)
{
    struct pollfd poll = {.fd = epfd, .events = POLLIN};

    CHECK_EQUAL(ppoll(&poll, 1, &no_time, NULL), 1);
}

static void look_number_poll(int epfd)
{
    struct pollfd poll = {.fd = epfd, .events = POLLIN};

    CHECK_EQUAL(syscall(SYS_poll, &poll, 1, 0), 1);
}

static void look_number_ppoll(int epfd)
{
    struct pollfd poll = {.fd = epfd, .events = POLLIN};
    struct timespec time = {0};

    CHECK_EQUAL(syscall(SYS_ppoll, &poll, 1, &time, NULL, 8), 1);
}

static void look_select(int epfd)
{
    struct timeval time = {0};
    fd_set set;

    FD_ZERO(&set);
    FD_SET(epfd, &set);
    CHECK_EQUAL(select(epfd + 1, &set, NULL, NULL, &time), 1);
}

static void look_pselect(int epfd)
{
    fd_set set;

    FD_ZERO(&set);
    FD_SET(epfd, &set);
    CHECK_EQUAL(pselect(epfd + 1, &set, NULL, NULL, &no_time, NULL), 1);
}

static void look_number_select(int epfd)
{
    struct timeval time = {0};
    fd_set set;

    FD_ZERO(&set);
    FD_SET(epfd, &set);
    CHECK_EQUAL(syscall(SYS_select, epfd + 1, &set, NULL, NULL, &time), 1);
}

static void look_dup(int epfd)
{
    CHECK(dup(epfd) >= 0);
}

static void look_dup2(int epfd)
{
    CHECK_EQUAL(dup2(epfd, 100), 100);
}

static void look_dup3(int epfd)
{
    CHECK_EQUAL(dup3(epfd, 100, O_CLOEXEC), 100);
}

static void look_fcntl(int epfd)
{
    CHECK(fcntl(epfd, F_DUPFD, 100) >= 100);
}

static void look_fcntl_cloexec(int epfd)
{
    CHECK(fcntl(epfd, F_DUPFD_CLOEXEC, 100) >= 100);
}

static void look_number_dup(int epfd)
{
    CHECK(syscall(SYS_dup, epfd) >= 0);
}

static void look_number_dup3(int epfd)
{
    CHECK_EQUAL(syscall(SYS_dup3, epfd, 100, 0), 100);
}

static void look_number_fcntl(int epfd)
{
    CHECK(syscall(SYS_fcntl, epfd, F_DUPFD, 100) >= 100);
}

/* A message that carries the instance. The control bytes lie in `ret_control`. */
static struct msghdr message_of(int epfd, struct iovec *part, char *ret_control, size_t size)
{
    struct msghdr message = {
        .msg_iov = part, .msg_iovlen = 1, .msg_control = ret_control, .msg_controllen = size};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    *part = (struct iovec){.iov_base = self, .iov_len = 1};
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(epfd));
    memcpy(CMSG_DATA(header), &epfd, sizeof(epfd));
    return message;
}

static void send_by(int epfd, int way)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part;
    struct msghdr message = message_of(epfd, &part, control, sizeof(control));
    struct mmsghdr messages[] = {{.msg_hdr = message}};
    int ends[2];

    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    if (way == 0) {
        CHECK_EQUAL(sendmsg(ends[0], &message, 0), 1);
    } else if (way == 1) {
        CHECK_EQUAL(sendmmsg(ends[0], messages, 1, 0), 1);
    } else {
        CHECK_EQUAL(syscall(SYS_sendmsg, ends[0], &message, 0), 1);
    }
}

static void look_sendmsg(int epfd)
{
    send_by(epfd, 0);
}

static void look_sendmmsg(int epfd)
{
    send_by(epfd, 1);
}

static void look_number_sendmsg(int epfd)
{
    send_by(epfd, 2);
}

static void expect_child(pid_t child, int expected)
{
    int status;

    CHECK(child > 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), expected);
}

static void look_fork(int epfd)
{
    pid_t child = fork();

    if (child == 0) {
        /* Once: what is pending must not be in the child's list as well. */
        _exit(reported(epfd) == 1 ? 0 : 1);
    }
    expect_child(child, 0);
}

static void look_bare_fork(int epfd)
{
    pid_t child = _Fork();

    if (child == 0) {
        _exit(reported(epfd) == 1 ? 0 : 1);
    }
    expect_child(child, 0);
}

static void look_vfork(int epfd)
{
    pid_t child = vfork();

    (void)epfd;
    if (child == 0) {
        _exit(3);
    }
    expect_child(child, 3);
}

static void look_number_fork(int epfd)
{
    pid_t child = (pid_t)syscall(SYS_fork);

    if (child == 0) {
        _exit(reported(epfd) == 1 ? 0 : 1);
    }
    expect_child(child, 0);
}

static int clone_start(void *argument)
{
    return reported(*(int *)argument) == 1 ? 0 : 1;
}

static void look_clone(int epfd)
{
    static _Alignas(16) char stack[1 << 17];

    expect_child(clone(clone_start, stack + sizeof(stack), SIGCHLD, &epfd), 0);
}

/* Runs this program as: --look EPFD, which says whether it finds the instance ready. */
static char **look_arguments(int epfd)
{
    static char number[16];
    static char *arguments[] = {self, (char *)"--look", number, NULL};

    snprintf(number, sizeof(number), "%d", epfd);
    return arguments;
}

static void look_spawn(int epfd)
{
    pid_t child;

    CHECK_EQUAL(posix_spawn(&child, self, NULL, NULL, look_arguments(epfd), environ), 0);
    expect_child(child, 0);
}

static void look_system(int epfd)
{
    char command[sizeof(self) + 64];

    snprintf(command, sizeof(command), "'%s' --look %d", self, epfd);
    CHECK_EQUAL(system(command), 0);
}

static void look_popen(int epfd)
{
    char command[sizeof(self) + 64];
    FILE *stream;

    snprintf(command, sizeof(command), "'%s' --look %d", self, epfd);
    stream = popen(command, "re");
    CHECK(stream != NULL);
    CHECK_EQUAL(pclose(stream), 0);
}

static void look_unshare(int epfd)
{
    (void)epfd;
    CHECK_EQUAL(unshare(CLONE_FILES), 0);
}

static void look_nest(int epfd)
{
    int outer = epoll_create1(0);

    CHECK_EQUAL(add(outer, epfd, 1), 0);
    CHECK_KNOWN(outer, epfd);
    CHECK_EQUAL(reported(outer), 1);
    /* What it finds in the inner one may depend on who looks. A DEL does not end that. */
    CHECK_EQUAL(del(outer, epfd), 0);
    check_stopped(outer);
}

/* The poll method of an inherited file that is no socket or pipe may depend on who looks. */
static void look_foreign(int epfd)
{
    int instance = inotify_init1(IN_CLOEXEC);

    CHECK_EQUAL(add(epfd, instance, 2), 0);
}

static void look_failing_exec(int epfd)
{
    CHECK_FAILS(execl("/nonexistent", "nonexistent", NULL), ENOENT);
    CHECK_FAILS(execv("/nonexistent", look_arguments(epfd)), ENOENT);
}

static const struct look {
    const char *name;
    void (*look)(int epfd);
    bool stops; /* afterwards nothing is deferred on that instance */
} looks[] = {
    {"epbatch_flush", look_flush, false},
    {"poll", look_poll, true},
    {"ppoll", look_ppoll, true},
    {"SYS_poll", look_number_poll, true},
    {"SYS_ppoll", look_number_ppoll, true},
    {"select", look_select, true},
    {"pselect", look_pselect, true},
    {"SYS_select", look_number_select, true},
    {"dup", look_dup, true},
    {"dup2", look_dup2, true},
    {"dup3", look_dup3, true},
    {"F_DUPFD", look_fcntl, true},
    {"F_DUPFD_CLOEXEC", look_fcntl_cloexec, true},
    {"SYS_dup", look_number_dup, true},
    {"SYS_dup3", look_number_dup3, true},
    {"SYS_fcntl", look_number_fcntl, true},
    {"sendmsg", look_sendmsg, true},
    {"sendmmsg", look_sendmmsg, true},
    {"SYS_sendmsg", look_number_sendmsg, true},
    {"fork", look_fork, true},
    {"_Fork", look_bare_fork, true},
    {"vfork", look_vfork, true},
    {"SYS_fork", look_number_fork, true},
    {"clone", look_clone, true},
    {"posix_spawn", look_spawn, true},
    {"system", look_system, true},
    {"popen", look_popen, true},
    {"unshare", look_unshare, true},
    {"nested", look_nest, true},
    {"foreign target", look_foreign, true},
    {"exec that fails", look_failing_exec, false},
};

static const struct look *looking;

static void body_look(void)
{
    int epfd = epoll_create1(0);
    int fd = ready();

    CHECK_EQUAL(add(epfd, fd, 1), 0);
    CHECK_DEFERRED(epfd, fd);
    looking->look(epfd);
    CHECK_KNOWN(epfd, fd);
    CHECK_EQUAL(reported(epfd), 1);
    CHECK_EQUAL(del(epfd, fd), 0);
    if (looking->stops) {
        check_stopped(epfd);
    } else {
        check_goes_on(epfd);
    }
}

static void test_looks(void **state)
{
    (void)state;
    for (size_t index = 0; index < sizeof(looks) / sizeof(*looks); index++) {
        looking = &looks[index];
        print_message("%s\n", looking->name);
        isolate(body_look);
    }
}

static void body_exec(void)
{
    int epfd = epoll_create1(0);

    CHECK_EQUAL(add(epfd, ready(), 1), 0);
    execv(self, look_arguments(epfd));
    CHECK(false);
}

static void test_exec(void **state)
{
    (void)state;
    isolate(body_exec);
}

/* The child of a fork that failed to come about, and one that has a new instance. */
static void body_fork_goes_on(void)
{
    pid_t child = fork();

    if (child == 0) {
        check_goes_on(epoll_create1(0));
        _exit(0);
    }
    expect_child(child, 0);
    check_goes_on(epoll_create1(0));
}

static void test_fork_goes_on(void **state)
{
    (void)state;
    isolate(body_fork_goes_on);
}

/* What happens to targets. */

static void close_close(int fd)
{
    CHECK_EQUAL(close(fd), 0);
}

static void close_number(int fd)
{
    CHECK_EQUAL(syscall(SYS_close, fd), 0);
}

static void close_range_one(int fd)
{
    CHECK_EQUAL(close_range((unsigned int)fd, (unsigned int)fd, 0), 0);
}

static void close_number_range(int fd)
{
    CHECK_EQUAL(syscall(SYS_close_range, fd, fd, 0), 0);
}

static void close_dup2(int fd)
{
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CHECK_EQUAL(dup2(other, fd), fd);
    CHECK_EQUAL(close(other), 0);
    CHECK_EQUAL(close(fd), 0);
}

static void close_dup3(int fd)
{
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CHECK_EQUAL(dup3(other, fd, O_CLOEXEC), fd);
    CHECK_EQUAL(close(other), 0);
    CHECK_EQUAL(close(fd), 0);
}

static void close_stream(int fd)
{
    FILE *stream = fdopen(fd, "r");

    CHECK(stream != NULL);
    CHECK_EQUAL(fclose(stream), 0);
}

static void (*const closes[])(int fd) = {
    close_close, close_number, close_range_one, close_number_range,
    close_dup2,  close_dup3,   close_stream,
};

/* What is pending must not outlive the close and hit what has the number next (B2), and must stay
 * in force if another number keeps the file (B4). */
static void body_close_target(void)
{
    for (size_t index = 0; index < sizeof(closes) / sizeof(*closes); index++) {
        int epfd = epoll_create1(0);
        int other = ready();
        int kept;
        int fd;

        CHECK_EQUAL(add(epfd, other, 2), 0);
        CHECK_EQUAL(mod(epfd, other, 0, 2), 0);
        fd = ready();
        CHECK_EQUAL(add(epfd, fd, 1), 0);
        CHECK_DEFERRED(epfd, fd);
        closes[index](fd);
        /* Before any other call: interest() uses the free number for a moment, and closes it. */
        CHECK_EQUAL(ready(), fd);
        CHECK(!interest(epfd, fd, NULL));
        /* Of the other number nothing had to be known. */
        CHECK_DEFERRED(epfd, other);
        CHECK_EQUAL(reported(epfd), -1);
        CHECK_EQUAL(add(epfd, fd, 3), 0);
        CHECK_DEFERRED(epfd, fd);
        CHECK_EQUAL(reported(epfd), 3);

        /* A DEL, an ADD, and a MOD of a file that has a second number. */
        CHECK_EQUAL(del(epfd, fd), 0);
        closes[index](fd);
        CHECK_EQUAL(ready(), fd);
        CHECK_EQUAL(reported(epfd), -1);
        CHECK_EQUAL(add(epfd, fd, 4), 0);
        kept = dup(fd);
        closes[index](fd);
        CHECK_EQUAL(reported(epfd), 4);
        CHECK_EQUAL(ready(), fd);
        CHECK_EQUAL(reported(epfd), 4);
        /* The same file under its old number again, of which the list has an entry still. */
        CHECK_EQUAL(dup2(kept, fd), fd);
        CHECK_FAILS(add(epfd, fd, 5), EEXIST);
        CHECK_EQUAL(mod(epfd, fd, EPOLLIN, 6), 0);
        CHECK_EQUAL(reported(epfd), 6);
        CHECK_EQUAL(del(epfd, fd), 0);
        CHECK_EQUAL(reported(epfd), -1);
        CHECK_EQUAL(close(fd), 0);
        CHECK_EQUAL(close(kept), 0);
        check_goes_on(epfd);
        CHECK_EQUAL(close(other), 0);
        CHECK_EQUAL(close(epfd), 0);
    }
}

static void test_close_target(void **state)
{
    (void)state;
    isolate(body_close_target);
}

/* What is pending on an instance must not reach the next one with the number (B6). */
static void body_close_instance(void)
{
    for (size_t index = 0; index < sizeof(closes) / sizeof(*closes) - 1; index++) {
        int fd = ready();
        int epfd = epoll_create1(0);

        CHECK_EQUAL(add(epfd, fd, 1), 0);
        closes[index](epfd);
        CHECK_FAILS(add(epfd, fd, 1), EBADF);
        CHECK_EQUAL(epoll_create1(0), epfd);
        CHECK_EQUAL(reported(epfd), -1);
        CHECK(!interest(epfd, fd, NULL));
        CHECK_EQUAL(add(epfd, fd, 2), 0);
        CHECK_DEFERRED(epfd, fd);
        CHECK_EQUAL(reported(epfd), 2);
        CHECK_EQUAL(close(epfd), 0);
        CHECK_EQUAL(close(fd), 0);
    }
}

static void test_close_instance(void **state)
{
    (void)state;
    isolate(body_close_instance);
}

static void body_closefrom(void)
{
    int fd = ready();
    int epfd = epoll_create1(0);
    int high = fcntl(ready(), F_DUPFD, 200);

    CHECK_EQUAL(add(epfd, fd, 1), 0);
    CHECK_EQUAL(add(epfd, high, 2), 0);
    closefrom(100);
    CHECK_EQUAL(fcntl(high, F_GETFD), -1);
    CHECK_EQUAL(dup2(fd, 201), 201);
    CHECK_FAILS(del(epfd, 200), EBADF);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK_EQUAL(reported(epfd), 2);
}

static void test_closefrom(void **state)
{
    (void)state;
    isolate(body_closefrom);
}

/* CLOSE_RANGE_CLOEXEC closes nothing, and a range that is refused neither. */
static void body_range_that_closes_nothing(void)
{
    int epfd = epoll_create1(0);
    int fd = ready();

    CHECK_EQUAL(add(epfd, fd, 1), 0);
    CHECK_EQUAL(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC), 0);
    CHECK_DEFERRED(epfd, fd);
    CHECK_FAILS(close_range(5, 3, 0), EINVAL);
    CHECK_DEFERRED(epfd, fd);
    CHECK_EQUAL(reported(epfd), 1);
}

static void test_range_that_closes_nothing(void **state)
{
    (void)state;
    isolate(body_range_that_closes_nothing);
}

/* These change a socket's readiness without a wakeup: an ADD before that must have been made. */
static void body_changes(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = 9};
    int epfd = epoll_create1(0);
    int bystander = ready();
    int low = 1;
    int stream = socket(AF_INET, SOCK_STREAM, 0);
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_EQUAL(add(epfd, bystander, 1), 0);
    CHECK_EQUAL(add(epfd, stream, 1), 0);
    CHECK_DEFERRED(epfd, stream);
    CHECK_EQUAL(setsockopt(stream, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)), 0);
    CHECK_KNOWN(epfd, stream);
    CHECK_DEFERRED(epfd, bystander);
    CHECK_EQUAL(mod(epfd, stream, EPOLLOUT, 5), 0);
    CHECK_EQUAL(syscall(SYS_setsockopt, stream, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)), 0);
    CHECK(interest(epfd, stream, NULL));
    CHECK_EQUAL(add(epfd, datagram, 1), 0);
    CHECK_DEFERRED(epfd, datagram);
    CHECK_EQUAL(connect(datagram, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_KNOWN(epfd, datagram);
    CHECK_DEFERRED(epfd, bystander);
    CHECK_EQUAL(mod(epfd, datagram, EPOLLIN, 6), 0);
    /* Under another number of the file. */
    stream = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(add(epfd, stream, 1), 0);
    CHECK_EQUAL(setsockopt(dup(stream), SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)), 0);
    CHECK_KNOWN(epfd, stream);
}

static void test_changes(void **state)
{
    (void)state;
    isolate(body_changes);
}

/* What is never certain. */

static struct epoll_event static_event = {.events = EPOLLIN, .data.u64 = 3};

static void body_errors_at_once(void)
{
    int epfd = epoll_create1(0);
    int fd = ready();
    int absent = ready();
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};

    CHECK_EQUAL(add(epfd, fd, 1), 0);
    CHECK_FAILS(add(epfd, fd, 2), EEXIST);
    /* To fail as it does natively the pair's own ADD had to be made. */
    CHECK_KNOWN(epfd, fd);
    CHECK_FAILS(mod(epfd, absent, EPOLLIN, 1), ENOENT);
    CHECK_FAILS(del(epfd, absent), ENOENT);
    CHECK_EQUAL(add(epfd, absent, 1), 0);
    CHECK_EQUAL(del(epfd, absent), 0);
    CHECK_FAILS(del(epfd, absent), ENOENT);
    CHECK_FAILS(mod(epfd, absent, EPOLLIN, 1), ENOENT);
    CHECK_FAILS(add(epfd, file, 1), EPERM);
    CHECK_FAILS(add(epfd, 200, 1), EBADF);
    CHECK_FAILS(add(epfd, -1, 1), EBADF);
    CHECK_FAILS(add(200, fd, 1), EBADF);
    CHECK_FAILS(add(-1, fd, 1), EBADF);
    CHECK_FAILS(add(fd, absent, 1), EINVAL);
    CHECK_FAILS(add(epfd, epfd, 1), EINVAL);
    CHECK_FAILS(epoll_ctl(epfd, 99, fd, &event), EINVAL);
    CHECK_FAILS(epoll_ctl(epfd, EPOLL_CTL_ADD, absent, NULL), EFAULT);
    CHECK_FAILS(epoll_ctl(epfd, EPOLL_CTL_ADD, absent, (struct epoll_event *)8), EFAULT);
    CHECK_FAILS(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, (struct epoll_event *)-1), EFAULT);
    /* DEL never reads its event. */
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_DEL, fd, (struct epoll_event *)8), 0);
    CHECK_FAILS(del(epfd, fd), ENOENT);
    check_goes_on(epfd);
}

static void test_errors_at_once(void **state)
{
    (void)state;
    isolate(body_errors_at_once);
}

/* An event that a look could fault on is left to the kernel to read. */
static void body_where_the_event_lies(void)
{
    struct epoll_event *heap = malloc(sizeof(*heap));
    int epfd = epoll_create1(0);
    int fd = ready();

    CHECK(heap != NULL);
    *heap = (struct epoll_event){.events = EPOLLIN, .data.u64 = 2};
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, heap), 0);
    CHECK_KNOWN(epfd, fd);
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &static_event), 0);
    CHECK_EQUAL(reported(epfd), 3);
    CHECK_EQUAL(del(epfd, fd), 0);
    /* The DEL was deferred. It must not be overtaken. */
    CHECK_EQUAL(interest(epfd, fd, NULL), is_transparent());
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, heap), 0);
    CHECK_KNOWN(epfd, fd);
    CHECK_EQUAL(reported(epfd), 2);
    free(heap);
}

static void test_where_the_event_lies(void **state)
{
    (void)state;
    isolate(body_where_the_event_lies);
}

static void body_events_at_once(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    int epfd = epoll_create1(0);
    int fd = ready();

    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    CHECK_KNOWN(epfd, fd);
    /* The kernel refuses it for such an entry, and with such a mask. */
    CHECK_FAILS(mod(epfd, fd, EPOLLIN, 1), EINVAL);
    CHECK_EQUAL(del(epfd, fd), 0);
    CHECK(!interest(epfd, fd, NULL));
    CHECK_EQUAL(add(epfd, fd, 1), 0);
    CHECK_FAILS(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), EINVAL);
    CHECK_EQUAL(mod(epfd, fd, EPOLLIN | EPOLLWAKEUP, 4), 0);
    CHECK(interest(epfd, fd, &event));
    CHECK_EQUAL(event.data.u64, 4);
    check_goes_on(epfd);
}

static void test_events_at_once(void **state)
{
    (void)state;
    isolate(body_events_at_once);
}

static int ready_instance(void)
{
    int epfd = epoll_create1(0);

    CHECK_EQUAL(add(epfd, ready(), 1), 0);
    return epfd;
}

static int inherited_pipe;

/* Numbers whose origin the shim did not see, or that another process has, too. */
static void body_unknown_targets(void)
{
    int epfd = epoll_create1(0);
    int other = epoll_create1(0);
    int ends[2];

    CHECK_EQUAL(add(epfd, inherited_pipe, 1), 0);
    CHECK_KNOWN(epfd, inherited_pipe);
    CHECK_FAILS(add(epfd, inherited_pipe, 1), EEXIST);
    CHECK_EQUAL(del(epfd, inherited_pipe), 0);
    CHECK(!interest(epfd, inherited_pipe, NULL));
    /* A target that is an instance: whether it nests too deep the kernel must say. */
    CHECK_EQUAL(add(epfd, other, 1), 0);
    CHECK_KNOWN(epfd, other);
    CHECK_FAILS(add(other, epfd, 1), ELOOP);
    /* After a fork the other process can keep the file, and with it the entry. */
    CHECK_EQUAL(pipe(ends), 0);
    look_fork(ready_instance());
    epfd = epoll_create1(0);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    CHECK_KNOWN(epfd, ends[0]);
}

static void test_unknown_targets(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    inherited_pipe = ends[0];
    isolate(body_unknown_targets);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* Threads. */

static int shared_epfd;
static enum waiter waiting_by;
static _Atomic int waiter_tid;

static void *thread_waits(void *timeout)
{
    struct epoll_event event;

    waiter_tid = gettid();
    CHECK_EQUAL(wait_by(waiting_by, shared_epfd, &event, 1, *(int *)timeout), 1);
    CHECK_EQUAL(event.data.u64, 7);
    return NULL;
}

static const long wait_numbers[WAITERS] = {
    [WAIT] = SYS_epoll_wait,          [PWAIT] = SYS_epoll_pwait,
    [PWAIT2] = SYS_epoll_pwait2,      [NUMBER_WAIT] = SYS_epoll_wait,
    [NUMBER_PWAIT] = SYS_epoll_pwait, [NUMBER_PWAIT2] = SYS_epoll_pwait2,
};

static pthread_t start_waiter(void)
{
    static int forever = -1;
    pthread_t thread;

    waiter_tid = 0;
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_waits, &forever), 0);
    while (waiter_tid == 0) {
        sched_yield();
    }
    await_thread_in(waiter_tid, wait_numbers[waiting_by]);
    return thread;
}

/* A thread that sleeps in a wait must be woken by what others register meanwhile (A2), and must not
 * be told of what they took off (A3). */
static void body_sleeper(void)
{
    for (waiting_by = WAIT; waiting_by < WAITERS; waiting_by++) {
        int calm = eventfd(0, EFD_NONBLOCK);
        int fd = ready();
        uint64_t one = 1;
        pthread_t thread;

        shared_epfd = epoll_create1(0);
        CHECK_EQUAL(add(shared_epfd, calm, 6), 0);
        CHECK_DEFERRED(shared_epfd, calm);
        thread = start_waiter();
        CHECK_KNOWN(shared_epfd, calm);
        CHECK_EQUAL(del(shared_epfd, calm), 0);
        CHECK(!interest(shared_epfd, calm, NULL));
        CHECK_EQUAL(write(calm, &one, sizeof(one)), (ssize_t)sizeof(one));
        CHECK_EQUAL(add(shared_epfd, fd, 7), 0);
        CHECK_EQUAL(pthread_join(thread, NULL), 0);
        CHECK_KNOWN(shared_epfd, fd);
        /* Nobody waits any more. */
        check_goes_on(shared_epfd);
        CHECK_EQUAL(close(fd), 0);
        CHECK_EQUAL(close(shared_epfd), 0);
    }
}

static void test_sleeper(void **state)
{
    (void)state;
    isolate(body_sleeper);
}

/* A wait that is cancelled is over, too. */
static void body_cancelled_sleeper(void)
{
    for (waiting_by = WAIT; waiting_by <= PWAIT2; waiting_by++) {
        pthread_t thread;
        void *result;

        shared_epfd = epoll_create1(0);
        thread = start_waiter();
        CHECK_EQUAL(pthread_cancel(thread), 0);
        CHECK_EQUAL(pthread_join(thread, &result), 0);
        CHECK(result == PTHREAD_CANCELED);
        check_goes_on(shared_epfd);
        CHECK_EQUAL(close(shared_epfd), 0);
    }
}

static void test_cancelled_sleeper(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* it takes the unwinding for an overflow, also natively */
#endif
    isolate(body_cancelled_sleeper);
}

/* A waiter's instance is closed under it, and the number given to another one. */
static void body_sleeper_loses_its_number(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};
    int fd = eventfd(0, EFD_NONBLOCK);
    uint64_t one = 1;
    pthread_t thread;

    waiting_by = WAIT;
    shared_epfd = epoll_create1(0);
    CHECK_EQUAL(epoll_ctl(shared_epfd, EPOLL_CTL_ADD, fd, &event), 0);
    thread = start_waiter();
    CHECK_EQUAL(close(shared_epfd), 0);
    CHECK_EQUAL(epoll_create1(0), shared_epfd);
    /* The sleeper is not this instance's. */
    check_goes_on(shared_epfd);
    CHECK_EQUAL(write(fd, &one, sizeof(one)), (ssize_t)sizeof(one));
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    check_goes_on(shared_epfd);
}

static void test_sleeper_loses_its_number(void **state)
{
    (void)state;
    isolate(body_sleeper_loses_its_number);
}

static int blocked_pipe[2];

static void *thread_polls(void *unused)
{
    struct pollfd poll_fd = {.fd = blocked_pipe[0], .events = POLLIN};

    (void)unused;
    waiter_tid = gettid();
    CHECK_EQUAL(poll(&poll_fd, 1, -1), 1);
    return NULL;
}

/* A call that is under way keeps the file, and with it the entry, beyond the close (B14): a DEL
 * that is pending at the close must have been made. */
static void body_call_keeps_the_file(void)
{
    int epfd = epoll_create1(0);
    pthread_t thread;

    CHECK_EQUAL(pipe2(blocked_pipe, O_NONBLOCK), 0);
    CHECK_EQUAL(add(epfd, blocked_pipe[0], 1), 0);
    CHECK_EQUAL(reported(epfd), -1);
    waiter_tid = 0;
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_polls, NULL), 0);
    while (waiter_tid == 0) {
        sched_yield();
    }
    await_thread_in(waiter_tid, SYS_poll);
    CHECK_EQUAL(del(epfd, blocked_pipe[0]), 0);
    CHECK_EQUAL(close(blocked_pipe[0]), 0);
    CHECK(!interest(epfd, blocked_pipe[0], NULL));
    CHECK_EQUAL(write(blocked_pipe[1], "x", 1), 1);
    CHECK_EQUAL(reported(epfd), -1);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void test_call_keeps_the_file(void **state)
{
    (void)state;
    isolate(body_call_keeps_the_file);
}

static void *thread_registers(void *fd)
{
    CHECK_EQUAL(add(shared_epfd, *(int *)fd, 4), 0);
    return NULL;
}

/* What a thread deferred is not lost with it, and what another one does stays behind it. */
static void body_threads_share(void)
{
    int fd = ready();
    pthread_t thread;

    shared_epfd = epoll_create1(0);
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_registers, &fd), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_DEFERRED(shared_epfd, fd);
    CHECK_FAILS(add(shared_epfd, fd, 5), EEXIST);
    CHECK_EQUAL(mod(shared_epfd, fd, EPOLLIN, 6), 0);
    CHECK_EQUAL(reported(shared_epfd), 6);
}

static void test_threads_share(void **state)
{
    (void)state;
    isolate(body_threads_share);
}

/* More than one batch of the backend, and more than the room for operations. */
static void body_many(void)
{
    enum { TARGETS = 100, CALLS = 70000 };
    int epfd = epoll_create1(0);
    int fds[TARGETS];

    for (int index = 0; index < TARGETS; index++) {
        fds[index] = eventfd(0, EFD_NONBLOCK);
        CHECK_EQUAL(add(epfd, fds[index], (uint64_t)index), 0);
    }
    for (int call = 0; call < CALLS; call++) {
        int index = call % TARGETS;

        CHECK_EQUAL(del(epfd, fds[index]), 0);
        CHECK_EQUAL(add(epfd, fds[index], (uint64_t)call), 0);
    }
    CHECK_EQUAL(reported(epfd), -1);
    for (int index = 0; index < TARGETS; index++) {
        struct epoll_event event;

        CHECK(interest(epfd, fds[index], &event));
        CHECK_EQUAL(event.data.u64, CALLS - TARGETS + index);
    }
    check_goes_on(epfd);
}

static void test_many(void **state)
{
    (void)state;
    isolate(body_many);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_fork_goes_on),
        cmocka_unit_test(test_close_target),
        cmocka_unit_test(test_close_instance),
        cmocka_unit_test(test_closefrom),
        cmocka_unit_test(test_range_that_closes_nothing),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_errors_at_once),
        cmocka_unit_test(test_where_the_event_lies),
        cmocka_unit_test(test_events_at_once),
        cmocka_unit_test(test_unknown_targets),
        cmocka_unit_test(test_sleeper),
        cmocka_unit_test(test_cancelled_sleeper),
        cmocka_unit_test(test_sleeper_loses_its_number),
        cmocka_unit_test(test_call_keeps_the_file),
        cmocka_unit_test(test_threads_share),
        cmocka_unit_test(test_many),
    };

    if (argc == 3 && strcmp(argv[1], "--look") == 0) {
        return reported((int)strtol(argv[2], NULL, 10)) == 1 ? 0 : 1;
    }
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    return cmocka_run_group_tests_name("shim.transparent", tests, NULL, NULL);
}
