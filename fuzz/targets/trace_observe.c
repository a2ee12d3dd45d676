/*
 * What a kernel would list and a witness see, given what a trace says that the calls returned. It
 * is a caricature: a ctl that was put off registers whatever its numbers name by then, and nothing
 * is refused. The oracle has to survive it, not to agree with it.
 */
#include "fuzz/targets/trace_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* A registration that a deferred ctl made. */
struct late {
    int instance, file, number;
    uint32_t events;
    uint64_t data;
};

struct kernel {
    struct trace *trace;
    const struct deferral *deferral;
    bool witness;
    unsigned compared;
    struct world world;
    unsigned nlate;
    struct late late[PROGRAM_STEPS_MAX];
};

static bool is_ctl(const struct trace *trace, unsigned k)
{
    return op_table[trace->program->steps[k].op].effect == EFFECT_CTL &&
           trace->steps[k].state == STEP_DONE;
}

static void write_witness(struct kernel *kernel, unsigned at, unsigned ctl, int err)
{
    struct trace *trace = kernel->trace;
    const struct step *step = &trace->program->steps[ctl];

    if (!kernel->witness)
        return;
    if (trace->ncarried == TRACE_CARRIED_MAX) {
        trace->truncated = true;
        return;
    }
    trace->carried[trace->ncarried++] =
        (struct trace_carried){.step = (int16_t)at,
                               .actor = step->actor,
                               .epfd = world_number(&kernel->world, step, 0),
                               .op = (int)step->args[1],
                               .number = world_number(&kernel->world, step, 2),
                               .data = step->args[1] == EPOLL_CTL_DEL ? 0 : step_number(ctl),
                               .err = err};
}

/* The ctls that were put off until step k, before its own call. */
static void carry_out_late(struct kernel *kernel, unsigned k)
{
    const struct trace *trace = kernel->trace;

    for (unsigned ctl = 0; ctl < k; ctl++) {
        const struct step *step = &trace->program->steps[ctl];
        if (kernel->deferral->at[ctl] != k || !is_ctl(trace, ctl))
            continue;
        int instance = world_file_of_arg(&kernel->world, step, 0);
        int file = world_file_of_arg(&kernel->world, step, 2);
        bool there = instance != WORLD_FILE_NONE && file != WORLD_FILE_NONE;
        write_witness(kernel, k, ctl, there ? 0 : EBADF);
        if (there && step->args[1] != EPOLL_CTL_DEL)
            kernel->late[kernel->nlate++] =
                (struct late){.instance = instance,
                              .file = file,
                              .number = world_number(&kernel->world, step, 2),
                              .events = (uint32_t)step->args[3],
                              .data = step_number(ctl)};
    }
}

/* The steps that return during step k, as the oracle replays them. */
static void apply_step(struct kernel *kernel, unsigned k)
{
    const struct trace *trace = kernel->trace;
    struct world_outcome outcome;

    for (unsigned i = 0; i <= k; i++) {
        const struct trace_step *done = &trace->steps[i];
        bool died = i == k && done->state == STEP_DIED;
        if (!died && (done->state != STEP_DONE || done->completed_at != (int)k))
            continue;
        trace_outcome(trace, i, &outcome);
        world_apply(&kernel->world, i, &outcome);
    }
    for (unsigned i = 0; i <= k; i++) {
        if (trace->steps[i].handled_at == (int)k)
            world_apply_handler(&kernel->world, i, trace->steps[i].handler_ret);
    }
    for (unsigned a = 0; a < trace->program->nactors; a++) {
        if (trace->cancelled_at[a] == (int)k)
            world_end_thread(&kernel->world, a);
    }
}

static void list_item(struct trace *trace, struct trace_snapshot *snapshot,
                      const struct trace_item *item)
{
    if (trace->nitems == TRACE_ITEMS_MAX) {
        trace->truncated = true;
        return;
    }
    trace->items[trace->nitems++] = *item;
    snapshot->nitems++;
}

static int compare_items(const void *a, const void *b)
{
    const struct trace_item *x = a;
    const struct trace_item *y = b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->data < y->data ? -1 : x->data > y->data;
}

static void list_instance(struct kernel *kernel, unsigned k, unsigned process, int number)
{
    struct trace *trace = kernel->trace;
    const struct world *world = &kernel->world;
    int instance = world_file_of(world, process, number);
    struct trace_snapshot snapshot = {.step = (int16_t)k,
                                      .process = (uint8_t)process,
                                      .evidence = !kernel->compared || k % kernel->compared != 0,
                                      .number = number,
                                      .first = (uint16_t)trace->nitems};

    if (trace->nsnapshots == TRACE_SNAPSHOTS_MAX) {
        trace->truncated = true;
        return;
    }
    for (unsigned i = 0; i < world->nitems; i++) {
        const struct world_item *item = &world->items[i];
        bool here = item->live && item->instance == instance;
        if (here && kernel->deferral->at[item->registered] == item->registered)
            list_item(trace, &snapshot,
                      &(struct trace_item){.number = item->number,
                                           .events = item->events,
                                           .data = step_number((unsigned)item->registered)});
    }
    for (unsigned i = 0; i < kernel->nlate; i++) {
        const struct late *late = &kernel->late[i];
        if (late->instance == instance && world->files[late->file].refs > 0)
            list_item(trace, &snapshot,
                      &(struct trace_item){
                          .number = late->number, .events = late->events, .data = late->data});
    }
    qsort(&trace->items[snapshot.first], snapshot.nitems, sizeof(struct trace_item), compare_items);
    trace->snapshots[trace->nsnapshots++] = snapshot;
}

static void list_all(struct kernel *kernel, unsigned k)
{
    const struct world *world = &kernel->world;

    for (unsigned process = 0; process < kernel->trace->program->nactors; process++) {
        if (!world->processes[process].alive)
            continue;
        for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
            int file = world_file_of(world, process, number);
            if (file != WORLD_FILE_NONE && world->files[file].kind == FILE_EPOLL)
                list_instance(kernel, k, process, number);
        }
    }
}

void trace_observe(struct trace *trace, const struct deferral *deferral, unsigned compared,
                   bool witness)
{
    static struct kernel kernel;

    kernel.trace = trace;
    kernel.deferral = deferral;
    kernel.compared = compared;
    kernel.witness = witness;
    kernel.nlate = 0;
    world_init(&kernel.world, trace->program);
    trace->nsnapshots = 0;
    trace->nitems = 0;
    for (unsigned k = 0; k < trace->nsteps; k++) {
        carry_out_late(&kernel, k);
        if (is_ctl(trace, k) && deferral->at[k] == k)
            write_witness(&kernel, k, k, trace->steps[k].err);
        apply_step(&kernel, k);
        list_all(&kernel, k);
    }
}
