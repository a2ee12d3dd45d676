/* A backend carries out a batch: it is the seed's "epoll_batch". */
#ifndef SHIM_BACKEND_H
#define SHIM_BACKEND_H

#include "shim/pending.h"

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

#endif
