/* Counts a process's system calls epoll_ctl and io_uring_enter, whoever makes them: a seccomp
 * filter stops it at these and nowhere else. */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stdbool.h>
#include <sys/types.h>

/* In the child, before exec. Returns false if the machine does not let it be traced. */
bool trace_me(void);

/* In the parent: waits for the child and all its threads. Returns its status. */
int trace_wait(pid_t pid, unsigned long *ret_calls);

#endif
