/*
 * What must not happen: that a generated parallel program is none, has no text or no bytes, is
 * another one the next time, or has blocks in which nobody can meet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fuzz/generate/parallel.h"
#include "fuzz/program/bytes.h"
#include "fuzz/program/parallel.h"

enum {
    PROGRAMS = 5000,
};

static struct program program;
static struct program again;

static void test_programs_are_programs(void **state)
{
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    char why[128];
    unsigned step;
    size_t length;

    (void)state;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        generate_parallel(3, i, &program);
        assert_int_equal(program_check(&program, &step, why, sizeof(why)), 0);
        assert_int_equal(program_encode(&program, bytes, sizeof(bytes), &length), 0);
        program_decode(bytes, length, &again);
        assert_true(program_equal(&program, &again));
        generate_parallel(3, i, &again);
        assert_true(program_equal(&program, &again));
    }
    generate_parallel(4, 0, &program);
    generate_parallel(3, 0, &again);
    assert_false(program_equal(&program, &again));
}

/* Every operation that a block can hold is in some, and calls of two actors name the same slot. */
static void test_mixture(void **state)
{
    unsigned ops[OPS] = {0};
    unsigned meet = 0, two_blocks = 0, processes = 0;

    (void)state;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        bool met = false;
        generate_parallel(5, i, &program);
        two_blocks += parallel_count(&program) == 2;
        for (unsigned a = 0; a < program.nactors; a++)
            processes += program.actors[a].kind == ACTOR_PROCESS;
        for (unsigned s = 0; s < program.nsteps; s++) {
            const struct step *step = &program.steps[s];
            ops[step->op] += step->block != 0;
            for (unsigned t = 0; t < s && step->block; t++) {
                const struct step *other = &program.steps[t];
                met |= other->block == step->block && other->actor != step->actor &&
                       other->tags[0] == TAG_SLOT && step->tags[0] == TAG_SLOT &&
                       other->args[0] == step->args[0];
            }
        }
        meet += met;
    }
    for (unsigned op = 0; op < OPS; op++) {
        struct step step = {.op = (uint8_t)op};
        if (op == OP_PIPE2 || op == OP_EVENTFD || !parallel_check_step(&step))
            assert_true(ops[op] > 50);
        else
            assert_int_equal(ops[op], 0);
    }
    assert_true(meet > PROGRAMS * 9 / 10);
    assert_in_range(two_blocks, PROGRAMS / 20, PROGRAMS / 4);
    assert_true(processes > PROGRAMS / 10);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs_are_programs),
        cmocka_unit_test(test_mixture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
