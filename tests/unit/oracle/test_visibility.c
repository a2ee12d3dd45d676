/*
 * Hazards of visibility: somebody looks at an instance while an operation on it is pending. What
 * must not happen: a hazard of other threads blamed when the owner itself looks, A8 blamed across
 * threads, or anybody blamed for an operation that was carried out in time.
 */
#include "test.h"

#include <errno.h>
#include <sys/epoll.h>

#define OPEN_THREAD                                                                                \
    "main: e0 = epoll_create1(0)\n"      /* 1 */                                                   \
    "main: r0, w0 = pipe2(O_NONBLOCK)\n" /* 2 */                                                   \
    "main: write(w0, 1)\n"               /* 3 */                                                   \
    "main: t1 = pthread_create()\n"      /* 4 */

static void test_a1_waiter_is_never_woken(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(OPEN_THREAD "t1: epoll_wait(e0, 8, -1)\n"
                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n");
    scene_event(scene, ON_NATIVE, 5, EPOLLIN, 6);
    scene_wakes(scene, ON_NATIVE, 5, 6);
    scene_sleeps(scene, ON_SUBJECT, 5);
    scene_defers(scene, 6, LATER);
    scene_evidence(scene);
    scene_expect(scene, "wakeup-lost/A1/wait-add");
    assert_int_equal(scene->verdict.step, 5);
    assert_int_equal(scene->verdict.observer, 4);
    scene_free(scene);
}

/* Counter-case: the ADD was carried out in time. Whatever lost the wakeup, it was not pending. */
static void test_a1_needs_a_pending_operation(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(OPEN_THREAD "t1: epoll_wait(e0, 8, -1)\n"
                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n");
    scene_event(scene, ON_NATIVE, 5, EPOLLIN, 6);
    scene_wakes(scene, ON_NATIVE, 5, 6);
    scene_sleeps(scene, ON_SUBJECT, 5);
    scene_conclude(scene, "wakeup-lost/-/wait-add");
}

static void test_a3_removed_data_is_delivered(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-stale/A3/del-wait");
}

static void test_a4_old_data_is_delivered(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLIN)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 6);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-stale/A4/mod-wait");
}

/* Without evidence the data of the events still tells which operation is meant. */
static void test_a4_without_evidence(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLIN)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n");
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 6);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 5);
    scene_expect(scene, "readiness-stale/A4/mod-wait");
    scene_free(scene);
}

/* Counter-case: the owner of the DEL looks itself. That is no matter of threads. */
static void test_a3_needs_another_thread(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                                "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-stale/-/del-wait");
}

/* t1 adds again what main removed; main's DEL is pending, so t1 gets EEXIST. */
static void test_a5_spurious_eexist(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                                "t1: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n");
    scene_defers(scene, 6, LATER);
    scene_returns(scene, ON_SUBJECT, 7, -1, EEXIST);
    scene_evidence(scene);
    scene_expect(scene, "errno-phantom/A5/del-add");
    assert_int_equal(scene->verdict.culprit, 5);
    scene_free(scene);
}

/* The same at t1's flush: its ADD was deferred too. */
static void test_a5_at_the_flush(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                                "t1: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_defers(scene, 7, 8);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 7);
    scene_returns(scene, ON_SUBJECT, 8, -1, EEXIST);
    scene_conclude(scene, "errno-phantom/A5/del-add-wait");
}

/* main's late DEL takes away what t1 registered in between: same file, no door. */
static void test_a5_late_del_removes(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                                "t1: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_wait(e0, 8, 0)\n");
    /* The subject merges: the ADD of step 7 overtakes the DEL of step 6 and is then removed by it.
     */
    scene_defers(scene, 5, LATER);
    scene_defers(scene, 6, 8);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 7);
    scene_conclude(scene, "readiness-missing/A5/del-add-wait");
}

static void test_a6_spurious_enoent(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "t1: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLOUT)\n");
    scene_defers(scene, 5, LATER);
    scene_returns(scene, ON_SUBJECT, 6, -1, ENOENT);
    scene_conclude(scene, "errno-phantom/A6/add-mod");
}

/* Counter-case: the pending ADD is the thread's own. */
static void test_a6_needs_another_thread(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                              "main: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLOUT)\n");
    scene_defers(scene, 5, LATER);
    scene_returns(scene, ON_SUBJECT, 6, -1, ENOENT);
    scene_conclude(scene, "errno-phantom/-/add-mod");
}

/* poll(2) on the epfd by the owner itself. */
static void test_a7_poll(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: poll(e0, POLLIN, 0)\n");
    scene_defers(scene, 5, LATER);
    scene_returns(scene, ON_NATIVE, 6, 1, 0);
    scene_evidence(scene);
    scene_expect(scene, "readiness-missing/A7/add-poll");
    scene_free(scene);
}

/* The same without evidence, and the other way round: a pending DEL. */
static void test_a7_poll_without_evidence(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_wait(e0, 8, 0)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                                "main: select(e0, 0)\n");
    scene_event(scene, ON_BOTH, 6, EPOLLIN, 5);
    scene_returns(scene, ON_SUBJECT, 8, 1, 0);
    scene_expect(scene, "readiness-extra/A7/del-poll");
    scene_free(scene);
}

/* Counter-case: poll(2) on the pipe itself looks at no instance. */
static void test_a7_needs_an_epoll_fd(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: poll(r0, POLLIN, 0)\n");
    scene_defers(scene, 5, LATER);
    scene_returns(scene, ON_NATIVE, 6, 1, 0);
    scene_conclude(scene, "readiness-missing/-/poll");
}

/* A wait through a dup of the epfd, by the owner. */
static void test_a7_other_number(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: d0 = dup(e0)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_wait(d0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 6);
    scene_conclude(scene, "readiness-missing/A7/add-wait");
}

#define OPEN_NESTED                                                                                \
    OPEN_THREAD "main: e1 = epoll_create1(0)\n"                     /* 5 */                        \
                "main: epoll_ctl(e1, EPOLL_CTL_ADD, e0, EPOLLIN)\n" /* 6 */                        \
                "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n" /* 7 */

/* A wait on the outer instance flushes the outer list only. The ADD of the inner instance is
 * flushed by that very wait, so it is there: the difference lies inside. */
static void test_a8_outer_wait(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_NESTED "main: epoll_wait(e1, 8, 0)\n");
    scene_defers(scene, 6, 8);
    scene_defers(scene, 7, LATER);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_evidence(scene);
    scene_expect(scene, "readiness-missing/A8/add-wait");
    assert_int_equal(scene->verdict.culprit, 6);
    scene_free(scene);
}

static void test_a8_without_evidence(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_NESTED "main: epoll_wait(e1, 8, 0)\n");
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_expect(scene, "readiness-missing/A8/add-wait");
    assert_int_equal(scene->verdict.culprit, 6);
    scene_free(scene);
}

/* Across threads it is A7: one thread's flush cannot reach the other's list. */
static void test_a7_outer_wait_by_another_thread(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_NESTED "t1: epoll_wait(e1, 8, 0)\n");
    scene_defers(scene, 7, LATER);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_conclude(scene, "readiness-missing/A7/add-wait");
}

/* A list that is compared (a flush point) shows the pending operation of another thread. */
static void test_interest_list_at_a_flush_point(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLOUT)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, LATER);
    scene_evidence(scene);
    scene_expect(scene, "equal"); /* evidence alone is no difference */
    scene_flush_point(scene, 6);
    scene_expect(scene, "interest/A1/add-wait");
    scene_free(scene);
}

/* The older ADD is carried out behind the other thread's MOD, as a MOD, and brings its data back.
 */
static void test_a6_late_add_undoes_mod(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "t1: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLIN)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n"
                                                "main: epoll_wait(e0, 8, 0)\n");
    scene_repairs(scene);
    scene_defers(scene, 6, 7);
    scene_defers(scene, 5, 8);
    scene_event(scene, ON_BOTH, 7, EPOLLIN, 6);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 5);
    scene_conclude(scene, "readiness-stale/A6/add-mod-wait");
}

/* One thread, one instance, two numbers: the MOD by the second overtakes the ADD by the first. */
static void test_a7_ctl_by_another_number(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(OPEN_THREAD "main: d0 = dup(e0)\n"
                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                              "main: epoll_ctl(d0, EPOLL_CTL_MOD, r0, EPOLLIN)\n");
    scene_defers(scene, 6, LATER);
    scene_returns(scene, ON_SUBJECT, 7, -1, ENOENT);
    scene_conclude(scene, "errno-phantom/A7/add-mod");
}

/* A wait that natively wakes to an error of its own was woken all the same; nobody else is to blame
 * for the error. */
static void test_woken_to_an_error(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(OPEN_THREAD "t1: epoll_wait(e0, 8, -1, NULL)\n"
                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n");
    scene_returns(scene, ON_NATIVE, 5, -1, EFAULT);
    scene_wakes(scene, ON_NATIVE, 5, 6);
    scene_sleeps(scene, ON_SUBJECT, 5);
    scene_defers(scene, 6, LATER);
    scene_conclude(scene, "wakeup-lost/A1/wait-add");
}

/* Nested by a duplicate, the inner instance is not to be known as one by the number that the ctl
 * used: A7, not A8. */
static void test_a7_nested_by_a_duplicate(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: e1 = epoll_create1(0)\n"
                                                "main: d0 = dup(e0)\n"
                                                "main: epoll_ctl(e1, EPOLL_CTL_ADD, d0, EPOLLIN)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_wait(e1, 8, 0)\n");
    scene_defers(scene, 8, LATER);
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 7);
    scene_conclude(scene, "readiness-missing/A7/add-wait");
}

/* The owner of the ADD sleeps in a read when the other thread looks: nobody will ever flush. */
static void test_a2_owner_sleeps(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: r1, w1 = pipe2(0)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: read(r1, 1)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_sleeps(scene, ON_BOTH, 7);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_conclude(scene, "readiness-missing/A2/add-read-wait");
}

/* Counter-case: it slept, but is awake when the other thread looks (A1). */
static void test_a2_needs_a_sleeper(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: r1, w1 = pipe2(0)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: read(r1, 1)\n"
                                                "t1: write(w1, 1)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_wakes(scene, ON_BOTH, 7, 8);
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 6);
    scene_conclude(scene, "readiness-missing/A1/add-wait");
}

/* Counter-case: it sleeps in a wait, where a layer could have flushed (A1). */
static void test_a2_needs_a_call_without_flush(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_THREAD "main: e1 = epoll_create1(0)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                                "main: epoll_wait(e1, 8, -1)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_sleeps(scene, ON_BOTH, 7);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_conclude(scene, "readiness-missing/A1/add-wait");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a1_waiter_is_never_woken),
        cmocka_unit_test(test_a1_needs_a_pending_operation),
        cmocka_unit_test(test_a3_removed_data_is_delivered),
        cmocka_unit_test(test_a4_old_data_is_delivered),
        cmocka_unit_test(test_a4_without_evidence),
        cmocka_unit_test(test_a3_needs_another_thread),
        cmocka_unit_test(test_a5_spurious_eexist),
        cmocka_unit_test(test_a5_at_the_flush),
        cmocka_unit_test(test_a5_late_del_removes),
        cmocka_unit_test(test_a6_spurious_enoent),
        cmocka_unit_test(test_a6_needs_another_thread),
        cmocka_unit_test(test_a7_poll),
        cmocka_unit_test(test_a7_poll_without_evidence),
        cmocka_unit_test(test_a7_needs_an_epoll_fd),
        cmocka_unit_test(test_a7_other_number),
        cmocka_unit_test(test_a8_outer_wait),
        cmocka_unit_test(test_a8_without_evidence),
        cmocka_unit_test(test_a7_outer_wait_by_another_thread),
        cmocka_unit_test(test_interest_list_at_a_flush_point),
        cmocka_unit_test(test_a6_late_add_undoes_mod),
        cmocka_unit_test(test_a7_ctl_by_another_number),
        cmocka_unit_test(test_woken_to_an_error),
        cmocka_unit_test(test_a7_nested_by_a_duplicate),
        cmocka_unit_test(test_a2_owner_sleeps),
        cmocka_unit_test(test_a2_needs_a_sleeper),
        cmocka_unit_test(test_a2_needs_a_call_without_flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
