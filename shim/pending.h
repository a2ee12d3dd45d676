/* A pending list: the epoll_ctl calls that were answered but not carried out yet, in call order. */
#ifndef SHIM_PENDING_H
#define SHIM_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>

/* Room that the first append makes. A list has no upper limit but memory: the seed names none. */
#define PENDING_CAPACITY_FIRST 16

/* The parameters of one epoll_ctl call. */
struct pending_op {
    int epfd;
    int op;
    int fd;
    bool has_event; /* false: the call passed no event, or the operation reads none */
    struct epoll_event event;
    int result; /* the backend's: 0 or a negative errno */
};

/* All zero is an empty list. */
struct pending_list {
    struct pending_op *ops;
    size_t length;
    size_t capacity;
};

/*
 * Appends the call, with a copy of *event. Returns 0, or -ENOMEM with the list unchanged.
 * For every op but EPOLL_CTL_DEL a non-null event is read here, in user space: where the kernel
 * answers EFAULT, a wild pointer raises SIGSEGV (hazards C2, G4; the seed's design has this).
 */
int pending_append(struct pending_list *list, int epfd, int op, int fd,
                   const struct epoll_event *event);

/* Forgets the operations and keeps the memory for the next ones. */
void pending_clear(struct pending_list *list);

/* Forgets the operations and gives the memory back. The list is empty and usable afterwards. */
void pending_release(struct pending_list *list);

#endif
