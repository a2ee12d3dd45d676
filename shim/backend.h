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
};

struct backend {
    const char *name;
    /*
     * Carries out ops[0..count) in order and stops at the first that fails: the seed fails the
     * entire batch (hazard C10). flags is a set of enum batch_flags. Returns 0, or the negative
     * errno of the operation that failed. May change errno.
     */
    int (*execute)(const struct pending_op *ops, size_t count, unsigned int flags);
};

#define BACKEND(name) extern const struct backend backend_##name;
#include "shim/backends.def"
#undef BACKEND

#endif
