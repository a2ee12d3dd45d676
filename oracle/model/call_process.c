/* Processes and threads: how they begin and end, and who waits for that. */
#include "oracle/model/state.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

static int free_table(struct model *model)
{
    for (unsigned i = 0; i < model->ntables; i++) {
        if (model->tables[i].users == 0)
            return (int)i;
    }
    assert(model->ntables < MODEL_TABLES_MAX);
    return (int)model->ntables++;
}

int model_table_copy(struct model *model, int from)
{
    int index = free_table(model);
    struct model_table *table = &model->tables[index];

    *table = model->tables[from];
    table->users = 1;
    /* What a call in progress has reserved stays with the old table: dup_fd. */
    for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
        if (table->files[number] == MODEL_RESERVED)
            model_uninstall(table, number);
        if (table->files[number] != MODEL_NONE)
            model_ref(model, table->files[number]);
    }
    return index;
}

void model_begin_process(struct model *model, unsigned child)
{
    struct model_actor *self = model_self(model);
    struct model_actor *actor = &model->actors[child];

    actor->table = (int8_t)model_table_copy(model, self->table);
    actor->tag = (uint8_t)++model->ntags;
    actor->born = actor->alive = true;
    actor->process = (int8_t)child;
    model->processes[child].born = model->processes[child].alive = true;
    model->processes[child].parent = self->process;
    model->processes[child].limit = model->processes[self->process].limit;
    memcpy(model->processes[child].streams, model->processes[self->process].streams,
           sizeof(model->processes[child].streams));
}

/* The child has a copy of the thread too: what it does about cancellations, and one that waits. */
void model_call_FORK(struct model *model)
{
    unsigned child = model->step->outs[0];
    const struct model_actor *self = model_self(model);
    struct model_actor *actor = &model->actors[child];

    model_begin_process(model, child);
    model->processes[child].handler = model->processes[self->process].handler;
    actor->cancelled = self->cancelled;
    actor->async = self->async;
    actor->threaded = self->threaded;
    model_return_value(model, 0);
}

void model_unshare(struct model *model)
{
    struct model_actor *self = model_self(model);

    /* Who has the table alone keeps it: unshare_fd of the kernel. */
    if (model->tables[self->table].users == 1)
        return;
    int own = model_table_copy(model, self->table);
    model->tables[self->table].users--;
    self->table = (int8_t)own;
    self->tag = (uint8_t)++model->ntags;
}

void model_call_UNSHARE(struct model *model)
{
    if (model_arg(model, 0) & CLONE_FILES)
        model_unshare(model);
    model_return_value(model, 0);
}

void model_call_PTHREAD_CREATE(struct model *model)
{
    unsigned thread = model->step->outs[0];
    struct model_actor *self = model_self(model);

    model->actors[thread].born = model->actors[thread].alive = true;
    model->actors[thread].table = self->table;
    model->actors[thread].tag = self->tag;
    model->actors[thread].threaded = self->threaded = true;
    model->actors[thread].process = self->process;
    model->tables[self->table].users++;
    model_return_value(model, 0);
}

static void end_actor(struct model *model, unsigned index)
{
    struct model_actor *actor = &model->actors[index];

    actor->alive = actor->cancelled = actor->held = actor->pending = false;
    actor->signalled = 0;
    if (actor->sleep != SLEEP_NONE)
        (void)model_interrupt(model, index);
    model_table_leave(model, index);
}

/* True if the order in which they end can be seen: they do not all have one table. */
static bool order_matters(const struct model *model, const unsigned *actors, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        if (model->actors[actors[i]].table != model->actors[actors[0]].table)
            return true;
    }
    return false;
}

void model_end_threads(struct model *model, unsigned process, int but)
{
    unsigned dying[PROGRAM_ACTORS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < model->program->nactors; i++) {
        struct model_actor *actor = &model->actors[i];
        if (!actor->alive || actor->process != (int)process || (int)i == but)
            continue;
        /* All of them are on their way out: nobody is woken any more. */
        actor->alive = actor->queued = actor->woken = false;
        dying[count++] = i;
    }
    while (count > 0) {
        unsigned next = order_matters(model, dying, count) ? model_choose(model, count) : 0;
        end_actor(model, dying[next]);
        for (count--; next < count; next++)
            dying[next] = dying[next + 1];
    }
}

void model_end_process(struct model *model, unsigned process, int status)
{
    struct model_process *self = &model->processes[process];

    self->alive = false;
    self->status = (int16_t)status;
    self->ended_at = (int16_t)model->index;
    model_end_threads(model, process, MODEL_NONE);
    for (unsigned i = 0; i < model->program->nactors; i++) {
        if (model->processes[i].parent == (int)process)
            model->processes[i].parent = MODEL_NONE;
    }
    model_wake_for_end(model);
}

static void exit_process(struct model *model)
{
    model->report->fate = MODEL_DIED;
    model_end_process(model, (unsigned)model_self(model)->process, (int)model_arg(model, 0) & 0xff);
}

void model_call_EXIT(struct model *model)
{
    exit_process(model);
}

void model_call_UNDERSCORE_EXIT(struct model *model)
{
    exit_process(model);
}

/* The last thread to end takes its process with it. */
void model_end_thread(struct model *model, unsigned index)
{
    unsigned process = (unsigned)model->actors[index].process;

    if (model_lowest_free(model, index, 0) < 0)
        model_beyond(model,
                     "the end of a thread, for which libc opens a library, without a free number");
    end_actor(model, index);
    for (unsigned i = 0; i < model->program->nactors; i++) {
        if (model->actors[i].alive && model->actors[i].process == (int)process) {
            model_wake_for_end(model);
            return;
        }
    }
    model_end_process(model, process, 0);
}

void model_call_PTHREAD_EXIT(struct model *model)
{
    model->report->fate = MODEL_DIED;
    model_end_thread(model, model->step->actor);
}

/*
 * __cleanup_sighand, when the process is reaped: wake_up_pollfree tells who still watches a
 * signalfd on its behalf, for the last time.
 */
static void forget_signals(struct model *model, unsigned process)
{
    model_wake_signals(model, (int)process, MASK_HUP, 0);
    for (unsigned i = 0; i < model->nitems; i++) {
        struct model_item *item = &model->items[i];
        if (model->files[item->file].kind == FILE_SIGNALFD && item->process == (int)process)
            item->process = MODEL_NONE;
    }
}

/* Rule 54. */
bool model_reap(struct model *model, unsigned step, unsigned child)
{
    struct model_process *process = &model->processes[child];

    if (process->reaped) {
        (void)model_return_of(model, step, -1, ECHILD);
        return true;
    }
    if (process->alive)
        return false;
    process->reaped = true;
    forget_signals(model, child);
    (void)model_return_of(model, step, process->status, 0);
    return true;
}

void model_call_WAITPID(struct model *model)
{
    unsigned child = (unsigned)model_arg(model, 0);
    int64_t options = model_arg(model, 1);
    const struct model_process *process = &model->processes[child];

    if (options & ~(int64_t)WNOHANG) {
        model_beyond(model, "waitpid with options that the model does not know");
        return;
    }
    if (!process->born || process->reaped || process->parent != model_self(model)->process) {
        model_return_error(model, ECHILD);
        return;
    }
    if (model_reap(model, model->index, child))
        return;
    if (options & WNOHANG)
        model_return_value(model, TRACE_STILL_ALIVE);
    else
        model_sleep(model, SLEEP_ACTOR, MODEL_NONE)->actor = (int16_t)child;
}

void model_joined(struct model *model, unsigned step, unsigned thread)
{
    if (model->joined[thread])
        model_beyond(model, "two joins of one thread, which is undefined behaviour");
    model->joined[thread] = true;
    (void)model_return_of(model, step, 0, 0);
}

/*
 * The executor refuses what would be undefined behaviour, all but two joins of one thread at the
 * same time (rule 53). glibc 2.36 means to refuse that, and a join of two threads with each other,
 * and does not: its comparison of joinid has the wrong operands.
 */
void model_call_PTHREAD_JOIN(struct model *model)
{
    unsigned self = model->step->actor;
    unsigned thread = (unsigned)model_arg(model, 0);
    const struct model_actor *joined = &model->actors[thread];

    if (joined->process != model_self(model)->process || !joined->born || model->joined[thread] ||
        thread == self) {
        model_return_error(model, ESRCH);
        return;
    }
    if (!joined->alive) {
        model_joined(model, model->index, thread);
        return;
    }
    if (model_obeys_in_sleep(model))
        return;
    model_sleep(model, SLEEP_ACTOR, MODEL_NONE)->actor = (int16_t)thread;
}

/* Nothing is ever pending in the kernel. */
void model_call_FLUSH(struct model *model)
{
    model_return_value(model, 0);
}
