/* What the tests of `transparent` have in common. Where they say "known", the kernel must have it
 * at that point. */
#ifndef TESTS_SHIM_TRANSPARENT_SUPPORT_H
#define TESTS_SHIM_TRANSPARENT_SUPPORT_H

#include "tests/unit/shim/support.h"

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

#define CHECK_KNOWN(epfd, fd) CHECK_EQUAL(interest(epfd, fd, NULL), 1)
/* Not known yet, natively it is: the call was answered. */
#define CHECK_DEFERRED(epfd, fd) CHECK_EQUAL(interest(epfd, fd, NULL), !is_transparent())

#define CHECK_FAILS(call, error)                                                                   \
    do {                                                                                           \
        errno = 0;                                                                                 \
        CHECK_EQUAL(call, -1);                                                                     \
        CHECK_EQUAL(errno, error);                                                                 \
    } while (0)

int mod(int epfd, int fd, uint32_t events, uint64_t data);
int del(int epfd, int fd);

/* A new eventfd that is ready to be read. */
int ready(void);

/* What a wait reports now: the data of the only event, or -1 if there is none. */
long long reported(int epfd);

/* Deferred again: nothing that happened before has ended that. */
void check_goes_on(int epfd);

/* At once from now on: others may look at the instance at any time. */
void check_stopped(int epfd);

/* Reaps the child, which must have exited with that status. */
void expect_child(pid_t child, int expected);

/* A fork is a look at the instance, which has one event ready: each process must find it once. */
void look_fork(int epfd);

/* The waits of libc, and the same by syscall(2). */
enum waiter { WAIT, PWAIT, PWAIT2, NUMBER_WAIT, NUMBER_PWAIT, NUMBER_PWAIT2, WAITERS };

/* As epoll_wait, by one of them; `timeout` is 0 or -1. */
int wait_by(enum waiter waiter, int epfd, struct epoll_event *events, int most, int timeout);

#endif
