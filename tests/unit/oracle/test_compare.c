/*
 * Comparison: the first divergence, and nothing else. What must not happen: a later difference
 * reported before an earlier one, a difference in what the kernel leaves open (order, which waiter
 * gets what), or silence about one that it does not leave open.
 */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define OPEN_TWO                                                                                   \
    "main: e0 = epoll_create1(0)\n"                     /* 1 */                                    \
    "main: r0, w0 = pipe2(O_NONBLOCK)\n"                /* 2 */                                    \
    "main: v0 = eventfd(1, EFD_NONBLOCK)\n"             /* 3 */                                    \
    "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n" /* 4 */                                    \
    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n" /* 5 */

static void test_equal_traces(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: epoll_wait(e0, 8, 0)\n");
    scene_event(scene, ON_BOTH, 6, EPOLLIN, 5);
    scene_expect(scene, "equal");
    assert_false(scene->verdict.strict_only);
    assert_false(scene->verdict.room);
    assert_string_equal(scene->verdict.signature, "");
    scene_free(scene);
}

static void test_empty_program(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n");
    scene->document.program.nsteps = 0;
    trace_reset(scene->traces[0], &scene->document.program);
    trace_reset(scene->traces[1], &scene->document.program);
    scene_expect(scene, "equal");
    scene->traces[1]->end = RUN_CRASHED;
    scene_expect(scene, "crash/-/end");
    scene_free(scene);
}

static void test_first_of_several(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: epoll_wait(e0, 8, 0)\n"
                                             "main: close(r0)\n"
                                             "main: d0 = dup(v0)\n");
    scene_event(scene, ON_BOTH, 6, EPOLLIN, 5);
    scene_returns(scene, ON_SUBJECT, 8, -1, EMFILE);
    scene_expect(scene, "errno-phantom/I1/dup");
    scene_returns(scene, ON_SUBJECT, 7, -1, EBADF);
    scene_expect(scene, "errno-phantom/C14/close");
    assert_int_equal(scene->verdict.step, 6);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 4);
    scene_expect(scene, "readiness-extra/-/add-wait");
    assert_int_equal(scene->verdict.step, 5);
    scene_free(scene);
}

/* A step's own result comes before what it caused in others. */
static void test_own_result_before_completions(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: t1 = pthread_create()\n"
                                             "t1: epoll_wait(e0, 8, -1)\n"
                                             "main: write(w0, 1)\n");
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 4);
    scene_wakes(scene, ON_NATIVE, 7, 8);
    scene_sleeps(scene, ON_SUBJECT, 7);
    scene_expect(scene, "wakeup-lost/A1/add-wait");
    assert_int_equal(scene->verdict.step, 7);
    assert_int_equal(scene->verdict.observer, 6);
    scene_returns(scene, ON_SUBJECT, 8, -1, EAGAIN);
    scene_expect(scene, "io/-/write");
    assert_int_equal(scene->verdict.observer, 7);
    scene_free(scene);
}

/* The same events in another order: order, allowed unless the caller is strict. */
static void test_order(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: epoll_wait(e0, 8, 0)\nmain: close(r0)\n");
    scene_event(scene, ON_NATIVE, 6, EPOLLIN, 4);
    scene_event(scene, ON_BOTH, 6, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 4);
    scene_expect(scene, "order/E1/wait");
    assert_true(scene->verdict.strict_only);
    assert_true(verdict_matches(&scene->verdict, "equal"));
    /* It ends the comparison: what follows may be its consequence. */
    scene_returns(scene, ON_SUBJECT, 7, -1, EIO);
    scene_expect(scene, "order/E1/wait");
    scene->options.strict_order = true;
    scene_expect(scene, "order/E1/wait");
    assert_false(scene->verdict.strict_only);
    assert_false(verdict_matches(&scene->verdict, "equal"));
    scene_free(scene);
}

/* The multiset counts: an event twice is not the event once. */
static void test_multiset_of_events(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: epoll_wait(e0, 8, 0)\n");
    scene_event(scene, ON_BOTH, 6, EPOLLIN, 4);
    scene_event(scene, ON_BOTH, 6, EPOLLIN, 5);
    scene_event(scene, ON_NATIVE, 6, EPOLLIN, 4);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 5);
    scene_expect(scene, "readiness-extra/-/add-wait");
    scene_free(scene);
}

/* Two full waits that let different events through: more room tells. One that is not full: a real
 * difference. */
static void test_full_waits_ask_for_room(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: epoll_wait(e0, 1, 0)\n");
    scene_event(scene, ON_NATIVE, 6, EPOLLIN, 4);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 5);
    scene_expect(scene, "readiness-extra/-/add-wait");
    assert_true(scene->verdict.room);
    scene_free(scene);

    scene = scene_new(OPEN_TWO "main: epoll_wait(e0, 2, 0)\n");
    scene_event(scene, ON_NATIVE, 6, EPOLLIN, 4);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 5);
    scene_expect(scene, "readiness-extra/-/add-wait");
    assert_false(scene->verdict.room);
    scene_free(scene);
}

#define TWO_WAITERS                                                                                \
    OPEN_TWO "main: t1 = pthread_create()\n" /* 6 */                                               \
             "main: t2 = pthread_create()\n" /* 7 */                                               \
             "t1: epoll_wait(e0, 1, -1)\n"   /* 8 */                                               \
             "t2: epoll_wait(e0, 1, -1)\n"   /* 9 */                                               \
             "main: write(w0, 1)\n"          /* 10 */                                              \
             "main: close(w0)\n"             /* 11 */

/* One step wakes both waiters of an instance: who gets which event is the kernel's own affair. */
static void test_waiters_may_swap_results(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TWO_WAITERS);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 4);
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 4);
    scene_wakes(scene, ON_BOTH, 8, 10);
    scene_wakes(scene, ON_BOTH, 9, 10);
    scene_expect(scene, "equal");
    scene_free(scene);
}

/* But not an event twice in place of another, … */
static void test_waiters_results_are_a_multiset(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TWO_WAITERS);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 4);
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 5);
    scene_wakes(scene, ON_BOTH, 8, 10);
    scene_wakes(scene, ON_BOTH, 9, 10);
    scene_expect(scene, "readiness-extra/-/add-wait");
    assert_int_equal(scene->verdict.observer, 7);
    scene_free(scene);
}

/* … nor results swapped over two steps, … */
static void test_waiters_swap_only_within_a_step(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TWO_WAITERS);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 4);
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 4);
    scene_wakes(scene, ON_BOTH, 8, 10);
    scene_wakes(scene, ON_BOTH, 9, 11);
    scene_expect(scene, "readiness-extra/-/add-wait");
    scene_free(scene);
}

/* … nor another waiter that stays asleep, though the union of the events is the same, … */
static void test_waiters_that_sleep_on_are_the_same(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TWO_WAITERS);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 4);
    scene_wakes(scene, ON_NATIVE, 8, 10);
    scene_sleeps(scene, ON_NATIVE, 9);
    scene_sleeps(scene, ON_SUBJECT, 8);
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 4);
    scene_wakes(scene, ON_SUBJECT, 9, 10);
    scene_expect(scene, "wakeup-lost/A1/add-wait");
    scene_free(scene);
}

/* … nor results swapped between two instances. */
static void test_waiters_swap_only_within_an_instance(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: e1 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: epoll_ctl(e1, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: t1 = pthread_create()\n"
                                    "main: t2 = pthread_create()\n"
                                    "t1: epoll_wait(e0, 1, -1)\n"
                                    "t2: epoll_wait(e1, 1, -1)\n"
                                    "main: write(v0, 8)\n");
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 4);
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 4);
    scene_wakes(scene, ON_BOTH, 8, 10);
    scene_wakes(scene, ON_BOTH, 9, 10);
    scene_expect(scene, "readiness-extra/-/add-wait");
    scene_free(scene);
}

/* A waiter whose process ends while it sleeps slept on both sides; that it was woken first is the
 * difference. */
static void test_sleeper_that_dies(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: t1 = pthread_create()\n"
                                             "t1: epoll_wait(e0, 8, -1)\n"
                                             "main: write(w0, 1)\n"
                                             "main: _exit(0)\n");
    scene_sleeps(scene, ON_BOTH, 7);
    for (int side = 0; side < 2; side++)
        scene->traces[side]->steps[6].state = STEP_DIED;
    scene_expect(scene, "equal");
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 4);
    scene_wakes(scene, ON_SUBJECT, 7, 8);
    scene_expect(scene, "wakeup-extra/-/add-wait");
    assert_int_equal(scene->verdict.step, 7);
    scene_free(scene);
}

/* A crash or hang in the same place on both sides is what the program does. */
static void test_same_crash_is_equal(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: epoll_wait(e0, 8, 0)\n");
    for (int side = 0; side < 2; side++) {
        scene->traces[side]->end = RUN_CRASHED;
        scene->traces[side]->end_step = 5;
        scene->traces[side]->end_signal = 11;
        scene->traces[side]->steps[5].state = STEP_DIED;
    }
    scene_expect(scene, "equal");
    scene->traces[1]->end_signal = 6;
    scene_expect(scene, "crash/-/wait");
    scene_free(scene);
}

/* A trace that reached a limit has no lists that could be compared; its results still can. */
static void test_truncated_lists_are_not_compared(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, LATER);
    scene_evidence(scene);
    scene_flush_point(scene, 6);
    scene->traces[1]->truncated = true;
    scene_expect(scene, "equal");
    scene->traces[1]->truncated = false;
    scene_expect(scene, "interest/-/add-wait");
    scene_free(scene);
}

/* One event in place of two is not two waiters with the same. */
static void test_waiters_results_are_counted(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TWO_WAITERS);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 4);
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 4);
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 4);
    scene_wakes(scene, ON_BOTH, 8, 10);
    scene_wakes(scene, ON_BOTH, 9, 10);
    scene_expect(scene, "readiness-extra/-/add-wait");
    scene_free(scene);
}

/* Nothing is forgiven when a third waiter returned on one side only: then they did not merely swap.
 */
static void test_waiters_that_return_are_the_same(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: t1 = pthread_create()\n"
                                             "main: t2 = pthread_create()\n"
                                             "main: t3 = pthread_create()\n"
                                             "t1: epoll_wait(e0, 1, -1)\n"
                                             "t2: epoll_wait(e0, 1, -1)\n"
                                             "t3: epoll_wait(e0, 1, -1)\n"
                                             "main: write(w0, 1)\n");
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 4);
    scene_event(scene, ON_NATIVE, 10, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 10, EPOLLIN, 4);
    scene_wakes(scene, ON_BOTH, 9, 12);
    scene_wakes(scene, ON_BOTH, 10, 12);
    scene_sleeps(scene, ON_BOTH, 11);
    scene_expect(scene, "equal");
    scene_event(scene, ON_SUBJECT, 11, EPOLLIN, 5);
    scene_wakes(scene, ON_SUBJECT, 11, 12);
    scene_expect(scene, "readiness-extra/-/add-wait");
    assert_int_equal(scene->verdict.observer, 8);
    scene_free(scene);
}

/* Natively there was room left: what the full one has more is no matter of room. */
static void test_one_full_wait_asks_for_no_room(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_TWO "main: epoll_wait(e0, 2, 0)\n");
    scene_event(scene, ON_BOTH, 6, EPOLLIN, 4);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 5);
    scene_expect(scene, "readiness-extra/-/add-wait");
    assert_false(scene->verdict.room);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_traces),
        cmocka_unit_test(test_empty_program),
        cmocka_unit_test(test_first_of_several),
        cmocka_unit_test(test_own_result_before_completions),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_multiset_of_events),
        cmocka_unit_test(test_full_waits_ask_for_room),
        cmocka_unit_test(test_waiters_may_swap_results),
        cmocka_unit_test(test_waiters_results_are_a_multiset),
        cmocka_unit_test(test_waiters_swap_only_within_a_step),
        cmocka_unit_test(test_waiters_that_sleep_on_are_the_same),
        cmocka_unit_test(test_waiters_swap_only_within_an_instance),
        cmocka_unit_test(test_sleeper_that_dies),
        cmocka_unit_test(test_same_crash_is_equal),
        cmocka_unit_test(test_truncated_lists_are_not_compared),
        cmocka_unit_test(test_waiters_results_are_counted),
        cmocka_unit_test(test_waiters_that_return_are_the_same),
        cmocka_unit_test(test_one_full_wait_asks_for_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
