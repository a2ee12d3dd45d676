/*
 * Contract late-error: an error may surface at a later call on the same epoll fd. What must not
 * happen: an error that never surfaces passing, one paid by another instance's call, or one payment
 * that covers two errors or any other difference. And the cascades that only this contract lets one
 * see: C7 and C10.
 */
#include "test.h"

#include <errno.h>
#include <sys/epoll.h>

#define OPEN                                                                                       \
    "main: e0 = epoll_create1(0)\n"               /* 1 */                                          \
    "main: e1 = epoll_create1(0)\n"               /* 2 */                                          \
    "main: r0, w0 = pipe2(O_NONBLOCK)\n"          /* 3 */                                          \
    "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n" /* 4: ENOENT */

static struct scene *late_scene(const char *text)
{
    struct scene *scene = scene_new(text);
    scene->options.contract = CONTRACT_LATE_ERROR;
    assert_int_equal(scene->traces[0]->steps[3].err, ENOENT);
    scene_returns(scene, ON_SUBJECT, 4, 0, 0);
    return scene;
}

static void test_paid_at_the_next_wait(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_wait(e0, 8, 0)\nmain: close(r0)\n");
    scene_returns(scene, ON_SUBJECT, 5, -1, ENOENT);
    scene_expect(scene, "equal");
    scene->options.contract = CONTRACT_EXACT;
    scene_expect(scene, "errno-late/C3/del");
    scene_free(scene);
}

static void test_never_paid(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_wait(e0, 8, 0)\nmain: close(r0)\n");
    scene_expect(scene, "errno-lost/C3/del");
    assert_int_equal(scene->verdict.step, 3);
    assert_int_equal(scene->verdict.culprit, 3);
    scene_free(scene);
}

/* The comparison goes on: another difference comes before the debt at the end. */
static void test_other_differences_count(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_wait(e0, 8, 0)\nmain: close(r0)\n");
    scene_returns(scene, ON_SUBJECT, 6, -1, EIO);
    scene_expect(scene, "errno-phantom/C14/close");
    scene_free(scene);
}

static void test_another_instance_does_not_pay(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_wait(e1, 8, 0)\n");
    scene_returns(scene, ON_SUBJECT, 5, -1, ENOENT);
    scene_expect(scene, "errno-phantom/C1/del-wait");
    scene_free(scene);
}

static void test_another_error_does_not_pay(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_wait(e0, 8, 0)\n");
    scene_returns(scene, ON_SUBJECT, 5, -1, EINVAL);
    scene_expect(scene, "errno-phantom/-/wait");
    scene_free(scene);
}

/* A dup of the epfd is the same instance. */
static void test_a_dup_pays(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: d0 = dup(e0)\nmain: epoll_wait(d0, 8, 0)\n");
    scene_returns(scene, ON_SUBJECT, 6, -1, ENOENT);
    scene_expect(scene, "equal");
    scene_free(scene);
}

static void test_one_payment_covers_one_error(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLIN)\n"
                                          "main: epoll_wait(e0, 8, 0)\n"
                                          "main: epoll_wait(e0, 8, 0)\n");
    scene_returns(scene, ON_SUBJECT, 5, 0, 0);
    scene_returns(scene, ON_SUBJECT, 6, -1, ENOENT);
    scene_expect(scene, "errno-lost/C3/mod");
    scene_returns(scene, ON_SUBJECT, 7, -1, ENOENT);
    scene_expect(scene, "equal");
    scene_free(scene);
}

/* An error that native returns there as well pays nothing. */
static void test_a_native_error_does_not_pay(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_ctl(e0, EPOLL_CTL_DEL, w0, 0)\n");
    assert_int_equal(scene->traces[1]->steps[4].err, ENOENT);
    scene_expect(scene, "errno-lost/C3/del");
    scene_free(scene);
}

/* The error comes instead of a sleep: the schedules part, and nothing after is comparable. */
static void test_paid_instead_of_sleeping(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: t1 = pthread_create()\n"
                                          "main: epoll_wait(e0, 8, -1)\n"
                                          "main: close(r0)\n");
    scene_sleeps(scene, ON_NATIVE, 6);
    scene_skips(scene, ON_NATIVE, 7);
    scene_returns(scene, ON_SUBJECT, 6, -1, ENOENT);
    scene_expect(scene, "equal");
    scene_free(scene);
}

/* The failed DEL ends the batch: the ADD after it on another target is dropped. */
static void test_c10_dropped_by_an_earlier_error(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, w0, EPOLLOUT)\n"
                                          "main: epoll_wait(e0, 8, 0)\n"
                                          "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 6);
    scene_defers(scene, 5, LATER);
    scene_event(scene, ON_NATIVE, 6, EPOLLOUT, 5);
    scene_returns(scene, ON_SUBJECT, 6, -1, ENOENT);
    scene_event(scene, ON_NATIVE, 7, EPOLLOUT, 5);
    scene_conclude(scene, "readiness-missing/C10/del-add-wait");
}

/* The dropped one rests on the one that failed: the same target. */
static void test_c7_own_predecessor_failed(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                          "main: write(w0, 1)\n"
                                          "main: epoll_wait(e0, 8, 0)\n"
                                          "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 7);
    scene_defers(scene, 5, LATER);
    scene_returns(scene, ON_SUBJECT, 7, -1, ENOENT);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/C7/del-add-wait");
}

/* Counter-case: a wait lies between, so the two were never in one batch. */
static void test_c10_needs_the_same_batch(void **state)
{
    (void)state;
    struct scene *scene = late_scene(OPEN "main: epoll_wait(e0, 8, 0)\n"
                                          "main: epoll_ctl(e0, EPOLL_CTL_ADD, w0, EPOLLOUT)\n"
                                          "main: epoll_wait(e0, 8, 0)\n");
    scene_returns(scene, ON_SUBJECT, 5, -1, ENOENT);
    scene_defers(scene, 6, LATER);
    scene_event(scene, ON_NATIVE, 7, EPOLLOUT, 6);
    scene_conclude(scene, "readiness-missing/-/add-wait");
}

/* Nobody pays, under no contract: an operation that lost its number fails in a close's flush and
 * drops the next. */
static void test_c10_dropped_by_a_doomed_operation(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: r0, w0 = pipe2(O_NONBLOCK)\n"
                                    "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                    "main: syscall(SYS_close, r0)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: close(w0)\n"
                                    "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 7);
    scene_defers(scene, 6, LATER);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_evidence(scene);
    scene_expect(scene, "readiness-missing/C10/add-syscall-add-wait");
    scene_witness(scene);
    scene_expect(scene, "readiness-missing/C10/add-add-wait");
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paid_at_the_next_wait),
        cmocka_unit_test(test_never_paid),
        cmocka_unit_test(test_other_differences_count),
        cmocka_unit_test(test_another_instance_does_not_pay),
        cmocka_unit_test(test_another_error_does_not_pay),
        cmocka_unit_test(test_a_dup_pays),
        cmocka_unit_test(test_one_payment_covers_one_error),
        cmocka_unit_test(test_a_native_error_does_not_pay),
        cmocka_unit_test(test_paid_instead_of_sleeping),
        cmocka_unit_test(test_c10_dropped_by_an_earlier_error),
        cmocka_unit_test(test_c7_own_predecessor_failed),
        cmocka_unit_test(test_c10_needs_the_same_batch),
        cmocka_unit_test(test_c10_dropped_by_a_doomed_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
