/*
 * Linearizability: whether some order of the operations of a concurrent history, each of them
 * between its call and its return, is one that a sequential model allows with the results observed.
 *
 * The search is that of Wing and Gong with the memory of Lowe: among the effects that could come
 * first it tries each, and never goes on twice from the same set of effects in the same state. It
 * knows nothing of epoll: the model is an interface, and tests bind it to registers and queues.
 *
 * An operation is one effect or several. The kernel does not do everything at one instant (close
 * frees the number first and lets go of the file later), so effects, and not operations, have a
 * place in time.
 */
#ifndef EPDIFF_ORACLE_LINEAR_H
#define EPDIFF_ORACLE_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LINEAR_EFFECTS_MAX = 512, /* effects of one history */
    LINEAR_WORDS = LINEAR_EFFECTS_MAX / 64,
    LINEAR_NODES_MAX = 4000, /* sets of effects with a state, in one search; beyond: unknown */
    LINEAR_CURSOR_MAX = 96,
    LINEAR_STAMP_NEVER = UINT32_MAX,
    LINEAR_NONE = -1,
};

struct linear_effect {
    uint32_t not_before; /* stamp behind which it takes place */
    uint32_t not_after;  /* stamp before which it does; LINEAR_STAMP_NEVER: it has no end */
    int after;           /* an effect that comes before it (of the same operation), LINEAR_NONE */
    /*
     * Effects of different stages do not touch each other or lie apart in time, so one stage is
     * ordered after the other, the lower number first. Whoever makes a history splits it this way
     * where it can: a search over two times four effects is nothing beside one over eight.
     */
    unsigned stage;
};

struct linear_set {
    uint64_t words[LINEAR_WORDS];
};

static inline bool linear_has(const struct linear_set *set, unsigned effect)
{
    return (set->words[effect / 64] >> (effect % 64)) & 1;
}

static inline void linear_add(struct linear_set *set, unsigned effect)
{
    set->words[effect / 64] |= UINT64_C(1) << (effect % 64);
}

static inline void linear_remove(struct linear_set *set, unsigned effect)
{
    set->words[effect / 64] &= ~(UINT64_C(1) << (effect % 64));
}

struct linear_history {
    unsigned count;
    struct linear_effect effects[LINEAR_EFFECTS_MAX];
};

/* Where the enumeration of an effect's outcomes stands. Starts as zeros. */
struct linear_cursor {
    bool started;
    uint8_t room[LINEAR_CURSOR_MAX];
};

enum linear_step {
    LINEAR_REFUSED, /* no (further) outcome that the model allows is the one observed */
    LINEAR_ALLOWED, /* *ret_after is the state behind one; the cursor can be moved on */
    LINEAR_BEYOND,  /* the model cannot say: nothing is refuted on this way */
};

/* The sequential model. States are its own; the search only holds them. */
struct linear_model {
    void *(*state_new)(void *context); /* NULL: out of memory */
    void (*state_free)(void *context, void *state);
    void (*state_copy)(void *context, void *to, const void *from);
    void (*state_init)(void *context, void *state);
    uint64_t (*state_hash)(void *context, const void *state);
    bool (*state_equal)(void *context, const void *a, const void *b);
    /* Carries out an effect in the state `before` with the result that was observed. */
    enum linear_step (*step)(void *context, const void *before, unsigned effect,
                             struct linear_cursor *cursor, void *ret_after);
};

/*
 * Called at each dead end, once the order so far is known to go no further: `order` are the effects
 * in it, `state` what they lead to, `open` those that could come next and are all refused.
 */
typedef void linear_dead_end(void *context, const unsigned *order, unsigned length,
                             const void *state, const unsigned *open, unsigned nopen);

enum linear_verdict {
    LINEAR_OK,        /* `order` explains the history */
    LINEAR_VIOLATION, /* nothing does */
    LINEAR_UNKNOWN,   /* the search was bounded, or the model could not say */
};

struct linear_result {
    enum linear_verdict verdict;
    unsigned nodes; /* sets of effects with a state that were looked at */
    bool bounded;   /* unknown: the limit was met */
    unsigned length;
    unsigned order[LINEAR_EFFECTS_MAX];
};

struct linear_problem {
    const struct linear_history *history;
    /* Those that must have taken place. The others may have, within their time, or not. */
    struct linear_set required;
    const struct linear_model *model;
    void *context;
    unsigned nodes_max; /* 0: LINEAR_NODES_MAX */
    /* Told the state behind the order that explains the history; NULL: nobody wants to know. */
    void (*accept)(void *context, const void *state);
    linear_dead_end *dead_end; /* NULL: nobody wants to know */
};

/* Searches. Returns 0 or -ENOMEM. */
int linear_search(const struct linear_problem *problem, struct linear_result *ret_result);

/*
 * Shrinks a violation: to the effects that have come to their end when it is first there, and of
 * those to as few as are needed, so that it is there whichever of the others took place and
 * whenever. Replaces problem->required, for which linear_search has said LINEAR_VIOLATION, and it
 * still says so. Returns 0 or -ENOMEM.
 */
int linear_minimize(struct linear_problem *problem);

#endif
