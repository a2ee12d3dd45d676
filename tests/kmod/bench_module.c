/*
 * What an operation costs: by epoll_ctl, by the shim's backends uring and module, and by one ioctl
 * for the whole batch.
 *
 *     kmod_bench_module [ROUNDS [GAIN]]
 *
 * Two loads: `toggle` changes what N registrations wait for, as servers do that write an answer;
 * `churn` adds N eventfds and in the next batch deletes them. Every result is looked at. The figure
 * is the median of the rounds, in which the ways take turns. With GAIN the program fails if the
 * module, at a batch of 64 of `toggle`, is not that many times as fast as epoll_ctl.
 */
#include "shim/backend.h"
#include "shim/batch.h"
#include "tests/kmod/device.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum { TARGETS = 256, ROUNDS_MAX = 1001, BATCHES = 20, JUDGED = 64 };

enum way { WAY_CALLS, WAY_URING, WAY_MODULE, WAY_IOCTL, WAYS };

static const char *const names[WAYS] = {"epoll_ctl", "uring", "module", "ioctl"};
static const unsigned int sizes[] = {1, 4, 16, 64, 256};

static int device, epfd, targets[TARGETS];
static bool missing[WAYS];

static void fail(const char *way, int result)
{
    fprintf(stderr, "bench_module: an operation by %s came to %d, expected 0\n", way, result);
    exit(1);
}

static void by_calls(const struct epoll_batch_op *ops, unsigned int count)
{
    for (unsigned int index = 0; index < count; index++) {
        int result = device_plain(&ops[index]);
        if (result != 0)
            fail(names[WAY_CALLS], result);
    }
}

static void by_backend(const struct backend *backend, const struct epoll_batch_op *ops,
                       unsigned int count)
{
    struct pending_op pending[TARGETS];

    for (unsigned int index = 0; index < count; index++)
        pending[index] =
            (struct pending_op){.epfd = ops[index].epfd,
                                .op = ops[index].op,
                                .fd = ops[index].fd,
                                .has_event = true,
                                .event = {.events = ops[index].events, .data.u64 = ops[index].data},
                                .result = 1};
    (void)backend->execute(pending, count, BATCH_ALL);
    for (unsigned int index = 0; index < count; index++) {
        if (pending[index].result != 0)
            fail(backend->name, pending[index].result);
    }
}

static void by_ioctl(const struct epoll_batch_op *ops, unsigned int count)
{
    int results[TARGETS];

    memset(results, 1, count * sizeof(results[0]));
    int done = device_run(device, ops, results, count, 0);
    if (done != (int)count)
        fail(names[WAY_IOCTL], done);
    for (unsigned int index = 0; index < count; index++) {
        if (results[index] != 0)
            fail(names[WAY_IOCTL], results[index]);
    }
}

static void carry_out(enum way way, const struct epoll_batch_op *ops, unsigned int count)
{
    switch (way) {
    case WAY_CALLS:
        by_calls(ops, count);
        break;
    case WAY_URING:
        by_backend(&backend_uring, ops, count);
        break;
    case WAY_MODULE:
        by_backend(&backend_module, ops, count);
        break;
    default:
        by_ioctl(ops, count);
        break;
    }
}

static const struct load {
    const char *name;
    int ops[2]; /* of every other batch */
    unsigned int events[2];
} loads[] = {
    {"toggle", {EPOLL_CTL_MOD, EPOLL_CTL_MOD}, {EPOLLIN, EPOLLIN | EPOLLET}},
    {"churn", {EPOLL_CTL_ADD, EPOLL_CTL_DEL}, {EPOLLIN, 0}},
};

/* Nanoseconds an operation. */
static double measure(const struct load *load, enum way way, unsigned int size)
{
    struct epoll_batch_op ops[2][TARGETS];
    struct timespec begin, end;

    for (unsigned int index = 0; index < size; index++) {
        for (unsigned int half = 0; half < 2; half++)
            ops[half][index] = device_op(epfd, load->ops[half], targets[index], load->events[half]);
    }
    unsigned int batches = BATCHES * (TARGETS / size > 16 ? 16 : TARGETS / size);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned int batch = 0; batch < batches; batch++)
        carry_out(way, ops[batch % 2], size);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double nanoseconds =
        (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
    return nanoseconds / batches / size;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void find_out(const struct backend *backend, enum way way)
{
    const char *why = backend->start();

    if (why) {
        fprintf(stderr, "bench_module: %s is left out: %s\n", names[way], why);
        missing[way] = true;
    }
}

/* Prints the table of a load and returns the gain at the batch that is judged. */
static double run_load(const struct load *load, long rounds)
{
    static double figures[WAYS][ROUNDS_MAX];
    double gain = 0;

    printf("%s: ns an operation, median of %ld rounds\n%5s", load->name, rounds, "batch");
    for (enum way way = 0; way < WAYS; way++)
        printf("%12s", missing[way] ? "-" : names[way]);
    printf("%18s\n", "epoll_ctl/module");
    for (unsigned int index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        for (long round = -1; round < rounds; round++) { /* the first warms up */
            for (enum way way = 0; way < WAYS; way++) {
                if (!missing[way])
                    figures[way][round < 0 ? 0 : round] = measure(load, way, sizes[index]);
            }
        }
        printf("%5u", sizes[index]);
        for (enum way way = 0; way < WAYS; way++) {
            qsort(figures[way], (size_t)rounds, sizeof(double), compare);
            printf("%12.0f", figures[way][rounds / 2]);
        }
        double ratio = figures[WAY_CALLS][rounds / 2] / figures[WAY_MODULE][rounds / 2];
        printf("%18.2f\n", ratio);
        if (sizes[index] == JUDGED)
            gain = ratio;
    }
    return gain;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 51;
    double wanted = argc > 2 ? strtod(argv[2], NULL) : 0;

    if (argc > 3 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: kmod_bench_module [ROUNDS [GAIN]]   (1 to %d rounds)\n",
                ROUNDS_MAX);
        return 2;
    }
    device = device_open();
    find_out(&backend_uring, WAY_URING);
    find_out(&backend_module, WAY_MODULE);
    epfd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned int index = 0; index < TARGETS; index++) {
        struct epoll_batch_op op;
        targets[index] = eventfd(0, EFD_CLOEXEC);
        op = device_op(epfd, EPOLL_CTL_ADD, targets[index], EPOLLIN);
        by_calls(&op, 1);
    }
    double gain = run_load(&loads[0], rounds);
    for (unsigned int index = 0; index < TARGETS; index++) {
        struct epoll_batch_op op = device_op(epfd, EPOLL_CTL_DEL, targets[index], 0);
        by_calls(&op, 1);
    }
    run_load(&loads[1], rounds);
    if (gain < wanted) {
        fprintf(stderr, "bench_module: %.2f times at a batch of %d, expected %.2f\n", gain, JUDGED,
                wanted);
        return 1;
    }
    return 0;
}
