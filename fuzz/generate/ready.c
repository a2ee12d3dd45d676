/* Readiness: poll masks, wakeups and ready lists. */
#include "fuzz/generate/ready.h"

#include <assert.h>
#include <string.h>
#include <sys/epoll.h>

/* What ONESHOT leaves of a mask once it has fired, EP_PRIVATE_BITS of fs/eventpoll.c. */
#define PRIVATE_BITS                                                                               \
    ((uint32_t)EPOLLWAKEUP | (uint32_t)EPOLLONESHOT | (uint32_t)EPOLLET | (uint32_t)EPOLLEXCLUSIVE)
#define READABLE ((uint32_t)(EPOLLIN | EPOLLRDNORM))
#define WRITABLE ((uint32_t)(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND))

void ready_init(struct ready *ret_ready, const struct program *program)
{
    memset(ret_ready, 0, sizeof(*ret_ready));
    world_init(&ret_ready->world, program);
}

static void copy_world(struct world *to, const struct world *from, unsigned nactors,
                       unsigned nslots)
{
    to->program = from->program;
    memcpy(to->slots, from->slots, nslots * sizeof(to->slots[0]));
    memcpy(to->processes, from->processes, nactors * sizeof(to->processes[0]));
    /* Any of them can be free, and any in use. */
    memcpy(to->tables, from->tables, sizeof(to->tables));
    memcpy(to->actor_tables, from->actor_tables, sizeof(to->actor_tables));
    memcpy(to->actors_alive, from->actors_alive, nactors * sizeof(to->actors_alive[0]));
    to->nfiles = from->nfiles;
    memcpy(to->files, from->files, from->nfiles * sizeof(to->files[0]));
    to->nitems = from->nitems;
    memcpy(to->items, from->items, from->nitems * sizeof(to->items[0]));
}

void ready_copy(struct ready *to, const struct ready *from, unsigned nactors, unsigned nslots)
{
    assert(nactors <= PROGRAM_ACTORS_MAX && nslots <= PROGRAM_SLOTS_MAX);
    copy_world(&to->world, &from->world, nactors, nslots);
    /* Entries past nfiles are not cleared when a file is born, so they have to be zero: one step
     * opens two at most. */
    unsigned nfiles = from->world.nfiles + PROGRAM_OUTS_MAX;
    if (nfiles > WORLD_FILES_MAX)
        nfiles = WORLD_FILES_MAX;
    memcpy(to->files, from->files, nfiles * sizeof(to->files[0]));
    to->nitems = from->nitems;
    memcpy(to->items, from->items, from->nitems * sizeof(to->items[0]));
    memcpy(to->actors, from->actors, nactors * sizeof(to->actors[0]));
    to->queue_last = from->queue_last;
    memcpy(to->reaped, from->reaped, sizeof(to->reaped));
    to->woken = from->woken;
}

bool ready_actor_free(const struct ready *ready, unsigned actor)
{
    return ready->world.actors_alive[actor] && ready->actors[actor].sleep == SLEEP_NONE;
}

struct ready_item *ready_find_item(struct ready *ready, int instance, int number, int file)
{
    for (unsigned i = 0; i < ready->nitems; i++) {
        struct ready_item *item = &ready->items[i];
        if (item->instance == instance && item->number == number && item->file == file)
            return item;
    }
    return NULL;
}

uint64_t ready_socket_cost(const struct ready_file *reader)
{
    /* sk_buffs cost more than their bytes. */
    return reader->bytes + 1024u * (uint64_t)reader->nchunks;
}

/* pipe_write: what is over whole pages goes into the last page if it fits, the rest into new ones.
 */
uint64_t ready_fill_pipe(struct ready_file *reader, uint64_t count)
{
    uint64_t moved = 0;
    uint64_t odd = count % READY_PAGE;

    if (reader->nchunks > 0 && odd > 0 && reader->page_end + odd <= READY_PAGE) {
        reader->chunks[reader->nchunks - 1] += (uint32_t)odd;
        reader->page_end += (unsigned)odd;
        moved = odd;
    }
    while (moved < count && reader->nchunks < READY_CHUNKS_MAX) {
        uint64_t piece = count - moved < READY_PAGE ? count - moved : READY_PAGE;
        reader->chunks[reader->nchunks++] = (uint32_t)piece;
        reader->page_end = (unsigned)piece;
        moved += piece;
    }
    reader->bytes += moved;
    return moved;
}

static uint32_t poll_socket(const struct ready *ready, int file)
{
    const struct ready_file *state = &ready->files[file];
    int peer = ready->world.files[file].peer;
    uint32_t mask = 0;

    if (state->bytes > 0 || state->nchunks > 0)
        mask |= READABLE;
    if (state->read_shut)
        mask |= READABLE | (uint32_t)EPOLLRDHUP;
    if (state->read_shut && state->write_shut)
        mask |= (uint32_t)EPOLLHUP;
    /* unix_writable: a quarter of the buffer is the threshold, so one large write can clear
     * EPOLLOUT. */
    if (peer < 0 || ready_socket_cost(&ready->files[peer]) * 4 <= READY_SOCKET_COST)
        mask |= WRITABLE;
    return mask;
}

/* The item on the instance's ready list that comes next after place `after`, or -1. */
static int next_queued(const struct ready *ready, int instance, uint64_t after)
{
    int next = -1;

    for (unsigned i = 0; i < ready->nitems; i++) {
        const struct ready_item *item = &ready->items[i];
        if (item->instance == instance && item->queued > after &&
            (next < 0 || item->queued < ready->items[next].queued))
            next = (int)i;
    }
    return next;
}

static uint32_t poll_depth(const struct ready *ready, int file, uint32_t mask, unsigned depth);

/* What an item is ready for now; nothing once ONESHOT has fired. */
static uint32_t item_state(const struct ready *ready, const struct ready_item *item, unsigned depth)
{
    uint32_t mask = item->events & ~PRIVATE_BITS;

    if (mask == 0 && (item->events & (uint32_t)EPOLLONESHOT) != 0)
        return 0;
    return poll_depth(ready, item->file, mask, depth);
}

static uint32_t poll_instance(const struct ready *ready, int instance, unsigned depth)
{
    int next = next_queued(ready, instance, 0);

    if (depth > READY_NEST_MAX)
        return 0;
    while (next >= 0) {
        if (item_state(ready, &ready->items[next], depth + 1) != 0)
            return READABLE;
        next = next_queued(ready, instance, ready->items[next].queued);
    }
    return 0;
}

static uint32_t poll_depth(const struct ready *ready, int file, uint32_t mask, unsigned depth)
{
    const struct ready_file *state = &ready->files[file];
    const struct world_file *world_file = &ready->world.files[file];
    uint32_t found = 0;

    switch (world_file->kind) {
    case FILE_EPOLL:
        found = poll_instance(ready, file, depth);
        break;
    case FILE_PIPE_READ:
        found = (state->bytes ? READABLE : 0) | (state->peer_gone ? (uint32_t)EPOLLHUP : 0);
        break;
    case FILE_PIPE_WRITE:
        found = (ready->files[world_file->peer].nchunks < READY_CHUNKS_MAX ? WRITABLE : 0) |
                (state->peer_gone ? (uint32_t)EPOLLERR : 0);
        break;
    case FILE_SOCKET:
        found = poll_socket(ready, file);
        break;
    case FILE_EVENTFD:
        found = (state->bytes ? (uint32_t)EPOLLIN : 0) | (uint32_t)EPOLLOUT;
        break;
    default:
        found = READABLE | WRITABLE; /* poll(2) of a file without a poll method */
        break;
    }
    return found & (mask | (uint32_t)(EPOLLERR | EPOLLHUP));
}

uint32_t ready_poll(const struct ready *ready, int file, uint32_t mask)
{
    return poll_depth(ready, file, mask, 0);
}

uint32_t ready_look(struct ready *ready, int file, uint32_t mask)
{
    /* __ep_eventpoll_poll drops what is not ready, up to the first item that is. */
    if (ready->world.files[file].kind == FILE_EPOLL) {
        for (int next = next_queued(ready, file, 0); next >= 0;
             next = next_queued(ready, file, 0)) {
            struct ready_item *item = &ready->items[next];
            if (item_state(ready, item, 1) != 0)
                break;
            item->queued = 0;
        }
    }
    return ready_poll(ready, file, mask);
}

void ready_queue(struct ready *ready, struct ready_item *item)
{
    if (item->queued == 0)
        item->queued = ++ready->queue_last;
}

void ready_notify(struct ready *ready, int instance)
{
    ready->files[instance].callbacks++;
    ready_wake(ready, instance, READABLE);
}

/* True if the kernel's callback for an EXCLUSIVE item takes the whole wakeup for itself. */
static bool takes_wakeup(const struct ready *ready, const struct ready_item *item, uint32_t key)
{
    bool waited = false;

    for (unsigned i = 0; i < ready->world.program->nactors; i++)
        waited |= ready->actors[i].sleep == SLEEP_WAIT && ready->actors[i].file == item->instance;
    return waited && (key == 0 || (key & item->events & (uint32_t)(EPOLLIN | EPOLLOUT)) != 0);
}

/* Returns true if the wakeup is consumed. */
static bool wake_item(struct ready *ready, struct ready_item *item, uint32_t key)
{
    uint32_t watched = item->events | (uint32_t)(EPOLLERR | EPOLLHUP);

    if ((item->events & ~PRIVATE_BITS) == 0 && (item->events & (uint32_t)EPOLLONESHOT) != 0)
        return false;
    if (key != 0 && (key & watched) == 0)
        return false;
    ready_queue(ready, item);
    bool consumed =
        (item->events & (uint32_t)EPOLLEXCLUSIVE) != 0 && takes_wakeup(ready, item, key);
    ready_notify(ready, item->instance);
    return consumed;
}

void ready_wake(struct ready *ready, int file, uint32_t key)
{
    /* A file that the steps watch by other means than an interest list counts its wakeups as well.
     */
    if (ready->world.files[file].kind != FILE_EPOLL)
        ready->files[file].callbacks++;
    /* The wait queue holds plain entries in front, the latest first, and exclusive ones behind, in
     * order. */
    for (unsigned i = ready->nitems; i-- > 0;) {
        struct ready_item *item = &ready->items[i];
        if (item->file == file && (item->events & (uint32_t)EPOLLEXCLUSIVE) == 0)
            (void)wake_item(ready, item, key);
    }
    for (unsigned i = 0; i < ready->nitems; i++) {
        struct ready_item *item = &ready->items[i];
        if (item->file == file && (item->events & (uint32_t)EPOLLEXCLUSIVE) != 0 &&
            wake_item(ready, item, key))
            return;
    }
}

unsigned ready_count(const struct ready *ready, int instance)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ready->nitems; i++) {
        const struct ready_item *item = &ready->items[i];
        if (item->instance == instance && item->queued != 0 && item_state(ready, item, 1) != 0)
            count++;
    }
    return count;
}

unsigned ready_harvest(struct ready *ready, int instance, int64_t room)
{
    const uint32_t once = (uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT;
    uint64_t last = ready->queue_last; /* what stays is queued anew, behind */
    unsigned count = 0;
    int next = next_queued(ready, instance, 0);

    while (next >= 0 && (int64_t)count < room && ready->items[next].queued <= last) {
        struct ready_item *item = &ready->items[next];
        uint64_t place = item->queued;
        bool found = ready_look(ready, item->file, item->events & ~PRIVATE_BITS) != 0 &&
                     item_state(ready, item, 1) != 0;
        count += found;
        item->queued = 0;
        if (found && (item->events & once) == 0)
            ready_queue(ready, item);
        if (found && (item->events & (uint32_t)EPOLLONESHOT) != 0)
            item->events &= PRIVATE_BITS;
        next = next_queued(ready, instance, place);
    }
    return count;
}

static bool file_is_held(const struct ready *ready, int file)
{
    if (ready->world.files[file].refs > 0)
        return true;
    for (unsigned i = 0; i < ready->world.program->nactors; i++) {
        const struct ready_actor *actor = &ready->actors[i];
        if (actor->sleep != SLEEP_NONE && actor->sleep != SLEEP_ACTOR && actor->file == file)
            return true;
    }
    return false;
}

/* The last reference to `file` is gone: interest lists forget it, and its peer hears of it. */
static void release_file(struct ready *ready, int file)
{
    unsigned kept = 0;
    int peer = ready->world.files[file].peer;
    enum file_kind kind = ready->world.files[file].kind;

    ready->files[file].released = true;
    for (unsigned i = 0; i < ready->nitems; i++) {
        if (ready->items[i].file != file && ready->items[i].instance != file)
            ready->items[kept++] = ready->items[i];
    }
    ready->nitems = kept;
    if (peer < 0 || ready->files[peer].released)
        return;
    struct ready_file *other = &ready->files[peer];
    other->peer_gone = true;
    if (kind == FILE_SOCKET && other->datagram)
        return; /* a datagram socket does not learn that its peer is gone */
    if (kind == FILE_SOCKET) {
        other->read_shut = other->write_shut = true;
        /* Unread data that the closed end throws away frees the sender's room: a wakeup of its own.
         */
        if (ready->files[file].nchunks > 0)
            ready_wake(ready, peer, WRITABLE);
    }
    ready_wake(ready, peer, 0);
}

void ready_release_files(struct ready *ready)
{
    for (unsigned i = 0; i < ready->world.nfiles; i++) {
        if (!ready->files[i].released && !file_is_held(ready, (int)i))
            release_file(ready, (int)i);
    }
}
