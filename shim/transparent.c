/*
 * The policy `transparent`: batching that nobody can tell from epoll. docs/transparent.md has the
 * argument; in short, nobody can tell when an operation was carried out
 *
 * - as long as no thread is inside a wait on that instance, nobody else has the instance, and every
 *   call that could look at it flushes first;
 * - if its result is certain: the shim knows what both numbers name and what is registered;
 * - if the target's readiness never changes without a wakeup, and does not depend on who asks.
 *
 * Whatever is not so is done at once.
 */
#include "shim/batch.h"
#include "shim/config.h"
#include "shim/inside.h"
#include "shim/policy.h"
#include "shim/shadow.h"
#include "shim/stats.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

/* Operations that one call of the backend is given at most. */
#define BATCH_MOST 4096

/* These two make the order and the moment of an operation matter: they are never deferred. */
#define EVENTS_DIRECT ((uint32_t)EPOLLEXCLUSIVE | (uint32_t)EPOLLWAKEUP)

/* Nothing is deferred any more: the shim was bypassed, or a flush failed. Never taken back. */
static bool ending;
/* The same, and nothing is pending either: the hooks have nothing to do. */
static atomic_bool off;
/* Threads that are about to exec or spawn: nothing is deferred until they are back. */
static unsigned int pauses;
static struct pending_op batch[BATCH_MOST];
static bool elides[RULE_COUNT];

static bool is_off(void)
{
    return atomic_load_explicit(&off, memory_order_acquire);
}

/* An operation whose success was certain has failed, or a close was missed. */
static void judge_failure(int result)
{
    if (result == -ENOSPC || result == -ENOMEM) {
        /* No layer in user space can foresee these (C6). The call was answered with 0. */
        stats.faults++;
        config_say("a deferred epoll_ctl failed for want of memory or watches; deferring ends");
    } else {
        stats.bypasses++;
    }
    ending = true;
}

/* Carries out batch[0..count). */
static void execute(size_t count, enum stats_flush why)
{
    stats_batch(why, count);
    if (batch_execute(batch, count, BATCH_ALL) == 0) {
        return;
    }
    for (size_t index = 0; index < count; index++) {
        if (batch[index].result < 0) {
            judge_failure(batch[index].result);
        }
    }
}

static void take(struct shadow_op *op, size_t index)
{
    batch[index] = (struct pending_op){.epfd = op->instance->number,
                                       .op = op->op,
                                       .fd = op->number,
                                       .has_event = op->op != EPOLL_CTL_DEL,
                                       .event = op->event};
    shadow_op_remove(op);
}

static void flush_instance(struct shadow_file *instance, enum stats_flush why)
{
    while (instance->first != NULL) {
        size_t count = 0;

        while (instance->first != NULL && count < BATCH_MOST) {
            take(instance->first, count++);
        }
        execute(count, why);
    }
}

/* What is pending on one number, on whatever instance. The rest stays: the order among targets
 * shows in the ready list alone. */
static void flush_number(struct shadow_number *entry, enum stats_flush why)
{
    while (entry->first != NULL) {
        size_t count = 0;

        while (entry->first != NULL && count < BATCH_MOST) {
            take(entry->first, count++);
        }
        execute(count, why);
    }
}

static enum stats_flush why_all;

static void flush_file(struct shadow_file *file)
{
    flush_instance(file, why_all);
}

static void flush_all(enum stats_flush why)
{
    why_all = why;
    shadow_each_file(flush_file);
}

static void leave(void)
{
    if (ending && !is_off()) {
        flush_all(FLUSH_END);
        atomic_store_explicit(&off, true, memory_order_release);
    }
    inside_leave();
}

/* Once nothing is deferred on it, nobody needs to know what is registered. */
static void stop(struct shadow_file *instance, enum shadow_stop why, enum stats_flush flush)
{
    if (instance->kind != SHADOW_EPOLL || instance->stop != STOP_NOT) {
        return;
    }
    flush_instance(instance, flush);
    instance->stop = why;
    shadow_items_forget(instance);
    stats.stopped[why]++;
}

static struct shadow_file *known_instance(int epfd)
{
    struct shadow_file *file = shadow_file(epfd);

    return file != NULL && file->kind == SHADOW_EPOLL && file->stop == STOP_NOT ? file : NULL;
}

/* Whose poll method has no effect, does not depend on the caller, and wakes for every rise. */
static bool is_plain(enum shadow_kind kind)
{
    return kind != SHADOW_UNKNOWN && kind != SHADOW_EPOLL && kind != SHADOW_OTHER;
}

/* True if the kernel's answer will be 0 for certain, whenever it is asked before a next change. */
static bool is_certain(struct shadow_file *instance, int op, int fd,
                       const struct epoll_event *event)
{
    struct shadow_file *target = shadow_file(fd);
    struct shadow_item *item;

    if (target == NULL || !is_plain(target->kind) || target->ghost || target->elsewhere) {
        return false;
    }
    if (op != EPOLL_CTL_DEL &&
        (!inside_readable(event, sizeof(*event)) || (event->events & EVENTS_DIRECT) != 0)) {
        return false;
    }
    item = shadow_item(instance, fd);
    if (op == EPOLL_CTL_ADD) {
        return item == NULL;
    }
    return (op == EPOLL_CTL_MOD || op == EPOLL_CTL_DEL) && item != NULL &&
           (item->events & EVENTS_DIRECT) == 0;
}

/* The last operation pending on the pair, or NULL. */
static struct shadow_op *last_pending(const struct shadow_file *instance, int fd)
{
    struct shadow_op *op = shadow_number(fd)->last;

    while (op != NULL && op->instance != instance) {
        op = op->previous_of_number;
    }
    return op;
}

/*
 * Does without the operation, or without the one that it follows. Returns true if nothing is left
 * to append.
 *
 * add-del: the kernel never hears of the item. Nobody waits on the instance, so the wakeup of the
 * ADD would have found nobody; and the DEL takes the item off the ready list again.
 *
 * mod: the later mask and data are what counts from the second call on. Nobody has looked at the
 * instance in between. If the first of the two natively put the item on the ready list, and the
 * second mask finds nothing, the next wait drops it again; if it finds something, so does the one
 * call that is made, for readiness that comes later comes with a wakeup.
 */
static bool elide(struct shadow_file *instance, int op, int fd, const struct epoll_event *event)
{
    struct shadow_op *last = last_pending(instance, fd);

    if (last == NULL || last->op == EPOLL_CTL_DEL) {
        return false;
    }
    if (op == EPOLL_CTL_MOD && elides[RULE_MOD]) {
        last->event = *event;
        stats.elided[RULE_MOD]++;
        return true;
    }
    if (op == EPOLL_CTL_DEL && last->op == EPOLL_CTL_ADD && elides[RULE_ADD_DEL]) {
        shadow_op_remove(last);
        stats.elided[RULE_ADD_DEL] += 2;
        return true;
    }
    if (op == EPOLL_CTL_DEL && last->op == EPOLL_CTL_MOD && elides[RULE_MOD]) {
        shadow_op_remove(last);
        stats.elided[RULE_MOD]++;
    }
    return false;
}

/* What is registered after a call that succeeded, or will. False: no room to remember it. */
static bool registered(struct shadow_file *instance, int op, int fd,
                       const struct epoll_event *event)
{
    struct shadow_item *item = shadow_item(instance, fd);

    if (op == EPOLL_CTL_DEL) {
        if (item != NULL) {
            shadow_item_remove(item);
        }
        return true;
    }
    if (item == NULL) {
        return shadow_item_add(instance, fd, event->events) != NULL;
    }
    item->events = event->events;
    return true;
}

/* True if the call was deferred: it is answered with 0. */
static bool defer(struct shadow_file *instance, int op, int fd, const struct epoll_event *event)
{
    struct epoll_event copy = {.events = 0};

    if (!is_certain(instance, op, fd, event)) {
        return false;
    }
    if (instance->waiters > 0) {
        stats.waiting++;
        return false;
    }
    if (op != EPOLL_CTL_DEL) {
        memcpy(&copy, event, sizeof(copy));
    }
    if (!elide(instance, op, fd, &copy)) {
        if (shadow_op_add(instance, op, fd, &copy) == NULL) {
            flush_all(FLUSH_FULL);
            return false;
        }
    }
    if (!registered(instance, op, fd, &copy)) {
        /* Without room for the item the number's registrations are no longer known. */
        shadow_file(fd)->ghost = true;
    }
    stats.deferred++;
    return true;
}

/* Takes note of what a call at once came to. */
static void learn(struct shadow_file *instance, int op, int fd, const struct epoll_event *event,
                  int result)
{
    struct shadow_number *entry = shadow_number(fd);

    if (entry == NULL) {
        return;
    }
    if (entry->file == NULL) {
        entry->touched |= result == 0 && op == EPOLL_CTL_ADD;
        return;
    }
    if (instance == NULL || !is_plain(entry->file->kind) || entry->file->ghost) {
        return;
    }
    if (result == 0) {
        if (!registered(instance, op, fd, event)) {
            entry->file->ghost = true;
        }
        return;
    }
    /* The kernel knows of an entry that the shim does not know of, or the other way round. */
    if ((result == -EEXIST && shadow_item(instance, fd) == NULL) ||
        (result == -ENOENT && shadow_item(instance, fd) != NULL) || result == -EBADF) {
        entry->file->ghost = true;
        judge_failure(result);
    }
}

/*
 * True if the file's poll method may depend on the caller (a signalfd) or have an effect (a file of
 * procfs). Who looks at an instance drops what is not ready to him from the front of its ready list
 * until he finds something: with such a file in it the order of the ready list decides what is
 * found, and deferring changes that order.
 */
static bool is_foreign(int fd)
{
    const struct shadow_file *file = shadow_file(fd);
    struct stat status;

    if (file != NULL) {
        return !is_plain(file->kind);
    }
    /* Inherited, say: sockets and pipes tell what they are. */
    return fstat(fd, &status) != 0 || (!S_ISSOCK(status.st_mode) && !S_ISFIFO(status.st_mode));
}

static int ctl_at_once(struct shadow_file *instance, int epfd, int op, int fd,
                       struct epoll_event *event)
{
    struct shadow_number *entry = shadow_number(fd);
    struct shadow_file *target = shadow_file(fd);
    bool foreign;
    int result;

    if (entry != NULL) {
        flush_number(entry, FLUSH_DIRECT);
    }
    if (target != NULL && op == EPOLL_CTL_ADD && known_instance(fd) != NULL) {
        flush_instance(target, FLUSH_NEST);
    }
    foreign = instance != NULL && op == EPOLL_CTL_ADD && is_foreign(fd);
    if (foreign) {
        flush_instance(instance, FLUSH_NEST);
    }
    stats.direct++;
    result = batch_ctl_direct(epfd, op, fd, event);
    if (result == 0 && foreign) {
        stop(instance, STOP_FOREIGN, FLUSH_NEST);
        instance = NULL;
    }
    if (result == 0 && target != NULL && op == EPOLL_CTL_ADD) {
        stop(target, STOP_NESTED, FLUSH_NEST);
    }
    learn(instance, op, fd, event, result);
    return result;
}

static int transparent_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    struct shadow_file *instance;
    int result = 0;

    if (is_off() || !inside_enter()) {
        return batch_ctl_direct(epfd, op, fd, event);
    }
    stats.seen++;
    instance = known_instance(epfd);
    if (instance == NULL || ending || pauses > 0 || !defer(instance, op, fd, event)) {
        result = ctl_at_once(instance, epfd, op, fd, event);
    }
    leave();
    return result;
}

static int transparent_before_wait(int epfd, bool sleeps, void **ret_token)
{
    struct shadow_file *file;

    if (is_off() || !inside_enter()) {
        return 0;
    }
    file = shadow_file(epfd);
    if (file != NULL && file->kind == SHADOW_EPOLL) {
        flush_instance(file, FLUSH_WAIT);
        /* A wait that does not sleep takes time as well: an event that another thread causes
         * behind its MOD must not come with what was registered before. */
        if (file->stop == STOP_NOT && (sleeps || !inside_single())) {
            file->waiters++;
            shadow_pin(file);
            *ret_token = file;
        }
    }
    leave();
    return 0;
}

static void transparent_after_wait(void *token)
{
    struct shadow_file *file = token;

    if (inside_enter()) {
        file->waiters--;
        shadow_unpin(file);
        leave();
    }
}

static void drop(struct shadow_op **first, enum stats_rule rule)
{
    while (*first != NULL) {
        shadow_op_remove(*first);
        stats.elided[rule]++;
    }
}

/*
 * instance: an instance whose last number goes cannot be looked at again, so what is pending on it
 * does not matter.
 *
 * close: with the file's last number its entries go from all interest lists.
 *
 * Both only if the kernel's close is sure to follow before anybody looks, and ends the file: in a
 * process that never had a second thread, and whose handlers wait until then. A second thread could
 * look at the instance in between; or it could be inside a call on the file, a poll for example,
 * which keeps it, and with it the entry that the DEL should have removed (B14).
 *
 * Returns true if something was dropped.
 */
static bool drop_pending(int fd)
{
    struct shadow_number *entry = shadow_number(fd);
    bool dropped = false;

    if (!shadow_is_last(fd) || !inside_single()) {
        return false;
    }
    if (entry->file->first != NULL && elides[RULE_INSTANCE]) {
        drop(&entry->file->first, RULE_INSTANCE);
        dropped = true;
    }
    if (entry->first != NULL && elides[RULE_CLOSE]) {
        drop(&entry->first, RULE_CLOSE);
        dropped = true;
    }
    return dropped;
}

static void close_number(int fd)
{
    struct shadow_number *entry = shadow_number(fd);

    if (entry == NULL) {
        return;
    }
    if (entry->file != NULL) {
        flush_instance(entry->file, FLUSH_CLOSE);
    }
    flush_number(entry, FLUSH_CLOSE);
    shadow_close_begin(fd);
}

/* True between the two halves of a close that drops operations: the thread stays inside. */
static _Thread_local bool closing;

static bool transparent_before_close(int fd)
{
    if (is_off() || !inside_enter()) {
        return false;
    }
    closing = drop_pending(fd);
    close_number(fd);
    if (!closing) {
        leave();
    }
    return true;
}

static void transparent_after_close(int fd)
{
    if (!closing && !inside_enter()) {
        return;
    }
    closing = false;
    shadow_close_end(fd);
    leave();
}

static bool transparent_before_replace(int fd)
{
    if (is_off() || !inside_enter()) {
        return false;
    }
    close_number(fd);
    leave();
    return true;
}

static void transparent_after_replace(int fd)
{
    if (inside_enter()) {
        shadow_close_end(fd);
        leave();
    }
}

static bool transparent_before_close_range(unsigned int first, unsigned int last)
{
    if (is_off() || !inside_enter()) {
        return false;
    }
    for (unsigned int fd = first; fd <= last && fd < (unsigned int)shadow_numbers_end(); fd++) {
        if (shadow_file((int)fd) != NULL) {
            close_number((int)fd);
            shadow_close_end((int)fd); /* the range is under way as a whole */
        }
    }
    shadow_close_range_begin(first, last);
    leave();
    return true;
}

static void transparent_after_close_range(void)
{
    if (inside_enter()) {
        shadow_close_range_end();
        leave();
    }
}

static uint64_t transparent_before_open(void)
{
    return shadow_now();
}

static void judge_missed(bool missed)
{
    if (missed) {
        stats.missed++;
        judge_failure(-EBADF);
    }
}

static void transparent_opened(int fd, enum shadow_kind kind, uint64_t stamp)
{
    bool missed = false;

    if (!is_off() && inside_enter()) {
        (void)shadow_opened(fd, kind, stamp, &missed);
        judge_missed(missed);
        stats.instances += kind == SHADOW_EPOLL;
        leave();
    }
}

static void transparent_before_duplicate(int from)
{
    struct shadow_file *file;

    if (is_off() || !inside_enter()) {
        return;
    }
    file = shadow_file(from);
    if (file != NULL) {
        file->duplicated = true;
        stop(file, STOP_DUPLICATED, FLUSH_DUP);
    }
    leave();
}

static void transparent_duplicated(int from, int fd, uint64_t stamp)
{
    bool missed = false;
    struct shadow_number *entry;

    if (from == fd || is_off() || !inside_enter()) {
        return;
    }
    entry = shadow_number(from);
    /* Closed meanwhile, it can be another file's by now. */
    if (entry != NULL && entry->file != NULL && entry->closed <= stamp) {
        shadow_duplicated(entry->file, fd, stamp, &missed);
        judge_missed(missed);
    }
    leave();
}

static void transparent_before_look(int fd)
{
    /* poll is called with thousands of targets: most are none of the shim's business. */
    if (!is_off() && inside_enter()) {
        struct shadow_file *file = shadow_file(fd);

        if (file != NULL) {
            stop(file, STOP_POLLED, FLUSH_LOOK);
        }
        leave();
    }
}

static void transparent_before_change(int fd, bool connects)
{
    struct shadow_file *file;

    if (is_off() || !inside_enter()) {
        return;
    }
    file = shadow_file(fd);
    if (file != NULL && (!connects || file->kind == SHADOW_DATAGRAM)) {
        if (file->duplicated) {
            flush_all(FLUSH_CHANGE); /* it may be pending under another number */
        } else {
            flush_number(shadow_number(fd), FLUSH_CHANGE);
        }
    }
    leave();
}

static void transparent_before_send(int fd)
{
    if (!is_off() && inside_enter()) {
        struct shadow_file *file = shadow_file(fd);

        if (file != NULL) {
            stop(file, STOP_SENT, FLUSH_SEND);
            file->elsewhere = true;
        }
        leave();
    }
}

static void share(struct shadow_file *file)
{
    stop(file, STOP_FORKED, FLUSH_FORK);
    file->elsewhere = true;
}

static void transparent_before(enum policy_change change)
{
    if (!inside_enter()) {
        return;
    }
    flush_all(FLUSH_EXEC);
    if (change == CHANGE_SPAWN) {
        shadow_each_file(share);
    }
    ending |= change == CHANGE_SPLIT;
    /* Another thread's call that comes before the kernel's must not be pending then. */
    pauses += change != CHANGE_SPLIT;
    leave();
}

static void transparent_after(enum policy_change change)
{
    if (change == CHANGE_SPLIT || !inside_enter()) {
        return;
    }
    assert(pauses > 0);
    pauses--;
    if (change == CHANGE_SPAWN) {
        shadow_each_file(share); /* also what was made meanwhile */
    }
    leave();
}

/* True between the two halves of a fork, in the thread that forks: the lock is held. */
static _Thread_local bool forking;

static void before_fork(void)
{
    forking = !is_off() && inside_enter();
    if (forking) {
        shadow_each_file(share);
    }
}

static void after_fork(bool child)
{
    if (!forking) {
        return;
    }
    forking = false;
    if (child) {
        memset(&stats, 0, sizeof(stats));
    }
    inside_leave();
}

/* As handlers of pthread_atfork: fork leaves errno alone. */
static void fork_prepare(void)
{
    int saved_errno = errno;

    before_fork();
    errno = saved_errno;
}

static void fork_parent(void)
{
    int saved_errno = errno;

    after_fork(false);
    errno = saved_errno;
}

static void fork_child(void)
{
    int saved_errno = errno;

    after_fork(true);
    errno = saved_errno;
}

/* All calls were answered with 0 because that was certain: there is no error to tell. */
static int transparent_flush(void)
{
    if (!is_off() && inside_enter()) {
        flush_all(FLUSH_ASKED);
        leave();
    }
    return 0;
}

static const char *const rule_names[RULE_COUNT] = {
#define RULE(identifier, name) name,
    STATS_RULES(RULE)
#undef RULE
};

static void transparent_start(void)
{
    config_load_list("EPBATCH_ELIDE", rule_names, RULE_COUNT, elides);
    stats_start();
    if (!shadow_start()) {
        config_say("no address space for the table of descriptors; nothing is deferred");
        atomic_store_explicit(&off, true, memory_order_release);
    }
    inside_start();
    /* First among the handlers: the last to run before a fork, and the first behind it. */
    if (pthread_atfork(fork_prepare, fork_parent, fork_child) != 0) {
        config_say("no memory for the handlers of fork; nothing is deferred");
        atomic_store_explicit(&off, true, memory_order_release);
    }
}

const struct policy policy_transparent = {
    .name = "transparent",
    .start = transparent_start,
    .ctl = transparent_ctl,
    .before_wait = transparent_before_wait,
    .after_wait = transparent_after_wait,
    .before_close = transparent_before_close,
    .after_close = transparent_after_close,
    .flush = transparent_flush,
    .before_open = transparent_before_open,
    .opened = transparent_opened,
    .before_duplicate = transparent_before_duplicate,
    .duplicated = transparent_duplicated,
    .before_replace = transparent_before_replace,
    .after_replace = transparent_after_replace,
    .before_close_range = transparent_before_close_range,
    .after_close_range = transparent_after_close_range,
    .before_look = transparent_before_look,
    .before_change = transparent_before_change,
    .before_send = transparent_before_send,
    .before = transparent_before,
    .after = transparent_after,
    .before_bare_fork = before_fork,
    .after_bare_fork = after_fork,
    .inside = true,
};
