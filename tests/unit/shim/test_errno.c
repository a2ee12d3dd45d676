/*
 * A call that succeeds must not change errno, whatever the shim had to do for it: allocate, take
 * a failed operation up again, or drop a failed batch (hazards C13, C14).
 */
#include "tests/unit/shim/support.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* An errno that none of these calls produces. */
#define MARK ELIBBAD

/* More than the lists' first capacities, so that memory is taken several times. */
#define CALLS 5000

#define CHECK_UNTOUCHED(call, expected)                                                            \
    do {                                                                                           \
        errno = MARK;                                                                              \
        CHECK_EQUAL(call, expected);                                                               \
        CHECK_EQUAL(errno, MARK);                                                                  \
    } while (0)

static void body_successes(void)
{
    const struct timespec no_time = {0};
    struct epoll_event event = {.events = EPOLLIN};
    int target = eventfd(1, EFD_NONBLOCK);
    int epfd;

    errno = MARK;
    epfd = epoll_create1(0);
    CHECK_EQUAL(errno, MARK);
    CHECK_UNTOUCHED(epoll_ctl(epfd, EPOLL_CTL_ADD, target, &event), 0);
    CHECK_UNTOUCHED(epoll_wait(epfd, &event, 1, 0), 1);
    for (int call = 0; call < CALLS; call++) {
        CHECK_UNTOUCHED(epoll_ctl(epfd, EPOLL_CTL_MOD, target, &event), 0);
    }
    CHECK_UNTOUCHED(epoll_pwait(epfd, &event, 1, 0, NULL), 1);
    CHECK_UNTOUCHED(epoll_ctl(epfd, EPOLL_CTL_DEL, target, NULL), 0);
    CHECK_UNTOUCHED(epoll_pwait2(epfd, &event, 1, &no_time, NULL), 0);
    CHECK_UNTOUCHED(close(target), 0);
    CHECK_UNTOUCHED(close(epfd), 0);
    errno = MARK;
    epfd = epoll_create(1);
    CHECK_EQUAL(errno, MARK);
}

static void test_successes(void **state)
{
    (void)state;
    isolate(body_successes);
}

/* Leaves operations pending that succeed at the second try only, or natively does it right. */
static void leave_fixable(int epfd, int absent)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (by_policy(0, 0, 1, 1)) {
        CHECK_UNTOUCHED(epoll_ctl(epfd, EPOLL_CTL_MOD, absent, &event), 0);
        CHECK_UNTOUCHED(epoll_ctl(epfd, EPOLL_CTL_ADD, absent, &event), 0);
        CHECK_UNTOUCHED(epoll_ctl(epfd, EPOLL_CTL_DEL, absent, &event), 0);
    }
}

/* Leaves an operation pending that fails, or natively does nothing. */
static void leave_failing(int epfd, int absent)
{
    if (by_policy(0, 1, 1, 1)) {
        CHECK_UNTOUCHED(epoll_ctl(epfd, EPOLL_CTL_DEL, absent, NULL), 0);
    }
}

static void body_failures_inside(void)
{
    struct epoll_event event;
    int epfd = epoll_create1(0);
    int absent = eventfd(1, EFD_NONBLOCK);
    pid_t child;

    leave_fixable(epfd, absent);
    CHECK_UNTOUCHED(epoll_wait(epfd, &event, 1, 0), 0);
    leave_fixable(epfd, absent);
    CHECK_UNTOUCHED(close(dup(absent)), 0);
    leave_failing(epfd, absent);
    CHECK_UNTOUCHED(close(dup(absent)), 0);
    leave_failing(epfd, absent);
    errno = MARK;
    child = fork();
    CHECK_EQUAL(errno, MARK);
    if (child == 0) {
        _exit(0);
    }
    CHECK_EQUAL(waitpid(child, NULL, 0), child);
}

static void test_failures_inside(void **state)
{
    (void)state;
    isolate(body_failures_inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_successes),
        cmocka_unit_test(test_failures_inside),
    };

    return cmocka_run_group_tests_name("shim.errno", tests, NULL, NULL);
}
