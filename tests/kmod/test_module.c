/*
 * /dev/epoll_batch, call by call. What must not happen: that an operation is carried out otherwise
 * than epoll_ctl does, out of order, twice, or by a call that then fails; that a call changes its
 * mind with memory that changes under it; that a signal cuts a batch short; that a wait keeps a
 * file alive that another thread has closed; that the module goes away under its user.
 */
#include "tests/kmod/device.h"
#include "tests/unit/shim/uring_support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE       4096
#define MANY       200
#define FEW        12                   /* more than the module has room for on its stack */
#define OBJECT     "/vm/epoll_batch.ko" /* where ci/vm puts the module */
#define SIGSIZE    8
#define FAULTS_MAX 2000

static int device;

static int make_eventfd(unsigned int value)
{
    int fd = eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK);

    CHECK(fd >= 0);
    return fd;
}

static int make_instance(void)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);

    CHECK(epfd >= 0);
    return epfd;
}

static void query(void)
{
    struct epoll_batch_info info;

    CHECK_EQUAL(ioctl(device, EPOLL_BATCH_QUERY, &info), 0);
    CHECK_EQUAL(info.version, EPOLL_BATCH_VERSION);
    CHECK_EQUAL(info.max_ops, EPOLL_BATCH_MAX);
    CHECK_EQUAL(info.features, EPOLL_BATCH_HAS_RUN | EPOLL_BATCH_HAS_WAIT);
    CHECK_EQUAL(ioctl(device, EPOLL_BATCH_QUERY, NULL), -1);
    CHECK_EQUAL(errno, EFAULT);
    /* Another size is another number. */
    CHECK_EQUAL(ioctl(device, _IOR(EPOLL_BATCH_MAGIC, 0xe0, char[8]), &info), -1);
    CHECK_EQUAL(errno, ENOTTY);
}

static void order_and_results(void)
{
    int epfd = make_instance();
    int fd = make_eventfd(1);
    const struct epoll_batch_op ops[] = {device_op(epfd, EPOLL_CTL_MOD, fd, EPOLLIN),
                                         device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLIN),
                                         device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLOUT),
                                         device_op(epfd, EPOLL_CTL_DEL, fd, 0),
                                         device_op(epfd, EPOLL_CTL_DEL, fd, 0),
                                         device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLOUT),
                                         device_op(fd, EPOLL_CTL_ADD, epfd, EPOLLIN),
                                         device_op(epfd, EPOLL_CTL_ADD, epfd, 0),
                                         device_op(-1, EPOLL_CTL_ADD, fd, EPOLLIN),
                                         device_op(epfd, EPOLL_CTL_ADD, 9999, 0),
                                         device_op(epfd, 77, fd, EPOLLIN),
                                         device_op(epfd, EPOLL_CTL_MOD, fd, EPOLLIN)};
    const int expected[] = {-ENOENT, 0,       -EEXIST, 0,      -ENOENT, 0,
                            -EINVAL, -EINVAL, -EBADF,  -EBADF, -EINVAL, 0};
    struct epoll_event event;
    int results[12];

    CHECK_EQUAL(device_run(device, ops, results, 12, 0), 12);
    for (int index = 0; index < 12; index++) {
        CHECK_EQUAL(results[index], expected[index]);
    }
    CHECK(interest(epfd, fd, &event));
    CHECK_EQUAL(event.events & EPOLLIN, EPOLLIN);
    CHECK_EQUAL(event.data.u64, fd);
}

static void stop(void)
{
    int epfd = make_instance();
    int fd = make_eventfd(1);
    const struct epoll_batch_op ops[] = {device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLIN),
                                         device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLIN),
                                         device_op(epfd, EPOLL_CTL_DEL, fd, 0)};
    int results[3];

    CHECK_EQUAL(device_run(device, ops, results, 3, EPOLL_BATCH_STOP), 2);
    CHECK_EQUAL(results[0], 0);
    CHECK_EQUAL(results[1], -EEXIST);
    CHECK_EQUAL(results[2], -ECANCELED);
    CHECK(interest(epfd, fd, NULL));
}

static void repairs(void)
{
    int epfd = make_instance();
    int fd = make_eventfd(1);
    const struct epoll_batch_op ops[] = {
        device_op(epfd, EPOLL_CTL_MOD, fd, EPOLLIN), device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLOUT),
        /* A second try that fails: a MOD cannot have EXCLUSIVE. */
        device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE),
        device_op(epfd, EPOLL_CTL_DEL, fd, 0), device_op(epfd, EPOLL_CTL_DEL, fd, 0)};
    const int expected[] = {EPOLL_BATCH_REPAIRED, EPOLL_BATCH_REPAIRED,
                            -EINVAL - EPOLL_BATCH_SECOND, 0, -ENOENT};
    int results[5];

    CHECK_EQUAL(device_run(device, ops, results, 5, EPOLL_BATCH_FIXUPS), 5);
    for (int index = 0; index < 5; index++) {
        CHECK_EQUAL(results[index], expected[index]);
    }
    CHECK_EQUAL(device_run(device, ops, results, 5, EPOLL_BATCH_FIXUPS | EPOLL_BATCH_STOP), 3);
    CHECK_EQUAL(results[3], -ECANCELED);
}

/* Fills a vector of which every operation succeeds, on numbers of its own. */
static void fill(struct epoll_batch_op *ops, unsigned int count, int epfd)
{
    for (unsigned int index = 0; index < count; index++) {
        ops[index] = device_op(epfd, EPOLL_CTL_ADD, make_eventfd(0), EPOLLIN);
    }
}

static void bounds(void)
{
    static struct epoll_batch_op ops[EPOLL_BATCH_MAX + 1];
    static int results[EPOLL_BATCH_MAX + 1];
    int epfd = make_instance();

    fill(ops, MANY, epfd);
    for (unsigned int index = MANY; index <= EPOLL_BATCH_MAX; index++) {
        ops[index] = device_op(epfd, EPOLL_CTL_DEL, -1, 0);
    }
    CHECK_EQUAL(device_run(device, ops, results, EPOLL_BATCH_MAX + 1, 0), -EINVAL);
    CHECK_EQUAL(device_run(device, ops, results, UINT32_MAX, 0), -EINVAL);
    CHECK_EQUAL(device_run(device, ops, results, MANY, 4), -EINVAL);
    CHECK_EQUAL(device_run(device, NULL, NULL, 0, 0), 0);
    CHECK_EQUAL(list_length(epfd), 0);
    CHECK_EQUAL(device_run(device, ops, results, EPOLL_BATCH_MAX, 0), EPOLL_BATCH_MAX);
    CHECK_EQUAL(list_length(epfd), MANY);
    for (unsigned int index = 0; index < EPOLL_BATCH_MAX; index++) {
        CHECK_EQUAL(results[index], index < MANY ? 0 : -EBADF);
    }
}

/* Memory that ends at a page which cannot be used so. */
static char *make_edge(int protection)
{
    char *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(pages != MAP_FAILED);
    CHECK_EQUAL(mprotect(pages + 2 * PAGE, PAGE, protection), 0);
    return pages + 2 * PAGE;
}

static void bad_memory_does_nothing(void)
{
    struct epoll_batch_op ops[MANY];
    int results[MANY];
    int epfd = make_instance();
    char *edge = make_edge(PROT_NONE);
    char *half = edge - MANY / 2 * sizeof(int);
    struct epoll_batch_op *vector = (void *)(edge - sizeof(ops) + sizeof(ops[0]));

    fill(ops, MANY, epfd);
    memcpy(vector, ops, sizeof(ops) - sizeof(ops[0]));
    for (unsigned int count = 1; count <= MANY; count += MANY - 1) {
        CHECK_EQUAL(device_run(device, NULL, results, count, 0), -EFAULT);
        CHECK_EQUAL(device_run(device, ops, NULL, count, 0), -EFAULT);
        CHECK_EQUAL(device_run(device, (void *)edge, results, count, 0), -EFAULT);
        CHECK_EQUAL(device_run(device, ops, (int *)(void *)edge, count, 0), -EFAULT);
        CHECK_EQUAL(device_run(device, (void *)0xffff888000000000, results, count, 0), -EFAULT);
        CHECK_EQUAL(device_run(device, ops, (int *)0xffffffff81000000, count, 0), -EFAULT);
    }
    CHECK_EQUAL(device_run(device, vector, results, MANY, 0), -EFAULT);
    CHECK_EQUAL(device_run(device, ops, (int *)(void *)half, MANY, 0), -EFAULT);
    CHECK_EQUAL(device_run(device, ops, (int *)(void *)make_edge(PROT_READ), MANY, 0), -EFAULT);
    CHECK_EQUAL(ioctl(device, EPOLL_BATCH_RUN, edge), -1);
    CHECK_EQUAL(errno, EFAULT);
    CHECK_EQUAL(ioctl(device, EPOLL_BATCH_WAIT, edge), -1);
    CHECK_EQUAL(errno, EFAULT);
    CHECK_EQUAL(list_length(epfd), 0);
}

/* The results lie where the operations were: what has been read once is what counts. */
static void one_snapshot(void)
{
    struct epoll_batch_op ops[MANY];
    int epfd = make_instance();

    fill(ops, MANY, epfd);
    CHECK_EQUAL(device_run(device, ops, (int *)(void *)ops, MANY, 0), MANY);
    for (unsigned int index = 0; index < MANY; index++) {
        CHECK_EQUAL(((int *)(void *)ops)[index], 0);
    }
    CHECK_EQUAL(list_length(epfd), MANY);
}

static struct epoll_batch_wait make_wait(int epfd, struct epoll_event *events, int room,
                                         const struct timespec *timeout)
{
    return (struct epoll_batch_wait){.epfd = epfd,
                                     .events = (uintptr_t)events,
                                     .maxevents = room,
                                     .timeout = (uintptr_t)timeout,
                                     .result = 99};
}

static void set_batch(struct epoll_batch_wait *wait, const struct epoll_batch_op *ops, int *results,
                      unsigned int count, unsigned int flags)
{
    wait->run = (struct epoll_batch_run){
        .ops = (uintptr_t)ops, .results = (uintptr_t)results, .count = count, .flags = flags};
}

static void waits(void)
{
    const struct timespec none = {0}, bad = {.tv_nsec = -1};
    int epfd = make_instance();
    int fd = make_eventfd(1);
    const struct epoll_batch_op ops[] = {device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLIN),
                                         device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLIN)};
    struct epoll_event events[4];
    struct epoll_batch_wait wait = make_wait(epfd, events, 4, NULL);
    int results[2];

    set_batch(&wait, ops, results, 1, 0);
    CHECK_EQUAL(device_wait(device, &wait), 1);
    CHECK_EQUAL(wait.result, 1);
    CHECK_EQUAL(events[0].data.u64, fd);
    CHECK_EQUAL(events[0].events, EPOLLIN);

    set_batch(&wait, ops, results, 2, EPOLL_BATCH_STOP);
    CHECK_EQUAL(device_wait(device, &wait), 1);
    CHECK_EQUAL(wait.result, -ECANCELED);
    set_batch(&wait, ops, results, 2, 0);
    CHECK_EQUAL(device_wait(device, &wait), 2);
    CHECK_EQUAL(wait.result, 1);

    /* The wait's own errors are in its own result. */
    wait = make_wait(fd, events, 4, &none);
    CHECK_EQUAL(device_wait(device, &wait), 0);
    CHECK_EQUAL(wait.result, -EINVAL);
    wait = make_wait(-1, events, 4, &none);
    CHECK_EQUAL(device_wait(device, &wait), 0);
    CHECK_EQUAL(wait.result, -EBADF);
    wait = make_wait(epfd, events, 0, &none);
    CHECK_EQUAL(device_wait(device, &wait), 0);
    CHECK_EQUAL(wait.result, -EINVAL);
    wait = make_wait(epfd, NULL, 4, &none);
    CHECK_EQUAL(device_wait(device, &wait), 0);
    CHECK_EQUAL(wait.result, -EFAULT);
    wait = make_wait(epfd, events, 4, &bad);
    CHECK_EQUAL(device_wait(device, &wait), 0);
    CHECK_EQUAL(wait.result, -EINVAL);
    wait = make_wait(epfd, events, 4, (const void *)8);
    CHECK_EQUAL(device_wait(device, &wait), 0);
    CHECK_EQUAL(wait.result, -EFAULT);
    wait = make_wait(epfd, events, 4, &none);
    wait.sigmask = (uintptr_t)events;
    wait.sigsetsize = 3;
    CHECK_EQUAL(device_wait(device, &wait), 0);
    CHECK_EQUAL(wait.result, -EINVAL);

    wait = make_wait(epfd, events, 4, &none);
    wait.pad = 1;
    CHECK_EQUAL(device_wait(device, &wait), -EINVAL);
}

static volatile sig_atomic_t handled;

static void count_signal(int number)
{
    (void)number;
    handled++;
}

static void catch_signal(int number)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};

    CHECK_EQUAL(sigaction(number, &action, NULL), 0);
}

/* A wait that a signal ends has carried its batch out, once, and is not begun again. */
static void signal_ends_the_wait_alone(void)
{
    int epfd = make_instance();
    const struct epoll_batch_op op = device_op(epfd, EPOLL_CTL_ADD, make_eventfd(0), EPOLLIN);
    uint64_t none = 0, old;
    struct epoll_event event;
    struct epoll_batch_wait wait = make_wait(epfd, &event, 1, NULL);
    sigset_t blocked, now;
    int result;

    catch_signal(SIGUSR1);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    CHECK_EQUAL(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
    handled = 0;
    CHECK_EQUAL(raise(SIGUSR1), 0); /* pending until the wait's own mask lets it in */
    set_batch(&wait, &op, &result, 1, 0);
    wait.sigmask = (uintptr_t)&none;
    wait.sigsetsize = SIGSIZE;
    CHECK_EQUAL(device_wait(device, &wait), 1);
    CHECK_EQUAL(result, 0);
    CHECK_EQUAL(wait.result, -EINTR);
    CHECK_EQUAL(handled, 1);
    CHECK_EQUAL(sigprocmask(SIG_BLOCK, NULL, &now), 0);
    memcpy(&old, &now, sizeof(old));
    CHECK(sigismember(&now, SIGUSR1));
}

static void *signal_on(void *argument)
{
    const volatile int *over = argument;

    while (!*over) {
        syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
    }
    return NULL;
}

/* Neither does a signal make one run again: what it has added is there already. */
static void signals_do_not_cut_a_batch(void)
{
    struct epoll_batch_op ops[MANY];
    int results[MANY];
    int epfd = make_instance();
    volatile int over = 0;
    pthread_t thread;

    catch_signal(SIGUSR1);
    fill(ops, MANY, epfd);
    handled = 0;
    CHECK_EQUAL(pthread_create(&thread, NULL, signal_on, (void *)&over), 0);
    while (handled < 200) {
        CHECK_EQUAL(device_run(device, ops, results, MANY, 0), MANY);
        for (unsigned int index = 0; index < MANY; index++) {
            CHECK_EQUAL(results[index], 0);
            ops[index].op = ops[index].op == EPOLL_CTL_ADD ? EPOLL_CTL_DEL : EPOLL_CTL_ADD;
        }
    }
    over = 1;
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

struct waiter {
    struct epoll_batch_wait wait;
    int tid;
    int returned;
};

static void *waiter_run(void *argument)
{
    struct waiter *waiter = argument;

    __atomic_store_n(&waiter->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
    waiter->returned = device_wait(device, &waiter->wait);
    return NULL;
}

static void start_waiter(struct waiter *waiter, pthread_t *ret_thread)
{
    CHECK_EQUAL(pthread_create(ret_thread, NULL, waiter_run, waiter), 0);
    while (__atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE) == 0) {
        sched_yield();
    }
    await_thread_in(waiter->tid, SYS_ioctl);
}

/*
 * A thread is stopped inside an operation, holding its target, by the lock of the instance. Another
 * thread closes the target. The first one now has to release it, and must not sleep before.
 */
static void no_wait_while_a_file_is_to_be_released(void)
{
    struct holder holder;
    int epfd = make_instance();
    int quiet = make_instance();
    int ends[2];
    struct epoll_event event;
    struct pollfd poller;
    struct epoll_batch_op op;
    pthread_t thread;
    int result;
    struct waiter waiter = {.wait = make_wait(quiet, &event, 1, NULL)};

    if (!can_hold()) {
        printf("skipped: no userfaultfd\n");
        return;
    }
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    op = device_op(epfd, EPOLL_CTL_ADD, ends[0], EPOLLIN);
    set_batch(&waiter.wait, &op, &result, 1, 0);
    hold(&holder, epfd);
    start_waiter(&waiter, &thread);
    CHECK_EQUAL(close(ends[0]), 0);
    let_go(&holder);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_EQUAL(waiter.returned, 1);
    CHECK_EQUAL(result, 0);
    CHECK_EQUAL(waiter.wait.result, -EAGAIN);
    poller = (struct pollfd){.fd = ends[1], .events = POLLRDHUP};
    CHECK_EQUAL(poll(&poller, 1, 0), 1);
    end_holding(&holder);
}

static void a_sleeping_wait_holds_no_target(void)
{
    int epfd = make_instance();
    int wake = make_eventfd(0);
    int ends[2];
    struct epoll_event event;
    struct pollfd poller;
    struct epoll_batch_op ops[2];
    int results[2];
    pthread_t thread;
    uint64_t one = 1;
    struct waiter waiter = {.wait = make_wait(epfd, &event, 1, NULL)};

    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ops[0] = device_op(epfd, EPOLL_CTL_ADD, ends[0], EPOLLIN);
    ops[1] = device_op(epfd, EPOLL_CTL_ADD, wake, EPOLLIN);
    set_batch(&waiter.wait, ops, results, 2, 0);
    start_waiter(&waiter, &thread);
    CHECK_EQUAL(close(ends[0]), 0);
    poller = (struct pollfd){.fd = ends[1], .events = POLLRDHUP};
    CHECK_EQUAL(poll(&poller, 1, 0), 1);
    CHECK_EQUAL(write(wake, &one, sizeof(one)), sizeof(one));
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_EQUAL(waiter.wait.result, 1);
    CHECK_EQUAL(event.data.u64, wake);
}

/* The entry that 32-bit programs come by: a 64-bit one may use it with low addresses. */
static int old_ioctl(int fd, unsigned int request, void *argument)
{
    int result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "0"(54), "b"(fd), "c"(request), "d"(argument)
                     : "r8", "r9", "r10", "r11", "memory");
    return result;
}

static void compat_caller(void)
{
    struct low {
        struct epoll_batch_wait wait;
        struct epoll_batch_op ops[3];
        int results[3];
        struct epoll_event events[2];
        struct epoll_batch_info info;
    } *low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    int epfd = make_instance();
    int fd = make_eventfd(1);

    CHECK(low != MAP_FAILED);
    CHECK_EQUAL(old_ioctl(device, EPOLL_BATCH_QUERY, &low->info), 0);
    CHECK_EQUAL(low->info.version, EPOLL_BATCH_VERSION);
    low->ops[0] = device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLIN);
    low->ops[0].data = 0x123456789abcdef0;
    low->ops[1] = device_op(epfd, EPOLL_CTL_ADD, fd, EPOLLIN);
    low->ops[2] = device_op(epfd, EPOLL_CTL_DEL, -1, 0);
    low->wait = make_wait(epfd, low->events, 2, NULL);
    set_batch(&low->wait, low->ops, low->results, 3, 0);
    CHECK_EQUAL(old_ioctl(device, EPOLL_BATCH_RUN, &low->wait.run), 3);
    CHECK_EQUAL(low->results[0], 0);
    CHECK_EQUAL(low->results[1], -EEXIST);
    CHECK_EQUAL(low->results[2], -EBADF);
    CHECK_EQUAL(old_ioctl(device, EPOLL_BATCH_WAIT, &low->wait), 3);
    CHECK_EQUAL(low->wait.result, 1);
    CHECK_EQUAL(low->events[0].data.u64, 0x123456789abcdef0);
    CHECK_EQUAL(old_ioctl(device, EPOLL_BATCH_RUN, NULL), -EFAULT);
}

/* Fails each allocation, and each access to user memory, of a call in turn. */
static void every_fault(void)
{
    struct epoll_batch_op ops[FEW];
    int results[FEW];
    unsigned int nth = 1;
    int epfd = make_instance();
    int made = 1;

    if (faults_arm(0) < 0) {
        printf("skipped: the kernel has no fault injection\n");
        return;
    }
    fill(ops, FEW, epfd);
    for (; made; nth++) {
        int added = 0;
        int done;

        CHECK(nth < FAULTS_MAX);
        memset(results, 0x55, sizeof(results));
        CHECK_EQUAL(faults_arm(nth), 0);
        done = device_run(device, ops, results, FEW, 0);
        made = faults_made();
        CHECK_EQUAL(faults_arm(0), 0);
        if (done < 0) {
            CHECK(done == -ENOMEM || done == -EFAULT);
        } else {
            CHECK_EQUAL(done, FEW);
            for (int index = 0; index < FEW; index++) {
                CHECK(results[index] == 0 || results[index] == -ENOMEM);
                added += results[index] == 0;
            }
        }
        /* Only a failure to hand the results over comes behind the operations. */
        if (done != -EFAULT || results[0] == 0x55555555) {
            CHECK_EQUAL(list_length(epfd), added);
        }
        CHECK_EQUAL(close(epfd), 0);
        CHECK_EQUAL(make_instance(), epfd);
    }
    printf("%u faults made\n", nth - 2);
    CHECK(nth > 5);
}

static int load_module(void)
{
    int object = open(OBJECT, O_RDONLY | O_CLOEXEC);
    int result;

    CHECK(object >= 0);
    result = (int)syscall(SYS_finit_module, object, "", 0);
    CHECK_EQUAL(close(object), 0);
    return result;
}

static void no_unloading_under_its_user(void)
{
    struct epoll_event event;
    uint64_t one = 1;
    int epfd = make_instance();
    int wake = make_eventfd(0);
    const struct epoll_batch_op op = device_op(epfd, EPOLL_CTL_ADD, wake, EPOLLIN);
    struct waiter waiter = {.wait = make_wait(epfd, &event, 1, NULL)};
    pthread_t thread;
    int result;

    CHECK_EQUAL(syscall(SYS_delete_module, "epoll_batch", O_NONBLOCK), -1);
    CHECK_EQUAL(errno, EWOULDBLOCK);
    /* The last descriptor goes, but a thread is inside. */
    set_batch(&waiter.wait, &op, &result, 1, 0);
    start_waiter(&waiter, &thread);
    CHECK_EQUAL(close(device), 0);
    CHECK_EQUAL(syscall(SYS_delete_module, "epoll_batch", O_NONBLOCK), -1);
    CHECK_EQUAL(errno, EWOULDBLOCK);
    CHECK_EQUAL(write(wake, &one, sizeof(one)), sizeof(one));
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_EQUAL(waiter.wait.result, 1);
}

#define TEST(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        isolate(name);                                                                             \
    }
TEST(query)
TEST(order_and_results)
TEST(stop)
TEST(repairs)
TEST(bounds)
TEST(bad_memory_does_nothing)
TEST(one_snapshot)
TEST(waits)
TEST(signal_ends_the_wait_alone)
TEST(signals_do_not_cut_a_batch)
TEST(no_wait_while_a_file_is_to_be_released)
TEST(a_sleeping_wait_holds_no_target)
TEST(compat_caller)
TEST(every_fault)

static void test_no_unloading_under_its_user(void **state)
{
    (void)state;
    isolate(no_unloading_under_its_user);
    CHECK_EQUAL(close(device), 0);
    CHECK_EQUAL(syscall(SYS_delete_module, "epoll_batch", O_NONBLOCK), 0);
    CHECK_EQUAL(access(EPOLL_BATCH_DEVICE, F_OK), -1);
    CHECK_EQUAL(load_module(), 0);
    device = device_open();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_order_and_results),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_repairs),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_bad_memory_does_nothing),
        cmocka_unit_test(test_one_snapshot),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_signal_ends_the_wait_alone),
        cmocka_unit_test(test_signals_do_not_cut_a_batch),
        cmocka_unit_test(test_no_wait_while_a_file_is_to_be_released),
        cmocka_unit_test(test_a_sleeping_wait_holds_no_target),
        cmocka_unit_test(test_compat_caller),
        cmocka_unit_test(test_every_fault),
        cmocka_unit_test(test_no_unloading_under_its_user),
    };

    device = device_open();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
