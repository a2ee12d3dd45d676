/* What the process tests share. They run natively and under each policy. */
#ifndef TESTS_UNIT_SHIM_SUPPORT_H
#define TESTS_UNIT_SHIM_SUPPORT_H

#include "tests/unit/shim/cmocka_all.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/*
 * Picks what this run must see. Ends the process if EPBATCH_POLICY and the library that epoll_ctl
 * really comes from do not agree: a test that runs without the shim would prove nothing. Under
 * `transparent` a program must see what it sees natively.
 */
int by_policy(int native, int naive, int hash, int tls);

/* For what `transparent` is allowed to change: what the kernel knows at a time when nobody asks. */
bool is_transparent(void);

/*
 * Whether the kernel's interest list of epfd holds the number fd, and with which data and events.
 * Reads /proc/self/fdinfo/EPFD through calls that no policy hooks. ret_event may be NULL.
 */
bool interest(int epfd, int fd, struct epoll_event *ret_event);

/* An ADD of fd for EPOLLIN with this data. */
int add(int epfd, int fd, uint64_t data);

/* A pipe whose write end holds a byte, so that the read end is ready. */
void ready_pipe(int ret_ends[2]);

/* close(2) behind the shim's back. */
void close_unseen(int fd);

/* Returns once the thread sits in the system call of this number. Never sleeps: it yields. */
void await_thread_in(int tid, long number);

/* A child that hangs ends with its parent, which CTest or ci/vm ends when its time is over: how
 * long something takes on a busy or emulated machine is nobody's guess here. */
void die_with_parent(void);

/*
 * Runs the body in a process of its own, so that nothing is pending from another test. The CHECK
 * macros end that process.
 */
void isolate(void (*body)(void));

#define CHECK_EQUAL(actual, expected)                                                              \
    check_equal((long long)(actual), (long long)(expected), #actual, __FILE__, __LINE__)
#define CHECK(condition) CHECK_EQUAL(!!(condition), 1)

void check_equal(long long actual, long long expected, const char *text, const char *file,
                 int line);

#endif
