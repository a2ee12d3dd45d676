/* Timers, signals, watches and folders as files, and the table of descriptors. */
#include "oracle/model/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/* --- More doors --- */

void model_call_CLOSEFROM(struct model *model)
{
    struct model_table *table = model_table_of(model, model->step->actor);
    int first = model_arg_number(model, 0);

    /* As close_range, which it is made of. */
    for (int number = PROGRAM_FD_LIMIT; number-- > (first < 0 ? 0 : first);) {
        if (table->files[number] >= 0)
            model_unref(model, model_uninstall(table, number));
    }
    model_return_value(model, 0);
}

void model_call_INLINE_CLOSE(struct model *model)
{
    model_close_number(model, model_arg_number(model, 0));
}

static uint64_t *stream_word(struct model *model, int number)
{
    return &model->processes[model_self(model)->process].streams[number / 64];
}

void model_call_OPENDIR(struct model *model)
{
    int number = model_lowest_free(model, model->step->actor, 0);

    int file = model_open_one(model, FILE_FOLDER, true, true);
    if (file == MODEL_NONE)
        return;
    model->files[file].no_write = true;
    *stream_word(model, number) |= (uint64_t)1 << (number % 64);
}

void model_call_CLOSEDIR(struct model *model)
{
    int number = model_arg_number(model, 0);
    uint64_t bit = (uint64_t)1 << (number & 63);

    if (number < 0 || number >= PROGRAM_FD_LIMIT || !(*stream_word(model, number) & bit)) {
        model_return_error(model, EINVAL);
        return;
    }
    *stream_word(model, number) &= ~bit;
    model_close_number(model, number);
}

/* --- Timers --- */

void model_call_TIMERFD_CREATE(struct model *model)
{
    int64_t flags = model_arg(model, 1);

    if (flags & ~(int64_t)(TFD_NONBLOCK | TFD_CLOEXEC))
        model_fail_open(model, EINVAL);
    else
        (void)model_open_one(model, FILE_TIMERFD, flags & TFD_NONBLOCK, flags & TFD_CLOEXEC);
}

void model_call_TIMERFD_SETTIME(struct model *model)
{
    int file = model_arg_file(model, 0);

    if (file == MODEL_NONE || model->files[file].kind != FILE_TIMERFD) {
        model_return_error(model, file == MODEL_NONE ? EBADF : EINVAL);
        return;
    }
    model->files[file].count = 0;
    model_return_value(model, 0);
    if (model_arg(model, 1) != TIMER_EXPIRED)
        return;
    model->files[file].count = 1;
    model_wake(model, file, (uint32_t)EPOLLIN, 1);
}

/* --- Signals --- */

void model_call_SIGNALFD(struct model *model)
{
    int64_t flags = model_arg(model, 0);

    if (flags & ~(int64_t)(SFD_NONBLOCK | SFD_CLOEXEC))
        model_fail_open(model, EINVAL);
    else
        (void)model_open_one(model, FILE_SIGNALFD, flags & SFD_NONBLOCK, flags & SFD_CLOEXEC);
}

void model_call_RAISE_BLOCKED(struct model *model)
{
    unsigned index = (unsigned)model_arg(model, 0);
    struct model_actor *target = &model->actors[index];

    if (!target->born || target->process != model_self(model)->process) {
        model_return_error(model, ESRCH);
        return;
    }
    if (!target->alive) {
        /* The main thread stays as a zombie until the others have ended. */
        if (target->process == (int)index)
            model_beyond(model, "a signal to a main thread that has ended");
        model_return_error(model, ESRCH);
        return;
    }
    if (target->unblocks)
        model_beyond(model, "a wait that unblocks a pending signal");
    model_return_value(model, 0);
    /* legacy_queue: it is pending once. */
    if (target->pending)
        return;
    target->pending = true;
    model_wake_signals(model, target->process, 0, 1);
}

/* --- Watches --- */

void model_call_INOTIFY_INIT1(struct model *model)
{
    int64_t flags = model_arg(model, 0);

    if (flags & ~(int64_t)(IN_NONBLOCK | IN_CLOEXEC)) {
        model_fail_open(model, EINVAL);
        return;
    }
    int file = model_open_one(model, FILE_INOTIFY, flags & IN_NONBLOCK, flags & IN_CLOEXEC);
    if (file != MODEL_NONE)
        model->files[file].no_write = true;
}

static bool is_pipe(const struct model *model, int file)
{
    return file >= 0 && (model->files[file].kind == FILE_PIPE_READ ||
                         model->files[file].kind == FILE_PIPE_WRITE);
}

/* The pipe is looked for under /proc/self/fd, which is the table of the process's main thread. */
static void watch_number(struct model *model, int instance, int number, int64_t mask)
{
    unsigned leader = (unsigned)model_self(model)->process;

    if (!model->actors[leader].alive) {
        model_beyond(model, "inotify_add_watch when the main thread has ended");
        return;
    }
    int file = model_table_of(model, leader)->files[number];
    if (file < 0)
        model_return_error(model, ENOENT);
    else if (!is_pipe(model, file))
        model_beyond(model, "inotify_add_watch of what is no pipe");
    else
        model_return_value(model, model_watch(model, instance, file, (uint16_t)mask));
}

void model_call_INOTIFY_ADD_WATCH(struct model *model)
{
    int instance = model_arg_file(model, 0);
    int64_t mask = model_arg(model, 2);

    /* The executor's own check comes first, then that of the mask. */
    if (!is_pipe(model, model_arg_file(model, 1)) || mask == 0) {
        model_return_error(model, EINVAL);
        return;
    }
    if (mask & ~(int64_t)(IN_ACCESS | IN_MODIFY | IN_CLOSE))
        model_beyond(model, "a watch for something else than reading, writing and closing");
    else if (instance == MODEL_NONE || model->files[instance].kind != FILE_INOTIFY)
        model_return_error(model, instance == MODEL_NONE ? EBADF : EINVAL);
    else
        watch_number(model, instance, model_arg_number(model, 1), mask);
}

/* --- The table --- */

void model_call_FCNTL_SETFD(struct model *model)
{
    int number = model_arg_number(model, 0);

    if (model_arg_file(model, 0) == MODEL_NONE) {
        model_return_error(model, EBADF);
        return;
    }
    model_set_cloexec(model_table_of(model, model->step->actor), number,
                      model_arg(model, 1) & FD_CLOEXEC);
    model_return_value(model, 0);
}

void model_call_SETRLIMIT(struct model *model)
{
    model->processes[model_self(model)->process].limit = (int16_t)model_arg(model, 1);
    model_return_value(model, 0);
}
