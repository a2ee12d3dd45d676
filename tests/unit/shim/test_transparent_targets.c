/* What is pending on a target must be carried out before it is closed, replaced or changed. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_target), cmocka_unit_test(test_close_instance),
        cmocka_unit_test(test_closefrom),    cmocka_unit_test(test_range_that_closes_nothing),
        cmocka_unit_test(test_changes),
    };

    return cmocka_run_group_tests_name("shim.transparent_targets", tests, NULL, NULL);
}
