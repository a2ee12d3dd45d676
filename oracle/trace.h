/*
 * A trace: what one run of a program let its actors see, step by step. The executor records it, the
 * oracle judges it.
 */
#ifndef EPDIFF_ORACLE_TRACE_H
#define EPDIFF_ORACLE_TRACE_H

#include "fuzz/program/program.h"
#include "fuzz/program/world.h"

enum {
    TRACE_ITEMS_MAX = 8192,     /* interest-list entries of one trace, all snapshots together */
    TRACE_SNAPSHOTS_MAX = 4096, /* snapshots of one trace */
    TRACE_FDS_MAX = 512,        /* entries of all final fd tables */
    TRACE_CARRIED_MAX = 512,    /* epoll_ctl calls that reached the kernel */
    TRACE_NEVER = -1,
    TRACE_STILL_ALIVE = INT32_MAX, /* result of a waitpid with WNOHANG on a living child */
    TRACE_JUMPED = INT32_MIN,      /* result of a step that a handler left by siglongjmp */
    TRACE_ACTOR_UNKNOWN = 255,
};

enum step_state {
    STEP_NOT_REACHED, /* the run ended (hang, crash of main) before its turn */
    STEP_SKIPPED,     /* its actor was blocked in an earlier step, dead, or never born */
    STEP_DONE,        /* it returned; completed_at says during which step */
    STEP_BLOCKED,     /* it was asleep in its own call when the run ended */
    STEP_DIED, /* its process or thread ended inside it: exit, _exit, pthread_exit, or a crash */
    STEP_HUNG, /* it was stuck inside the subject when the watchdog fired */
};

struct trace_event {
    uint32_t events;
    uint64_t data; /* number of the step (from 1) that registered it */
};

struct trace_step {
    uint8_t state;        /* enum step_state */
    bool blocked;         /* it was seen asleep in its own call, whether it returned later or not */
    int16_t completed_at; /* index of the step during which it returned, TRACE_NEVER otherwise */
    int64_t ret;          /* as the C call; fork and pthread_create: 0 for success */
    int err; /* errno after the call, 0 if the call left it alone (it is set to 0 before) */
    int fds[PROGRAM_OUTS_MAX];
    /*
     * In a parallel block: where its call and its return stand in the one order of all calls and
     * returns of the run, from 1 on; 0 outside. The call was made behind the first and had returned
     * before the second.
     */
    uint32_t called, returned;
    uint64_t digest; /* of the bytes that a read handed out, or of poll's revents; 0 otherwise */
    /* Of a tgkill whose signal was handled: when, and what the handler's epoll_ctl returned. */
    int16_t handled_at; /* TRACE_NEVER: it was not */
    int handler_ret, handler_err;
    unsigned nevents;
    struct trace_event events[PROGRAM_EVENTS_MAX];
};

/* The kernel's own interest list of one epoll fd, from /proc/PID/fdinfo/FD, sorted by (number,
 * data). */
struct trace_item {
    int number; /* tfd: */
    uint32_t events;
    uint64_t data;
};

struct trace_snapshot {
    int16_t step; /* taken when this step was over */
    /* Whose table was read: the main actor of the process, or the first actor that has the table
     * of a thread that called unshare(2). */
    uint8_t process;
    bool evidence;  /* taken for explanation only (EXECUTE_EVIDENCE); false: a flush point, compared
                     */
    int number;     /* the epoll fd */
    uint16_t first; /* index of its first item in trace.items */
    uint16_t nitems;
};

/* One entry of an fd table at the end. */
struct trace_fd {
    uint8_t process; /* whose, as in trace_snapshot */
    int number;
    uint16_t identity; /* equal for numbers with the same /proc link target; numbered by first
                          appearance */
    char what[22]; /* the link target without its inode: "pipe", "socket", "anon_inode:[eventpoll]"
                      … */
};

/*
 * One epoll_ctl that really reached the kernel, as the witness behind the subject saw it: when,
 * from whom, and what came of it. A subject that takes another road to the kernel than libc leaves
 * none.
 */
struct trace_carried {
    int16_t step;  /* the step during which it was made */
    uint8_t actor; /* whose thread made it; TRACE_ACTOR_UNKNOWN for a thread of the subject */
    int epfd, op, number;
    uint64_t data; /* of ADD and MOD: the number of the step that called for it; 0 if the kernel
                      said EFAULT */
    int err;       /* 0: success */
};

enum process_state {
    PROCESS_UNBORN,
    PROCESS_ALIVE,    /* at the end of the program */
    PROCESS_EXITED,   /* status: the exit status */
    PROCESS_SIGNALED, /* status: the signal */
};

struct trace_process {
    uint8_t state; /* enum process_state */
    bool reaped;   /* its parent waited for it */
    int status;
    int16_t ended_at; /* step during which it ended, or TRACE_NEVER */
};

enum run_end {
    RUN_COMPLETE, /* every step had its turn */
    RUN_CRASHED,  /* a process of the program died by a signal that no step asked for */
    RUN_HUNG,     /* the watchdog fired: an actor was stuck inside the subject */
};

struct trace {
    const struct program *program; /* borrowed */
    uint8_t end;                   /* enum run_end */
    int16_t end_step;              /* the step at which it crashed or hung, or TRACE_NEVER */
    uint8_t end_actor;             /* the actor that crashed or hung */
    int end_signal;                /* the signal of a crash */
    long end_syscall; /* the system call in which a hung actor sleeps, -1 if it is running */
    unsigned nsteps;
    struct trace_step steps[PROGRAM_STEPS_MAX];
    struct trace_process processes[PROGRAM_ACTORS_MAX]; /* by main actor of the process */
    int16_t cancelled_at[PROGRAM_ACTORS_MAX];           /* step during which a thread was ended by a
                                                           cancellation, or TRACE_NEVER */
    unsigned nsnapshots;
    struct trace_snapshot snapshots[TRACE_SNAPSHOTS_MAX];
    unsigned nitems;
    struct trace_item items[TRACE_ITEMS_MAX];
    unsigned nfds;
    struct trace_fd fds[TRACE_FDS_MAX];
    unsigned ncarried;
    struct trace_carried carried[TRACE_CARRIED_MAX]; /* in the order in which they were made */
    bool truncated;                                  /* a limit above was reached: not comparable */
};

/* A trace is large: it lives on the heap. Returns NULL when out of memory. Free with trace_free. */
struct trace *trace_new(void);
void trace_free(struct trace *trace);

/* Makes it empty again, for `program`, which must outlive it. */
void trace_reset(struct trace *trace, const struct program *program);

/* The outcome of a step as the world wants it. A step that did not return comes out as failed. */
void trace_outcome(const struct trace *trace, unsigned step, struct world_outcome *ret_outcome);

/* The snapshot of epoll fd `number` of `process` when `step` was over, or NULL if none was taken.
 */
const struct trace_snapshot *trace_find_snapshot(const struct trace *trace, unsigned step,
                                                 unsigned process, int number);

/*
 * One line for people about what a step came to: "0", "-1 ENOENT", "4, 5", "nothing", "EPOLLIN of
 * step 3", "blocks". As snprintf.
 */
size_t trace_print_result(const struct trace *trace, unsigned step, char *out, size_t size);

/* The same for a step that had blocked and returned later. As snprintf. */
size_t trace_print_completion(const struct trace *trace, unsigned step, char *out, size_t size);

#endif
