/* Bounded enumeration: which programs there are, how many, and in which order. */
#include "fuzz/generate/enumerate.h"

#include "fuzz/generate/enumerate_text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    IN_SOLO = 1 << ENUMERATE_SOLO,
    IN_SOLO_WATCHED = 1 << ENUMERATE_SOLO_WATCHED,
    IN_THREADS = 1 << ENUMERATE_THREADS,
    IN_THREADS_WATCHED = 1 << ENUMERATE_THREADS_WATCHED,
    IN_FORK = 1 << ENUMERATE_FORK,
    IN_FORK_WATCHED = 1 << ENUMERATE_FORK_WATCHED,
    IN_BOTH = 1 << ENUMERATE_BOTH,
    IN_BOTH_WATCHED = 1 << ENUMERATE_BOTH_WATCHED,
    IN_ALL = (1 << ENUMERATE_WORLDS) - 1,
    IN_MANY = IN_ALL & ~(IN_SOLO | IN_SOLO_WATCHED), /* with more than one actor */
    IN_CHILD = IN_FORK | IN_FORK_WATCHED | IN_BOTH | IN_BOTH_WATCHED,
    BY_ALL = ENUMERATE_MAIN | ENUMERATE_THREAD | ENUMERATE_CHILD,
    IN_CORE = IN_SOLO | IN_SOLO_WATCHED,
};

struct enumerate_call {
    unsigned worlds, actors;
    bool core;
    const char *call;
};

static const struct enumerate_call calls[] = {
#define ENUMERATE_CALL(in, by, is_core, text)                                                      \
    {.worlds = (in), .actors = (by), .core = (is_core), .call = (text)},
#include "fuzz/generate/enumerate.def"
#undef ENUMERATE_CALL
};

const char *const enumerate_world_names[ENUMERATE_WORLDS] = {
#define ENUMERATE_WORLD(id, name, actors, watched) [ENUMERATE_##id] = (name),
#include "fuzz/generate/enumerate.def"
#undef ENUMERATE_WORLD
};

static const struct {
    unsigned actors;
    bool watched;
} worlds[ENUMERATE_WORLDS] = {
#define ENUMERATE_WORLD(id, name, by, is_watched) [ENUMERATE_##id] = {(by), (is_watched)},
#include "fuzz/generate/enumerate.def"
#undef ENUMERATE_WORLD
};

unsigned enumerate_world_actors(enum enumerate_world world)
{
    return worlds[world].actors;
}

bool enumerate_world_watched(enum enumerate_world world)
{
    return worlds[world].watched;
}

/* Every way to fill in the letters of one call, by every actor that may make it. */
static void add_instances(struct enumeration *enumeration, const struct enumerate_call *call)
{
    for (unsigned actor = 0; actor < ENUMERATE_ACTORS; actor++) {
        if (!(call->actors & (1U << actor)))
            continue;
        for (unsigned choice = 0; choice < 4; choice++) {
            assert(enumeration->ninstances < ENUMERATE_INSTANCES_MAX);
            struct enumerate_instance *instance = &enumeration->instances[enumeration->ninstances];
            *instance = (struct enumerate_instance){
                .worlds = call->worlds, .actor = 1U << actor, .core = call->core};
            /* A letter that the call does not have gives nothing to choose. */
            if (enumerate_fill_in(call->call, choice & 1, choice >> 1, instance))
                enumeration->ninstances++;
        }
    }
}

static void collect_alphabets(struct enumeration *enumeration)
{
    for (unsigned i = 0; i < enumeration->ninstances; i++) {
        const struct enumerate_instance *instance = &enumeration->instances[i];
        for (unsigned world = 0; world < ENUMERATE_WORLDS; world++) {
            if (!(instance->worlds & (1U << world)) || !(instance->actor & worlds[world].actors))
                continue;
            if (enumeration->core && (!instance->core || !((1U << world) & IN_CORE)))
                continue;
            enumeration->alphabet[world][enumeration->nalphabet[world]++] = (uint16_t)i;
        }
    }
}

/* Names things in the order of their numbers: v1 only after v0. Of the programs that come to each
 * other by a swap of names this leaves one. */
static bool mention(const uint8_t *named, unsigned count, uint8_t *seen)
{
    for (unsigned i = 0; i < count; i++) {
        if (named[i] > *seen)
            return false;
        if (named[i] == *seen)
            (*seen)++;
    }
    return true;
}

static bool actor_may_act(const struct enumerate_state *state,
                          const struct enumerate_instance *instance)
{
    if (instance->actor & state->ended)
        return false;
    if (instance->actor == ENUMERATE_CHILD || instance->names_child)
        return state->forked;
    return true;
}

/* Two threads are equal, so that the one which acts first is main, unless something is done that
 * can be done to one of them only. */
static void compare_threads(enum enumerate_world world, struct enumerate_state *state,
                            const struct enumerate_instance *instance)
{
    /* With a fork they are not equal: main alone forks. */
    if (worlds[world].actors & ENUMERATE_CHILD)
        return;
    state->threads_told |= instance->tells_threads;
    state->thread_first |= instance->actor == ENUMERATE_THREAD && !(state->acted & ENUMERATE_MAIN);
}

/* What ends an actor, and what begins one. */
static bool apply_life(enum enumerate_world world, struct enumerate_state *state,
                       const struct enumerate_instance *instance)
{
    switch (op_table[instance->op].effect) {
    case EFFECT_FORK:
        if (state->forked)
            return false;
        state->forked = true;
        return true;
    case EFFECT_EXIT:
        state->ended |= (uint8_t)instance->actor;
        return true;
    case EFFECT_THREAD_EXIT:
        state->ended |= (uint8_t)instance->actor;
        /* The last one must stay and look. */
        return (state->ended & worlds[world].actors) != worlds[world].actors;
    default:
        return true;
    }
}

/* Whether the operation may come next, and what it comes to. */
static bool follow(enum enumerate_world world, const struct enumerate_state *state,
                   const struct enumerate_instance *instance, struct enumerate_state *ret_state)
{
    struct enumerate_state next = *state;

    if (!actor_may_act(state, instance))
        return false;
    if (!mention(instance->instances, instance->ninstances, &next.instances) ||
        !mention(instance->files, instance->nfiles, &next.files))
        return false;
    if (instance->duplicate) {
        if (state->duplicate && state->duplicate != instance->duplicate)
            return false;
        next.duplicate = (uint8_t)instance->duplicate;
    }
    if (!apply_life(world, &next, instance))
        return false;
    compare_threads(world, &next, instance);
    next.acted |= (uint8_t)instance->actor;
    *ret_state = next;
    return true;
}

/* Whether a program that comes to this uses its world, else it belongs to a smaller one, and is the
 * one that is run of it and its mirror image. */
static bool is_complete(enum enumerate_world world, const struct enumerate_state *state)
{
    if (state->thread_first && !state->threads_told)
        return false;
    if ((worlds[world].actors & ENUMERATE_THREAD) && !(state->acted & ENUMERATE_THREAD))
        return false;
    if ((worlds[world].actors & ENUMERATE_CHILD) && !state->forked)
        return false;
    return worlds[world].watched ? state->files > 0 : state->instances > 0;
}

static unsigned state_number(const struct enumerate_state *state)
{
    unsigned number = state->files;

    number = number * 3 + state->instances;
    number = number * ENUMERATE_DUPLICATES + state->duplicate;
    number = number * 8 + state->acted;
    number = number * 8 + state->ended;
    number = number * 2 + state->forked;
    number = number * 2 + state->thread_first;
    number = number * 2 + state->threads_told;
    assert(number < ENUMERATE_STATES);
    return number;
}

/*
 * In how many ways a program that came to `state` ends after `left` more operations:
 *
 *     ways(state, 0)    = 1 if the program is complete, else 0
 *     ways(state, left) = sum of ways(next(state, operation), left - 1) over what may come next
 *
 * Each value is computed once; UINT64_MAX stands for one that is not yet. The depth of the
 * recursion is the bound, ENUMERATE_OPS_MAX.
 */
static uint64_t ways(const struct enumeration *enumeration, enum enumerate_world world,
                     const struct enumerate_state *state, unsigned left)
{
    struct enumerate_state next;
    size_t place =
        ((size_t)world * (ENUMERATE_OPS_MAX + 1) + left) * ENUMERATE_STATES + state_number(state);

    if (left == 0)
        return is_complete(world, state);
    if (enumeration->ways[place] != UINT64_MAX)
        return enumeration->ways[place];
    uint64_t sum = 0;
    for (unsigned i = 0; i < enumeration->nalphabet[world]; i++) {
        const struct enumerate_instance *instance =
            &enumeration->instances[enumeration->alphabet[world][i]];
        if (follow(world, state, instance, &next))
            sum += ways(enumeration, world, &next, left - 1);
    }
    enumeration->ways[place] = sum;
    return sum;
}

int enumeration_new(unsigned ops, bool core, struct enumeration **ret_enumeration)
{
    const struct enumerate_state start = {0};
    const size_t nways = (size_t)ENUMERATE_WORLDS * (ENUMERATE_OPS_MAX + 1) * ENUMERATE_STATES;

    assert(ops >= 1 && ops <= ENUMERATE_OPS_MAX);
    struct enumeration *enumeration = calloc(1, sizeof(*enumeration));
    uint64_t *memory = malloc(nways * sizeof(*memory));
    if (!enumeration || !memory) {
        free(enumeration);
        free(memory);
        return -ENOMEM;
    }
    memset(memory, 0xff, nways * sizeof(*memory));
    enumeration->ways = memory;
    enumeration->ops = ops;
    enumeration->core = core;
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        add_instances(enumeration, &calls[i]);
    collect_alphabets(enumeration);
    for (unsigned length = 1; length <= ops; length++) {
        for (unsigned world = 0; world < ENUMERATE_WORLDS; world++) {
            enumeration->counts[world][length] = ways(enumeration, world, &start, length);
            enumeration->total += enumeration->counts[world][length];
        }
    }
    *ret_enumeration = enumeration;
    return 0;
}

void enumeration_free(struct enumeration *enumeration)
{
    if (!enumeration)
        return;
    free(enumeration->ways);
    free(enumeration);
}

void enumeration_begin(struct enumerate_cursor *ret_cursor)
{
    memset(ret_cursor, 0, sizeof(*ret_cursor));
}

/* Finds the first operation from `from` on that may stand at `depth`. */
static bool choose(const struct enumeration *enumeration, struct enumerate_cursor *cursor,
                   unsigned depth, unsigned from)
{
    for (unsigned i = from; i < enumeration->nalphabet[cursor->world]; i++) {
        const struct enumerate_instance *instance =
            &enumeration->instances[enumeration->alphabet[cursor->world][i]];
        if (follow(cursor->world, &cursor->states[depth], instance, &cursor->states[depth + 1])) {
            cursor->chosen[depth] = (uint16_t)i;
            return true;
        }
    }
    return false;
}

/* The next sequence of this length in this world, complete or not. `fresh`: the first one. */
static bool next_sequence(const struct enumeration *enumeration, struct enumerate_cursor *cursor,
                          bool fresh)
{
    unsigned depth = fresh ? 0 : cursor->length - 1;
    unsigned from = fresh ? 0 : cursor->chosen[depth] + 1U;

    for (;;) {
        if (choose(enumeration, cursor, depth, from)) {
            if (++depth == cursor->length)
                return true;
            from = 0;
        } else {
            if (depth-- == 0)
                return false;
            from = cursor->chosen[depth] + 1U;
        }
    }
}

bool enumeration_next(const struct enumeration *enumeration, struct enumerate_cursor *cursor)
{
    bool fresh = cursor->length == 0;

    if (fresh)
        cursor->length = 1;
    else
        cursor->index++;
    for (; cursor->length <= enumeration->ops; cursor->length++) {
        for (; cursor->world < ENUMERATE_WORLDS; cursor->world++) {
            for (; next_sequence(enumeration, cursor, fresh); fresh = false) {
                if (is_complete(cursor->world, &cursor->states[cursor->length]))
                    return true;
            }
            fresh = true;
        }
        cursor->world = 0;
    }
    return false;
}

/* Chooses operations so that `rank` sequences of the same length and world come before. */
static void seek_sequence(const struct enumeration *enumeration, uint64_t rank,
                          struct enumerate_cursor *cursor)
{
    enum enumerate_world world = cursor->world;

    for (unsigned depth = 0; depth < cursor->length; depth++) {
        struct enumerate_state *next = &cursor->states[depth + 1];
        unsigned i = 0;
        for (;; i++) {
            assert(i < enumeration->nalphabet[world]);
            const struct enumerate_instance *instance =
                &enumeration->instances[enumeration->alphabet[world][i]];
            if (!follow(world, &cursor->states[depth], instance, next))
                continue;
            uint64_t here = ways(enumeration, world, next, cursor->length - depth - 1);
            if (rank < here)
                break;
            rank -= here;
        }
        cursor->chosen[depth] = (uint16_t)i;
    }
    assert(rank == 0);
}

void enumeration_seek(const struct enumeration *enumeration, uint64_t index,
                      struct enumerate_cursor *ret_cursor)
{
    uint64_t rank = index;

    assert(index < enumeration->total);
    enumeration_begin(ret_cursor);
    ret_cursor->index = index;
    for (ret_cursor->length = 1;; ret_cursor->length++) {
        assert(ret_cursor->length <= enumeration->ops);
        for (unsigned world = 0; world < ENUMERATE_WORLDS; world++) {
            uint64_t count = enumeration->counts[world][ret_cursor->length];
            if (rank < count) {
                ret_cursor->world = world;
                seek_sequence(enumeration, rank, ret_cursor);
                return;
            }
            rank -= count;
        }
    }
}
