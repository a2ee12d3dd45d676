/* A backend carries out a batch: it is the seed's "epoll_batch". */
#ifndef SHIM_BACKEND_H
#define SHIM_BACKEND_H

#include "shim/pending.h"

#include <stdint.h>

enum batch_flags {
    /*
     * Seed, "Error Handling": an ADD that fails with EEXIST is tried as a MOD, and a MOD that
     * fails with ENOENT is tried as an ADD.
     */
    BATCH_FIXUPS = 1 << 0,
    /* Go on behind an operation that fails. Without it a batch ends there: the seed fails the
     * entire batch (hazard C10). */
    BATCH_ALL = 1 << 1,
};

struct backend {
    const char *name;
    /*
     * Called once, from the shim's constructor, before any flush. Returns NULL, or in one line why
     * this machine cannot have the backend: the process is refused then. NULL: nothing to start.
     */
    const char *(*start)(void);
    /*
     * Called in the child of a fork, before it flushes anything; the thread is the only one. NULL:
     * a child is no different.
     */
    void (*forked)(void);
    /*
     * Carries out ops[0..count) in order and writes the result of each into it: 0 or a negative
     * errno, -ECANCELED for one that was not carried out. flags is a set of enum batch_flags.
     * Returns 0, or the negative errno of the first operation that failed. May change errno.
     */
    int (*execute)(struct pending_op *ops, size_t count, unsigned int flags);
};

#define BACKEND(name) extern const struct backend backend_##name;
#include "shim/backends.def"
#undef BACKEND

/* Carries one operation out by the real epoll_ctl. Returns 0 or a negative errno. */
int backend_ctl(const struct pending_op *op);

/*
 * What becomes of an operation whose first try came to result: the result, or if BATCH_FIXUPS is
 * among the flags and there is a second try, what came of that.
 */
int backend_repair(const struct pending_op *op, int result, unsigned int flags);

enum backend_fallback {
#define FALLBACK(name, meaning) FALLBACK_##name,
#include "shim/fallbacks.def"
#undef FALLBACK
    FALLBACK_KINDS,
};

/* What the backends of this process have done since it started; a forked child goes on counting
 * from where its parent was. */
struct backend_counters {
    uint64_t calls;      /* system calls that carried out, or tried to carry out, operations */
    uint64_t operations; /* operations that those calls were told to carry out */
    uint64_t fallbacks[FALLBACK_KINDS]; /* batches, by why the plain loop had to take over */
};

/* Adds to the counters. Called by backends. */
void backend_count(uint64_t calls, uint64_t operations);
void backend_count_fallback(enum backend_fallback why);

/* Reads the counters. Other threads may be adding meanwhile: each number is right by itself. */
void backend_read_counters(struct backend_counters *ret_counters);

#endif
