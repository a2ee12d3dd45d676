/*
 * Random vectors of operations, the plain loop as the oracle.
 *
 *     kmod_vectors COUNT [SEED]
 *
 * Each vector is carried out three times, on three instances of each kind that have the same past:
 * by epoll_ctl, by the module, and by io_uring as the shim does it (where it can be had). Results,
 * interest lists and what a wait returns, order included, must be the same. Where the kernel has
 * KCOV, a vector that takes the module's call where none has been is kept, and later ones are made
 * from it.
 */
#include "shim/backend.h"
#include "tests/kmod/device.h"
#include "tests/unit/shim/uring_support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcov.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    OPS_MAX = 96,
    GENE = 4, /* bytes that make an operation */
    GENES_MAX = OPS_MAX * GENE + 1,
    TARGETS = 16,
    OWN = 2, /* instances of a side */
    POOL_MAX = 512,
    PLACES = 1 << 20,
    TRACE_MAX = 1 << 16,
    EVENTS_MAX = 64,
    TEXT_MAX = 1 << 14,
    LINE_MAX = 100,
};

enum side { SIDE_PLAIN, SIDE_MODULE, SIDE_URING, SIDES };

struct vector {
    unsigned int length; /* bytes */
    unsigned char genes[GENES_MAX];
};

static int device;
static bool with_uring;
static int instances[SIDES][OWN];
static int targets[TARGETS];
static uint64_t random_state;

static struct vector pool[POOL_MAX];
static unsigned int pool_size;
static unsigned char seen[PLACES / 8];
static unsigned long places;
static unsigned long *trace; /* NULL: no KCOV */
static int kcov = -1;

static unsigned int below(unsigned int limit)
{
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned int)(random_state >> 33) % limit;
}

static void open_kcov(void)
{
    kcov = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
    if (kcov < 0)
        return;
    CHECK_EQUAL(ioctl(kcov, KCOV_INIT_TRACE, TRACE_MAX), 0);
    trace = mmap(NULL, TRACE_MAX * sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED, kcov, 0);
    CHECK(trace != MAP_FAILED);
}

static void begin_trace(void)
{
    if (trace) {
        CHECK_EQUAL(ioctl(kcov, KCOV_ENABLE, KCOV_TRACE_PC), 0);
        __atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
    }
}

/* Returns how many places this call was the first to reach. */
static unsigned int end_trace(void)
{
    unsigned int fresh = 0;

    if (!trace)
        return 0;
    unsigned long count = __atomic_load_n(&trace[0], __ATOMIC_RELAXED);
    CHECK_EQUAL(ioctl(kcov, KCOV_DISABLE, 0), 0);
    for (unsigned long index = 1; index <= count && index < TRACE_MAX; index++) {
        unsigned int place = (unsigned int)((trace[index] * 0x9e3779b97f4a7c15U) >> 44);
        if (!(seen[place / 8] & 1U << place % 8)) {
            seen[place / 8] |= (unsigned char)(1U << place % 8);
            fresh++;
        }
    }
    places += fresh;
    return fresh;
}

static void make_world(void)
{
    int ends[2];

    for (int index = 0; index < TARGETS - 4; index += 2) {
        if (index % 4 == 0) {
            ready_pipe(ends);
        } else {
            ends[0] = eventfd(1, EFD_CLOEXEC);
            ends[1] = eventfd(0, EFD_CLOEXEC);
        }
        targets[index] = ends[0];
        targets[index + 1] = ends[1];
    }
    targets[TARGETS - 4] = epoll_create1(EPOLL_CLOEXEC);
    targets[TARGETS - 3] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* EPERM */
    targets[TARGETS - 2] = 999;
    targets[TARGETS - 1] = -1;
}

static void make_instances(void)
{
    for (enum side side = 0; side < SIDES; side++) {
        for (int own = 0; own < OWN; own++)
            instances[side][own] = epoll_create1(EPOLL_CLOEXEC);
    }
}

static void end_instances(void)
{
    for (enum side side = 0; side < SIDES; side++) {
        for (int own = 0; own < OWN; own++)
            CHECK_EQUAL(close(instances[side][own]), 0);
    }
}

/* The operation that four bytes stand for: any four do. */
static struct epoll_batch_op read_gene(const unsigned char *gene, enum side side, unsigned int at)
{
    static const int ops[] = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD,
                              EPOLL_CTL_MOD, EPOLL_CTL_DEL, EPOLL_CTL_DEL, 77};
    static const uint32_t bits[] = {EPOLLIN,
                                    EPOLLOUT,
                                    EPOLLIN | EPOLLET,
                                    EPOLLIN | EPOLLONESHOT,
                                    0,
                                    EPOLLIN | EPOLLEXCLUSIVE,
                                    EPOLLIN | EPOLLWAKEUP,
                                    0xffffffff};
    unsigned int target = gene[2] % (TARGETS + OWN);
    struct epoll_batch_op op = {
        .epfd = gene[1] % 32 == 31 ? targets[gene[1] / 32] : instances[side][gene[1] % OWN],
        .op = ops[gene[0] % 8],
        .fd = target < TARGETS ? targets[target] : instances[side][target - TARGETS],
        .events = bits[gene[3] % 8],
        .data = (uint64_t)at << 32 | gene[3],
    };

    return op;
}

static unsigned int read_flags(const struct vector *vector)
{
    return vector->genes[0] % 4; /* FIXUPS and STOP */
}

static unsigned int count_ops(const struct vector *vector)
{
    return (vector->length - 1) / GENE;
}

static int plain_op(const struct epoll_batch_op *op, unsigned int flags)
{
    struct epoll_batch_op again = *op;
    int result = device_plain(op);

    if (!(flags & EPOLL_BATCH_FIXUPS))
        return result;
    if (op->op == EPOLL_CTL_ADD && result == -EEXIST)
        again.op = EPOLL_CTL_MOD;
    else if (op->op == EPOLL_CTL_MOD && result == -ENOENT)
        again.op = EPOLL_CTL_ADD;
    else
        return result;
    result = device_plain(&again);
    return result ? result - EPOLL_BATCH_SECOND : EPOLL_BATCH_REPAIRED;
}

static void run_plain(const struct epoll_batch_op *ops, int *results, unsigned int count,
                      unsigned int flags)
{
    bool stopped = false;

    for (unsigned int index = 0; index < count; index++) {
        results[index] = stopped ? -ECANCELED : plain_op(&ops[index], flags);
        stopped |= (flags & EPOLL_BATCH_STOP) && results[index] < 0;
    }
}

static void run_uring(const struct epoll_batch_op *ops, int *results, unsigned int count,
                      unsigned int flags)
{
    struct pending_op pending[OPS_MAX];

    for (unsigned int index = 0; index < count; index++) {
        pending[index] = (struct pending_op){
            .epfd = ops[index].epfd,
            .op = ops[index].op,
            .fd = ops[index].fd,
            .has_event = true,
            .event = {.events = ops[index].events, .data.u64 = ops[index].data}};
    }
    (void)backend_uring.execute(pending, count,
                                (flags & EPOLL_BATCH_FIXUPS ? BATCH_FIXUPS : 0) |
                                    (flags & EPOLL_BATCH_STOP ? 0 : BATCH_ALL));
    for (unsigned int index = 0; index < count; index++)
        results[index] = pending[index].result;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* An instance's list, without the numbers that differ. The kernel's order is that of addresses. */
static size_t observe_list(enum side side, int own, char *ret_text, size_t size)
{
    static char list[TEXT_MAX], lines[TARGETS + OWN][LINE_MAX];
    size_t count = 0, length = 0;

    read_list(instances[side][own], list, sizeof(list));
    for (char *line = strtok(list, "\n"); line; line = strtok(NULL, "\n")) {
        int tfd;
        unsigned int mask;
        unsigned long long data;
        CHECK_EQUAL(sscanf(line, "tfd: %d events: %x data: %llx", &tfd, &mask, &data), 3);
        for (int other = 0; other < OWN; other++) {
            if (tfd == instances[side][other])
                tfd = -100 - other;
        }
        CHECK(count < TARGETS + OWN);
        snprintf(lines[count++], LINE_MAX, "%d: %d %x %llx\n", own, tfd, mask, data);
    }
    qsort(lines, count, LINE_MAX, compare_lines);
    for (size_t index = 0; index < count; index++)
        length += (size_t)snprintf(ret_text + length, size - length, "%s", lines[index]);
    return length;
}

/* What can be told of a side: its lists, and its events in order. */
static void observe(enum side side, char *ret_text)
{
    struct epoll_event events[EVENTS_MAX];
    size_t length = 0;

    for (int own = 0; own < OWN; own++) {
        length += observe_list(side, own, ret_text + length, TEXT_MAX - length);
        int got = epoll_wait(instances[side][own], events, EVENTS_MAX, 0);
        for (int index = 0; index < got; index++)
            length +=
                (size_t)snprintf(ret_text + length, TEXT_MAX - length, "%d! %x %llx\n", own,
                                 events[index].events, (unsigned long long)events[index].data.u64);
        CHECK(length < TEXT_MAX);
    }
}

static _Noreturn void report(const struct vector *vector, enum side side, const int *expected,
                             const int *results, const char *expected_text, const char *text)
{
    static const char *const names[] = {"epoll_ctl", "the module", "io_uring"};

    printf("vectors: %s differs from epoll_ctl; flags %u\n", names[side], read_flags(vector));
    for (unsigned int index = 0; index < count_ops(vector); index++) {
        struct epoll_batch_op op = read_gene(&vector->genes[1 + index * GENE], side, index);
        printf("  epoll_ctl(%d, %d, %d, %#x): %d %d%s\n", op.epfd, op.op, op.fd, op.events,
               expected[index], results[index], expected[index] == results[index] ? "" : "  <--");
    }
    printf("by epoll_ctl:\n%sby %s:\n%s", expected_text, names[side], text);
    exit(1);
}

/* Returns how many places it was the first to reach. */
static unsigned int try_vector(const struct vector *vector)
{
    static char texts[SIDES][TEXT_MAX];
    unsigned int count = count_ops(vector), flags = read_flags(vector), fresh = 0;
    int results[SIDES][OPS_MAX] = {{0}};

    make_instances();
    for (enum side side = 0; side < (with_uring ? SIDES : SIDE_URING); side++) {
        struct epoll_batch_op ops[OPS_MAX];
        for (unsigned int index = 0; index < count; index++)
            ops[index] = read_gene(&vector->genes[1 + index * GENE], side, index);
        if (side == SIDE_PLAIN) {
            run_plain(ops, results[side], count, flags);
        } else if (side == SIDE_MODULE) {
            begin_trace();
            int done = device_run(device, ops, results[side], count, flags);
            fresh = end_trace();
            CHECK(done >= 0);
            for (unsigned int index = 0; index < count; index++)
                CHECK_EQUAL(results[side][index] == -ECANCELED, index >= (unsigned int)done);
        } else {
            run_uring(ops, results[side], count, flags);
        }
        observe(side, texts[side]);
        for (unsigned int index = 0; index < count; index++) {
            int expected = results[SIDE_PLAIN][index];
            /* The shim's backends do not tell of second tries. */
            if (side == SIDE_URING && expected == EPOLL_BATCH_REPAIRED)
                expected = 0;
            if (side == SIDE_URING && expected < -EPOLL_BATCH_SECOND)
                expected += EPOLL_BATCH_SECOND;
            if (results[side][index] != expected)
                report(vector, side, results[SIDE_PLAIN], results[side], texts[0], texts[side]);
        }
        if (strcmp(texts[SIDE_PLAIN], texts[side]) != 0)
            report(vector, side, results[SIDE_PLAIN], results[side], texts[0], texts[side]);
    }
    end_instances();
    return fresh;
}

static void make_vector(struct vector *ret_vector)
{
    ret_vector->length = 1 + below(OPS_MAX + 1) * GENE;
    for (unsigned int index = 0; index < ret_vector->length; index++)
        ret_vector->genes[index] = (unsigned char)below(256);
}

static void change_vector(struct vector *vector)
{
    const struct vector *other = &pool[below(pool_size)];
    unsigned int length;

    for (unsigned int changes = 1 + below(8); changes > 0; changes--) {
        switch (below(4)) {
        case 0: /* the beginning of this, the end of another */
            length = 1 + below(count_ops(vector) + 1) * GENE;
            if (length < other->length) {
                memcpy(vector->genes + length, other->genes + length, other->length - length);
                length = other->length;
            }
            vector->length = length;
            break;
        case 1:
            if (count_ops(vector) > 0)
                vector->length -= GENE;
            break;
        default:
            vector->genes[below(vector->length)] = (unsigned char)below(256);
            break;
        }
    }
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, operations = 0;
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;

    if (argc < 2 || argc > 3 || count == 0) {
        fprintf(stderr, "usage: kmod_vectors COUNT [SEED]\n");
        return 2;
    }
    random_state = seed;
    device = device_open();
    with_uring = backend_uring.start() == NULL;
    open_kcov();
    make_world();
    for (unsigned long tried = 0; tried < count; tried++) {
        struct vector vector;
        if (pool_size == 0 || below(4) == 0) {
            make_vector(&vector);
        } else {
            vector = pool[below(pool_size)];
            change_vector(&vector);
        }
        operations += count_ops(&vector);
        if (try_vector(&vector) > 0)
            pool[pool_size < POOL_MAX ? pool_size++ : below(POOL_MAX)] = vector;
    }
    printf("vectors=%lu operations=%lu kept=%u places=%lu kcov=%s io_uring=%s seed=%lu\n", count,
           operations, pool_size, places, trace ? "yes" : "no", with_uring ? "yes" : "no", seed);
    return 0;
}
