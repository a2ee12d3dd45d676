/*
 * The layout of the module's structures, as numbers: a program that was built once must fit every
 * later kernel. Built for 64 and for 32 bits, because the module takes a 32-bit program's request
 * as it is (compat_ptr_ioctl). Nothing here is run.
 */
#include "kmod/epoll_batch.h"

#include <stddef.h>

#define AT(type, member, offset)                                                                   \
    _Static_assert(offsetof(struct type, member) == (offset), #type "." #member " has moved")
#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type " has another size")
#define NUMBER(command, number)                                                                    \
    _Static_assert((unsigned)(command) == (number), #command " has another number")

AT(epoll_batch_op, epfd, 0);
AT(epoll_batch_op, op, 4);
AT(epoll_batch_op, fd, 8);
AT(epoll_batch_op, events, 12);
AT(epoll_batch_op, data, 16);
SIZE(epoll_batch_op, 24);

AT(epoll_batch_run, ops, 0);
AT(epoll_batch_run, results, 8);
AT(epoll_batch_run, count, 16);
AT(epoll_batch_run, flags, 20);
SIZE(epoll_batch_run, 24);

AT(epoll_batch_wait, run, 0);
AT(epoll_batch_wait, events, 24);
AT(epoll_batch_wait, timeout, 32);
AT(epoll_batch_wait, sigmask, 40);
AT(epoll_batch_wait, sigsetsize, 48);
AT(epoll_batch_wait, epfd, 56);
AT(epoll_batch_wait, maxevents, 60);
AT(epoll_batch_wait, result, 64);
AT(epoll_batch_wait, pad, 68);
SIZE(epoll_batch_wait, 72);

AT(epoll_batch_info, version, 0);
AT(epoll_batch_info, max_ops, 4);
AT(epoll_batch_info, features, 8);
SIZE(epoll_batch_info, 16);

NUMBER(EPOLL_BATCH_QUERY, 0x8010ebe0u);
NUMBER(EPOLL_BATCH_RUN, 0x4018ebe1u);
NUMBER(EPOLL_BATCH_WAIT, 0xc048ebe2u);
