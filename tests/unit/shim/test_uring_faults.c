/*
 * Whatever io_uring_enter answers, a batch must end as by the plain loop: nothing twice, nothing
 * left out, nothing out of order. And where io_uring is forbidden, the process must not start.
 *
 * io_uring_enter is wrapped (ld --wrap); a script says what becomes of which call.
 */
#include "shim/uring.h"
#include "tests/unit/shim/uring_support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SCRIPT_MAX 8
#define OPS        150
#define FOREIGN    (3 * URING_ENTRIES) /* completions: one and a half completion queues */

enum fault {
    FAULT_NONE,
    FAULT_FAIL,     /* the call is not made, and fails with value */
    FAULT_LATE,     /* the call is made, and then fails with value */
    FAULT_SHORT,    /* no more than value requests are taken */
    FAULT_BLIND,    /* requests are taken, and no completion is looked for */
    FAULT_BAD_CODE, /* request number value has no valid operation */
    FAULT_BAD_EPFD, /* request number value names a file that is no epoll instance */
};

struct scripted {
    enum fault fault;
    int value;
};

static struct scripted script[SCRIPT_MAX];
static unsigned int enters;
static const struct uring *ring;
static int no_epoll;

int __real_io_uring_enter2(unsigned int fd, unsigned int to_submit, unsigned int min_complete,
                           unsigned int flags, sigset_t *argument, size_t size);
int __wrap_io_uring_enter2(unsigned int fd, unsigned int to_submit, unsigned int min_complete,
                           unsigned int flags, sigset_t *argument, size_t size);

/* The request number value of those that the kernel has not taken. */
static struct io_uring_sqe *request(int value)
{
    return &ring->view.sqes[(*ring->view.sq_head + (unsigned int)value) & ring->view.sq_mask];
}

/* Called before a call is made. Returns what is to be done instead or besides. */
static struct scripted take_fault(unsigned int *to_submit, unsigned int *min_complete,
                                  unsigned int *flags)
{
    struct scripted scripted = {0};

    if (enters < SCRIPT_MAX) {
        scripted = script[enters];
    }
    enters++;
    if (scripted.fault == FAULT_SHORT && *to_submit > (unsigned int)scripted.value) {
        *to_submit = (unsigned int)scripted.value;
        *min_complete = 0;
        *flags &= ~(IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG);
    } else if (scripted.fault == FAULT_BLIND) {
        *min_complete = 0;
        *flags &= ~(IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG);
    } else if (scripted.fault == FAULT_BAD_CODE) {
        request(scripted.value)->opcode = 255;
    } else if (scripted.fault == FAULT_BAD_EPFD) {
        request(scripted.value)->fd = no_epoll;
    }
    return scripted;
}

int __wrap_io_uring_enter2(unsigned int fd, unsigned int to_submit, unsigned int min_complete,
                           unsigned int flags, sigset_t *argument, size_t size)
{
    struct scripted scripted = take_fault(&to_submit, &min_complete, &flags);
    int result;

    if (scripted.fault == FAULT_FAIL) {
        return -scripted.value;
    }
    result =
        (flags & IORING_ENTER_GETEVENTS) != 0
            ? __real_io_uring_enter2(fd, to_submit, min_complete, flags, argument, size)
            : __real_io_uring_enter2(fd, to_submit, min_complete, flags, NULL, (_NSIG - 1) / 8);
    return scripted.fault == FAULT_LATE ? -scripted.value : result;
}

static void write_script(const struct scripted *scripted, size_t count)
{
    memset(script, 0, sizeof(script));
    if (count > 0) {
        memcpy(script, scripted, count * sizeof(*scripted));
    }
    enters = 0;
}

#define SCRIPT(...)                                                                                \
    do {                                                                                           \
        const struct scripted lines[] = {__VA_ARGS__};                                             \
        write_script(lines, sizeof(lines) / sizeof(lines[0]));                                     \
    } while (0)

static void start(void)
{
    enum backend_fallback why;
    struct uring *own;

    write_script(NULL, 0);
    no_epoll = eventfd(0, EFD_CLOEXEC);
    start_uring();
    own = uring_acquire(&why);
    CHECK(own != NULL);
    uring_release(own, own->owner);
    ring = own;
}

/* A batch of which each operation depends on the one before: done in any other way than once each
 * and in order, one of them fails or the list is not empty at the end. */
static void batch(void)
{
    static struct pending_op ops[OPS];
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int target = eventfd(0, EFD_CLOEXEC);

    for (int index = 0; index < OPS; index += 3) {
        ops[index] = operation(epfd, EPOLL_CTL_ADD, target, EPOLLIN);
        ops[index + 1] = operation(epfd, EPOLL_CTL_MOD, target, EPOLLOUT);
        ops[index + 2] = operation(epfd, EPOLL_CTL_DEL, target, 0);
    }
    CHECK_EQUAL(backend_uring.execute(ops, OPS, 0), 0);
    for (int index = 0; index < OPS; index++) {
        CHECK_EQUAL(ops[index].result, 0);
    }
    CHECK_EQUAL(list_length(epfd), 0);
    CHECK_EQUAL(close(target), 0);
    CHECK_EQUAL(close(epfd), 0);
}

/* Batches that fail in the middle: results as the plain loop's. */
static void failing_batch(unsigned int flags, int expected)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int a = eventfd(0, EFD_CLOEXEC);
    struct pending_op ops[] = {
        operation(epfd, EPOLL_CTL_ADD, a, EPOLLIN), operation(epfd, EPOLL_CTL_ADD, a, EPOLLOUT),
        operation(epfd, EPOLL_CTL_DEL, a, 0),       operation(epfd, EPOLL_CTL_MOD, a, EPOLLIN),
        operation(epfd, EPOLL_CTL_DEL, a, 0),       operation(epfd, EPOLL_CTL_ADD, a, EPOLLIN),
    };
    struct pending_op plain[6];
    int result = backend_uring.execute(ops, 6, flags);
    int length = list_length(epfd);

    CHECK_EQUAL(result, expected);
    CHECK_EQUAL(close(epfd), 0);
    CHECK_EQUAL(epoll_create1(EPOLL_CLOEXEC), epfd);
    memcpy(plain, ops, sizeof(ops));
    CHECK_EQUAL(backend_syscall.execute(plain, 6, flags), expected);
    CHECK_EQUAL(list_length(epfd), length);
    for (int index = 0; index < 6; index++) {
        CHECK_EQUAL(ops[index].result, plain[index].result);
    }
    CHECK_EQUAL(close(a), 0);
    CHECK_EQUAL(close(epfd), 0);
}

static void failing_batches(void)
{
    failing_batch(0, -EEXIST);
    failing_batch(BATCH_ALL, -EEXIST);
    failing_batch(BATCH_FIXUPS, 0);
    failing_batch(BATCH_FIXUPS | BATCH_ALL, 0);
}

/* The fallbacks since the last look are this one, once. */
static void check_fallback(enum backend_fallback why)
{
    struct backend_counters counters = counted();

    CHECK_EQUAL(counters.fallbacks[why], 1);
    CHECK_EQUAL(fallbacks(&counters), 1);
}

static void check_no_fallback(void)
{
    struct backend_counters counters = counted();

    CHECK_EQUAL(fallbacks(&counters), 0);
}

static void passing_body(void)
{
    static const int errors[] = {EAGAIN, EBUSY, ENOMEM};

    start();
    for (int index = 0; index < 3; index++) {
        SCRIPT({FAULT_FAIL, errors[index]});
        batch();
        CHECK_EQUAL(enters, 1);
        check_fallback(FALLBACK_REFUSED);
        SCRIPT({FAULT_NONE, 0}, {FAULT_FAIL, errors[index]});
        batch();
        check_fallback(FALLBACK_REFUSED);
        SCRIPT({FAULT_FAIL, errors[index]});
        failing_batch(0, -EEXIST);
        check_fallback(FALLBACK_REFUSED);
        batch();
        check_no_fallback();
    }
}

static void test_an_error_that_passes(void **state)
{
    (void)state;
    isolate(passing_body);
}

static void lasting_body(void)
{
    start();
    SCRIPT({FAULT_NONE, 0}, {FAULT_FAIL, EPERM});
    batch();
    CHECK_EQUAL(enters, 2);
    check_fallback(FALLBACK_REFUSED);
    failing_batches();
    batch();
    CHECK_EQUAL(enters, 2); /* it is not asked again */
}

static void test_an_error_that_stays(void **state)
{
    (void)state;
    isolate(lasting_body);
}

static void interrupted_body(void)
{
    start();
    SCRIPT({FAULT_FAIL, EINTR}, {FAULT_FAIL, EINTR}, {FAULT_NONE, 0}, {FAULT_FAIL, EINTR});
    batch();
    CHECK_EQUAL(enters, 3 + 3);
    /* Interrupted when the requests were taken: to hand them over again would do them twice. */
    SCRIPT({FAULT_LATE, EINTR}, {FAULT_LATE, EINTR}, {FAULT_LATE, EINTR});
    batch();
    CHECK_EQUAL(enters, 3);
    for (int index = 0; index < 4; index++) {
        SCRIPT({FAULT_FAIL, EINTR}, {FAULT_LATE, EINTR});
        failing_batches();
    }
    check_no_fallback();
}

static void test_interrupted(void **state)
{
    (void)state;
    isolate(interrupted_body);
}

static void run_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;

    CHECK_EQUAL(pthread_create(&thread, NULL, run, argument), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void *run_short(void *argument)
{
    int taken = *(int *)argument;

    SCRIPT({FAULT_SHORT, taken}, {FAULT_NONE, 0}, {FAULT_SHORT, 1});
    batch();
    return NULL;
}

static void *run_short_failing(void *argument)
{
    static const unsigned int flags[] = {0, BATCH_ALL, BATCH_FIXUPS, BATCH_FIXUPS | BATCH_ALL};
    const int *numbers = argument;

    SCRIPT({FAULT_SHORT, numbers[0]});
    failing_batch(flags[numbers[1]], numbers[1] < 2 ? -EEXIST : 0);
    return NULL;
}

/*
 * Linux gives a chain that is cut short to a kernel worker (io_queue_sqe_fallback), and what is
 * left must wait for it. A thread uses its ring no more when it has seen that, so each try has a
 * thread of its own.
 */
static void short_body(void)
{
    struct backend_counters counters;

    start();
    for (int taken = 1; taken < URING_ENTRIES; taken += 7) {
        run_thread(run_short, &taken);
    }
    for (int taken = 1; taken < 6; taken++) {
        for (int flags = 0; flags < 4; flags++) {
            run_thread(run_short_failing, (int[]){taken, flags});
        }
    }
    counters = counted();
    CHECK_EQUAL(fallbacks(&counters), counters.fallbacks[FALLBACK_CONTENDED]);
    SCRIPT({FAULT_SHORT, 0});
    batch();
    check_fallback(FALLBACK_REFUSED);
}

static void test_fewer_than_handed_over(void **state)
{
    (void)state;
    isolate(short_body);
}

static void bad_code_body(void)
{
    start();
    /* Linux cancels also what stands before such a request in its chain. */
    SCRIPT({FAULT_NONE, 0}, {FAULT_BAD_CODE, 5});
    batch();
    check_fallback(FALLBACK_CANCELLED);
    for (int index = 0; index < 6; index++) {
        SCRIPT({FAULT_BAD_CODE, index});
        failing_batch(BATCH_ALL, -EEXIST);
        SCRIPT({FAULT_BAD_CODE, index});
        failing_batch(BATCH_FIXUPS, 0);
    }
}

static void test_cancelled_from_the_front(void **state)
{
    (void)state;
    isolate(bad_code_body);
}

static void own_word_body(void)
{
    start();
    for (int index = 0; index < URING_ENTRIES; index += 9) {
        SCRIPT({FAULT_BAD_EPFD, index});
        batch();
        check_no_fallback();
    }
}

/* As Linux 7.2-rc1 to rc5 do for a nested ADD. */
static void test_an_invalid_that_is_the_rings_own(void **state)
{
    (void)state;
    isolate(own_word_body);
}

/* Completions that nobody has taken, more than the queue holds. */
static void overflow_body(void)
{
    const struct uring_view *view;

    start();
    view = &ring->view;
    for (int count = 0; count < FOREIGN; count += URING_ENTRIES) {
        unsigned int tail = *view->sq_tail;

        for (unsigned int index = 0; index < URING_ENTRIES; index++) {
            unsigned int place = (tail + index) & view->sq_mask;

            io_uring_prep_nop(&view->sqes[place]);
            view->sqes[place].user_data = (uint64_t)ring->batch << 32 | index;
            view->sq_array[place] = place;
        }
        io_uring_smp_store_release(view->sq_tail, tail + URING_ENTRIES);
        CHECK_EQUAL(uring_enter(ring, URING_ENTRIES, 0, true), URING_ENTRIES);
    }
    CHECK_EQUAL(io_uring_smp_load_acquire(view->cq_tail) - *view->cq_head, 2 * URING_ENTRIES);
    write_script(NULL, 0);
    batch();
    failing_batches();
    check_no_fallback();
    CHECK_EQUAL(io_uring_smp_load_acquire(view->cq_tail) - *view->cq_head, 0);
}

static void test_completions_overflow(void **state)
{
    (void)state;
    isolate(overflow_body);
}

/* The kernel has the requests, and then there is no way to ask what came of them. */
static void untold_body(void)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int target = eventfd(0, EFD_CLOEXEC);
    struct pending_op ops[] = {
        operation(epfd, EPOLL_CTL_ADD, target, EPOLLIN),
        operation(epfd, EPOLL_CTL_MOD, target, EPOLLIN),
    };

    start();
    SCRIPT({FAULT_BLIND, 0}, {FAULT_FAIL, EPERM});
    CHECK_EQUAL(backend_uring.execute(ops, 2, 0), 0);
    check_fallback(FALLBACK_UNTOLD);
    batch();
    check_fallback(FALLBACK_REFUSED);
    CHECK_EQUAL(enters, 2);
}

static void test_no_way_to_ask(void **state)
{
    (void)state;
    isolate(untold_body);
}

/* From here on the system call fails with this errno, in this thread. */
static void forbid(long number, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    CHECK_EQUAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQUAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void check_refused(const char *words)
{
    const char *why = backend_uring.start();

    CHECK(why != NULL);
    if (strstr(why, words) == NULL) {
        dprintf(STDERR_FILENO, "it says: %s\n", why);
    }
    CHECK(strstr(why, words) != NULL);
    CHECK(strchr(why, '\n') == NULL);
}

static void no_setup_body(void)
{
    forbid(SYS_io_uring_setup, ENOSYS);
    check_refused("io_uring_setup fails with ENOSYS");
}

static void eperm_setup_body(void)
{
    forbid(SYS_io_uring_setup, EPERM);
    check_refused("io_uring_setup fails with EPERM: a seccomp filter");
}

static void einval_setup_body(void)
{
    forbid(SYS_io_uring_setup, EINVAL);
    check_refused("older than Linux 6.1");
}

static void no_enter_body(void)
{
    forbid(SYS_io_uring_enter, ENOSYS);
    check_refused("io_uring_enter fails with ENOSYS");
}

static void test_a_machine_without(void **state)
{
    (void)state;
    isolate(no_setup_body);
    isolate(eperm_setup_body);
    isolate(einval_setup_body);
    isolate(no_enter_body);
}

static void *batch_in_thread(void *argument)
{
    (void)argument;
    batch();
    return NULL;
}

static void midway_body(void)
{
    start();
    batch();
    check_no_fallback();
    forbid(SYS_io_uring_enter, EPERM);
    batch();
    check_fallback(FALLBACK_REFUSED);
    failing_batches();
    (void)counted();
    forbid(SYS_io_uring_setup, EPERM);
    run_thread(batch_in_thread, NULL);
    check_fallback(FALLBACK_UNMADE);
}

static void test_a_filter_midway(void **state)
{
    (void)state;
    isolate(midway_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_that_passes),
        cmocka_unit_test(test_an_error_that_stays),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_fewer_than_handed_over),
        cmocka_unit_test(test_cancelled_from_the_front),
        cmocka_unit_test(test_an_invalid_that_is_the_rings_own),
        cmocka_unit_test(test_completions_overflow),
        cmocka_unit_test(test_no_way_to_ask),
        cmocka_unit_test(test_a_machine_without),
        cmocka_unit_test(test_a_filter_midway),
    };

    if (uring_missing() != 0) {
        return SKIPPED;
    }
    return cmocka_run_group_tests_name("shim.uring_faults", tests, NULL, NULL);
}
