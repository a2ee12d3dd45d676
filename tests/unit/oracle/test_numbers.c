/*
 * Hazards of fd identity: the number that a deferred operation holds means another file, or none,
 * when it is carried out. What must not happen: a finding blamed on a close that came after the
 * operation was carried out, on close(2) when another door was used, on the same thread when
 * another one closed, or on a number that nobody took away.
 */
#include "test.h"

#include <errno.h>
#include <sys/epoll.h>

#define OPEN_PIPE                                                                                  \
    "main: e0 = epoll_create1(0)\n"      /* 1 */                                                   \
    "main: r0, w0 = pipe2(O_NONBLOCK)\n" /* 2 */

/* The program of the design page: the ADD lands on the eventfd that took the pipe's number. */
static void test_b2_add_lands_on_reused_number(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 6);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 3);
    scene_evidence(scene);
    scene_expect(scene, "fd-reuse/B2/add-close-eventfd-wait");
    assert_int_equal(scene->verdict.culprit, 2);
    assert_int_equal(scene->verdict.step, 5);
    assert_string_equal(
        scene->verdict.explanation,
        "The ADD of step 3 named the read end of a pipe that the close of step 4 closed. It was "
        "carried out at step 6, when number 4 belonged to the eventfd of step 5, so the epoll_wait "
        "of step 6 reports EPOLLIN with the data of step 3 for a file that the call never named.");
    scene_free(scene);
}

/* The results alone tell the same: no evidence, the same signature. */
static void test_b2_without_evidence(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 3);
    scene_expect(scene, "fd-reuse/B2/add-close-eventfd-wait");
    scene_free(scene);
}

/* Counter-case: carried out by the flush before close(2), it is gone with the pipe, and nothing
 * differs. */
static void test_b2_flushed_before_close(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 4);
    scene_conclude(scene, "equal");
}

/* A flush that fails because the number is a file without poll is a landing on another file: EPERM,
 * not EBADF. */
static void test_b2_flush_fails_on_the_stranger(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: m0 = memfd_create(0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 6);
    scene_returns(scene, ON_SUBJECT, 6, -1, EPERM);
    scene_conclude(scene, "fd-reuse/B2/add-close-memfd_create-wait");
}

/* A DEL that is carried out after the number went to another file removes that file's registration.
 */
static void test_b8_late_del_removes_a_stranger(void **state)
{
    (void)state;
    struct scene *scene =
        scene_new(OPEN_PIPE "main: t1 = pthread_create()\n"                     /* 3 */
                            "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n" /* 4 */
                            "t1: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"         /* 5 */
                            "main: close(r0)\n"                                 /* 6 */
                            "main: v0 = eventfd(1, EFD_NONBLOCK)\n"             /* 7 */
                            "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n" /* 8 */
                            "t1: epoll_wait(e0, 8, 0)\n");                      /* 9 */
    scene_defers(scene, 5, 9);
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 8);
    scene_conclude(scene, "fd-reuse/B8/del-close-eventfd-wait");
}

/* EBADF at a flush: nothing has the number, and nothing else names the pipe. */
static void test_b1_flush_fails_with_ebadf(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 5);
    scene_returns(scene, ON_SUBJECT, 5, -1, EBADF);
    scene_conclude(scene, "errno-phantom/B1/add-close-wait");
}

/* Counter-case: the pipe is closed only after the wait that fails. Nothing took the number: no B1.
 */
static void test_b1_close_after_the_failure(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: epoll_wait(e0, 8, 0)\n"
                                              "main: close(r0)\n");
    scene_defers(scene, 3, LATER);
    scene_returns(scene, ON_SUBJECT, 4, -1, EBADF);
    scene_conclude(scene, "errno-phantom/-/wait");
}

/* libuv #4323: a DEL deferred past close while a dup keeps the pipe alive leaves a registration
 * nobody can remove. */
static void test_b4_del_past_close_with_dup(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: d0 = dup(r0)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                              "main: close(r0)\n"
                                              "main: write(w0, 1)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, 8); /* EBADF: changes nothing */
    scene_event(scene, ON_SUBJECT, 8, EPOLLIN, 3);
    scene_conclude(scene, "readiness-stale/B4/del-close-wait");
}

/* The ADD's way round: natively the registration lives on with the dup. */
static void test_b4_add_past_close_with_dup(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: d0 = dup(r0)\n"
                                              "main: write(w0, 1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, 7);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/B4/add-close-wait");
}

/* Every door but close(2) is B3, and names itself in the signature. */
static void test_b3_other_doors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *signature;
    } doors[] = {
        {"main: close_range(r0, r0, 0)\n", "fd-reuse/B3/add-close_range-eventfd-wait"},
        {"main: fclose(r0)\n", "fd-reuse/B3/add-fclose-eventfd-wait"},
        {"main: syscall(SYS_close, r0)\n", "fd-reuse/B3/add-syscall-eventfd-wait"},
    };
    for (unsigned i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), "%s%s%s%s%s",
                       OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n", doors[i].text,
                       "main: v0 = eventfd(1, EFD_NONBLOCK)\n", "main: epoll_wait(e0, 8, 0)\n", "");
        struct scene *scene = scene_new(text);
        scene_defers(scene, 3, 6);
        scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 3);
        scene_conclude(scene, doors[i].signature);
    }
}

/* dup2 closes and reuses in one step: closer and opener are one, and cited once. */
static void test_b3_dup2_over_the_target(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: d0 = dup2(v0, r0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 6);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 4);
    scene_conclude(scene, "fd-reuse/B3/add-dup2-wait");
}

/* close(2) by another thread than the one that holds the operation is B8, reused or not. */
static void test_b8_other_thread_closes(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: t1 = pthread_create()\n"
                                              "t1: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                              "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 7);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 4);
    scene_conclude(scene, "fd-reuse/B8/add-close-eventfd-wait");
}

/* Counter-case: a child closes its own number. The parent's still names the pipe: that is no door.
 */
static void test_close_in_a_child_is_no_door(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: p1 = fork()\n"
                                              "main: t1 = pthread_create()\n"
                                              "main: write(w0, 1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "p1: close(r0)\n"
                                              "t1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 6, LATER);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_conclude(scene, "readiness-missing/A1/add-wait");
}

/* The epfd is closed with operations pending, and a dup of it shows that they are lost. */
static void test_b5_epfd_closed(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: d0 = dup(e0)\n"
                                              "main: write(w0, 1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(e0)\n"
                                              "main: epoll_wait(d0, 8, 0)\n");
    scene_defers(scene, 5, 7);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/B5/add-close-wait");
}

/* The epfd's number becomes another instance: the operation lands in the wrong interest list. */
static void test_b6_epfd_reused(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: write(w0, 1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(e0)\n"
                                              "main: e1 = epoll_create1(0)\n"
                                              "main: epoll_wait(e1, 8, 0)\n");
    scene_defers(scene, 4, 7);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 4);
    scene_conclude(scene, "fd-reuse/B6/add-close-epoll_create1-wait");
}

/* dup2 over the epfd is B7; close_range over it is B3. */
static void test_b7_dup2_over_epfd(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: e1 = epoll_create1(0)\n"
                                              "main: write(w0, 1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: d0 = dup2(e1, e0)\n"
                                              "main: epoll_wait(e1, 8, 0)\n");
    scene_defers(scene, 5, 7);
    scene_event(scene, ON_SUBJECT, 7, EPOLLIN, 5);
    scene_conclude(scene, "fd-reuse/B7/add-dup2-wait");
}

static void test_b3_close_range_over_epfd(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: d0 = dup(e0)\n"
                                              "main: write(w0, 1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close_range(e0, e0, 0)\n"
                                              "main: epoll_wait(d0, 8, 0)\n");
    scene_defers(scene, 5, 7);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/B3/add-close_range-wait");
}

/* Counter-case: the epfd is closed only after the operation was carried out at a wait. A late door
 * explains nothing. */
static void test_epfd_closed_after_execution(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: d0 = dup(e0)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: epoll_wait(e0, 8, 0)\n"
                                              "main: close(e0)\n"
                                              "main: write(w0, 1)\n"
                                              "main: epoll_wait(d0, 8, 0)\n");
    scene_defers(scene, 4, 5);
    scene_event(scene, ON_BOTH, 8, EPOLLIN, 4);
    scene_conclude(scene, "equal");
}

/* A MOD that is refused because its number is another file's now: not the ADD before it is to
 * blame. */
static void test_b2_late_mod_is_refused(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 7);
    scene_returns(scene, ON_SUBJECT, 7, -1, ENOENT);
    scene_conclude(scene, "fd-reuse/B2/mod-close-eventfd-wait");
}

/* An operation that was carried out in time cannot be what a later flush fails with. */
static void test_b1_blames_the_pending_one(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, w0, 0)\n"
                                              "main: close(r0)\n"
                                              "main: close(w0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 7);
    scene_returns(scene, ON_SUBJECT, 7, -1, EBADF);
    scene_evidence(scene);
    scene_expect(scene, "errno-phantom/B1/add-close-wait");
    assert_int_equal(scene->verdict.culprit, 3);
    scene_free(scene);
}

/* Carried out after dup2's own call: what is listed then can only be the file that dup2 put there.
 */
static void test_b3_flushed_after_dup2(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: d0 = dup2(v0, r0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_defers_past(scene, 4, 5);
    scene_event(scene, ON_SUBJECT, 6, EPOLLIN, 4);
    scene_evidence(scene);
    scene_expect(scene, "fd-reuse/B3/add-dup2-wait");
    scene_free(scene);
}

/* The DEL of a closed instance empties the one that has its number now. */
static void test_b6_del_lands_in_another_instance(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: e1 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, 0)\n"
                                    "main: epoll_ctl(e1, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: close(e0)\n"
                                    "main: d0 = dup(e1)\n"
                                    "main: epoll_wait(d0, 8, 0)\n");
    scene_defers(scene, 5, 9);
    scene_event(scene, ON_NATIVE, 9, EPOLLIN, 6);
    scene_conclude(scene, "fd-reuse/B6/del-close-dup-wait");
}

/* The epfd is closed by another thread than the one that holds the operation. */
static void test_b8_other_thread_closes_the_epfd(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: d0 = dup(e0)\n"
                                              "main: write(w0, 1)\n"
                                              "main: t1 = pthread_create()\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "t1: close(e0)\n"
                                              "main: epoll_wait(d0, 8, 0)\n");
    scene_defers(scene, 6, 8); /* EBADF */
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 6);
    scene_conclude(scene, "readiness-missing/B8/add-close-wait");
}

/* What it landed on after the observer looked does not matter: the observer missed what was
 * pending. */
static void test_landing_later_is_no_reuse(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: t1 = pthread_create()\n"
                                              "t1: epoll_wait(e0, 8, -1)\n"
                                              "main: write(w0, 1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_event(scene, ON_NATIVE, 4, EPOLLIN, 6);
    scene_wakes(scene, ON_NATIVE, 4, 6);
    scene_sleeps(scene, ON_SUBJECT, 4);
    scene_defers(scene, 6, 9);
    scene_conclude(scene, "wakeup-lost/A1/wait-add");
}

/* A thread that sleeps on the target keeps the file, and with it the registration that the DEL was
 * to end. */
static void test_b14_sleeper_pins_the_target(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: t1 = pthread_create()\n"
                                              "t1: poll(r0, POLLPRI, -1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                              "main: close(r0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_sleeps(scene, ON_BOTH, 5);
    scene_defers(scene, 6, 8);
    scene_returns(scene, ON_SUBJECT, 8, -1, EBADF);
    scene_conclude(scene, "errno-phantom/B14/poll-del-close-wait");
}

/* Pinned under an ADD, the registration is one that natively lives (B4). */
static void test_b4_sleeper_pins_the_target(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: t1 = pthread_create()\n"
                                              "t1: poll(r0, POLLPRI, -1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: close(r0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_sleeps(scene, ON_BOTH, 4);
    scene_defers(scene, 5, 7);
    scene_returns(scene, ON_SUBJECT, 7, -1, EBADF);
    scene_conclude(scene, "errno-phantom/B4/poll-add-close-wait");
}

/* Counter-case: it sleeps on another file (B1). */
static void test_b14_needs_the_target(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: t1 = pthread_create()\n"
                                              "t1: poll(w0, POLLPRI, -1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                              "main: close(r0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_sleeps(scene, ON_BOTH, 5);
    scene_defers(scene, 6, 8);
    scene_returns(scene, ON_SUBJECT, 8, -1, EBADF);
    scene_conclude(scene, "errno-phantom/B1/del-close-wait");
}

/* Counter-case: the sleeper has come back before the operation is due (B1). */
static void test_b14_needs_a_sleeper(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN_PIPE "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"
                                              "main: t1 = pthread_create()\n"
                                              "t1: poll(r0, POLLIN, -1)\n"
                                              "main: write(w0, 1)\n"
                                              "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"
                                              "main: close(r0)\n"
                                              "main: epoll_wait(e0, 8, 0)\n");
    scene_wakes(scene, ON_BOTH, 5, 6);
    scene_defers(scene, 7, 9);
    scene_returns(scene, ON_SUBJECT, 9, -1, EBADF);
    scene_conclude(scene, "errno-phantom/B1/del-close-wait");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b2_add_lands_on_reused_number),
        cmocka_unit_test(test_b2_without_evidence),
        cmocka_unit_test(test_b2_flushed_before_close),
        cmocka_unit_test(test_b2_flush_fails_on_the_stranger),
        cmocka_unit_test(test_b8_late_del_removes_a_stranger),
        cmocka_unit_test(test_b1_flush_fails_with_ebadf),
        cmocka_unit_test(test_b1_close_after_the_failure),
        cmocka_unit_test(test_b4_del_past_close_with_dup),
        cmocka_unit_test(test_b4_add_past_close_with_dup),
        cmocka_unit_test(test_b3_other_doors),
        cmocka_unit_test(test_b3_dup2_over_the_target),
        cmocka_unit_test(test_b8_other_thread_closes),
        cmocka_unit_test(test_close_in_a_child_is_no_door),
        cmocka_unit_test(test_b5_epfd_closed),
        cmocka_unit_test(test_b6_epfd_reused),
        cmocka_unit_test(test_b7_dup2_over_epfd),
        cmocka_unit_test(test_b3_close_range_over_epfd),
        cmocka_unit_test(test_epfd_closed_after_execution),
        cmocka_unit_test(test_b2_late_mod_is_refused),
        cmocka_unit_test(test_b1_blames_the_pending_one),
        cmocka_unit_test(test_b3_flushed_after_dup2),
        cmocka_unit_test(test_b6_del_lands_in_another_instance),
        cmocka_unit_test(test_b8_other_thread_closes_the_epfd),
        cmocka_unit_test(test_landing_later_is_no_reuse),
        cmocka_unit_test(test_b14_sleeper_pins_the_target),
        cmocka_unit_test(test_b4_sleeper_pins_the_target),
        cmocka_unit_test(test_b14_needs_the_target),
        cmocka_unit_test(test_b14_needs_a_sleeper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
