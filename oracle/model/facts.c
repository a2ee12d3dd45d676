/* Facts about kernels: those of the running one are found out by trying. */
#include "oracle/model/facts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHARGE_SIZE_MAX = 65536,
    EVENTFD_LONG = 16,
};

/* --- One kernel, whichever runs --- */

/* Sk_buffs cost more than their bytes. How much is the running kernel's affair; roughly this. */
static uint32_t fixed_charge(bool datagram, uint32_t size)
{
    (void)datagram;
    return size + 768;
}

const struct model_facts model_facts_fixed = {
    .wait_checks_fd_first = true,
    .last_waiter_first = true,
    .counts_links_above = true,
    .unix_oob = true,
    .socket_buffer = 212992,
    .pipe_pages = 16,
    .executable_size = 1 << 17,
    .charge = fixed_charge,
};

/* --- The running kernel --- */

static void close_all(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

/* --- What a message costs its sender --- */

static pthread_mutex_t charge_lock = PTHREAD_MUTEX_INITIALIZER;
static int charge_sockets[2][2] = {{-1, -1}, {-1, -1}};
static uint32_t charges[2][CHARGE_SIZE_MAX + 1];

static uint32_t measure_charge(bool datagram, uint32_t size)
{
    static char bytes[CHARGE_SIZE_MAX];
    int *sockets = charge_sockets[datagram];
    int charged = 0;

    if (sockets[0] < 0 &&
        socketpair(AF_UNIX, (datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                   sockets) != 0)
        return 0;
    if (send(sockets[0], bytes, size, MSG_NOSIGNAL) != (ssize_t)size ||
        ioctl(sockets[0], SIOCOUTQ, &charged) != 0)
        return 0;
    while (recv(sockets[1], bytes, sizeof(bytes), 0) > 0 && !datagram)
        ;
    return (uint32_t)charged;
}

uint32_t model_facts_charge(bool datagram, uint32_t size)
{
    assert(size <= CHARGE_SIZE_MAX);
    uint32_t charge = __atomic_load_n(&charges[datagram][size], __ATOMIC_ACQUIRE);
    if (charge != 0)
        return charge;
    pthread_mutex_lock(&charge_lock);
    charge = measure_charge(datagram, size);
    pthread_mutex_unlock(&charge_lock);
    /* Descriptors were there when the facts were probed. A kernel that charges nothing is none. */
    assert(charge != 0);
    __atomic_store_n(&charges[datagram][size], charge, __ATOMIC_RELEASE);
    return charge;
}

/* --- The other facts: each in a function of its own, which returns 0 or a negative errno --- */

static int probe_wait_order(struct model_facts *facts)
{
    struct epoll_event event;

    facts->wait_checks_fd_first = epoll_wait(-1, &event, 0, 0) == -1 && errno == EBADF;
    return 0;
}

static int probe_wakeup_bit(struct model_facts *facts)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLWAKEUP};
    char path[64];
    char text[512];
    int err = 0;

    int fds[3] = {epoll_create1(EPOLL_CLOEXEC), eventfd(0, EFD_CLOEXEC), -1};
    if (fds[0] < 0 || fds[1] < 0 || epoll_ctl(fds[0], EPOLL_CTL_ADD, fds[1], &event) != 0) {
        err = -errno;
        goto out;
    }
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fds[0]);
    fds[2] = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fds[2] < 0 ? -1 : read(fds[2], text, sizeof(text) - 1);
    if (got < 0) {
        err = -errno;
        goto out;
    }
    text[got] = '\0';
    const char *events = strstr(text, "events:");
    facts->keeps_wakeup_bit = events && (strtoul(events + 7, NULL, 16) & EPOLLWAKEUP) != 0;
out:
    close_all(fds, 3);
    return err;
}

static int probe_eventfd(struct model_facts *facts)
{
    uint64_t values[EVENTFD_LONG / sizeof(uint64_t)] = {1, 0};

    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    facts->eventfd_takes_long = write(fd, values, sizeof(values)) > 0;
    close(fd);
    return 0;
}

static int probe_socket(struct model_facts *facts)
{
    int fds[2] = {-1, -1};
    socklen_t length = sizeof(int);
    int size = 0;
    int err = 0;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return -errno;
    if (getsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, &length) != 0)
        err = -errno;
    facts->socket_buffer = (unsigned)size;
    facts->unix_oob = send(fds[0], "", 1, MSG_OOB | MSG_NOSIGNAL) == 1;
    close_all(fds, 2);
    return err;
}

static int probe_pipe(struct model_facts *facts)
{
    int fds[2] = {-1, -1};

    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return -errno;
    int size = fcntl(fds[0], F_GETPIPE_SZ);
    facts->pipe_pages = size > 0 ? (unsigned)size / 4096 : 0;
    close_all(fds, 2);
    return size > 0 ? 0 : -errno;
}

/* Five instances in a row, joined from the bottom up: the chain above counts if that is refused
 * where the same chain from the top down is. */
static int probe_links(struct model_facts *facts)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fds[6] = {-1, -1, -1, -1, -1, -1};
    int err = 0;

    for (unsigned i = 0; i < 6 && !err; i++) {
        fds[i] = epoll_create1(EPOLL_CLOEXEC);
        err = fds[i] < 0 ? -errno : 0;
    }
    for (unsigned i = 0; i < 4 && !err; i++)
        err = epoll_ctl(fds[i], EPOLL_CTL_ADD, fds[i + 1], &event) ? -errno : 0;
    if (!err)
        facts->counts_links_above =
            epoll_ctl(fds[4], EPOLL_CTL_ADD, fds[5], &event) != 0 && errno == ELOOP;
    close_all(fds, 6);
    return err;
}

/* --- Of two waiters, who is woken first? --- */

struct waiter {
    int instance, done;
    pid_t tid;
};

static void *wait_once(void *argument)
{
    struct waiter *waiter = argument;
    struct epoll_event event;

    __atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
    int count = epoll_wait(waiter->instance, &event, 1, -1);
    __atomic_store_n(&waiter->done, count == 1 ? 1 : 2, __ATOMIC_RELEASE);
    return NULL;
}

/* True once the thread sleeps in epoll_wait: what /proc says, not what the clock says. */
static bool asleep(const struct waiter *waiter)
{
    char path[64];
    char text[128] = "";
    pid_t tid = __atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE);

    if (tid == 0)
        return false;
    snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    /* A thread that runs has "running" there. glibc calls epoll_wait or epoll_pwait. */
    return got > 0 && (strncmp(text, "232 ", 4) == 0 || strncmp(text, "281 ", 4) == 0);
}

static int probe_waiters(struct model_facts *facts)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    struct waiter waiters[2];
    pthread_t threads[2];
    uint64_t one = 1;
    int err = 0;

    int fds[2] = {epoll_create1(EPOLL_CLOEXEC), eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (fds[0] < 0 || fds[1] < 0 || epoll_ctl(fds[0], EPOLL_CTL_ADD, fds[1], &event) != 0) {
        err = -errno;
        goto out;
    }
    for (unsigned i = 0; i < 2; i++) {
        waiters[i] = (struct waiter){.instance = fds[0]};
        err = -pthread_create(&threads[i], NULL, wait_once, &waiters[i]);
        if (err && i == 1) {
            (void)!write(fds[1], &one, sizeof(one));
            pthread_join(threads[0], NULL);
        }
        if (err)
            goto out;
        while (!asleep(&waiters[i]))
            sched_yield();
    }
    /* Edge-triggered: one write is one event for one waiter. */
    if (write(fds[1], &one, sizeof(one)) != (ssize_t)sizeof(one))
        err = -errno;
    while (!__atomic_load_n(&waiters[0].done, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&waiters[1].done, __ATOMIC_ACQUIRE))
        sched_yield();
    facts->last_waiter_first = __atomic_load_n(&waiters[1].done, __ATOMIC_ACQUIRE) != 0;
    if (write(fds[1], &one, sizeof(one)) != (ssize_t)sizeof(one))
        err = -errno;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
out:
    close_all(fds, 2);
    return err;
}

int model_facts_probe(const char *executable, struct model_facts *ret_facts, char *ret_why,
                      size_t size)
{
    static int (*const probes[])(struct model_facts *) = {
        probe_wait_order, probe_wakeup_bit, probe_eventfd, probe_socket,
        probe_pipe,       probe_links,      probe_waiters,
    };
    struct model_facts facts = {.wait_checks_fd_first = false};
    struct stat status;

    if (stat(executable, &status) != 0) {
        int err = -errno;
        snprintf(ret_why, size, "the model cannot look at %.200s: %s", executable, strerror(-err));
        return err;
    }
    facts.executable_size = (uint64_t)status.st_size;
    for (unsigned i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        int err = probes[i](&facts);
        if (err) {
            snprintf(ret_why, size, "the model cannot try out the running kernel: %s",
                     strerror(-err));
            return err;
        }
    }
    facts.charge = model_facts_charge;
    (void)model_facts_charge(false, 1);
    (void)model_facts_charge(true, 1);
    *ret_facts = facts;
    return 0;
}

size_t model_facts_print(const struct model_facts *facts, char *out, size_t size)
{
    int length = snprintf(
        out, size,
        "of several waiters the %s to sleep is woken first; epoll_wait checks %s first; a chain "
        "of instances %s; an eventfd %s more than 8 bytes; EPOLLWAKEUP is %s; a Unix socket's "
        "buffer is %u bytes, a pipe's %u pages",
        facts->last_waiter_first ? "last" : "first",
        facts->wait_checks_fd_first ? "the descriptor" : "maxevents",
        facts->counts_links_above ? "counts as a whole" : "counts from the instance down",
        facts->eventfd_takes_long ? "takes" : "refuses",
        facts->keeps_wakeup_bit ? "kept" : "stripped", facts->socket_buffer, facts->pipe_pages);
    return length < 0 ? 0 : (size_t)length;
}
