/* What the tests of the kernel module share. They run in ci/vm's machine. */
#ifndef TESTS_KMOD_DEVICE_H
#define TESTS_KMOD_DEVICE_H

#include "kmod/epoll_batch.h"

#include <stddef.h>
#include <sys/epoll.h>

/* The status by which a test program tells that this machine cannot run it. */
#define DEVICE_SKIPPED 77

/* Opens the device, or ends the program with that status and a line that says why not. */
int device_open(void);

/* The ioctl, as a return value or a negative errno. */
int device_run(int device, const struct epoll_batch_op *ops, int *results, unsigned int count,
               unsigned int flags);
int device_wait(int device, struct epoll_batch_wait *wait);

/* An operation whose event has these bits and fd as its data. */
struct epoll_batch_op device_op(int epfd, int op, int fd, unsigned int events);

/* What the plain call says to it: 0 or a negative errno. */
int device_plain(const struct epoll_batch_op *op);

/*
 * Makes the nth allocation or other call of this thread that can be made to fail do so, from now
 * on; 0: none any more. Returns 0, or a negative errno where the kernel has no fault injection.
 */
int faults_arm(unsigned int nth);

/* Whether the fault has been made. */
int faults_made(void);

#endif
