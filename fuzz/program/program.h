/*
 * A program: a finite list of steps, each one operation by one actor on named slots.
 *
 * struct program is plain data without pointers, so that it can be copied into the memory that the
 * executor shares with the program's processes. What people add to it in a file (name, origin,
 * expectations) is struct document.
 */
#ifndef EPDIFF_PROGRAM_PROGRAM_H
#define EPDIFF_PROGRAM_PROGRAM_H

#include "fuzz/program/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What kind of file a descriptor names. SAME: that of the descriptor duplicated. */
enum file_kind {
    FILE_NONE,
    FILE_SAME,
    FILE_EPOLL,
    FILE_PIPE_READ,
    FILE_PIPE_WRITE,
    FILE_SOCKET,
    FILE_EVENTFD,
    FILE_PATH,     /* open(2) of /dev/null or of a regular file: no poll method, EPERM */
    FILE_REGULAR,  /* memfd: the same */
    FILE_FOLDER,   /* opendir: the same */
    FILE_LISTENER, /* a listening socket */
    FILE_TIMERFD,
    FILE_SIGNALFD,
    FILE_INOTIFY,
    FILE_ACTOR, /* not a file: the operation binds an actor */
    FILE_KINDS,
};

/* Swarm features. A generated program has a random subset of them; CORE it always has. */
enum op_group {
    GROUP_CORE,
    GROUP_PWAIT,
    GROUP_POLL,
    GROUP_DOORS, /* ways to close other than close(2) */
    GROUP_DUP,
    GROUP_SOCKETS,
    GROUP_FILES,
    GROUP_FORK,
    GROUP_THREADS,
    GROUP_EXEC,
    GROUP_SIGNALS,
    GROUP_RIGHTS,  /* descriptors sent over sockets */
    GROUP_SPECIAL, /* timerfd, signalfd, inotify */
    GROUP_TABLE,   /* flags of descriptors and limits of the table */
    GROUPS,
};

enum op_effect {
    EFFECT_OPEN,        /* every out slot is a new open file description */
    EFFECT_DUP,         /* out 0 is another number of the description that argument 0 names */
    EFFECT_DUP_OVER,    /* the same, over the number that argument 1 names */
    EFFECT_CLOSE,       /* closes the one descriptor among its arguments */
    EFFECT_CLOSE_RANGE, /* closes the numbers from argument 0 to argument 1 */
    EFFECT_CLOSE_FROM,  /* closes the numbers from argument 0 on */
    EFFECT_CTL,
    EFFECT_WAIT, /* hands out events of the instance of argument 0 */
    EFFECT_POLL, /* looks at argument 0 by other means */
    EFFECT_IO,   /* changes what argument 0 and its peer are ready for */
    EFFECT_FORK,
    EFFECT_EXIT, /* the process ends */
    EFFECT_WAITPID,
    EFFECT_THREAD,
    EFFECT_THREAD_EXIT,
    EFFECT_JOIN,
    EFFECT_FLUSH, /* the subject's own: nothing that the kernel or the world knows of */
    EFFECT_UNSHARE,
    EFFECT_CANCEL,
    EFFECT_CANCEL_TYPE,
    EFFECT_EXEC,
    EFFECT_SPAWN, /* binds the actor of a new process, in a new program */
    EFFECT_SIGACTION,
    EFFECT_SIGNAL,  /* a signal to an actor, who handles it */
    EFFECT_SEND_FD, /* the description that argument 1 names goes over socket argument 0 */
    EFFECT_RECV_FD, /* out 0 is a number of what came over socket argument 0 */
    EFFECT_SETFD,   /* sets the close-on-exec flag of argument 0 */
    EFFECT_LIMIT,   /* sets how many numbers the process can have */
    EFFECT_RAISE,   /* a signal to an actor, for whom it stays pending */
};

enum block_rule {
    BLOCK_NEVER,
    BLOCK_ALWAYS,  /* whenever the descriptor makes it */
    BLOCK_TIMEOUT, /* when the argument `block_arg` is negative: for ever */
    BLOCK_OPTION,  /* unless the argument `block_arg` says WNOHANG */
    BLOCK_JOIN,    /* in futex, on the joined thread's own word */
};

enum arg_shape {
    ARG_SHAPE_FD,
    ARG_SHAPE_ACTOR,
    ARG_SHAPE_ENUM,
    ARG_SHAPE_MASK,
    ARG_SHAPE_INT,
};

enum arg_kind {
    ARG_NONE,
#define ARG(kind, shape, vocabulary, values, doc) ARG_##kind,
#include "fuzz/program/args.def"
#undef ARG
    ARG_KINDS,
};

enum op_id {
#define OP(id, ...) OP_##id,
#include "fuzz/program/ops.def"
#undef OP
    OPS,
};

struct op_out {
    char letter; /* first letter of a generated slot name */
    enum file_kind kind;
};

/* One row of the table of operations (ops.def). */
struct op_info {
    const char *id;   /* "EPOLL_CTL" */
    const char *text; /* "epoll_ctl" */
    const char *doc;
    enum op_group group;
    unsigned weight;
    enum op_effect effect;
    enum block_rule block;
    unsigned block_arg;
    unsigned nblock_syscalls;
    long
        block_syscalls[4]; /* in which the step counts as blocked; SYS_read is 0, so none ends it */
    unsigned nouts;
    struct op_out outs[PROGRAM_OUTS_MAX];
    unsigned nargs;      /* all of them */
    unsigned nargs_must; /* those that text must give */
    enum arg_kind args[PROGRAM_ARGS_MAX];
};

extern const struct op_info op_table[OPS];

/* A word of a vocabulary and what it stands for. */
struct arg_word {
    const char *word;
    int64_t value;
};

/* One row of the table of argument kinds (args.def). */
struct arg_info {
    const char *id;
    const char *doc;
    enum arg_shape shape;
    const struct arg_word *words; /* terminated by a null word */
    const int64_t *values;        /* for FD: literal numbers to use beside the slots */
    unsigned nvalues;
};

extern const struct arg_info arg_table[ARG_KINDS];

/* Values that are no number in C text. The executor turns them into pointers. */
enum {
    EVENT_NULL = -1,   /* epoll_ctl's event is a null pointer */
    EVENT_BADPTR = -2, /* … points to unmapped memory */
    TIMESPEC_NULL = -1,
    TIMESPEC_BADTS = -2, /* tv_nsec out of range */
    TIMESPEC_BADPTR = -3,
    SIGMASK_NULL = 0,
    SIGMASK_EMPTY = 1,
    SIGMASK_FULL = 2,
    BUFFER_GOOD = 0,
    BUFFER_NULL = 1,
    BUFFER_BADPTR = 2,
    PATH_NULL = 0,   /* "/dev/null" */
    PATH_EXE = 1,    /* "/proc/self/exe" */
    FOLDER_ROOT = 0, /* "/" */
    TIMER_DISARMED = 0,
    TIMER_EXPIRED = 1, /* an absolute time in the past: it expires at once */
    EXEC_SELF = 0,     /* "/proc/thread-self/exe" */
    EXEC_NULL = 1,
    EXEC_MISSING = 2,
    HANDLER_IGNORE = 0, /* what every process has at first */
    HANDLER_RETURN = 1,
    HANDLER_CTL = 2,
    HANDLER_LONGJMP = 3,
};

enum arg_tag {
    TAG_INT,   /* value is the value */
    TAG_SLOT,  /* value is a slot's index */
    TAG_ACTOR, /* value is an actor's index */
};

struct step {
    uint8_t op;                     /* enum op_id */
    uint8_t actor;                  /* index of the actor that does it; 0 is main */
    uint8_t outs[PROGRAM_OUTS_MAX]; /* slot indices, or the actor's index for FILE_ACTOR */
    uint8_t tags[PROGRAM_ARGS_MAX]; /* enum arg_tag */
    int64_t args[PROGRAM_ARGS_MAX];
    uint32_t line; /* of the text it came from, 0 if it came from elsewhere */
    /* The parallel block it stands in, 0 for none. Blocks are contiguous and count from 1 on. */
    uint8_t block;
};

struct program_slot {
    char name[PROGRAM_NAME_MAX + 1];
};

enum actor_kind {
    ACTOR_MAIN,
    ACTOR_THREAD,
    ACTOR_PROCESS,
};

struct program_actor {
    char name[PROGRAM_NAME_MAX + 1];
    uint8_t kind;    /* enum actor_kind */
    uint8_t process; /* index of the actor that is the main thread of its process */
    uint8_t parent;  /* the actor that started it */
    uint16_t born;   /* the step that starts it; 0 for main */
};

struct program {
    uint16_t nsteps;
    uint8_t nslots;
    uint8_t nactors;
    struct program_actor actors[PROGRAM_ACTORS_MAX];
    struct program_slot slots[PROGRAM_SLOTS_MAX];
    struct step steps[PROGRAM_STEPS_MAX];
};

/* Steps count from 1 wherever people see them, and epoll_data is that number. */
static inline unsigned step_number(unsigned index)
{
    return index + 1;
}

/* Makes *ret_program the empty program: one actor, main. Cannot fail. */
void program_init(struct program *ret_program);

/*
 * Appends a step by `actor` of operation `op`, with new slots or a new actor for what it binds, all
 * arguments 0. The caller fills in tags and args. Returns the step, which the program owns, or NULL
 * if a limit is reached.
 */
struct step *program_append(struct program *program, enum op_id op, unsigned actor);

/* Finds an operation by its text name of `length` characters. Returns its id or -1. */
int op_find(const char *text, size_t length);

/* The slot's or actor's index by name of `length` characters, or -1. */
int program_find_slot(const struct program *program, const char *name, size_t length);
int program_find_actor(const struct program *program, const char *name, size_t length);

/* The kind of file that a slot is bound to, for a duplicate that of its original; FILE_NONE if the
 * steps do not say. */
enum file_kind program_slot_kind(const struct program *program, unsigned slot);

/* True if the step may sleep in the kernel without a bound, by its arguments alone. */
bool step_may_block(const struct step *step);

/* True if an actor that sleeps in system call `number` sleeps in this operation's own call. */
bool op_sleeps_in(const struct op_info *op, long number);

/* True if the operation binds the actor of a new process, and not of a thread. */
bool op_starts_process(const struct op_info *op);

/* The index of the argument that names the descriptor acted on (closed, read, waited on), or -1. */
int op_fd_arg(const struct op_info *op);

/*
 * True if both have the same steps, slots and actors (line numbers aside).
 */
bool program_equal(const struct program *a, const struct program *b);

/* True if both do the same: operations, actors and arguments, whatever slots and actors are called
 * and whatever blocks the steps stand in. */
bool program_same_steps(const struct program *a, const struct program *b);

/* True for the words that begin a header line of the text form: no slot or actor has such a name.
 */
bool name_is_reserved(const char *text, size_t length);

/* True if `actor` is what an argument of a kind that names actors can name. */
bool program_actor_fits(const struct program *program, unsigned actor, enum arg_kind kind);

/*
 * Why argument `index` of the step cannot have its tag and value when the first `slots_bound` slots
 * and `actors_born` actors exist, or NULL if it can.
 */
const char *step_check_arg(const struct program *program, const struct step *step, unsigned index,
                           unsigned slots_bound, unsigned actors_born);

/*
 * Checks what every program must hold: arguments within their kinds, slots and actors bound by an
 * earlier step, at most once, under names that text can say. Returns 0, or -EINVAL with one line
 * about the first fault in *ret_why (size bytes) and its step index in *ret_step: nsteps if no
 * single step is at fault, 0 for what stands before the steps.
 */
int program_check(const struct program *program, unsigned *ret_step, char *ret_why, size_t size);

/*
 * Writes the program that is left when the steps with drop[i] != 0 are removed, and with them every
 * step that uses a slot or an actor which only those bind. Returns 0. `program` and `ret_program`
 * must not be the same.
 */
int program_without(const struct program *program, const uint8_t drop[PROGRAM_STEPS_MAX],
                    struct program *ret_program);

#endif
