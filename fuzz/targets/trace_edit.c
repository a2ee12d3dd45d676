/* Changes of one step, process or table of a trace. What a kernel lists is in trace_observe.c. */
#include "fuzz/targets/trace_edit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

uint8_t choices_take(struct choices *choices)
{
    return choices->at < choices->size ? choices->bytes[choices->at++] : 0;
}

bool choices_left(const struct choices *choices)
{
    return choices->at < choices->size;
}

void deferral_init(struct deferral *ret_deferral)
{
    for (unsigned k = 0; k < PROGRAM_STEPS_MAX; k++)
        ret_deferral->at[k] = (uint16_t)k;
}

/* A step at or behind `first`; behind the end: TRACE_NEVER. */
static int16_t later_step(const struct trace *trace, unsigned first, struct choices *choices)
{
    unsigned step = first + choices_take(choices) % 8;

    return step < trace->nsteps ? (int16_t)step : TRACE_NEVER;
}

static void edit_result(struct trace_step *done, struct choices *choices)
{
    static const int errors[] = {0,      EBADF, EEXIST, ENOENT, EPERM,  EINVAL, ELOOP, ENOSPC,
                                 EAGAIN, EINTR, EFAULT, EMFILE, ENOTTY, ENOMEM, EIO,   ESRCH};
    static const int64_t results[] = {-1, 0, 1, 2, 8, TRACE_STILL_ALIVE, TRACE_JUMPED, 65536};

    done->err = errors[choices_take(choices) % (sizeof(errors) / sizeof(errors[0]))];
    done->ret = results[choices_take(choices) % (sizeof(results) / sizeof(results[0]))];
}

static void edit_state(struct trace *trace, unsigned k, struct choices *choices)
{
    struct trace_step *done = &trace->steps[k];

    done->state = choices_take(choices) % (STEP_HUNG + 1);
    done->blocked = choices_take(choices) & 1;
    done->completed_at = TRACE_NEVER;
    if (done->state != STEP_DONE)
        return;
    done->completed_at = done->blocked ? later_step(trace, k, choices) : (int16_t)k;
    if (done->completed_at == TRACE_NEVER)
        done->state = STEP_BLOCKED;
}

static void edit_events(struct trace *trace, unsigned k, struct choices *choices)
{
    struct trace_step *done = &trace->steps[k];
    unsigned choice = choices_take(choices);

    if (op_table[trace->program->steps[k].op].effect != EFFECT_WAIT)
        return;
    if (choice & 1 && done->nevents > 0) {
        done->nevents--;
    } else if (done->nevents < PROGRAM_EVENTS_MAX) {
        done->events[done->nevents++] =
            (struct trace_event){.events = 1u << choices_take(choices) % 32,
                                 .data = choices_take(choices) % (trace->nsteps + 2)};
    }
    done->ret = done->nevents;
    done->err = 0;
}

static void edit_handler(struct trace *trace, unsigned k, struct choices *choices)
{
    struct trace_step *done = &trace->steps[k];

    if (op_table[trace->program->steps[k].op].effect != EFFECT_SIGNAL)
        return;
    done->handled_at = later_step(trace, k, choices);
    done->handler_ret = -(choices_take(choices) & 1);
    done->handler_err = done->handler_ret ? EEXIST : 0;
}

static void edit_actor(struct trace *trace, struct choices *choices)
{
    unsigned actor = choices_take(choices) % trace->program->nactors;
    struct trace_process *process = &trace->processes[actor];
    unsigned born = trace->program->actors[actor].born;

    if (trace->program->actors[actor].kind == ACTOR_THREAD) {
        trace->cancelled_at[actor] = later_step(trace, born + choices_take(choices), choices);
        return;
    }
    process->state = choices_take(choices) % (PROCESS_SIGNALED + 1);
    process->reaped = choices_take(choices) & 1;
    process->status = choices_take(choices);
    process->ended_at = later_step(trace, born + choices_take(choices), choices);
}

static void edit_end(struct trace *trace, struct choices *choices)
{
    trace->end = choices_take(choices) % (RUN_HUNG + 1);
    trace->end_step = later_step(trace, choices_take(choices), choices);
    trace->end_actor = choices_take(choices) % trace->program->nactors;
    trace->end_signal = trace->end == RUN_CRASHED ? SIGSEGV : 0;
    trace->end_syscall = (long)choices_take(choices) - 1;
    trace->truncated = choices_take(choices) == 1;
}

static void edit_table(struct trace *trace, struct choices *choices)
{
    static const char *const kinds[] = {"pipe", "socket", "anon_inode:[eventpoll]", "/dev/null"};

    if (trace->nfds == TRACE_FDS_MAX)
        return;
    struct trace_fd *fd = &trace->fds[trace->nfds++];
    *fd = (struct trace_fd){.process = choices_take(choices) % trace->program->nactors,
                            .number = choices_take(choices),
                            .identity = choices_take(choices)};
    snprintf(fd->what, sizeof(fd->what), "%s", kinds[choices_take(choices) % 4]);
}

static void edit_deferral(struct trace *trace, struct deferral *deferral, unsigned k,
                          struct choices *choices)
{
    struct trace_step *done = &trace->steps[k];
    int16_t at = later_step(trace, k, choices);

    if (op_table[trace->program->steps[k].op].effect != EFFECT_CTL || done->state != STEP_DONE)
        return;
    deferral->at[k] = at == TRACE_NEVER ? (uint16_t)trace->nsteps : (uint16_t)at;
    done->ret = 0;
    done->err = 0;
}

void trace_edit(struct trace *trace, struct deferral *deferral, struct choices *choices)
{
    unsigned kind = choices_take(choices) % 10;
    unsigned k = choices_take(choices) % trace->nsteps;
    struct trace_step *done = &trace->steps[k];

    switch (kind) {
    case 0:
        edit_result(done, choices);
        break;
    case 1:
        edit_state(trace, k, choices);
        break;
    case 2:
        edit_events(trace, k, choices);
        break;
    case 3:
        done->fds[choices_take(choices) % PROGRAM_OUTS_MAX] =
            (int)(choices_take(choices) % (PROGRAM_FD_LIMIT + 1)) - 1;
        break;
    case 4:
        done->digest = choices_take(choices);
        break;
    case 5:
        edit_handler(trace, k, choices);
        break;
    case 6:
        edit_actor(trace, choices);
        break;
    case 7:
        edit_end(trace, choices);
        break;
    case 8:
        edit_table(trace, choices);
        break;
    default:
        edit_deferral(trace, deferral, k, choices);
        break;
    }
}
