/*
 * Threads that create, control, wait and close at the same time must not corrupt the shim's memory
 * or stop each other, and under `hash` and `tls` a child forked in the middle of that must find
 * the shim usable. Most telling under -fsanitize=thread and address.
 */
#include "tests/unit/shim/support.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS  300
#define FORKS   100

/* Pairs of calls before each wait on the shared instance: enough to make a list grow. */
#define CALLS 20

static int shared_epfd;
static atomic_bool stop;

/* One life of an instance; the results are the thread's own, so they are certain. */
static void use_own_instance(void)
{
    struct epoll_event events[2];
    int epfd = epoll_create1(0);
    int target = eventfd(1, EFD_NONBLOCK);

    CHECK(epfd >= 0);
    CHECK(target >= 0);
    CHECK_EQUAL(add(epfd, target, 5), 0);
    CHECK_EQUAL(epoll_wait(epfd, events, 2, 0), 1);
    CHECK_EQUAL(events[0].data.u64, 5);
    CHECK_EQUAL(close(target), 0);
    CHECK_EQUAL(close(epfd), 0);
}

/* What happens on the shared instance depends on the other threads: only the fall-out counts. */
static void use_shared_instance(int target)
{
    struct epoll_event event;

    for (int call = 0; call < CALLS; call++) {
        (void)add(shared_epfd, target, 1);
        (void)epoll_ctl(shared_epfd, EPOLL_CTL_DEL, target, NULL);
    }
    (void)epoll_wait(shared_epfd, &event, 1, 0);
}

static void *thread_rounds(void *unused)
{
    int target = eventfd(1, EFD_NONBLOCK);

    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        use_own_instance();
        use_shared_instance(target);
    }
    CHECK_EQUAL(close(target), 0);
    return NULL;
}

static void body_all_at_once(void)
{
    pthread_t threads[THREADS];

    shared_epfd = epoll_create1(0);
    for (int index = 0; index < THREADS; index++) {
        CHECK_EQUAL(pthread_create(&threads[index], NULL, thread_rounds, NULL), 0);
    }
    for (int index = 0; index < THREADS; index++) {
        CHECK_EQUAL(pthread_join(threads[index], NULL), 0);
    }
}

static void test_all_at_once(void **state)
{
    (void)state;
    /* Without a close hook an instance's number may be used anew while naive still has calls. */
    isolate(body_all_at_once);
}

static void *thread_until_stop(void *unused)
{
    int target = eventfd(1, EFD_NONBLOCK);

    (void)unused;
    while (!stop) {
        use_shared_instance(target);
    }
    return NULL;
}

static void body_fork_amid(void)
{
    pthread_t thread;

    if (by_policy(0, 1, 0, 0)) {
        return; /* naive has no fork hook: its child may find the lock taken (hazard F3) */
    }
    shared_epfd = epoll_create1(0);
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_until_stop, NULL), 0);
    for (int round = 0; round < FORKS; round++) {
        int status;
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            die_with_parent();
            use_own_instance();
            _exit(0);
        }
        CHECK_EQUAL(waitpid(child, &status, 0), child);
        CHECK_EQUAL(status, 0);
    }
    stop = true;
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void test_fork_amid(void **state)
{
    (void)state;
    isolate(body_fork_amid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_fork_amid),
    };

    return cmocka_run_group_tests_name("shim.stress", tests, NULL, NULL);
}
