/* The search for a linearization. */
#include "oracle/linear.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS = 4096, /* of the memory; a power of two */
};

/* A set of effects that have taken place, and a state that they led to. */
struct node {
    struct linear_set done;
    uint64_t hash;
    void *state;
    int parent; /* the node before the last effect, LINEAR_NONE for the first */
    int effect; /* the last effect */
    int next;   /* in the same bucket */
    unsigned depth;
    unsigned stage; /* of the last effect */
};

/* A node on the way that is being tried, and what has been tried from it. */
struct frame {
    int node;
    unsigned ncandidates;
    unsigned at;
    bool went_on; /* some candidate was allowed */
    struct linear_cursor cursor;
    uint16_t candidates[LINEAR_EFFECTS_MAX];
};

struct search {
    const struct linear_problem *problem;
    unsigned nodes_max;
    unsigned nnodes, room;
    struct node *nodes;
    int buckets[BUCKETS];
    unsigned nframes, frames_room;
    struct frame *frames;
    void *scratch; /* a state that is nobody's */
    bool beyond;
    uint16_t by_end[LINEAR_EFFECTS_MAX]; /* all effects, those that ended first before */
};

static bool sets_equal(const struct linear_set *a, const struct linear_set *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static uint64_t node_hash(const struct linear_set *done, uint64_t state_hash)
{
    uint64_t hash = state_hash;

    for (unsigned i = 0; i < LINEAR_WORDS; i++)
        hash = mix(hash, done->words[i]);
    return hash;
}

/* A node like this one that is known, or LINEAR_NONE. */
static int find_node(const struct search *search, const struct linear_set *done, uint64_t hash,
                     const void *state)
{
    const struct linear_problem *problem = search->problem;

    for (int i = search->buckets[hash % BUCKETS]; i != LINEAR_NONE; i = search->nodes[i].next) {
        const struct node *node = &search->nodes[i];
        if (node->hash == hash && sets_equal(&node->done, done) &&
            problem->model->state_equal(problem->context, node->state, state))
            return i;
    }
    return LINEAR_NONE;
}

static int grow(void **array, unsigned *room, unsigned needed, size_t size)
{
    if (needed <= *room)
        return 0;
    unsigned wanted = *room ? 2 * *room : 32;
    void *grown = realloc(*array, wanted * size);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *room = wanted;
    return 0;
}

/* Adds a node with the scratch state, which becomes its own, and goes there. */
static int push_node(struct search *search, int parent, int effect, const struct linear_set *done,
                     uint64_t hash)
{
    const struct linear_problem *problem = search->problem;
    const struct linear_effect *effects = problem->history->effects;

    int err =
        grow((void **)&search->nodes, &search->room, search->nnodes + 1, sizeof(*search->nodes));
    if (!err)
        err = grow((void **)&search->frames, &search->frames_room, search->nframes + 1,
                   sizeof(*search->frames));
    void *state = err ? NULL : problem->model->state_new(problem->context);
    if (!state)
        return -ENOMEM;
    search->nodes[search->nnodes] =
        (struct node){.done = *done,
                      .hash = hash,
                      .state = search->scratch,
                      .parent = parent,
                      .effect = effect,
                      .next = search->buckets[hash % BUCKETS],
                      .depth = parent == LINEAR_NONE ? 0 : search->nodes[parent].depth + 1,
                      .stage = effect == LINEAR_NONE ? 0 : effects[effect].stage};
    search->scratch = state;
    search->buckets[hash % BUCKETS] = (int)search->nnodes;
    struct frame *frame = &search->frames[search->nframes++];
    frame->node = (int)search->nnodes++;
    frame->ncandidates = frame->at = 0;
    frame->went_on = false;
    memset(&frame->cursor, 0, sizeof(frame->cursor));
    return 0;
}

/* Whether `effect` can take place next, by time and by the stages alone. */
static bool can_come(const struct linear_problem *problem, const struct node *node, unsigned effect)
{
    const struct linear_history *history = problem->history;
    const struct linear_effect *self = &history->effects[effect];

    if (linear_has(&node->done, effect) || self->stage < node->stage)
        return false;
    if (self->after != LINEAR_NONE && !linear_has(&node->done, (unsigned)self->after))
        return false;
    for (unsigned i = 0; i < history->count; i++) {
        const struct linear_effect *other = &history->effects[i];
        bool done = linear_has(&node->done, i);
        /* What must take place does so before whatever lies behind it. */
        if (!done && i != effect && linear_has(&problem->required, i) &&
            (other->stage < self->stage ||
             (other->stage == self->stage && other->not_after < self->not_before)))
            return false;
        /* What may take place does not do so when its time is over. */
        if (done && other->stage == self->stage && self->not_after < other->not_before)
            return false;
    }
    return true;
}

/* Those that ended first are tried first: mostly that is the order in which they took place. */
static void list_candidates(struct search *search, struct frame *frame)
{
    const struct node *node = &search->nodes[frame->node];

    for (unsigned i = 0; i < search->problem->history->count; i++) {
        unsigned effect = search->by_end[i];
        if (can_come(search->problem, node, effect))
            frame->candidates[frame->ncandidates++] = (uint16_t)effect;
    }
}

static bool is_whole(const struct linear_problem *problem, const struct linear_set *done)
{
    for (unsigned i = 0; i < LINEAR_WORDS; i++) {
        if (problem->required.words[i] & ~done->words[i])
            return false;
    }
    return true;
}

static void order_of(const struct search *search, int index, unsigned *ret_order,
                     unsigned *ret_length)
{
    const struct node *node = &search->nodes[index];

    *ret_length = node->depth;
    while (node->parent != LINEAR_NONE) {
        ret_order[node->depth - 1] = (unsigned)node->effect;
        node = &search->nodes[node->parent];
    }
}

static void tell_dead_end(const struct search *search, const struct frame *frame)
{
    const struct linear_problem *problem = search->problem;
    unsigned order[LINEAR_EFFECTS_MAX];
    unsigned open[LINEAR_EFFECTS_MAX];
    unsigned length, nopen = 0;

    if (!problem->dead_end || frame->went_on)
        return;
    order_of(search, frame->node, order, &length);
    for (unsigned i = 0; i < frame->ncandidates; i++)
        open[nopen++] = frame->candidates[i];
    problem->dead_end(problem->context, order, length, search->nodes[frame->node].state, open,
                      nopen);
}

/* Tries the next outcome of the next candidate. Returns 0 or -ENOMEM. */
static int try_next(struct search *search)
{
    const struct linear_problem *problem = search->problem;
    struct frame *frame = &search->frames[search->nframes - 1];
    const struct node *node = &search->nodes[frame->node];
    unsigned effect = frame->candidates[frame->at];

    enum linear_step stepped = problem->model->step(problem->context, node->state, effect,
                                                    &frame->cursor, search->scratch);
    if (stepped != LINEAR_ALLOWED) {
        search->beyond |= stepped == LINEAR_BEYOND;
        frame->went_on |= stepped == LINEAR_BEYOND;
        frame->at++;
        memset(&frame->cursor, 0, sizeof(frame->cursor));
        return 0;
    }
    frame->went_on = true;
    struct linear_set done = node->done;
    linear_add(&done, effect);
    uint64_t hash = node_hash(&done, problem->model->state_hash(problem->context, search->scratch));
    if (find_node(search, &done, hash, search->scratch) != LINEAR_NONE)
        return 0; /* what comes of this has been tried */
    return push_node(search, frame->node, (int)effect, &done, hash);
}

static int run_search(struct search *search, struct linear_result *result)
{
    const struct linear_problem *problem = search->problem;

    result->verdict = LINEAR_VIOLATION;
    while (search->nframes > 0) {
        struct frame *frame = &search->frames[search->nframes - 1];
        if (is_whole(problem, &search->nodes[frame->node].done)) {
            result->verdict = LINEAR_OK;
            order_of(search, frame->node, result->order, &result->length);
            if (problem->accept)
                problem->accept(problem->context, search->nodes[frame->node].state);
            break;
        }
        if (frame->at == 0 && frame->ncandidates == 0)
            list_candidates(search, frame);
        if (frame->at == frame->ncandidates) {
            tell_dead_end(search, frame);
            search->nframes--;
            continue;
        }
        if (search->nnodes >= search->nodes_max) {
            result->verdict = LINEAR_UNKNOWN;
            result->bounded = true;
            break;
        }
        int err = try_next(search);
        if (err)
            return err;
    }
    if (result->verdict == LINEAR_VIOLATION && search->beyond)
        result->verdict = LINEAR_UNKNOWN;
    result->nodes = search->nnodes;
    return 0;
}

/* By insertion: histories are short, and mostly in order already. */
static void sort_by_end(const struct linear_history *history, uint16_t *ret_order)
{
    for (unsigned i = 0; i < history->count; i++) {
        unsigned at = i;
        while (at > 0 &&
               history->effects[ret_order[at - 1]].not_after > history->effects[i].not_after) {
            ret_order[at] = ret_order[at - 1];
            at--;
        }
        ret_order[at] = (uint16_t)i;
    }
}

int linear_search(const struct linear_problem *problem, struct linear_result *ret_result)
{
    const struct linear_model *model = problem->model;
    struct linear_set none = {{0}};

    assert(problem->history->count <= LINEAR_EFFECTS_MAX);
    memset(ret_result, 0, offsetof(struct linear_result, order));
    struct search *search = calloc(1, sizeof(*search));
    if (!search)
        return -ENOMEM;
    search->problem = problem;
    search->nodes_max = problem->nodes_max ? problem->nodes_max : LINEAR_NODES_MAX;
    memset(search->buckets, -1, sizeof(search->buckets));
    sort_by_end(problem->history, search->by_end);
    search->scratch = model->state_new(problem->context);
    int err = search->scratch ? 0 : -ENOMEM;
    if (!err) {
        model->state_init(problem->context, search->scratch);
        err = push_node(search, LINEAR_NONE, LINEAR_NONE, &none, 0);
    }
    if (!err)
        err = run_search(search, ret_result);
    for (unsigned i = 0; i < search->nnodes; i++)
        model->state_free(problem->context, search->nodes[i].state);
    if (search->scratch)
        model->state_free(problem->context, search->scratch);
    free(search->nodes);
    free(search->frames);
    free(search);
    return err;
}

/* Whether no order explains the effects of `required`. */
static int refutes(struct linear_problem *problem, const struct linear_set *required,
                   bool *ret_refuted)
{
    struct linear_problem copy = *problem;
    struct linear_result result;

    copy.required = *required;
    copy.dead_end = NULL;
    int err = linear_search(&copy, &result);
    if (!err)
        *ret_refuted = result.verdict == LINEAR_VIOLATION;
    return err;
}

/* Those of the required effects that are among the first `count` to end. */
static void first_to_end(const struct linear_problem *problem, unsigned count,
                         struct linear_set *ret_set)
{
    uint16_t by_end[LINEAR_EFFECTS_MAX];

    memset(ret_set, 0, sizeof(*ret_set));
    sort_by_end(problem->history, by_end);
    for (unsigned i = 0; i < count; i++) {
        if (linear_has(&problem->required, by_end[i]))
            linear_add(ret_set, by_end[i]);
    }
}

int linear_minimize(struct linear_problem *problem)
{
    unsigned low = 0, high = problem->history->count; /* `low` are explained, `high` are not */
    struct linear_set tried;
    bool refuted = false;

    while (high - low > 1) {
        unsigned middle = low + (high - low) / 2;
        first_to_end(problem, middle, &tried);
        int err = refutes(problem, &tried, &refuted);
        if (err)
            return err;
        *(refuted ? &high : &low) = middle;
    }
    first_to_end(problem, high, &tried);
    problem->required = tried;
    for (unsigned i = 0; i < problem->history->count; i++) {
        tried = problem->required;
        linear_remove(&tried, i);
        if (!linear_has(&problem->required, i))
            continue;
        int err = refutes(problem, &tried, &refuted);
        if (err)
            return err;
        if (refuted)
            problem->required = tried;
    }
    return 0;
}
