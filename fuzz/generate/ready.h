/*
 * What the files of a program are ready for, as far as the generator needs to know it: which waits
 * would sleep, which step wakes whom, and which steps the kernel itself does not answer the same
 * way twice.
 *
 * It is a sketch of the kernel, not the model: a guess that is wrong costs a step that its blocked
 * actor skips, never a wrong verdict, because nothing here is ever compared with a run.
 */
#ifndef EPDIFF_GENERATE_READY_H
#define EPDIFF_GENERATE_READY_H

#include "fuzz/program/world.h"

enum {
    READY_ITEMS_MAX = 96,  /* live registrations; a step that would pass it counts as racy */
    READY_CHUNKS_MAX = 16, /* messages that a socket's queue is told apart by; pages of a pipe */
    READY_NEST_MAX = 5,
    READY_PAGE = 4096,
    READY_SOCKET_COST = 212992, /* default SO_SNDBUF */
};

/* What waits in a file for its reader. */
struct ready_file {
    bool released;   /* the last reference is gone */
    bool datagram;   /* socket of type SOCK_DGRAM */
    bool semaphore;  /* eventfd */
    bool read_shut;  /* no more data will come */
    bool write_shut; /* no more data can be sent */
    bool peer_gone;  /* the other end is closed */
    unsigned
        callbacks;     /* that the current step caused here: on an instance, its waiters' wakeups */
    uint64_t bytes;    /* readable; an eventfd's counter */
    bool readonly;     /* opened by path, without the right to write */
    unsigned page_end; /* of a pipe: how far its last page is filled */
    unsigned nchunks;  /* messages of a socket, pages of a pipe */
    uint32_t chunks[READY_CHUNKS_MAX];
};

/* An entry of an interest list with what the kernel keeps beside the mask. */
struct ready_item {
    int instance;
    int number;
    int file;
    uint32_t events;
    uint64_t queued; /* place on the instance's ready list, 0 if it is not on it */
};

enum ready_sleep {
    SLEEP_NONE,
    SLEEP_WAIT,  /* in epoll_wait on instance `file` */
    SLEEP_POLL,  /* in poll or select on `file` for `mask` */
    SLEEP_READ,  /* in read of `file` */
    SLEEP_WRITE, /* in write to `file` */
    SLEEP_ACTOR, /* in waitpid or pthread_join of `actor` */
};

struct ready_actor {
    enum ready_sleep sleep;
    int file;
    int actor;
    uint32_t mask;
    int64_t count; /* bytes to read or write, or room for events */
    bool faults;   /* events cannot be handed out: the buffer is bad */
    unsigned since;
};

struct ready {
    struct world world;
    struct ready_file files[WORLD_FILES_MAX];
    unsigned nitems;
    struct ready_item items[READY_ITEMS_MAX]; /* in order of their ADDs */
    uint64_t queue_last;                      /* the last place given out */
    struct ready_actor actors[PROGRAM_ACTORS_MAX];
    bool reaped[PROGRAM_ACTORS_MAX]; /* by waitpid or pthread_join */
    unsigned woken;                  /* waits that a later step ended, so far */
};

/* What a step came to. */
struct ready_result {
    bool failed;     /* it returned -1, for all that is known */
    bool sleeps;     /* its actor is asleep in it */
    bool racy;       /* what the waiters see is not the same in every run */
    bool shared;     /* two waits sleep on one instance with a single registration */
    unsigned woken;  /* actors that it woke */
    unsigned events; /* that it handed out */
};

void ready_init(struct ready *ret_ready, const struct program *program);

/* Copies only what the first steps of a program can have touched: a whole struct is fifty times as
 * large. */
void ready_copy(struct ready *to, const struct ready *from, unsigned nactors, unsigned nslots);

/* Carries out a step of the world's program. */
void ready_step(struct ready *ready, unsigned step, struct ready_result *ret_result);

/* What poll(2) would report of a file, for the bits in `mask` and EPOLLERR and EPOLLHUP. */
uint32_t ready_poll(const struct ready *ready, int file, uint32_t mask);

/* How many events a wait on the instance would hand out now. */
unsigned ready_count(const struct ready *ready, int instance);

/* True if the actor lives and is not asleep. */
bool ready_actor_free(const struct ready *ready, unsigned actor);

/* The item (instance, number, file), or NULL. */
struct ready_item *ready_find_item(struct ready *ready, int instance, int number, int file);

/* --- What ready.c and ready_step.c share. --- */

/* Wakes what watches `file`, as the kernel's wait queue does. `key` 0 means every mask. */
void ready_wake(struct ready *ready, int file, uint32_t key);

/* Wakes the waiters and the watchers of an instance. */
void ready_notify(struct ready *ready, int instance);

/* ready_poll by a step: polling an instance takes what is no longer ready off its ready list. */
uint32_t ready_look(struct ready *ready, int file, uint32_t mask);

/* Puts an item at the end of its instance's ready list, unless it is on it. */
void ready_queue(struct ready *ready, struct ready_item *item);

/* Hands out up to `room` events as epoll_wait does, and consumes them. Returns how many. */
unsigned ready_harvest(struct ready *ready, int instance, int64_t room);

/* Releases every file whose last reference is gone and that no sleeping actor holds. */
void ready_release_files(struct ready *ready);

/* Moves up to `count` bytes into a pipe's pages, as pipe_write does. Returns how many. */
uint64_t ready_fill_pipe(struct ready_file *reader, uint64_t count);

/* What a sender's socket is charged for the messages that wait in `reader`. */
uint64_t ready_socket_cost(const struct ready_file *reader);

#endif
