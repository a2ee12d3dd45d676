/*
 * What must not happen: that a witness holds a call which the violation does not need, lacks one
 * that it needs, or holds what came after it was there. And no search may disagree with trying
 * every order.
 */
#include "tests/unit/oracle/toys.h"

#include <string.h>

static struct toys toys;
static struct linear_result result;

/* "01101": the calls that the witness holds. */
static void assert_witness(const char *expected)
{
    char held[LINEAR_EFFECTS_MAX + 1] = "";

    toys_expect(&toys, LINEAR_VIOLATION, &result);
    assert_int_equal(linear_minimize(&toys.problem), 0);
    for (unsigned i = 0; i < toys.history.count; i++)
        held[i] = linear_has(&toys.problem.required, i) ? '1' : '0';
    assert_string_equal(held, expected);
    toys_expect(&toys, LINEAR_VIOLATION, &result);
    assert_true(toys.dead_ends > 0);
}

static void a_lost_write(void **state)
{
    static const struct toy_call calls[] = {
        {1, 2, TOY_ADD, 9, 1, 0, false},  {3, 6, TOY_WRITE, 1, 0, 0, false},
        {4, 5, TOY_HAS, 9, 1, 0, false},  {7, 10, TOY_READ, 0, 0, 0, false},
        {8, 9, TOY_HAS, 8, 0, 0, false},  {11, 12, TOY_READ, 0, 4, 0, false},
        {13, 14, TOY_ADD, 1, 1, 0, false}};

    (void)state;
    TOYS(&toys, calls);
    /* The first read is enough, and what it read was wrong because of the write. */
    assert_witness("0101000");
}

static void a_value_out_of_nowhere(void **state)
{
    static const struct toy_call calls[] = {{1, 4, TOY_WRITE, 1, 0, 0, false},
                                            {2, 3, TOY_READ, 0, 9, 0, false},
                                            {5, 6, TOY_WRITE, 2, 0, 0, false}};

    (void)state;
    TOYS(&toys, calls);
    assert_witness("010");
}

static void two_that_exclude_each_other(void **state)
{
    static const struct toy_call calls[] = {{1, 2, TOY_ADD, 1, 1, 0, false},
                                            {3, 8, TOY_ADD, 2, 1, 0, false},
                                            {4, 7, TOY_ADD, 3, 1, 0, false},
                                            {5, 6, TOY_ADD, 2, 1, 0, false}};

    (void)state;
    TOYS(&toys, calls);
    assert_witness("0101");
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

enum {
    RANDOM_CALLS = 6,
    RANDOM_HISTORIES = 20000,
};

/* By brute force: whether some permutation from `length` on is possible in time and explains all.
 */
static bool explains(const struct toy_call *calls, unsigned *order, unsigned length, unsigned used,
                     int number)
{
    if (length == RANDOM_CALLS)
        return true;
    for (unsigned i = 0; i < RANDOM_CALLS; i++) {
        bool first = !((used >> i) & 1);
        for (unsigned j = 0; j < RANDOM_CALLS; j++)
            first &= ((used >> j) & 1) || calls[j].returned > calls[i].called;
        if (!first || (calls[i].toy == TOY_READ && calls[i].result != number))
            continue;
        int next = calls[i].toy == TOY_WRITE ? calls[i].value : number;
        order[length] = i;
        if (explains(calls, order, length + 1, used | 1u << i, next))
            return true;
    }
    return false;
}

static void random_histories(void **state)
{
    static struct toy_call calls[RANDOM_CALLS];
    unsigned order[RANDOM_CALLS];
    unsigned explained = 0;
    uint64_t seed = 1;

    (void)state;
    for (unsigned i = 0; i < RANDOM_HISTORIES; i++) {
        for (unsigned c = 0; c < RANDOM_CALLS; c++) {
            unsigned called = 1 + 16 * (unsigned)(next_random(&seed) % 12) + c;
            calls[c] =
                (struct toy_call){.called = called,
                                  .returned = called + 8 + 16 * (unsigned)(next_random(&seed) % 5),
                                  .toy = next_random(&seed) % 2 ? TOY_WRITE : TOY_READ,
                                  .value = (int)(next_random(&seed) % 3),
                                  .result = (int)(next_random(&seed) % 3)};
        }
        bool ok = explains(calls, order, 0, 0, 0);
        explained += ok;
        TOYS(&toys, calls);
        toys_expect(&toys, ok ? LINEAR_OK : LINEAR_VIOLATION, &result);
    }
    assert_true(explained > RANDOM_HISTORIES / 20);
    assert_true(explained < RANDOM_HISTORIES * 19 / 20);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_write),
        cmocka_unit_test(a_value_out_of_nowhere),
        cmocka_unit_test(two_that_exclude_each_other),
        cmocka_unit_test(random_histories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
