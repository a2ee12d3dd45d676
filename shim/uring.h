/*
 * The rings of the backend `uring`: one for each thread that has a batch to carry out.
 *
 * A ring of one's own needs no lock, so no thread ever waits for another one inside the shim, and
 * what happens to a thread in the middle of a batch (cancellation, siglongjmp) costs no other
 * thread its ring. It also lets the kernel keep its housekeeping to the calls that the ring's
 * thread makes for it (IORING_SETUP_DEFER_TASKRUN, which asks for a single submitter): otherwise a
 * request that a kernel worker finished could interrupt a later call of the program's own.
 *
 * A ring has no descriptor that the program could see, close or replace (hazards I1 to I3). The
 * kernel keeps it in the thread's own list of registered rings, and io_uring_enter names it by its
 * place there, which is called slot here. From Linux 6.5 on there never is a descriptor. Before,
 * there is one for the moment of the making: so there only the thread that the shim's constructor
 * runs in has a ring, and in a forked child the thread that forked. No other thread runs then.
 *
 * Nothing here is shared across fork: a ring's memory reads as zero in any kind of child
 * (MADV_WIPEONFORK), which is how a child knows that it has none.
 */
#ifndef SHIM_URING_H
#define SHIM_URING_H

#include "shim/backend.h"

#include <liburing.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Requests that a ring takes at a time. One page holds that many (sizeof(struct io_uring_sqe) is
 * 64), and before Linux 6.10 memory that a program lends to a ring must be one page. */
#define URING_ENTRIES 64

/* Where a ring's memory is: plain pointers, so that a copy goes on to be valid whatever happens to
 * the original. The names are those of io_uring(7). */
struct uring_view {
    unsigned int *sq_head;
    unsigned int *sq_tail;
    unsigned int *sq_array;
    struct io_uring_sqe *sqes;
    unsigned int sq_mask;
    unsigned int *cq_head;
    unsigned int *cq_tail;
    struct io_uring_cqe *cqes;
    unsigned int cq_mask;
};

/* All zero is a ring that is not made. */
struct uring {
    /* The task that it is registered with, and which alone may use it. 0 after a fork. */
    pid_t owner;
    int slot; /* negative: the kernel would not make a ring, and this is its errno */
    atomic_bool busy;
    bool refused;       /* io_uring_enter fails, and will not get better */
    bool contended;     /* a kernel worker has worked for the thread; see backend_uring.c */
    unsigned int batch; /* number of the batch in progress; tells its completions from others */
    struct uring_view view;
};

/*
 * Prepares the process and makes the calling thread's ring. Returns NULL, or one line that says
 * why this machine cannot have the backend; it is valid until the next call. Called once.
 */
const char *uring_start(void);

/* In the child of a fork: makes the calling thread's ring if it could not be made later. */
void uring_forked(void);

/*
 * Takes the calling thread's ring for one batch; makes it if there is none. Returns NULL, with the
 * reason in *ret_why, if the thread has to do without. Takes no lock and allocates by mmap alone,
 * so a signal handler may call it.
 */
struct uring *uring_acquire(enum backend_fallback *ret_why);

/* True if the ring is still the one that uring_acquire returned to this task. It is not after the
 * return of a signal handler that forked, in the child. */
bool uring_is_own(const struct uring *ring, pid_t owner);

/* Gives the ring back. */
void uring_release(struct uring *ring, pid_t owner);

/*
 * io_uring_enter(2) on the ring: hands over to_submit requests, carries out what can be carried out
 * in this thread, and if patient waits until min_complete completions are there. Returns how many
 * requests the kernel took, or a negative errno; -ETIME if it took none and did not wait.
 */
int uring_enter(const struct uring *ring, unsigned int to_submit, unsigned int min_complete,
                bool patient);

/*
 * Makes the rings of this process from now on as Linux before 6.5 has to, if numbered is true.
 * For tests.
 */
void uring_set_numbered(bool numbered);

#endif
