/*
 * The backend `uring`: a batch goes to the kernel as requests IORING_OP_EPOLL_CTL, up to
 * URING_ENTRIES of them in one io_uring_enter.
 *
 * Order. A request only tries to lock the epoll instance. When another thread has it, the request
 * is handed to a kernel worker and the next one would overtake it (hazard J1). So the requests are
 * one chain of IOSQE_IO_LINK: each begins when the one before it has ended, and when one fails the
 * rest are cancelled and have not been carried out. That holds for BATCH_ALL as well, where the
 * chain is taken up again behind the failure. IOSQE_IO_HARDLINK would spare that, but goes on
 * also behind a request that the kernel cancelled without carrying it out, as it does when it can
 * start no worker (RLIMIT_NPROC, pids.max): then later operations would come before this one.
 *
 * Who does it. A kernel worker has the descriptors that its thread had when the worker came into
 * being: after unshare(CLONE_FILES) it takes the numbers of an operation for those of the old
 * table. It never goes away while the thread lives. So a thread that has got a worker, which is
 * seen by a batch that is not done when the thread has done all that it can, uses the plain loop
 * from then on. It loses nothing by that: a contended batch costs more than the plain loop.
 *
 * Exactness. What the kernel did not carry out is carried out by the plain call, from the first
 * such operation on, so that nothing is done twice, left out or done out of order.
 */
#include "shim/backend.h"
#include "shim/inject.h"
#include "shim/uring.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>

/* The result of an operation of which nothing has been heard yet. epoll_ctl has no such error. */
#define URING_UNHEARD INT_MIN

/* One chain on its way. */
struct uring_chain {
    struct uring *ring;
    struct uring_view view; /* the ring's own is wiped if a signal handler forks, in the child */
    pid_t owner;
    unsigned int batch;
    struct pending_op *ops;
    unsigned int length;
    unsigned int taken; /* by the kernel */
    unsigned int heard; /* completions */
};

/*
 * The null event of an operation that reads one is EFAULT when the request is prepared, which
 * cancels the operations before it in the chain, too (hazard J2). So it goes by the plain call.
 */
static bool uring_can_carry(const struct pending_op *op)
{
    return op->has_event || op->op == EPOLL_CTL_DEL;
}

/* How long the next chain may be after one that got through. */
static unsigned int uring_widen(unsigned int room)
{
    return room > URING_ENTRIES / 2 ? URING_ENTRIES : room * 2;
}

/* How many operations can be one chain. */
static unsigned int uring_measure(const struct pending_op *ops, size_t count, unsigned int room)
{
    unsigned int length = 0;

    while (length < count && length < room && uring_can_carry(&ops[length])) {
        length++;
    }
    return length;
}

static void uring_write(struct uring_chain *chain)
{
    const struct uring_view *view = &chain->view;
    unsigned int tail = *view->sq_tail;

    /* What the kernel does not take of a chain is taken back, so the queue is empty. */
    assert(tail == io_uring_smp_load_acquire(view->sq_head));
    assert(chain->length <= URING_ENTRIES);
    for (unsigned int index = 0; index < chain->length; index++) {
        struct pending_op *op = &chain->ops[index];
        unsigned int place = (tail + index) & view->sq_mask;
        struct io_uring_sqe *sqe = &view->sqes[place];

        op->result = URING_UNHEARD;
        io_uring_prep_epoll_ctl(sqe, op->epfd, op->fd, op->op, op->has_event ? &op->event : NULL);
        io_uring_sqe_set_flags(sqe, index + 1 < chain->length ? IOSQE_IO_LINK : 0);
        io_uring_sqe_set_data64(sqe, (uint64_t)chain->batch << 32 | index);
        view->sq_array[place] = place;
    }
    io_uring_smp_store_release(view->sq_tail, tail + chain->length);
}

/* Takes the completions that are there. */
static void uring_read(struct uring_chain *chain)
{
    const struct uring_view *view = &chain->view;
    unsigned int head = *view->cq_head;
    unsigned int tail = io_uring_smp_load_acquire(view->cq_tail);

    for (; head != tail; head++) {
        const struct io_uring_cqe *cqe = &view->cqes[head & view->cq_mask];
        unsigned int index = (unsigned int)cqe->user_data;

        if (cqe->user_data >> 32 != chain->batch) {
            continue; /* of a chain that was given up */
        }
        assert(index < chain->taken);
        assert(chain->ops[index].result == URING_UNHEARD);
        chain->ops[index].result = cqe->res;
        chain->heard++;
    }
    io_uring_smp_store_release(view->cq_head, head);
}

static bool uring_will_pass(int result)
{
    return result == -EAGAIN || result == -EBUSY || result == -ENOMEM;
}

/* Returns false in the child of a signal handler that forked: the chain is its parent's. */
static bool uring_enter_chain(struct uring_chain *chain, unsigned int to_submit, bool patient,
                              int *ret_result)
{
    int result = uring_enter(chain->ring, to_submit, chain->length - chain->heard, patient);

    backend_count(1, 0);
    if (!uring_is_own(chain->ring, chain->owner)) {
        return false;
    }
    if (result < 0 && result != -EINTR && result != -ETIME && !uring_will_pass(result)) {
        chain->ring->refused = true;
    }
    *ret_result = result;
    return true;
}

/*
 * Hands the chain over. Afterwards chain->taken says how much of it the kernel has taken: what it
 * says in the ring is right also where the call was interrupted behind that. The rest is taken
 * back, for it would be a chain of its own, and not wait for this one.
 */
static bool uring_submit(struct uring_chain *chain)
{
    unsigned int first = *chain->view.sq_tail - chain->length;
    int result;

    do {
        if (!uring_enter_chain(chain, chain->length, false, &result)) {
            return false;
        }
        chain->taken = io_uring_smp_load_acquire(chain->view.sq_head) - first;
    } while (chain->taken == 0 && result == -EINTR);
    assert(chain->taken <= chain->length);
    chain->length = chain->taken;
    io_uring_smp_store_release(chain->view.sq_tail, first + chain->taken);
    return true;
}

/* Waits for all that the kernel has taken. */
static bool uring_await(struct uring_chain *chain)
{
    bool patient = false;
    int result;

    uring_read(chain);
    while (chain->heard < chain->taken && !chain->ring->refused) {
        if (!uring_enter_chain(chain, 0, patient, &result)) {
            return false;
        }
        if (uring_will_pass(result)) {
            (void)sched_yield();
        }
        uring_read(chain);
        /* The thread has done its part twice, also behind an interruption or a short submission. */
        patient = true;
        chain->ring->contended |= chain->heard < chain->taken;
    }
    return true;
}

/*
 * Carries the chain out as far as the kernel takes it. Returns false in the child of a signal
 * handler that forked meanwhile.
 */
static bool uring_carry(struct uring_chain *chain)
{
    inject_chain(chain->ring);
    chain->batch = ++chain->ring->batch;
    uring_write(chain);
    if (!uring_submit(chain) || !uring_await(chain)) {
        return false;
    }
    backend_count(0, chain->taken);
    return true;
}

/*
 * A seccomp filter came between the kernel's taking a chain and its telling, which it does in
 * io_uring_enter alone. What was taken is carried out by a kernel worker and must not be done
 * again; what came of it nobody can know. Behind a failure that was heard of, all is cancelled.
 */
static void uring_guess(struct uring_chain *chain)
{
    int failed = 0;

    for (unsigned int index = 0; index < chain->taken; index++) {
        if (chain->ops[index].result == URING_UNHEARD) {
            chain->ops[index].result = failed < 0 ? -ECANCELED : 0;
        }
        failed = chain->ops[index].result;
    }
    backend_count_fallback(FALLBACK_UNTOLD);
}

/*
 * How many operations at the chain's beginning succeeded. What stands behind a failure has been
 * cancelled. A request that the kernel rejects as it reads it cancels also what stands before it.
 */
static unsigned int uring_count_good(const struct uring_chain *chain)
{
    unsigned int good = 0;

    while (good < chain->taken && chain->ops[good].result == 0) {
        good++;
    }
    for (unsigned int index = good + 1; index < chain->taken; index++) {
        assert(chain->ops[index].result < 0);
        assert(chain->ops[index].result == -ECANCELED || chain->ops[good].result == -ECANCELED);
    }
    return good;
}

/*
 * EINVAL can be io_uring's own word: Linux 7.2-rc1 to rc5 refuse to add an epoll instance to
 * another one this way (hazard J6). An operation that failed has changed nothing, so the plain
 * call may be asked.
 */
static int uring_finish_failed(const struct pending_op *op, unsigned int flags)
{
    int result = op->result == -EINVAL ? backend_ctl(op) : op->result;

    return backend_repair(op, result, flags);
}

/* What is left of a batch. */
struct uring_rest {
    struct pending_op *ops;
    size_t count;
    unsigned int flags;
    int first_error;
};

static void uring_note(struct uring_rest *rest, size_t done)
{
    for (size_t index = 0; index < done && rest->first_error == 0; index++) {
        rest->first_error = rest->ops[index].result;
    }
    rest->ops += done;
    rest->count -= done;
}

static void uring_do_plainly(struct uring_rest *rest, size_t count)
{
    (void)backend_syscall.execute(rest->ops, count, rest->flags);
    uring_note(rest, count);
}

static void uring_fall_back(struct uring_rest *rest, enum backend_fallback why)
{
    if (rest->count == 0) {
        return;
    }
    backend_count_fallback(why);
    uring_do_plainly(rest, rest->count);
}

/*
 * Takes note of a chain that has been carried. Returns how long the next one may be: a chain that
 * ends early has cost the kernel its whole length, so a batch that fails a lot goes in short ones.
 */
static unsigned int uring_finish(struct uring_rest *rest, struct uring_chain *chain,
                                 unsigned int room)
{
    unsigned int good;

    if (chain->heard < chain->taken) {
        uring_guess(chain);
    }
    good = uring_count_good(chain);
    if (good == chain->taken) {
        uring_note(rest, good);
        if (good == 0 || chain->ring->refused) {
            uring_fall_back(rest, FALLBACK_REFUSED);
        }
        return uring_widen(room);
    }
    if (chain->ops[good].result == -ECANCELED) {
        uring_note(rest, good);
        uring_fall_back(rest, FALLBACK_CANCELLED);
        return room;
    }
    chain->ops[good].result = uring_finish_failed(&chain->ops[good], rest->flags);
    uring_note(rest, good + 1);
    return good + 1;
}

static void uring_carry_all(struct uring_rest *rest, struct uring *ring)
{
    const pid_t owner = ring->owner;
    const struct uring_view view = ring->view;
    unsigned int room = URING_ENTRIES;

    while (rest->count > 0 && (rest->first_error == 0 || (rest->flags & BATCH_ALL) != 0)) {
        struct uring_chain chain = {
            .ring = ring,
            .view = view,
            .owner = owner,
            .ops = rest->ops,
            .length = uring_measure(rest->ops, rest->count, room),
        };

        if (chain.length < 2) {
            uring_do_plainly(rest, 1);
            room = uring_widen(room);
        } else if (uring_carry(&chain)) {
            room = uring_finish(rest, &chain, room);
        } else {
            /* A process that a handler forked in the middle: the batch is its parent's. */
            for (size_t index = 0; index < rest->count; index++) {
                rest->ops[index].result = 0;
            }
            uring_note(rest, rest->count);
        }
    }
    uring_release(ring, owner);
    for (size_t index = 0; index < rest->count; index++) {
        rest->ops[index].result = -ECANCELED;
    }
}

static int uring_execute(struct pending_op *ops, size_t count, unsigned int flags)
{
    struct uring_rest rest = {.ops = ops, .count = count, .flags = flags};
    enum backend_fallback why;
    struct uring *ring;

    if (count < 2) {
        /* One operation costs less by its own call. */
        uring_do_plainly(&rest, count);
        return rest.first_error;
    }
    ring = uring_acquire(&why);
    if (ring == NULL) {
        uring_fall_back(&rest, why);
    } else {
        uring_carry_all(&rest, ring);
    }
    return rest.first_error;
}

const struct backend backend_uring = {
    .name = "uring",
    .start = uring_start,
    .forked = uring_forked,
    .execute = uring_execute,
};
