/* A policy decides which epoll_ctl calls are deferred, and which calls flush them. */
#ifndef SHIM_POLICY_H
#define SHIM_POLICY_H

#include <sys/epoll.h>

/*
 * The hooks that the interposers call. One that is NULL means that the policy does not hook that
 * function. Hooks may change errno: the interposers restore it.
 */
struct policy {
    const char *name;
    /* Called once, from the shim's constructor. */
    void (*start)(void);
    /* The epoll_create family has returned this new descriptor. */
    void (*created)(int epfd);
    /* Answers an epoll_ctl call with 0 or a negative errno. Never NULL. */
    int (*ctl)(int epfd, int op, int fd, struct epoll_event *event);
    /* The epoll_wait family is about to wait on epfd. A negative errno ends the call instead. */
    int (*before_wait)(int epfd);
    /* close(fd) is about to be carried out; it is, whatever happens here. */
    void (*before_close)(int fd);
    void (*before_fork)(void);
    /* fork has returned: called in the parent and, if there is one, in the child. */
    void (*after_fork)(void);
    /* epbatch_flush: 0, or the negative errno of the first operation that failed. Never NULL. */
    int (*flush)(void);
};

#define POLICY(name) extern const struct policy policy_##name;
#include "shim/policies.def"
#undef POLICY

#endif
