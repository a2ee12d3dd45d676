/*
 * The world of a program: which open file description each number of each process names, and which
 * descriptions each epoll instance has registered. It is driven step by step with outcomes: those
 * of a recorded run, or those that the model (oracle/model) computes. It knows none of the kernel's
 * rules about what a call comes to, only what it leaves behind.
 */
#ifndef EPDIFF_PROGRAM_WORLD_H
#define EPDIFF_PROGRAM_WORLD_H

#include "fuzz/program/program.h"

enum {
    WORLD_FILES_MAX = PROGRAM_SLOTS_MAX + 1,
    WORLD_ITEMS_MAX = PROGRAM_STEPS_MAX,
    WORLD_FLIGHTS_MAX = PROGRAM_STEPS_MAX,
    WORLD_FILE_NONE = -1,
    WORLD_STEP_NONE = -1,
    WORLD_TABLE_NONE = -1,
};

/* What a step let its actor see, as far as the world needs it. */
struct world_outcome {
    int64_t ret; /* -1: failed. fork and pthread_create: 0 if the actor lives */
    int err;
    int fds[PROGRAM_OUTS_MAX]; /* numbers of the out slots, -1 if none */
};

/* An open file description. */
struct world_file {
    enum file_kind kind;
    int born;         /* step that opened it */
    int out;          /* which out of that step */
    int peer;         /* the other end of a pipe or connection, or WORLD_FILE_NONE */
    int refs;         /* numbers of all processes that name it, and messages that hold it */
    int queued_on;    /* the listening socket that has yet to accept this one, or WORLD_FILE_NONE */
    unsigned unread;  /* bytes (or messages) that this socket has sent and its peer has not read */
    bool unix_socket; /* of family AF_UNIX */
    bool messages;    /* a socket that keeps messages apart */
};

/* A description on its way over a Unix socket. */
struct world_flight {
    int16_t file;   /* WORLD_FILE_NONE: it has arrived, or is lost */
    int16_t from;   /* the socket that sent it; who receives it is that one's peer */
    unsigned ahead; /* bytes (or messages) to be read before its own */
};

/* An entry of an interest list. */
struct world_item {
    bool live;
    int instance; /* file index of the epoll instance */
    int number;   /* fd number given to epoll_ctl */
    int file;     /* file index of the target */
    uint32_t events;
    int added;      /* step of the ADD */
    int registered; /* step of the ADD or the last MOD: the data that its events carry */
};

/* What a process does about SIGUSR1; for CTL the call as sigaction was given it. */
struct world_handler {
    int kind; /* HANDLER_ */
    int epfd, op, number;
    int64_t event;
};

struct world_process {
    bool alive;
    struct world_handler handler;
};

/* A table of descriptors. The threads of a process share one until a thread unshares it. */
struct world_table {
    unsigned users;                        /* living actors; a table without any is free */
    int files[PROGRAM_FD_LIMIT];           /* number -> file index or WORLD_FILE_NONE */
    uint8_t cloexec[PROGRAM_FD_LIMIT / 8]; /* a bit a number: execve(2) closes it */
};

struct world {
    const struct program *program;
    int slots[PROGRAM_SLOTS_MAX]; /* number, -1 when unbound or failed */
    struct world_process
        processes[PROGRAM_ACTORS_MAX]; /* by the index of the process's main actor */
    struct world_table tables[PROGRAM_ACTORS_MAX];
    /* An index of `tables`, or WORLD_TABLE_NONE. An actor that has ended keeps that of its fellows
     * as long as there are any: a process whose main thread has left is still known by it. */
    int actor_tables[PROGRAM_ACTORS_MAX];
    bool actors_alive[PROGRAM_ACTORS_MAX];
    unsigned nfiles;
    struct world_file files[WORLD_FILES_MAX];
    unsigned nitems;
    struct world_item items[WORLD_ITEMS_MAX];
    unsigned nflights;
    struct world_flight flights[WORLD_FLIGHTS_MAX];
};

/* Process main with numbers 0, 1 and 2 taken by /dev/null. Keeps a pointer to `program`. */
void world_init(struct world *ret_world, const struct program *program);

/* The number that an fd argument stands for now: the slot's number or the literal. */
int world_number(const struct world *world, const struct step *step, unsigned arg);

/* The table of an actor, or NULL if nobody has it any more. */
const struct world_table *world_table_of(const struct world *world, unsigned actor);

/* The file that `number` names for `actor`, or WORLD_FILE_NONE. */
int world_file_of(const struct world *world, unsigned actor, int number);

/* The file that argument `arg` of the step names for the step's actor now, or WORLD_FILE_NONE. */
int world_file_of_arg(const struct world *world, const struct step *step, unsigned arg);

/* True if `number` is open for the actor and execve(2) closes it. */
bool world_cloexec(const struct world *world, unsigned actor, int number);

/* Index of the live item (instance, number, file), or -1. */
int world_find_item(const struct world *world, int instance, int number, int file);

/* Applies a step with its outcome. A step by a dead actor changes nothing. */
void world_apply(struct world *world, unsigned step, const struct world_outcome *outcome);

/*
 * Applies what the handler that tgkill step `step` has run did; its epoll_ctl returned `ret`. Not
 * part of world_apply, for a signal can be handled later than it is sent.
 */
void world_apply_handler(struct world *world, unsigned step, int64_t ret);

/* Applies that an actor was cancelled. */
void world_end_thread(struct world *world, unsigned actor);

#endif
