/*
 * A ring must not take a number that the program could see, close or reuse, must never be another
 * process's or task's, must not outlive its thread, and must not make a program fail that could
 * run without it. Every kind of child must carry its batches out, each exactly once.
 */
#include "shim/uring.h"
#include "tests/unit/shim/uring_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS_MAX  16 /* IO_RINGFD_REG_MAX of the kernel */
#define THREADS    100
#define ROUNDS     200
#define STACK_SIZE 65536

/* A batch of an ADD and a MOD of a new target: true if both are done as they must be. */
static void batch_on(int epfd)
{
    int target = eventfd(0, EFD_CLOEXEC);
    struct epoll_event event;
    struct pending_op ops[] = {
        operation(epfd, EPOLL_CTL_ADD, target, EPOLLIN),
        operation(epfd, EPOLL_CTL_MOD, target, EPOLLOUT),
    };

    CHECK(target >= 0);
    CHECK_EQUAL(backend_uring.execute(ops, 2, 0), 0);
    CHECK_EQUAL(ops[0].result, 0);
    CHECK_EQUAL(ops[1].result, 0);
    CHECK(interest(epfd, target, &event));
    CHECK_EQUAL(event.events, EPOLLOUT | EPOLLERR | EPOLLHUP);
    CHECK_EQUAL(close(target), 0);
}

static void batch(void)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);

    CHECK(epfd >= 0);
    batch_on(epfd);
    CHECK_EQUAL(close(epfd), 0);
}

/* By the ring, and by no other road. */
static void batch_by_ring(void)
{
    struct backend_counters counters = counted();

    batch();
    counters = counted();
    CHECK_EQUAL(counters.calls, 1);
    CHECK_EQUAL(counters.operations, 2);
    CHECK_EQUAL(fallbacks(&counters), 0);
}

static void batch_plainly(enum backend_fallback why)
{
    struct backend_counters counters = counted();

    batch();
    counters = counted();
    CHECK_EQUAL(counters.calls, 2);
    CHECK_EQUAL(counters.fallbacks[why], 1);
    CHECK_EQUAL(fallbacks(&counters), 1);
}

static void *run_batch(void *argument)
{
    (void)argument;
    batch_by_ring();
    return NULL;
}

static void run_thread(void *(*run)(void *))
{
    pthread_t thread;

    CHECK_EQUAL(pthread_create(&thread, NULL, run, NULL), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void await_child(pid_t child)
{
    int status;

    CHECK(child > 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
}

static void numbers_body(void)
{
    int before = count_descriptors();
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CHECK_EQUAL(close(lowest), 0);
    start_uring();
    CHECK_EQUAL(count_descriptors(), before);
    batch_by_ring();
    run_thread(run_batch);
    CHECK_EQUAL(count_descriptors(), before);
    CHECK_EQUAL(open("/dev/null", O_RDONLY | O_CLOEXEC), lowest);
}

static void test_no_numbers(void **state)
{
    (void)state;
    isolate(numbers_body);
}

/* The seed's rings would be gone, or be whatever file has their number now. */
static void closed_body(void)
{
    struct io_uring_params params = {0};
    int ring;

    start_uring();
    CHECK_EQUAL(syscall(SYS_close_range, 3, ~0U, 0), 0);
    batch_by_ring();
    ring = io_uring_setup(8, &params);
    CHECK(ring >= 0);
    for (int number = 3; number < 64; number++) {
        CHECK(number == ring || dup2(ring, number) == number);
    }
    CHECK_EQUAL(close(63), 0);
    CHECK_EQUAL(close(62), 0);
    batch_by_ring();
    run_thread(run_batch);
}

static void test_closes_of_the_program(void **state)
{
    (void)state;
    isolate(closed_body);
}

/* A batch of the test takes three numbers itself. */
static void limit_body(void)
{
    struct rlimit limit;
    pid_t child;

    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 6;
    CHECK_EQUAL(syscall(SYS_close_range, 3, ~0U, 0), 0);
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    start_uring();
    batch_by_ring();
    run_thread(run_batch);
    child = fork();
    if (child == 0) {
        batch_by_ring();
        _exit(0);
    }
    await_child(child);
}

static void test_few_numbers(void **state)
{
    (void)state;
    isolate(limit_body);
}

/* Several processes and threads at the same time, on instances of their own and on one that all
 * have. There only results tell, for processes have the same numbers for different files. */
static void *run_rounds(void *argument)
{
    int shared = *(int *)argument;
    int target = eventfd(0, EFD_CLOEXEC);

    for (int round = 0; round < ROUNDS; round++) {
        struct pending_op ops[] = {
            operation(shared, EPOLL_CTL_ADD, target, EPOLLIN),
            operation(shared, EPOLL_CTL_MOD, target, EPOLLOUT),
            operation(shared, EPOLL_CTL_DEL, target, 0),
            operation(shared, EPOLL_CTL_ADD, target, EPOLLIN),
            operation(shared, EPOLL_CTL_DEL, target, 0),
        };

        CHECK_EQUAL(backend_uring.execute(ops, 5, 0), 0);
        batch();
    }
    CHECK_EQUAL(close(target), 0);
    return NULL;
}

static void crowd_body(void)
{
    int shared = epoll_create1(EPOLL_CLOEXEC);
    pthread_t threads[3];
    pid_t children[3];

    start_uring();
    for (int index = 0; index < 3; index++) {
        children[index] = fork();
        if (children[index] == 0) {
            (void)run_rounds(&shared);
            _exit(0);
        }
    }
    for (int index = 0; index < 3; index++) {
        CHECK_EQUAL(pthread_create(&threads[index], NULL, run_rounds, &shared), 0);
    }
    (void)run_rounds(&shared);
    for (int index = 0; index < 3; index++) {
        CHECK_EQUAL(pthread_join(threads[index], NULL), 0);
        await_child(children[index]);
    }
    CHECK_EQUAL(list_length(shared), 0);
}

static void test_many_at_once(void **state)
{
    (void)state;
    isolate(crowd_body);
}

static void fork_body(void)
{
    int before = count_descriptors();
    pid_t child;

    start_uring();
    batch_by_ring();
    child = fork();
    if (child == 0) {
        backend_uring.forked();
        CHECK_EQUAL(count_descriptors(), before);
        batch_by_ring();
        run_thread(run_batch);
        child = fork();
        if (child == 0) {
            backend_uring.forked();
            batch_by_ring();
            _exit(0);
        }
        await_child(child);
        batch_by_ring();
        CHECK_EQUAL(count_descriptors(), before);
        _exit(0);
    }
    batch_by_ring();
    await_child(child);
    batch_by_ring();
}

static void test_fork(void **state)
{
    (void)state;
    isolate(fork_body);
}

static void *run_fork(void *argument)
{
    pid_t child = fork();

    (void)argument;
    if (child == 0) {
        backend_uring.forked();
        batch_by_ring();
        _exit(0);
    }
    await_child(child);
    batch_by_ring();
    return NULL;
}

static void fork_in_thread_body(void)
{
    start_uring();
    run_thread(run_fork);
}

static void test_fork_of_another_thread(void **state)
{
    (void)state;
    isolate(fork_in_thread_body);
}

/* No atfork handler has run: the child finds out by itself. */
static void raw_fork_body(void)
{
    pid_t child;

    start_uring();
    batch_by_ring();
    child = _Fork();
    if (child == 0) {
        batch_by_ring();
        _exit(0);
    }
    await_child(child);
    batch_by_ring();
}

static void test_fork_without_handlers(void **state)
{
    (void)state;
    isolate(raw_fork_body);
}

/* vfork's child has its parent's memory, thread-local variables too. */
static int run_as_vfork(void *argument)
{
    (void)argument;
    batch_plainly(FALLBACK_STRANGER);
    return 0;
}

static void clone_vm(void)
{
    static char stack[STACK_SIZE] __attribute__((aligned(16)));

    await_child(clone(run_as_vfork, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
}

static void *run_clone_vm(void *argument)
{
    (void)argument;
    clone_vm(); /* it has no ring yet, and its child must not give it one */
    batch_by_ring();
    return NULL;
}

static void vfork_body(void)
{
    start_uring();
    batch_by_ring();
    clone_vm();
    batch_by_ring();
    run_thread(run_clone_vm);
}

static void test_a_child_in_the_same_memory(void **state)
{
    (void)state;
    isolate(vfork_body);
}

/* Pages of address space, from /proc/self/statm. A ring has three; a sanitizer takes some for
 * itself now and then. */
static long address_space(void)
{
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    CHECK(read(fd, text, sizeof(text) - 1) > 0);
    CHECK_EQUAL(close(fd), 0);
    return strtol(text, NULL, 10);
}

static void check_nothing_left(void *(*run)(void *))
{
    long before;

    run_thread(run); /* libc keeps its stack */
    before = address_space();
    for (int count = 0; count < THREADS; count++) {
        run_thread(run);
    }
    CHECK(address_space() < before + THREADS);
}

static void threads_body(void)
{
    start_uring();
    check_nothing_left(run_batch);
}

static void test_nothing_is_left_of_a_thread(void **state)
{
    (void)state;
    isolate(threads_body);
}

static pthread_key_t late_key;

/* Runs after the shim's own destructor, for its key came later. */
static void late_batch(void *argument)
{
    (void)argument;
    batch_by_ring();
}

static void *run_late(void *argument)
{
    (void)argument;
    batch_by_ring();
    CHECK_EQUAL(pthread_setspecific(late_key, &late_key), 0);
    return NULL;
}

static void late_body(void)
{
    start_uring();
    CHECK_EQUAL(pthread_key_create(&late_key, late_batch), 0);
    check_nothing_left(run_late);
}

static void test_a_batch_in_a_destructor(void **state)
{
    (void)state;
    isolate(late_body);
}

/* The program's own registered rings. */
static void *run_without_slots(void *argument)
{
    struct io_uring_rsrc_update registration = {.offset = -1U, .data = *(unsigned int *)argument};
    int made = 0;

    while (io_uring_register(*(unsigned int *)argument, IORING_REGISTER_RING_FDS, &registration,
                             1) == 1) {
        made++;
        registration.offset = -1U;
    }
    CHECK_EQUAL(made, SLOTS_MAX);
    batch_plainly(FALLBACK_UNMADE);
    batch_plainly(FALLBACK_UNMADE);
    return NULL;
}

static void slots_body(void)
{
    struct io_uring_params params = {0};
    int ring;
    pthread_t thread;

    start_uring();
    ring = io_uring_setup(8, &params);
    CHECK(ring >= 0);
    CHECK_EQUAL(pthread_create(&thread, NULL, run_without_slots, &ring), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    batch_by_ring();
}

static void test_a_thread_without_a_slot(void **state)
{
    (void)state;
    isolate(slots_body);
}

/* As on Linux before 6.5, where a ring has a number while it is made. */
static void *run_plain(void *argument)
{
    (void)argument;
    batch_plainly(FALLBACK_UNMADE);
    return NULL;
}

static void *run_numbered_fork(void *argument)
{
    pid_t child = fork();

    (void)argument;
    if (child == 0) {
        backend_uring.forked();
        batch_by_ring();
        _exit(0);
    }
    await_child(child);
    return NULL;
}

static void numbered_body(void)
{
    int before = count_descriptors();
    pid_t child;

    uring_set_numbered(true);
    start_uring();
    batch_by_ring();
    run_thread(run_plain);
    CHECK_EQUAL(count_descriptors(), before);
    child = fork();
    if (child == 0) {
        backend_uring.forked();
        CHECK_EQUAL(count_descriptors(), before);
        batch_by_ring();
        run_thread(run_plain);
        _exit(0);
    }
    await_child(child);
    child = _Fork();
    if (child == 0) {
        batch_plainly(FALLBACK_UNMADE);
        _exit(0);
    }
    await_child(child);
    clone_vm();
    batch_by_ring();
    run_thread(run_numbered_fork);
}

static void test_an_older_kernel(void **state)
{
    (void)state;
    isolate(numbered_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_numbers),
        cmocka_unit_test(test_closes_of_the_program),
        cmocka_unit_test(test_few_numbers),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_fork_of_another_thread),
        cmocka_unit_test(test_fork_without_handlers),
        cmocka_unit_test(test_a_child_in_the_same_memory),
        cmocka_unit_test(test_nothing_is_left_of_a_thread),
        cmocka_unit_test(test_a_batch_in_a_destructor),
        cmocka_unit_test(test_a_thread_without_a_slot),
        cmocka_unit_test(test_an_older_kernel),
    };

    if (uring_missing() != 0) {
        return SKIPPED;
    }
    return cmocka_run_group_tests_name("shim.uring_life", tests, NULL, NULL);
}
