#include "tests/unit/oracle/toys.h"

#include <stdlib.h>
#include <string.h>

enum {
    QUEUE_MAX = 64,
};

struct state {
    int number;
    unsigned length;
    int queue[QUEUE_MAX];
    uint64_t set; /* bit per value */
};

int toys_alive;

static void *state_new(void *context)
{
    (void)context;
    toys_alive++;
    return calloc(1, sizeof(struct state));
}

static void state_free(void *context, void *state)
{
    (void)context;
    toys_alive--;
    free(state);
}

static void state_copy(void *context, void *to, const void *from)
{
    (void)context;
    memcpy(to, from, sizeof(struct state));
}

static void state_init(void *context, void *state)
{
    (void)context;
    memset(state, 0, sizeof(struct state));
}

/* Bad on purpose: the search must not take equal hashes for equal states. */
static uint64_t state_hash(void *context, const void *state)
{
    (void)context;
    (void)state;
    return 7;
}

static bool state_equal(void *context, const void *a, const void *b)
{
    (void)context;
    return memcmp(a, b, sizeof(struct state)) == 0;
}

static int dequeue(struct state *state)
{
    if (state->length == 0)
        return -1;
    int first = state->queue[0];
    memmove(state->queue, state->queue + 1, sizeof(state->queue) - sizeof(state->queue[0]));
    state->length--;
    return first;
}

static enum linear_step change_set(struct state *state, const struct toy_call *call)
{
    uint64_t bit = UINT64_C(1) << call->value;
    bool there = (state->set & bit) != 0;

    if (call->toy == TOY_HAS)
        return there == (call->result != 0) ? LINEAR_ALLOWED : LINEAR_REFUSED;
    if ((call->toy == TOY_REMOVE) != there)
        return call->result == 0 ? LINEAR_ALLOWED : LINEAR_REFUSED;
    state->set ^= bit;
    return call->result == 1 ? LINEAR_ALLOWED : LINEAR_REFUSED;
}

static enum linear_step carry_out(struct state *state, const struct toy_call *call, unsigned choice)
{
    if (choice > 0 && call->toy != TOY_FLIP)
        return LINEAR_REFUSED;
    switch (call->toy) {
    case TOY_WRITE:
        state->number = call->value;
        return LINEAR_ALLOWED;
    case TOY_READ:
        return state->number == call->result ? LINEAR_ALLOWED : LINEAR_REFUSED;
    case TOY_ENQUEUE:
        state->queue[state->length++] = call->value;
        return LINEAR_ALLOWED;
    case TOY_DEQUEUE:
        return dequeue(state) == call->result ? LINEAR_ALLOWED : LINEAR_REFUSED;
    case TOY_ADD:
    case TOY_REMOVE:
    case TOY_HAS:
        return change_set(state, call);
    case TOY_FLIP:
        state->number = choice == 0 ? state->number : call->value;
        return choice < 2 ? LINEAR_ALLOWED : LINEAR_REFUSED;
    case TOY_WHAT:
        return LINEAR_BEYOND;
    }
    return LINEAR_REFUSED;
}

static enum linear_step step(void *context, const void *before, unsigned effect,
                             struct linear_cursor *cursor, void *ret_after)
{
    const struct toys *toys = context;
    unsigned choice = cursor->room[0]++;

    state_copy(context, ret_after, before);
    return carry_out(ret_after, &toys->calls[effect], choice);
}

static const struct linear_model model = {
    .state_new = state_new,
    .state_free = state_free,
    .state_copy = state_copy,
    .state_init = state_init,
    .state_hash = state_hash,
    .state_equal = state_equal,
    .step = step,
};

static void dead_end(void *context, const unsigned *order, unsigned length, const void *state,
                     const unsigned *open, unsigned nopen)
{
    struct toys *toys = context;
    struct state after;
    struct linear_cursor cursor;

    (void)order;
    toys->dead_ends++;
    toys->deepest = length > toys->deepest ? length : toys->deepest;
    /* What it says is refused is refused. */
    for (unsigned i = 0; i < nopen; i++) {
        memset(&cursor, 0, sizeof(cursor));
        assert_int_equal(step(context, state, open[i], &cursor, &after), LINEAR_REFUSED);
    }
}

void toys_set(struct toys *toys, const struct toy_call *calls, unsigned ncalls)
{
    memset(toys, 0, sizeof(*toys));
    toys->calls = calls;
    toys->history.count = ncalls;
    for (unsigned i = 0; i < ncalls; i++) {
        toys->history.effects[i] =
            (struct linear_effect){.not_before = calls[i].called,
                                   .not_after = calls[i].returned,
                                   .after = calls[i].follows ? (int)i - 1 : LINEAR_NONE,
                                   .stage = calls[i].stage};
        linear_add(&toys->problem.required, i);
    }
    toys->problem.history = &toys->history;
    toys->problem.model = &model;
    toys->problem.context = toys;
    toys->problem.dead_end = dead_end;
}

/* An order that claims to explain the history: possible in time, and by the model. */
static void check_order(const struct toys *toys, const struct linear_result *result)
{
    struct linear_set done = {{0}};

    for (unsigned i = 0; i < result->length; i++) {
        const struct linear_effect *later = &toys->history.effects[result->order[i]];
        assert_false(linear_has(&done, result->order[i]));
        linear_add(&done, result->order[i]);
        if (later->after != LINEAR_NONE)
            assert_true(linear_has(&done, (unsigned)later->after));
        for (unsigned j = 0; j < i; j++) {
            const struct linear_effect *earlier = &toys->history.effects[result->order[j]];
            if (earlier->stage == later->stage)
                assert_true(earlier->not_before < later->not_after);
        }
    }
    for (unsigned i = 0; i < toys->history.count; i++)
        assert_true(linear_has(&done, i) || !linear_has(&toys->problem.required, i));
}

void toys_expect(struct toys *toys, enum linear_verdict verdict, struct linear_result *ret_result)
{
    int before = toys_alive;

    toys->dead_ends = toys->deepest = 0;
    assert_int_equal(linear_search(&toys->problem, ret_result), 0);
    assert_int_equal(ret_result->verdict, verdict);
    assert_int_equal(toys_alive, before);
    if (verdict == LINEAR_OK)
        check_order(toys, ret_result);
}
