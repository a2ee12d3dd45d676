/* Histories: what is searched, and what is said about it. */
#include "oracle/history.h"

#include "fuzz/program/document.h"
#include "fuzz/program/parallel.h"
#include "oracle/linear_kernel.h"
#include "oracle/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCANS = 2, /* moments in which a scan polls one item; the rest of the items is one moment */
    WAKES = 2, /* moments in which a wakeup reaches one item; the rest of them is one moment */
    MOMENTS_MAX = 14,
    HISTORY_ORDERS_KEPT = 16, /* the longest ones; many look alike to people */
};

/* What an effect of the search is in the kernel. */
struct effect {
    uint16_t step;
    uint8_t moment; /* enum linear_moment */
    bool last;      /* of its call */
};

/* An order that ends in front of what the model refuses. */
struct dead_end {
    unsigned length, nopen;
    uint16_t order[LINEAR_EFFECTS_MAX];
    uint16_t open[PROGRAM_ACTORS_MAX];
    char says[PROGRAM_ACTORS_MAX][128]; /* what the model expects of each instead */
};

struct judgement {
    const struct trace *trace;
    const struct program *program;
    const struct model_facts *facts;
    struct linear_history history;
    struct effect effects[LINEAR_EFFECTS_MAX];
    struct linear_problem problem;
    struct linear_state *scratch;
    unsigned false_empties;
    struct trace *room; /* for printing */
    unsigned ndead_ends;
    struct dead_end dead_ends[HISTORY_ORDERS_KEPT];
};

/* --- The states, for the search --- */

static void *state_new(void *context)
{
    (void)context;
    return malloc(sizeof(struct linear_state));
}

static void state_free(void *context, void *state)
{
    (void)context;
    free(state);
}

static void state_copy(void *context, void *to, const void *from)
{
    (void)context;
    linear_state_copy(to, from);
}

static void state_init(void *context, void *state)
{
    const struct judgement *judgement = context;
    linear_state_init(state, judgement->program, judgement->facts);
}

static uint64_t state_hash(void *context, const void *state)
{
    (void)context;
    return linear_state_hash(state);
}

static bool state_equal(void *context, const void *a, const void *b)
{
    (void)context;
    return linear_state_equal(a, b);
}

/* Where the choices of a turn stand. */
struct choices {
    struct model_tape tape;
};
_Static_assert(sizeof(struct choices) <= LINEAR_CURSOR_MAX, "a cursor holds a tape");

static enum linear_step step_once(struct judgement *judgement, const void *before,
                                  const struct effect *effect, struct model_tape *tape, void *after)
{
    struct linear_state *state = after;

    linear_state_copy(state, before);
    enum linear_step result = linear_moment(state, (enum linear_moment)effect->moment, effect->step,
                                            judgement->trace, tape);
    unsigned actor = judgement->program->steps[effect->step].actor;
    if (effect->last)
        memset(&state->flights[actor], 0, sizeof(state->flights[actor]));
    return result;
}

static enum linear_step step(void *context, const void *before, unsigned index,
                             struct linear_cursor *cursor, void *ret_after)
{
    struct judgement *judgement = context;
    const struct effect *effect = &judgement->effects[index];
    struct choices choices;

    if (effect->moment != MOMENT_TURN) {
        if (cursor->started)
            return LINEAR_REFUSED;
        cursor->started = true;
        return step_once(judgement, before, effect, NULL, ret_after);
    }
    memcpy(&choices, cursor->room, sizeof(choices));
    for (;;) {
        if (!cursor->started)
            model_tape_init(&choices.tape);
        else if (!model_tape_next(&choices.tape))
            return LINEAR_REFUSED;
        cursor->started = true;
        enum linear_step result = step_once(judgement, before, effect, &choices.tape, ret_after);
        memcpy(cursor->room, &choices, sizeof(choices));
        if (result != LINEAR_REFUSED)
            return result;
    }
}

static const struct linear_model kernel_model = {
    .state_new = state_new,
    .state_free = state_free,
    .state_copy = state_copy,
    .state_init = state_init,
    .state_hash = state_hash,
    .state_equal = state_equal,
    .step = step,
};

/* --- Histories --- */

static bool changes_table(const struct step *step)
{
    switch (op_table[step->op].effect) {
    case EFFECT_OPEN:
    case EFFECT_DUP:
    case EFFECT_DUP_OVER:
    case EFFECT_CLOSE:
        return true;
    default:
        return false;
    }
}

static bool overlap(const struct trace_step *a, const struct trace_step *b)
{
    return a->called < b->returned && b->called < a->returned;
}

/* What goes on in the block while a call is under way. */
struct company {
    bool any;     /* some other call */
    bool tables;  /* one that changes the same table */
    bool changes; /* one that changes what files are ready for, or closes */
};

static struct company company_of(const struct judgement *judgement, unsigned first, unsigned end,
                                 unsigned index)
{
    const struct program *program = judgement->program;
    const struct step *self = &program->steps[index];
    struct company company = {false, false, false};

    for (unsigned i = first; i < end; i++) {
        const struct step *other = &program->steps[i];
        if (other->actor == self->actor ||
            !overlap(&judgement->trace->steps[index], &judgement->trace->steps[i]))
            continue;
        company.any = true;
        company.tables |= changes_table(other) && program->actors[other->actor].process ==
                                                      program->actors[self->actor].process;
        company.changes |= changes_table(other) || op_table[other->op].effect == EFFECT_IO;
    }
    return company;
}

static unsigned add_wakeup(enum linear_moment *ret_moments)
{
    for (unsigned i = 0; i < WAKES; i++)
        ret_moments[i] = MOMENT_WAKE_ONE;
    ret_moments[WAKES] = MOMENT_WAKE;
    return WAKES + 1;
}

static unsigned moments_of(const struct step *step, const struct company *company,
                           enum linear_moment ret_moments[MOMENTS_MAX])
{
    unsigned count = 0;

    if (!company->any) {
        ret_moments[0] = MOMENT_WHOLE;
        return 1;
    }
    switch (op_table[step->op].effect) {
    case EFFECT_CLOSE:
        ret_moments[count++] = MOMENT_UNINSTALL;
        break;
    case EFFECT_DUP_OVER:
        ret_moments[count++] = MOMENT_REPLACE;
        break;
    case EFFECT_DUP:
        ret_moments[count++] = MOMENT_RESOLVE;
        ret_moments[count++] = MOMENT_RESERVE;
        ret_moments[count++] = MOMENT_INSTALL;
        return count;
    case EFFECT_OPEN:
        for (unsigned i = 0; i < op_table[step->op].nouts; i++)
            ret_moments[count++] = MOMENT_RESERVE;
        ret_moments[count++] = MOMENT_INSTALL;
        return count;
    default:
        if (company->tables) {
            ret_moments[count++] = MOMENT_GLANCE;
            ret_moments[count++] = MOMENT_RESOLVE;
        }
        if (op_table[step->op].effect != EFFECT_WAIT) {
            ret_moments[count++] = MOMENT_ACT;
            count += add_wakeup(ret_moments + count);
        } else {
            ret_moments[count++] = MOMENT_START;
            for (unsigned i = 0; i < (company->changes ? SCANS : 0); i++)
                ret_moments[count++] = MOMENT_SCAN;
            ret_moments[count++] = MOMENT_FINISH;
        }
        if (!company->tables)
            return count;
        break;
    }
    ret_moments[count++] = MOMENT_FORGET;
    ret_moments[count++] = MOMENT_RELEASE;
    return count + add_wakeup(ret_moments + count);
}

static int add_effect(struct judgement *judgement, unsigned index, enum linear_moment moment,
                      const struct linear_effect *place, bool last)
{
    struct linear_history *history = &judgement->history;

    if (history->count == LINEAR_EFFECTS_MAX)
        return -E2BIG;
    judgement->effects[history->count] =
        (struct effect){.step = (uint16_t)index, .moment = (uint8_t)moment, .last = last};
    history->effects[history->count] = *place;
    linear_add(&judgement->problem.required, history->count);
    history->count++;
    return 0;
}

/* --- Parts of a block that have nothing to do with each other --- */

struct parts {
    unsigned of_file[WORLD_FILES_MAX];
};

static void join(struct parts *parts, int a, int b)
{
    if (a < 0 || b < 0)
        return;
    unsigned from = parts->of_file[a];
    unsigned to = parts->of_file[b];
    for (unsigned i = 0; i < WORLD_FILES_MAX; i++) {
        if (parts->of_file[i] == from)
            parts->of_file[i] = to;
    }
}

/*
 * Calls that touch different files commute, as long as nobody opens or closes anything: numbers,
 * then, are files. An instance and what it lists belong together, and so do the ends of a pipe.
 */
static void find_parts(const struct judgement *judgement, const struct world *world, unsigned first,
                       unsigned end, struct parts *ret_parts)
{
    /* Behind a block nobody knows which file a number names before the search has said so. */
    bool whole = judgement->program->steps[first].block > 1;

    for (unsigned i = first; i < end; i++)
        whole |= changes_table(&judgement->program->steps[i]);
    for (unsigned i = 0; i < WORLD_FILES_MAX; i++)
        ret_parts->of_file[i] = whole ? 0 : i;
    for (unsigned i = 0; i < world->nfiles; i++)
        join(ret_parts, (int)i, world->files[i].peer);
    for (unsigned i = 0; i < world->nitems; i++) {
        if (world->items[i].live)
            join(ret_parts, world->items[i].instance, world->items[i].file);
    }
    for (unsigned i = first; i < end; i++) {
        const struct step *step = &judgement->program->steps[i];
        if (op_table[step->op].effect == EFFECT_CTL)
            join(ret_parts, world_file_of_arg(world, step, 0), world_file_of_arg(world, step, 2));
    }
}

/* A call on what is not open touches nothing; file 0 is /dev/null. */
static unsigned part_of(const struct world *world, const struct parts *parts,
                        const struct step *step)
{
    int arg = op_fd_arg(&op_table[step->op]);
    int file = arg < 0 ? 0 : world_file_of_arg(world, step, (unsigned)arg);

    if (file < 0 && op_table[step->op].effect == EFFECT_CTL)
        file = world_file_of_arg(world, step, 2);
    return parts->of_file[file < 0 ? 0 : file];
}

static int add_block(struct judgement *judgement, const struct world *world, unsigned first,
                     unsigned end, unsigned stage)
{
    struct parts parts;

    find_parts(judgement, world, first, end, &parts);
    for (unsigned i = first; i < end; i++) {
        const struct step *step = &judgement->program->steps[i];
        const struct trace_step *observed = &judgement->trace->steps[i];
        struct company company = company_of(judgement, first, end, i);
        enum linear_moment moments[MOMENTS_MAX];
        if (observed->state == STEP_SKIPPED)
            continue;
        unsigned count = moments_of(step, &company, moments);
        for (unsigned m = 0; m < count; m++) {
            struct linear_effect place = {.not_before = observed->called,
                                          .not_after = observed->returned,
                                          .after =
                                              m ? (int)judgement->history.count - 1 : LINEAR_NONE,
                                          .stage = stage + part_of(world, &parts, step)};
            int err = add_effect(judgement, i, moments[m], &place, m + 1 == count);
            if (err)
                return err;
        }
    }
    return 0;
}

static bool anyone_sleeps(const struct judgement *judgement, unsigned first)
{
    for (unsigned i = 0; i < first; i++) {
        const struct trace_step *step = &judgement->trace->steps[i];
        if (step->blocked &&
            (step->completed_at == TRACE_NEVER || step->completed_at >= (int)first))
            return true;
    }
    return false;
}

/* Stages of blocks are numbered with room for a part per file. Returns 0, or -E2BIG or -EBUSY with
 * the reason in *ret_why. */
static int add_steps(struct judgement *judgement, const char **ret_why)
{
    const struct program *program = judgement->program;
    unsigned stage = 0;
    int err = 0;
    struct world world;

    world_init(&world, program);
    for (unsigned first = 0, end; !err && first < program->nsteps; first = end) {
        bool block = program->steps[first].block != 0;
        end = block ? parallel_end(program, first) : first + 1;
        if (block && anyone_sleeps(judgement, first)) {
            *ret_why = "somebody sleeps in a call while a parallel block runs";
            return -EBUSY;
        }
        if (block) {
            err = add_block(judgement, &world, first, end, stage);
        } else {
            struct linear_effect place = {
                .not_before = 1, .not_after = 2, .after = LINEAR_NONE, .stage = stage};
            err = add_effect(judgement, first, MOMENT_TURN, &place, true);
        }
        stage += block ? WORLD_FILES_MAX : 1;
        for (unsigned i = first; i < end; i++) {
            struct world_outcome outcome;
            trace_outcome(judgement->trace, i, &outcome);
            world_apply(&world, i, &outcome);
        }
    }
    if (err)
        *ret_why = "the history is too long";
    return err;
}

/* --- What is said --- */

static const char *actor_name(const struct judgement *judgement, unsigned index)
{
    return judgement->program->actors[judgement->program->steps[index].actor].name;
}

/* The moment by which a call stands in an order that people read. */
static bool is_main(const struct effect *effect)
{
    switch ((enum linear_moment)effect->moment) {
    case MOMENT_TURN:
    case MOMENT_WHOLE:
    case MOMENT_ACT:
    case MOMENT_FINISH:
    case MOMENT_UNINSTALL:
    case MOMENT_REPLACE:
    case MOMENT_INSTALL:
        return true;
    default:
        return false;
    }
}

static void note_dead_end(void *context, const unsigned *order, unsigned length, const void *state,
                          const unsigned *open, unsigned nopen)
{
    struct judgement *judgement = context;
    struct dead_end *room = NULL;

    if (nopen == 0)
        return;
    if (judgement->ndead_ends < HISTORY_ORDERS_KEPT)
        room = &judgement->dead_ends[judgement->ndead_ends++];
    for (unsigned i = 0; !room && i < HISTORY_ORDERS_KEPT; i++) {
        if (judgement->dead_ends[i].length < length)
            room = &judgement->dead_ends[i];
    }
    if (!room)
        return;
    room->length = length;
    room->nopen = 0;
    for (unsigned i = 0; i < length; i++)
        room->order[i] = (uint16_t)order[i];
    for (unsigned i = 0; i < nopen && room->nopen < PROGRAM_ACTORS_MAX; i++) {
        /* Those that need not have taken place say nothing. */
        if (!linear_has(&judgement->problem.required, open[i]))
            continue;
        linear_state_print(state, judgement->scratch, judgement->effects[open[i]].step,
                           judgement->room, room->says[room->nopen], sizeof(room->says[0]));
        room->open[room->nopen++] = (uint16_t)open[i];
    }
}

static void print_call(const struct judgement *judgement, unsigned index, struct text *text)
{
    char call[256];
    char result[256];

    (void)step_print(judgement->program, index, call, sizeof(call));
    (void)trace_print_completion(judgement->trace, index, result, sizeof(result));
    text_append(text, "step %u, %s: %s came to %s", step_number(index),
                actor_name(judgement, index), call, result);
}

/* The calls of an order that matter: those of blocks, and what the witness holds of the rest. */
static void print_calls(const struct judgement *judgement, const struct dead_end *end,
                        struct text *text)
{
    const struct program *program = judgement->program;
    unsigned count = 0;

    for (unsigned i = 0; i < end->length; i++) {
        const struct effect *effect = &judgement->effects[end->order[i]];
        bool held = linear_has(&judgement->problem.required, end->order[i]);
        if (!is_main(effect) || (program->steps[effect->step].block == 0 && !held))
            continue;
        text_append(text, "%s%u", count ? ", " : "", step_number(effect->step));
        count++;
    }
    if (count == 0)
        text_append(text, "nothing of these");
}

/*
 * "After 8, 14: step 16 by main, epoll_ctl(...), comes to -1 ENOENT, not to 0." Returns false if
 * there is nothing to say: all that is left waits for somebody else's scan.
 */
static bool print_order(const struct judgement *judgement, const struct dead_end *end,
                        struct text *text)
{
    bool any = false;

    text_append(text, "  After ");
    print_calls(judgement, end, text);
    for (unsigned i = 0; i < end->nopen; i++) {
        unsigned index = judgement->effects[end->open[i]].step;
        char result[256];
        char call[256];
        (void)trace_print_completion(judgement->trace, index, result, sizeof(result));
        if (strcmp(result, end->says[i]) == 0)
            continue;
        (void)step_print(judgement->program, index, call, sizeof(call));
        text_append(text, "%s step %u by %s, %s, comes to %s, not to %s", any ? "; " : ":",
                    step_number(index), actor_name(judgement, index), call, end->says[i], result);
        any = true;
    }
    text_append(text, "\n");
    return any;
}

/* Each order once: many differ in moments only that people do not see. */
static void print_orders(const struct judgement *judgement, struct text *text)
{
    char lines[HISTORY_ORDERS_KEPT][1024];
    unsigned count = 0;

    for (unsigned i = 0; i < judgement->ndead_ends && count < HISTORY_ORDERS_MAX; i++) {
        struct text line;
        bool known = false;
        text_init(&line, lines[count], sizeof(lines[count]));
        if (!print_order(judgement, &judgement->dead_ends[i], &line))
            continue;
        for (unsigned j = 0; j < count; j++)
            known |= strcmp(lines[j], lines[count]) == 0;
        if (known)
            continue;
        text_append(text, "%s", lines[count]);
        count++;
    }
}

static void write_witness(const struct judgement *judgement, struct history_verdict *verdict)
{
    bool held[PROGRAM_STEPS_MAX] = {false};
    struct text text;

    for (unsigned i = 0; i < judgement->history.count; i++) {
        if (linear_has(&judgement->problem.required, i))
            held[judgement->effects[i].step] = true;
    }
    text_init(&text, verdict->witness, sizeof(verdict->witness));
    text_append(&text, "No order of calls explains these, whichever of the others took place:\n");
    for (unsigned i = 0; i < judgement->program->nsteps; i++) {
        const struct trace_step *observed = &judgement->trace->steps[i];
        if (!held[i])
            continue;
        verdict->step = i;
        text_append(&text, "  ");
        print_call(judgement, i, &text);
        if (judgement->program->steps[i].block)
            text_append(&text, ", between stamps %u and %u", observed->called, observed->returned);
        text_append(&text, "\n");
    }
    print_orders(judgement, &text);
}

/* The operations of the witness, each once, in the order of the table. */
static void write_signature(const struct judgement *judgement, struct history_verdict *verdict)
{
    bool held[OPS] = {false};
    bool any = false;
    struct text text;

    for (unsigned i = 0; i < judgement->history.count; i++) {
        if (linear_has(&judgement->problem.required, i))
            held[judgement->program->steps[judgement->effects[i].step].op] = true;
    }
    text_init(&text, verdict->signature, sizeof(verdict->signature));
    text_append(&text, "parallel/");
    for (unsigned op = 0; op < OPS; op++) {
        if (!held[op])
            continue;
        text_append(&text, "%s%s", any ? "-" : "", op_table[op].text);
        any = true;
    }
}

static int explain_violation(struct judgement *judgement, struct history_verdict *verdict)
{
    struct linear_result *result = malloc(sizeof(*result));

    int err = result ? linear_minimize(&judgement->problem) : -ENOMEM;
    judgement->problem.dead_end = note_dead_end;
    if (!err)
        err = linear_search(&judgement->problem, result);
    free(result);
    if (err)
        return err;
    write_witness(judgement, verdict);
    write_signature(judgement, verdict);
    return 0;
}

/* How many waits of the order that was found are explained by rule 27 alone. */
static void note_accepted(void *context, const void *state)
{
    struct judgement *judgement = context;
    const struct linear_state *end = state;

    judgement->false_empties = end->false_empties;
}

static int judge(struct judgement *judgement, struct history_verdict *verdict)
{
    const char *why = NULL;
    struct linear_result *result = malloc(sizeof(*result));

    if (!result)
        return -ENOMEM;
    int err = 0;
    if (judgement->trace->end != RUN_COMPLETE)
        why = "the run did not come to its end";
    else
        (void)add_steps(judgement, &why);
    if (!why) {
        err = linear_search(&judgement->problem, result);
        verdict->verdict = result->verdict;
        verdict->nodes = result->nodes;
        if (!err && result->verdict == LINEAR_UNKNOWN)
            why = result->bounded ? "the search met its limit"
                                  : "the model does not say what a call of it comes to";
        if (!err && result->verdict == LINEAR_OK)
            verdict->false_empties = judgement->false_empties;
        if (!err && result->verdict == LINEAR_VIOLATION)
            err = explain_violation(judgement, verdict);
    }
    if (why) {
        verdict->verdict = LINEAR_UNKNOWN;
        snprintf(verdict->why, sizeof(verdict->why), "%s", why);
    }
    free(result);
    return err;
}

int history_judge(const struct trace *trace, const struct model_facts *facts, unsigned nodes_max,
                  struct history_verdict *ret_verdict)
{
    struct judgement *judgement = calloc(1, sizeof(*judgement));
    int err = -ENOMEM;

    memset(ret_verdict, 0, sizeof(*ret_verdict));
    if (!judgement)
        return err;
    judgement->trace = trace;
    judgement->program = trace->program;
    judgement->facts = facts;
    judgement->problem = (struct linear_problem){.history = &judgement->history,
                                                 .model = &kernel_model,
                                                 .context = judgement,
                                                 .accept = note_accepted,
                                                 .nodes_max = nodes_max};
    judgement->scratch = malloc(sizeof(*judgement->scratch));
    judgement->room = trace_new();
    if (judgement->scratch && judgement->room) {
        judgement->room->program = trace->program;
        judgement->room->nsteps = trace->nsteps;
        err = judge(judgement, ret_verdict);
    }
    trace_free(judgement->room);
    free(judgement->scratch);
    free(judgement);
    return err;
}

size_t history_print(const struct trace *trace, const char *indent, char *out, size_t size)
{
    const struct program *program = trace->program;
    struct text text;

    text_init(&text, out, size);
    for (unsigned i = 0; i < program->nsteps; i++) {
        char call[256];
        char result[256];
        (void)step_print(program, i, call, sizeof(call));
        (void)trace_print_completion(trace, i, result, sizeof(result));
        text_append(&text, "%s", indent);
        if (program->steps[i].block != 0)
            text_append(&text, "%u-%u ", trace->steps[i].called, trace->steps[i].returned);
        text_append(&text, "%s: %s -> %s\n", program->actors[program->steps[i].actor].name, call,
                    result);
    }
    return text.length;
}
