/*
 * What must not happen: that an order of steps is rarer among the schedules than the bound
 * promises, for example because priorities never change; that schedules are drawn unevenly; that
 * somebody acts who cannot.
 *
 * The bound is checked exactly, by going through every schedule that can be drawn: priorities in
 * every order, change points at every step. Then draws are counted against that.
 */
#include "fuzz/generate/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ACTORS_MAX = 3, STEPS_EACH = 4, DRAWS = 200000 };

/* Step `step` of actor `actor`, from 0. */
struct point {
    unsigned actor, step;
};

/* A bug: it shows when every constraint holds. As many constraints as its depth. */
struct bug {
    const char *name;
    unsigned nactors, depth;
    struct {
        struct point before, after;
    } constraints[SCHEDULE_DEPTH_MAX];
};

static const struct bug bugs[] = {
    {"two actors, the second overtakes", 2, 1, {{{1, 3}, {0, 0}}}},
    {"two actors, the first overtakes", 2, 1, {{{0, 3}, {1, 0}}}},
    {"three actors, the third overtakes the first", 3, 1, {{{2, 3}, {0, 0}}}},
    {"one whole between two steps of the other", 2, 2, {{{0, 1}, {1, 0}}, {{1, 3}, {0, 2}}}},
    {"one step between two neighbours", 2, 2, {{{0, 2}, {1, 1}}, {{1, 1}, {0, 3}}}},
    {"three actors, the third between two steps", 3, 2, {{{1, 0}, {2, 0}}, {{2, 3}, {1, 1}}}},
    {"three actors in a row", 3, 2, {{{2, 3}, {0, 0}}, {{0, 3}, {1, 0}}}},
    {"there, back and there", 2, 3, {{{0, 0}, {1, 0}}, {{1, 1}, {0, 1}}, {{0, 2}, {1, 2}}}},
};
#define BUGS (sizeof(bugs) / sizeof(bugs[0]))

/* Whether the schedule shows the bug: every actor does its steps, whenever it is its turn. */
static bool shows(struct schedule schedule, const struct bug *bug)
{
    unsigned when[ACTORS_MAX][STEPS_EACH];
    unsigned done[ACTORS_MAX] = {0};
    unsigned length = bug->nactors * STEPS_EACH;

    for (unsigned number = 1; number <= length; number++) {
        uint32_t able = 0;
        for (unsigned i = 0; i < bug->nactors; i++)
            able |= done[i] < STEPS_EACH ? 1u << i : 0;
        int actor = schedule_next(&schedule, number, able);
        assert_true(actor >= 0 && ((able >> actor) & 1) != 0);
        assert_int_equal(schedule_next(&schedule, number, able), actor);
        when[actor][done[actor]++] = number;
    }
    for (unsigned i = 0; i < bug->depth; i++) {
        struct point before = bug->constraints[i].before;
        struct point after = bug->constraints[i].after;
        if (when[before.actor][before.step] >= when[after.actor][after.step])
            return false;
    }
    return true;
}

static unsigned power(unsigned base, unsigned exponent)
{
    return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

/* Every order of priorities with every choice of change points. Returns how many show the bug. */
static unsigned count_showing(const struct bug *bug, unsigned *ret_total)
{
    static const unsigned orders[][ACTORS_MAX] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1},
                                                  {2, 0, 1}, {1, 2, 0}, {2, 1, 0}};
    unsigned length = bug->nactors * STEPS_EACH;
    unsigned norders = bug->nactors == 2 ? 2 : 6;
    unsigned choices = power(length, bug->depth - 1);
    unsigned showing = 0;

    for (unsigned order = 0; order < norders; order++) {
        for (unsigned choice = 0; choice < choices; choice++) {
            struct schedule schedule = {.depth = bug->depth, .length = length};
            for (unsigned i = 0; i < bug->nactors; i++)
                schedule.priorities[i] = bug->depth + 1 + orders[order][i];
            for (unsigned i = 0; i + 1 < bug->depth; i++)
                schedule.changes[i] = 1 + choice / power(length, i) % length;
            showing += shows(schedule, bug);
        }
    }
    *ret_total = norders * choices;
    return showing;
}

static void test_bound_holds_exactly(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BUGS; i++) {
        unsigned length = bugs[i].nactors * STEPS_EACH;
        unsigned total;
        unsigned showing = count_showing(&bugs[i], &total);
        unsigned bound = bugs[i].nactors * power(length, bugs[i].depth - 1);
        if (showing * bound < total)
            print_message("%s: %u of %u, promised 1 in %u\n", bugs[i].name, showing, total, bound);
        assert_true(showing * bound >= total);
    }
}

static void test_draws_are_even(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BUGS; i++) {
        unsigned length = bugs[i].nactors * STEPS_EACH;
        struct random random;
        unsigned total, drawn = 0;
        uint64_t showing = count_showing(&bugs[i], &total);

        random_seed(&random, 1, i);
        for (unsigned draw = 0; draw < DRAWS; draw++) {
            struct schedule schedule;
            schedule_draw(&schedule, bugs[i].depth, length, &random);
            drawn += shows(schedule, &bugs[i]);
        }
        /* The rarest of them shows 2,000 times: 20 percent are many standard deviations. */
        uint64_t expected = showing * DRAWS / total;
        assert_in_range(drawn, expected * 8 / 10, expected * 12 / 10);
    }
}

static void test_all_priorities_differ_and_are_above_the_depth(void **state)
{
    struct random random;

    (void)state;
    random_seed(&random, 2, 0);
    for (unsigned draw = 0; draw < 1000; draw++) {
        struct schedule schedule;
        unsigned depth = 1 + draw % SCHEDULE_DEPTH_MAX;
        uint64_t seen = 0;
        schedule_draw(&schedule, depth, 1 + draw % 40, &random);
        for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
            assert_true(schedule.priorities[i] > depth && schedule.priorities[i] < 64);
            seen |= UINT64_C(1) << schedule.priorities[i];
        }
        assert_int_equal(__builtin_popcountll(seen), PROGRAM_ACTORS_MAX);
        for (unsigned i = 0; i + 1 < depth; i++)
            assert_in_range(schedule.changes[i], 1, 1 + draw % 40);
    }
}

static void test_who_sleeps_is_passed_over(void **state)
{
    struct schedule schedule = {.depth = 2, .length = 9, .changes = {5}, .priorities = {9, 8, 7}};

    (void)state;
    assert_int_equal(schedule_next(&schedule, 1, 7), 0);
    assert_int_equal(schedule_next(&schedule, 2, 6), 1);
    assert_int_equal(schedule_next(&schedule, 3, 4), 2);
    assert_int_equal(schedule_next(&schedule, 4, 0), -1);
    /* The change befalls who would act: actor 1, for actor 0 sleeps. */
    assert_int_equal(schedule_next(&schedule, 5, 6), 2);
    assert_int_equal(schedule_next(&schedule, 6, 7), 0);
    assert_int_equal(schedule.priorities[1], 1);
}

/* A step of a recipe that is skipped over: the change is later than its step. */
static void test_a_change_befalls_the_actor_that_is_named(void **state)
{
    struct schedule schedule = {.depth = 2, .length = 9, .changes = {3}, .priorities = {9, 8, 7}};

    (void)state;
    assert_false(schedule_changes(&schedule, 2));
    assert_true(schedule_changes(&schedule, 4));
    schedule_pass(&schedule, 4, 1);
    assert_false(schedule_changes(&schedule, 4));
    assert_int_equal(schedule_next(&schedule, 4, 6), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_holds_exactly),
        cmocka_unit_test(test_draws_are_even),
        cmocka_unit_test(test_all_priorities_differ_and_are_above_the_depth),
        cmocka_unit_test(test_who_sleeps_is_passed_over),
        cmocka_unit_test(test_a_change_befalls_the_actor_that_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
