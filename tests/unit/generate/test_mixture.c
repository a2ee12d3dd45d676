/*
 * What must not happen: that a default run tests mostly single threads; that a feature is in every
 * program or in none, so that one kind of divergence hides the others; that an idiom or an
 * operation never occurs; that small rooms for events are so frequent that differences of order
 * drown the rest.
 */
#include "fuzz/generate/generator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <cmocka.h>

enum { PROGRAMS = 10000 };

/* What 10,000 programs are made of, counted once for all tests. */
static struct {
    unsigned threads, processes, nested, woken, failing, small_room;
    unsigned acting_threads, acting_processes; /* those of which more than one did a step */
    unsigned switches[2], steps[2]; /* of programs without recipes, by the feature PRIORITIES */
    unsigned features[FEATURES];
    unsigned groups[GROUPS];
    unsigned idioms[IDIOMS];
    unsigned ops[OPS];
} counted;

/* Carries a program out on the model. True if a call of it fails. */
static bool some_call_fails(const struct program *program)
{
    static struct ready ready;
    bool failed = false;

    ready_init(&ready, program);
    for (unsigned i = 0; i < program->nsteps; i++) {
        struct ready_result result;
        ready_step(&ready, i, &result);
        failed |= result.failed;
    }
    return failed;
}

static void count_steps(const struct program *program)
{
    bool small = false;

    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *step = &program->steps[i];
        counted.ops[step->op]++;
        small |= op_table[step->op].effect == EFFECT_WAIT && step->args[1] > 0 && step->args[1] < 8;
    }
    counted.small_room += small;
}

/* An actor that does nothing tests nothing. */
static void count_actors(const struct generator *generator)
{
    const struct program *program = generator->program;
    bool scheduled = generate_has(generator, FEATURE_BIT(PRIORITIES));
    unsigned acted[PROGRAM_ACTORS_MAX] = {0};
    bool threads = false, processes = false;

    for (unsigned i = 0; i < program->nsteps; i++) {
        acted[program->steps[i].actor]++;
        if (program->nactors == 1 || !generate_has(generator, FEATURE_BIT(NO_IDIOMS)))
            continue;
        counted.switches[scheduled] +=
            i > 0 && program->steps[i].actor != program->steps[i - 1].actor;
        counted.steps[scheduled]++;
    }
    for (unsigned i = 0; i < program->nactors; i++) {
        threads |= acted[i] > 0 && program->actors[i].kind == ACTOR_THREAD;
        processes |= acted[i] > 0 && program->actors[i].kind == ACTOR_PROCESS;
    }
    counted.acting_threads += threads;
    counted.acting_processes += processes;
}

static int count_programs(void **state)
{
    static struct program program;
    static struct generator generator;

    (void)state;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        struct generate_mix mix;
        generate_traced(1, i, &program, &generator);
        generate_measure(&program, &mix);
        counted.threads += mix.threads;
        counted.processes += mix.processes;
        counted.nested += mix.nested;
        counted.woken += generator.ready.woken > 0;
        counted.failing += some_call_fails(&program);
        count_steps(&program);
        count_actors(&generator);
        for (unsigned feature = 0; feature < FEATURES; feature++)
            counted.features[feature] += (generator.features >> feature) & 1;
        for (unsigned group = 0; group < GROUPS; group++)
            counted.groups[group] += (generator.groups >> group) & 1;
        for (unsigned idiom = 0; idiom < IDIOMS; idiom++)
            counted.idioms[idiom] += (generator.idioms >> idiom) & 1;
    }
    return 0;
}

static void test_mixture_of_a_default_run(void **state)
{
    (void)state;
    assert_in_range(counted.threads, PROGRAMS * 33 / 100, PROGRAMS);
    assert_in_range(counted.processes, PROGRAMS * 18 / 100, PROGRAMS);
    assert_in_range(counted.acting_threads, PROGRAMS * 33 / 100, PROGRAMS);
    assert_in_range(counted.acting_processes, PROGRAMS * 18 / 100, PROGRAMS);
    assert_in_range(counted.nested, PROGRAMS * 15 / 100, PROGRAMS);
    assert_in_range(counted.woken, PROGRAMS * 12 / 100, PROGRAMS);
    assert_in_range(counted.small_room, 1, PROGRAMS * 4 / 100);
}

/* Under a schedule an actor goes on until a change point or until it sleeps; drawn evenly, it loses
 * its turn at any step. */
static void test_schedules_are_followed(void **state)
{
    (void)state;
    assert_in_range(counted.steps[0], 1000, UINT32_MAX);
    assert_in_range(counted.steps[1], 1000, UINT32_MAX);
    assert_true((uint64_t)counted.switches[1] * counted.steps[0] * 100 <
                (uint64_t)counted.switches[0] * counted.steps[1] * 80);
    assert_true(counted.switches[1] > 0);
}

static void test_many_programs_have_no_failing_call(void **state)
{
    (void)state;
    assert_in_range(counted.failing, PROGRAMS * 15 / 100, PROGRAMS * 50 / 100);
}

static void test_swarm_has_programs_with_and_without(void **state)
{
    (void)state;
    for (unsigned feature = 0; feature < FEATURES; feature++)
        assert_in_range(counted.features[feature], PROGRAMS / 100, PROGRAMS * 95 / 100);
    for (unsigned group = 0; group < GROUPS; group++) {
        if (group != GROUP_CORE)
            assert_in_range(counted.groups[group], PROGRAMS / 10, PROGRAMS * 90 / 100);
    }
    assert_int_equal(counted.groups[GROUP_CORE], PROGRAMS);
}

static void test_every_idiom_occurs(void **state)
{
    (void)state;
    for (unsigned idiom = 0; idiom < IDIOMS; idiom++) {
        if (counted.idioms[idiom] < PROGRAMS / 1000)
            print_message("idiom %s: %u\n", idiom_table[idiom].id, counted.idioms[idiom]);
        assert_true(counted.idioms[idiom] >= PROGRAMS / 1000);
    }
}

static void test_every_operation_occurs(void **state)
{
    (void)state;
    for (unsigned op = 0; op < OPS; op++) {
        if (op_table[op].weight > 0)
            assert_true(counted.ops[op] >= PROGRAMS / 200);
    }
}

static void test_measure_follows_descriptors(void **state)
{
    static struct program program;
    struct generate_mix mix;

    (void)state;
    program_init(&program);
    (void)program_append(&program, OP_EPOLL_CREATE1, 0);
    (void)program_append(&program, OP_EPOLL_CREATE1, 0);
    struct step *dup = program_append(&program, OP_DUP, 0);
    dup->tags[0] = TAG_SLOT;
    dup->args[0] = 1;
    struct step *add = program_append(&program, OP_EPOLL_CTL, 0);
    add->tags[0] = add->tags[2] = TAG_SLOT;
    add->args[0] = 0;
    add->args[1] = EPOLL_CTL_ADD;
    add->args[2] = 0;
    add->args[3] = EPOLLIN;
    generate_measure(&program, &mix);
    assert_false(mix.nested); /* itself: EINVAL */
    add->args[2] = 2;         /* a duplicate of the other instance */
    generate_measure(&program, &mix);
    assert_true(mix.nested);
    assert_false(mix.threads);
    assert_false(mix.processes);
    add->args[2] = 0;
    struct step *open = program_append(&program, OP_EVENTFD, 0);
    struct step *watch = program_append(&program, OP_EPOLL_CTL, 0);
    *watch = *add;
    watch->args[2] = open->outs[0]; /* what is added is no instance */
    generate_measure(&program, &mix);
    assert_false(mix.nested);
    (void)program_append(&program, OP_FORK, 0);
    (void)program_append(&program, OP_PTHREAD_CREATE, 1);
    generate_measure(&program, &mix);
    assert_true(mix.threads);
    assert_true(mix.processes);
}

/* An instance that nobody adds, for whoever would is asleep, is not nested. */
static void test_measure_skips_a_sleepers_steps(void **state)
{
    static struct program program;
    struct generate_mix mix;

    (void)state;
    program_init(&program);
    (void)program_append(&program, OP_EPOLL_CREATE1, 0);
    (void)program_append(&program, OP_EPOLL_CREATE1, 0);
    struct step *wait = program_append(&program, OP_EPOLL_WAIT, 0);
    wait->tags[0] = TAG_SLOT;
    wait->args[0] = 0;
    wait->args[1] = 8;
    wait->args[2] = -1;
    struct step *add = program_append(&program, OP_EPOLL_CTL, 0);
    add->tags[0] = add->tags[2] = TAG_SLOT;
    add->args[0] = 0;
    add->args[1] = EPOLL_CTL_ADD;
    add->args[2] = 1;
    add->args[3] = EPOLLIN;
    generate_measure(&program, &mix);
    assert_false(mix.nested);
    wait->args[2] = 0;
    generate_measure(&program, &mix);
    assert_true(mix.nested);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixture_of_a_default_run),
        cmocka_unit_test(test_schedules_are_followed),
        cmocka_unit_test(test_many_programs_have_no_failing_call),
        cmocka_unit_test(test_swarm_has_programs_with_and_without),
        cmocka_unit_test(test_every_idiom_occurs),
        cmocka_unit_test(test_every_operation_occurs),
        cmocka_unit_test(test_measure_follows_descriptors),
        cmocka_unit_test(test_measure_skips_a_sleepers_steps),
    };

    return cmocka_run_group_tests(tests, count_programs, NULL);
}
