/*
 * Hazards that results alone show: errors withheld, invented or exchanged, crashes, hangs, numbers.
 * What must not happen: a probe's errno (C3) called a mere late error (C1), a bad argument called a
 * limit (C6), or an error of a flush called the call's own.
 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

/* Judges one program whose last step is a ctl that fails natively and succeeds under the subject.
 */
static void expect_withheld(const char *text, int native_err, const char *signature)
{
    struct scene *scene = scene_new(text);
    unsigned last = scene->document.program.nsteps;
    assert_int_equal(scene->traces[0]->steps[last - 1].err, native_err);
    scene_defers(scene, last, LATER);
    scene_evidence(scene);
    scene_expect(scene, signature);
    assert_int_equal(scene->verdict.culprit, last - 1);
    scene_free(scene);
}

#define OPEN                                                                                       \
    "main: e0 = epoll_create1(0)\n"      /* 1 */                                                   \
    "main: r0, w0 = pipe2(O_NONBLOCK)\n" /* 2 */

static void test_withheld_errors(void **state)
{
    (void)state;
    expect_withheld(OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, NULL)\n", EFAULT,
                    "errno-lost/C2/add");
    expect_withheld(OPEN "main: epoll_ctl(e0, EPOLL_CTL_MOD, r0, BADPTR)\n", EFAULT,
                    "errno-lost/C2/mod");
    expect_withheld(OPEN "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n", ENOENT,
                    "errno-lost/C3/del");
    expect_withheld(OPEN "main: m0 = memfd_create(0)\n"
                         "main: epoll_ctl(e0, EPOLL_CTL_ADD, m0, EPOLLIN)\n",
                    EPERM, "errno-lost/C3/add");
    expect_withheld(OPEN "main: close(r0)\nmain: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n",
                    EBADF, "errno-lost/C1/add");
    expect_withheld(OPEN "main: epoll_ctl(e0, 7, r0, EPOLLIN)\n", EINVAL, "errno-lost/C1/ctl");
}

/* Loops and limits are C6; an instance added to itself, or an exclusive registration of an epoll
 * fd, is a bad argument: C1. */
static void test_nesting_errors(void **state)
{
    (void)state;
    expect_withheld(OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, e0, EPOLLIN)\n", EINVAL,
                    "errno-lost/C1/add");
    expect_withheld(OPEN "main: epoll_ctl(e0, EPOLL_CTL_MOD, e0, EPOLLIN)\n", EINVAL,
                    "errno-lost/C1/mod");
    expect_withheld(OPEN "main: epoll_ctl(w0, EPOLL_CTL_ADD, r0, EPOLLIN)\n", EINVAL,
                    "errno-lost/C1/add");
    expect_withheld("main: e0 = epoll_create1(0)\n"
                    "main: e1 = epoll_create1(0)\n"
                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, e1, EPOLLIN)\n"
                    "main: epoll_ctl(e1, EPOLL_CTL_ADD, e0, EPOLLIN)\n",
                    ELOOP, "errno-lost/C6/add");
    expect_withheld("main: e0 = epoll_create1(0)\n"
                    "main: e1 = epoll_create1(0)\n"
                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, e1, EPOLLIN|EPOLLEXCLUSIVE)\n",
                    EINVAL, "errno-lost/C1/add");
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: e1 = epoll_create1(0)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, e1, EPOLLIN)\n");
    scene_returns(scene, ON_NATIVE, 3, -1, EINVAL); /* the kernel's path check */
    scene_expect(scene, "errno-lost/C6/add");
    scene_free(scene);
}

static void test_c4_other_check_first(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: m0 = memfd_create(0)\n"
                                    "main: epoll_ctl(m0, EPOLL_CTL_ADD, m0, EPOLLIN)\n");
    assert_int_equal(scene->traces[0]->steps[1].err, EPERM); /* before EINVAL */
    scene_expect(scene, "equal");
    scene_returns(scene, ON_SUBJECT, 2, -1, EINVAL);
    scene_expect(scene, "errno-wrong/C4/add");
    scene_free(scene);
}

static void test_c13_errno_changed_on_success(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: close(r0)\n");
    scene_returns(scene, ON_SUBJECT, 3, 0, EBADF);
    scene_conclude(scene, "errno-wrong/C13/close");
}

static void test_c14_close_returns_anothers_error(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                         "main: close(w0)\n"
                                         "main: p1 = fork()\n");
    scene_returns(scene, ON_SUBJECT, 5, -1, EEXIST);
    scene_expect(scene, "errno-phantom/C14/fork");
    scene_returns(scene, ON_SUBJECT, 4, -1, ENOENT);
    scene_expect(scene, "errno-phantom/C14/close");
    scene_returns(scene, ON_NATIVE, 4, -1, ENOENT);
    scene_returns(scene, ON_SUBJECT, 5, 0, 0);
    scene_expect(scene, "equal");
    scene_free(scene);
}

/* Errors of a ring or a device, and of an interrupted flush; EMFILE is the subject's own
 * descriptors. */
static void test_errors_of_the_subjects_means(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: epoll_wait(e0, 8, 0)\nmain: d0 = dup(r0)\n");
    scene_returns(scene, ON_SUBJECT, 4, -1, EMFILE);
    scene_expect(scene, "errno-phantom/I1/dup");
    scene_returns(scene, ON_SUBJECT, 3, -1, ENOTTY);
    scene_expect(scene, "errno-phantom/C15/wait");
    scene_returns(scene, ON_SUBJECT, 3, -1, EINTR);
    scene_expect(scene, "errno-phantom/D7/wait");
    scene_returns(scene, ON_SUBJECT, 3, -1, EINVAL); /* nobody's in particular */
    scene_expect(scene, "errno-phantom/-/wait");
    scene_free(scene);
}

static struct scene *crash_at(const char *text, unsigned step, enum run_end end)
{
    struct scene *scene = scene_new(text);
    struct trace *subject = scene->traces[1];
    subject->end = (uint8_t)end;
    subject->end_step = (int16_t)(step - 1);
    subject->end_actor = scene->document.program.steps[step - 1].actor;
    subject->end_signal = SIGSEGV;
    subject->steps[step - 1].state = end == RUN_HUNG ? STEP_HUNG : STEP_DIED;
    subject->steps[step - 1].completed_at = TRACE_NEVER;
    return scene;
}

static void test_crashes(void **state)
{
    (void)state;
    scene_conclude(crash_at(OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, NULL)\n", 3, RUN_CRASHED),
                   "crash/C2/add");
    scene_conclude(
        crash_at(OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, BADPTR)\n", 3, RUN_CRASHED),
        "crash/C2/add");
    scene_conclude(crash_at(OPEN "main: epoll_wait(e0, 8, 0, BADPTR)\n", 3, RUN_CRASHED),
                   "crash/C2/wait");
    scene_conclude(
        crash_at(OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n", 3, RUN_CRASHED),
        "crash/-/add");
    scene_conclude(crash_at(OPEN "main: epoll_wait(e0, 8, 0)\n", 3, RUN_CRASHED), "crash/-/wait");
}

static void test_hangs(void **state)
{
    (void)state;
    scene_conclude(crash_at(OPEN "main: epoll_wait(e0, 8, 0)\n", 3, RUN_HUNG), "hang/-/wait");
    scene_conclude(crash_at(OPEN "main: p1 = fork()\np1: epoll_wait(e0, 8, 0)\n", 4, RUN_HUNG),
                   "hang/F3/wait");
    scene_conclude(crash_at(OPEN "main: p1 = fork()\nmain: epoll_wait(e0, 8, 0)\n", 4, RUN_HUNG),
                   "hang/-/wait");
}

static void test_i1_numbers(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: r0, w0 = pipe2(O_NONBLOCK)\n");
    scene->traces[1]->steps[0].fds[0] = 4;
    scene->traces[1]->steps[0].fds[1] = 5;
    scene_conclude(scene, "fd-table/I1/pipe2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_withheld_errors),
        cmocka_unit_test(test_nesting_errors),
        cmocka_unit_test(test_c4_other_check_first),
        cmocka_unit_test(test_c13_errno_changed_on_success),
        cmocka_unit_test(test_c14_close_returns_anothers_error),
        cmocka_unit_test(test_errors_of_the_subjects_means),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_hangs),
        cmocka_unit_test(test_i1_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
