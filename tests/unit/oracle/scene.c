#include "scene.h"

#include "oracle/model/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* What the model says of step k. What a wait or a poll finds is left to the test: nothing yet. */
static void write_step(struct trace *trace, unsigned k, const struct model_report *report)
{
    enum op_effect effect = op_table[trace->program->steps[k].op].effect;
    bool looks = effect == EFFECT_WAIT || effect == EFFECT_POLL;
    struct trace_step *done = &trace->steps[k];

    done->state = report->fate == MODEL_DIED      ? STEP_DIED
                  : report->fate == MODEL_SKIPPED ? STEP_SKIPPED
                                                  : STEP_DONE;
    done->completed_at = done->state == STEP_DONE ? (int16_t)k : TRACE_NEVER;
    for (unsigned i = 0; i < report->nreturns; i++) {
        const struct model_return *back = &report->returns[i];
        assert(back->step == k); /* nobody sleeps */
        done->ret = looks && back->ret > 0 ? 0 : back->ret;
        done->err = back->err;
        memcpy(done->fds, back->fds, sizeof(done->fds));
    }
    for (unsigned i = 0; i < report->nhandled; i++) {
        struct trace_step *sent = &trace->steps[report->handled[i].step];
        sent->handled_at = (int16_t)k;
        sent->handler_ret = report->handled[i].ret;
        sent->handler_err = report->handled[i].err;
    }
    for (unsigned i = 0; i < trace->program->nactors; i++) {
        if (report->cancelled & UINT32_C(1) << i)
            trace->cancelled_at[i] = (int16_t)k;
    }
}

static void write_processes(struct trace *trace, const struct model *model)
{
    for (unsigned i = 0; i < trace->program->nactors; i++) {
        const struct model_process *process = &model->processes[i];
        if (!process->born)
            continue;
        trace->processes[i].state = process->alive      ? PROCESS_ALIVE
                                    : process->signaled ? PROCESS_SIGNALED
                                                        : PROCESS_EXITED;
        trace->processes[i].status = process->alive ? 0 : process->status;
        trace->processes[i].ended_at = process->ended_at;
    }
}

/* Carries the program out on the model. A call that would sleep, or that the model knows nothing
 * about, returns 0 and does nothing: what it did is for the test to say. */
static void carry_out(struct trace *trace)
{
    struct model *model = model_new();
    struct model *before = model_new();
    assert(model != NULL && before != NULL);
    model_init(model, trace->program, &model_facts_fixed);
    for (unsigned k = 0; k < trace->nsteps; k++) {
        struct model_tape tape;
        struct model_report report;
        model_tape_init(&tape);
        model_copy(before, model);
        model_step(model, k, &tape, &report);
        if (report.fate == MODEL_ASLEEP || report.beyond != NULL) {
            model_copy(model, before);
            report = (struct model_report){.fate = MODEL_RETURNED};
        }
        write_step(trace, k, &report);
    }
    write_processes(trace, model);
    model_free(before);
    model_free(model);
}

static void make_traces(struct scene *scene)
{
    for (int side = 0; side < 2; side++) {
        scene->traces[side] = trace_new();
        assert(scene->traces[side] != NULL);
        trace_reset(scene->traces[side], &scene->document.program);
        carry_out(scene->traces[side]);
    }
}

struct scene *scene_new(const char *text)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert(scene != NULL);
    struct document_error error;
    if (document_parse(text, strlen(text), "scene", &scene->document, &error) != 0)
        fail_msg("line %u column %u: %s", error.line, error.column, error.what);
    make_traces(scene);
    return scene;
}

struct scene *scene_of_program(const struct program *program)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert(scene != NULL);
    document_init(&scene->document, "scene", program);
    make_traces(scene);
    return scene;
}

void scene_free(struct scene *scene)
{
    trace_free(scene->traces[0]);
    trace_free(scene->traces[1]);
    free(scene);
}

/* The step in the trace of side `s`, or NULL if `side` does not mean that one. */
static struct trace_step *step_on(struct scene *scene, int s, enum scene_side side, unsigned step)
{
    assert(step >= 1 && step <= scene->document.program.nsteps);
    return side == ON_BOTH || (int)side == s ? &scene->traces[s]->steps[step - 1] : NULL;
}

void scene_returns(struct scene *scene, enum scene_side side, unsigned step, int64_t ret, int err)
{
    for (int s = 0; s < 2; s++) {
        struct trace_step *done = step_on(scene, s, side, step);
        if (done == NULL)
            continue;
        done->state = STEP_DONE;
        done->completed_at = (int16_t)(step - 1);
        done->ret = ret;
        done->err = err;
        done->nevents = 0;
    }
}

void scene_event(struct scene *scene, enum scene_side side, unsigned step, uint32_t events,
                 uint64_t data)
{
    for (int s = 0; s < 2; s++) {
        struct trace_step *done = step_on(scene, s, side, step);
        if (done == NULL)
            continue;
        struct trace_event event = {.events = events, .data = data};
        done->events[done->nevents++] = event;
        done->ret = done->nevents;
    }
}

void scene_sleeps(struct scene *scene, enum scene_side side, unsigned step)
{
    for (int s = 0; s < 2; s++) {
        struct trace_step *done = step_on(scene, s, side, step);
        if (done == NULL)
            continue;
        done->state = STEP_BLOCKED;
        done->blocked = true;
        done->completed_at = TRACE_NEVER;
    }
}

void scene_wakes(struct scene *scene, enum scene_side side, unsigned step, unsigned at)
{
    for (int s = 0; s < 2; s++) {
        struct trace_step *done = step_on(scene, s, side, step);
        if (done == NULL)
            continue;
        done->state = STEP_DONE;
        done->blocked = true;
        done->completed_at = (int16_t)(at - 1);
    }
}

void scene_skips(struct scene *scene, enum scene_side side, unsigned step)
{
    for (int s = 0; s < 2; s++) {
        struct trace_step *done = step_on(scene, s, side, step);
        if (done == NULL)
            continue;
        done->state = STEP_SKIPPED;
        done->completed_at = TRACE_NEVER;
    }
}

static void add_run(struct scene *scene, unsigned ctl, unsigned at, unsigned process)
{
    assert(scene->nruns < SCENE_RUNS_MAX);
    scene->runs[scene->nruns++] =
        (struct scene_run){.ctl = ctl - 1, .at = at - 1, .process = process};
}

void scene_defers(struct scene *scene, unsigned ctl, int at)
{
    const struct program *program = &scene->document.program;
    scene_returns(scene, ON_SUBJECT, ctl, 0, 0);
    scene->deferred[ctl - 1] = true;
    if (at != LATER)
        add_run(scene, ctl, (unsigned)at, program->actors[program->steps[ctl - 1].actor].process);
}

void scene_defers_past(struct scene *scene, unsigned ctl, unsigned at)
{
    scene_defers(scene, ctl, (int)at);
    scene->runs[scene->nruns - 1].after = true;
}

void scene_runs_in(struct scene *scene, unsigned ctl, unsigned at, const char *process)
{
    int actor = program_find_actor(&scene->document.program, process, strlen(process));
    assert(actor >= 0);
    scene_returns(scene, ON_SUBJECT, ctl, 0, 0);
    scene->deferred[ctl - 1] = true;
    add_run(scene, ctl, at, (unsigned)actor);
}

/* The kernel's interest lists: items keyed by instance, number and file, and gone with their file.
 */
struct kernel_item {
    bool live;
    int instance, number, file;
    uint32_t events;
    uint64_t data;
};

struct kernel {
    const struct program *program;
    struct world *world;
    struct trace *trace;
    unsigned nitems;
    struct kernel_item items[PROGRAM_STEPS_MAX];
};

static struct kernel_item *kernel_find(struct kernel *kernel, int instance, int number, int file)
{
    for (unsigned i = 0; i < kernel->nitems; i++) {
        struct kernel_item *item = &kernel->items[i];
        if (item->live && item->instance == instance && item->number == number &&
            item->file == file)
            return item;
    }
    return NULL;
}

/* The kernel's checks before it looks at its list, in its order, and where the numbers lead. */
static int kernel_check(const struct kernel *kernel, const struct step *step, unsigned process,
                        struct kernel_item *ret_item)
{
    const struct world *world = kernel->world;
    int number = world_number(world, step, 2);
    int instance = world_file_of(world, process, world_number(world, step, 0));
    int file = world_file_of(world, process, number);
    if (step->args[3] < 0 && step->args[1] != EPOLL_CTL_DEL)
        return EFAULT;
    if (instance == WORLD_FILE_NONE || file == WORLD_FILE_NONE)
        return EBADF;
    if (world->files[file].kind == FILE_PATH || world->files[file].kind == FILE_REGULAR)
        return EPERM;
    if (world->files[instance].kind != FILE_EPOLL || instance == file)
        return EINVAL;
    ret_item->instance = instance;
    ret_item->file = file;
    ret_item->number = number;
    return 0;
}

/* True if watching `file` from `instance` would close a loop: chains in a scene are short. */
static bool kernel_loops(const struct kernel *kernel, int file, int instance, unsigned depth)
{
    if (file == instance)
        return true;
    for (unsigned i = 0; i < kernel->nitems && depth < 5; i++) {
        const struct kernel_item *item = &kernel->items[i];
        if (item->live && item->instance == file &&
            kernel_loops(kernel, item->file, instance, depth + 1))
            return true;
    }
    return false;
}

static int kernel_change(struct kernel *kernel, const struct kernel_item *fresh, int op)
{
    struct kernel_item *item = kernel_find(kernel, fresh->instance, fresh->number, fresh->file);
    switch (op) {
    case EPOLL_CTL_ADD:
        if (kernel_loops(kernel, fresh->file, fresh->instance, 0))
            return ELOOP;
        if (item != NULL)
            return EEXIST;
        assert(kernel->nitems < PROGRAM_STEPS_MAX);
        kernel->items[kernel->nitems++] = *fresh;
        return 0;
    case EPOLL_CTL_MOD:
        if (item == NULL)
            return ENOENT;
        if ((item->events | fresh->events) & EPOLLEXCLUSIVE)
            return EINVAL;
        *item = *fresh;
        return 0;
    case EPOLL_CTL_DEL:
        if (item == NULL)
            return ENOENT;
        item->live = false;
        return 0;
    default:
        return EINVAL;
    }
}

/* Whoever makes the call: in which step, by which actor, in which process's numbers. */
struct caller {
    unsigned step;
    unsigned actor;
    unsigned process;
    bool repairs;
};

static void kernel_ctl(struct kernel *kernel, unsigned ctl, const struct caller *caller)
{
    const struct step *step = &kernel->program->steps[ctl];
    struct kernel_item fresh = {.live = true, .data = step_number(ctl)};
    fresh.events = step->args[3] < 0 ? 0 : (uint32_t)step->args[3];
    int checked = kernel_check(kernel, step, caller->process, &fresh);
    int op = (int)step->args[1];
    for (bool again = true; again;) {
        int err = checked != 0 ? checked : kernel_change(kernel, &fresh, op);
        struct trace_carried *seen = &kernel->trace->carried[kernel->trace->ncarried++];
        assert(kernel->trace->ncarried <= TRACE_CARRIED_MAX);
        *seen = (struct trace_carried){.step = (int16_t)caller->step,
                                       .actor = (uint8_t)caller->actor,
                                       .epfd = world_number(kernel->world, step, 0),
                                       .op = op,
                                       .number = world_number(kernel->world, step, 2),
                                       .err = err};
        if (op != EPOLL_CTL_DEL && err != EFAULT)
            seen->data = step_number(ctl);
        again = caller->repairs && op == step->args[1] &&
                ((op == EPOLL_CTL_ADD && err == EEXIST) || (op == EPOLL_CTL_MOD && err == ENOENT));
        op = op == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    }
}

static int compare_items(const void *a, const void *b)
{
    const struct trace_item *x = a;
    const struct trace_item *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->data < y->data ? -1 : x->data > y->data;
}

static void kernel_snapshot(struct kernel *kernel, unsigned step, unsigned process, int number)
{
    struct trace *trace = kernel->trace;
    struct trace_snapshot snapshot = {.step = (int16_t)step,
                                      .process = (uint8_t)process,
                                      .evidence = true,
                                      .number = number,
                                      .first = (uint16_t)trace->nitems};
    for (unsigned i = 0; i < kernel->nitems; i++) {
        const struct kernel_item *item = &kernel->items[i];
        if (!item->live || item->instance != world_file_of(kernel->world, process, number))
            continue;
        struct trace_item listed = {
            .number = item->number, .events = item->events, .data = item->data};
        trace->items[trace->nitems++] = listed;
        snapshot.nitems++;
    }
    qsort(&trace->items[snapshot.first], snapshot.nitems, sizeof(struct trace_item), compare_items);
    trace->snapshots[trace->nsnapshots++] = snapshot;
}

static void kernel_observe(struct kernel *kernel, unsigned step)
{
    for (unsigned i = 0; i < kernel->nitems; i++) {
        struct kernel_item *item = &kernel->items[i];
        if (kernel->world->files[item->file].refs == 0 ||
            kernel->world->files[item->instance].refs == 0)
            item->live = false;
    }
    for (unsigned process = 0; process < kernel->program->nactors; process++) {
        for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
            int file = world_file_of(kernel->world, process, number);
            if (kernel->world->processes[process].alive && file != WORLD_FILE_NONE &&
                kernel->world->files[file].kind == FILE_EPOLL)
                kernel_snapshot(kernel, step, process, number);
        }
    }
}

/* Carries out what was deferred until step k, before or after its own call. */
static void kernel_flush(struct kernel *kernel, const struct scene *scene, unsigned k, bool after)
{
    const struct program *program = kernel->program;
    for (unsigned i = 0; i < scene->nruns; i++) {
        const struct scene_run *run = &scene->runs[i];
        struct caller caller = {.step = k,
                                .actor = program->steps[k].actor,
                                .process = run->process,
                                .repairs = scene->repairs};
        /* A flush that is no matter of the step's own process is that of its owner. */
        if (program->actors[caller.actor].process != run->process)
            caller.actor = program->steps[run->ctl].actor;
        if (run->at == k && run->after == after)
            kernel_ctl(kernel, run->ctl, &caller);
    }
}

static void kernel_step(struct kernel *kernel, const struct scene *scene, int side, unsigned k)
{
    const struct step *step = &kernel->program->steps[k];
    const struct trace_step *done = &kernel->trace->steps[k];
    if (side == ON_SUBJECT)
        kernel_flush(kernel, scene, k, false);
    struct caller own = {
        .step = k, .actor = step->actor, .process = kernel->program->actors[step->actor].process};
    if (step->op == OP_EPOLL_CTL && done->state == STEP_DONE &&
        (side == ON_NATIVE || !scene->deferred[k]))
        kernel_ctl(kernel, k, &own);
    struct world_outcome outcome;
    trace_outcome(kernel->trace, k, &outcome);
    if (done->state == STEP_DONE || done->state == STEP_DIED)
        world_apply(kernel->world, k, &outcome);
    if (side == ON_SUBJECT)
        kernel_flush(kernel, scene, k, true);
    kernel_observe(kernel, k);
}

static void observe_side(struct scene *scene, int side)
{
    struct kernel *kernel = calloc(1, sizeof(*kernel));
    assert(kernel != NULL);
    kernel->program = &scene->document.program;
    kernel->trace = scene->traces[side];
    kernel->world = malloc(sizeof(*kernel->world));
    assert(kernel->world != NULL);
    world_init(kernel->world, kernel->program);
    for (unsigned k = 0; k < kernel->program->nsteps; k++)
        kernel_step(kernel, scene, side, k);
    scene->nwitnessed[side] = kernel->trace->ncarried;
    kernel->trace->ncarried = 0;
    free(kernel->world);
    free(kernel);
}

void scene_repairs(struct scene *scene)
{
    scene->repairs = true;
}

void scene_witness(struct scene *scene)
{
    for (int side = 0; side < 2; side++)
        scene->traces[side]->ncarried = scene->nwitnessed[side];
}

void scene_evidence(struct scene *scene)
{
    observe_side(scene, ON_NATIVE);
    observe_side(scene, ON_SUBJECT);
}

void scene_flush_point(struct scene *scene, unsigned step)
{
    for (int side = 0; side < 2; side++) {
        struct trace *trace = scene->traces[side];
        for (unsigned i = 0; i < trace->nsnapshots; i++) {
            if (trace->snapshots[i].step == (int)step - 1)
                trace->snapshots[i].evidence = false;
        }
    }
}

void scene_expect(struct scene *scene, const char *signature)
{
    struct verdict *verdict = &scene->verdict;
    memset(verdict, 0x5a, sizeof(*verdict)); /* nothing may be left unset */
    judge_traces(scene->traces[0], scene->traces[1], &scene->options, verdict);
    bool held = strcmp(signature, verdict->equal ? "equal" : verdict->signature) == 0;
    if (!held)
        fail_msg("expected %s, found%s %s: %s", signature,
                 scene->traces[1]->ncarried > 0 ? " with the witness" : "",
                 verdict->equal ? "equal" : verdict->signature, verdict->explanation);
    if (getenv("SCENE_VERBOSE") != NULL && !verdict->equal)
        printf("%s\n    %s\n", verdict->signature, verdict->explanation);
}

void scene_conclude(struct scene *scene, const char *signature)
{
    scene_evidence(scene);
    scene_expect(scene, signature);
    scene_witness(scene);
    scene_expect(scene, signature);
    scene_free(scene);
}
