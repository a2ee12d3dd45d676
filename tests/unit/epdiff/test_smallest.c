/*
 * What must not happen: that the smallest program of a hazard, or what is counted for it, depends
 * on the order in which workers come by; that a program which did not come again stands for a
 * hazard, or keeps the next one of its group from it; that two actors who meet at one file pass for
 * two who do not.
 */
#include "fuzz/epdiff/smallest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    PROGRAMS = 40,
    ORDERS = 500,
};

/* What a close look at each program says. Of one group, programs may turn out to be different. */
static const struct scene {
    const char *key;
    enum hazard hazard;
} scenes[] = {
    {"0 a", HAZARD_A1}, {"0 b", HAZARD_B1}, {"0 a", HAZARD_B2}, {"0 c", HAZARD_A1},
    {"0 b", HAZARD_C1}, {"0 c", HAZARD_B1}, {"0 d", HAZARD_B2},
};

static const struct scene *scene_of(uint64_t index)
{
    return &scenes[(index * index + index / 3) % (sizeof(scenes) / sizeof(scenes[0]))];
}

static void close_look(uint64_t index, struct verdict *ret_verdict)
{
    memset(ret_verdict, 0, sizeof(*ret_verdict));
    ret_verdict->hazard = scene_of(index)->hazard;
    snprintf(ret_verdict->signature, sizeof(ret_verdict->signature), "%s",
             hazard_codes[ret_verdict->hazard]);
}

/* What a worker does with a divergent program. */
static void meet(struct smallest *smallest, uint64_t index, bool comes_again)
{
    const char *key = scene_of(index)->key;
    struct verdict verdict;

    close_look(index, &verdict);
    if (!smallest_note(smallest, key, 0, index) || !smallest_judge(smallest, key, index, &verdict))
        return;
    if (comes_again)
        smallest_confirm(smallest, key, index, &verdict);
    else
        smallest_dismiss(smallest, key, index);
}

/* What is done at the end for those that are not confirmed. */
static void settle(struct smallest *smallest)
{
    for (unsigned hazard = 0; hazard < HAZARDS; hazard++) {
        uint64_t count;
        struct smallest_group *group = smallest_find(smallest, 0, hazard, false, &count);
        if (group && !group->confirmed) {
            struct verdict verdict;
            close_look(group->index, &verdict);
            smallest_confirm(smallest, group->key, group->index, &verdict);
        }
    }
}

/* The lowest index of each group stands for it, and the lowest of those for its hazard. */
static void check_all(struct smallest *smallest)
{
    for (unsigned hazard = 0; hazard < HAZARDS; hazard++) {
        uint64_t expected = UINT64_MAX, expected_count = 0, count;
        for (uint64_t index = 0; index < PROGRAMS; index++) {
            uint64_t members = 0;
            bool first = true;
            for (uint64_t other = 0; other < PROGRAMS; other++) {
                bool same = strcmp(scene_of(other)->key, scene_of(index)->key) == 0;
                members += same;
                first &= !same || other >= index;
            }
            if (!first || scene_of(index)->hazard != hazard)
                continue;
            expected = index < expected ? index : expected;
            expected_count += members;
        }
        const struct smallest_group *group = smallest_find(smallest, 0, hazard, true, &count);
        assert_int_equal(count, expected_count);
        if (expected == UINT64_MAX) {
            assert_null(group);
            continue;
        }
        assert_non_null(group);
        assert_int_equal(group->index, expected);
        assert_int_equal(group->verdict->hazard, hazard);
    }
}

static void test_order_does_not_matter(void **state)
{
    uint64_t order[PROGRAMS];
    unsigned signatures = 0;

    (void)state;
    srand(1);
    for (unsigned i = 0; i < PROGRAMS; i++)
        order[i] = i;
    for (unsigned round = 0; round < ORDERS; round++) {
        struct smallest smallest;
        smallest_init(&smallest);
        for (unsigned i = 0; i < PROGRAMS; i++)
            meet(&smallest, order[i], true);
        settle(&smallest);
        check_all(&smallest);
        if (round == 0)
            signatures = smallest_signatures(&smallest, 0);
        assert_int_equal(smallest_signatures(&smallest, 0), signatures);
        assert_int_equal(smallest_signatures(&smallest, 1), 0);
        smallest_free(&smallest);
        for (unsigned i = PROGRAMS - 1; i > 0; i--) {
            unsigned j = (unsigned)rand() % (i + 1);
            uint64_t swapped = order[i];
            order[i] = order[j];
            order[j] = swapped;
        }
    }
}

/* Program 0 shows its hazard once and never again. */
static void test_what_does_not_come_again_does_not_count(void **state)
{
    const enum hazard hazard = scene_of(0)->hazard;
    const char *key = scene_of(0)->key;
    struct smallest smallest;
    uint64_t count, next = 1;

    (void)state;
    while (strcmp(scene_of(next)->key, key) != 0)
        next++;
    smallest_init(&smallest);
    meet(&smallest, 0, false);
    assert_null(smallest_find(&smallest, 0, hazard, false, &count));
    assert_int_equal(count, 0);
    meet(&smallest, next, true);
    const struct smallest_group *group =
        smallest_find(&smallest, 0, scene_of(next)->hazard, true, &count);
    assert_non_null(group);
    assert_int_equal(group->index, next);
    assert_int_equal(count, 1);
    smallest_free(&smallest);
}

/* A program of one hazard is looked at once for all of its group that come after it. */
static void test_known_ones_are_only_counted(void **state)
{
    struct verdict verdict;
    struct smallest smallest;
    uint64_t count;

    (void)state;
    smallest_init(&smallest);
    close_look(0, &verdict);
    assert_true(smallest_note(&smallest, "0 a", 0, 5));
    assert_true(smallest_judge(&smallest, "0 a", 5, &verdict));
    smallest_confirm(&smallest, "0 a", 5, &verdict);
    assert_false(smallest_note(&smallest, "0 a", 0, 6));
    /* Another group of the hazard has its look, and no confirmation. */
    assert_true(smallest_note(&smallest, "0 b", 0, 7));
    assert_false(smallest_judge(&smallest, "0 b", 7, &verdict));
    /* The same under another subject has both. */
    assert_true(smallest_note(&smallest, "1 a", 1, 7));
    assert_true(smallest_judge(&smallest, "1 a", 7, &verdict));
    assert_non_null(smallest_find(&smallest, 0, verdict.hazard, true, &count));
    assert_int_equal(count, 3);
    assert_null(smallest_find(&smallest, 1, verdict.hazard, true, &count));
    smallest_free(&smallest);
}

/* Two workers at one group at the same time: the smaller program stays, whoever is last. */
static void test_two_workers_in_one_group(void **state)
{
    struct verdict small, large;
    struct smallest smallest;
    uint64_t count;

    (void)state;
    smallest_init(&smallest);
    close_look(0, &small);
    close_look(0, &large);
    assert_true(smallest_note(&smallest, "0 a", 0, 5));
    assert_true(smallest_note(&smallest, "0 a", 0, 3));
    assert_true(smallest_judge(&smallest, "0 a", 3, &small));
    assert_false(smallest_judge(&smallest, "0 a", 5, &large));
    smallest_confirm(&smallest, "0 a", 5, &large);
    assert_null(smallest_find(&smallest, 0, small.hazard, true, &count));
    smallest_confirm(&smallest, "0 a", 3, &small);
    const struct smallest_group *group = smallest_find(&smallest, 0, small.hazard, true, &count);
    assert_non_null(group);
    assert_int_equal(group->index, 3);
    assert_int_equal(count, 2);
    smallest_free(&smallest);
}

/* main: close(v); t1: close(v) or close(w). */
static void make_program(struct program *ret_program, bool same, bool threads)
{
    program_init(ret_program);
    program_append(ret_program, OP_EVENTFD, 0);
    program_append(ret_program, OP_EVENTFD, 0);
    if (threads)
        program_append(ret_program, OP_PTHREAD_CREATE, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct step *step = program_append(ret_program, OP_CLOSE, threads ? i : 0);
        step->tags[0] = TAG_SLOT;
        step->args[0] = same ? 0 : i;
    }
}

static void test_who_meets_whom_matters(void **state)
{
    static struct program same, apart;
    struct verdict quick = {.signature = "interest/A1/add-wait"};
    char a[SMALLEST_KEY_MAX + 1], b[SMALLEST_KEY_MAX + 1];

    (void)state;
    make_program(&same, true, true);
    make_program(&apart, false, true);
    smallest_key(0, &same, &quick, a);
    smallest_key(0, &apart, &quick, b);
    assert_string_not_equal(a, b);
    /* One actor meets nobody. */
    make_program(&same, true, false);
    make_program(&apart, false, false);
    smallest_key(0, &same, &quick, a);
    smallest_key(0, &apart, &quick, b);
    assert_string_equal(a, b);
    smallest_key(1, &same, &quick, b);
    assert_string_not_equal(a, b);
    strcpy(quick.signature, "interest/A3/add-wait");
    smallest_key(0, &same, &quick, b);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_what_does_not_come_again_does_not_count),
        cmocka_unit_test(test_known_ones_are_only_counted),
        cmocka_unit_test(test_two_workers_in_one_group),
        cmocka_unit_test(test_who_meets_whom_matters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
