/* Without memory uthash would end the process; it shall leave the element out instead. */
#define HASH_NONFATAL_OOM 1

#include "shim/table.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

static struct table_entry *table_head;
static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool table_held_for_fork;

void table_lock(void)
{
    int result;

    if (table_held_for_fork) {
        return;
    }
    result = pthread_mutex_lock(&table_mutex);
    assert(result == 0);
}

void table_unlock(void)
{
    int result;

    if (table_held_for_fork) {
        return;
    }
    result = pthread_mutex_unlock(&table_mutex);
    assert(result == 0);
}

void table_lock_for_fork(void)
{
    table_lock();
    table_held_for_fork = true;
}

void table_unlock_after_fork(void)
{
    assert(table_held_for_fork);
    table_held_for_fork = false;
    table_unlock();
}

struct table_entry *table_find(int epfd)
{
    struct table_entry *entry;

    HASH_FIND_INT(table_head, &epfd, entry);
    return entry;
}

static struct table_entry *table_add(int epfd)
{
    struct table_entry *entry = calloc(1, sizeof(*entry));

    if (entry == NULL) {
        return NULL;
    }
    entry->epfd = epfd;
    HASH_ADD_INT(table_head, epfd, entry);
    /* This is how uthash tells that it had no memory to link the element in. */
    if (entry->hh.tbl == NULL) {
        free(entry);
        return NULL;
    }
    return entry;
}

struct table_entry *table_reset(int epfd)
{
    struct table_entry *entry = table_find(epfd);

    if (entry == NULL) {
        return table_add(epfd);
    }
    entry->nested = false;
    pending_clear(&entry->pending);
    return entry;
}

void table_each(void (*visit)(struct table_entry *entry))
{
    for (struct table_entry *entry = table_head; entry != NULL; entry = entry->hh.next) {
        visit(entry);
    }
}
