/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a request must be before anything is done for it, by its bytes alone.
 * The module includes this, and so does the fuzz target `ioctl`
 * (fuzz/targets/ioctl.c): nothing here needs a kernel.
 */
#ifndef _EPOLL_BATCH_VALIDATE_H
#define _EPOLL_BATCH_VALIDATE_H

#include <linux/errno.h>

#include "epoll_batch.h"

/* What is read from the caller. */
union epb_request {
	struct epoll_batch_run run;
	struct epoll_batch_wait wait;
};

/* How much of it a command reads, or -ENOTTY for what is no command. */
static inline int epb_request_size(unsigned int command)
{
	switch (command) {
	case EPOLL_BATCH_QUERY:
		return 0;
	case EPOLL_BATCH_RUN:
		return sizeof(struct epoll_batch_run);
	case EPOLL_BATCH_WAIT:
		return sizeof(struct epoll_batch_wait);
	default:
		return -ENOTTY;
	}
}

static inline int epb_validate_run(const struct epoll_batch_run *run)
{
	if (run->flags & ~(EPOLL_BATCH_FIXUPS | EPOLL_BATCH_STOP))
		return -EINVAL;
	if (run->count > EPOLL_BATCH_MAX)
		return -EINVAL;
	return 0;
}

/* Returns 0 if the command can be carried out, as far as its request tells. */
static inline int epb_validate(unsigned int command,
			       const union epb_request *request)
{
	switch (command) {
	case EPOLL_BATCH_QUERY:
		return 0;
	case EPOLL_BATCH_RUN:
		return epb_validate_run(&request->run);
	case EPOLL_BATCH_WAIT:
		if (request->wait.pad)
			return -EINVAL;
		return epb_validate_run(&request->wait.run);
	default:
		return -ENOTTY;
	}
}

#endif
