/*
 * The calls to the kernel that a test can make fail.
 *
 * The product makes the calls and nothing else. build/tests/libepbatch-inject.so is built from the
 * same sources with EPBATCH_INJECT defined, and with inject.c: it does what the environment
 * variable EPBATCH_INJECT says, whose form is that of the header `inject:`
 * (docs/program-format.md).
 */
#ifndef SHIM_INJECT_H
#define SHIM_INJECT_H

#include "shim/batch.h"
#include "shim/uring.h"

#ifdef EPBATCH_INJECT

/* io_uring_setup(2). */
int inject_setup(unsigned int entries, struct io_uring_params *params);

/* Before a chain of requests is written into the ring. */
void inject_chain(const struct uring *ring);

/* io_uring_enter(2) on the ring's slot. */
int inject_enter(const struct uring *ring, unsigned int to_submit, unsigned int min_complete,
                 unsigned int flags, void *argument, size_t size);

/* epoll_ctl(2), where a backend makes it. */
int inject_ctl(int epfd, int op, int fd, struct epoll_event *event);

#else

static inline int inject_setup(unsigned int entries, struct io_uring_params *params)
{
    return io_uring_setup(entries, params);
}

static inline void inject_chain(const struct uring *ring)
{
    (void)ring;
}

static inline int inject_enter(const struct uring *ring, unsigned int to_submit,
                               unsigned int min_complete, unsigned int flags, void *argument,
                               size_t size)
{
    return io_uring_enter2((unsigned int)ring->slot, to_submit, min_complete, flags, argument,
                           size);
}

static inline int inject_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    return batch_ctl_direct(epfd, op, fd, event);
}

#endif

#endif
