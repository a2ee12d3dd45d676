/* Watches on pipes, and the instances that they report to, as fs/notify has them. */
#include "oracle/model/kinds.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The inode of a pipe, which both ends have: the lower one of the two files. */
static int inode_of(const struct model *model, int file)
{
    int peer = model->files[file].peer;

    return peer < file ? peer : file;
}

static bool is_pipe(const struct model *model, int file)
{
    return model->files[file].kind == FILE_PIPE_READ || model->files[file].kind == FILE_PIPE_WRITE;
}

/* --- The queue of an instance --- */

/* The place of its first note, or where that would stand: notes are sorted by instance. */
static unsigned first_note(const struct model *model, int instance)
{
    unsigned at = 0;

    while (at < model->nnotes && model->notes[at].instance < instance)
        at++;
    return at;
}

static unsigned count_notes(const struct model *model, int instance)
{
    unsigned first = first_note(model, instance);
    unsigned count = 0;

    while (first + count < model->nnotes && model->notes[first + count].instance == instance)
        count++;
    return count;
}

static void drop_notes(struct model *model, unsigned first, unsigned count)
{
    memmove(&model->notes[first], &model->notes[first + count],
            (model->nnotes - first - count) * sizeof(model->notes[0]));
    model->nnotes -= count;
}

/* fsnotify_insert_event: an event like the last one in the queue is merged, and wakes nobody. */
static void queue_note(struct model *model, const struct model_watch *watch, uint16_t mask)
{
    unsigned count = count_notes(model, watch->instance);
    unsigned end = first_note(model, watch->instance) + count;

    if (count > 0 && model->notes[end - 1].wd == watch->wd && model->notes[end - 1].mask == mask)
        return;
    if (model->nnotes == MODEL_NOTES_MAX) {
        model_beyond(model, "more inotify events than the model has room for");
        return;
    }
    memmove(&model->notes[end + 1], &model->notes[end],
            (model->nnotes - end) * sizeof(model->notes[0]));
    model->nnotes++;
    model->notes[end] =
        (struct model_note){.instance = watch->instance, .wd = watch->wd, .mask = mask};
    model_wake(model, watch->instance, 0, 1);
}

/* --- Watches --- */

/*
 * fsnotify: every instance that watches the inode for this hears of it. Their order is that of
 * their addresses in the kernel, which nobody can know.
 */
static void notify(struct model *model, int inode, uint16_t mask)
{
    struct model_watch told[MODEL_WATCHES_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < model->nwatches; i++) {
        if (model->watches[i].inode == inode && (model->watches[i].mask & mask))
            told[count++] = model->watches[i];
    }
    while (count > 0) {
        unsigned next = model_choose(model, count);
        struct model_watch watch = told[next];
        told[next] = told[--count];
        queue_note(model, &watch, mask);
    }
}

void model_notify_io(struct model *model, int file, bool reads, int64_t done)
{
    if (done > 0 && is_pipe(model, file))
        notify(model, inode_of(model, file), reads ? IN_ACCESS : IN_MODIFY);
}

void model_notify_close(struct model *model, int file)
{
    if (is_pipe(model, file))
        notify(model, inode_of(model, file),
               model->files[file].no_write ? IN_CLOSE_NOWRITE : IN_CLOSE_WRITE);
}

int model_watch(struct model *model, int instance, int file, uint16_t mask)
{
    int inode = inode_of(model, file);
    int16_t wd = 1;

    /* The number of a watch lives as long as its instance: a watched inode is never let go. */
    for (unsigned i = 0; i < model->nwatches; i++) {
        struct model_watch *watch = &model->watches[i];
        if (watch->instance != instance)
            continue;
        if (watch->inode == inode) {
            watch->mask = mask;
            return watch->wd;
        }
        wd++;
    }
    if (model->nwatches == MODEL_WATCHES_MAX) {
        model_beyond(model, "more inotify watches than the model has room for");
        return 0;
    }
    model->watches[model->nwatches++] = (struct model_watch){
        .instance = (int16_t)instance, .inode = (int16_t)inode, .wd = wd, .mask = mask};
    return wd;
}

/* --- The instance as a file --- */

static uint32_t poll_inotify(struct model *model, int file, uint32_t requested)
{
    (void)requested;
    return count_notes(model, file) > 0 ? MASK_IN : 0;
}

/* As many events as there is room for. An empty queue is empty, however small the buffer. */
static enum model_io read_inotify(struct model *model, int file, struct model_transfer *transfer)
{
    struct inotify_event events[MODEL_NOTES_MAX];
    unsigned first = first_note(model, file);
    unsigned count = count_notes(model, file);

    if (count == 0)
        return IO_SLEEP;
    if (transfer->count < (int64_t)sizeof(events[0])) {
        transfer->err = EINVAL;
        return IO_ERROR;
    }
    if ((int64_t)count > transfer->count / (int64_t)sizeof(events[0]))
        count = (unsigned)(transfer->count / (int64_t)sizeof(events[0]));
    for (unsigned i = 0; i < count; i++)
        events[i] = (struct inotify_event){.wd = model->notes[first + i].wd,
                                           .mask = model->notes[first + i].mask};
    drop_notes(model, first, count);
    transfer->done = (int64_t)(count * sizeof(events[0]));
    transfer->digest = XXH3_64bits(events, count * sizeof(events[0]));
    return IO_DONE;
}

/* fsnotify_destroy_group */
static void release_inotify(struct model *model, int file)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < model->nwatches; i++) {
        if (model->watches[i].instance != file)
            model->watches[kept++] = model->watches[i];
    }
    model->nwatches = kept;
    drop_notes(model, first_note(model, file), count_notes(model, file));
}

const struct model_kind model_kind_inotify = {
    .polls = true,
    .poll = poll_inotify,
    .read = read_inotify,
    .release = release_inotify,
    .what = "inotify",
    .shares_target = true,
};
