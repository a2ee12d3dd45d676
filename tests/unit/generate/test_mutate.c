/*
 * What must not happen: that a child is no valid program, has no byte form, or has a step that the
 * model calls racy, whatever its parents were; that it depends on anything but the arguments; that
 * bytes are written beyond the room for them; that a child is its parent again, so that an engine
 * runs the same program over and over; that a program without failures has children with failures
 * and its own differences are hidden by them.
 *
 * What each mutation does is test_mutations.c's matter.
 */
#include "fuzz/generate/mutator.h"
#include "fuzz/program/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CHILDREN = 10000,
    POPULATION = 200, /* programs of which children of children are made */
    HOSTILE_BYTES = 65536,
    CANARY = 0x5a,
};

static struct program child;

/* Carries the program out on the model: nobody acts who cannot, nothing is left to chance. */
static bool check_on_model(const struct program *program)
{
    static struct ready ready;
    bool failed = false;

    ready_init(&ready, program);
    for (unsigned i = 0; i < program->nsteps; i++) {
        struct ready_result result;
        assert_true(ready_actor_free(&ready, program->steps[i].actor));
        ready_step(&ready, i, &result);
        assert_false(result.racy);
        failed |= result.failed;
    }
    return failed;
}

/* Returns whether a step of the child fails. */
static bool check_child(const struct program *program)
{
    static struct program decoded;
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    size_t length;
    unsigned step;
    char why[128];

    assert_in_range(program->nsteps, 1, MUTATE_STEPS_MAX);
    assert_int_equal(program_check(program, &step, why, sizeof(why)), 0);
    for (unsigned i = 0; i < program->nsteps; i++)
        assert_int_equal(program->steps[i].block, 0);
    assert_int_equal(program_encode(program, bytes, sizeof(bytes), &length), 0);
    program_decode(bytes, length, &decoded);
    assert_true(program_equal(program, &decoded));
    return check_on_model(program);
}

/* --- Children of programs --- */

static void test_children_of_generated_programs(void **state)
{
    static struct program parents[2];
    unsigned failing = 0, random = 0;
    uint64_t seen = 0;
    uint64_t strangers = UINT64_C(1) << MUTATION_FRESH | UINT64_C(1) << MUTATION_BYTES;

    (void)state;
    for (unsigned i = 0; i < CHILDREN; i++) {
        bool crossed = i % 4 == 3;
        generate_program(1, i, &parents[0]);
        generate_program(2, i, &parents[1]);
        uint64_t edits = mutate_traced(&parents[0], crossed ? &parents[1] : NULL, i, &child);
        bool fails = check_child(&child);
        assert_false(program_same_steps(&child, &parents[0]));
        seen |= edits;
        failing += fails;
        random += edits == 0;
        if (fails && edits && (edits & strangers) == 0)
            assert_true(check_on_model(&parents[0]) || (crossed && check_on_model(&parents[1])));
    }
    assert_int_equal(seen, (UINT64_C(1) << MUTATIONS) - 1);
    assert_in_range(failing, CHILDREN / 10, CHILDREN / 2);
    /* No more than one in a thousand is a random program because nothing else would do. */
    assert_in_range(random, 0, CHILDREN / 1000);
}

/* Children of children: what an engine keeps is what it goes on with. */
static void test_generations(void **state)
{
    static struct program population[POPULATION];
    struct random random;
    unsigned steps = 0;

    (void)state;
    random_seed(&random, 3, 0);
    for (unsigned i = 0; i < POPULATION; i++)
        generate_program(3, i, &population[i]);
    for (unsigned i = 0; i < CHILDREN; i++) {
        const struct program *parent = &population[random_below(&random, POPULATION)];
        const struct program *other = &population[random_below(&random, POPULATION)];
        if (i % 4 == 3)
            cross_programs(parent, other, i, &child);
        else
            mutate_program(parent, i, &child);
        (void)check_child(&child);
        assert_false(program_same_steps(&child, parent));
        population[random_below(&random, POPULATION)] = child;
        steps += child.nsteps;
    }
    /* They neither wither nor all become as long as they can. */
    assert_in_range(steps / CHILDREN, 12, MUTATE_STEPS_MAX * 3 / 4);
}

/* Parents of which the model takes nothing for granted: any bytes. */
static void test_racy_parents_have_determinate_children(void **state)
{
    static struct program parents[2];
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    struct random random;
    unsigned blocks = 0;

    (void)state;
    random_seed(&random, 4, 0);
    for (unsigned i = 0; i < CHILDREN / 10; i++) {
        for (unsigned side = 0; side < 2; side++) {
            unsigned length = 1 + random_below(&random, sizeof(bytes) - 1);
            for (unsigned at = 0; at < length; at++)
                bytes[at] = (uint8_t)random_next(&random);
            program_decode(bytes, length, &parents[side]);
            for (unsigned at = 0; at < parents[side].nsteps; at++)
                blocks += parents[side].steps[at].block > 0;
        }
        if (i % 2 == 0)
            mutate_program(&parents[0], i, &child);
        else
            cross_programs(&parents[0], &parents[1], i, &child);
        (void)check_child(&child);
    }
    assert_true(blocks > 0);
}

static void test_arguments_decide_alone(void **state)
{
    static struct program parent, other, first;
    unsigned differ = 0;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        generate_program(5, i, &parent);
        generate_program(6, i, &other);
        memset(&first, 0, sizeof(first));
        memset(&child, 0xa5, sizeof(child));
        mutate_program(&parent, i, &first);
        mutate_program(&parent, i + 1, &child);
        differ += !program_same_steps(&first, &child);
        mutate_program(&parent, i, &child);
        assert_memory_equal(&first, &child, sizeof(child));
        cross_programs(&parent, &other, i, &first);
        mutate_program(&other, i, &child);
        cross_programs(&parent, &other, i, &child);
        assert_memory_equal(&first, &child, sizeof(child));
    }
    assert_in_range(differ, 475, 500);
}

static void test_programs_without_steps(void **state)
{
    static struct program empty, parent;

    (void)state;
    program_init(&empty);
    for (unsigned i = 0; i < 200; i++) {
        generate_program(7, i, &parent);
        assert_int_equal(mutate_traced(&empty, NULL, i, &child), UINT64_C(1) << MUTATION_FRESH);
        assert_in_range(child.nsteps, GENERATE_STEPS_MIN, GENERATE_STEPS_MAX);
        (void)check_child(&child);
        cross_programs(&empty, &parent, i, &child);
        (void)check_child(&child);
        cross_programs(&parent, &empty, i, &child);
        (void)check_child(&child);
        cross_programs(&empty, &empty, i, &child);
        (void)check_child(&child);
    }
}

/* --- Children of bytes --- */

/* Mutates in a buffer of size_max bytes and no more, and checks what lies behind it. */
static size_t mutate_in(const uint8_t *bytes, size_t size, size_t size_max, uint64_t seed,
                        const uint8_t *other, size_t other_size, uint8_t *room)
{
    size_t length;

    memset(room, CANARY, size_max + 16);
    if (other) {
        length = cross_bytes(bytes, size, other, other_size, room, size_max, seed);
    } else {
        memcpy(room, bytes, size < size_max ? size : size_max);
        length = mutate_bytes(room, size < size_max ? size : size_max, size_max, seed);
    }
    assert_in_range(length, size_max > 0, size_max);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(room[size_max + i], CANARY);
    return length;
}

static void test_no_size_is_too_small_or_too_large(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 5, 17, 100, 300, HOSTILE_BYTES};
    enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };
    static uint8_t bytes[HOSTILE_BYTES], room[HOSTILE_BYTES + 16];
    struct random random;

    (void)state;
    random_seed(&random, 8, 0);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)random_next(&random);
    for (unsigned i = 0; i < 30 * SIZES * SIZES; i++) {
        size_t size = sizes[i % SIZES], size_max = sizes[i / SIZES % SIZES];
        size_t shift = random_below(&random, (unsigned)(HOSTILE_BYTES - size + 1));
        size_t length = mutate_in(bytes + shift, size, size_max, i, NULL, 0, room);
        program_decode(room, length, &child);
        length = mutate_in(bytes + shift, size, size_max, i, bytes, sizes[i % 7], room);
        program_decode(room, length, &child);
        /* A parent may well be longer than the room for the child. */
        length = mutate_in(bytes, HOSTILE_BYTES, size_max, i, bytes + shift, size, room);
        program_decode(room, length, &child);
    }
    assert_int_equal(mutate_bytes(room, 1000, 10, 1) <= 10, true);
}

static void test_bytes_are_the_child(void **state)
{
    static uint8_t bytes[2][PROGRAM_BYTES_MAX], room[PROGRAM_BYTES_MAX + 16];
    static struct program parents[2], decoded;
    size_t lengths[2];

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        for (unsigned side = 0; side < 2; side++) {
            generate_program(9 + side, i, &parents[side]);
            assert_int_equal(
                program_encode(&parents[side], bytes[side], sizeof(bytes[side]), &lengths[side]),
                0);
        }
        bool crossed = i % 2 != 0;
        size_t length = mutate_in(bytes[0], lengths[0], PROGRAM_BYTES_MAX, i,
                                  crossed ? bytes[1] : NULL, lengths[1], room);
        program_decode(room, length, &decoded);
        if (crossed)
            cross_programs(&parents[0], &parents[1], i, &child);
        else
            mutate_program(&parents[0], i, &child);
        assert_true(program_equal(&decoded, &child));
    }
}

/* What does not fit is cut behind a whole step. */
static void test_a_child_without_room_is_cut(void **state)
{
    static uint8_t bytes[PROGRAM_BYTES_MAX], room[PROGRAM_BYTES_MAX + 16];
    static struct program parent, decoded;
    unsigned cut = 0;
    size_t size;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        generate_program(11, i, &parent);
        assert_int_equal(program_encode(&parent, bytes, sizeof(bytes), &size), 0);
        size_t length = mutate_in(bytes, size, size, i, NULL, 0, room);
        program_decode(room, length, &decoded);
        mutate_program(&parent, i, &child);
        cut += decoded.nsteps < child.nsteps;
        child.nsteps = decoded.nsteps;
        assert_true(program_same_steps(&decoded, &child));
    }
    assert_in_range(cut, 50, 450);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_children_of_generated_programs),
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_racy_parents_have_determinate_children),
        cmocka_unit_test(test_arguments_decide_alone),
        cmocka_unit_test(test_programs_without_steps),
        cmocka_unit_test(test_no_size_is_too_small_or_too_large),
        cmocka_unit_test(test_bytes_are_the_child),
        cmocka_unit_test(test_a_child_without_room_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
