/*
 * What must not happen: that putting flush points into a program changes it. Natively every step of
 * the program must come to exactly what it came to without, numbers, lists and tables included;
 * or a layer would be blamed for what the transformation does. And under a layer that defers, the
 * points must flush.
 */
#include "tests/unit/execute/support.h"

#include "fuzz/generate/generate.h"
#include "fuzz/generate/metamorphic.h"
#include "oracle/judge.h"
#include "oracle/translate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRAMS = 1500, SEED = 11 };

static struct {
    struct metamorphic flushed;
    struct trace *plain, *raw, *told;
} room;

static int make_room(void **state)
{
    (void)state;
    room.plain = trace_new();
    room.raw = trace_new();
    room.told = trace_new();
    return room.plain && room.raw && room.told ? 0 : -1;
}

static int free_room(void **state)
{
    (void)state;
    trace_free(room.plain);
    trace_free(room.raw);
    trace_free(room.told);
    return 0;
}

static void run_into(struct executor *executor, const struct program *program, struct trace *trace)
{
    char why[EXECUTE_WHY_MAX + 1];

    if (executor_run(executor, program, EXECUTE_EVIDENCE, trace, why) != 0)
        fail_msg("%s", why);
}

/* Runs the program natively and with flush points under `executor`; room.told is the latter. */
static void run_both(struct executor *native, struct executor *executor,
                     const struct program *program)
{
    uint32_t free_actors[PROGRAM_STEPS_MAX];
    struct trace_map map = {
        .inserted = room.flushed.inserted, .origin = room.flushed.origin, .number = METAMORPHIC_FD};

    run_into(native, program, room.plain);
    trace_free_actors(room.plain, free_actors);
    assert_int_equal(metamorphic_insert(program, free_actors, &room.flushed), 0);
    run_into(executor, &room.flushed.program, room.raw);
    trace_translate(room.raw, &map, program, room.told);
}

/* The steps of the program are all there, in order, and what is inserted is valid. */
static void assert_sound(const struct program *program)
{
    const struct program *longer = &room.flushed.program;
    uint8_t drop[PROGRAM_STEPS_MAX] = {0};
    static struct program without;
    unsigned next = 0, at;
    char why[256];

    if (program_check(longer, &at, why, sizeof(why)) != 0)
        fail_msg("step %u: %s", step_number(at), why);
    for (unsigned i = 0; i < longer->nsteps; i++) {
        drop[i] = room.flushed.inserted[i];
        if (room.flushed.inserted[i])
            continue;
        assert_int_equal(room.flushed.origin[i], next);
        next++;
    }
    assert_int_equal(next, program->nsteps);
    /* What the program's own reduction leaves of it is the program. */
    assert_int_equal(program_without(longer, drop, &without), 0);
    assert_true(program_equal(&without, program));
}

static void test_native_runs_do_not_change(void **state)
{
    struct judge_options strict = {.contract = CONTRACT_EXACT, .strict_order = true};
    static struct program program;
    struct executor *executor = start("native", 0);
    unsigned points = 0, steps = 0;

    (void)state;
    for (unsigned i = 0; i < TRIALS(PROGRAMS); i++) {
        struct verdict verdict;
        generate_program(SEED, i, &program);
        run_both(executor, executor, &program);
        assert_sound(&program);
        judge_traces(room.plain, room.told, &strict, &verdict);
        if (!verdict.equal)
            fail_msg("program %u, step %u: %s", i, step_number(verdict.step), verdict.explanation);
        for (unsigned k = METAMORPHIC_SETUP_STEPS; k < room.flushed.program.nsteps; k++) {
            if (!room.flushed.inserted[k])
                continue;
            /* Whoever was said to be free is: no flush point is skipped. */
            assert_int_equal(room.raw->steps[k].state, STEP_DONE);
            points++;
        }
        steps += program.nsteps;
    }
    /* Hardly a step has none behind it: only those after which nobody can act. */
    assert_true(points * 100 >= steps * METAMORPHIC_POINT_STEPS * 95);
    executor_stop(executor);
}

/* A thread sleeps, so another must do the flush; the ADD of a layer that defers is carried out
 * there, and wakes it. */
static void assert_woken(const char *subject)
{
    static const char text[] = "main: e0 = epoll_create1(0)\n"
                               "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                               "main: t1 = pthread_create()\n"
                               "t1: epoll_wait(e0, 8, -1)\n"
                               "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                               "main: close(0)\n";
    struct judge_options strict = {.contract = CONTRACT_EXACT, .strict_order = true};
    struct executor *native = start("native", 0);
    struct executor *executor = start(subject, 0);
    static struct program program;
    struct verdict verdict;

    parse(text, &program);
    run_both(native, executor, &program);
    assert_sound(&program);
    assert_int_equal(room.told->steps[3].completed_at, 4);
    assert_int_equal(room.told->steps[3].events[0].data, 5);
    judge_traces(room.plain, room.told, &strict, &verdict);
    assert_true(verdict.equal);
    run_into(executor, &program, room.raw);
    judge_traces(room.told, room.raw, &strict, &verdict);
    assert_int_equal(verdict.equal, strcmp(subject, "native") == 0);
    executor_stop(executor);
    executor_stop(native);
}

static void test_points_flush(void **state)
{
    (void)state;
    assert_woken("native");
    assert_woken("shim:naive");
    assert_woken("shim:hash");
    assert_woken("shim:tls");
}

static void test_long_programs(void **state)
{
    static struct program program;
    uint32_t free_actors[PROGRAM_STEPS_MAX];

    (void)state;
    memset(free_actors, 0xff, sizeof(free_actors));
    program_init(&program);
    while (program.nsteps < PROGRAM_STEPS_MAX - 7)
        assert_non_null(program_append(&program, OP_CLOSE, 0));
    assert_int_equal(metamorphic_insert(&program, free_actors, &room.flushed), 0);
    assert_sound(&program);
    assert_int_equal(room.flushed.program.nsteps, PROGRAM_STEPS_MAX);
    (void)program_append(&program, OP_CLOSE, 0);
    (void)program_append(&program, OP_CLOSE, 0);
    assert_int_equal(metamorphic_insert(&program, free_actors, &room.flushed), 0);
    (void)program_append(&program, OP_CLOSE, 0);
    assert_int_equal(metamorphic_insert(&program, free_actors, &room.flushed), -E2BIG);
    program_init(&program);
    while (program.nslots + 2 < PROGRAM_SLOTS_MAX)
        assert_non_null(program_append(&program, OP_EVENTFD, 0));
    assert_int_equal(metamorphic_insert(&program, free_actors, &room.flushed), 0);
    (void)program_append(&program, OP_EVENTFD, 0);
    assert_int_equal(metamorphic_insert(&program, free_actors, &room.flushed), -E2BIG);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native_runs_do_not_change),
        cmocka_unit_test(test_points_flush),
        cmocka_unit_test(test_long_programs),
    };

    return cmocka_run_group_tests(tests, make_room, free_room);
}
