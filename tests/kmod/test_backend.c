/*
 * The shim's backend `module`. What must not happen: that its descriptor takes a number that the
 * program could get, or moves a limit; that it believes a file which is not the device; that a
 * batch ends otherwise than by the plain loop, whatever its length, and where null events and
 * failures stand.
 */
#include "shim/backend.h"
#include "tests/kmod/device.h"
#include "tests/unit/shim/uring_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG = 200, CHUNK = 64, NUMBERS = 1024 };

static void start(void)
{
    const char *why = backend_module.start();

    if (why != NULL) {
        dprintf(STDERR_FILENO, "start: %s\n", why);
    }
    CHECK(why == NULL);
}

/* The only descriptor from 256 on. */
static int find_number(void)
{
    int found = -1;

    for (int number = 256; number < NUMBERS; number++) {
        if (fcntl(number, F_GETFD) >= 0) {
            CHECK_EQUAL(found, -1);
            CHECK_EQUAL(fcntl(number, F_GETFD), FD_CLOEXEC);
            found = number;
        }
    }
    return found;
}

static struct backend_counters count(void)
{
    static struct backend_counters before;
    struct backend_counters now, since;

    backend_read_counters(&now);
    since = now;
    since.calls -= before.calls;
    for (size_t why = 0; why < FALLBACK_KINDS; why++) {
        since.fallbacks[why] -= before.fallbacks[why];
    }
    before = now;
    return since;
}

static void set_limit(rlim_t soft, rlim_t hard)
{
    const struct rlimit limit = {soft, hard};

    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void the_number_is_out_of_the_way(void)
{
    int lowest = dup(0);
    int open_before;

    CHECK_EQUAL(close(lowest), 0);
    open_before = count_descriptors();
    start();
    CHECK_EQUAL(count_descriptors(), open_before + 1);
    CHECK(find_number() >= 256);
    CHECK_EQUAL(dup(0), lowest);
}

static void a_low_limit_stays(void)
{
    struct rlimit limit;
    int next = dup(0);

    CHECK_EQUAL(close(next), 0);
    set_limit((rlim_t)next, 4096);
    start();
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQUAL(limit.rlim_cur, next);
    CHECK_EQUAL(limit.rlim_max, 4096);
    CHECK_EQUAL(dup(0), -1);
    CHECK_EQUAL(errno, EMFILE);
    set_limit(4096, 4096);
    CHECK(find_number() >= 256);
}

static void no_number_is_a_refusal(void)
{
    int before = count_descriptors();
    const char *why;

    set_limit(200, 200);
    why = backend_module.start();
    CHECK(why != NULL);
    CHECK(strstr(why, "RLIMIT_NOFILE leaves no number from 256 to 1023") != NULL);
    CHECK_EQUAL(count_descriptors(), before);
}

/* A vector that adds count eventfds, one of them twice, and one by a null event. */
static void fill(struct pending_op *ops, size_t length, int epfd)
{
    for (size_t index = 0; index < length; index++) {
        ops[index] =
            operation(epfd, EPOLL_CTL_ADD, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN);
        CHECK(ops[index].fd >= 0);
        ops[index].result = 1;
    }
}

static void check_carried_out(bool by_module)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    struct pending_op ops[LONG];
    struct backend_counters counters;

    fill(ops, LONG, epfd);
    (void)count();
    CHECK_EQUAL(backend_module.execute(ops, LONG, BATCH_ALL), 0);
    for (size_t index = 0; index < LONG; index++) {
        CHECK_EQUAL(ops[index].result, 0);
        CHECK_EQUAL(close(ops[index].fd), 0);
    }
    counters = count();
    CHECK_EQUAL(counters.fallbacks[FALLBACK_REFUSED] == 0, by_module);
    CHECK_EQUAL(counters.calls < LONG, by_module);
    CHECK_EQUAL(close(epfd), 0);
}

static void another_file_is_not_believed(void)
{
    static const char *const paths[] = {"/dev/null", "/dev/zero", "/proc/self/exe", "/dev/ttyS0",
                                        "/dev/kmsg"};
    int pair[2];
    int number;

    start();
    number = find_number();
    check_carried_out(true);
    CHECK_EQUAL(close(number), 0);
    check_carried_out(false);
    for (size_t index = 0; index < sizeof(paths) / sizeof(paths[0]); index++) {
        int other = open(paths[index], O_RDONLY | O_CLOEXEC | O_NOCTTY);

        CHECK(other >= 0);
        CHECK_EQUAL(dup3(other, number, O_CLOEXEC), number);
        CHECK_EQUAL(close(other), 0);
        check_carried_out(false);
    }
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQUAL(dup2(pair[0], number), number);
    check_carried_out(false);
    /* The device itself may come back. */
    CHECK_EQUAL(dup2(device_open(), number), number);
    check_carried_out(true);
}

static void compare(unsigned int flags, size_t failing, size_t null)
{
    struct pending_op plain[LONG], carried[LONG];
    int instances[2] = {epoll_create1(EPOLL_CLOEXEC), epoll_create1(EPOLL_CLOEXEC)};

    fill(plain, LONG, instances[0]);
    if (failing > 0) {
        plain[failing] = plain[failing - 1];
    }
    if (null > 0) {
        plain[null].has_event = false;
    }
    memcpy(carried, plain, sizeof(carried));
    for (size_t index = 0; index < LONG; index++) {
        carried[index].epfd = instances[1];
    }
    CHECK_EQUAL(backend_module.execute(carried, LONG, flags),
                backend_syscall.execute(plain, LONG, flags));
    for (size_t index = 0; index < LONG; index++) {
        CHECK_EQUAL(carried[index].result, plain[index].result);
        (void)close(plain[index].fd);
    }
    CHECK_EQUAL(close(instances[0]), 0);
    CHECK_EQUAL(close(instances[1]), 0);
}

static void as_the_plain_loop(void)
{
    static const size_t places[] = {0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, LONG - 1};

    start();
    for (size_t failing = 0; failing < sizeof(places) / sizeof(places[0]); failing++) {
        for (size_t null = 0; null < sizeof(places) / sizeof(places[0]); null++) {
            for (unsigned int flags = 0; flags <= (BATCH_FIXUPS | BATCH_ALL); flags++) {
                compare(flags, places[failing], places[null]);
            }
        }
    }
}

static void a_child_has_it_too(void)
{
    int status;
    pid_t child;

    start();
    child = fork();
    if (child == 0) {
        check_carried_out(true);
        _exit(0);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
}

#define TEST(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        isolate(name);                                                                             \
    }
TEST(the_number_is_out_of_the_way)
TEST(a_low_limit_stays)
TEST(no_number_is_a_refusal)
TEST(another_file_is_not_believed)
TEST(as_the_plain_loop)
TEST(a_child_has_it_too)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_number_is_out_of_the_way),
        cmocka_unit_test(test_a_low_limit_stays),
        cmocka_unit_test(test_no_number_is_a_refusal),
        cmocka_unit_test(test_another_file_is_not_believed),
        cmocka_unit_test(test_as_the_plain_loop),
        cmocka_unit_test(test_a_child_has_it_too),
    };

    close(device_open());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
