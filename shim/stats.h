/* What the policy `transparent` counts. EPBATCH_STATS=1 prints it at exit, =FILE appends it there.
 */
#ifndef SHIM_STATS_H
#define SHIM_STATS_H

#include "shim/shadow.h"

/* Why pending operations were carried out. STATS_FLUSH(identifier, name in the output). */
#define STATS_FLUSHES(FLUSH)                                                                       \
    FLUSH(WAIT, "wait")                                                                            \
    FLUSH(CLOSE, "close")                                                                          \
    FLUSH(DIRECT, "direct-call")                                                                   \
    FLUSH(LOOK, "poll")                                                                            \
    FLUSH(CHANGE, "setsockopt")                                                                    \
    FLUSH(DUP, "dup")                                                                              \
    FLUSH(SEND, "sendmsg")                                                                         \
    FLUSH(FORK, "fork")                                                                            \
    FLUSH(EXEC, "exec")                                                                            \
    FLUSH(NEST, "nest")                                                                            \
    FLUSH(FULL, "full")                                                                            \
    FLUSH(ASKED, "asked")                                                                          \
    FLUSH(END, "end-of-deferral")

/* The rules of elision: STATS_RULE(identifier, name in EPBATCH_ELIDE and in the output). */
#define STATS_RULES(RULE)                                                                          \
    RULE(ADD_DEL, "add-del")                                                                       \
    RULE(MOD, "mod")                                                                               \
    RULE(CLOSE, "close")                                                                           \
    RULE(INSTANCE, "instance")

enum stats_flush {
#define FLUSH(identifier, name) FLUSH_##identifier,
    STATS_FLUSHES(FLUSH)
#undef FLUSH
        FLUSH_COUNT
};

enum stats_rule {
#define RULE(identifier, name) RULE_##identifier,
    STATS_RULES(RULE)
#undef RULE
        RULE_COUNT
};

enum {
    STATS_SIZES = 16, /* batches of 1, 2, 3-4, 5-8 ... and the rest */
};

/* Changed under the shim's lock. */
struct stats {
    unsigned long seen;     /* epoll_ctl calls */
    unsigned long direct;   /* of these, made at once */
    unsigned long deferred; /* and answered first */
    unsigned long waiting;  /* direct calls that could have been deferred but for a waiter */
    unsigned long elided[RULE_COUNT];
    unsigned long flushes[FLUSH_COUNT];
    unsigned long flushed[FLUSH_COUNT]; /* operations in them */
    unsigned long sizes[STATS_SIZES];
    unsigned long stopped[STOP_COUNT]; /* instances, by why they defer no more */
    unsigned long instances;
    unsigned long bypasses; /* the kernel did not do what the shim was certain of */
    unsigned long faults;   /* ENOSPC, ENOMEM at a flush */
    unsigned long missed;   /* closes that the shim did not see */
};

extern struct stats stats;

/* Reads EPBATCH_STATS. Called once, by the constructor. */
void stats_start(void);

/* Writes the report, if it was asked for. Called at the end of the process, once. */
void stats_write(void);

/* Counts a batch. */
void stats_batch(enum stats_flush why, size_t count);

#endif
