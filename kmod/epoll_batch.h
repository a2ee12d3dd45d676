/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/epoll_batch: many epoll_ctl calls in one system call.
 *
 * What an operation does and returns is what epoll_ctl(2) does and returns; no
 * more is defined here. The device keeps nothing: every open file of it can be
 * used by every process that has it.
 */
#ifndef _EPOLL_BATCH_H
#define _EPOLL_BATCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define EPOLL_BATCH_DEVICE	"/dev/epoll_batch"

/* Goes up when something that was defined before changes its meaning. */
#define EPOLL_BATCH_VERSION	1

/* Operations that one call takes. */
#define EPOLL_BATCH_MAX		1024

/* The parameters of one epoll_ctl call; the event is passed by value. */
struct epoll_batch_op {
	__s32 epfd;
	__s32 op;
	__s32 fd;
	__u32 events;
	__aligned_u64 data;
};

/*
 * An ADD that fails with EEXIST is tried as a MOD, and a MOD that fails with
 * ENOENT as an ADD. The result is that of the second try: EPOLL_BATCH_REPAIRED
 * if it succeeds, or its negative errno less EPOLL_BATCH_SECOND.
 */
#define EPOLL_BATCH_FIXUPS	0x1
/* The batch ends behind the first operation that fails. */
#define EPOLL_BATCH_STOP	0x2

/* The result of an operation that succeeded as another one than was asked. */
#define EPOLL_BATCH_REPAIRED	1
/* Subtracted from the error of an operation that failed in both ways. */
#define EPOLL_BATCH_SECOND	4096

/*
 * struct epoll_batch_run - operations, carried out in order
 * @ops: address of struct epoll_batch_op[@count]; read once, before the first
 *	operation is carried out
 * @results: address of __s32[@count]: for each operation 0, EPOLL_BATCH_REPAIRED
 *	or an error; -ECANCELED if it has not been carried out
 * @count: number of operations, at most EPOLL_BATCH_MAX
 * @flags: EPOLL_BATCH_FIXUPS, EPOLL_BATCH_STOP
 */
struct epoll_batch_run {
	__aligned_u64 ops;
	__aligned_u64 results;
	__u32 count;
	__u32 flags;
};

/*
 * struct epoll_batch_wait - the same, and a wait behind it
 * @run: as above
 * @events: the parameters of epoll_pwait2(2) from here on
 * @timeout: address of struct __kernel_timespec, or 0
 * @sigmask: address of the kernel's signal set, or 0
 * @sigsetsize: its size
 * @epfd: on which to wait
 * @maxevents: room at @events
 * @result: written by the kernel: what epoll_pwait2 returned, or its negative
 *	errno; -ECANCELED if there was no wait because EPOLL_BATCH_STOP ended
 *	the batch, -EAGAIN if there was none because this thread held the last
 *	reference to a file that another one has closed. Such a file dies when
 *	the call returns, which a wait must not delay: make it by epoll_pwait2.
 * @pad: 0
 */
struct epoll_batch_wait {
	struct epoll_batch_run run;
	__aligned_u64 events;
	__aligned_u64 timeout;
	__aligned_u64 sigmask;
	__aligned_u64 sigsetsize;
	__s32 epfd;
	__s32 maxevents;
	__s32 result;
	__u32 pad;
};

/* Bits of features: which calls there are. */
#define EPOLL_BATCH_HAS_RUN	0x1
#define EPOLL_BATCH_HAS_WAIT	0x2

/* struct epoll_batch_info - what EPOLL_BATCH_QUERY writes */
struct epoll_batch_info {
	__u32 version;
	__u32 max_ops;
	__aligned_u64 features;
};

/*
 * EPOLL_BATCH_RUN and EPOLL_BATCH_WAIT return how many operations have been
 * carried out, failed ones included: @count, or less if EPOLL_BATCH_STOP or a
 * fatal signal ended the batch. They fail before any operation is carried out:
 *
 *	EFAULT	an address is bad
 *	EINVAL	@count or @flags is out of range, or @pad is not 0
 *	ENOMEM	no memory
 *
 * with one exception: EFAULT also comes when the results cannot be written any
 * more, because the memory has been unmapped meanwhile. Neither call fails with
 * EINTR or is restarted; a wait that a signal ends says so in its @result.
 */
#define EPOLL_BATCH_MAGIC	0xEB
#define EPOLL_BATCH_QUERY	_IOR(EPOLL_BATCH_MAGIC, 0xe0, struct epoll_batch_info)
#define EPOLL_BATCH_RUN		_IOW(EPOLL_BATCH_MAGIC, 0xe1, struct epoll_batch_run)
#define EPOLL_BATCH_WAIT	_IOWR(EPOLL_BATCH_MAGIC, 0xe2, struct epoll_batch_wait)

#endif
