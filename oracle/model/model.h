/*
 * The model: what the kernel answers to a program, computed instead of run. Descriptor tables, open
 * file descriptions, what they are ready for, interest lists, ready lists, sleepers and wakeups.
 *
 * One state is plain data, copied with model_copy. Where the kernel leaves a choice (which of two
 * woken threads runs first), a step draws it from a tape of choices: every tape is one allowed
 * outcome, and all of them together are the allowed set. model_follow walks along a recorded run
 * and keeps the states that explain it.
 *
 * The rules are those of docs/epoll-rules.md, cited as "rule N".
 */
#ifndef EPDIFF_ORACLE_MODEL_MODEL_H
#define EPDIFF_ORACLE_MODEL_MODEL_H

#include "oracle/model/facts.h"
#include "oracle/trace.h"

struct model;

enum {
    MODEL_CHOICES_MAX = 24, /* choices that one step can need; a step past it is beyond the model */
    MODEL_TAPES_MAX = 4096, /* outcomes of one step that model_follow tries */
    MODEL_STATES_MAX = 64,  /* states that model_follow keeps at one time */
    MODEL_RETURNS_MAX = PROGRAM_ACTORS_MAX + 1, /* the step's own actor and everyone it wakes */
};

/* The choices of one step: which of the outcomes that the kernel allows is taken. */
struct model_tape {
    unsigned length;   /* choices met so far; later picks are 0 */
    unsigned position; /* next choice */
    uint8_t picks[MODEL_CHOICES_MAX];
    uint8_t widths[MODEL_CHOICES_MAX]; /* how many outcomes each choice has */
};

/* One call that came back during a step. */
struct model_return {
    unsigned step; /* whose call: the step itself, or an earlier one whose actor was asleep */
    int64_t ret;
    int err;
    int fds[PROGRAM_OUTS_MAX];
    uint64_t digest;
    bool any_digest; /* the bytes are not the model's business: a file of the machine */
    unsigned nevents;
    struct trace_event events[PROGRAM_EVENTS_MAX];
};

/* What became of the step's own actor. */
enum model_fate {
    MODEL_RETURNED, /* the call came back: one of the returns is the step's */
    MODEL_ASLEEP,   /* it sleeps in its call */
    MODEL_DIED,     /* its thread or process ended inside it */
    MODEL_SKIPPED,  /* the actor was asleep or dead: nothing happened */
};

/* A handler that ran during a step. */
struct model_handled {
    unsigned step; /* the tgkill */
    int ret, err;  /* of its epoll_ctl */
};

struct model_report {
    enum model_fate fate;
    const char *beyond; /* why the model says nothing about this step, NULL if it does */
    unsigned wakeups;   /* of sleepers in epoll_wait, poll or select */
    unsigned nreturns;
    struct model_return returns[MODEL_RETURNS_MAX];
    uint32_t cancelled; /* bit per actor that a cancellation has ended */
    unsigned nhandled;
    struct model_handled handled[PROGRAM_ACTORS_MAX];
};

/* Returns a new state, at the beginning of no program, or NULL when out of memory. */
struct model *model_new(void);
void model_free(struct model *model);

/* The state before the first step of `program`, which must outlive it, and so must `facts`. */
void model_init(struct model *model, const struct program *program,
                const struct model_facts *facts);

/* Copies what a program can have touched so far. */
void model_copy(struct model *to, const struct model *from);

/* Brings a state into a form in which two that behave alike are mostly equal byte by byte. */
void model_normalize(struct model *model);
uint64_t model_hash(const struct model *model);
bool model_equal(const struct model *a, const struct model *b);

/*
 * Carries out a step with the choices of the tape, which grows by those that it meets. After a
 * report that says `beyond` the state is not to be used any more.
 */
void model_step(struct model *model, unsigned step, struct model_tape *tape,
                struct model_report *ret_report);

/* The first tape of a step. */
void model_tape_init(struct model_tape *ret_tape);

/* The next tape after one that model_step has filled in, in counting order. False: that was the
 * last one. */
bool model_tape_next(struct model_tape *tape);

/* True if what came back is what the run recorded, events in the same order. */
bool model_return_matches(const struct program *program, const struct model_return *a,
                          const struct trace_step *observed);

/* What is asked of a state by those who choose the next step. */
bool model_actor_free(const struct model *model, unsigned actor);
int model_slot(const struct model *model, unsigned slot); /* its number, -1 if it has none */

/* What model_follow found. */
struct model_verdict {
    bool agrees;        /* some outcome that the model allows is the recorded one, to the end */
    unsigned step;      /* otherwise: the first step at which none is */
    const char *beyond; /* the model says nothing from `step` on, and why; agrees is true */
    unsigned states;    /* the most states that were kept at one time */
    bool overflowed;    /* there were more states than could be kept */
};

/*
 * Walks along `observed`, a native run of `program`, as long as an allowed outcome explains it, and
 * from there on alone. Writes the trace of the way that it took: equal to `observed` as long as
 * they agree. Returns 0 or -ENOMEM.
 */
int model_follow(const struct model_facts *facts, const struct trace *observed,
                 struct trace *ret_trace, struct model_verdict *ret_verdict);

/* Frees what model_follow keeps for the calling thread's next run. */
void model_follow_free(void);

#endif
