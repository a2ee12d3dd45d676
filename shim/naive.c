/*
 * The policy `naive`: the seed's first idea ("Optimizing Epoll"), which "seems simple enough". It
 * defers everything and flushes at epoll_wait, and does not know of close, fork, nesting or
 * errors. Its holes are meant to stay: a tester that does not catch it is broken.
 */
#include "shim/batch.h"
#include "shim/policy.h"
#include "shim/table.h"

static void naive_created(int epfd)
{
    table_lock();
    /* Without memory for the list, naive_ctl makes it. */
    (void)table_reset(epfd);
    table_unlock();
}

static int naive_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    struct table_entry *entry;
    int result;

    table_lock();
    entry = table_find(epfd);
    if (entry == NULL) {
        entry = table_reset(epfd);
    }
    result = entry == NULL ? batch_ctl_direct(epfd, op, fd, event)
                           : batch_defer(&entry->pending, epfd, op, fd, event, 0);
    table_unlock();
    return result;
}

static int naive_before_wait(int epfd, bool sleeps, void **ret_token)
{
    struct table_entry *entry;
    int result = 0;

    (void)sleeps;
    (void)ret_token;
    table_lock();
    entry = table_find(epfd);
    if (entry != NULL) {
        result = batch_flush(&entry->pending, 0);
    }
    table_unlock();
    return result;
}

/* Under the table's lock. */
static int naive_flush_result;

static void naive_flush_entry(struct table_entry *entry)
{
    int result = batch_flush(&entry->pending, 0);

    if (naive_flush_result == 0) {
        naive_flush_result = result;
    }
}

static int naive_flush(void)
{
    int result;

    table_lock();
    naive_flush_result = 0;
    table_each(naive_flush_entry);
    result = naive_flush_result;
    table_unlock();
    return result;
}

const struct policy policy_naive = {
    .name = "naive",
    .created = naive_created,
    .ctl = naive_ctl,
    .before_wait = naive_before_wait,
    .flush = naive_flush,
};
