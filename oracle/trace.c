#include "oracle/trace.h"

#include "fuzz/program/document.h"
#include "oracle/text.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>

struct trace *trace_new(void)
{
    return calloc(1, sizeof(struct trace));
}

void trace_free(struct trace *trace)
{
    free(trace);
}

void trace_reset(struct trace *trace, const struct program *program)
{
    assert(program->nsteps <= PROGRAM_STEPS_MAX);
    trace->program = program;
    trace->end = RUN_COMPLETE;
    trace->end_step = TRACE_NEVER;
    trace->end_actor = 0;
    trace->end_signal = 0;
    trace->end_syscall = -1;
    trace->nsteps = program->nsteps;
    /* Counters bound the arrays, so only what a program of this length can show is cleared: a reset
     * is frequent. */
    for (unsigned i = 0; i < trace->nsteps; i++) {
        struct trace_step *step = &trace->steps[i];
        step->state = STEP_NOT_REACHED;
        step->blocked = false;
        step->completed_at = TRACE_NEVER;
        step->ret = 0;
        step->err = 0;
        for (unsigned out = 0; out < PROGRAM_OUTS_MAX; out++)
            step->fds[out] = -1;
        step->called = step->returned = 0;
        step->digest = 0;
        step->handled_at = TRACE_NEVER;
        step->handler_ret = 0;
        step->handler_err = 0;
        step->nevents = 0;
    }
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        trace->processes[i] =
            (struct trace_process){.state = PROCESS_UNBORN, .ended_at = TRACE_NEVER};
        trace->cancelled_at[i] = TRACE_NEVER;
    }
    trace->nsnapshots = 0;
    trace->nitems = 0;
    trace->nfds = 0;
    trace->ncarried = 0;
    trace->truncated = false;
}

void trace_outcome(const struct trace *trace, unsigned step, struct world_outcome *ret_outcome)
{
    assert(step < trace->nsteps);
    const struct trace_step *done = &trace->steps[step];
    struct world_outcome outcome = {.ret = -1};
    if (done->state == STEP_DONE) {
        outcome.ret = done->ret;
        outcome.err = done->err;
    }
    for (unsigned out = 0; out < PROGRAM_OUTS_MAX; out++)
        outcome.fds[out] = done->state == STEP_DONE ? done->fds[out] : -1;
    *ret_outcome = outcome;
}

const struct trace_snapshot *trace_find_snapshot(const struct trace *trace, unsigned step,
                                                 unsigned process, int number)
{
    for (unsigned i = 0; i < trace->nsnapshots; i++) {
        const struct trace_snapshot *snapshot = &trace->snapshots[i];
        if (snapshot->step == (int)step && snapshot->process == process &&
            snapshot->number == number)
            return snapshot;
    }
    return NULL;
}

/* What the data of an event names: the ADD or MOD of a step. Anything else is data that no step
 * registered. */
static void print_registration(const struct program *program, uint64_t data, struct text *text)
{
    if (data >= 1 && data <= program->nsteps) {
        const struct step *step = &program->steps[data - 1];
        if (op_table[step->op].effect == EFFECT_SIGNAL) {
            text_append(text, "the handler that step %llu ran", (unsigned long long)data);
            return;
        }
        if (op_table[step->op].effect == EFFECT_CTL) {
            const char *name = step->args[1] == EPOLL_CTL_ADD   ? "ADD"
                               : step->args[1] == EPOLL_CTL_MOD ? "MOD"
                                                                : "epoll_ctl";
            text_append(text, "the %s of step %llu", name, (unsigned long long)data);
            return;
        }
    }
    text_append(text, "no step (data %llu)", (unsigned long long)data);
}

static void print_events(const struct program *program, const struct trace_step *step,
                         struct text *text)
{
    if (step->ret == 0)
        text_append(text, "nothing");
    for (unsigned i = 0; i < step->nevents; i++) {
        char mask[256];
        (void)events_print(step->events[i].events, mask, sizeof(mask));
        text_append(text, "%s%s from ", i > 0 ? "; " : "", mask);
        print_registration(program, step->events[i].data, text);
    }
}

static void print_handler(const struct trace_step *step, struct text *text)
{
    if (step->handled_at == TRACE_NEVER)
        return;
    text_append(text, ", handler %d", step->handler_ret);
    if (step->handler_err != 0) {
        text_append(text, " ");
        text_append_errno(text, step->handler_err);
    }
}

static void print_returned(const struct program *program, const struct op_info *op,
                           const struct trace_step *step, struct text *text)
{
    if (step->ret == TRACE_JUMPED) {
        text_append(text, "left by siglongjmp");
        return;
    }
    if (step->ret == -1) {
        text_append(text, "-1 ");
        text_append_errno(text, step->err);
        return;
    }
    if (op->effect == EFFECT_WAIT) {
        print_events(program, step, text);
    } else if (op->effect == EFFECT_POLL) {
        text_append(text, "%s", step->ret == 0 ? "nothing" : "ready");
    } else if (op->effect == EFFECT_WAITPID && step->ret == TRACE_STILL_ALIVE) {
        text_append(text, "still alive");
    } else if (op->effect == EFFECT_WAITPID && step->ret >= 256) {
        text_append_signal(text, (int)(step->ret - 256));
    } else if (op->nouts > 0 && op->outs[0].kind != FILE_ACTOR) {
        for (unsigned out = 0; out < op->nouts; out++)
            text_append(text, "%s%d", out > 0 ? ", " : "", step->fds[out]);
    } else {
        text_append(text, "%lld", (long long)step->ret);
    }
    if (step->err != 0) {
        text_append(text, ", errno ");
        text_append_errno(text, step->err);
    }
    print_handler(step, text);
}

size_t trace_print_completion(const struct trace *trace, unsigned step, char *out, size_t size)
{
    assert(step < trace->nsteps);
    const struct trace_step *done = &trace->steps[step];
    const struct op_info *op = &op_table[trace->program->steps[step].op];
    struct text text;
    text_init(&text, out, size);
    switch ((enum step_state)done->state) {
    case STEP_NOT_REACHED:
        text_append(&text, "not reached");
        break;
    case STEP_SKIPPED:
        text_append(&text, "skipped");
        break;
    case STEP_DONE:
        print_returned(trace->program, op, done, &text);
        break;
    case STEP_BLOCKED:
        text_append(&text, "blocks");
        break;
    case STEP_DIED:
        if (trace->end == RUN_CRASHED && trace->end_actor == trace->program->steps[step].actor &&
            op->effect != EFFECT_EXIT && op->effect != EFFECT_THREAD_EXIT)
            text_append_signal(&text, trace->end_signal);
        else
            text_append(&text, "ends");
        break;
    case STEP_HUNG:
        text_append(&text, "hangs");
        break;
    }
    return text.length;
}

size_t trace_print_result(const struct trace *trace, unsigned step, char *out, size_t size)
{
    assert(step < trace->nsteps);
    const struct trace_step *done = &trace->steps[step];
    /* What it returned with stands in the line of the step during which it returned. */
    if (done->state == STEP_DONE && done->completed_at != (int)step) {
        struct text text;
        text_init(&text, out, size);
        text_append(&text, "blocks");
        return text.length;
    }
    return trace_print_completion(trace, step, out, size);
}
