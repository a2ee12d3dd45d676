/*
 * Hazards of processes: a fork while operations are pending, and instances that processes share.
 * What must not happen: F1 for an operation that was called after the fork, carried out before it,
 * or seen by its own process alone and once; F1 for a fork by another thread.
 */
#include "test.h"

#include <errno.h>
#include <sys/epoll.h>

#define OPEN_PIPE                                                                                  \
    "main: e0 = epoll_create1(0)\n"      /* 1 */                                                   \
    "main: r0, w0 = pipe2(O_NONBLOCK)\n" /* 2 */                                                   \
    "main: write(w0, 1)\n"               /* 3 */

/* The child's copy of the list is carried out first; the parent's flush then collides with it. */
static void test_f1_done_twice(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: p1 = fork()\n"
                                              "p1: epoll_wait(e0, 8, 0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_runs_in(scene, 4, 6, "p1");
    scene_defers(scene, 4, 7);
    scene_event(scene, ON_BOTH, 6, EPOLLIN, 4);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 4);
    scene_returns(scene, ON_SUBJECT, 7, -1, EEXIST);
    scene_conclude(scene, "process/F1/add-fork-wait");
}

/* The copy comes back: the parent adds and removes, then the child's flush adds again. */
static void test_f1_done_again(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: p1 = fork()\n"
                                              "main: epoll_wait(e0, 8, 0)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                              "p1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 6);
    scene_runs_in(scene, 4, 8, "p1");
    scene_event(scene, ON_BOTH, 6, EPOLLIN, 4);
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 4);
    scene_conclude(scene, "process/F1/add-fork-wait");
}

/* Not done in the other process: the child starts without what natively it shares. */
static void test_f1_child_sees_nothing(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: p1 = fork()\n"
                                              "p1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, LATER);
    scene_event(scene, ON_NATIVE, 6, EPOLLIN, 4);
    scene_conclude(scene, "process/F1/add-fork-wait");
}

/* Counter-case: called after the fork, it is a matter of sharing (A10), not of the fork. */
static void test_a10_called_after_the_fork(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: p1 = fork()\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "p1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, LATER);
    scene_event(scene, ON_NATIVE, 6, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/A10/add-wait");
}

/* Counter-case: the fork is another thread's, whose child has no part in the list: A10. */
static void test_a10_fork_by_another_thread(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: t1 = pthread_create()\n"
                                              "t1: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: p1 = fork()\n"
                                              "p1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, LATER);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/A10/add-fork-wait");
}

/* Counter-case: the fork flushed. A child that then misses the event does so for another reason. */
static void test_f1_needs_a_pending_operation(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: p1 = fork()\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLIN)\n"
                                              "p1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 5);
    scene_defers(scene, 6, LATER);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 6);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 4);
    scene_conclude(scene, "readiness-stale/A10/mod-wait");
}

/* Counter-case: a fork between changes nothing for a thread of the same process: A1. */
static void test_fork_does_not_explain_a_thread(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: t1 = pthread_create()\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: p1 = fork()\n"
                                              "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, LATER);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/A1/add-wait");
}

/* The other process gets ENOENT for what is pending in the first. */
static void test_a10_spurious_enoent(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: p1 = fork()\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "p1: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n");
    scene_defers(scene, 5, LATER);
    scene_returns(scene, ON_SUBJECT, 6, -1, ENOENT);
    scene_conclude(scene, "errno-phantom/A10/add-del");
}

/* A child that ends otherwise is a divergence of its own, and no step is to blame. */
static void test_process_ends_otherwise(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: p1 = fork()\np1: _exit(0)\n");
    scene_expect(scene, "equal");
    scene->traces[1]->processes[1].status = 1;
    scene_expect(scene, "process/-/end");
    scene_free(scene);
}

/* The copy of a DEL is done in the child; the parent's own then finds nothing. */
static void test_f1_del_done_twice(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                              "main: p1 = fork()\n"
                                              "p1: epoll_wait(e0, 8, 0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_runs_in(scene, 5, 7, "p1");
    scene_defers(scene, 5, 8);
    scene_returns(scene, ON_SUBJECT, 8, -1, ENOENT);
    scene_conclude(scene, "process/F1/del-fork-wait");
}

/* The child did ADD and MOD; what collides with the parent's ADD carries the MOD's data, and is no
 * stranger. */
static void test_f1_add_and_mod_done_twice(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLIN)\n"
                                              "main: p1 = fork()\n"
                                              "p1: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLIN)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_runs_in(scene, 4, 7, "p1");
    scene_runs_in(scene, 5, 7, "p1");
    scene_defers(scene, 4, 8);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 7);
    scene_returns(scene, ON_SUBJECT, 8, -1, EEXIST);
    scene_conclude(scene, "process/F1/add-fork-wait");
}

/* Counter-case: another process forks while the operation is pending here. Its child is only one
 * more observer. */
static void test_f1_needs_a_fork_of_its_own_process(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: p1 = fork()\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "p1: p2 = fork()\n"
                                              "p2: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, LATER);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/A10/add-wait");
}

/* The end of a process closes its numbers, but it is no door (B): the other process misses what the
 * first never did (F6). */
static void test_exit_is_no_door(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: p1 = fork()\n"
                                              "p1: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "p1: _exit(0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, LATER);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_conclude(scene, "process/F6/add-_exit-wait");
}

/* Counter-case: it is another child that ends. The one with the operation lives (A10). */
static void test_f6_needs_the_owners_end(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: p1 = fork()\n"
                                              "main: p2 = fork()\n"
                                              "p1: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "p2: _exit(0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_conclude(scene, "readiness-missing/A10/add-wait");
}

/* Counter-case: its end comes after the look. */
static void test_f6_needs_the_end_before_the_look(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: p1 = fork()\n"
                                              "p1: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: epoll_wait(e0, 8, 0)\n"
                                              "p1: _exit(0)\n");
    scene_defers(scene, 5, LATER);
    scene_event(scene, ON_NATIVE, 6, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/A10/add-wait");
}

/* An exit that had no turn ended nothing: the sleeping child still holds the pipe. */
static void test_skipped_exit_ends_nothing(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: r0, w0 = pipe2(O_NONBLOCK)\n"
                                    "main: p1 = fork()\n"
                                    "p1: epoll_wait(e0, 8, -1)\n"
                                    "p1: _exit(0)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                    "main: close(r0)\n"
                                    "main: write(w0, 1)\n");
    scene_event(scene, ON_NATIVE, 4, EPOLLIN, 6);
    scene_wakes(scene, ON_NATIVE, 4, 8);
    scene_sleeps(scene, ON_SUBJECT, 4);
    scene_skips(scene, ON_BOTH, 5);
    scene_returns(scene, ON_BOTH, 8, 1, 0);
    for (int side = 0; side < 2; side++) {
        scene->traces[side]->processes[1].state = PROCESS_ALIVE;
        scene->traces[side]->processes[1].ended_at = TRACE_NEVER;
    }
    scene_defers(scene, 6, LATER);
    scene_conclude(scene, "wakeup-lost/B4/wait-add-close");
}

/* Carried out in time by the parent, an ADD is in no list that the child's flush could fail with.
 */
static void test_in_time_is_no_copy(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: p1 = fork()\n"
                                              "p1: close(r0)\n"
                                              "p1: epoll_wait(e0, 8, 0)\n");
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 4);
    scene_returns(scene, ON_SUBJECT, 7, -1, EBADF);
    scene_conclude(scene, "errno-phantom/-/wait");
}

/* The copy lands on what the child has under the number: a second item with the same data. */
static void test_f1_copy_lands_elsewhere(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, 0)\n"
                                              "main: p1 = fork()\n"
                                              "p1: close(r0)\n"
                                              "p1: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                              "main: epoll_wait(e0, 8, 0)\n"
                                              "p1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 8);
    scene_runs_in(scene, 4, 9, "p1");
    scene_evidence(scene);
    scene_flush_point(scene, 9);
    scene_expect(scene, "process/F1/add-fork-wait");
    scene_witness(scene);
    scene_expect(scene, "process/F1/add-fork-wait");
    scene_free(scene);
}

/* The child's DEL is done, then the parent's own copy of the ADD brings the registration back. */
static void test_f1_copy_undoes_the_childs_del(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: p1 = fork()\n"
                                              "p1: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                              "p1: epoll_wait(e0, 8, 0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_runs_in(scene, 4, 7, "p1");
    scene_defers(scene, 6, 7);
    scene_defers(scene, 4, 8);
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 4);
    scene_conclude(scene, "process/F1/add-fork-wait");
}

/* EEXIST natively; what it collides with is pending in another process, so the ADD is done as what
 * it is: no repair. */
static void test_no_repair_across_processes(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: p1 = fork()\n"
                                              "p1: epoll_ctl(e0, EPOLL_CTL_ADD, r0, 0)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, 0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_repairs(scene);
    scene_defers(scene, 5, LATER);
    scene_defers(scene, 6, 7);
    scene_conclude(scene, "errno-lost/C3/add");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f1_done_twice),
        cmocka_unit_test(test_f1_done_again),
        cmocka_unit_test(test_f1_child_sees_nothing),
        cmocka_unit_test(test_a10_called_after_the_fork),
        cmocka_unit_test(test_a10_fork_by_another_thread),
        cmocka_unit_test(test_f1_needs_a_pending_operation),
        cmocka_unit_test(test_fork_does_not_explain_a_thread),
        cmocka_unit_test(test_a10_spurious_enoent),
        cmocka_unit_test(test_in_time_is_no_copy),
        cmocka_unit_test(test_process_ends_otherwise),
        cmocka_unit_test(test_f1_del_done_twice),
        cmocka_unit_test(test_f1_add_and_mod_done_twice),
        cmocka_unit_test(test_f1_needs_a_fork_of_its_own_process),
        cmocka_unit_test(test_exit_is_no_door),
        cmocka_unit_test(test_f6_needs_the_owners_end),
        cmocka_unit_test(test_f6_needs_the_end_before_the_look),
        cmocka_unit_test(test_skipped_exit_ends_nothing),
        cmocka_unit_test(test_f1_copy_lands_elsewhere),
        cmocka_unit_test(test_f1_copy_undoes_the_childs_del),
        cmocka_unit_test(test_no_repair_across_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
