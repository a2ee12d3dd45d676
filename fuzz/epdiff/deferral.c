#include "fuzz/epdiff/deferral.h"

#include <sys/epoll.h>

static bool lists(const struct trace *trace, const struct trace_snapshot *snapshot, uint64_t data)
{
    for (unsigned i = 0; snapshot && i < snapshot->nitems; i++) {
        if (trace->items[snapshot->first + i].data == data)
            return true;
    }
    return false;
}

/* The data that native's list lost in this step, 0 if none: what a DEL took away. */
static uint64_t data_removed(const struct trace *trace, const struct trace_snapshot *before,
                             const struct trace_snapshot *after)
{
    for (unsigned i = 0; before && i < before->nitems; i++) {
        uint64_t data = trace->items[before->first + i].data;
        if (!lists(trace, after, data))
            return data;
    }
    return 0;
}

static bool is_plain(enum file_kind kind)
{
    return kind == FILE_PIPE_READ || kind == FILE_PIPE_WRITE || kind == FILE_SOCKET ||
           kind == FILE_LISTENER || kind == FILE_EVENTFD || kind == FILE_TIMERFD;
}

/* True if another process has the instance, or another instance has it in its list. */
static bool is_shared(const struct world *world, unsigned actor, int instance)
{
    for (unsigned i = 0; i < world->nitems; i++) {
        if (world->items[i].live && world->items[i].file == instance)
            return true;
    }
    for (unsigned t = 0; t < PROGRAM_ACTORS_MAX; t++) {
        if ((int)t == world->actor_tables[actor] || world->tables[t].users == 0)
            continue;
        for (unsigned number = 0; number < PROGRAM_FD_LIMIT; number++) {
            if (world->tables[t].files[number] == instance)
                return true;
        }
    }
    return false;
}

/* The instances that the waits of the steps name, at the time of each step. */
struct waits {
    int instance[PROGRAM_STEPS_MAX];
};

static bool has_sleeper(const struct trace *native, const struct waits *waits, unsigned index,
                        int instance)
{
    for (unsigned k = 0; k < index; k++) {
        const struct trace_step *step = &native->steps[k];
        if (waits->instance[k] == instance && step->blocked && step->completed_at != (int)k &&
            (step->completed_at == TRACE_NEVER || step->completed_at >= (int)index))
            return true;
    }
    return false;
}

static bool is_eligible(const struct trace *native, const struct world *world,
                        const struct waits *waits, unsigned index)
{
    const struct step *step = &native->program->steps[index];
    int instance = world_file_of_arg(world, step, 0);
    int target = world_file_of_arg(world, step, 2);
    int64_t exclusive = (int64_t)EPOLLEXCLUSIVE | (int64_t)EPOLLWAKEUP;

    if (op_table[step->op].effect != EFFECT_CTL || native->steps[index].state != STEP_DONE ||
        native->steps[index].ret != 0 || index == 0 || instance == WORLD_FILE_NONE ||
        target == WORLD_FILE_NONE)
        return false;
    int item = world_find_item(world, instance, world_number(world, step, 2), target);
    if (item >= 0 && (world->items[item].events & exclusive))
        return false;
    if (step->args[1] != EPOLL_CTL_DEL && (step->args[3] & exclusive))
        return false;
    return is_plain(world->files[target].kind) && !is_shared(world, step->actor, instance) &&
           !has_sleeper(native, waits, index, instance);
}

static void count_step(const struct trace *native, const struct trace *subject, unsigned index,
                       const struct world *world, uint64_t *eligible, uint64_t *deferred)
{
    const struct step *step = &native->program->steps[index];
    unsigned process = native->program->actors[step->actor].process;
    int number = world_number(world, step, 0);
    const struct trace_snapshot *after = trace_find_snapshot(native, index, process, number);
    const struct trace_snapshot *subject_after =
        trace_find_snapshot(subject, index, process, number);

    if (step->args[1] != EPOLL_CTL_DEL) {
        bool changed = lists(native, after, step_number(index));
        *eligible += changed;
        *deferred += changed && !lists(subject, subject_after, step_number(index));
        return;
    }
    uint64_t data =
        data_removed(native, trace_find_snapshot(native, index - 1, process, number), after);
    const struct trace_snapshot *subject_before =
        trace_find_snapshot(subject, index - 1, process, number);
    if (data == 0)
        return;
    /* Still there: not carried out. Not there before: its ADD is pending too, or both were elided.
     */
    *eligible += 1;
    *deferred += lists(subject, subject_after, data) || !lists(subject, subject_before, data);
}

void deferral_count(const struct trace *native, const struct trace *subject, uint64_t *eligible,
                    uint64_t *deferred)
{
    struct world world;
    struct waits waits;

    world_init(&world, native->program);
    for (unsigned i = 0; i < native->program->nsteps; i++) {
        const struct step *step = &native->program->steps[i];
        struct world_outcome outcome;
        waits.instance[i] = op_table[step->op].effect == EFFECT_WAIT
                                ? world_file_of_arg(&world, step, 0)
                                : WORLD_FILE_NONE;
        if (i < native->nsteps && subject->steps[i].state != STEP_NOT_REACHED &&
            is_eligible(native, &world, &waits, i))
            count_step(native, subject, i, &world, eligible, deferred);
        trace_outcome(native, i, &outcome);
        world_apply(&world, i, &outcome);
    }
}
