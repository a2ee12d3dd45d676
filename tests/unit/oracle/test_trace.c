/*
 * Traces: what they print and hand to the world. What must not happen: a step that did not return
 * shown with a result, an event shown without the registration that its data names, or a text that
 * runs past its buffer.
 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#define TEXT                                                                                       \
    "main: e0 = epoll_create1(0)\n"                     /* 1 */                                    \
    "main: r0, w0 = pipe2(O_NONBLOCK)\n"                /* 2 */                                    \
    "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n" /* 3 */                                    \
    "main: epoll_ctl(e0, EPOLL_CTL_MOD, r0, EPOLLIN)\n" /* 4 */                                    \
    "main: epoll_wait(e0, 8, -1)\n"                     /* 5 */                                    \
    "main: poll(e0, POLLIN, 0)\n"                       /* 6 */                                    \
    "main: p1 = fork()\n"                               /* 7 */                                    \
    "p1: _exit(3)\n"                                    /* 8 */                                    \
    "main: waitpid(p1, 0)\n"                            /* 9 */

static void expect_result(struct scene *scene, unsigned step, const char *expected)
{
    char out[256];
    size_t length = trace_print_result(scene->traces[1], step - 1, out, sizeof(out));
    assert_string_equal(out, expected);
    assert_int_equal(length, strlen(expected));
}

static void test_prints_results(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TEXT);
    expect_result(scene, 1, "3");
    expect_result(scene, 2, "4, 5");
    expect_result(scene, 3, "0");
    expect_result(scene, 5, "nothing");
    expect_result(scene, 6, "nothing");
    expect_result(scene, 7, "0");
    expect_result(scene, 8, "ends");
    scene_returns(scene, ON_SUBJECT, 3, -1, ENOENT);
    expect_result(scene, 3, "-1 ENOENT");
    scene_returns(scene, ON_SUBJECT, 3, 0, EAGAIN);
    expect_result(scene, 3, "0, errno EAGAIN");
    scene_returns(scene, ON_SUBJECT, 6, 1, 0);
    expect_result(scene, 6, "ready");
    scene_returns(scene, ON_SUBJECT, 9, 3, 0);
    expect_result(scene, 9, "3");
    scene_returns(scene, ON_SUBJECT, 9, 256 + SIGKILL, 0);
    expect_result(scene, 9, "SIGKILL");
    scene_skips(scene, ON_SUBJECT, 9);
    expect_result(scene, 9, "skipped");
    scene_free(scene);
}

static void test_prints_events_with_their_registrations(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TEXT);
    scene_event(scene, ON_SUBJECT, 5, EPOLLIN, 3);
    expect_result(scene, 5, "EPOLLIN from the ADD of step 3");
    scene_event(scene, ON_SUBJECT, 5, EPOLLIN | EPOLLHUP, 4);
    expect_result(scene, 5,
                  "EPOLLIN from the ADD of step 3; EPOLLIN|EPOLLHUP from the MOD of step 4");
    scene_returns(scene, ON_SUBJECT, 5, 0, 0);
    scene_event(scene, ON_SUBJECT, 5, EPOLLIN, 2); /* pipe2 registers nothing */
    expect_result(scene, 5, "EPOLLIN from no step (data 2)");
    scene_returns(scene, ON_SUBJECT, 5, 0, 0);
    scene_event(scene, ON_SUBJECT, 5, EPOLLIN, 77);
    expect_result(scene, 5, "EPOLLIN from no step (data 77)");
    scene_free(scene);
}

static void test_prints_a_sleeper_twice(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TEXT);
    char out[64];
    scene_event(scene, ON_SUBJECT, 5, EPOLLIN, 3);
    scene_wakes(scene, ON_SUBJECT, 5, 6);
    expect_result(scene, 5, "blocks");
    (void)trace_print_completion(scene->traces[1], 4, out, sizeof(out));
    assert_string_equal(out, "EPOLLIN from the ADD of step 3");
    scene_sleeps(scene, ON_SUBJECT, 5);
    expect_result(scene, 5, "blocks");
    (void)trace_print_completion(scene->traces[1], 4, out, sizeof(out));
    assert_string_equal(out, "blocks");
    scene_free(scene);
}

static void test_prints_within_the_buffer(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TEXT);
    for (unsigned i = 0; i < PROGRAM_EVENTS_MAX; i++)
        scene_event(scene, ON_SUBJECT, 5, EPOLLIN, 3);
    char out[32];
    memset(out, '#', sizeof(out));
    size_t length = trace_print_result(scene->traces[1], 4, out, 16);
    assert_true(length > 16);
    assert_string_equal(out, "EPOLLIN from th");
    assert_int_equal(out[16], '#');
    assert_true(trace_print_result(scene->traces[1], 4, NULL, 0) == length);
    scene_free(scene);
}

static void test_reset_makes_it_empty(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TEXT);
    scene_evidence(scene);
    trace_reset(scene->traces[1], &scene->document.program);
    expect_result(scene, 1, "not reached");
    assert_int_equal(scene->traces[1]->nsnapshots, 0);
    assert_int_equal(scene->traces[1]->processes[1].state, PROCESS_UNBORN);
    assert_int_equal(scene->traces[1]->end_step, TRACE_NEVER);
    scene_free(scene);
}

static void test_outcome_of_a_step_that_did_not_return_is_failure(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TEXT);
    struct world_outcome outcome;
    trace_outcome(scene->traces[1], 1, &outcome);
    assert_int_equal(outcome.ret, 0);
    assert_int_equal(outcome.fds[0], 4);
    assert_int_equal(outcome.fds[1], 5);
    scene_skips(scene, ON_SUBJECT, 2);
    trace_outcome(scene->traces[1], 1, &outcome);
    assert_int_equal(outcome.ret, -1);
    assert_int_equal(outcome.fds[0], -1);
    assert_int_equal(outcome.fds[1], -1);
    scene_free(scene);
}

static void test_finds_snapshots(void **state)
{
    (void)state;
    struct scene *scene = scene_new(TEXT);
    scene_evidence(scene);
    const struct trace_snapshot *snapshot = trace_find_snapshot(scene->traces[1], 2, 0, 3);
    assert_non_null(snapshot);
    assert_int_equal(snapshot->nitems, 1);
    assert_int_equal(scene->traces[1]->items[snapshot->first].data, 3);
    assert_int_equal(scene->traces[1]->items[snapshot->first].number, 4);
    assert_null(trace_find_snapshot(scene->traces[1], 2, 0, 4));
    assert_null(trace_find_snapshot(scene->traces[1], 2, 1, 3)); /* before the fork */
    assert_non_null(trace_find_snapshot(scene->traces[1], 6, 1, 3));
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prints_results),
        cmocka_unit_test(test_prints_events_with_their_registrations),
        cmocka_unit_test(test_prints_a_sleeper_twice),
        cmocka_unit_test(test_prints_within_the_buffer),
        cmocka_unit_test(test_reset_makes_it_empty),
        cmocka_unit_test(test_outcome_of_a_step_that_did_not_return_is_failure),
        cmocka_unit_test(test_finds_snapshots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
