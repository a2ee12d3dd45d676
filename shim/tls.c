/*
 * The policy `tls`: the seed's final design ("A New Approach"). One pending list per thread,
 * whatever the epoll descriptor, flushed whole and in order by that thread's waits, closes and
 * forks. It is for programs that use each epoll instance in one thread; nobody checks that.
 */
#include "shim/batch.h"
#include "shim/policy.h"

#include <pthread.h>
#include <stdbool.h>

static _Thread_local struct pending_list tls_list;

/* Frees a list's memory when its thread ends. What is pending is lost then (hazard F5). */
static pthread_key_t tls_key;
static bool tls_key_made;

static void tls_release(void *list)
{
    pending_release(list);
}

static void tls_start(void)
{
    /* A program that has used up all keys loses a list's memory at thread exit, no more. */
    tls_key_made = pthread_key_create(&tls_key, tls_release) == 0;
}

static int tls_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    bool had_memory = tls_list.ops != NULL;
    int result = batch_defer(&tls_list, epfd, op, fd, event, BATCH_FIXUPS);

    /* Set only when memory appears: this repeats, too, for a call from a later key's destructor. */
    if (!had_memory && tls_list.ops != NULL && tls_key_made) {
        (void)pthread_setspecific(tls_key, &tls_list);
    }
    return result;
}

static int tls_before_wait(int epfd, bool sleeps, void **ret_token)
{
    (void)epfd;
    (void)sleeps;
    (void)ret_token;
    return batch_flush(&tls_list, BATCH_FIXUPS);
}

static bool tls_before_close(int fd)
{
    (void)fd;
    (void)batch_flush(&tls_list, BATCH_FIXUPS);
    return false;
}

static void tls_before_fork(void)
{
    (void)batch_flush(&tls_list, BATCH_FIXUPS);
}

static int tls_flush(void)
{
    return batch_flush(&tls_list, BATCH_FIXUPS);
}

const struct policy policy_tls = {
    .name = "tls",
    .start = tls_start,
    .ctl = tls_ctl,
    .before_wait = tls_before_wait,
    .before_close = tls_before_close,
    .before_fork = tls_before_fork,
    .flush = tls_flush,
};
