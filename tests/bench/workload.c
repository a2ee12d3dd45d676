#include "tests/bench/workload.h"
#include "tests/bench/stats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    THREADS_MAX = 64,
    TARGETS = 8,      /* that a thread turns over at a time */
    CONNECTIONS = 16, /* of the echo server */
    MESSAGE = 64,     /* bytes */
    TRIALS = 5,       /* of a latency */
    BLOCK = 256,      /* calls that the clock is read around */
    BLOCKS_MAX = 1000,
};

struct worker {
    pthread_t thread;
    int epfd;
    long operations; /* epoll_ctl calls to be made; a few more are, to come to an end */
    long made;
    long every; /* of these calls, then comes a wait */
    long since;
    bool quiet; /* waits only while all others stand still */
    bool first;
    int targets[TARGETS];
};

static pthread_barrier_t barrier;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double cpu(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

__attribute__((noreturn)) static void give_up(const char *why)
{
    fprintf(stderr, "bench_shim workload: %s: %s\n", why, strerror(errno));
    exit(3);
}

static int checked(int result, const char *what)
{
    if (result < 0)
        give_up(what);
    return result;
}

static void look(struct worker *worker)
{
    struct epoll_event events[TARGETS];

    (void)checked(epoll_wait(worker->epfd, events, TARGETS, 0), "epoll_wait");
}

static void pass_by(struct worker *worker)
{
    worker->since = 0;
    if (!worker->quiet) {
        look(worker);
        return;
    }
    pthread_barrier_wait(&barrier);
    if (worker->first)
        look(worker);
    pthread_barrier_wait(&barrier);
}

static void ctl(struct worker *worker, int op, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    (void)checked(epoll_ctl(worker->epfd, op, fd, &event), "epoll_ctl");
    worker->made++;
    if (++worker->since == worker->every)
        pass_by(worker);
}

static void ctl_all(struct worker *worker, int op, uint32_t events)
{
    for (int index = 0; index < TARGETS; index++)
        ctl(worker, op, worker->targets[index], events);
}

/* Connections come, want to write, want to read again, and go; half of them are deregistered. */
static void churn(struct worker *worker)
{
    while (worker->made < worker->operations) {
        int peers[TARGETS];

        for (int index = 0; index < TARGETS; index++) {
            int fds[2] = {-1, -1};

            if (index % 2 == 0)
                fds[0] = checked(eventfd(0, EFD_NONBLOCK), "eventfd");
            else
                (void)checked(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                              "socketpair");
            worker->targets[index] = fds[0];
            peers[index] = fds[1];
            ctl(worker, EPOLL_CTL_ADD, fds[0], EPOLLIN);
        }
        ctl_all(worker, EPOLL_CTL_MOD, EPOLLIN | EPOLLPRI);
        ctl_all(worker, EPOLL_CTL_MOD, EPOLLIN);
        for (int index = 0; index < TARGETS; index++) {
            if (index / 2 % 2 == 0)
                ctl(worker, EPOLL_CTL_DEL, worker->targets[index], 0);
            close(worker->targets[index]);
            if (peers[index] >= 0)
                close(peers[index]);
        }
    }
}

static void *toggle(void *argument)
{
    struct worker *worker = argument;

    for (int index = 0; index < TARGETS; index++)
        worker->targets[index] = checked(eventfd(0, EFD_NONBLOCK), "eventfd");
    pthread_barrier_wait(&barrier);
    while (worker->made < worker->operations) {
        ctl_all(worker, EPOLL_CTL_ADD, EPOLLIN);
        ctl_all(worker, EPOLL_CTL_MOD, EPOLLIN | EPOLLPRI);
        ctl_all(worker, EPOLL_CTL_MOD, EPOLLIN);
        ctl_all(worker, EPOLL_CTL_DEL, 0);
    }
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void report(double wall, double used, long operations, const char *what)
{
    printf("wall %f\ncpu %f\n", wall / (double)operations, used / (double)operations);
    printf("%s %ld\n", what, operations);
}

static void run_churn(long operations, long every)
{
    struct worker worker = {.epfd = epoll_create1(0), .operations = operations, .every = every};
    double used = cpu(), wall = now();

    churn(&worker);
    report(now() - wall, cpu() - used, worker.made, "operations");
}

/* One thread is the process's own: with no other it has a single one. */
static void run_toggle(long operations, long every, unsigned threads, bool shared, bool quiet)
{
    static struct worker workers[THREADS_MAX];
    int epfd = epoll_create1(0);
    long made = 0;

    pthread_barrier_init(&barrier, NULL, threads > 1 ? threads + 1 : 1);
    for (unsigned index = 0; index < threads; index++)
        workers[index] = (struct worker){.epfd = shared ? epfd : epoll_create1(0),
                                         .operations = operations / threads,
                                         .every = every,
                                         .quiet = quiet,
                                         .first = index == 0};
    double used = cpu(), wall = now();
    if (threads == 1) {
        toggle(&workers[0]);
    } else {
        if (quiet) {
            pthread_barrier_destroy(&barrier);
            pthread_barrier_init(&barrier, NULL, threads);
        }
        for (unsigned index = 0; index < threads; index++)
            if (pthread_create(&workers[index].thread, NULL, toggle, &workers[index]) != 0)
                give_up("pthread_create");
        if (!quiet) {
            used = cpu();
            wall = now();
            pthread_barrier_wait(&barrier);
            pthread_barrier_wait(&barrier);
        }
        for (unsigned index = 0; index < threads; index++)
            pthread_join(workers[index].thread, NULL);
    }
    wall = now() - wall;
    used = cpu() - used;
    for (unsigned index = 0; index < threads; index++)
        made += workers[index].made;
    report(wall, used, made, "operations");
}

static void tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
    int on = 1;

    (void)checked(bind(listener, (struct sockaddr *)&address, length), "bind");
    (void)checked(listen(listener, 1), "listen");
    (void)checked(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
    fds[0] = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
    (void)checked(connect(fds[0], (struct sockaddr *)&address, length), "connect");
    fds[1] = checked(accept(listener, NULL, NULL), "accept");
    for (int side = 0; side < 2; side++)
        setsockopt(fds[side], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    close(listener);
}

_Noreturn static void *sleep_on(void *argument)
{
    (void)argument;
    for (;;)
        pause();
}

/*
 * The server's share of keep-alive connections and nothing else. Both ends of each connection
 * belong to the server, so an answer is the next request: each is a wait, a read and a write. The
 * wait may sleep and never has to.
 */
static void run_echo(long requests, bool tcp)
{
    int epfd = epoll_create1(0);
    char message[MESSAGE] = "";

    for (int index = 0; index < CONNECTIONS; index++) {
        int fds[2];

        if (tcp)
            tcp_pair(fds);
        else
            (void)checked(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
        for (int side = 0; side < 2; side++) {
            struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[side]};

            (void)checked(epoll_ctl(epfd, EPOLL_CTL_ADD, fds[side], &event), "epoll_ctl");
        }
        (void)checked((int)write(fds[0], message, MESSAGE), "write");
    }
    double used = cpu(), wall = now();
    for (long index = 0; index < requests; index++) {
        struct epoll_event event;

        if (epoll_wait(epfd, &event, 1, -1) != 1 ||
            read(event.data.fd, message, MESSAGE) != MESSAGE ||
            write(event.data.fd, message, MESSAGE) != MESSAGE)
            give_up("a request");
    }
    report(now() - wall, cpu() - used, requests, "requests");
}

static void latency(const char *name, double *values)
{
    double median = bench_median(values, TRIALS);

    printf("%s %f\n%s-worst %f\n", name, median / 1e3, name, values[TRIALS - 1] / 1e3);
}

/* What a wait takes, a close of a target and a close of the instance, when all that is pending is
 * in front of it. */
static void run_latency(long pending)
{
    int *fds = calloc((size_t)pending, sizeof(*fds));
    double values[3][TRIALS];

    if (fds == NULL)
        give_up("memory");
    for (long index = 0; index < pending; index++)
        fds[index] = checked(eventfd(0, EFD_NONBLOCK), "eventfd");
    for (int what = 0; what < 3; what++) {
        for (int trial = 0; trial < TRIALS; trial++) {
            struct worker worker = {.epfd = checked(epoll_create1(0), "epoll_create1")};

            for (long index = 0; index < pending; index++)
                ctl(&worker, EPOLL_CTL_ADD, fds[index], EPOLLIN);
            double start = now();
            if (what == 0)
                look(&worker);
            else
                close(what == 1 ? fds[pending / 2] : worker.epfd);
            values[what][trial] = now() - start;
            if (what == 1)
                fds[pending / 2] = checked(eventfd(0, EFD_NONBLOCK), "eventfd");
            if (what != 2)
                close(worker.epfd);
        }
    }
    latency("wait", values[0]);
    latency("close-target", values[1]);
    latency("close-instance", values[2]);
    free(fds);
}

/* What a call costs by itself. */
enum call {
    CALL_ADD,    /* deferred, to be carried out */
    CALL_MOD,    /* deferred in the place of the one before it */
    CALL_DIRECT, /* its event is where the shim does not dare to look */
    CALL_WAIT,   /* nothing pending, nothing ready, no timeout */
    CALL_CLOSE,  /* of what is registered nowhere */
    CALLS,
};

static const char *const call_names[CALLS] = {"ctl-add", "ctl-mod", "ctl-direct", "wait", "close"};

static double time_block(struct worker *worker, enum call call)
{
    static struct epoll_event distant = {.events = EPOLLIN};
    struct epoll_event event = {.events = EPOLLIN};
    static int fds[BLOCK];
    int op = call == CALL_ADD ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    for (int index = 0; index < BLOCK; index++) {
        fds[index] = checked(eventfd(0, EFD_NONBLOCK), "eventfd");
        if (call == CALL_MOD || call == CALL_DIRECT)
            ctl(worker, EPOLL_CTL_ADD, fds[index], EPOLLIN);
    }
    look(worker);
    if (call == CALL_MOD) {
        for (int index = 0; index < BLOCK; index++)
            ctl(worker, EPOLL_CTL_MOD, fds[index], EPOLLPRI);
    }
    double start = now();
    for (int index = 0; index < BLOCK; index++) {
        if (call == CALL_WAIT)
            (void)epoll_wait(worker->epfd, &event, 1, 0);
        else if (call == CALL_CLOSE)
            close(fds[index]);
        else
            (void)epoll_ctl(worker->epfd, op, fds[index], call == CALL_DIRECT ? &distant : &event);
    }
    double took = now() - start;
    look(worker);
    for (int index = 0; index < BLOCK && call != CALL_CLOSE; index++)
        close(fds[index]);
    return took / BLOCK;
}

static void run_calls(long operations)
{
    struct worker worker = {.epfd = checked(epoll_create1(0), "epoll_create1")};
    long count = operations / BLOCK / CALLS + 1;
    double values[BLOCKS_MAX];

    count = count > BLOCKS_MAX ? BLOCKS_MAX : count;
    for (enum call call = 0; call < CALLS; call++) {
        for (long index = 0; index < count; index++)
            values[index] = time_block(&worker, call);
        printf("%s %f\n", call_names[call], bench_median(values, (size_t)count));
    }
}

int workload_main(char **arguments)
{
    const char *name = arguments[0];
    long operations = atol(arguments[1]);
    long every = atol(arguments[2]);
    unsigned threads = (unsigned)atoi(arguments[3]);
    struct rlimit files;
    pthread_t idle;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    bool idles = strcmp(name, "echo") == 0 || strcmp(name, "calls") == 0;
    if (idles && threads > 1 && pthread_create(&idle, NULL, sleep_on, NULL) != 0)
        give_up("pthread_create");
    if (strcmp(name, "churn") == 0)
        run_churn(operations, every);
    else if (strcmp(name, "own") == 0 || strcmp(name, "shared") == 0)
        run_toggle(operations, every, threads, name[0] == 's', false);
    else if (strcmp(name, "quiet") == 0)
        run_toggle(operations, every, threads, true, true);
    else if (strcmp(name, "echo") == 0 || strcmp(name, "echo-tcp") == 0)
        run_echo(operations, name[4] != '\0');
    else if (strcmp(name, "latency") == 0)
        run_latency(operations);
    else if (strcmp(name, "calls") == 0)
        run_calls(operations);
    else
        return 2;
    return 0;
}
