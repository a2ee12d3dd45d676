/*
 * Classes: one case in which each fires, one neighbour that differs in what may differ, or not at
 * all, and stays silent or falls into the class next door. What must not happen: a class for a
 * difference that nobody can observe.
 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#define OPEN                                                                                       \
    "main: e0 = epoll_create1(0)\n"                     /* 1 */                                    \
    "main: r0, w0 = pipe2(O_NONBLOCK)\n"                /* 2 */                                    \
    "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n" /* 3 */

static void expect_class(struct scene *scene, enum divergence_class class)
{
    scene->verdict.equal = true;
    judge_traces(scene->traces[0], scene->traces[1], &scene->options, &scene->verdict);
    assert_false(scene->verdict.equal);
    assert_string_equal(class_names[scene->verdict.class], class_names[class]);
}

/* A second ADD of the same file: EEXIST natively. */
#define SECOND_ADD                                                                                 \
    OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLOUT)\n" /* 4 */                              \
         "main: epoll_wait(e0, 8, 0)\n"                       /* 5 */

static void test_errno_lost(void **state)
{
    (void)state;
    struct scene *scene = scene_new(SECOND_ADD);
    assert_int_equal(scene->traces[0]->steps[3].err, EEXIST);
    scene_expect(scene, "equal"); /* both fail alike */
    scene_defers(scene, 4, 5);    /* and at the flush EEXIST is swallowed */
    scene_evidence(scene);
    expect_class(scene, CLASS_ERRNO_LOST);
    scene_free(scene);
}

static void test_errno_late(void **state)
{
    (void)state;
    struct scene *scene = scene_new(SECOND_ADD);
    scene_defers(scene, 4, 5);
    scene_returns(scene, ON_SUBJECT, 5, -1, EEXIST);
    scene_evidence(scene);
    expect_class(scene, CLASS_ERRNO_LATE);
    assert_int_equal(scene->verdict.step,
                     3); /* the call that lost it, not the one that returns it */
    scene_returns(scene, ON_SUBJECT, 5, -1, ENOENT); /* another error is not that one */
    expect_class(scene, CLASS_ERRNO_LOST);
    scene_free(scene);
}

static void test_errno_masked(void **state)
{
    (void)state;
    struct scene *scene = scene_new(SECOND_ADD);
    scene_defers(scene, 4, LATER);
    scene_evidence(scene);
    expect_class(scene, CLASS_ERRNO_LOST);
    /* EEXIST->MOD: the kernel lists the data of the second ADD in place of the first's. */
    struct trace *subject = scene->traces[1];
    const struct trace_snapshot *last = trace_find_snapshot(subject, 4, 0, 3);
    assert_non_null(last);
    subject->items[last->first].data = 4;
    expect_class(scene, CLASS_ERRNO_MASKED);
    scene_free(scene);
}

static void test_errno_phantom(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: epoll_wait(e0, 8, 0)\n");
    scene_returns(scene, ON_SUBJECT, 4, -1, EBADF);
    expect_class(scene, CLASS_ERRNO_PHANTOM);
    scene_returns(scene, ON_NATIVE, 4, -1, EBADF);
    scene_expect(scene, "equal");
    /* Natively it sleeps, under the subject it fails: still an error that natively is none. */
    scene_sleeps(scene, ON_NATIVE, 4);
    expect_class(scene, CLASS_ERRNO_PHANTOM);
    scene_free(scene);
}

static void test_errno_wrong(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: close(r0)\n");
    scene_returns(scene, ON_NATIVE, 3, -1, EPERM);
    scene_returns(scene, ON_SUBJECT, 3, -1, EINVAL);
    expect_class(scene, CLASS_ERRNO_WRONG);
    scene_returns(scene, ON_BOTH, 3, 0, 0);
    scene_returns(scene, ON_SUBJECT, 4, 0, ENOENT);
    expect_class(scene, CLASS_ERRNO_WRONG);
    scene_returns(scene, ON_NATIVE, 4, 0, ENOENT); /* left changed on both sides */
    scene_expect(scene, "equal");
    scene_free(scene);
}

#define TWO_ITEMS                                                                                  \
    OPEN "main: v0 = eventfd(1, EFD_NONBLOCK)\n"             /* 4 */                               \
         "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n" /* 5 */                               \
         "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"       /* 6 */                               \
         "main: epoll_wait(e0, 8, 0)\n"                      /* 7 */

static void test_readiness_missing_extra_stale_mask(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TWO_ITEMS);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    expect_class(scene, CLASS_READINESS_MISSING);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 5);
    scene_expect(scene, "equal");
    scene_returns(scene, ON_NATIVE, 7, 0, 0);
    expect_class(scene, CLASS_READINESS_EXTRA); /* its registration is alive natively */
    scene_returns(scene, ON_SUBJECT, 7, 0, 0);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 3);
    expect_class(scene, CLASS_READINESS_STALE); /* step 6 removed it */
    scene_returns(scene, ON_BOTH, 7, 0, 0);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN | EPOLLERR, 5);
    expect_class(scene, CLASS_READINESS_MASK);
    scene_free(scene);
}

/* poll(2) shows readiness too: more, less, or other revents. */
static void test_readiness_by_poll(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: poll(e0, POLLIN, 0)\n");
    scene_returns(scene, ON_NATIVE, 4, 1, 0);
    expect_class(scene, CLASS_READINESS_MISSING);
    scene_returns(scene, ON_SUBJECT, 4, 1, 0);
    scene_expect(scene, "equal");
    scene->traces[1]->steps[3].digest = 17;
    expect_class(scene, CLASS_READINESS_MASK);
    scene->traces[1]->steps[3].digest = 0;
    scene_returns(scene, ON_NATIVE, 4, 0, 0);
    expect_class(scene, CLASS_READINESS_EXTRA);
    scene_free(scene);
}

static void test_order(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TWO_ITEMS);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 3);
    scene_event(scene, ON_BOTH, 7, EPOLLIN, 5);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 3);
    expect_class(scene, CLASS_ORDER);
    scene->traces[1]->steps[6].events[1].events = EPOLLIN | EPOLLHUP; /* more than order */
    expect_class(scene, CLASS_READINESS_MASK);
    scene_free(scene);
}

static void test_wakeup(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: t1 = pthread_create()\n"
                                    "t1: epoll_wait(e0, 8, -1)\n"
                                    "main: write(v0, 8)\n"
                                    "main: write(v0, 8)\n");
    scene_event(scene, ON_BOTH, 5, EPOLLIN, 3);
    scene_wakes(scene, ON_BOTH, 5, 6);
    scene_expect(scene, "equal");
    scene_wakes(scene, ON_SUBJECT, 5,
                7); /* later than natively: lost at the step that wakes it natively */
    expect_class(scene, CLASS_WAKEUP_LOST);
    assert_int_equal(scene->verdict.step, 5);
    scene_sleeps(scene, ON_SUBJECT, 5);
    expect_class(scene, CLASS_WAKEUP_LOST);
    scene_wakes(scene, ON_SUBJECT, 5, 5); /* sooner than natively: at once */
    expect_class(scene, CLASS_WAKEUP_EXTRA);
    assert_int_equal(scene->verdict.step, 4);
    scene_sleeps(scene, ON_BOTH, 5);
    scene_expect(scene, "equal");
    scene_free(scene);
}

static void test_interest(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, LATER);
    scene_evidence(scene);
    scene_expect(scene, "equal"); /* evidence is not compared */
    scene_flush_point(scene, 4);
    expect_class(scene, CLASS_INTEREST);
    scene_free(scene);

    scene = scene_new(OPEN "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 4); /* carried out by the flush point */
    scene_evidence(scene);
    scene_flush_point(scene, 4);
    scene_expect(scene, "equal");
    scene_free(scene);
}

static void test_fd_reuse(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: close(r0)\n"
                                         "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                         "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 6);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 3);
    scene_evidence(scene);
    expect_class(scene, CLASS_FD_REUSE);
    scene_free(scene);

    /* The neighbour: the number goes back to nobody. */
    scene = scene_new(OPEN "main: close(r0)\nmain: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 5);
    scene_returns(scene, ON_SUBJECT, 5, -1, EBADF);
    scene_evidence(scene);
    expect_class(scene, CLASS_ERRNO_PHANTOM);
    scene_free(scene);
}

static void test_fd_table(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\nmain: d0 = dup(e0)\n");
    struct trace *subject = scene->traces[1];
    subject->steps[1].ret = 5;
    subject->steps[1].fds[0] = 5;
    scene_expect(scene, "fd-table/I1/dup");
    subject->steps[1].ret = 4;
    subject->steps[1].fds[0] = 4;
    for (int side = 0; side < 2; side++) {
        struct trace_fd entries[] = {
            {.number = 3, .identity = 0, .what = "anon_inode:[eventpoll]"},
            {.number = 4, .identity = 0, .what = "anon_inode:[eventpoll]"}};
        memcpy(scene->traces[side]->fds, entries, sizeof(entries));
        scene->traces[side]->nfds = 2;
    }
    scene_expect(scene, "equal");
    subject->fds[1].identity = 1; /* the same numbers, but not the same file twice */
    scene_expect(scene, "fd-table/I1/end");
    subject->fds[1].identity = 0;
    subject->nfds = 1;
    scene_expect(scene, "fd-table/I1/end");
    scene_free(scene);
}

static void test_process(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: p1 = fork()\np1: _exit(2)\nmain: waitpid(p1, 0)\n");
    scene_returns(scene, ON_NATIVE, 3, 2, 0);
    scene_returns(scene, ON_SUBJECT, 3, 256 + SIGKILL, 0);
    expect_class(scene, CLASS_PROCESS);
    scene_returns(scene, ON_SUBJECT, 3, 2, 0);
    scene_expect(scene, "equal");
    scene->traces[1]->processes[1].reaped = true;
    expect_class(scene, CLASS_PROCESS);
    scene->traces[0]->processes[1].reaped = true;
    scene_expect(scene, "equal");
    scene->traces[1]->processes[1].ended_at = 2; /* it ends, but later */
    expect_class(scene, CLASS_PROCESS);
    scene_free(scene);
}

static void test_io(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: write(w0, 4)\nmain: read(r0, 4)\n");
    scene_returns(scene, ON_BOTH, 5, 4, 0);
    scene_expect(scene, "equal");
    scene->traces[1]->steps[4].digest = 1; /* four other bytes */
    expect_class(scene, CLASS_IO);
    scene_returns(scene, ON_SUBJECT, 5, 3, 0);
    expect_class(scene, CLASS_IO);
    scene_returns(scene, ON_SUBJECT, 5, -1, EAGAIN);
    expect_class(scene, CLASS_IO);
    scene_sleeps(scene, ON_SUBJECT, 5);
    expect_class(scene, CLASS_IO);
    scene_free(scene);
}

static void test_hang_and_crash(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: epoll_wait(e0, 8, 0)\n");
    struct trace *subject = scene->traces[1];
    subject->end = RUN_HUNG;
    subject->end_step = 3;
    subject->end_syscall = 202;
    subject->steps[3].state = STEP_HUNG;
    expect_class(scene, CLASS_HANG);
    subject->end = RUN_CRASHED;
    subject->end_signal = SIGSEGV;
    subject->steps[3].state = STEP_DIED;
    expect_class(scene, CLASS_CRASH);
    /* The neighbour: a call that sleeps in itself does not hang. */
    subject->end = RUN_COMPLETE;
    subject->end_step = TRACE_NEVER;
    scene_sleeps(scene, ON_BOTH, 4);
    scene_expect(scene, "equal");
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errno_lost),
        cmocka_unit_test(test_errno_late),
        cmocka_unit_test(test_errno_masked),
        cmocka_unit_test(test_errno_phantom),
        cmocka_unit_test(test_errno_wrong),
        cmocka_unit_test(test_readiness_missing_extra_stale_mask),
        cmocka_unit_test(test_readiness_by_poll),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_wakeup),
        cmocka_unit_test(test_interest),
        cmocka_unit_test(test_fd_reuse),
        cmocka_unit_test(test_fd_table),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_io),
        cmocka_unit_test(test_hang_and_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
