/*
 * Calls as the kernel carries them out when others are under way: not at one instant, but moment by
 * moment, on the states of the model. What can lie between two moments of a call was read from the
 * kernel's sources; docs/parallel.md lists it.
 */
#ifndef EPDIFF_ORACLE_LINEAR_KERNEL_H
#define EPDIFF_ORACLE_LINEAR_KERNEL_H

#include "oracle/linear.h"
#include "oracle/model/state.h"

enum {
    FLIGHT_NAMES_MAX = 12, /* items that one wakeup or one scan can concern */
};

enum linear_moment {
    MOMENT_TURN,     /* a step outside of parallel blocks, and all that it sets in motion */
    MOMENT_WHOLE,    /* a call of a block that nobody else's overlaps */
    MOMENT_GLANCE,   /* __fget_files_rcu gets hold of a file, before it looks at the number again */
    MOMENT_RESOLVE,  /* fdget: numbers become files, which cannot go away until it returns */
    MOMENT_ACT,      /* what it is for, but for whom it wakes */
    MOMENT_WAKE_ONE, /* one of its callbacks puts an item on its ready list */
    MOMENT_WAKE,     /* the rest of them */
    MOMENT_START,    /* ep_start_scan: the ready list is taken away */
    MOMENT_SCAN,     /* one item of it is polled */
    MOMENT_FINISH,   /* the rest of it, and ep_done_scan */
    MOMENT_UNINSTALL, /* close frees the number */
    MOMENT_REPLACE,   /* dup2 gives the number to another file */
    MOMENT_RESERVE,   /* get_unused_fd: a number is taken, but nothing is there yet */
    MOMENT_INSTALL,   /* fd_install */
    MOMENT_FORGET,    /* the last reference is dropped: interest lists forget the file */
    MOMENT_RELEASE,   /* its other end hears of it */
};

/* An item, wherever it stands in the model's array. */
struct item_name {
    int16_t instance, file, number;
    bool requeue;
};

/* A call that has begun and has not returned. All zero when there is none. */
struct flight {
    uint16_t step; /* its number */
    bool glanced;  /* `files` are those of the glance */
    bool resolved; /* `files` are valid */
    bool over;     /* its result is settled: what is left of its moments does nothing */
    bool scanning; /* between START and FINISH on `instance` */
    uint8_t nheld, nreleasing, nnumbers;
    uint8_t nnames; /* to be woken, or in the scan */
    uint8_t at;     /* the next one of them */
    uint8_t nevents;
    int16_t instance;
    int16_t files[2];
    int16_t held[4];              /* files with a reference of the call's own */
    int16_t releasing[4];         /* files that nobody has any more */
    int16_t numbers[2];           /* reserved */
    struct model_wakeups wakeups; /* that it has yet to make */
    struct item_name names[FLIGHT_NAMES_MAX];
    struct trace_event events[FLIGHT_NAMES_MAX];
};

struct linear_state {
    unsigned false_empties; /* waits that found nothing only because another scanned (rule 27) */
    int16_t reserved;       /* the file that stands at reserved numbers */
    struct flight flights[PROGRAM_ACTORS_MAX];
    struct model model;
};

/* The start of a program. */
void linear_state_init(struct linear_state *state, const struct program *program,
                       const struct model_facts *facts);
void linear_state_copy(struct linear_state *to, const struct linear_state *from);
/* To be done before states are compared. */
void linear_state_normalize(struct linear_state *state);
uint64_t linear_state_hash(const struct linear_state *state);
bool linear_state_equal(const struct linear_state *a, const struct linear_state *b);

/*
 * One moment of the call of `step`, which came back with what `observed` says. MOMENT_TURN takes
 * and leaves a tape of choices.
 */
enum linear_step linear_moment(struct linear_state *state, enum linear_moment moment, unsigned step,
                               const struct trace *observed, struct model_tape *tape);

/* What the model says the call would come to in this state, carried out at one instant: "0",
 * "-1 ENOENT". `scratch` is a state to try it on. As snprintf. */
size_t linear_state_print(const struct linear_state *state, struct linear_state *scratch,
                          unsigned step, struct trace *room, char *out, size_t size);

#endif
