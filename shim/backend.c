/* What all backends share: one operation by the plain call, the second try, and the counters. */
#include "shim/backend.h"
#include "shim/inject.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

static _Atomic uint64_t backend_calls;
static _Atomic uint64_t backend_operations;
static _Atomic uint64_t backend_fallbacks[FALLBACK_KINDS];

static void backend_add(_Atomic uint64_t *counter, uint64_t more)
{
    (void)atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

void backend_count(uint64_t calls, uint64_t operations)
{
    backend_add(&backend_calls, calls);
    backend_add(&backend_operations, operations);
}

void backend_count_fallback(enum backend_fallback why)
{
    assert(why < FALLBACK_KINDS);
    backend_add(&backend_fallbacks[why], 1);
}

void backend_read_counters(struct backend_counters *ret_counters)
{
    ret_counters->calls = atomic_load_explicit(&backend_calls, memory_order_relaxed);
    ret_counters->operations = atomic_load_explicit(&backend_operations, memory_order_relaxed);
    for (size_t why = 0; why < FALLBACK_KINDS; why++) {
        ret_counters->fallbacks[why] =
            atomic_load_explicit(&backend_fallbacks[why], memory_order_relaxed);
    }
}

static int backend_ctl_as(const struct pending_op *op, int as)
{
    /* The kernel takes a pointer to non-const but only reads it. */
    struct epoll_event copy = op->event;

    backend_count(1, 1);
    return inject_ctl(op->epfd, as, op->fd, op->has_event ? &copy : NULL);
}

int backend_ctl(const struct pending_op *op)
{
    return backend_ctl_as(op, op->op);
}

int backend_repair(const struct pending_op *op, int result, unsigned int flags)
{
    if ((flags & BATCH_FIXUPS) == 0) {
        return result;
    }
    if (op->op == EPOLL_CTL_ADD && result == -EEXIST) {
        return backend_ctl_as(op, EPOLL_CTL_MOD);
    }
    if (op->op == EPOLL_CTL_MOD && result == -ENOENT) {
        return backend_ctl_as(op, EPOLL_CTL_ADD);
    }
    return result;
}
