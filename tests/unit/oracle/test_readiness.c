/*
 * Hazards of readiness: the lists agree on both sides, and the events do not. What must not happen:
 * a mode of the registration blamed when the lists differ, when there is no evidence that they
 * agree, or when the registration has no such mode.
 */
#include "test.h"

#include <string.h>
#include <sys/epoll.h>

static struct scene *missing_event(const char *mask, bool carried_out)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "main: e0 = epoll_create1(0)\n"
                   "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                   "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, %s)\n"
                   "main: epoll_wait(e0, 8, 0)\n",
                   mask);
    struct scene *scene = scene_new(text);
    scene_event(scene, ON_NATIVE, 4, EPOLLIN, 3);
    if (!carried_out)
        scene_defers(scene, 3, LATER);
    return scene;
}

static void test_modes(void **state)
{
    (void)state;
    scene_conclude(missing_event("EPOLLIN|EPOLLET", true), "readiness-missing/E2/add-wait");
    scene_conclude(missing_event("EPOLLIN|EPOLLONESHOT", true), "readiness-missing/E4/add-wait");
    scene_conclude(missing_event("EPOLLIN|EPOLLEXCLUSIVE", true), "readiness-missing/E5/add-wait");
}

static void test_level_triggered_has_no_mode(void **state)
{
    (void)state;
    scene_conclude(missing_event("EPOLLIN", true), "readiness-missing/-/add-wait");
}

static void test_lists_must_agree(void **state)
{
    (void)state;
    scene_conclude(missing_event("EPOLLIN|EPOLLET", false), "readiness-missing/-/add-wait");
}

static void test_lists_must_be_known(void **state)
{
    (void)state;
    struct scene *scene = missing_event("EPOLLIN|EPOLLET", true);
    scene_expect(scene, "readiness-missing/-/add-wait");
    scene_free(scene);
}

static void test_mask_of_an_edge(void **state)
{
    (void)state;
    struct scene *scene = missing_event("EPOLLIN|EPOLLET", true);
    scene_event(scene, ON_SUBJECT, 4, EPOLLIN | EPOLLOUT, 3);
    scene_conclude(scene, "readiness-mask/E2/add-wait");
}

/* The registration was flushed by the close of its own number, which a dup survives. Not that door
 * is to blame, … */
static void test_flushed_by_the_door(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                    "main: d0 = dup(v0)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN|EPOLLET)\n"
                                    "main: close(v0)\n"
                                    "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 5);
    scene_event(scene, ON_NATIVE, 6, EPOLLIN, 4);
    scene_conclude(scene, "readiness-missing/E2/add-wait");
}

/* … nor one after the flush, … */
static void test_flushed_before_the_door(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                    "main: d0 = dup(v0)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN|EPOLLET)\n"
                                    "main: epoll_wait(e0, 8, 0)\n"
                                    "main: close(v0)\n"
                                    "main: write(d0, 8)\n"
                                    "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 4, 5);
    scene_event(scene, ON_NATIVE, 8, EPOLLIN, 4);
    scene_conclude(scene, "readiness-missing/E2/add-wait");
}

/* … nor another thread or process that looks after it. */
static void test_flushed_before_the_look(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN|EPOLLET)\n"
                                    "main: p1 = fork()\n"
                                    "p1: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 3, 4);
    scene_event(scene, ON_NATIVE, 5, EPOLLIN, 3);
    scene_conclude(scene, "readiness-missing/E2/add-wait");
}

/* A DEL that stood before the registration is no thief of what is still listed. */
static void test_nothing_was_taken_away(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                    "main: t1 = pthread_create()\n"
                                    "t1: epoll_ctl(e0, EPOLL_CTL_DEL, v0, 0)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN|EPOLLET)\n"
                                    "main: epoll_wait(e0, 8, 0)\n");
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 6);
    scene_conclude(scene, "readiness-missing/E2/add-wait");
}

/* Carried out while another process had its turn, it still means its own process's number. */
static void test_flushed_in_its_own_process(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: p1 = fork()\n"
                                    "p1: v1 = eventfd(1, EFD_NONBLOCK)\n"
                                    "main: r0, w0 = pipe2(O_NONBLOCK)\n"
                                    "p1: epoll_ctl(e0, EPOLL_CTL_ADD, v1, EPOLLIN|EPOLLET)\n"
                                    "main: write(w0, 1)\n"
                                    "main: epoll_wait(e0, 8, 0)\n");
    scene_defers(scene, 5, 6);
    scene_event(scene, ON_NATIVE, 7, EPOLLIN, 5);
    scene_conclude(scene, "readiness-missing/E2/add-wait");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_level_triggered_has_no_mode),
        cmocka_unit_test(test_lists_must_agree),
        cmocka_unit_test(test_lists_must_be_known),
        cmocka_unit_test(test_mask_of_an_edge),
        cmocka_unit_test(test_flushed_by_the_door),
        cmocka_unit_test(test_flushed_before_the_door),
        cmocka_unit_test(test_flushed_before_the_look),
        cmocka_unit_test(test_nothing_was_taken_away),
        cmocka_unit_test(test_flushed_in_its_own_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
