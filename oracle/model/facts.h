/*
 * Facts that kernels differ in. Those of the running one are found out by trying when the tool
 * starts; nothing here is guessed from a version number.
 */
#ifndef EPDIFF_ORACLE_MODEL_FACTS_H
#define EPDIFF_ORACLE_MODEL_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MODEL_FACTS_LINE_MAX = 1023,
};

struct model_facts {
    bool wait_checks_fd_first; /* epoll_wait: EBADF before a bad maxevents (since Linux 6.15) */
    bool last_waiter_first;    /* of several waiters the last to fall asleep is woken first */
    bool eventfd_takes_long;   /* a write of more than 8 bytes is accepted */
    bool keeps_wakeup_bit;     /* EPOLLWAKEUP is not stripped from the mask */
    bool counts_links_above;   /* ELOOP counts the chain above the instance as well */
    bool unix_oob;             /* AF_UNIX stream sockets take MSG_OOB */
    unsigned socket_buffer;    /* SO_SNDBUF of a new Unix socket, bytes */
    unsigned pipe_pages;       /* pages of a new pipe */
    uint32_t (*charge)(bool datagram,
                       uint32_t size); /* model_facts_charge, unless another kernel is meant */
    uint64_t executable_size;          /* of the file behind PATH_EXE, bytes */
};

/* Those of one kernel, whichever runs: for who must come to the same everywhere. */
extern const struct model_facts model_facts_fixed;

/*
 * Tries everything out, in a few system calls on descriptors of its own. `executable` is the file
 * that programs see as /proc/self/exe. Returns 0, or a negative errno with one line in *ret_why if
 * the kernel gives no descriptors.
 */
int model_facts_probe(const char *executable, struct model_facts *ret_facts, char *ret_why,
                      size_t size);

/* One line for people: "waiters woken last in, first out; ...". As snprintf. */
size_t model_facts_print(const struct model_facts *facts, char *out, size_t size);

/*
 * What a sender's socket is charged for a message of `size` bytes in one sk_buff: bytes of
 * sk_wmem_alloc. Measured on the running kernel the first time that a size is asked for. Never 0.
 */
uint32_t model_facts_charge(bool datagram, uint32_t size);

#endif
