/* A policy decides which epoll_ctl calls are deferred, and which calls flush them. */
#ifndef SHIM_POLICY_H
#define SHIM_POLICY_H

#include "shim/shadow.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* What is about to happen to this process as a whole. */
enum policy_change {
    CHANGE_EXEC,  /* it asks for another program: that can fail */
    CHANGE_SPAWN, /* a child that shares its memory until it has another program */
    CHANGE_SPLIT, /* its threads no longer share one table of descriptors, or nobody can tell */
};

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
    /*
     * The epoll_wait family is about to wait on epfd; `sleeps`: it has a timeout other than 0. A
     * negative errno ends the call instead. *ret_token, NULL before, is for after_wait.
     */
    int (*before_wait)(int epfd, bool sleeps, void **ret_token);
    /* The wait is over, also by cancellation; not called for a token that is NULL. */
    void (*after_wait)(void *token);
    /* close(fd) is about to be carried out; it is, whatever happens here. True: after_close is
     * owed. */
    bool (*before_close)(int fd);
    void (*after_close)(int fd);
    void (*before_fork)(void);
    /* fork has returned: called in the parent and, if there is one, in the child. */
    void (*after_fork)(void);
    /* epbatch_flush: 0, or the negative errno of the first operation that failed. Never NULL. */
    int (*flush)(void);

    /* Hooked by policies that keep account of descriptors. */

    /* A call that makes descriptors is about to begin: a stamp for opened and duplicated. */
    uint64_t (*before_open)(void);
    /* In the place of `created`, too. */
    void (*opened)(int fd, enum shadow_kind kind, uint64_t stamp);
    /* `from` is about to be duplicated; it was, as `fd`. */
    void (*before_duplicate)(int from);
    void (*duplicated)(int from, int fd, uint64_t stamp);
    /* A call that does more than that is about to close `fd`, unless it fails. */
    bool (*before_replace)(int fd);
    void (*after_replace)(int fd);
    bool (*before_close_range)(unsigned int first, unsigned int last);
    void (*after_close_range)(void);
    /* poll, select or their kin are about to look at fd. */
    void (*before_look)(int fd);
    /* setsockopt, or connect, is about to change fd: its readiness can change without a wakeup. */
    void (*before_change)(int fd, bool connects);
    /* fd is about to be sent to whoever receives it. */
    void (*before_send)(int fd);
    void (*before)(enum policy_change change);
    /* It has happened, or failed. */
    void (*after)(enum policy_change change);
    /* The fork that runs no handlers of pthread_atfork; in the child and in the parent. */
    void (*before_bare_fork)(void);
    void (*after_bare_fork)(bool child);
    /*
     * The policy's hooks run inside (inside.h): signal handlers, threads, vfork and the function
     * syscall are taken over for that.
     */
    bool inside;
};

#define POLICY(name) extern const struct policy policy_##name;
#include "shim/policies.def"
#undef POLICY

#endif
