/* Whoever could look at an instance, or gets it, must find everything carried out. */
#include "tests/unit/shim/transparent_support.h"

#include <dlfcn.h>
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

static char self[4096];

static const struct timespec no_time;

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_fork_goes_on),
    };

    if (argc == 3 && strcmp(argv[1], "--look") == 0) {
        return reported((int)strtol(argv[2], NULL, 10)) == 1 ? 0 : 1;
    }
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    return cmocka_run_group_tests_name("shim.transparent_looks", tests, NULL, NULL);
}
