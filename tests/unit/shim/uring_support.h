/* What the tests of the backend `uring` share. Their bodies run under isolate (support.h). */
#ifndef TESTS_UNIT_SHIM_URING_SUPPORT_H
#define TESTS_UNIT_SHIM_URING_SUPPORT_H

#include "shim/backend.h"
#include "tests/unit/shim/support.h"

#include <pthread.h>

/* The status by which a test program tells that this machine cannot run it. */
#define SKIPPED 77

/* 0, or SKIPPED after a line that says why this machine cannot have the backend. */
int uring_missing(void);

/* Starts the backend in this process, which must be possible. */
void start_uring(void);

/* What the counters have come to since start_uring or the last call of this. */
struct backend_counters counted(void);

/* All fallbacks of the counters together. */
uint64_t fallbacks(const struct backend_counters *counters);

/* The operation with an event of these bits and fd as its data; DEL has none. */
struct pending_op operation(int epfd, int op, int fd, uint32_t events);

/* The kernel's interest list of epfd, as /proc/self/fdinfo shows it. */
void read_list(int epfd, char *ret_text, size_t size);

/* How many numbers the list has. */
int list_length(int epfd);

/* How many descriptors are open. */
int count_descriptors(void);

/*
 * A thread that holds the lock of an epoll instance: it is inside epoll_wait and about to write
 * the events to a page that is not there yet (userfaultfd).
 */
struct holder {
    int epfd;
    int uffd;
    int ready; /* an eventfd that is registered and ready */
    void *page;
    pthread_t thread;
};

/* False: this machine has no userfaultfd for this user. */
bool can_hold(void);

/* Returns when the lock is held. */
void hold(struct holder *holder, int epfd);

/* Lets the lock go. */
void let_go(struct holder *holder);

/* Ends the thread and takes its eventfd out of the list. */
void end_holding(struct holder *holder);

/* A thread of the kernel's that carries out requests for this process. Returns how many. */
int count_workers(void);

#endif
