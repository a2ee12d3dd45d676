/* Programs of programs: which mutation, how often, and the byte form. */
#include "fuzz/generate/mutator.h"

#include "fuzz/program/bytes.h"

#include <assert.h>
#include <string.h>

enum {
    TRIES_MAX = 4,      /* drafts that are grown before a fresh program takes their place */
    DRAWS_MAX = 16,     /* mutations that are drawn before one finds something to do */
    EDITS_MAX = 4,      /* mutations of one child */
    EDIT_PERCENT = 35,  /* that there is one more */
    BAD_PERCENT = 40,   /* that a failing program may also have bad arguments */
    STEP_BYTES_MIN = 2, /* a step's operation and actor; each argument is one more */
};

const struct mutation mutation_table[MUTATIONS] = {
#define MUTATION(mutation_name, mutation_weight, mutation_role, mutation_doc)                      \
    [MUTATION_##mutation_name] = {.id = #mutation_name,                                            \
                                  .doc = mutation_doc,                                             \
                                  .weight = (mutation_weight),                                     \
                                  .role = MUTATION_ROLE_##mutation_role},
#include "fuzz/generate/mutations.def"
#undef MUTATION
};

static bool (*const mutation_functions[MUTATIONS])(struct mutator *mutator) = {
#define MUTATION(id, ...) [MUTATION_##id] = mutate_##id,
#include "fuzz/generate/mutations.def"
#undef MUTATION
};

void mutate_flatten(struct program *program)
{
    for (unsigned i = 0; i < program->nsteps; i++)
        program->steps[i].block = 0;
}

/* --- Parents --- */

/* What the program so far has come to is the end for main, or for everybody. */
static bool has_halted(const struct ready *ready, const struct program *program)
{
    bool anybody = false;

    for (unsigned i = 0; i < program->nactors; i++)
        anybody |= ready_actor_free(ready, i);
    return !anybody || !ready->world.actors_alive[0];
}

/* Carries a program out to see what it is like. False if the model would not have let it through:
 * some of its steps are not to be had. */
static bool survey(struct mutator *mutator, const struct program *program)
{
    struct ready *ready = &mutator->generator.ready;
    struct ready_result result;
    bool failing = false;

    if (program->nsteps > MUTATE_STEPS_MAX)
        return false;
    ready_init(ready, program);
    for (unsigned i = 0; i < program->nsteps; i++) {
        if (program->steps[i].block || !ready_actor_free(ready, program->steps[i].actor))
            return false;
        ready_step(ready, i, &result);
        if (result.racy)
            return false;
        failing |= result.failed;
    }
    mutator->failing |= failing;
    mutator->halting |= has_halted(ready, program);
    return true;
}

/* The program without the steps that the model refuses becomes the source. */
static void mend(struct mutator *mutator, unsigned index, const struct program *program)
{
    struct program *mended = &mutator->mended[index];
    bool failing = mutator->failing, halting = mutator->halting;

    source_set(mutator, 0, program);
    draft_load(mutator);
    generate_begin(&mutator->generator, mended);
    mutator->failing = mutator->halting = true;
    mutator->whole = false;
    mutator->features = FEATURE_BIT(FAILING);
    (void)draft_grow(mutator);
    mutator->failing = failing || mutator->failed;
    mutator->halting = halting || has_halted(&mutator->generator.ready, mended);
    source_set(mutator, index, mended);
}

static void set_parent(struct mutator *mutator, unsigned index, const struct program *program)
{
    source_set(mutator, index, program);
    if (!survey(mutator, program))
        mend(mutator, index, program);
}

static void mutator_begin(struct mutator *mutator, const struct program *parent,
                          const struct program *other, uint64_t seed)
{
    mutator->failing = mutator->halting = false;
    mutator->edits = 0;
    random_seed(&mutator->generator.random, seed, 0);
    source_set(mutator, 1, parent);
    /* The second one first: mending takes the place of source 0. */
    if (other)
        set_parent(mutator, 1, other);
    set_parent(mutator, 0, parent);
}

/* --- Children --- */

/* An empty child, with the swarm that generated steps of it come from. */
static void begin_child(struct mutator *mutator, struct program *ret_child)
{
    struct generator *generator = &mutator->generator;
    uint32_t failures = FEATURE_BIT(FAILING) | FEATURE_BIT(BAD_ARGS);

    generate_begin(generator, ret_child);
    for (unsigned i = 0; i < mutator->sources[0].program->nsteps; i++) {
        enum op_id op = (enum op_id)mutator->sources[0].program->steps[i].op;
        generator->groups |= 1u << op_table[op].group;
        if (generator->weights[op] == 0)
            generator->weights[op] = op_table[op].weight;
    }
    mutator->features = generator->features & ~failures;
    if (mutator->failing)
        mutator->features |=
            random_chance(&generator->random, BAD_PERCENT) ? failures : FEATURE_BIT(FAILING);
    generator->features = mutator->features;
    mutator->whole = false;
    draft_load(mutator);
}

enum {
    ROLE_EDIT = 1u << MUTATION_ROLE_EDIT,
    ROLE_ALONE = 1u << MUTATION_ROLE_ALONE,
    ROLE_CROSS = 1u << MUTATION_ROLE_CROSS,
};

static unsigned weight_among(unsigned id, unsigned roles)
{
    return ((roles >> mutation_table[id].role) & 1) != 0 ? mutation_table[id].weight : 0;
}

static enum mutation_id draw_mutation(struct random *random, unsigned roles)
{
    unsigned total = 0;
    unsigned id = 0;

    for (unsigned i = 0; i < MUTATIONS; i++)
        total += weight_among(i, roles);
    unsigned pick = random_below(random, total);
    while (pick >= weight_among(id, roles))
        pick -= weight_among(id++, roles);
    return (enum mutation_id)id;
}

_Static_assert(MUTATIONS <= 64, "mutator.edits has a bit for each");

/* A mutation that finds something to do. Returns its role's bit, or 0. */
static unsigned edit_draft(struct mutator *mutator, unsigned roles)
{
    for (unsigned draws = 0; draws < DRAWS_MAX; draws++) {
        enum mutation_id id = draw_mutation(mutator_random(mutator), roles);
        mutator->whole = false;
        if (!mutation_functions[id](mutator))
            continue;
        mutator->edits |= UINT64_C(1) << id;
        return 1u << mutation_table[id].role;
    }
    return 0;
}

static bool grow_child(struct mutator *mutator, const struct program *parent, unsigned role)
{
    const struct program *child = mutator->generator.program;

    /* A mutation may have brought in failures. */
    if (mutator->failing)
        mutator->features |= FEATURE_BIT(FAILING);
    if (!draft_grow(mutator) || program_same_steps(child, parent))
        return false;
    return role != ROLE_CROSS || (mutator->sources[0].taken > 0 && mutator->sources[1].taken > 0);
}

static void breed(struct mutator *mutator, unsigned roles, struct program *ret_child)
{
    const struct program *parent = mutator->sources[0].program;
    bool failing = mutator->failing, halting = mutator->halting;
    struct random *random = mutator_random(mutator);

    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        source_set(mutator, 0, parent);
        mutator->failing = failing;
        mutator->halting = halting;
        mutator->edits = 0;
        begin_child(mutator, ret_child);
        unsigned role = edit_draft(mutator, roles);
        unsigned edits = 1;
        while (role != 0 && role != ROLE_ALONE && edits++ < EDITS_MAX &&
               random_chance(random, EDIT_PERCENT))
            (void)edit_draft(mutator, ROLE_EDIT);
        if (role != 0 && grow_child(mutator, parent, role))
            return;
    }
    mutator->edits = 0;
    uint64_t seed = random_next(random);
    generate_program(seed, random_next(random), ret_child);
}

uint64_t mutate_traced(const struct program *parent, const struct program *other, uint64_t seed,
                       struct program *ret_child)
{
    struct mutator mutator;

    /* There is nothing to be had of a program without steps. */
    if (other && parent->nsteps == 0) {
        parent = other;
        other = NULL;
    }
    if (other && other->nsteps == 0)
        other = NULL;
    unsigned roles = other ? ROLE_CROSS : ROLE_EDIT | ROLE_ALONE;
    mutator_begin(&mutator, parent, other, seed);
    if (mutator.sources[0].program->nsteps == 0)
        roles = ROLE_ALONE;
    breed(&mutator, roles, ret_child);
    return mutator.edits;
}

void mutate_program(const struct program *parent, uint64_t seed, struct program *ret_child)
{
    (void)mutate_traced(parent, NULL, seed, ret_child);
}

void cross_programs(const struct program *a, const struct program *b, uint64_t seed,
                    struct program *ret_child)
{
    (void)mutate_traced(a, b, seed, ret_child);
}

bool mutate_once(enum mutation_id id, const struct program *parent, const struct program *other,
                 uint64_t seed, struct program *ret_child)
{
    struct mutator mutator;

    mutator_begin(&mutator, parent, other, seed);
    const struct program *source = mutator.sources[0].program;
    begin_child(&mutator, ret_child);
    return mutation_functions[id](&mutator) &&
           grow_child(&mutator, source, 1u << mutation_table[id].role);
}

/* --- Bytes --- */

/* The program's first steps, as many as fit. Returns how many bytes; 0 if none fits, or if bytes
 * cannot say what the program does. */
static size_t write_program(const struct program *program, uint8_t *ret_bytes, size_t size_max)
{
    uint8_t bytes[PROGRAM_BYTES_MAX];
    size_t length, fits = 0;

    if (program_encode(program, bytes, sizeof(bytes), &length) != 0)
        return 0;
    for (unsigned i = 0; i < program->nsteps; i++) {
        size_t step = STEP_BYTES_MIN + op_table[program->steps[i].op].nargs;
        if (fits + step > size_max)
            break;
        fits += step;
    }
    assert(fits <= length);
    memcpy(ret_bytes, bytes, fits);
    return fits;
}

/* The plain mutation of bytes, where no step fits. */
static size_t change_one_byte(uint8_t *bytes, size_t size, size_t size_max, uint64_t seed)
{
    struct random random;

    if (size_max == 0)
        return 0;
    random_seed(&random, seed, 1);
    if (size == 0)
        bytes[size++] = 0;
    size_t at = random_below(&random, (unsigned)size);
    bytes[at] ^= (uint8_t)(1 + random_below(&random, UINT8_MAX));
    return size;
}

size_t mutate_bytes(uint8_t *bytes, size_t size, size_t size_max, uint64_t seed)
{
    struct program parent, child;

    if (size > size_max)
        size = size_max;
    program_decode(bytes, size, &parent);
    mutate_flatten(&parent);
    mutate_program(&parent, seed, &child);
    size_t length = write_program(&child, bytes, size_max);
    return length ? length : change_one_byte(bytes, size, size_max, seed);
}

size_t cross_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                   uint8_t *ret_bytes, size_t size_max, uint64_t seed)
{
    struct program one, other, child;

    program_decode(a, a_size, &one);
    program_decode(b, b_size, &other);
    mutate_flatten(&one);
    mutate_flatten(&other);
    cross_programs(&one, &other, seed, &child);
    size_t length = write_program(&child, ret_bytes, size_max);
    if (length)
        return length;
    size_t size = a_size < size_max ? a_size : size_max;
    memcpy(ret_bytes, a, size);
    return change_one_byte(ret_bytes, size, size_max, seed);
}
