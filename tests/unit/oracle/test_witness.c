/*
 * What only the witness can tell: operations that reached the kernel in another order than they
 * were called in, and repairs that left no trace in the lists. What must not happen: an order
 * blamed that was kept, or one of two registrations that do not share a file.
 */
#include "test.h"

#include <errno.h>
#include <sys/epoll.h>

static void conclude_witnessed(struct scene *scene, const char *signature)
{
    scene_evidence(scene);
    scene_witness(scene);
    scene_expect(scene, signature);
    scene_free(scene);
}

#define TWO_EXCLUSIVE                                                                              \
    "main: e0 = epoll_create1(0)\n"                                  /* 1 */                       \
    "main: e1 = epoll_create1(0)\n"                                  /* 2 */                       \
    "main: v0 = eventfd(0, EFD_NONBLOCK)\n"                          /* 3 */                       \
    "main: v1 = eventfd(0, EFD_NONBLOCK)\n"                          /* 4 */                       \
    "main: t1 = pthread_create()\n"                                  /* 5 */                       \
    "main: t2 = pthread_create()\n"                                  /* 6 */                       \
    "t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN|EPOLLEXCLUSIVE)\n" /* 7 */

/* The kernel wakes the first of two exclusive registrations. Deferred, the second one was first. */
static void test_a13_exclusive_order(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(TWO_EXCLUSIVE "t2: epoll_ctl(e1, EPOLL_CTL_ADD, v0, EPOLLIN|EPOLLEXCLUSIVE)\n"
                                "t2: epoll_wait(e1, 8, -1)\n"
                                "t1: epoll_wait(e0, 8, -1)\n"
                                "main: write(v0, 8)\n");
    scene_defers(scene, 8, 9);
    scene_defers(scene, 7, 10);
    scene_event(scene, ON_NATIVE, 10, EPOLLIN, 7);
    scene_wakes(scene, ON_NATIVE, 10, 11);
    scene_sleeps(scene, ON_NATIVE, 9);
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 8);
    scene_wakes(scene, ON_SUBJECT, 9, 11);
    scene_sleeps(scene, ON_SUBJECT, 10);
    conclude_witnessed(scene, "wakeup-extra/A13/add-add-wait");
}

/* Counter-cases: the order was kept, … */
static void test_a13_needs_another_order(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(TWO_EXCLUSIVE "t2: epoll_ctl(e1, EPOLL_CTL_ADD, v0, EPOLLIN|EPOLLEXCLUSIVE)\n"
                                "t2: epoll_wait(e1, 8, -1)\n"
                                "main: write(v0, 8)\n");
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 8);
    scene_wakes(scene, ON_SUBJECT, 9, 10);
    scene_sleeps(scene, ON_NATIVE, 9);
    conclude_witnessed(scene, "wakeup-extra/E5/add-wait");
}

/* … or the two registered different files. */
static void test_a13_needs_one_file(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(TWO_EXCLUSIVE "t2: epoll_ctl(e1, EPOLL_CTL_ADD, v1, EPOLLIN|EPOLLEXCLUSIVE)\n"
                                "t2: epoll_wait(e1, 8, -1)\n"
                                "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 8, 9);
    scene_defers(scene, 7, 10);
    scene_event(scene, ON_SUBJECT, 9, EPOLLIN, 8);
    scene_wakes(scene, ON_SUBJECT, 9, 10);
    scene_sleeps(scene, ON_NATIVE, 9);
    conclude_witnessed(scene, "wakeup-extra/E5/add-wait");
}

/* ADD and ADD in one batch, the second repaired, then a MOD: no list ever shows the repair. */
static void test_repair_within_a_batch(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_MOD, v0, EPOLLIN)\n"
                                    "main: epoll_wait(e0, 8, 0)\n");
    scene_repairs(scene);
    scene_defers(scene, 3, 6);
    scene_defers(scene, 4, 6);
    scene_defers(scene, 5, 6);
    conclude_witnessed(scene, "errno-masked/C3/add");
}

/* The same without repairs: the error is swallowed. */
static void test_no_repair_within_a_batch(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 5);
    scene_defers(scene, 4, 5);
    conclude_witnessed(scene, "errno-lost/C3/add");
}

/* A thread's operations on two numbers reach the kernel number by number: the DEL's batch fails on
 * the ADD's. */
static void test_failure_behind_a_removed_pair(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                    "main: t1 = pthread_create()\n"
                                    "main: v1 = eventfd(0, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v1, EPOLLIN)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_DEL, v1, 0)\n"
                                    "t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, 0)\n"
                                    "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, 9);
    scene_defers(scene, 6, 9);
    scene_defers(scene, 7, LATER);
    scene_defers(scene, 8, 9);
    scene_returns(scene, ON_SUBJECT, 9, -1, ENOENT);
    conclude_witnessed(scene, "errno-phantom/A6/add-del-wait");
}

#define TWO_INSTANCES                                                                              \
    "main: e0 = epoll_create1(0)\n" /* 1 */                                                        \
    "main: e1 = epoll_create1(0)\n" /* 2 */

/* One thread watches one of two instances from the other, stops, and watches it the other way
 * round. Carried out list by list, either the first ADD comes last or the DEL comes too late: a
 * loop. */
static void test_d10_order_across_instances(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(TWO_INSTANCES "main: epoll_ctl(e1, EPOLL_CTL_ADD, e0, EPOLLIN)\n"
                                "main: epoll_ctl(e1, EPOLL_CTL_DEL, e0, 0)\n"
                                "main: epoll_ctl(e0, EPOLL_CTL_ADD, e1, EPOLLIN)\n"
                                "main: epoll_wait(e0, 8, 0)\n"
                                "main: epoll_wait(e1, 8, 0)\n");
    scene_defers(scene, 5, 6);
    scene_defers(scene, 3, 7);
    scene_defers(scene, 4, 7);
    scene_returns(scene, ON_SUBJECT, 7, -1, ELOOP);
    conclude_witnessed(scene, "errno-phantom/D10/add-add-wait");

    scene = scene_new(TWO_INSTANCES "main: e2 = epoll_create1(0)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, e1, EPOLLIN)\n"
                                    "main: epoll_wait(e0, 8, 0)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_DEL, e1, 0)\n"
                                    "main: epoll_ctl(e1, EPOLL_CTL_ADD, e0, EPOLLIN)\n"
                                    "main: epoll_wait(e1, 8, 0)\n");
    scene_defers(scene, 6, LATER); /* on e0, which nobody waits on */
    scene_defers(scene, 7, 8);
    scene_returns(scene, ON_SUBJECT, 8, -1, ELOOP);
    conclude_witnessed(scene, "errno-phantom/D10/del-add-wait");
}

/* Another process's DEL is pending when the ADD comes that natively closes no loop any more. An
 * earlier DEL of the same registration was done in time. */
static void test_a10_loop_across_processes(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(TWO_INSTANCES "main: epoll_ctl(e1, EPOLL_CTL_ADD, e0, EPOLLIN)\n"
                                "main: epoll_ctl(e1, EPOLL_CTL_DEL, e0, 0)\n"
                                "main: epoll_ctl(e1, EPOLL_CTL_ADD, e0, EPOLLIN)\n"
                                "main: p1 = fork()\n"
                                "main: epoll_ctl(e1, EPOLL_CTL_DEL, e0, 0)\n"
                                "p1: epoll_ctl(e0, EPOLL_CTL_ADD, e1, EPOLLIN)\n");
    scene_defers(scene, 7, LATER);
    scene_returns(scene, ON_SUBJECT, 8, -1, ELOOP);
    scene_evidence(scene);
    scene_witness(scene);
    scene_expect(scene, "errno-phantom/A10/del-add");
    assert_int_equal(scene->verdict.culprit, 6);
    scene_free(scene);
}

/* A deed without data is its own actor's call, though another's of the same numbers was called
 * first. */
static void test_del_belongs_to_its_thread(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: r0, w0 = pipe2(O_NONBLOCK)\n"
                                    "main: t1 = pthread_create()\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                    "t1: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                    "main: close(r0)\n"
                                    "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, 0)\n"
                                    "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, 10);
    scene_returns(scene, ON_SUBJECT, 10, -1, ENOENT);
    conclude_witnessed(scene, "fd-reuse/B8/del-close-eventfd-wait");
}

/* What an ADD meets in its own batch is an ADD that went astray: that one is to blame. */
static void test_collision_with_a_stray(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: r0, w0 = pipe2(O_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, w0, EPOLLIN)\n"
                                    "main: d0 = dup2(r0, w0)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, w0, EPOLLIN)\n"
                                    "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 6);
    scene_defers(scene, 5, 6);
    scene_returns(scene, ON_SUBJECT, 6, -1, EEXIST);
    conclude_witnessed(scene, "fd-reuse/B3/add-dup2-wait");
}

#define TWO_THREADS                                                                                \
    "main: e0 = epoll_create1(0)\n"         /* 1 */                                                \
    "main: v0 = eventfd(1, EFD_NONBLOCK)\n" /* 2 */                                                \
    "main: t1 = pthread_create()\n"         /* 3 */

/* A DEL found nothing and said nothing; then the ADD that it meant came, and stands in the next
 * ADD's way. */
static void test_collision_with_a_late_add(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                    "main: t1 = pthread_create()\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "t1: epoll_ctl(e0, EPOLL_CTL_DEL, v0, 0)\n"
                                    "t1: epoll_wait(e0, 8, 0)\n"
                                    "main: epoll_wait(e0, 8, 0)\n"
                                    "t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n");
    scene_defers(scene, 5, 6);
    scene_defers(scene, 4, 7);
    scene_returns(scene, ON_SUBJECT, 8, -1, EEXIST);
    conclude_witnessed(scene, "errno-phantom/A6/add-add");
}

/* EEXIST repaired into a MOD, which EPOLLEXCLUSIVE forbids: the first refusal tells why, the second
 * is returned. */
static void test_refused_repair(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(TWO_THREADS "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                              "main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, 0)\n"
                              "t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN|EPOLLEXCLUSIVE)\n"
                              "t1: epoll_wait(e0, 8, 0)\n");
    scene_repairs(scene);
    scene_defers(scene, 5, LATER);
    scene_defers(scene, 6, 7);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 6);
    scene_returns(scene, ON_SUBJECT, 7, -1, EINVAL);
    conclude_witnessed(scene, "errno-phantom/A5/del-add-wait");
}

/* The same swallowed: the event is missing, and the DEL that was late is to blame, not the ADD that
 * it spoiled. */
static void test_refused_and_swallowed(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(TWO_THREADS "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLOUT)\n"
                              "main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, 0)\n"
                              "t1: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN|EPOLLEXCLUSIVE)\n"
                              "t1: epoll_wait(e0, 8, 0)\n");
    scene_repairs(scene);
    scene_defers(scene, 5, LATER);
    scene_defers(scene, 6, 7);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 6);
    conclude_witnessed(scene, "readiness-missing/A5/del-add-wait");
}

/* A repair that succeeded dropped nothing: what is pending on another instance is pending, no more.
 */
static void test_repair_drops_nothing(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TWO_THREADS "main: e1 = epoll_create1(0)\n"
                                                "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                                "t1: epoll_ctl(e0, EPOLL_CTL_MOD, v0, EPOLLIN)\n"
                                                "t1: epoll_ctl(e1, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                                "t1: epoll_wait(e0, 8, 0)\n"
                                                "t1: poll(e1, POLLIN, 0)\n");
    scene_repairs(scene);
    scene_defers(scene, 5, LATER);
    scene_defers(scene, 6, 8);
    scene_defers(scene, 7, LATER);
    scene_event(scene, ON_BOTH, 8, EPOLLIN, 6);
    scene_returns(scene, ON_NATIVE, 9, 1, 0);
    conclude_witnessed(scene, "readiness-missing/A7/add-poll");
}

/* The MOD of a child that another thread forked was repaired; the older ADD then undoes it. */
static void test_a10_late_add_undoes_a_childs_mod(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TWO_THREADS "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                                "t1: p1 = fork()\n"
                                                "p1: epoll_ctl(e0, EPOLL_CTL_MOD, v0, EPOLLET)\n"
                                                "p1: epoll_wait(e0, 8, 0)\n"
                                                "main: epoll_wait(e0, 8, 0)\n");
    scene_repairs(scene);
    scene_defers(scene, 6, 7);
    scene_defers(scene, 4, 8);
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 4);
    conclude_witnessed(scene, "readiness-stale/A10/add-mod-wait");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a13_exclusive_order),
        cmocka_unit_test(test_a13_needs_another_order),
        cmocka_unit_test(test_a13_needs_one_file),
        cmocka_unit_test(test_repair_within_a_batch),
        cmocka_unit_test(test_no_repair_within_a_batch),
        cmocka_unit_test(test_d10_order_across_instances),
        cmocka_unit_test(test_a10_loop_across_processes),
        cmocka_unit_test(test_failure_behind_a_removed_pair),
        cmocka_unit_test(test_del_belongs_to_its_thread),
        cmocka_unit_test(test_collision_with_a_stray),
        cmocka_unit_test(test_collision_with_a_late_add),
        cmocka_unit_test(test_refused_repair),
        cmocka_unit_test(test_refused_and_swallowed),
        cmocka_unit_test(test_repair_drops_nothing),
        cmocka_unit_test(test_a10_late_add_undoes_a_childs_mod),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
