/* A trace with inserted steps, told without them. */
#include "oracle/translate.h"

#include <string.h>

static int16_t origin_of(const struct trace_map *map, int16_t step)
{
    return step < 0 ? step : map->origin[step];
}

/* Event data is the number of the step that registered it; anything else nobody registered. */
static uint64_t translate_data(const struct trace *from, const struct trace_map *map, uint64_t data)
{
    if (data == 0 || data > from->nsteps || map->inserted[data - 1])
        return data;
    return step_number((unsigned)map->origin[data - 1]);
}

static void translate_steps(const struct trace *from, const struct trace_map *map,
                            struct trace *trace)
{
    for (unsigned i = 0; i < from->nsteps; i++) {
        if (map->inserted[i])
            continue;
        struct trace_step *step = &trace->steps[map->origin[i]];
        *step = from->steps[i];
        step->completed_at = origin_of(map, step->completed_at);
        step->handled_at = origin_of(map, step->handled_at);
        for (unsigned e = 0; e < step->nevents; e++)
            step->events[e].data = translate_data(from, map, step->events[e].data);
    }
}

/* The snapshot that is compared and says the same of the same step, or NULL. */
static struct trace_snapshot *find_compared(struct trace *trace,
                                            const struct trace_snapshot *snapshot)
{
    for (unsigned i = trace->nsnapshots; i > 0; i--) {
        struct trace_snapshot *found = &trace->snapshots[i - 1];
        if (found->step != snapshot->step)
            break;
        if (!found->evidence && found->process == snapshot->process &&
            found->number == snapshot->number)
            return found;
    }
    return NULL;
}

/*
 * Of a step and what was inserted behind it, the last look is what the lists were when all was
 * over; a wait that returned in there was looked at in the same way.
 */
static void translate_snapshots(const struct trace *from, const struct trace_map *map,
                                struct trace *trace)
{
    int16_t last[PROGRAM_STEPS_MAX] = {0};

    for (unsigned i = 0; i < from->nsnapshots; i++) {
        if (from->snapshots[i].evidence)
            last[origin_of(map, from->snapshots[i].step)] = from->snapshots[i].step;
    }
    for (unsigned i = 0; i < from->nsnapshots; i++) {
        struct trace_snapshot snapshot = from->snapshots[i];
        const struct trace_item *items = &from->items[snapshot.first];
        int16_t origin = origin_of(map, snapshot.step);
        if (snapshot.number == map->number || (snapshot.evidence && snapshot.step != last[origin]))
            continue;
        snapshot.step = origin;
        snapshot.first = (uint16_t)trace->nitems;
        for (unsigned k = 0; k < snapshot.nitems; k++) {
            struct trace_item *item = &trace->items[trace->nitems++];
            *item = items[k];
            item->data = translate_data(from, map, item->data);
        }
        struct trace_snapshot *same = snapshot.evidence ? NULL : find_compared(trace, &snapshot);
        if (same == NULL)
            same = &trace->snapshots[trace->nsnapshots++];
        *same = snapshot;
    }
}

static void translate_tables(const struct trace *from, const struct trace_map *map,
                             struct trace *trace)
{
    uint16_t identities[TRACE_FDS_MAX]; /* of the entries kept, as they were */

    for (unsigned i = 0; i < from->nfds; i++) {
        struct trace_fd *fd = &trace->fds[trace->nfds];
        if (from->fds[i].number == map->number)
            continue;
        *fd = from->fds[i];
        identities[trace->nfds] = fd->identity;
        fd->identity = (uint16_t)trace->nfds;
        for (unsigned k = 0; k < trace->nfds; k++) {
            if (identities[k] == identities[trace->nfds]) {
                fd->identity = trace->fds[k].identity;
                break;
            }
        }
        trace->nfds++;
    }
}

void trace_translate(const struct trace *from, const struct trace_map *map,
                     const struct program *program, struct trace *ret_trace)
{
    struct trace *trace = ret_trace;

    trace_reset(trace, program);
    trace->end = from->end;
    trace->end_step = origin_of(map, from->end_step);
    trace->end_actor = from->end_actor;
    trace->end_signal = from->end_signal;
    trace->end_syscall = from->end_syscall;
    trace->truncated = from->truncated;
    translate_steps(from, map, trace);
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        trace->processes[i] = from->processes[i];
        trace->processes[i].ended_at = origin_of(map, trace->processes[i].ended_at);
        trace->cancelled_at[i] = origin_of(map, from->cancelled_at[i]);
    }
    translate_snapshots(from, map, trace);
    translate_tables(from, map, trace);
    for (unsigned i = 0; i < from->ncarried; i++) {
        struct trace_carried *carried = &trace->carried[trace->ncarried++];
        *carried = from->carried[i];
        carried->step = origin_of(map, carried->step);
        carried->data = translate_data(from, map, carried->data);
    }
}

/* From when to when an actor could not act is known by the step that kept it from acting. */
static void take_away(const struct trace *trace, unsigned step, uint32_t free[PROGRAM_STEPS_MAX])
{
    const struct trace_step *done = &trace->steps[step];
    uint32_t bit = 1u << trace->program->steps[step].actor;
    unsigned end = trace->nsteps;

    if (done->state == STEP_DONE)
        end = done->blocked && done->completed_at > (int)step ? (unsigned)done->completed_at : step;
    else if (done->state == STEP_SKIPPED)
        end = step;
    for (unsigned i = step; i < end; i++)
        free[i] &= ~bit;
}

void trace_free_actors(const struct trace *trace, uint32_t ret_free[PROGRAM_STEPS_MAX])
{
    const struct program *program = trace->program;

    for (unsigned i = 0; i < trace->nsteps; i++) {
        ret_free[i] = 0;
        for (unsigned a = 0; a < program->nactors; a++) {
            unsigned born = program->actors[a].born;
            const struct trace_process *process = &trace->processes[program->actors[a].process];
            bool alive = a == 0 || (born <= i && trace->steps[born].state == STEP_DONE &&
                                    trace->steps[born].ret == 0);
            alive &= process->ended_at == TRACE_NEVER || process->ended_at > (int)i;
            ret_free[i] |= alive ? 1u << a : 0;
        }
    }
    for (unsigned i = 0; i < trace->nsteps; i++)
        take_away(trace, i, ret_free);
}
