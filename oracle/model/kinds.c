/* The table of file kinds: what the kernel's file_operations are. */
#include "oracle/model/kinds.h"

#include <errno.h>
#include <sys/epoll.h>

/* /dev/null, and the executable. Reading the executable moves its position. */
static enum model_io read_path(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];

    if (!state->executable)
        return IO_DONE;
    uint64_t left = model->facts->executable_size > state->count
                        ? model->facts->executable_size - state->count
                        : 0;
    transfer->done = (uint64_t)transfer->count < left ? transfer->count : (int64_t)left;
    state->count += (uint64_t)transfer->done;
    transfer->any_digest = transfer->done > 0;
    return IO_DONE;
}

static enum model_io write_all(struct model *model, int file, struct model_transfer *transfer)
{
    (void)model;
    (void)file;
    transfer->done = transfer->count;
    return IO_DONE;
}

/* What is written to a memfd moves the position that reads go on from: they find the end. */
static enum model_io read_nothing(struct model *model, int file, struct model_transfer *transfer)
{
    (void)model;
    (void)file;
    (void)transfer;
    return IO_DONE;
}

static enum model_io write_memfd(struct model *model, int file, struct model_transfer *transfer)
{
    struct model_file *state = &model->files[file];

    state->count += (uint64_t)transfer->count;
    if (state->count > MODEL_MEMFD_MAX)
        model_beyond(model, "a memfd that grows to the limit of file sizes");
    transfer->done = transfer->count;
    return IO_DONE;
}

static uint32_t poll_epoll(struct model *model, int file, uint32_t requested)
{
    (void)requested;
    return model_instance_poll(model, file, 0);
}

static const struct model_kind kind_epoll = {
    .polls = true, .poll = poll_epoll, .what = "[eventpoll]", .shares_target = true};
static const struct model_kind kind_path = {.read = read_path, .write = write_all};
static const struct model_kind kind_memfd = {
    .read = read_nothing, .write = write_memfd, .what = "file", .shares_target = true};

/* generic_read_dir */
static enum model_io read_folder(struct model *model, int file, struct model_transfer *transfer)
{
    (void)model;
    (void)file;
    transfer->err = EISDIR;
    return IO_ERROR;
}

static const struct model_kind kind_folder = {
    .read = read_folder, .what = "file", .shares_target = true};

static const struct model_kind *const kinds[FILE_KINDS] = {
    [FILE_EPOLL] = &kind_epoll,
    [FILE_PIPE_READ] = &model_kind_pipe_read,
    [FILE_PIPE_WRITE] = &model_kind_pipe_write,
    [FILE_SOCKET] = &model_kind_unix,
    [FILE_EVENTFD] = &model_kind_eventfd,
    [FILE_PATH] = &kind_path,
    [FILE_REGULAR] = &kind_memfd,
    [FILE_FOLDER] = &kind_folder,
    [FILE_LISTENER] = &model_kind_listener,
    [FILE_TIMERFD] = &model_kind_timerfd,
    [FILE_SIGNALFD] = &model_kind_signalfd,
    [FILE_INOTIFY] = &model_kind_inotify,
};

const struct model_kind *model_kind_of(const struct model *model, int file)
{
    const struct model_file *state = &model->files[file];

    return state->kind == FILE_SOCKET && state->inet ? &model_kind_tcp : kinds[state->kind];
}

uint32_t model_poll(struct model *model, int file, uint32_t requested, unsigned depth)
{
    const struct model_kind *kind = model_kind_of(model, file);

    if (model->files[file].kind == FILE_EPOLL)
        return model_instance_poll(model, file, depth);
    /* DEFAULT_POLLMASK: a file without a poll method is always ready. */
    return kind->polls ? kind->poll(model, file, requested) : MASK_IN | MASK_OUT;
}
