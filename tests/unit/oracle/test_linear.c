/*
 * What must not happen: that a history which some order explains is called a violation, or one that
 * none explains is let through; that a bounded search, or a model that cannot say, refutes
 * anything.
 */
#include "tests/unit/oracle/toys.h"

static struct toys toys;
static struct linear_result result;

#define EXPECT(calls, verdict)                                                                     \
    do {                                                                                           \
        TOYS(&toys, calls);                                                                        \
        toys_expect(&toys, verdict, &result);                                                      \
    } while (0)

static void nothing_happened(void **state)
{
    (void)state;
    toys_set(&toys, NULL, 0);
    toys_expect(&toys, LINEAR_OK, &result);
    assert_int_equal(result.length, 0);
}

/* Herlihy and Wing: a read that overlaps a write sees either value, one behind it only the new. */
static void registers(void **state)
{
    static const struct toy_call overlapping_old[] = {{1, 4, TOY_WRITE, 1, 0, 0, false},
                                                      {2, 3, TOY_READ, 0, 0, 0, false}};
    static const struct toy_call overlapping_new[] = {{1, 4, TOY_WRITE, 1, 0, 0, false},
                                                      {2, 3, TOY_READ, 0, 1, 0, false}};
    static const struct toy_call behind_old[] = {{1, 2, TOY_WRITE, 1, 0, 0, false},
                                                 {3, 4, TOY_READ, 0, 0, 0, false}};
    static const struct toy_call before_new[] = {{1, 2, TOY_READ, 0, 1, 0, false},
                                                 {3, 4, TOY_WRITE, 1, 0, 0, false}};
    /* New, then old, while the write is under way. */
    static const struct toy_call inverted[] = {{1, 8, TOY_WRITE, 1, 0, 0, false},
                                               {2, 3, TOY_READ, 0, 1, 0, false},
                                               {4, 5, TOY_READ, 0, 0, 0, false}};
    /* Both reads under way at once: no inversion. */
    static const struct toy_call together[] = {{1, 8, TOY_WRITE, 1, 0, 0, false},
                                               {2, 5, TOY_READ, 0, 1, 0, false},
                                               {3, 4, TOY_READ, 0, 0, 0, false}};

    (void)state;
    EXPECT(overlapping_old, LINEAR_OK);
    EXPECT(overlapping_new, LINEAR_OK);
    EXPECT(behind_old, LINEAR_VIOLATION);
    EXPECT(before_new, LINEAR_VIOLATION);
    EXPECT(inverted, LINEAR_VIOLATION);
    EXPECT(together, LINEAR_OK);
}

/* The queues of Herlihy and Wing's figure 1. */
static void queues(void **state)
{
    static const struct toy_call h1[] = {{1, 3, TOY_ENQUEUE, 7, 0, 0, false},
                                         {2, 4, TOY_ENQUEUE, 8, 0, 0, false},
                                         {5, 7, TOY_DEQUEUE, 0, 8, 0, false},
                                         {6, 8, TOY_DEQUEUE, 0, 7, 0, false}};
    static const struct toy_call h2[] = {{1, 2, TOY_ENQUEUE, 7, 0, 0, false},
                                         {3, 4, TOY_ENQUEUE, 8, 0, 0, false},
                                         {5, 6, TOY_DEQUEUE, 0, 8, 0, false}};
    static const struct toy_call h4[] = {{1, 3, TOY_ENQUEUE, 7, 0, 0, false},
                                         {2, 4, TOY_ENQUEUE, 8, 0, 0, false},
                                         {5, 7, TOY_DEQUEUE, 0, 8, 0, false},
                                         {6, 8, TOY_DEQUEUE, 0, 8, 0, false}};
    static const struct toy_call empty[] = {{1, 6, TOY_ENQUEUE, 7, 0, 0, false},
                                            {2, 3, TOY_DEQUEUE, 0, -1, 0, false},
                                            {4, 5, TOY_DEQUEUE, 0, 7, 0, false}};

    (void)state;
    EXPECT(h1, LINEAR_OK);
    EXPECT(h2, LINEAR_VIOLATION);
    EXPECT(h4, LINEAR_VIOLATION);
    EXPECT(empty, LINEAR_OK);
    /* The first that returned is not the first that took place. */
    assert_int_equal(result.order[0], 1);
    assert_int_equal(result.order[1], 0);
}

static void sets(void **state)
{
    static const struct toy_call both_add[] = {{1, 4, TOY_ADD, 3, 1, 0, false},
                                               {2, 3, TOY_ADD, 3, 1, 0, false}};
    static const struct toy_call one_removes[] = {{1, 6, TOY_ADD, 3, 1, 0, false},
                                                  {2, 5, TOY_ADD, 3, 1, 0, false},
                                                  {3, 4, TOY_REMOVE, 3, 1, 0, false}};
    static const struct toy_call too_early[] = {{5, 8, TOY_ADD, 3, 1, 0, false},
                                                {6, 7, TOY_ADD, 3, 1, 0, false},
                                                {3, 4, TOY_REMOVE, 3, 1, 0, false}};

    (void)state;
    EXPECT(both_add, LINEAR_VIOLATION);
    EXPECT(one_removes, LINEAR_OK);
    EXPECT(too_early, LINEAR_VIOLATION);
}

/* An operation with two effects: what others do can lie between them. */
static void two_effects(void **state)
{
    /* One call takes 1 out and puts 2 in; somebody sees neither of them. */
    static const struct toy_call between[] = {{1, 2, TOY_ADD, 1, 1, 0, false},
                                              {3, 9, TOY_REMOVE, 1, 1, 0, false},
                                              {3, 9, TOY_ADD, 2, 1, 0, true},
                                              {4, 5, TOY_HAS, 1, 0, 0, false},
                                              {6, 7, TOY_HAS, 2, 0, 0, false}};
    /* The second effect is never there before the first. */
    static const struct toy_call inverted[] = {{1, 2, TOY_ADD, 1, 1, 0, false},
                                               {3, 9, TOY_REMOVE, 1, 1, 0, false},
                                               {3, 9, TOY_ADD, 2, 1, 0, true},
                                               {4, 5, TOY_HAS, 2, 1, 0, false},
                                               {6, 7, TOY_HAS, 1, 1, 0, false}};
    /* The second effect of a call that has returned is still to come, until stamp 9. */
    static const struct toy_call late[] = {{1, 2, TOY_REMOVE, 1, 0, 0, false},
                                           {1, 9, TOY_ADD, 2, 1, 0, true},
                                           {4, 5, TOY_HAS, 2, 0, 0, false}};

    (void)state;
    EXPECT(between, LINEAR_OK);
    EXPECT(inverted, LINEAR_VIOLATION);
    EXPECT(late, LINEAR_OK);
}

/* An effect with several outcomes: the search goes back to it. */
static void several_outcomes(void **state)
{
    static const struct toy_call flips[] = {{1, 2, TOY_FLIP, 5, 0, 0, false},
                                            {3, 4, TOY_READ, 0, 5, 0, false}};
    static const struct toy_call neither[] = {{1, 2, TOY_FLIP, 5, 0, 0, false},
                                              {3, 4, TOY_READ, 0, 6, 0, false}};

    (void)state;
    EXPECT(flips, LINEAR_OK);
    EXPECT(neither, LINEAR_VIOLATION);
}

/* What the model cannot say refutes nothing, and what it need not say does not matter. */
static void beyond_the_model(void **state)
{
    static const struct toy_call behind[] = {{1, 2, TOY_WHAT, 0, 0, 0, false},
                                             {3, 4, TOY_READ, 0, 1, 0, false}};
    static const struct toy_call refuted[] = {{1, 2, TOY_READ, 0, 1, 0, false},
                                              {3, 4, TOY_WHAT, 0, 0, 0, false}};

    (void)state;
    EXPECT(behind, LINEAR_UNKNOWN);
    assert_false(result.bounded);
    EXPECT(refuted, LINEAR_VIOLATION);
}

/* Calls that may have taken place or not, within their time. */
static void optional_calls(void **state)
{
    static const struct toy_call calls[] = {{1, 4, TOY_WRITE, 1, 0, 0, false},
                                            {2, 3, TOY_READ, 0, 1, 0, false},
                                            {5, 6, TOY_READ, 0, 0, 0, false}};
    static const struct toy_call too_late[] = {{3, 4, TOY_READ, 0, 0, 0, false},
                                               {1, 2, TOY_WRITE, 1, 0, 0, false},
                                               {5, 6, TOY_READ, 0, 1, 0, false}};

    (void)state;
    EXPECT(calls, LINEAR_VIOLATION);
    linear_remove(&toys.problem.required, 0); /* the write is still needed for the first read */
    toys_expect(&toys, LINEAR_VIOLATION, &result);
    linear_remove(&toys.problem.required, 1);
    toys_expect(&toys, LINEAR_OK, &result);
    TOYS(&toys, too_late);
    linear_remove(&toys.problem.required, 1);
    toys_expect(&toys, LINEAR_VIOLATION, &result);
}

enum {
    WIDE = 8,
};

/* `WIDE` writes at once, and a read behind them of what nobody wrote. */
static void wide(struct toy_call calls[WIDE + 1], unsigned stages)
{
    for (int i = 0; i < WIDE; i++)
        calls[i] = (struct toy_call){1, 10, TOY_ADD, i, 1, (unsigned)i % stages, false};
    calls[WIDE] = (struct toy_call){11, 12, TOY_HAS, WIDE, 1, stages, false};
}

/* A search that is cut short says so. It remembers: of 8! orders it looks at 2^8 sets. */
static void bounded(void **state)
{
    static struct toy_call calls[WIDE + 1];

    (void)state;
    wide(calls, 1);
    EXPECT(calls, LINEAR_VIOLATION);
    assert_int_equal(result.nodes, 1 << WIDE);
    toys.problem.nodes_max = 1 << (WIDE - 1);
    toys_expect(&toys, LINEAR_UNKNOWN, &result);
    assert_true(result.bounded);
    /* Independent ones in stages of their own: there is one order of stages. */
    wide(calls, WIDE);
    EXPECT(calls, LINEAR_VIOLATION);
    assert_int_equal(result.nodes, WIDE + 1);
    wide(calls, 2);
    EXPECT(calls, LINEAR_VIOLATION);
    assert_int_equal(result.nodes, 2 * (1 << (WIDE / 2)) - 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_happened), cmocka_unit_test(registers),
        cmocka_unit_test(queues),           cmocka_unit_test(sets),
        cmocka_unit_test(two_effects),      cmocka_unit_test(several_outcomes),
        cmocka_unit_test(beyond_the_model), cmocka_unit_test(optional_calls),
        cmocka_unit_test(bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
