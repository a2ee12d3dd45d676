/*
 * What must not happen: that (seed, index) gives another program on the second call or after other
 * calls; that a generated program is refused by program_check, or has no byte form, or comes back
 * from it changed; that one passes a limit, uses an actor that has ended, or names a descriptor
 * that no step could have opened.
 */
#include "fuzz/generate/generator.h"
#include "fuzz/program/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROGRAMS = 20000 };

static void test_same_pair_gives_same_program(void **state)
{
    static struct program forward[64], again;

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        generate_program(7, i, &forward[i]);
    for (unsigned i = 64; i-- > 0;) {
        /* What lies in the memory before must not matter either. */
        memset(&again, 0xa5, sizeof(again));
        generate_program(8, i, &again);
        assert_false(program_equal(&again, &forward[i]));
        generate_program(7, i, &again);
        assert_true(program_equal(&again, &forward[i]));
        assert_memory_equal(&again, &forward[i], sizeof(again));
    }
}

static void test_known_random_numbers(void **state)
{
    /* The numbers of the public reference code: a change here changes every program of every seed.
     */
    struct random random = {{1, 2, 3, 4}};

    (void)state;
    assert_int_equal(random_next(&random), 11520);
    assert_int_equal(random_next(&random), 0);
    assert_int_equal(random_next(&random), 1509978240);
    assert_int_equal(random_next(&random), 1215971899390074240);
}

static void test_pairs_differ(void **state)
{
    static struct program a, b;

    (void)state;
    generate_program(1, 2, &a);
    generate_program(2, 1, &b);
    assert_false(program_equal(&a, &b));
    generate_program(1, 3, &b);
    assert_false(program_equal(&a, &b));
}

static void check_limits(const struct program *program)
{
    unsigned processes = 1;
    unsigned threads = 1;

    for (unsigned i = 1; i < program->nactors; i++) {
        processes += program->actors[i].kind == ACTOR_PROCESS;
        threads += program->actors[i].kind == ACTOR_THREAD;
    }
    assert_in_range(program->nsteps, GENERATE_STEPS_MIN, GENERATE_STEPS_MAX);
    assert_in_range(processes, 1, GENERATE_PROCESSES_MAX);
    assert_in_range(threads, 1, GENERATE_THREADS_MAX);
}

static void check_bytes(const struct program *program)
{
    static struct program decoded;
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    size_t length;

    assert_int_equal(program_encode(program, bytes, sizeof(bytes), &length), 0);
    program_decode(bytes, length, &decoded);
    assert_true(program_equal(program, &decoded));
}

static void test_every_program_is_valid(void **state)
{
    static struct program program;
    unsigned step;
    char why[128];

    (void)state;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        generate_program(1, i, &program);
        assert_int_equal(program_check(&program, &step, why, sizeof(why)), 0);
        check_limits(&program);
        check_bytes(&program);
    }
}

/* A positive timeout beside a second actor would make the schedule a matter of time. */
static void test_short_timeouts_stand_alone(void **state)
{
    static struct program program;
    unsigned found = 0;

    (void)state;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        generate_program(3, i, &program);
        for (unsigned at = 0; at < program.nsteps; at++) {
            const struct step *step = &program.steps[at];
            const struct op_info *op = &op_table[step->op];
            if (op->block != BLOCK_TIMEOUT || step->args[op->block_arg] <= 0)
                continue;
            found++;
            for (unsigned actor = 1; actor < program.nactors; actor++)
                assert_true(program.actors[actor].born > at);
        }
    }
    assert_true(found > 0);
}

/* Steps are handed to actors that can do them, as far as the model can tell. */
static void test_actors_that_ended_or_sleep_get_no_steps(void **state)
{
    static struct program program;
    static struct ready ready;

    (void)state;
    for (unsigned i = 0; i < PROGRAMS / 10; i++) {
        generate_program(4, i, &program);
        ready_init(&ready, &program);
        for (unsigned at = 0; at < program.nsteps; at++) {
            struct ready_result result;
            assert_true(ready_actor_free(&ready, program.steps[at].actor));
            ready_step(&ready, at, &result);
            assert_false(result.racy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_pair_gives_same_program),
        cmocka_unit_test(test_known_random_numbers),
        cmocka_unit_test(test_pairs_differ),
        cmocka_unit_test(test_every_program_is_valid),
        cmocka_unit_test(test_short_timeouts_stand_alone),
        cmocka_unit_test(test_actors_that_ended_or_sleep_get_no_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
