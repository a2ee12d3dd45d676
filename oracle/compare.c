#include "oracle/compare.h"

#include <assert.h>
#include <string.h>

/* What a step came to by the end of its own turn. */
enum standing {
    STANDING_RETURNED,
    STANDING_ASLEEP,
    STANDING_OTHER, /* skipped, ended, hung, never reached: the state says which */
};

/* Contract late-error: an error that the subject owes. */
struct debt {
    struct file_key instance;
    unsigned process;
    int number;
    int err;
    unsigned step;
};

struct comparison {
    struct story *story;
    const struct trace *native;
    const struct trace *subject;
    struct difference *found;
    bool ended; /* a debt was paid by a call that natively sleeps on: nothing after it is comparable
                 */
    unsigned nasleep;
    uint16_t asleep[PROGRAM_STEPS_MAX]; /* steps asleep on both sides */
    unsigned cursors[SIDES];            /* next snapshot */
    unsigned ndebts;
    struct debt debts[PROGRAM_STEPS_MAX];
};

static bool differ(struct comparison *comparison, enum difference_kind kind, unsigned step,
                   unsigned observer)
{
    comparison->found->kind = kind;
    comparison->found->step = step;
    comparison->found->observer = observer;
    return true;
}

static bool event_equal(const struct trace_event *a, const struct trace_event *b)
{
    return a->data == b->data && a->events == b->events;
}

void compare_events(const struct trace_step *native, const struct trace_step *subject,
                    struct event_sets *ret_sets)
{
    bool matched[PROGRAM_EVENTS_MAX] = {false};
    ret_sets->nmissing = 0;
    ret_sets->nextra = 0;
    for (unsigned i = 0; i < native->nevents; i++) {
        unsigned j = 0;
        while (j < subject->nevents &&
               (matched[j] || !event_equal(&native->events[i], &subject->events[j])))
            j++;
        if (j < subject->nevents)
            matched[j] = true;
        else
            ret_sets->missing[ret_sets->nmissing++] = native->events[i];
    }
    for (unsigned j = 0; j < subject->nevents; j++) {
        if (!matched[j])
            ret_sets->extra[ret_sets->nextra++] = subject->events[j];
    }
}

/* Compares what a call returned with on both sides. */
static enum difference_kind compare_returned(const struct step *step,
                                             const struct trace_step *native,
                                             const struct trace_step *subject)
{
    const struct op_info *op = &op_table[step->op];
    bool wait = op->effect == EFFECT_WAIT;
    if (native->err != subject->err)
        return DIFFERENCE_RESULT;
    if (native->ret != subject->ret)
        return wait && native->ret >= 0 && subject->ret >= 0 ? DIFFERENCE_EVENTS
                                                             : DIFFERENCE_RESULT;
    if (native->digest != subject->digest)
        return DIFFERENCE_RESULT;
    if (native->handled_at != subject->handled_at || native->handler_ret != subject->handler_ret ||
        native->handler_err != subject->handler_err)
        return DIFFERENCE_RESULT;
    for (unsigned i = 0; i < op->nouts; i++) {
        if (op->outs[i].kind != FILE_ACTOR && native->fds[i] != subject->fds[i])
            return DIFFERENCE_RESULT;
    }
    bool same = native->nevents == subject->nevents;
    for (unsigned i = 0; same && i < native->nevents; i++)
        same = event_equal(&native->events[i], &subject->events[i]);
    if (same)
        return DIFFERENCE_NONE;
    struct event_sets sets;
    compare_events(native, subject, &sets);
    return sets.nmissing + sets.nextra > 0 ? DIFFERENCE_EVENTS : DIFFERENCE_ORDER;
}

static bool wait_is_full(const struct step *step, const struct trace_step *done)
{
    return op_table[step->op].effect == EFFECT_WAIT && done->ret > 0 && done->ret == step->args[1];
}

/* The instance, by number and by file, that a step works on. */
static struct debt epoll_fd_of(const struct story *story, enum side side, unsigned step)
{
    const struct step *call = &story->program->steps[step];
    const struct world *world = story_world(story, side, step);
    int arg = story_fd_arg(call);
    int number = arg < 0 ? -1 : world_number(world, call, (unsigned)arg);
    return (struct debt){.instance = story_file_of(world, call->actor, number),
                         .process = story_process(story, step),
                         .number = number,
                         .step = step};
}

/* A ctl whose error the subject withholds: allowed by contract late-error, and owed from now on. */
static bool incur_debt(struct comparison *comparison, unsigned k)
{
    const struct story *story = comparison->story;
    const struct trace_step *native = &comparison->native->steps[k];
    if (story->options->contract != CONTRACT_LATE_ERROR ||
        !step_is_ctl(&story->program->steps[k]) || native->ret != -1 ||
        comparison->subject->steps[k].ret == -1 || !story_replay(comparison->story))
        return false;
    struct debt debt = epoll_fd_of(story, NATIVE, k);
    debt.err = native->err;
    assert(comparison->ndebts < PROGRAM_STEPS_MAX);
    comparison->debts[comparison->ndebts++] = debt;
    return true;
}

/* A call that fails under the subject with an error that it owes on the same epoll fd pays it. */
static bool pay_debt(struct comparison *comparison, unsigned step)
{
    const struct trace_step *subject = &comparison->subject->steps[step];
    if (comparison->ndebts == 0 || subject->ret != -1)
        return false;
    struct debt payer = epoll_fd_of(comparison->story, SUBJECT, step);
    for (unsigned i = 0; i < comparison->ndebts; i++) {
        const struct debt *debt = &comparison->debts[i];
        bool same_file =
            !file_key_none(debt->instance) && file_key_equal(debt->instance, payer.instance);
        bool same_number = debt->process == payer.process && debt->number == payer.number;
        if (debt->err != subject->err || (!same_file && !same_number))
            continue;
        comparison->ndebts--;
        memmove(&comparison->debts[i], &comparison->debts[i + 1],
                (comparison->ndebts - i) * sizeof(comparison->debts[0]));
        return true;
    }
    return false;
}

/* Compares a call that returned during step k on both sides. */
static bool compare_return(struct comparison *comparison, unsigned k, unsigned observer)
{
    const struct step *step = &comparison->story->program->steps[observer];
    const struct trace_step *native = &comparison->native->steps[observer];
    const struct trace_step *subject = &comparison->subject->steps[observer];
    enum difference_kind kind = compare_returned(step, native, subject);
    if (kind == DIFFERENCE_NONE || incur_debt(comparison, observer) ||
        pay_debt(comparison, observer))
        return false;
    comparison->found->room =
        kind == DIFFERENCE_EVENTS && wait_is_full(step, native) && wait_is_full(step, subject);
    return differ(comparison, kind, k, observer);
}

/* One side returned from a call in which the other sleeps. */
static bool compare_unpaired(struct comparison *comparison, unsigned k, unsigned observer,
                             bool native_returned)
{
    if (!native_returned && pay_debt(comparison, observer)) {
        /* The error came instead of the sleep. Natively the actor sleeps on: the schedules part. */
        comparison->ended = true;
        return false;
    }
    return differ(comparison, native_returned ? DIFFERENCE_LOST : DIFFERENCE_EXTRA, k, observer);
}

static enum standing standing_of(const struct trace_step *step, unsigned k)
{
    if (step->state == STEP_DONE)
        return step->completed_at == (int)k ? STANDING_RETURNED : STANDING_ASLEEP;
    /* Its process may have ended while it slept: it slept all the same. */
    return step->state == STEP_BLOCKED || step->blocked ? STANDING_ASLEEP : STANDING_OTHER;
}

static bool compare_own(struct comparison *comparison, unsigned k)
{
    const struct trace_step *native = &comparison->native->steps[k];
    const struct trace_step *subject = &comparison->subject->steps[k];
    enum standing natively = standing_of(native, k);
    enum standing standing = standing_of(subject, k);
    if (natively == STANDING_OTHER || standing == STANDING_OTHER) {
        bool same = natively == standing && native->state == subject->state;
        return !same && differ(comparison, DIFFERENCE_STATE, k, k);
    }
    if (natively != standing)
        return compare_unpaired(comparison, k, k, natively == STANDING_RETURNED);
    if (natively == STANDING_RETURNED)
        return compare_return(comparison, k, k);
    comparison->asleep[comparison->nasleep++] = (uint16_t)k;
    return false;
}

static bool returned_at(const struct trace *trace, unsigned step, unsigned k)
{
    return trace->steps[step].state == STEP_DONE && trace->steps[step].completed_at == (int)k;
}

/* True if one waiter got natively what another got under the subject, in whatever order. */
static bool returned_alike(const struct comparison *comparison, unsigned native, unsigned subject)
{
    enum difference_kind kind =
        compare_returned(&comparison->story->program->steps[native],
                         &comparison->native->steps[native], &comparison->subject->steps[subject]);
    return kind == DIFFERENCE_NONE || kind == DIFFERENCE_ORDER;
}

/*
 * When one step wakes several waiters of an instance, the kernel does not say which of them gets
 * what. The waiters that returned must be the same; their results are compared as a multiset.
 * `first` is the index in comparison->asleep of a waiter whose results differ.
 */
static bool results_permuted(struct comparison *comparison, unsigned k, unsigned first)
{
    struct story *story = comparison->story;
    unsigned observer = comparison->asleep[first];
    if (op_table[story->program->steps[observer].op].effect != EFFECT_WAIT ||
        returned_alike(comparison, observer, observer) || !story_replay(story))
        return false;
    struct file_key instance = epoll_fd_of(story, NATIVE, observer).instance;
    uint16_t group[PROGRAM_STEPS_MAX];
    bool used[PROGRAM_STEPS_MAX] = {false};
    unsigned count = 0;
    for (unsigned i = 0; i < comparison->nasleep; i++) {
        unsigned waiter = comparison->asleep[i];
        if (op_table[story->program->steps[waiter].op].effect != EFFECT_WAIT ||
            !file_key_equal(epoll_fd_of(story, NATIVE, waiter).instance, instance) ||
            !file_key_equal(epoll_fd_of(story, SUBJECT, waiter).instance, instance))
            continue;
        bool natively = returned_at(comparison->native, waiter, k);
        if (natively != returned_at(comparison->subject, waiter, k))
            return false;
        if (natively)
            group[count++] = (uint16_t)waiter;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned match = 0;
        while (match < count &&
               (used[match] || !returned_alike(comparison, group[i], group[match])))
            match++;
        if (match == count)
            return false;
        used[match] = true;
    }
    return count >= 2;
}

static bool returned_equal(const struct comparison *comparison, unsigned step)
{
    return compare_returned(&comparison->story->program->steps[step],
                            &comparison->native->steps[step],
                            &comparison->subject->steps[step]) == DIFFERENCE_NONE;
}

/* Compares the earlier calls that returned during step k, and forgets those that did on both sides.
 */
static bool compare_completions(struct comparison *comparison, unsigned k)
{
    for (unsigned i = 0; i < comparison->nasleep && !comparison->ended; i++) {
        unsigned observer = comparison->asleep[i];
        bool natively = returned_at(comparison->native, observer, k);
        bool subject = returned_at(comparison->subject, observer, k);
        if (natively != subject)
            return compare_unpaired(comparison, k, observer, natively);
        if (!natively || returned_equal(comparison, observer) || results_permuted(comparison, k, i))
            continue;
        if (compare_return(comparison, k, observer))
            return true;
    }
    unsigned kept = 0;
    for (unsigned i = 0; i < comparison->nasleep; i++) {
        if (!returned_at(comparison->native, comparison->asleep[i], k))
            comparison->asleep[kept++] = comparison->asleep[i];
    }
    comparison->nasleep = kept;
    return false;
}

static const struct trace_snapshot *next_snapshot(struct comparison *comparison, enum side side,
                                                  unsigned k)
{
    const struct trace *trace = comparison->story->traces[side];
    unsigned *cursor = &comparison->cursors[side];
    while (*cursor < trace->nsnapshots && trace->snapshots[*cursor].step <= (int)k) {
        const struct trace_snapshot *snapshot = &trace->snapshots[(*cursor)++];
        if (!snapshot->evidence && snapshot->step == (int)k)
            return snapshot;
    }
    return NULL;
}

static bool snapshot_equal(const struct trace *native, const struct trace_snapshot *a,
                           const struct trace *subject, const struct trace_snapshot *b)
{
    if (a->process != b->process || a->number != b->number || a->nitems != b->nitems)
        return false;
    for (unsigned i = 0; i < a->nitems; i++) {
        const struct trace_item *x = &native->items[a->first + i];
        const struct trace_item *y = &subject->items[b->first + i];
        if (x->number != y->number || x->events != y->events || x->data != y->data)
            return false;
    }
    return true;
}

/* The wait behind which a list was read: the step itself, or one of that process that returned
 * during it. */
static unsigned list_observer(const struct comparison *comparison, unsigned k, unsigned process)
{
    const struct program *program = comparison->story->program;
    for (unsigned i = k + 1; i-- > 0;) {
        const struct step *step = &program->steps[i];
        if (op_table[step->op].effect == EFFECT_WAIT &&
            program->actors[step->actor].process == process &&
            (i == k || returned_at(comparison->native, i, k) ||
             returned_at(comparison->subject, i, k)))
            return i;
    }
    return k;
}

static bool compare_lists(struct comparison *comparison, unsigned k)
{
    for (;;) {
        const struct trace_snapshot *native = next_snapshot(comparison, NATIVE, k);
        const struct trace_snapshot *subject = next_snapshot(comparison, SUBJECT, k);
        if (native == NULL && subject == NULL)
            return false;
        if (native != NULL && subject != NULL &&
            snapshot_equal(comparison->native, native, comparison->subject, subject))
            continue;
        const struct trace_snapshot *either = native != NULL ? native : subject;
        comparison->found->process = either->process;
        comparison->found->number = either->number;
        return differ(comparison, DIFFERENCE_LIST, k,
                      list_observer(comparison, k, either->process));
    }
}

static bool process_equal(const struct trace_process *a, const struct trace_process *b)
{
    return a->state == b->state && a->status == b->status && a->ended_at == b->ended_at;
}

static bool compare_processes(struct comparison *comparison, unsigned k, bool at_end)
{
    for (unsigned i = 0; i < comparison->story->program->nactors; i++) {
        const struct trace_process *native = &comparison->native->processes[i];
        const struct trace_process *subject = &comparison->subject->processes[i];
        bool now = native->ended_at == (int)k || subject->ended_at == (int)k;
        if ((now && !process_equal(native, subject)) ||
            (at_end && (!process_equal(native, subject) || native->reaped != subject->reaped))) {
            comparison->found->process = i;
            return differ(comparison, DIFFERENCE_PROCESS, k, k);
        }
    }
    return false;
}

static bool ends_equal(const struct trace *a, const struct trace *b)
{
    return a->end == b->end && a->end_step == b->end_step && a->end_actor == b->end_actor &&
           (a->end != RUN_CRASHED || a->end_signal == b->end_signal);
}

/* The step of the ended actor that was going on when the run ended. */
static unsigned end_observer(const struct trace *trace)
{
    unsigned last = trace->end_step < 0 ? 0 : (unsigned)trace->end_step;
    for (unsigned k = last + 1; k-- > 0;) {
        uint8_t state = trace->steps[k].state;
        if (trace->program->steps[k].actor == trace->end_actor &&
            (state == STEP_DIED || state == STEP_HUNG))
            return k;
    }
    return last;
}

static bool compare_end(struct comparison *comparison, unsigned k, bool at_end)
{
    const struct trace *native = comparison->native;
    const struct trace *subject = comparison->subject;
    bool now = (subject->end != RUN_COMPLETE && subject->end_step == (int)k) ||
               (native->end != RUN_COMPLETE && native->end_step == (int)k);
    if ((!now && !at_end) || ends_equal(native, subject))
        return false;
    /* Both may have ended, but only one of them here. */
    bool subject_here = subject->end != RUN_COMPLETE && (at_end || subject->end_step == (int)k);
    const struct trace *ended = subject_here ? subject : native;
    return differ(comparison, DIFFERENCE_END, k, end_observer(ended));
}

static bool compare_tables(struct comparison *comparison, unsigned k)
{
    const struct trace *native = comparison->native;
    const struct trace *subject = comparison->subject;
    for (unsigned i = 0; i < native->nfds || i < subject->nfds; i++) {
        const struct trace_fd *a = i < native->nfds ? &native->fds[i] : NULL;
        const struct trace_fd *b = i < subject->nfds ? &subject->fds[i] : NULL;
        if (a != NULL && b != NULL && a->process == b->process && a->number == b->number &&
            a->identity == b->identity && strncmp(a->what, b->what, sizeof(a->what)) == 0)
            continue;
        const struct trace_fd *either = a != NULL ? a : b;
        comparison->found->process = either->process;
        comparison->found->number = either->number;
        return differ(comparison, DIFFERENCE_TABLE, k, k);
    }
    return false;
}

/* What only the whole run tells. */
static bool compare_rest(struct comparison *comparison)
{
    unsigned nsteps = comparison->native->nsteps;
    unsigned last = nsteps > 0 ? nsteps - 1 : 0;
    if (compare_end(comparison, last, true))
        return true;
    for (unsigned i = 0; i < comparison->nasleep; i++) {
        unsigned step = comparison->asleep[i];
        if (comparison->native->steps[step].state != comparison->subject->steps[step].state)
            return differ(comparison, DIFFERENCE_STATE, last, step);
    }
    if (compare_processes(comparison, last, true))
        return true;
    bool truncated = comparison->native->truncated || comparison->subject->truncated;
    if (!truncated && compare_tables(comparison, last))
        return true;
    return comparison->ndebts > 0 && differ(comparison, DIFFERENCE_UNPAID,
                                            comparison->debts[0].step, comparison->debts[0].step);
}

static bool compare_step(struct comparison *comparison, unsigned k)
{
    bool truncated = comparison->native->truncated || comparison->subject->truncated;
    if (compare_end(comparison, k, false) || compare_own(comparison, k) ||
        compare_completions(comparison, k))
        return true;
    if (comparison->ended)
        return false;
    return (!truncated && compare_lists(comparison, k)) || compare_processes(comparison, k, false);
}

void compare_traces(struct story *story, struct difference *ret_difference)
{
    struct comparison comparison; /* large: its counters bound what of its arrays is read */
    comparison.story = story;
    comparison.native = story->traces[NATIVE];
    comparison.subject = story->traces[SUBJECT];
    comparison.found = ret_difference;
    comparison.ended = false;
    comparison.nasleep = 0;
    comparison.ndebts = 0;
    comparison.cursors[NATIVE] = 0;
    comparison.cursors[SUBJECT] = 0;
    *ret_difference = (struct difference){.kind = DIFFERENCE_NONE, .number = -1};
    for (unsigned k = 0; k < comparison.native->nsteps; k++) {
        if (compare_step(&comparison, k) || comparison.ended)
            return;
    }
    (void)compare_rest(&comparison);
}
