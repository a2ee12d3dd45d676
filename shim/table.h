/*
 * The seed's hash table: epoll descriptor numbers as keys, pending lists as values. One table and
 * one lock per process. All functions but the lock's own require the lock.
 */
#ifndef SHIM_TABLE_H
#define SHIM_TABLE_H

#include "shim/pending.h"

#include <stdbool.h>
#include <uthash.h>

struct table_entry {
    int epfd;
    bool nested; /* the policy `hash` alone: another epoll instance watches this one */
    struct pending_list pending;
    UT_hash_handle hh;
};

void table_lock(void);
void table_unlock(void);

/*
 * Takes the lock for the length of a fork, so that no other thread is half-way through a change
 * when the child's copy is made. In between, the forking thread, which runs the atfork handlers,
 * passes table_lock and table_unlock freely. table_unlock_after_fork is called in the parent and
 * in the child.
 */
void table_lock_for_fork(void);
void table_unlock_after_fork(void);

/* The entry of the number, or NULL. */
struct table_entry *table_find(int epfd);

/*
 * Makes the number's entry as good as new: an empty list, not nested. What was pending there is
 * discarded. Returns NULL if the entry does not exist and there is no memory for it.
 */
struct table_entry *table_reset(int epfd);

/* Visits all entries in the order in which their numbers first came. */
void table_each(void (*visit)(struct table_entry *entry));

#endif
