/*
 * A batch through io_uring must not end otherwise than the same batch by the plain loop: no other
 * result, no other interest list, no other order of what is ready, also where it is longer than
 * the ring, where operations fail, and while another thread works on the same instance.
 */
#include "tests/unit/shim/uring_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TARGETS        24
#define BATCH_MAX      200
#define ROUNDS         3000
#define ROUNDS_BUSY    30
#define THREADS_BUSY   100
#define LONG_BATCH     1000
#define TEXT_MAX       65536
#define EVENTS_MAX     64
#define BAD_OPERATION  77
#define NUMBER_UNKNOWN 9999

static uint64_t random_state;

static unsigned int below(unsigned int limit)
{
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned int)(random_state >> 33) % limit;
}

/* Two instances with the same past; what one gets by the plain loop the other gets by the ring. */
struct twins {
    int plain;
    int ring;
    int targets[TARGETS];
};

static void make_twins(struct twins *twins, bool nests)
{
    int ends[2];

    twins->plain = epoll_create1(EPOLL_CLOEXEC);
    twins->ring = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < TARGETS - 4; index += 2) {
        if (below(2) == 0) {
            ready_pipe(ends);
        } else {
            ends[0] = eventfd(1, EFD_CLOEXEC);
            ends[1] = eventfd(0, EFD_CLOEXEC);
        }
        twins->targets[index] = ends[0];
        twins->targets[index + 1] = ends[1];
    }
    twins->targets[TARGETS - 4] = nests ? epoll_create1(EPOLL_CLOEXEC) : eventfd(0, EFD_CLOEXEC);
    twins->targets[TARGETS - 3] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* EPERM */
    twins->targets[TARGETS - 2] = NUMBER_UNKNOWN;
    twins->targets[TARGETS - 1] = -1;
}

static struct pending_op random_operation(const struct twins *twins)
{
    static const int ops[] = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD,
                              EPOLL_CTL_MOD, EPOLL_CTL_DEL, EPOLL_CTL_DEL, BAD_OPERATION};
    static const uint32_t bits[] = {EPOLLIN,
                                    EPOLLOUT,
                                    EPOLLIN | EPOLLET,
                                    EPOLLIN | EPOLLONESHOT,
                                    0,
                                    EPOLLIN | EPOLLEXCLUSIVE,
                                    EPOLLIN | EPOLLWAKEUP};
    struct pending_op made =
        operation(0, ops[below(below(4) == 0 ? 8 : 7)], twins->targets[below(TARGETS)],
                  bits[below(below(4) == 0 ? 7 : 5)]);

    made.event.data.u64 = random_state;
    if (below(50) == 0) {
        made.has_event = false;
    }
    if (below(50) == 0) {
        made.fd = made.epfd;
    }
    return made;
}

/* A batch, then the same for the other twin. Now and then an operation names another epoll. */
static void fill(const struct twins *twins, struct pending_op *plain, struct pending_op *ring,
                 size_t count)
{
    for (size_t index = 0; index < count; index++) {
        int stray = below(40);

        plain[index] = random_operation(twins);
        ring[index] = plain[index];
        plain[index].epfd = twins->plain;
        ring[index].epfd = twins->ring;
        if (stray == 0) {
            plain[index].epfd = ring[index].epfd = twins->targets[0]; /* no epoll: EINVAL */
        } else if (stray == 1) {
            plain[index].epfd = ring[index].epfd = -1;
        } else if (stray == 2) {
            plain[index].fd = twins->plain; /* an instance cannot watch itself */
            ring[index].fd = twins->ring;
        }
    }
}

static void compare_results(const struct pending_op *plain, const struct pending_op *ring,
                            size_t count)
{
    for (size_t index = 0; index < count; index++) {
        CHECK_EQUAL(ring[index].result, plain[index].result);
    }
}

static void compare_lists(const struct twins *twins)
{
    static char plain[TEXT_MAX];
    static char ring[TEXT_MAX];

    read_list(twins->plain, plain, sizeof(plain));
    read_list(twins->ring, ring, sizeof(ring));
    if (strcmp(plain, ring) != 0) {
        dprintf(STDERR_FILENO, "plain:\n%s\nring:\n%s\n", plain, ring);
    }
    CHECK_EQUAL(strcmp(plain, ring), 0);
}

/* Also the order: it is the order in which the operations found their targets ready. */
static void compare_events(const struct twins *twins)
{
    struct epoll_event plain[EVENTS_MAX];
    struct epoll_event ring[EVENTS_MAX];
    int count = epoll_wait(twins->plain, plain, EVENTS_MAX, 0);

    CHECK(count >= 0);
    CHECK_EQUAL(epoll_wait(twins->ring, ring, EVENTS_MAX, 0), count);
    for (int index = 0; index < count; index++) {
        CHECK_EQUAL(ring[index].events, plain[index].events);
        CHECK_EQUAL(ring[index].data.u64, plain[index].data.u64);
    }
}

static void play_round(const struct twins *twins)
{
    static const unsigned int flags[] = {0, BATCH_FIXUPS, BATCH_ALL, BATCH_FIXUPS | BATCH_ALL};
    struct pending_op plain[BATCH_MAX];
    struct pending_op ring[BATCH_MAX];
    size_t count = 1 + below(below(3) == 0 ? BATCH_MAX : 12);
    unsigned int chosen = flags[below(4)];

    fill(twins, plain, ring, count);
    CHECK_EQUAL(backend_uring.execute(ring, count, chosen),
                backend_syscall.execute(plain, count, chosen));
    compare_results(plain, ring, count);
}

static struct backend_counters play_rounds(bool nests)
{
    struct twins twins;

    start_uring();
    make_twins(&twins, nests);
    for (int round = 0; round < ROUNDS; round++) {
        play_round(&twins);
        compare_lists(&twins);
        compare_events(&twins);
    }
    return counted();
}

static void random_body(void)
{
    struct backend_counters counters = play_rounds(false);

    CHECK_EQUAL(fallbacks(&counters), 0);
}

static void test_random_batches(void **state)
{
    (void)state;
    random_state = 1;
    isolate(random_body);
}

/* The kernel has one lock for all nesting of the machine: whoever else nests can be in the way. */
static void nesting_body(void)
{
    struct backend_counters counters = play_rounds(true);

    CHECK_EQUAL(fallbacks(&counters), counters.fallbacks[FALLBACK_CONTENDED]);
}

static void test_random_batches_that_nest(void **state)
{
    (void)state;
    random_state = 1;
    isolate(nesting_body);
}

/* Works on an instance, with a target of its own, until it is told to end. */
struct hammer {
    int epfd;
    atomic_bool end;
};

static void *hammer_run(void *argument)
{
    struct hammer *hammer = argument;
    struct epoll_event event = {.events = EPOLLIN};
    int target = eventfd(0, EFD_CLOEXEC);

    while (!atomic_load(&hammer->end)) {
        CHECK_EQUAL(epoll_ctl(hammer->epfd, EPOLL_CTL_ADD, target, &event), 0);
        CHECK_EQUAL(epoll_ctl(hammer->epfd, EPOLL_CTL_DEL, target, &event), 0);
    }
    CHECK_EQUAL(close(target), 0);
    return NULL;
}

/* A thread uses its ring until a batch has been contended; so there are many threads. */
static void *busy_thread(void *argument)
{
    const struct twins *twins = argument;

    for (int round = 0; round < ROUNDS_BUSY; round++) {
        play_round(twins);
        compare_events(twins);
    }
    return NULL;
}

static void busy_body(void)
{
    struct backend_counters counters;
    struct twins twins;
    struct hammer hammer = {.end = false};
    pthread_t other;
    pthread_t thread;

    start_uring();
    make_twins(&twins, true);
    hammer.epfd = twins.ring;
    CHECK_EQUAL(pthread_create(&other, NULL, hammer_run, &hammer), 0);
    for (int count = 0; count < THREADS_BUSY; count++) {
        CHECK_EQUAL(pthread_create(&thread, NULL, busy_thread, &twins), 0);
        CHECK_EQUAL(pthread_join(thread, NULL), 0);
    }
    atomic_store(&hammer.end, true);
    CHECK_EQUAL(pthread_join(other, NULL), 0);
    compare_lists(&twins);
    counters = counted();
    CHECK_EQUAL(fallbacks(&counters), counters.fallbacks[FALLBACK_CONTENDED]);
}

static void test_random_batches_against_another_thread(void **state)
{
    (void)state;
    random_state = 2;
    isolate(busy_body);
}

static void long_body(void)
{
    static struct pending_op ops[2 * LONG_BATCH];
    struct backend_counters counters;
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int target = eventfd(0, EFD_CLOEXEC);

    start_uring();
    /* Only in this order do all of them succeed. */
    for (size_t index = 0; index < LONG_BATCH; index++) {
        ops[2 * index] = operation(epfd, EPOLL_CTL_ADD, target, EPOLLIN);
        ops[2 * index + 1] = operation(epfd, EPOLL_CTL_DEL, target, 0);
    }
    CHECK_EQUAL(backend_uring.execute(ops, 2 * LONG_BATCH, 0), 0);
    for (size_t index = 0; index < 2 * LONG_BATCH; index++) {
        CHECK_EQUAL(ops[index].result, 0);
    }
    counters = counted();
    CHECK_EQUAL(counters.operations, 2 * LONG_BATCH);
    CHECK_EQUAL(counters.calls, (2 * LONG_BATCH + 63) / 64);
    CHECK_EQUAL(fallbacks(&counters), 0);
}

static void test_longer_than_the_ring(void **state)
{
    (void)state;
    isolate(long_body);
}

static void stop_body(void)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int a = eventfd(0, EFD_CLOEXEC);
    int b = eventfd(0, EFD_CLOEXEC);
    struct pending_op ops[] = {
        operation(epfd, EPOLL_CTL_ADD, a, EPOLLIN),
        operation(epfd, EPOLL_CTL_MOD, b, EPOLLIN),
        operation(epfd, EPOLL_CTL_ADD, b, EPOLLIN),
    };

    start_uring();
    CHECK_EQUAL(backend_uring.execute(ops, 3, 0), -ENOENT);
    CHECK_EQUAL(ops[0].result, 0);
    CHECK_EQUAL(ops[1].result, -ENOENT);
    CHECK_EQUAL(ops[2].result, -ECANCELED);
    CHECK(interest(epfd, a, NULL));
    CHECK(!interest(epfd, b, NULL));
}

static void test_stops_at_the_first_failure(void **state)
{
    (void)state;
    isolate(stop_body);
}

static void all_body(void)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int a = eventfd(0, EFD_CLOEXEC);
    int b = eventfd(0, EFD_CLOEXEC);
    struct pending_op ops[] = {
        operation(epfd, EPOLL_CTL_DEL, a, 0),       operation(epfd, EPOLL_CTL_ADD, a, EPOLLIN),
        operation(epfd, EPOLL_CTL_ADD, a, EPOLLIN), operation(epfd, BAD_OPERATION, a, EPOLLIN),
        operation(epfd, EPOLL_CTL_ADD, b, EPOLLIN),
    };

    start_uring();
    CHECK_EQUAL(backend_uring.execute(ops, 5, BATCH_ALL), -ENOENT);
    CHECK_EQUAL(ops[0].result, -ENOENT);
    CHECK_EQUAL(ops[1].result, 0);
    CHECK_EQUAL(ops[2].result, -EEXIST);
    CHECK_EQUAL(ops[3].result, -EINVAL);
    CHECK_EQUAL(ops[4].result, 0);
    CHECK(interest(epfd, a, NULL));
    CHECK(interest(epfd, b, NULL));
}

static void test_goes_on_when_asked(void **state)
{
    (void)state;
    isolate(all_body);
}

static void fixups_body(void)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int a = eventfd(0, EFD_CLOEXEC);
    struct epoll_event event;
    struct pending_op ops[] = {
        operation(epfd, EPOLL_CTL_MOD, a, EPOLLOUT), /* an ADD */
        operation(epfd, EPOLL_CTL_ADD, a, EPOLLIN),  /* a MOD */
        operation(epfd, EPOLL_CTL_MOD, a, EPOLLIN | EPOLLET),
        operation(epfd, EPOLL_CTL_DEL, a, 0),
        operation(epfd, EPOLL_CTL_DEL, a, 0), /* no second try */
        operation(epfd, EPOLL_CTL_ADD, a, EPOLLIN),
    };

    start_uring();
    CHECK_EQUAL(backend_uring.execute(ops, 3, BATCH_FIXUPS), 0);
    CHECK(interest(epfd, a, &event));
    CHECK_EQUAL(event.events, EPOLLIN | EPOLLET | EPOLLERR | EPOLLHUP); /* the kernel adds two */
    CHECK_EQUAL(backend_uring.execute(&ops[3], 3, BATCH_FIXUPS), -ENOENT);
    CHECK_EQUAL(ops[3].result, 0);
    CHECK_EQUAL(ops[4].result, -ENOENT);
    CHECK_EQUAL(ops[5].result, -ECANCELED);
    CHECK(!interest(epfd, a, NULL));
}

static void test_tries_a_second_time_before_it_goes_on(void **state)
{
    (void)state;
    isolate(fixups_body);
}

static void null_body(void)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int a = eventfd(0, EFD_CLOEXEC);
    int b = eventfd(0, EFD_CLOEXEC);
    struct pending_op ops[] = {
        operation(epfd, EPOLL_CTL_ADD, a, EPOLLIN),
        operation(epfd, EPOLL_CTL_MOD, a, EPOLLOUT),
        {.epfd = epfd, .op = EPOLL_CTL_MOD, .fd = a},
        {.epfd = -1, .op = BAD_OPERATION, .fd = a}, /* EFAULT comes before EBADF */
        operation(epfd, EPOLL_CTL_ADD, b, EPOLLIN),
        operation(epfd, EPOLL_CTL_DEL, a, 0),
    };

    start_uring();
    CHECK_EQUAL(backend_uring.execute(ops, 6, BATCH_ALL), -EFAULT);
    CHECK_EQUAL(ops[0].result, 0);
    CHECK_EQUAL(ops[1].result, 0);
    CHECK_EQUAL(ops[2].result, -EFAULT);
    CHECK_EQUAL(ops[3].result, -EFAULT);
    CHECK_EQUAL(ops[4].result, 0);
    CHECK_EQUAL(ops[5].result, 0);
}

static void test_a_null_event_spoils_nothing_else(void **state)
{
    (void)state;
    isolate(null_body);
}

/* A batch in which everything fails must not cost the square of its length. */
static void failing_body(void)
{
    static struct pending_op ops[LONG_BATCH];
    struct backend_counters counters;
    int epfd = epoll_create1(EPOLL_CLOEXEC);

    start_uring();
    for (size_t index = 0; index < LONG_BATCH; index++) {
        ops[index] = operation(epfd, EPOLL_CTL_DEL, epfd + 1, 0);
    }
    CHECK_EQUAL(backend_uring.execute(ops, LONG_BATCH, BATCH_ALL), -EBADF);
    for (size_t index = 0; index < LONG_BATCH; index++) {
        CHECK_EQUAL(ops[index].result, -EBADF);
    }
    counters = counted();
    CHECK(counters.operations < 3 * LONG_BATCH);
}

static void test_failures_cost_little(void **state)
{
    (void)state;
    isolate(failing_body);
}

static void single_body(void)
{
    struct backend_counters counters;
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    struct pending_op op = operation(epfd, EPOLL_CTL_DEL, epfd + 1, 0);

    start_uring();
    CHECK_EQUAL(backend_uring.execute(&op, 1, 0), -EBADF);
    CHECK_EQUAL(op.result, -EBADF);
    CHECK_EQUAL(backend_uring.execute(&op, 0, 0), 0);
    counters = counted();
    CHECK_EQUAL(counters.calls, 1);
    CHECK_EQUAL(counters.operations, 1);
    CHECK_EQUAL(fallbacks(&counters), 0);
}

static void test_a_single_operation(void **state)
{
    (void)state;
    isolate(single_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_batches),
        cmocka_unit_test(test_random_batches_that_nest),
        cmocka_unit_test(test_random_batches_against_another_thread),
        cmocka_unit_test(test_longer_than_the_ring),
        cmocka_unit_test(test_stops_at_the_first_failure),
        cmocka_unit_test(test_goes_on_when_asked),
        cmocka_unit_test(test_tries_a_second_time_before_it_goes_on),
        cmocka_unit_test(test_a_null_event_spoils_nothing_else),
        cmocka_unit_test(test_failures_cost_little),
        cmocka_unit_test(test_a_single_operation),
    };

    if (uring_missing() != 0) {
        return SKIPPED;
    }
    return cmocka_run_group_tests_name("shim.backend_uring", tests, NULL, NULL);
}
