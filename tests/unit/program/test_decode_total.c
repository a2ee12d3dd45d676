/*
 * No byte string may fail to be a program: engines mutate bytes blindly. Whatever comes out must
 * pass program_check, survive text, and survive the way back to bytes.
 */
#include "tests/unit/program/support.h"

#include "fuzz/program/bytes.h"
#include "fuzz/program/parallel.h"

#include <string.h>

enum {
    STRINGS = 100000,
    TEXT_EVERY = 10, /* parsing is slow beside decoding */
};

static unsigned op_seen[OPS];
static unsigned blocks_seen;

static void assert_bytes_round_trip(const struct program *program)
{
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    static struct program again;
    size_t length = 0;

    assert_int_equal(program_encode(program, bytes, sizeof(bytes), &length), 0);
    program_decode(bytes, length, &again);
    if (!program_equal(program, &again))
        fail_program(program, program->nsteps, "comes back different from bytes");
}

static void decode_and_check(const uint8_t *bytes, size_t length, bool with_text)
{
    static struct program program;

    memset(&program, 0x5a, sizeof(program));
    program_decode(bytes, length, &program);
    assert_checked(&program);
    assert_bytes_round_trip(&program);
    for (unsigned i = 0; i < program.nsteps; i++)
        op_seen[program.steps[i].op]++;
    blocks_seen += parallel_count(&program);
    /* The empty program is the one without a text: a file with no steps is a mistake. */
    if (with_text && program.nsteps > 0)
        assert_text_round_trip(&program);
}

static void random_byte_strings(void **state)
{
    static uint8_t bytes[4096];
    uint64_t random = 1;

    (void)state;
    for (unsigned i = 0; i < TRIALS(STRINGS); i++) {
        /* Mostly short; some fill every step, slot and actor. */
        size_t length = random_below(&random, i % 100 == 0 ? sizeof(bytes) : 160);
        random_bytes(&random, bytes, length);
        decode_and_check(bytes, length, i % TEXT_EVERY == 0);
    }
    for (unsigned op = 0; op < OPS; op++) {
        if (op_seen[op] < TRIALS(1000))
            fail_msg("%s came out %u times only", op_table[op].text, op_seen[op]);
    }
    if (blocks_seen < TRIALS(500))
        fail_msg("parallel blocks came out %u times only", blocks_seen);
}

/* Small and equal bytes are what engines and shrinkers feed. */
static void dull_byte_strings(void **state)
{
    static uint8_t bytes[2 * PROGRAM_BYTES_MAX];

    (void)state;
    for (unsigned value = 0; value <= UINT8_MAX; value++) {
        memset(bytes, (int)value, sizeof(bytes));
        for (size_t length = 0; length < 64; length++)
            decode_and_check(bytes, length, true);
        decode_and_check(bytes, sizeof(bytes), true);
    }
}

/* Steps end where the bytes end; what is missing counts as 0. */
static void missing_bytes_count_as_zero(void **state)
{
    static uint8_t bytes[64 + PROGRAM_ARGS_MAX + 2];
    static struct program cut;
    static struct program filled;
    uint64_t random = 2;

    (void)state;
    for (unsigned i = 0; i < TRIALS(10000); i++) {
        size_t length = random_below(&random, 64);
        unsigned same = 0;
        random_bytes(&random, bytes, length);
        memset(bytes + length, 0, sizeof(bytes) - length);
        program_decode(bytes, length, &cut);
        /* With as many zeros as the last step lacked the program is the same. */
        for (size_t extra = 0; extra <= PROGRAM_ARGS_MAX + 1; extra++) {
            program_decode(bytes, length + extra, &filled);
            same += program_equal(&cut, &filled);
            assert_true(filled.nsteps >= cut.nsteps);
            for (unsigned step = 0; step < cut.nsteps; step++)
                assert_int_equal(cut.steps[step].op, filled.steps[step].op);
        }
        assert_true(same >= 1);
    }
}

/* No actor does anything after it has ended, for that would be a step without effect. */
static void the_dead_do_nothing(void **state)
{
    static uint8_t bytes[512];
    static struct program program;
    uint64_t random = 3;

    (void)state;
    for (unsigned i = 0; i < TRIALS(10000); i++) {
        bool ended[PROGRAM_ACTORS_MAX] = {false};
        random_bytes(&random, bytes, sizeof(bytes));
        program_decode(bytes, sizeof(bytes), &program);
        for (unsigned s = 0; s < program.nsteps; s++) {
            const struct step *step = &program.steps[s];
            enum op_effect effect = op_table[step->op].effect;
            assert_false(ended[step->actor]);
            for (unsigned a = 0; a < program.nactors; a++) {
                bool same = program.actors[a].process == program.actors[step->actor].process;
                ended[a] |= (effect == EFFECT_EXIT && same && program.actors[a].born <= s) ||
                            (effect == EFFECT_THREAD_EXIT && a == step->actor);
            }
        }
    }
}

/* Time is no part of a schedule: a second actor rules out positive timeouts. */
static void only_the_lonely_wait_for_time(void **state)
{
    static uint8_t bytes[512];
    static struct program program;
    uint64_t random = 4;
    unsigned positive = 0;

    (void)state;
    for (unsigned i = 0; i < TRIALS(10000); i++) {
        unsigned born = 1;
        random_bytes(&random, bytes, sizeof(bytes));
        program_decode(bytes, sizeof(bytes), &program);
        for (unsigned s = 0; s < program.nsteps; s++) {
            const struct op_info *op = &op_table[program.steps[s].op];
            for (unsigned arg = 0; arg < op->nargs; arg++) {
                if (op->args[arg] != ARG_TIMEOUT || program.steps[s].args[arg] <= 0)
                    continue;
                assert_int_equal(born, 1);
                positive++;
            }
            born += op->nouts > 0 && op->outs[0].kind == FILE_ACTOR;
        }
    }
    assert_true(positive > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_byte_strings),           cmocka_unit_test(dull_byte_strings),
        cmocka_unit_test(missing_bytes_count_as_zero),   cmocka_unit_test(the_dead_do_nothing),
        cmocka_unit_test(only_the_lonely_wait_for_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
