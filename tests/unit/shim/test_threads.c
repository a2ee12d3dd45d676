/*
 * Under `naive` and `hash` a wait must not miss what another thread deferred on its epoll
 * instance; under `tls` it must, for lists are the threads' own (seed, "A New Approach"). A
 * sleeping waiter must not hold anything that stops the other threads. What a thread left pending
 * is lost with it under `tls`.
 */
#include "tests/unit/shim/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static int epfd;
static int target;
static pthread_barrier_t step;

static void pass_step(void)
{
    int result = pthread_barrier_wait(&step);

    CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void *thread_defers(void *unused)
{
    (void)unused;
    CHECK_EQUAL(add(epfd, target, 1), 0);
    pass_step(); /* 1: deferred */
    pass_step(); /* 2: the other thread has waited */
    if (by_policy(0, 0, 0, 1)) {
        struct epoll_event event;

        CHECK(!interest(epfd, target, NULL));
        CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 1);
    }
    pass_step(); /* 3 */
    return NULL;
}

static void body_wait_by_another(void)
{
    struct epoll_event event;
    pthread_t thread;

    epfd = epoll_create1(0);
    target = eventfd(1, EFD_NONBLOCK);
    CHECK_EQUAL(pthread_barrier_init(&step, NULL, 2), 0);
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_defers, NULL), 0);
    pass_step();
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(1, 1, 1, 0));
    CHECK_EQUAL(close(eventfd(0, 0)), 0);
    CHECK_EQUAL(interest(epfd, target, NULL), by_policy(1, 1, 1, 0));
    pass_step();
    pass_step();
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 1);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void test_wait_by_another(void **state)
{
    (void)state;
    isolate(body_wait_by_another);
}

static void *thread_leaves(void *unused)
{
    (void)unused;
    CHECK_EQUAL(add(epfd, target, 1), 0);
    return NULL;
}

static void body_thread_ends(void)
{
    struct epoll_event event;
    pthread_t thread;

    epfd = epoll_create1(0);
    target = eventfd(1, EFD_NONBLOCK);
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_leaves, NULL), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(1, 1, 1, 0));
}

static void test_thread_ends(void **state)
{
    (void)state;
    isolate(body_thread_ends);
}

static pthread_key_t late_key;

/* A destructor of the program's own that runs after the shim's and calls epoll_ctl. */
static void late_destructor(void *rounds)
{
    CHECK_EQUAL(add(epfd, target, 1), 0);
    if (--*(int *)rounds > 0) {
        CHECK_EQUAL(pthread_setspecific(late_key, rounds), 0);
    }
}

static void *thread_with_destructor(void *rounds)
{
    CHECK_EQUAL(add(epfd, target, 1), 0);
    CHECK_EQUAL(pthread_setspecific(late_key, rounds), 0);
    return NULL;
}

static void body_call_from_destructor(void)
{
    int rounds = 2;
    struct epoll_event event;
    pthread_t thread;

    if (by_policy(1, 0, 0, 0)) {
        return; /* the ADDs collide natively; this is about the lists' memory */
    }
    epfd = epoll_create1(0);
    target = eventfd(1, EFD_NONBLOCK);
    CHECK_EQUAL(pthread_key_create(&late_key, late_destructor), 0);
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_with_destructor, &rounds), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_EQUAL(rounds, 0);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), by_policy(0, -1, 1, 0));
}

static void test_call_from_destructor(void **state)
{
    (void)state;
    isolate(body_call_from_destructor);
}

static _Atomic int waiter_tid;

static void *thread_waits(void *unused)
{
    struct epoll_event event;

    (void)unused;
    waiter_tid = gettid();
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, -1), 1);
    return NULL;
}

static void body_sleeper_holds_nothing(void)
{
    struct epoll_event event;
    int other = epoll_create1(0);
    uint64_t one = 1;
    pthread_t thread;

    epfd = epoll_create1(0);
    target = eventfd(0, EFD_NONBLOCK);
    CHECK_EQUAL(add(epfd, target, 1), 0);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 0);
    waiter_tid = 0;
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_waits, NULL), 0);
    while (waiter_tid == 0) {
        sched_yield();
    }
    await_thread_in(waiter_tid, SYS_epoll_wait);
    /* Each of these takes the lock, on the same instance, on another, and on all. */
    CHECK_EQUAL(add(other, target, 1), 0);
    CHECK_EQUAL(epoll_wait(other, &event, 1, 0), 0);
    event = (struct epoll_event){.events = EPOLLIN};
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_MOD, target, &event), 0);
    CHECK_EQUAL(close(other), 0);
    CHECK_EQUAL(write(target, &one, sizeof(one)), (ssize_t)sizeof(one));
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void test_sleeper_holds_nothing(void **state)
{
    (void)state;
    isolate(body_sleeper_holds_nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_by_another),
        cmocka_unit_test(test_thread_ends),
        cmocka_unit_test(test_call_from_destructor),
        cmocka_unit_test(test_sleeper_holds_nothing),
    };

    return cmocka_run_group_tests_name("shim.threads", tests, NULL, NULL);
}
