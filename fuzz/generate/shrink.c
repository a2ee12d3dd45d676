/* Delta debugging of programs: tests candidates, each at most once, and keeps the smallest that
 * still shows it. */
#define XXH_INLINE_ALL
#include "fuzz/generate/shrinker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
    TRIED_SIZE_MIN = 1024, /* a power of two */
};

bool shrinker_over(const struct shrinker *shrinker)
{
    return shrinker->err != 0 || shrinker->tests_left == 0;
}

/* What the steps do; names and lines of the text aside. Never 0. */
static uint64_t program_hash(const struct program *program)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *step = &program->steps[i];
        const struct op_info *op = &op_table[step->op];
        XXH3_64bits_update(&state, &step->op, sizeof(step->op));
        XXH3_64bits_update(&state, &step->actor, sizeof(step->actor));
        XXH3_64bits_update(&state, &step->block, sizeof(step->block));
        XXH3_64bits_update(&state, step->tags, op->nargs * sizeof(step->tags[0]));
        XXH3_64bits_update(&state, step->args, op->nargs * sizeof(step->args[0]));
    }
    uint64_t hash = XXH3_64bits_digest(&state);
    return hash ? hash : 1;
}

/* Adds a hash that is not there. Returns false if it is. */
static bool tried_insert(uint64_t *tried, size_t size, uint64_t hash)
{
    size_t at = hash & (size - 1);

    while (tried[at] != 0) {
        if (tried[at] == hash)
            return false;
        at = (at + 1) & (size - 1);
    }
    tried[at] = hash;
    return true;
}

static int tried_grow(struct shrinker *shrinker)
{
    size_t size = shrinker->tried_size * 2;
    uint64_t *tried = calloc(size, sizeof(*tried));

    if (!tried)
        return -ENOMEM;
    for (size_t i = 0; i < shrinker->tried_size; i++) {
        if (shrinker->tried[i] != 0)
            (void)tried_insert(tried, size, shrinker->tried[i]);
    }
    free(shrinker->tried);
    shrinker->tried = tried;
    shrinker->tried_size = size;
    return 0;
}

/* Returns true if the program has not been seen, and remembers it. */
static bool is_new(struct shrinker *shrinker, const struct program *program)
{
    if (shrinker->tried_count * 2 >= shrinker->tried_size) {
        shrinker->err = tried_grow(shrinker);
        if (shrinker->err)
            return false;
    }
    if (!tried_insert(shrinker->tried, shrinker->tried_size, program_hash(program)))
        return false;
    shrinker->tried_count++;
    return true;
}

bool shrinker_try(struct shrinker *shrinker)
{
    unsigned step;
    char why[128];

    if (shrinker_over(shrinker) || shrinker->candidate.nsteps == 0)
        return false;
    /* An edit can leave a program that means nothing; the test is never asked about those. */
    if (program_check(&shrinker->candidate, &step, why, sizeof(why)) != 0)
        return false;
    if (!is_new(shrinker, &shrinker->candidate))
        return false;
    shrinker->tests_left--;
    int verdict = shrinker->test(shrinker->context, &shrinker->candidate);
    if (verdict < 0) {
        shrinker->err = verdict;
        return false;
    }
    if (verdict == 0)
        return false;
    *shrinker->best = shrinker->candidate;
    return true;
}

static void shrink_to_fixpoint(struct shrinker *shrinker)
{
    bool smaller = true;

    while (smaller && !shrinker_over(shrinker)) {
        smaller = pass_steps(shrinker);
        smaller |= pass_actors(shrinker);
        smaller |= pass_slots(shrinker);
        smaller |= pass_arguments(shrinker);
        /* Pairs cost a square of tests, so they wait until nothing else helps. */
        if (!smaller)
            smaller = pass_pairs(shrinker);
    }
}

int shrink_program(struct program *program, shrink_test *test, void *context, unsigned tests_max)
{
    struct shrinker *shrinker = calloc(1, sizeof(*shrinker));
    int err = -ENOMEM;

    assert(program->nsteps > 0);
    if (!shrinker)
        return err;
    shrinker->best = program;
    shrinker->test = test;
    shrinker->context = context;
    shrinker->tests_left = tests_max;
    shrinker->tried_size = TRIED_SIZE_MIN;
    shrinker->tried = calloc(shrinker->tried_size, sizeof(*shrinker->tried));
    if (!shrinker->tried)
        goto out;
    (void)is_new(shrinker, program); /* the program itself is known to show it */
    shrink_to_fixpoint(shrinker);
    err = shrinker->err;
out:
    free(shrinker->tried);
    free(shrinker);
    return err;
}
