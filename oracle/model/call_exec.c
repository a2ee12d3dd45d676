/* New program images: execve, and the processes that begin with one. */
#include "oracle/model/state.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* do_close_on_exec. The files' ends are work that the task does last in, first out. */
static void close_on_exec(struct model *model, unsigned actor)
{
    struct model_table *table = model_table_of(model, actor);

    for (int number = PROGRAM_FD_LIMIT - 1; number >= 0 && !MISTAKE(CLOEXEC_KEPT); number--) {
        if (table->files[number] != MODEL_NONE &&
            (table->cloexec[number / 64] >> (number % 64) & 1) != 0)
            model_unref(model, model_uninstall(table, number));
    }
}

/* The dynamic linker and the harness open files, one at a time, before the image's first step. */
static void needs_numbers(struct model *model, unsigned actor)
{
    if (model_lowest_free(model, actor, 0) < 0)
        model_beyond(model, "a new program image without a free number");
}

/* A process that had threads gets a table of handlers of its own, and who watches a signalfd on
 * behalf of the old one does so no longer. */
static bool watches_signals(const struct model *model, unsigned process)
{
    for (unsigned i = 0; i < model->nitems; i++) {
        const struct model_item *item = &model->items[i];
        if (model->files[item->file].kind == FILE_SIGNALFD && item->process == (int)process)
            return true;
    }
    return false;
}

/* begin_new_exec: de_thread, then unshare_files; the rest is libc's state, which is gone. */
static void enter_image(struct model *model)
{
    struct model_actor *self = model_self(model);
    unsigned process = (unsigned)self->process;

    if (watches_signals(model, process))
        model_beyond(model, "a new program image of a process that watches a signalfd");
    model_end_threads(model, process, model->step->actor);
    for (unsigned i = 0; i < model->program->nactors; i++) {
        if (model->actors[i].born && model->actors[i].process == (int)process)
            model->joined[i] = true; /* nobody knows its handle any more */
    }
    /* The process is known by its main actor, who may have left. */
    model->actors[process].tag = self->tag;
    model->processes[process].handler = (struct model_handler){.kind = HANDLER_IGNORE};
    /* The image ignores SIGUSR2 anew, which throws away one that is pending. */
    self->cancelled = self->async = self->threaded = self->held = self->pending = false;
    self->signalled = 0;
    memset(model->processes[process].streams, 0, sizeof(model->processes[process].streams));
    close_on_exec(model, model->step->actor);
    needs_numbers(model, model->step->actor);
}

void model_call_EXECVE(struct model *model)
{
    switch (model_arg(model, 0)) {
    case EXEC_SELF:
        enter_image(model);
        model_return_value(model, 0);
        break;
    case EXEC_NULL:
        model_return_error(model, EACCES);
        break;
    case EXEC_MISSING:
        model_return_error(model, ENOENT);
        break;
    default:
        model_beyond(model, "execve of a path that the model does not know");
        break;
    }
}

/* The child has a copy of the table before it closes anything, also after vfork(2). */
static void spawn(struct model *model, int past)
{
    unsigned child = model->step->outs[0];
    int closed = model_arg_number(model, 0);
    struct model_table *table;

    model_begin_process(model, child);
    table = model_table_of(model, MISTAKE(SPAWN_SHARES) ? model->step->actor : child);
    bool open = closed >= 0 && closed < past && closed < PROGRAM_FD_LIMIT &&
                table->files[closed] != MODEL_NONE;
    if (open)
        model_unref(model, model_uninstall(table, closed));
    close_on_exec(model, child);
    memset(model->processes[child].streams, 0, sizeof(model->processes[child].streams));
    needs_numbers(model, child);
    /* The child runs in its parent's memory: the errno of its close stays there. */
    (void)model_return_of(model, model->index, 0,
                          !open && closed >= 0 && closed < past ? EBADF : 0);
}

void model_call_VFORK_EXEC(struct model *model)
{
    spawn(model, INT_MAX);
}

void model_call_POSIX_SPAWN(struct model *model)
{
    /* posix_spawn_file_actions_addclose refuses numbers past the limit. */
    spawn(model, model_limit(model));
}
