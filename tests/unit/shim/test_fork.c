/*
 * Under `hash` and `tls` what is pending at a fork must not be carried out by both processes
 * (seed, "Forking"; hazard F1). `naive` has no fork hook and must show that hazard. fork's result
 * and errno must stay its own, the child must be able to use the shim, and an atfork handler that
 * closes a descriptor must not deadlock.
 */
#include "tests/unit/shim/support.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(pid_t child)
{
    int status;

    CHECK(child > 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void body_done_once(void)
{
    struct epoll_event event;
    int epfd = epoll_create1(0);
    int ends[2];
    pid_t child;

    ready_pipe(ends);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    child = fork();
    if (child == 0) {
        CHECK_EQUAL(interest(epfd, ends[0], NULL), by_policy(1, 0, 1, 1));
        CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 1);
        _exit(0);
    }
    CHECK_EQUAL(status_of(child), 0);
    /* The child's copy of naive's list has registered the pipe already. */
    errno = 0;
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(1, -1, 1, 1));
    CHECK_EQUAL(errno, by_policy(0, EEXIST, 0, 0));
}

static void test_done_once(void **state)
{
    (void)state;
    isolate(body_done_once);
}

static void body_child_goes_on(void)
{
    int epfd = epoll_create1(0);
    pid_t child = fork();

    if (child == 0) {
        struct epoll_event event;
        int other = eventfd(1, EFD_NONBLOCK);

        CHECK_EQUAL(add(epfd, other, 1), 0);
        CHECK_EQUAL(interest(epfd, other, NULL), by_policy(1, 0, 0, 0));
        CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 1);
        CHECK_EQUAL(close(other), 0);
        child = fork();
        if (child == 0) {
            _exit(7);
        }
        CHECK_EQUAL(status_of(child), 7);
        _exit(0);
    }
    CHECK_EQUAL(status_of(child), 0);
}

static void test_child_goes_on(void **state)
{
    (void)state;
    isolate(body_child_goes_on);
}

static void body_error_of_the_flush(void)
{
    int epfd = epoll_create1(0);
    int target = eventfd(1, EFD_NONBLOCK);
    pid_t child;

    (void)epoll_ctl(epfd, EPOLL_CTL_DEL, target, NULL);
    CHECK_EQUAL(add(epfd, target, 1), 0);
    errno = ELIBBAD;
    child = fork();
    if (child == 0) {
        CHECK_EQUAL(errno, ELIBBAD);
        _exit(3);
    }
    CHECK_EQUAL(errno, ELIBBAD);
    CHECK_EQUAL(status_of(child), 3);
    CHECK_EQUAL(interest(epfd, target, NULL), by_policy(1, 0, 0, 0));
}

static void test_error_of_the_flush(void **state)
{
    (void)state;
    isolate(body_error_of_the_flush);
}

static int atfork_target;

static void atfork_close(void)
{
    CHECK_EQUAL(close(atfork_target), 0);
    atfork_target = eventfd(1, EFD_NONBLOCK);
    CHECK(atfork_target >= 0);
}

static void body_atfork_handlers(void)
{
    struct epoll_event event;
    int epfd = epoll_create1(0);
    pid_t child;

    atfork_target = eventfd(1, EFD_NONBLOCK);
    CHECK_EQUAL(pthread_atfork(atfork_close, atfork_close, atfork_close), 0);
    CHECK_EQUAL(add(epfd, atfork_target, 1), 0);
    child = fork();
    if (child == 0) {
        _exit(4);
    }
    CHECK_EQUAL(status_of(child), 4);
    CHECK_EQUAL(add(epfd, atfork_target, 2), by_policy(0, 0, 0, 0));
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(1, -1, 1, 1));
}

static void test_atfork_handlers(void **state)
{
    (void)state;
    isolate(body_atfork_handlers);
}

static void body_failing_fork(void)
{
    const struct rlimit none = {0};
    int epfd = epoll_create1(0);
    int other = eventfd(1, EFD_NONBLOCK);

    /* Root may fork beyond its limit. */
    CHECK_EQUAL(setrlimit(RLIMIT_NPROC, &none), 0);
    if (geteuid() == 0) {
        CHECK_EQUAL(setresuid(65534, 65534, 65534), 0);
    }
    CHECK_EQUAL(add(epfd, other, 1), 0);
    CHECK_EQUAL(fork(), -1);
    CHECK_EQUAL(errno, EAGAIN);
    /* The lock is free again: this would block. */
    CHECK_EQUAL(close(other), 0);
}

static void test_failing_fork(void **state)
{
    (void)state;
    isolate(body_failing_fork);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done_once),          cmocka_unit_test(test_child_goes_on),
        cmocka_unit_test(test_error_of_the_flush), cmocka_unit_test(test_atfork_handlers),
        cmocka_unit_test(test_failing_fork),
    };

    return cmocka_run_group_tests_name("shim.fork", tests, NULL, NULL);
}
