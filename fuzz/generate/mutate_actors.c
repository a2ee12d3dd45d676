/* Mutations of who does what: actors are spliced. */
#include "fuzz/generate/mutator.h"

enum {
    HANDOVER_MAX = 6, /* steps that are handed over */
    TRIES_MAX = 8,    /* places that are looked at for somebody else */
};

enum { BIRTH_NONE = -1 };

/* The entry that starts the actor, or BIRTH_NONE. */
static int birth_of(const struct mutator *mutator, unsigned actor)
{
    for (unsigned i = 0; i < mutator->nentries; i++) {
        const struct entry *entry = &mutator->entries[i];
        if (entry->run || entry->source != 0)
            continue;
        const struct op_info *op = &op_table[entry->step.op];
        if (op->nouts > 0 && op->outs[0].kind == FILE_ACTOR && entry->step.outs[0] == actor)
            return (int)i;
    }
    return BIRTH_NONE;
}

/* An actor that exists at `at`, other than `actor`, or NOBODY. */
static int choose_partner(struct mutator *mutator, unsigned at, unsigned actor)
{
    unsigned partners[DRAFT_ACTORS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < mutator->sources[0].nactors; i++) {
        int birth = i == 0 ? BIRTH_NONE : birth_of(mutator, i);
        bool exists = i == 0 || (birth != BIRTH_NONE && birth < (int)at);
        if (i != actor && exists)
            partners[count++] = i;
    }
    return count ? (int)partners[random_below(mutator_random(mutator), count)] : NOBODY;
}

/* The end of one actor is not to become that of another. */
static bool ends_its_actor(const struct entry *entry)
{
    enum op_effect effect = op_table[entry->step.op].effect;

    return effect == EFFECT_EXIT || effect == EFFECT_THREAD_EXIT;
}

/* A step of source 0 to begin at. False if it is something else. */
static bool choose_begin(struct mutator *mutator, unsigned *ret_at, unsigned *ret_actor)
{
    if (mutator->nentries == 0)
        return false;
    *ret_at = random_below(mutator_random(mutator), mutator->nentries);
    *ret_actor = mutator->entries[*ret_at].step.actor;
    return entry_is_by(&mutator->entries[*ret_at], 0, *ret_actor);
}

/* The same where there is somebody else. Returns who, or NOBODY. */
static int choose_pair(struct mutator *mutator, unsigned *ret_at, unsigned *ret_actor)
{
    int partner = NOBODY;

    for (unsigned tries = 0; tries < TRIES_MAX && partner == NOBODY; tries++) {
        if (choose_begin(mutator, ret_at, ret_actor))
            partner = choose_partner(mutator, *ret_at, *ret_actor);
    }
    return partner;
}

/* Steps of `from` become steps of `to`, `count` of them at most. Returns how many did. */
static unsigned hand_over(struct mutator *mutator, unsigned at, unsigned from, unsigned to,
                          unsigned count)
{
    unsigned done = 0;

    for (unsigned i = at; i < mutator->nentries && done < count; i++) {
        struct entry *entry = &mutator->entries[i];
        if (!entry_is_by(entry, 0, from) || ends_its_actor(entry))
            continue;
        entry->step.actor = (uint8_t)to;
        done++;
    }
    return done;
}

bool mutate_HANDOVER(struct mutator *mutator)
{
    unsigned at, actor;

    int to = choose_pair(mutator, &at, &actor);
    unsigned count = 1 + random_below(mutator_random(mutator), HANDOVER_MAX);
    return to != NOBODY && hand_over(mutator, at, actor, (unsigned)to, count) > 0;
}

bool mutate_EXCHANGE(struct mutator *mutator)
{
    unsigned at, actor;

    int other = choose_pair(mutator, &at, &actor);
    if (other == NOBODY)
        return false;
    for (unsigned i = at; i < mutator->nentries; i++) {
        struct entry *entry = &mutator->entries[i];
        if (entry_is_by(entry, 0, actor))
            entry->step.actor = (uint8_t)other;
        else if (entry_is_by(entry, 0, (unsigned)other))
            entry->step.actor = (uint8_t)actor;
    }
    return true;
}

bool mutate_MERGE(struct mutator *mutator)
{
    unsigned nactors = mutator->sources[0].nactors;

    if (nactors < 2)
        return false;
    unsigned actor = 1 + random_below(mutator_random(mutator), nactors - 1);
    int birth = birth_of(mutator, actor);
    if (birth == BIRTH_NONE)
        return false;
    for (unsigned i = (unsigned)birth; i < mutator->nentries;) {
        const struct entry *entry = &mutator->entries[i];
        if (entry_is_by(entry, 0, actor) && ends_its_actor(entry))
            draft_remove(mutator, i, 1);
        else
            i++;
    }
    unsigned parent = mutator->entries[birth].step.actor;
    (void)hand_over(mutator, (unsigned)birth, actor, parent, mutator->nentries);
    draft_remove(mutator, (unsigned)birth, 1);
    return true;
}

bool mutate_SPLIT(struct mutator *mutator)
{
    struct random *random = mutator_random(mutator);
    struct source *source = &mutator->sources[0];
    unsigned at, actor;

    if (source->nactors == DRAFT_ACTORS_MAX || !choose_begin(mutator, &at, &actor))
        return false;
    unsigned started = source->nactors;
    unsigned count =
        random_chance(random, 50) ? 1 + random_below(random, HANDOVER_MAX) : mutator->nentries;
    if (hand_over(mutator, at, actor, started, count) == 0)
        return false;
    source->nactors++;
    struct step start = {
        .op = (uint8_t)(random_chance(random, 70) ? OP_PTHREAD_CREATE : OP_FORK),
        .actor = (uint8_t)actor,
        .outs = {(uint8_t)started},
    };
    return draft_insert_step(mutator, at, 0, &start);
}
