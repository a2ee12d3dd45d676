/*
 * The shim's critical section: what a policy does to its own memory, and the system calls whose
 * order matters, happen inside. There is one lock for the process; a process that has one thread
 * does without it.
 *
 * While a thread is inside, no handler of the program runs in it: a handler may call epoll_ctl, and
 * would wait for a lock that its own thread holds, or leave it held by siglongjmp (hazards G1, G2).
 * Blocking signals for each call costs more than an epoll_ctl, so the shim stands in front of every
 * handler instead: a signal that finds its thread inside is sent again when the thread leaves. An
 * asynchronous cancellation waits, too (D5).
 */
#ifndef SHIM_INSIDE_H
#define SHIM_INSIDE_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Called once, from the constructor: puts the shim in front of handlers that are there already. */
void inside_start(void);

/*
 * Takes the lock. Returns false if this thread must not: it is inside already, in a handler that
 * the shim does not stand in front of, or it is the child of a vfork, whose memory is its parent's.
 * Then the caller does without the shim's memory.
 */
bool inside_enter(void);

/* Also behind a fork, in both processes: the child's thread is a copy of the one that entered, and
 * its copy of the lock can be released like any. */
void inside_leave(void);

/* Leaves after a fork that was made inside; the child has the lock as its parent had. */
void inside_after_fork(bool child);

/* How often inside_enter found its own thread inside. */
unsigned long inside_reentries(void);

/* Around the call that makes a vfork's child, in the parent's thread. */
void inside_vfork(bool begin);

/* True in the child until it has another program. */
bool inside_vforked(void);

/* True if this process never had a second thread. */
bool inside_single(void);

/*
 * True if these bytes can be read for certain: they lie in the caller's own stack. For all else
 * the kernel is asked, which answers EFAULT where a look would crash (C2, G4).
 */
bool inside_readable(const void *bytes, size_t size);

/* In the place of sigaction: what the program sees is what it asked for. 0, or a negative errno. */
int inside_sigaction(int number, const struct sigaction *action, struct sigaction *old);

/* A thread's start routine, in front of the program's own. */
struct inside_thread {
    void *(*start)(void *argument);
    void *argument;
    size_t stack_size;
};

/* How large a stack a thread with these attributes has; NULL: the default ones. */
void inside_stack_size(const pthread_attr_t *attributes, size_t *ret_size);

/* Takes over a new thread: its stack is known from here. Frees `thread` (malloc). */
void *inside_thread_start(void *thread);

#endif
