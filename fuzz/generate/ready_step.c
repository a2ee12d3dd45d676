/* Readiness: what the steps of a program do to it, who falls asleep in them and whom they wake. */
#include "fuzz/generate/ready.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum io_result {
    IO_DONE,
    IO_FAILED,
    IO_WOULD_BLOCK,
};

#define READABLE ((uint32_t)(EPOLLIN | EPOLLRDNORM))
#define WRITABLE ((uint32_t)(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND))

static void init_file(struct ready *ready, const struct step *step, int file)
{
    struct ready_file *state = &ready->files[file];

    memset(state, 0, sizeof(*state));
    if (step->op == OP_EVENTFD) {
        state->bytes = step->args[0] > 0 ? (uint64_t)step->args[0] : 0;
        state->semaphore = (step->args[1] & EFD_SEMAPHORE) != 0;
    }
    if (step->op == OP_OPEN)
        state->readonly = (step->args[1] & O_ACCMODE) == O_RDONLY;
    if (step->op == OP_SOCKETPAIR)
        state->datagram = (step->args[0] & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_DGRAM;
}

static void step_ctl(struct ready *ready, const struct step *step)
{
    int instance = world_file_of_arg(&ready->world, step, 0);
    int number = world_number(&ready->world, step, 2);
    int file = world_file_of(&ready->world, step->actor, number);
    struct ready_item *item = ready_find_item(ready, instance, number, file);

    if (step->args[1] == EPOLL_CTL_DEL) {
        if (item) {
            unsigned index = (unsigned)(item - ready->items);
            memmove(item, item + 1, (ready->nitems - index - 1) * sizeof(*item));
            ready->nitems--;
        }
        return;
    }
    if (!item) {
        assert(ready->nitems < READY_ITEMS_MAX);
        item = &ready->items[ready->nitems++];
        *item = (struct ready_item){.instance = instance, .number = number, .file = file};
    }
    item->events = (uint32_t)step->args[3];
    /* Polled even if it is queued: that is what takes stale items off an inner instance's list. */
    if (ready_look(ready, file, item->events) != 0 && item->queued == 0) {
        ready_queue(ready, item);
        ready_notify(ready, instance);
    }
}

/* Takes messages off a socket's queue: each one freed makes room for the sender, with a wakeup. */
static void drain_socket(struct ready *ready, int file, uint64_t count)
{
    struct ready_file *state = &ready->files[file];
    int peer = ready->world.files[file].peer;
    unsigned freed = 0;

    while (freed < state->nchunks && (count > 0 || state->datagram)) {
        uint32_t *chunk = &state->chunks[freed];
        uint64_t taken = *chunk < count ? *chunk : count;
        if (state->datagram)
            taken = *chunk; /* what does not fit is lost */
        *chunk -= (uint32_t)taken;
        state->bytes -= taken;
        count -= taken < count ? taken : count;
        if (*chunk > 0)
            break;
        freed++;
        if (state->datagram)
            break;
    }
    state->nchunks -= freed;
    memmove(state->chunks, state->chunks + freed, state->nchunks * sizeof(state->chunks[0]));
    if (peer < 0 || ready->files[peer].released)
        return;
    for (unsigned i = 0; i < freed; i++)
        ready_wake(ready, peer, WRITABLE);
}

static enum io_result read_pipe(struct ready *ready, int file, uint64_t count)
{
    struct ready_file *state = &ready->files[file];
    int peer = ready->world.files[file].peer;
    bool was_full = state->nchunks == READY_CHUNKS_MAX;
    unsigned freed = 0;

    if (state->nchunks == 0)
        return state->peer_gone ? IO_DONE : IO_WOULD_BLOCK;
    while (freed < state->nchunks && count > 0) {
        uint32_t *page = &state->chunks[freed];
        uint32_t taken = *page < count ? *page : (uint32_t)count;
        *page -= taken;
        count -= taken;
        state->bytes -= taken;
        if (*page > 0)
            break;
        freed++;
    }
    state->nchunks -= freed;
    memmove(state->chunks, state->chunks + freed, state->nchunks * sizeof(state->chunks[0]));
    if (was_full && freed > 0 && !ready->files[peer].released)
        ready_wake(ready, peer, WRITABLE);
    return IO_DONE;
}

static enum io_result do_read(struct ready *ready, int file, uint64_t count)
{
    struct ready_file *state = &ready->files[file];
    enum file_kind kind = ready->world.files[file].kind;

    if (count == 0 && (kind == FILE_PIPE_READ || kind == FILE_SOCKET))
        return IO_DONE;
    switch (kind) {
    case FILE_PIPE_READ:
        return read_pipe(ready, file, count);
    case FILE_SOCKET:
        if (state->nchunks == 0)
            return state->read_shut ? IO_DONE : IO_WOULD_BLOCK;
        drain_socket(ready, file, count);
        return IO_DONE;
    case FILE_EVENTFD:
        if (count < sizeof(uint64_t))
            return IO_FAILED;
        if (state->bytes == 0)
            return IO_WOULD_BLOCK;
        state->bytes = state->semaphore ? state->bytes - 1 : 0;
        ready_wake(ready, file, (uint32_t)EPOLLOUT);
        return IO_DONE;
    case FILE_PIPE_WRITE:
    case FILE_EPOLL:
        return IO_FAILED;
    default:
        return IO_DONE;
    }
}

/* A large write to a stream socket becomes several messages, each with a wakeup. */
static void fill_socket(struct ready *ready, int file, uint64_t count)
{
    int peer = ready->world.files[file].peer;
    struct ready_file *reader = &ready->files[peer];
    uint64_t piece_max = reader->datagram ? PROGRAM_IO_MAX : 32768;

    do {
        uint64_t piece = count < piece_max ? count : piece_max;
        if (reader->nchunks == READY_CHUNKS_MAX)
            reader->chunks[READY_CHUNKS_MAX - 1] += (uint32_t)piece;
        else
            reader->chunks[reader->nchunks++] = (uint32_t)piece;
        reader->bytes += piece;
        count -= piece;
        ready_wake(ready, peer, READABLE | (uint32_t)(EPOLLPRI | EPOLLRDBAND));
    } while (count > 0);
}

/* *ret_left is what a blocking write has still to move. */
static enum io_result write_pipe(struct ready *ready, int file, uint64_t count, uint64_t *ret_left)
{
    int peer = ready->world.files[file].peer;

    if (ready->files[file].peer_gone && count > 0)
        return IO_FAILED;
    if (count == 0) {
        *ret_left = 0;
        return IO_DONE;
    }
    uint64_t moved = ready_fill_pipe(&ready->files[peer], count);
    *ret_left = count - moved;
    /* Once a pipe has been polled, a write that finds it full wakes the readers as well. */
    ready_wake(ready, peer, READABLE);
    return moved == 0 ? IO_WOULD_BLOCK : IO_DONE;
}

static enum io_result write_socket(struct ready *ready, int file, uint64_t count,
                                   uint64_t *ret_left)
{
    struct ready_file *state = &ready->files[file];
    int peer = ready->world.files[file].peer;
    struct ready_file *reader = &ready->files[peer];

    if (state->write_shut || state->peer_gone || (state->datagram && reader->read_shut))
        return IO_FAILED;
    *ret_left = 0;
    if (count == 0 && !state->datagram)
        return IO_DONE;
    uint64_t cost = ready_socket_cost(reader);
    uint64_t room = cost < READY_SOCKET_COST ? READY_SOCKET_COST - cost : 0;
    *ret_left = count;
    if (room == 0)
        return IO_WOULD_BLOCK;
    uint64_t moved = count < room || state->datagram ? count : room;
    fill_socket(ready, file, moved);
    *ret_left = count - moved;
    return IO_DONE;
}

static enum io_result do_write(struct ready *ready, int file, uint64_t count, uint64_t *ret_left)
{
    struct ready_file *state = &ready->files[file];

    *ret_left = count;
    switch (ready->world.files[file].kind) {
    case FILE_PIPE_WRITE:
        return write_pipe(ready, file, count, ret_left);
    case FILE_SOCKET:
        return write_socket(ready, file, count, ret_left);
    case FILE_EVENTFD:
        /* Kernels before 6.9 take more than eight bytes as well. */
        if (count != sizeof(uint64_t))
            return IO_FAILED;
        state->bytes++;
        *ret_left = 0;
        ready_wake(ready, file, (uint32_t)EPOLLIN);
        return IO_DONE;
    case FILE_PIPE_READ:
    case FILE_EPOLL:
        return IO_FAILED;
    default:
        *ret_left = 0;
        return state->readonly ? IO_FAILED : IO_DONE;
    }
}

static void do_shutdown(struct ready *ready, int file, int64_t how)
{
    struct ready_file *state = &ready->files[file];
    int peer = ready->world.files[file].peer;
    bool read_side = how == SHUT_RD || how == SHUT_RDWR;
    bool write_side = how == SHUT_WR || how == SHUT_RDWR;

    state->read_shut |= read_side;
    state->write_shut |= write_side;
    ready_wake(ready, file, 0);
    if (peer < 0 || state->datagram || ready->files[peer].released)
        return;
    ready->files[peer].read_shut |= write_side;
    ready->files[peer].write_shut |= read_side;
    ready_wake(ready, peer, 0);
}

static void fall_asleep(struct ready *ready, const struct step *step, unsigned index,
                        struct ready_actor actor, struct ready_result *result)
{
    actor.since = index;
    ready->actors[step->actor] = actor;
    result->sleeps = true;
}

static void step_io(struct ready *ready, const struct step *step, unsigned index,
                    struct ready_result *result)
{
    int file = world_file_of_arg(&ready->world, step, 0);
    bool reads = step->op == OP_READ;
    uint64_t count = (uint64_t)step->args[1];
    uint64_t left = 0;

    if (step->op == OP_SHUTDOWN) {
        if (ready->world.files[file].kind == FILE_SOCKET)
            do_shutdown(ready, file, step->args[1]);
        else
            result->failed = true;
        return;
    }
    if (!reads && step->op != OP_WRITE)
        return; /* an operation that the sketch does not know changes nothing in it */
    enum io_result io = reads ? do_read(ready, file, count) : do_write(ready, file, count, &left);
    if (io == IO_FAILED)
        result->failed = true;
    if (io == IO_DONE && (reads || left == 0))
        return;
    if (ready->world.files[file].nonblock) {
        result->failed |= io == IO_WOULD_BLOCK;
        return;
    }
    if (io == IO_FAILED)
        return;
    fall_asleep(ready, step, index,
                (struct ready_actor){.sleep = reads ? SLEEP_READ : SLEEP_WRITE,
                                     .file = file,
                                     .count = (int64_t)(reads ? count : left)},
                result);
}

/* Argument of a kind, or `otherwise` if the operation has none. */
static int64_t arg_of_kind(const struct step *step, enum arg_kind kind, int64_t otherwise)
{
    const struct op_info *op = &op_table[step->op];

    for (unsigned i = 0; i < op->nargs; i++) {
        if (op->args[i] == kind)
            return step->args[i];
    }
    return otherwise;
}

static void step_wait(struct ready *ready, const struct step *step, unsigned index,
                      struct ready_result *result)
{
    int file = world_file_of_arg(&ready->world, step, 0);
    int64_t room = arg_of_kind(step, ARG_MAXEVENTS, 1);

    if (ready->world.files[file].kind != FILE_EPOLL || room <= 0 || room > INT32_MAX / 12 ||
        arg_of_kind(step, ARG_TIMESPEC, 0) < TIMESPEC_NULL) {
        result->failed = true;
        return;
    }
    bool faults = arg_of_kind(step, ARG_BUFFER, BUFFER_GOOD) != BUFFER_GOOD;
    if (faults && ready_count(ready, file) > 0) {
        result->failed = true; /* EFAULT, and the event stays */
        return;
    }
    struct ready_actor asleep = {
        .sleep = SLEEP_WAIT, .file = file, .count = room, .faults = faults};
    result->events = ready_harvest(ready, file, room);
    if (result->events == 0 && step_may_block(step))
        fall_asleep(ready, step, index, asleep, result);
}

static void step_poll(struct ready *ready, const struct step *step, unsigned index,
                      struct ready_result *result)
{
    int file = world_file_of_arg(&ready->world, step, 0);
    /* poll's bits and epoll's are the same numbers; select looks for reading. */
    uint32_t mask = (uint32_t)arg_of_kind(step, ARG_POLL_EVENTS, EPOLLIN | EPOLLRDNORM);

    if (file == WORLD_FILE_NONE) {
        result->failed = step->op != OP_POLL; /* poll reports POLLNVAL, select EBADF */
        return;
    }
    if (ready_look(ready, file, mask) == 0 && step_may_block(step))
        fall_asleep(ready, step, index,
                    (struct ready_actor){.sleep = SLEEP_POLL, .file = file, .mask = mask}, result);
}

static bool actor_ended(const struct ready *ready, int actor)
{
    const struct world *world = &ready->world;

    return world->program->actors[actor].kind == ACTOR_PROCESS ? !world->processes[actor].alive
                                                               : !world->actors_alive[actor];
}

static void step_reap(struct ready *ready, const struct step *step, unsigned index,
                      struct ready_result *result)
{
    int actor = (int)step->args[0];

    if (ready->reaped[actor]) {
        result->failed = true; /* ECHILD, ESRCH */
        return;
    }
    ready->reaped[actor] = actor_ended(ready, actor);
    if (!ready->reaped[actor] && step_may_block(step))
        fall_asleep(ready, step, index, (struct ready_actor){.sleep = SLEEP_ACTOR, .actor = actor},
                    result);
}

/* Looks whether a sleeper can go on, and does what it does then. Returns true if it woke. */
static bool try_wake(struct ready *ready, unsigned index)
{
    struct ready_actor *actor = &ready->actors[index];
    uint64_t left;
    bool awake = false;

    switch (actor->sleep) {
    case SLEEP_NONE:
        return false;
    case SLEEP_WAIT:
        awake = actor->faults ? ready_count(ready, actor->file) > 0
                              : ready_harvest(ready, actor->file, actor->count) > 0;
        break;
    case SLEEP_POLL:
        awake = ready_look(ready, actor->file, actor->mask) != 0;
        break;
    case SLEEP_READ:
        awake = do_read(ready, actor->file, (uint64_t)actor->count) != IO_WOULD_BLOCK;
        break;
    case SLEEP_WRITE: {
        enum io_result io = do_write(ready, actor->file, (uint64_t)actor->count, &left);
        awake = io == IO_FAILED || (io == IO_DONE && left == 0);
        actor->count = (int64_t)left;
        break;
    }
    case SLEEP_ACTOR:
        awake = actor_ended(ready, actor->actor);
        ready->reaped[actor->actor] |= awake;
        break;
    }
    if (awake)
        *actor = (struct ready_actor){.sleep = SLEEP_NONE};
    return awake;
}

/* The sleeper to try next: the latest one, as 6.18 wakes the waiters of an instance. -1 if all were
 * tried. */
static int next_sleeper(const struct ready *ready, uint32_t tried)
{
    int next = -1;

    for (unsigned i = 0; i < ready->world.program->nactors; i++) {
        if (ready->actors[i].sleep == SLEEP_NONE || (tried & (1u << i)) != 0)
            continue;
        if (next < 0 || ready->actors[i].since > ready->actors[next].since)
            next = (int)i;
    }
    return next;
}

/* Sleepers go on until nothing changes. Returns how many woke. */
static unsigned settle(struct ready *ready)
{
    unsigned woken = 0;
    uint32_t tried = 0;

    for (unsigned i = 0; i < ready->world.program->nactors; i++) {
        if (!ready->world.actors_alive[i])
            ready->actors[i] = (struct ready_actor){.sleep = SLEEP_NONE};
    }
    ready_release_files(ready);
    for (;;) {
        int index = next_sleeper(ready, tried);
        if (index < 0)
            return woken;
        tried |= 1u << index;
        enum ready_sleep sleep = ready->actors[index].sleep;
        if (!try_wake(ready, (unsigned)index))
            continue;
        woken++;
        ready->woken += sleep == SLEEP_WAIT || sleep == SLEEP_POLL;
        ready_release_files(ready); /* it may have held the last reference */
        tried = 0;
    }
}

static bool is_instance(const struct ready *ready, int file)
{
    return ready->world.files[file].kind == FILE_EPOLL;
}

/* Marks every instance that nesting connects with `instance`. */
static void mark_component(const struct ready *ready, int instance, uint8_t marks[WORLD_FILES_MAX])
{
    bool grown = true;

    memset(marks, 0, WORLD_FILES_MAX);
    marks[instance] = 1;
    while (grown) {
        grown = false;
        for (unsigned i = 0; i < ready->nitems; i++) {
            const struct ready_item *item = &ready->items[i];
            if (!is_instance(ready, item->file) || marks[item->file] == marks[item->instance])
                continue;
            marks[item->file] = marks[item->instance] = 1;
            grown = true;
        }
    }
}

static bool component_watches(const struct ready *ready, const uint8_t marks[WORLD_FILES_MAX],
                              int file)
{
    for (unsigned i = 0; i < ready->nitems; i++) {
        if (ready->items[i].file == file && marks[ready->items[i].instance])
            return true;
    }
    return false;
}

static unsigned count_items(const struct ready *ready, int instance)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ready->nitems; i++)
        count += ready->items[i].instance == instance || ready->items[i].file == instance;
    return count;
}

enum conflict {
    CONFLICT_NONE,
    CONFLICT_SHARED, /* two waits on one instance, which has one registration: the kernel's order is
                        fixed */
    CONFLICT_RACE,
};

/* Whether one step could wake both sleepers and leave it to chance which of them sees what. */
static enum conflict sleepers_conflict(const struct ready *ready, const struct ready_actor *a,
                                       const struct ready_actor *b)
{
    uint8_t marks[WORLD_FILES_MAX];
    bool a_instance = is_instance(ready, a->file);
    bool b_instance = is_instance(ready, b->file);

    /* Looking takes nothing away from another who looks. */
    if (a->sleep == SLEEP_POLL && b->sleep == SLEEP_POLL)
        return CONFLICT_NONE;
    if (!a_instance && !b_instance)
        return a->file == b->file || ready->world.files[a->file].peer == b->file ? CONFLICT_RACE
                                                                                 : CONFLICT_NONE;
    if (a_instance != b_instance) {
        int plain = a_instance ? b->file : a->file;
        int peer = ready->world.files[plain].peer;
        mark_component(ready, a_instance ? a->file : b->file, marks);
        return component_watches(ready, marks, plain) ||
                       (peer >= 0 && component_watches(ready, marks, peer))
                   ? CONFLICT_RACE
                   : CONFLICT_NONE;
    }
    if (a->file == b->file && a->sleep == SLEEP_WAIT && b->sleep == SLEEP_WAIT &&
        count_items(ready, a->file) <= 1)
        return CONFLICT_SHARED;
    mark_component(ready, a->file, marks);
    return marks[b->file] ? CONFLICT_RACE : CONFLICT_NONE;
}

static enum conflict find_conflict(const struct ready *ready)
{
    unsigned nactors = ready->world.program->nactors;
    enum conflict worst = CONFLICT_NONE;

    for (unsigned i = 0; i < nactors; i++) {
        const struct ready_actor *a = &ready->actors[i];
        if (a->sleep == SLEEP_NONE || a->sleep == SLEEP_ACTOR)
            continue;
        for (unsigned j = i + 1; j < nactors; j++) {
            const struct ready_actor *b = &ready->actors[j];
            if (b->sleep == SLEEP_NONE || b->sleep == SLEEP_ACTOR)
                continue;
            enum conflict conflict = sleepers_conflict(ready, a, b);
            worst = conflict > worst ? conflict : worst;
        }
    }
    return worst;
}

/* True if the kernel promises less about nesting this deep than one version shows. */
static bool nests_too_deep(const struct ready *ready, int instance, int file)
{
    unsigned depth = 1;
    int at[2] = {instance, file};

    /* Follows one chain up and one down: with loops refused, no chain is longer than the number of
     * items. */
    for (unsigned way = 0; way < 2; way++) {
        for (unsigned i = 0; i < ready->nitems; i++) {
            const struct ready_item *item = &ready->items[i];
            if (!is_instance(ready, item->file))
                continue;
            if (way == 0 ? item->file == at[0] : item->instance == at[1]) {
                at[way] = way == 0 ? item->instance : item->file;
                depth++;
                i = UINT32_MAX; /* from the start with the next link */
            }
        }
    }
    return depth > 3;
}

/* Steps that the sketch cannot carry out, or that mean something else on another kernel. */
static bool step_is_beyond(const struct ready *ready, const struct step *step)
{
    /* poll(2) passes over a negative descriptor, and sleeps for ever. */
    if (step->op == OP_POLL && step_may_block(step) && world_number(&ready->world, step, 0) < 0)
        return true;
    if (op_table[step->op].effect != EFFECT_CTL || step->args[1] != EPOLL_CTL_ADD)
        return false;
    if (ready->nitems == READY_ITEMS_MAX)
        return true;
    int instance = world_file_of_arg(&ready->world, step, 0);
    int file = world_file_of_arg(&ready->world, step, 2);
    return is_instance(ready, file) && nests_too_deep(ready, instance, file);
}

static void apply_effect(struct ready *ready, const struct step *step, unsigned index,
                         struct ready_result *result)
{
    switch (op_table[step->op].effect) {
    case EFFECT_CTL:
        step_ctl(ready, step);
        break;
    case EFFECT_IO:
        step_io(ready, step, index, result);
        break;
    case EFFECT_WAIT:
        step_wait(ready, step, index, result);
        break;
    case EFFECT_POLL:
        step_poll(ready, step, index, result);
        break;
    case EFFECT_WAITPID:
    case EFFECT_JOIN:
        step_reap(ready, step, index, result);
        break;
    default:
        break;
    }
}

static unsigned count_released(const struct ready *ready)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ready->world.nfiles; i++)
        count += ready->files[i].released;
    return count;
}

/*
 * Two wakeups of one sleeper in one step, or one beside several files that go away: whether it runs
 * in between is the scheduler's choice. `before` holds the sleepers from before the step.
 */
static bool wakes_twice(const struct ready *ready, const struct ready_actor *before,
                        unsigned nactors, unsigned released)
{
    for (unsigned i = 0; i < nactors; i++) {
        if (before[i].sleep == SLEEP_NONE || before[i].sleep == SLEEP_ACTOR)
            continue;
        unsigned callbacks = ready->files[before[i].file].callbacks;
        if (callbacks > 1 || (callbacks == 1 && released > 1))
            return true;
    }
    return false;
}

void ready_step(struct ready *ready, unsigned index, struct ready_result *ret_result)
{
    const struct program *program = ready->world.program;
    const struct step *step = &program->steps[index];
    struct ready_result result = {.failed = false};
    struct ready_actor before[PROGRAM_ACTORS_MAX];
    struct world_outcome outcome;
    unsigned nactors = program->nactors;
    unsigned old_files = ready->world.nfiles;

    assert(ready_actor_free(ready, step->actor));
    memcpy(before, ready->actors, sizeof(before));
    unsigned released = count_released(ready);
    for (unsigned i = 0; i < ready->world.nfiles; i++)
        ready->files[i].callbacks = 0;
    world_predict(&ready->world, index, &outcome);
    result.failed = outcome.ret < 0;
    if (!result.failed && step_is_beyond(ready, step)) {
        result.racy = true;
        *ret_result = result;
        return;
    }
    if (!result.failed)
        apply_effect(ready, step, index, &result);
    world_apply(&ready->world, index, &outcome);
    for (unsigned i = old_files; i < ready->world.nfiles; i++)
        init_file(ready, step, (int)i);
    result.woken = settle(ready);
    released = count_released(ready) - released;
    enum conflict conflict = find_conflict(ready);
    result.shared = conflict == CONFLICT_SHARED;
    result.racy = conflict == CONFLICT_RACE || wakes_twice(ready, before, nactors, released);
    *ret_result = result;
}
