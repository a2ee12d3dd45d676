/* The states of the model that explain a recorded run, and the run that it would have instead. */
#include "oracle/model/picture.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A set of states, no two of them alike. */
struct states {
    unsigned count;
    struct model *models[MODEL_STATES_MAX]; /* allocated as they are needed */
};

struct follow {
    const struct program *program;
    const struct trace *observed;
    struct states *now, *next;
    struct model *scratch;
    struct trace *picture; /* room for the lists of one step */
    struct model_report report;
    struct model_verdict *verdict;
};

static struct model *states_room(struct states *states)
{
    if (states->count == MODEL_STATES_MAX)
        return NULL;
    struct model **model = &states->models[states->count];
    if (!*model)
        *model = model_new();
    return *model;
}

/* Adds a copy of `model` unless one like it is there. Returns 0, -ENOMEM, or -E2BIG. */
static int states_add(struct states *states, const struct model *model)
{
    if (states->count == MODEL_STATES_MAX)
        return -E2BIG;
    struct model *room = states_room(states);
    if (!room)
        return -ENOMEM;
    model_copy(room, model);
    model_normalize(room);
    for (unsigned i = 0; i < states->count; i++) {
        if (model_equal(states->models[i], room))
            return 0;
    }
    states->count++;
    return 0;
}

static void states_free(struct states *states)
{
    for (unsigned i = 0; i < MODEL_STATES_MAX; i++)
        model_free(states->models[i]);
    free(states);
}

/* --- Does an outcome explain what was observed? --- */

static const struct model_return *find_return(const struct model_report *report, unsigned step)
{
    for (unsigned i = 0; i < report->nreturns; i++) {
        if (report->returns[i].step == step)
            return &report->returns[i];
    }
    return NULL;
}

static bool returned_at(const struct trace_step *step, unsigned index)
{
    return step->state == STEP_DONE && step->completed_at == (int)index;
}

static bool own_matches(const struct follow *follow, unsigned k)
{
    const struct trace_step *observed = &follow->observed->steps[k];

    if (find_return(&follow->report, k))
        return returned_at(observed, k);
    switch (follow->report.fate) {
    case MODEL_SKIPPED:
        return observed->state == STEP_SKIPPED;
    case MODEL_DIED:
        return observed->state == STEP_DIED && !observed->blocked;
    default:
        return observed->state == STEP_BLOCKED || observed->blocked;
    }
}

static bool returns_match(const struct follow *follow, unsigned k)
{
    unsigned observed = 0;

    for (unsigned i = 0; i <= k; i++)
        observed += returned_at(&follow->observed->steps[i], k);
    if (observed != follow->report.nreturns)
        return false;
    for (unsigned i = 0; i < follow->report.nreturns; i++) {
        const struct model_return *back = &follow->report.returns[i];
        const struct trace_step *step = &follow->observed->steps[back->step];
        if (!returned_at(step, k) || !model_return_matches(follow->program, back, step))
            return false;
    }
    return true;
}

static bool ends_match(const struct follow *follow, const struct model *model, unsigned k)
{
    for (unsigned i = 0; i < follow->program->nactors; i++) {
        const struct trace_process *observed = &follow->observed->processes[i];
        const struct model_process *process = &model->processes[i];
        bool natively = observed->ended_at == (int)k && observed->state != PROCESS_UNBORN;
        bool modelled = process->born && !process->alive && process->ended_at == (int)k;
        if (natively != modelled)
            return false;
        if (natively && (observed->status != process->status ||
                         (observed->state == PROCESS_SIGNALED) != process->signaled))
            return false;
    }
    return true;
}

/* What handlers returned that ran during step k, and whom a cancellation has ended. */
static bool lives_match(const struct follow *follow, unsigned k)
{
    const struct model_report *report = &follow->report;
    const struct trace *observed = follow->observed;
    unsigned handled = 0;

    for (unsigned i = 0; i <= k; i++)
        handled += observed->steps[i].handled_at == (int)k;
    if (handled != report->nhandled)
        return false;
    for (unsigned i = 0; i < report->nhandled; i++) {
        const struct model_handled *a = &report->handled[i];
        const struct trace_step *b = &observed->steps[a->step];
        if (b->handled_at != (int)k || b->handler_ret != a->ret || b->handler_err != a->err)
            return false;
    }
    for (unsigned i = 0; i < follow->program->nactors; i++) {
        bool modelled = report->cancelled & UINT32_C(1) << i;
        if ((observed->cancelled_at[i] == (int)k) != modelled)
            return false;
    }
    return true;
}

/* The next compared list of step k at or behind *cursor, or NULL. */
static const struct trace_snapshot *next_list(const struct trace *trace, unsigned k,
                                              unsigned *cursor)
{
    while (*cursor < trace->nsnapshots && trace->snapshots[*cursor].step <= (int)k) {
        const struct trace_snapshot *list = &trace->snapshots[(*cursor)++];
        if (!list->evidence && list->step == (int)k)
            return list;
    }
    return NULL;
}

static bool list_equal(const struct trace *left, const struct trace_snapshot *a,
                       const struct trace *right, const struct trace_snapshot *b)
{
    if (a->process != b->process || a->number != b->number || a->nitems != b->nitems)
        return false;
    for (unsigned i = 0; i < a->nitems; i++) {
        const struct trace_item *x = &left->items[a->first + i];
        const struct trace_item *y = &right->items[b->first + i];
        if (x->number != y->number || x->events != y->events || x->data != y->data)
            return false;
    }
    return true;
}

static bool lists_match(struct follow *follow, const struct model *model, unsigned k)
{
    unsigned observed_at = 0;
    unsigned model_at = 0;

    if (follow->observed->truncated)
        return true;
    follow->picture->nsnapshots = follow->picture->nitems = 0;
    model_picture_lists(model, k, &follow->report, follow->picture);
    for (;;) {
        const struct trace_snapshot *a = next_list(follow->observed, k, &observed_at);
        const struct trace_snapshot *b = next_list(follow->picture, k, &model_at);
        if (!a || !b)
            return a == b;
        if (!list_equal(follow->observed, a, follow->picture, b))
            return false;
    }
}

static bool explains(struct follow *follow, const struct model *model, unsigned k)
{
    return own_matches(follow, k) && returns_match(follow, k) && ends_match(follow, model, k) &&
           lives_match(follow, k) && lists_match(follow, model, k);
}

/* --- Walking along --- */

/*
 * Fills follow->next with what explains step k from follow->now. Returns 0, -ENOMEM, or -EDOM when
 * the model says nothing any more.
 */
static int advance(struct follow *follow, unsigned k)
{
    follow->next->count = 0;
    for (unsigned i = 0; i < follow->now->count; i++) {
        struct model_tape tape;
        unsigned tapes = 0;
        model_tape_init(&tape);
        do {
            if (++tapes > MODEL_TAPES_MAX) {
                follow->verdict->beyond = "more orders in which actors could go on than are tried";
                return -EDOM;
            }
            model_copy(follow->scratch, follow->now->models[i]);
            model_step(follow->scratch, k, &tape, &follow->report);
            if (follow->report.beyond) {
                follow->verdict->beyond = follow->report.beyond;
                return -EDOM;
            }
            if (!explains(follow, follow->scratch, k))
                continue;
            int err = states_add(follow->next, follow->scratch);
            if (err == -E2BIG) {
                follow->verdict->overflowed = true;
                follow->verdict->beyond = "more states that explain the run than can be kept";
                return -EDOM;
            }
            if (err)
                return err;
        } while (model_tape_next(&tape));
    }
    if (follow->next->count > follow->verdict->states)
        follow->verdict->states = follow->next->count;
    return 0;
}

static bool tables_match(struct follow *follow)
{
    const struct trace *observed = follow->observed;

    if (observed->truncated)
        return true;
    for (unsigned i = 0; i < follow->now->count; i++) {
        struct trace *picture = follow->picture;
        picture->nfds = 0;
        model_picture_tables(follow->now->models[i], picture);
        bool equal = picture->nfds == observed->nfds;
        for (unsigned j = 0; equal && j < picture->nfds; j++) {
            const struct trace_fd *a = &picture->fds[j];
            const struct trace_fd *b = &observed->fds[j];
            equal = a->process == b->process && a->number == b->number &&
                    a->identity == b->identity && strncmp(a->what, b->what, sizeof(a->what)) == 0;
        }
        if (equal)
            return true;
    }
    return false;
}

/* --- The run that the model would have instead --- */

static void clear_step(struct trace_step *step)
{
    memset(step, 0, sizeof(*step));
    memset(step->fds, -1, sizeof(step->fds));
    step->completed_at = TRACE_NEVER;
    step->handled_at = TRACE_NEVER;
}

static void copy_before(const struct trace *observed, unsigned k, struct trace *trace)
{
    trace_reset(trace, observed->program);
    trace->nsteps = observed->nsteps;
    memcpy(trace->steps, observed->steps, k * sizeof(trace->steps[0]));
    for (unsigned i = 0; i < k; i++) {
        struct trace_step *step = &trace->steps[i];
        if (step->handled_at >= (int)k) {
            step->handled_at = TRACE_NEVER;
            step->handler_ret = step->handler_err = 0;
        }
        bool asleep = step->state == STEP_BLOCKED || (step->state == STEP_DIED && step->blocked) ||
                      (step->state == STEP_DONE && step->completed_at >= (int)k);
        if (!asleep)
            continue;
        clear_step(step);
        step->state = STEP_BLOCKED;
        step->blocked = true;
    }
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        if (observed->cancelled_at[i] < (int)k)
            trace->cancelled_at[i] = observed->cancelled_at[i];
    }
    for (unsigned i = 0; i < observed->nsnapshots; i++) {
        const struct trace_snapshot *list = &observed->snapshots[i];
        if (list->evidence || list->step >= (int)k)
            continue;
        struct trace_snapshot *copy = &trace->snapshots[trace->nsnapshots++];
        *copy = *list;
        copy->first = (uint16_t)trace->nitems;
        memcpy(&trace->items[trace->nitems], &observed->items[list->first],
               list->nitems * sizeof(trace->items[0]));
        trace->nitems += list->nitems;
    }
}

static void write_return(const struct model_return *back, unsigned k, struct trace_step *step)
{
    bool blocked = step->blocked;

    clear_step(step);
    step->state = STEP_DONE;
    step->blocked = blocked;
    step->completed_at = (int16_t)k;
    step->ret = back->ret;
    step->err = back->err;
    memcpy(step->fds, back->fds, sizeof(step->fds));
    step->digest = back->digest;
    step->nevents = back->nevents;
    memcpy(step->events, back->events, back->nevents * sizeof(step->events[0]));
}

static void write_step(const struct model *model, const struct model_report *report, unsigned k,
                       struct trace *trace)
{
    struct trace_step *own = &trace->steps[k];

    clear_step(own);
    own->blocked = report->fate == MODEL_ASLEEP;
    own->state = (uint8_t)(report->fate == MODEL_ASLEEP    ? STEP_BLOCKED
                           : report->fate == MODEL_SKIPPED ? STEP_SKIPPED
                                                           : STEP_DIED);
    for (unsigned i = 0; i < report->nreturns; i++)
        write_return(&report->returns[i], k, &trace->steps[report->returns[i].step]);
    for (unsigned i = 0; i < report->nhandled; i++) {
        struct trace_step *sent = &trace->steps[report->handled[i].step];
        sent->handled_at = (int16_t)k;
        sent->handler_ret = report->handled[i].ret;
        sent->handler_err = report->handled[i].err;
    }
    for (unsigned i = 0; i < model->program->nactors; i++) {
        if (report->cancelled & UINT32_C(1) << i)
            trace->cancelled_at[i] = (int16_t)k;
    }
    /* Who slept and sleeps no more without coming back has ended in its sleep. */
    for (unsigned i = 0; i <= k; i++) {
        const struct model_actor *actor = &model->actors[model->program->steps[i].actor];
        if (trace->steps[i].state == STEP_BLOCKED && !actor->alive)
            trace->steps[i].state = STEP_DIED;
    }
    model_picture_lists(model, k, report, trace);
}

static void write_end(const struct model *model, struct trace *trace)
{
    for (unsigned i = 0; i < model->program->nactors; i++) {
        const struct model_process *process = &model->processes[i];
        if (!process->born)
            continue;
        trace->processes[i] = (struct trace_process){
            .state = (uint8_t)(process->alive      ? PROCESS_ALIVE
                               : process->signaled ? PROCESS_SIGNALED
                                                   : PROCESS_EXITED),
            .reaped = process->reaped,
            .status = process->alive ? 0 : process->status,
            .ended_at = (int16_t)(process->alive ? TRACE_NEVER : process->ended_at)};
    }
    model_picture_tables(model, trace);
}

/* The model's own way from step k on. Returns false if it says nothing somewhere. */
static bool go_alone(struct follow *follow, unsigned k, struct trace *trace)
{
    struct model *model = follow->now->models[0];

    copy_before(follow->observed, k, trace);
    for (; k < follow->program->nsteps; k++) {
        struct model_tape tape;
        model_tape_init(&tape);
        model_step(model, k, &tape, &follow->report);
        if (follow->report.beyond)
            return false;
        write_step(model, &follow->report, k, trace);
    }
    write_end(model, trace);
    return true;
}

static int walk(struct follow *follow, struct trace *ret_trace)
{
    unsigned nsteps = follow->program->nsteps;
    unsigned k = 0;

    follow->verdict->agrees = true;
    follow->verdict->step = nsteps;
    for (; k < nsteps; k++) {
        int err = advance(follow, k);
        if (err == -EDOM) {
            follow->verdict->step = k;
            return 0;
        }
        if (err)
            return err;
        if (follow->next->count == 0)
            break;
        struct states *swap = follow->now;
        follow->now = follow->next;
        follow->next = swap;
    }
    if (k == nsteps && tables_match(follow))
        return 0;
    follow->verdict->agrees = false;
    follow->verdict->step = k < nsteps ? k : nsteps - 1;
    /* What comes behind the first difference is only shown to people: it may end early. */
    (void)go_alone(follow, k, ret_trace);
    return 0;
}

static void follow_free(struct follow *follow)
{
    if (follow->now)
        states_free(follow->now);
    if (follow->next)
        states_free(follow->next);
    model_free(follow->scratch);
    trace_free(follow->picture);
}

/* Everything is kept from one run to the next: a state is large. */
static _Thread_local struct follow kept;

static int follow_init(struct follow *follow)
{
    if (follow->picture)
        return 0;
    follow->now = calloc(1, sizeof(*follow->now));
    follow->next = calloc(1, sizeof(*follow->next));
    follow->scratch = model_new();
    follow->picture = trace_new();
    if (follow->now && follow->next && follow->scratch && follow->picture &&
        states_room(follow->now))
        return 0;
    follow_free(follow);
    memset(follow, 0, sizeof(*follow));
    return -ENOMEM;
}

void model_follow_free(void)
{
    follow_free(&kept);
    memset(&kept, 0, sizeof(kept));
}

int model_follow(const struct model_facts *facts, const struct trace *observed,
                 struct trace *ret_trace, struct model_verdict *ret_verdict)
{
    struct follow *follow = &kept;

    int err = follow_init(follow);
    if (err)
        return err;
    memset(ret_verdict, 0, sizeof(*ret_verdict));
    follow->program = observed->program;
    follow->observed = observed;
    follow->verdict = ret_verdict;
    trace_reset(follow->picture, observed->program);
    follow->now->count = 1;
    model_init(follow->now->models[0], observed->program, facts);
    if (observed->end != RUN_COMPLETE) {
        ret_verdict->agrees = true;
        ret_verdict->beyond = "the native run did not come to its end";
    } else {
        err = walk(follow, ret_trace);
    }
    if (!err && ret_verdict->agrees)
        *ret_trace = *observed;
    return err;
}
