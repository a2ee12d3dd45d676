/*
 * While another thread holds the lock of an epoll instance, a kernel worker carries a batch out
 * and the thread sleeps in io_uring_enter. Then, too, nothing may be done out of order, twice or
 * not at all; whatever a signal handler does meanwhile must not make the thread hang; and what the
 * kernel gives back because it can start no worker must still be done, in its place.
 */
#include "tests/unit/shim/uring_support.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TARGETS   6
#define SIGNALS   5
#define USER_ELSE 65534

static int epfd;
static int targets[TARGETS];
static struct holder holder;

static void start_held(void)
{
    start_uring();
    epfd = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < TARGETS; index++) {
        targets[index] = eventfd(0, EFD_CLOEXEC);
    }
    hold(&holder, epfd);
}

/* Only in this order do all of them succeed; the last target is in the list at the end. */
static size_t fill(struct pending_op *ops)
{
    size_t count = 0;

    for (int index = 0; index < TARGETS; index++) {
        ops[count++] = operation(epfd, EPOLL_CTL_ADD, targets[index], EPOLLIN);
        ops[count++] = operation(epfd, EPOLL_CTL_MOD, targets[index], EPOLLOUT);
        ops[count++] = operation(epfd, EPOLL_CTL_DEL, targets[index], 0);
    }
    return count - 1;
}

static void check_filled(const struct pending_op *ops, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        CHECK_EQUAL(ops[index].result, 0);
    }
    CHECK_EQUAL(list_length(epfd), 1);
    CHECK(interest(epfd, targets[TARGETS - 1], NULL));
}

/* A thread that waits until another one sleeps in a system call, does something, and then lets
 * the lock go. */
struct helper {
    pthread_t thread;
    int tid;
    long number;
    void (*act)(struct helper *helper);
};

static void *helper_run(void *argument)
{
    struct helper *helper = argument;

    await_thread_in(helper->tid, helper->number);
    if (helper->act != NULL) {
        helper->act(helper);
    }
    let_go(&holder);
    return NULL;
}

static void start_helper(struct helper *helper, long number, void (*act)(struct helper *helper))
{
    *helper = (struct helper){.tid = (int)syscall(SYS_gettid), .number = number, .act = act};
    CHECK_EQUAL(pthread_create(&helper->thread, NULL, helper_run, helper), 0);
}

static void end_helper(struct helper *helper)
{
    CHECK_EQUAL(pthread_join(helper->thread, NULL), 0);
    end_holding(&holder);
}

static void order_body(void)
{
    struct pending_op ops[3 * TARGETS];
    struct backend_counters counters;
    struct helper helper;
    size_t count;

    start_held();
    count = fill(ops);
    start_helper(&helper, SYS_io_uring_enter, NULL);
    CHECK_EQUAL(backend_uring.execute(ops, count, 0), 0);
    counters = counted();
    CHECK_EQUAL(counters.operations, count);
    CHECK_EQUAL(fallbacks(&counters), 0);
    end_helper(&helper);
    CHECK(count_workers() > 0);
    check_filled(ops, count);
}

static void test_order(void **state)
{
    (void)state;
    isolate(order_body);
}

/* A worker works with the table of descriptors that its thread had then. */
static void unshare_body(void)
{
    struct pending_op ops[3 * TARGETS];
    struct backend_counters counters;
    struct helper helper;
    struct epoll_event event;
    int ready = eventfd(1, EFD_CLOEXEC);

    start_held();
    start_helper(&helper, SYS_io_uring_enter, NULL);
    CHECK_EQUAL(backend_uring.execute(ops, fill(ops), 0), 0);
    end_helper(&helper);
    CHECK_EQUAL(epoll_ctl(epfd, EPOLL_CTL_DEL, targets[TARGETS - 1], NULL), 0);
    hold(&holder, epfd);
    CHECK_EQUAL(unshare(CLONE_FILES), 0);
    CHECK_EQUAL(dup2(ready, targets[0]), targets[0]);
    ops[0] = operation(epfd, EPOLL_CTL_ADD, targets[0], EPOLLIN);
    ops[1] = operation(epfd, EPOLL_CTL_MOD, targets[0], EPOLLIN | EPOLLET);
    (void)counted();
    start_helper(&helper, SYS_epoll_ctl, NULL);
    CHECK_EQUAL(backend_uring.execute(ops, 2, 0), 0);
    counters = counted();
    CHECK_EQUAL(counters.fallbacks[FALLBACK_CONTENDED], 1);
    end_helper(&helper);
    CHECK_EQUAL(epoll_wait(epfd, &event, 1, 0), 1);
    CHECK_EQUAL(event.data.u64, targets[0]);
}

static void test_its_own_descriptors(void **state)
{
    (void)state;
    isolate(unshare_body);
}

static void stop_body(void)
{
    struct pending_op ops[3];
    struct helper helper;

    start_held();
    ops[0] = operation(epfd, EPOLL_CTL_MOD, targets[0], EPOLLIN);
    ops[1] = operation(epfd, EPOLL_CTL_ADD, targets[0], EPOLLIN);
    ops[2] = operation(epfd, EPOLL_CTL_ADD, targets[1], EPOLLIN);
    start_helper(&helper, SYS_io_uring_enter, NULL);
    CHECK_EQUAL(backend_uring.execute(ops, 3, 0), -ENOENT);
    end_helper(&helper);
    CHECK_EQUAL(ops[0].result, -ENOENT);
    CHECK_EQUAL(ops[1].result, -ECANCELED);
    CHECK_EQUAL(ops[2].result, -ECANCELED);
    CHECK_EQUAL(list_length(epfd), 0);
}

static void test_stops_at_the_first_failure(void **state)
{
    (void)state;
    isolate(stop_body);
}

static void (*in_handler)(void);
static atomic_int handled;

static void on_signal(int number)
{
    (void)number;
    if (in_handler != NULL) {
        in_handler();
    }
    atomic_fetch_add(&handled, 1);
}

static void send_signals(struct helper *helper)
{
    for (int sent = 1; sent <= SIGNALS; sent++) {
        CHECK_EQUAL(syscall(SYS_tgkill, getpid(), helper->tid, SIGUSR1), 0);
        while (atomic_load(&handled) < sent) {
            sched_yield();
        }
        await_thread_in(helper->tid, SYS_io_uring_enter);
    }
}

static void send_one(struct helper *helper)
{
    CHECK_EQUAL(syscall(SYS_tgkill, getpid(), helper->tid, SIGUSR1), 0);
    while (atomic_load(&handled) == 0) {
        sched_yield();
    }
}

static void handle(void (*action)(void))
{
    struct sigaction how = {.sa_handler = on_signal};

    in_handler = action;
    CHECK_EQUAL(sigaction(SIGUSR1, &how, NULL), 0);
}

static void signals_body(void)
{
    struct pending_op ops[3 * TARGETS];
    struct backend_counters counters;
    struct helper helper;
    size_t count;

    handle(NULL);
    start_held();
    count = fill(ops);
    start_helper(&helper, SYS_io_uring_enter, send_signals);
    CHECK_EQUAL(backend_uring.execute(ops, count, 0), 0);
    end_helper(&helper);
    CHECK_EQUAL(atomic_load(&handled), SIGNALS);
    counters = counted();
    CHECK(counters.calls > SIGNALS);
    CHECK_EQUAL(counters.operations, count);
    CHECK_EQUAL(fallbacks(&counters), 0);
    check_filled(ops, count);
}

static void test_signals_do_not_hurt(void **state)
{
    (void)state;
    isolate(signals_body);
}

static void batch_elsewhere(void)
{
    int other = epoll_create1(EPOLL_CLOEXEC);
    struct pending_op ops[] = {
        operation(other, EPOLL_CTL_ADD, targets[0], EPOLLIN),
        operation(other, EPOLL_CTL_ADD, targets[1], EPOLLIN),
    };

    CHECK_EQUAL(backend_uring.execute(ops, 2, 0), 0);
    CHECK_EQUAL(list_length(other), 2);
}

static void reentry_body(void)
{
    struct pending_op ops[3 * TARGETS];
    struct backend_counters counters;
    struct helper helper;
    size_t count;

    handle(batch_elsewhere);
    start_held();
    count = fill(ops);
    start_helper(&helper, SYS_io_uring_enter, send_one);
    CHECK_EQUAL(backend_uring.execute(ops, count, 0), 0);
    end_helper(&helper);
    counters = counted();
    CHECK_EQUAL(counters.fallbacks[FALLBACK_BUSY], 1);
    CHECK_EQUAL(fallbacks(&counters), 1);
    check_filled(ops, count);
}

static void test_a_handler_has_a_batch_of_its_own(void **state)
{
    (void)state;
    isolate(reentry_body);
}

static pid_t forked_child;

static void fork_here(void)
{
    forked_child = fork();
    CHECK(forked_child >= 0);
}

static void fork_body(void)
{
    struct pending_op ops[3 * TARGETS];
    struct backend_counters counters;
    struct helper helper;
    size_t count;
    int status;

    handle(fork_here);
    start_held();
    count = fill(ops);
    start_helper(&helper, SYS_io_uring_enter, send_one);
    CHECK_EQUAL(backend_uring.execute(ops, count, 0), 0);
    if (forked_child == 0) {
        /* The batch is the parent's: the child waits for nothing and does nothing twice. */
        for (size_t index = 0; index < count; index++) {
            CHECK_EQUAL(ops[index].result, 0);
        }
        (void)counted();
        batch_elsewhere();
        counters = counted();
        CHECK_EQUAL(counters.calls, 1);
        CHECK_EQUAL(fallbacks(&counters), 0);
        _exit(0);
    }
    end_helper(&helper);
    CHECK_EQUAL(waitpid(forked_child, &status, 0), forked_child);
    CHECK_EQUAL(status, 0);
    check_filled(ops, count);
}

static void test_a_handler_forks(void **state)
{
    (void)state;
    isolate(fork_body);
}

static sigjmp_buf outside;

static void jump(void)
{
    atomic_fetch_add(&handled, 1);
    siglongjmp(outside, 1);
}

static void *batch_in_thread(void *argument)
{
    (void)argument;
    batch_elsewhere();
    return NULL;
}

static void jump_body(void)
{
    static struct pending_op ops[3 * TARGETS];
    struct backend_counters counters;
    static struct helper helper;
    pthread_t thread;
    static size_t count;

    handle(jump);
    start_held();
    count = fill(ops);
    if (sigsetjmp(outside, 1) == 0) {
        start_helper(&helper, SYS_io_uring_enter, send_one);
        (void)backend_uring.execute(ops, count, 0);
        CHECK(false);
    }
    end_helper(&helper);
    /* What the batch had still to do stays undone: the ring is not touched again. */
    CHECK(!interest(epfd, targets[TARGETS - 1], NULL));
    (void)counted();
    batch_elsewhere();
    counters = counted();
    CHECK_EQUAL(fallbacks(&counters), 1);
    CHECK_EQUAL(pthread_create(&thread, NULL, batch_in_thread, NULL), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    counters = counted();
    CHECK_EQUAL(fallbacks(&counters), 0);
}

static void test_a_handler_jumps_out(void **state)
{
    (void)state;
    isolate(jump_body);
}

/* Makes the thread one of a user who may have no more threads. */
static void forbid_threads(void)
{
    struct rlimit none;

    CHECK_EQUAL(getrlimit(RLIMIT_NPROC, &none), 0);
    none.rlim_cur = 0;
    CHECK_EQUAL(setrlimit(RLIMIT_NPROC, &none), 0);
    if (geteuid() == 0) {
        /* The system call, for the function asks all threads, and one holds the lock. */
        CHECK_EQUAL(syscall(SYS_setresuid, USER_ELSE, USER_ELSE, 0), 0);
    }
}

static void allow_threads(void)
{
    struct rlimit any;

    if (getuid() == USER_ELSE) {
        CHECK_EQUAL(syscall(SYS_setresuid, 0, 0, 0), 0);
    }
    CHECK_EQUAL(getrlimit(RLIMIT_NPROC, &any), 0);
    any.rlim_cur = any.rlim_max;
    CHECK_EQUAL(setrlimit(RLIMIT_NPROC, &any), 0);
}

static void no_worker_body(void)
{
    struct pending_op ops[3 * TARGETS];
    struct backend_counters counters;
    struct helper helper;
    size_t count;

    start_held();
    count = fill(ops);
    start_helper(&helper, SYS_epoll_ctl, NULL);
    forbid_threads();
    CHECK_EQUAL(backend_uring.execute(ops, count, BATCH_ALL), 0);
    allow_threads();
    end_helper(&helper);
    counters = counted();
    CHECK_EQUAL(counters.fallbacks[FALLBACK_CANCELLED], 1);
    CHECK_EQUAL(fallbacks(&counters), 1);
    check_filled(ops, count);
}

static void test_no_worker_to_be_had(void **state)
{
    (void)state;
    isolate(no_worker_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_its_own_descriptors),
        cmocka_unit_test(test_stops_at_the_first_failure),
        cmocka_unit_test(test_signals_do_not_hurt),
        cmocka_unit_test(test_a_handler_has_a_batch_of_its_own),
        cmocka_unit_test(test_a_handler_forks),
        cmocka_unit_test(test_a_handler_jumps_out),
        cmocka_unit_test(test_no_worker_to_be_had),
    };

    if (uring_missing() != 0) {
        return SKIPPED;
    }
    if (!can_hold()) {
        print_message("skipped: this user cannot have a userfaultfd\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests_name("shim.uring_contended", tests, NULL, NULL);
}
