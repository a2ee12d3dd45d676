/*
 * The policy `hash`: the seed's first full design ("The Slew of Problems"). A pending list per
 * epoll descriptor that the shim saw created, the fix-ups, a close hook, a fork hook, and no
 * deferral on a nested epoll. What the seed leaves open stays open; docs/shim.md lists it.
 */
#include "shim/batch.h"
#include "shim/policy.h"
#include "shim/table.h"

static void hash_created(int epfd)
{
    table_lock();
    /* Without memory the number stays unknown, and its calls go straight to the kernel. */
    (void)table_reset(epfd);
    table_unlock();
}

/* Of the flush in progress: the error of the first list that had one. Under the table's lock. */
static int hash_flush_result;

static void hash_flush_entry(struct table_entry *entry)
{
    int result = batch_flush(&entry->pending, BATCH_FIXUPS);

    if (hash_flush_result == 0) {
        hash_flush_result = result;
    }
}

/*
 * Seed, "Nested Epoll": a wait on the outer instance flushes the outer list alone, so an inner
 * instance must have nothing pending, now and later. An error of this flush has no call that it
 * could be reported by, and is dropped.
 */
static void hash_mark_nested(int fd)
{
    struct table_entry *inner = table_find(fd);

    if (inner != NULL && !inner->nested) {
        hash_flush_entry(inner);
        inner->nested = true;
    }
}

static int hash_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    struct table_entry *entry;
    int result;

    table_lock();
    if (op == EPOLL_CTL_ADD) {
        hash_mark_nested(fd);
    }
    entry = table_find(epfd);
    if (entry == NULL || entry->nested) {
        table_unlock();
        return batch_ctl_direct(epfd, op, fd, event);
    }
    result = batch_defer(&entry->pending, epfd, op, fd, event, BATCH_FIXUPS);
    table_unlock();
    return result;
}

/*
 * The flush happens under the lock: what any thread deferred before this wait is carried out
 * before it, also if another thread's wait is at it already (the seed's first invariant). The
 * wait itself happens without the lock, or a sleeper would stop every other thread.
 */
static int hash_before_wait(int epfd, bool sleeps, void **ret_token)
{
    struct table_entry *entry;
    int result = 0;

    (void)sleeps;
    (void)ret_token;
    table_lock();
    entry = table_find(epfd);
    if (entry != NULL) {
        result = batch_flush(&entry->pending, BATCH_FIXUPS);
    }
    table_unlock();
    return result;
}

/* Seed, "Closing": all pending calls of all instances, for any of them may name this number. */
static bool hash_before_close(int fd)
{
    (void)fd;
    table_lock();
    table_each(hash_flush_entry);
    table_unlock();
    return false;
}

/* Seed, "Forking": what is pending at fork would be carried out twice (hazard F1). */
static void hash_before_fork(void)
{
    table_lock_for_fork();
    table_each(hash_flush_entry);
}

static int hash_flush(void)
{
    int result;

    table_lock();
    hash_flush_result = 0;
    table_each(hash_flush_entry);
    result = hash_flush_result;
    table_unlock();
    return result;
}

const struct policy policy_hash = {
    .name = "hash",
    .created = hash_created,
    .ctl = hash_ctl,
    .before_wait = hash_before_wait,
    .before_close = hash_before_close,
    .before_fork = hash_before_fork,
    .after_fork = table_unlock_after_fork,
    .flush = hash_flush,
};
