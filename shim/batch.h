/* What every policy does with pending lists: defer a call, flush a list, or go straight on. */
#ifndef SHIM_BATCH_H
#define SHIM_BATCH_H

#include "shim/backend.h"
#include "shim/pending.h"

/* Selects the backend that flushes. Called once, before any flush. */
void batch_set_backend(const struct backend *backend);

/* Carries out ops[0..count) through the backend, as its `execute`. */
int batch_execute(struct pending_op *ops, size_t count, unsigned int flags);

/* The real epoll_ctl, now. Returns 0 or a negative errno. */
int batch_ctl_direct(int epfd, int op, int fd, struct epoll_event *event);

/*
 * Carries the list out through the backend and empties it, whatever the outcome: what stands
 * behind a failed operation is dropped (seed, "Error Handling"). flags is a set of
 * enum batch_flags. Returns 0 or the negative errno of the operation that ended the batch.
 */
int batch_flush(struct pending_list *list, unsigned int flags);

/*
 * Appends the call to the list and returns 0. Without memory for that the list is flushed, its
 * error dropped, and the call carried out at once; then its own result is returned. Order is
 * kept, only the saving is lost.
 */
int batch_defer(struct pending_list *list, int epfd, int op, int fd, struct epoll_event *event,
                unsigned int flags);

#endif
