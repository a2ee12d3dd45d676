/* Passes of the shrinker: which candidates are tried, and in which order. */
#include "fuzz/generate/shrinker.h"

#include <string.h>

/* Steps [first, first + count) go. */
static bool try_without(struct shrinker *shrinker, unsigned first, unsigned count)
{
    uint8_t drop[PROGRAM_STEPS_MAX] = {0};

    memset(drop + first, 1, count);
    return edit_drop(shrinker->best, drop, &shrinker->candidate) && shrinker_try(shrinker);
}

/*
 * Large runs of steps first, then smaller ones, down to single steps. From the end to the front:
 * what comes after the first divergence never matters, and a step's dependents go before the step
 * that binds what they use.
 */
bool pass_steps(struct shrinker *shrinker)
{
    bool smaller = false;
    unsigned size = shrinker->best->nsteps / 2;

    while (size > 0 && !shrinker_over(shrinker)) {
        unsigned end = shrinker->best->nsteps;
        while (end > 0 && !shrinker_over(shrinker)) {
            unsigned first = end > size ? end - size : 0;
            smaller |= try_without(shrinker, first, end - first);
            end = first; /* what depended on the dropped steps stood behind them */
        }
        size /= 2;
    }
    return smaller;
}

bool pass_actors(struct shrinker *shrinker)
{
    bool smaller = false;
    unsigned actor = shrinker->best->nactors;

    while (actor-- > 1 && !shrinker_over(shrinker)) {
        for (unsigned merge = 0; merge < 2; merge++) {
            if (actor >= shrinker->best->nactors)
                break;
            if (edit_actor(shrinker->best, actor, merge != 0, &shrinker->scratch,
                           &shrinker->candidate) &&
                shrinker_try(shrinker)) {
                smaller = true;
                break;
            }
        }
    }
    return smaller;
}

/* One slot does the work of another of its kind; then the step that opened the other can go. */
bool pass_slots(struct shrinker *shrinker)
{
    bool smaller = false;
    unsigned slot = shrinker->best->nslots;

    while (slot-- > 1 && !shrinker_over(shrinker)) {
        for (unsigned other = 0; other < slot; other++) {
            if (slot >= shrinker->best->nslots)
                break;
            if (!edit_slots_alike(shrinker->best, slot, other) ||
                !edit_slot(shrinker->best, slot, other, 0, PROGRAM_STEPS_MAX, &shrinker->scratch))
                continue;
            /* With the opener gone at once: a descriptor less changes numbers, and both may be
             * needed. */
            uint8_t drop[PROGRAM_STEPS_MAX] = {0};
            for (unsigned i = 0; i < shrinker->scratch.nsteps; i++) {
                const struct step *step = &shrinker->scratch.steps[i];
                const struct op_info *op = &op_table[step->op];
                for (unsigned out = 0; out < op->nouts; out++)
                    drop[i] |= op->outs[out].kind != FILE_ACTOR && step->outs[out] == slot;
            }
            if (edit_drop(&shrinker->scratch, drop, &shrinker->candidate) &&
                shrinker_try(shrinker)) {
                smaller = true;
                break;
            }
        }
    }
    return smaller;
}

static bool simplify_step(struct shrinker *shrinker, unsigned step)
{
    bool smaller = false;

    while (edit_op(shrinker->best, step, &shrinker->candidate) && shrinker_try(shrinker))
        smaller = true;
    for (unsigned arg = 0; arg < op_table[shrinker->best->steps[step].op].nargs; arg++) {
        unsigned variant = 0;
        while (!shrinker_over(shrinker) &&
               edit_arg(shrinker->best, step, arg, variant, &shrinker->candidate)) {
            /* A value that became simpler has variants of its own. */
            bool simpler = shrinker_try(shrinker);
            smaller |= simpler;
            variant = simpler ? 0 : variant + 1;
        }
    }
    return smaller;
}

bool pass_arguments(struct shrinker *shrinker)
{
    bool smaller = false;
    unsigned nsteps = shrinker->best->nsteps;

    /* All at once first, then halves: most arguments do not matter. */
    for (unsigned size = nsteps; size > 2 && !shrinker_over(shrinker); size /= 2) {
        for (unsigned first = 0; first < nsteps; first += size) {
            if (edit_plain(shrinker->best, first, first + size - 1, &shrinker->candidate))
                smaller |= shrinker_try(shrinker);
        }
    }
    for (unsigned step = 0; step < nsteps && !shrinker_over(shrinker); step++)
        smaller |= simplify_step(shrinker, step);
    return smaller;
}

/* Two steps that only make sense together: an ADD and its DEL, a fork and an exit. */
bool pass_pairs(struct shrinker *shrinker)
{
    unsigned nsteps = shrinker->best->nsteps;

    if (nsteps > SHRINK_PAIRS_STEPS_MAX)
        return false;
    for (unsigned last = nsteps; last-- > 1;) {
        for (unsigned first = last; first-- > 0;) {
            uint8_t drop[PROGRAM_STEPS_MAX] = {0};
            drop[first] = drop[last] = 1;
            if (shrinker_over(shrinker))
                return false;
            if (edit_drop(shrinker->best, drop, &shrinker->candidate) && shrinker_try(shrinker))
                return true;
        }
    }
    return false;
}
