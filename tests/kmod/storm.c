/*
 * Malformed and racing ioctls: whatever they are, the kernel must not complain. ci/vm looks at its
 * log; this program only sees to it that enough of every kind has been made.
 *
 *     kmod_storm CALLS [SEED]
 *
 * Processes with two calling threads and a disturbing one each. The callers pass good and bad
 * addresses, counts, flags, sizes and padding, on descriptors that are instances, targets, neither,
 * closed, or changing; they fork, and make allocations fail where the kernel can do that. The
 * disturber closes and replaces descriptors, rewrites and takes away the memory that a call is
 * using, and sends signals. Now and then a process is killed in the middle of it all.
 */
#include "tests/kmod/device.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PROCESSES = 2,
    CALLERS = 2,
    FIRST = 32, /* the descriptors that calls are about: FIRST to FIRST + NUMBERS - 1 */
    NUMBERS = 24,
    INSTANCES = 8, /* the first of them */
    ROOM = EPOLL_BATCH_MAX + 8,
    PAGE = 4096,
    LIFE_MAX = 400, /* calls until a process is killed */
    ERRNO_MAX = 134,
};

/* What all processes have done. */
static struct {
    atomic_ulong calls, carried, killed, faults, forks, replaced;
    atomic_ulong errors[ERRNO_MAX];
} * total;

/* The memory that a process's calls are about; the disturber takes away the page behind it. */
struct room {
    struct epoll_batch_op ops[ROOM];
    int results[ROOM];
    struct epoll_event events[64];
};

static int device;
static struct room *room;
static char *edge;
static pid_t callers[CALLERS];

static _Thread_local uint64_t random_state;

static unsigned int below(unsigned int limit)
{
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned int)(random_state >> 33) % limit;
}

static int some_number(void)
{
    switch (below(12)) {
    case 0:
        return -1;
    case 1:
        return (int)below(2000);
    case 2:
        return device;
    default:
        return FIRST + (int)below(NUMBERS);
    }
}

static void fill_op(struct epoll_batch_op *op)
{
    *op = (struct epoll_batch_op){
        .epfd = below(8) == 0 ? some_number() : FIRST + (int)below(INSTANCES),
        .op = below(16) == 0 ? (int)below(UINT32_MAX) : 1 + (int)below(3),
        .fd = some_number(),
        .events = below(8) == 0 ? below(UINT32_MAX) : EPOLLIN | EPOLLOUT * below(2),
        .data = random_state,
    };
}

/* A pointer that is good, most of the time. */
static uint64_t some_pointer(void *good, size_t size)
{
    static const uint64_t bad[] = {0,
                                   1,
                                   0x7ffffffff000,
                                   0x800000000000,
                                   0xffff888000000000,
                                   0xffffffff81000000,
                                   UINT64_MAX - 7,
                                   UINT64_MAX};

    switch (below(16)) {
    case 0:
        return bad[below(sizeof(bad) / sizeof(bad[0]))];
    case 1: /* ends behind the edge, or at it */
        return (uint64_t)(uintptr_t)edge - below((unsigned int)size + 16);
    case 2: /* unaligned, and over other things */
        return (uint64_t)(uintptr_t)room + below(sizeof(*room) / 2);
    default:
        return (uint64_t)(uintptr_t)good;
    }
}

static uint32_t some_count(void)
{
    static const uint32_t counts[] = {0, 1, 8, 9, 64, 256, 1023, 1024, 1025, 65536, UINT32_MAX};

    switch (below(4)) {
    case 0:
        return counts[below(sizeof(counts) / sizeof(counts[0]))];
    default:
        return below(24);
    }
}

static struct epoll_batch_run some_run(void)
{
    struct epoll_batch_run run = {.count = some_count(),
                                  .flags = below(12) == 0 ? below(UINT32_MAX) : below(4)};
    size_t count = run.count < ROOM ? run.count : ROOM;

    run.ops = some_pointer(room->ops, count * sizeof(room->ops[0]));
    run.results = some_pointer(room->results, count * sizeof(room->results[0]));
    return run;
}

static unsigned int some_request(void)
{
    static const unsigned int known[] = {EPOLL_BATCH_RUN, EPOLL_BATCH_RUN, EPOLL_BATCH_RUN,
                                         EPOLL_BATCH_WAIT, EPOLL_BATCH_QUERY};

    switch (below(12)) {
    case 0: /* another size */
        return _IOC(_IOC_WRITE, EPOLL_BATCH_MAGIC, 0xe0 + below(4), below(1 << _IOC_SIZEBITS));
    case 1:
        return below(UINT32_MAX);
    default:
        return known[below(sizeof(known) / sizeof(known[0]))];
    }
}

/* The entry of 32-bit programs. Its argument is a low address, so mostly a bad one. */
static long old_ioctl(int fd, unsigned int request, void *argument)
{
    long result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "0"(54), "b"(fd), "c"(request), "d"(argument)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

static void count_result(long result)
{
    if (result < 0 && -result < ERRNO_MAX) {
        atomic_fetch_add(&total->errors[-result], 1);
    } else if (result > 0) {
        atomic_fetch_add(&total->carried, (unsigned long)result);
    }
    atomic_fetch_add(&total->calls, 1);
}

static void call_once(bool faulty)
{
    struct timespec timeout = {.tv_nsec = below(4) == 0 ? below(2000000) : 0};
    struct epoll_batch_wait *low = (void *)(edge + PAGE); /* a page that stays, at a low address */
    struct epoll_batch_wait wait = {
        .run = some_run(),
        .events = some_pointer(room->events, sizeof(room->events)),
        /* Never without one: nobody might come. */
        .timeout = below(16) == 0 ? UINT64_MAX : (uintptr_t)&timeout,
        .sigmask = below(8) == 0 ? some_pointer(room, 8) : 0,
        .sigsetsize = below(4) == 0 ? below(20) : 8,
        .epfd = some_number(),
        .maxevents = below(8) == 0 ? (int)below(UINT32_MAX) : (int)below(64),
        .pad = below(24) == 0,
    };
    void *argument = below(24) == 0 ? (void *)(uintptr_t)some_pointer(edge, sizeof(wait)) : &wait;
    unsigned int request = some_request();
    long result;

    for (unsigned int index = 0; index < wait.run.count && index < 24; index++) {
        fill_op(&room->ops[index]);
    }
    if (faulty) {
        (void)faults_arm(1 + below(40));
    }
    if (below(4) == 0) {
        *low = wait;
        low->timeout = (uintptr_t)(low + 1);
        *(struct timespec *)(void *)(low + 1) = timeout;
        result = old_ioctl(device, request, argument == &wait ? low : argument);
    } else {
        result = ioctl(device, request, argument);
        result = result < 0 ? -errno : result;
    }
    if (faulty) {
        atomic_fetch_add(&total->faults, (unsigned long)faults_made());
        (void)faults_arm(0);
    }
    count_result(result);
}

/* Makes a file of some kind and gives it one of the numbers, in use or not. */
static void replace_number(int number)
{
    int pair[2] = {-1, -1};

    switch (number < FIRST + INSTANCES && below(4) != 0 ? 0 : below(6)) {
    case 0:
        pair[0] = epoll_create1(EPOLL_CLOEXEC);
        break;
    case 1:
        pair[0] = eventfd(below(2), EFD_CLOEXEC | EFD_NONBLOCK);
        break;
    case 2:
        (void)!pipe2(pair, O_CLOEXEC | O_NONBLOCK);
        break;
    case 3:
        (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
        break;
    case 4:
        pair[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        break;
    default:
        close(number);
        return;
    }
    if (pair[0] >= 0) {
        (void)dup3(pair[0], number, O_CLOEXEC);
        close(pair[0]);
    }
    if (pair[1] >= 0) {
        close(pair[1]);
    }
    atomic_fetch_add(&total->replaced, 1);
}

static void *disturb(void *argument)
{
    random_state = (uintptr_t)argument;
    for (;;) {
        switch (below(6)) {
        case 0:
            (void)mprotect(edge, PAGE, below(2) == 0 ? PROT_NONE : PROT_READ | PROT_WRITE);
            break;
        case 1:
            (void)mmap(edge, PAGE, below(2) == 0 ? PROT_READ : PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            break;
        case 2:
            if (callers[0] != 0) {
                syscall(SYS_tgkill, getpid(), callers[below(CALLERS)], SIGUSR1);
            }
            break;
        case 3:
            fill_op(&room->ops[below(ROOM)]);
            break;
        default:
            replace_number(FIRST + (int)below(NUMBERS));
            break;
        }
    }
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
}

static void *call_on(void *argument)
{
    random_state = (uintptr_t)argument;
    bool faulty = faults_arm(0) == 0;

    callers[random_state % CALLERS] = (pid_t)syscall(SYS_gettid);
    for (;;) {
        call_once(faulty && below(4) == 0);
        if (below(500) == 0) {
            pid_t child = fork();
            if (child == 0) {
                for (int calls = 0; calls < 3; calls++) {
                    call_once(false);
                }
                _exit(0);
            }
            if (child > 0) {
                atomic_fetch_add(&total->forks, 1);
                (void)waitpid(child, NULL, 0);
            }
        }
    }
    return NULL;
}

static _Noreturn void live(uint64_t seed)
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t thread;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigaction(SIGUSR1, &action, NULL);
    random_state = seed;
    for (int number = FIRST; number < FIRST + NUMBERS; number++) {
        replace_number(number);
    }
    /* The edge and the page behind it. */
    edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1,
                0);
    room = mmap(NULL, sizeof(*room), PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (edge == MAP_FAILED || room == MAP_FAILED) {
        _exit(1);
    }
    for (uintptr_t index = 0; index < CALLERS; index++) {
        if (pthread_create(&thread, NULL, call_on, (void *)(seed * CALLERS * 8 + index)) != 0) {
            _exit(1);
        }
    }
    disturb((void *)(uintptr_t)(seed * 31 + 7));
    _exit(1);
}

static pid_t start(uint64_t seed)
{
    pid_t child = fork();

    if (child == 0) {
        live(seed);
    }
    if (child < 0) {
        perror("storm: fork");
        exit(1);
    }
    return child;
}

/* A storm that made no call of some kind has shown nothing of it. */
static bool check(int err, const char *name)
{
    unsigned long count = atomic_load(&total->errors[err]);

    printf(" %s=%lu", name, count);
    return count > 0;
}

int main(int argc, char **argv)
{
    unsigned long calls = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1, lives = 0;
    pid_t children[PROCESSES];
    unsigned long ends[PROCESSES];

    if (argc < 2 || argc > 3 || calls == 0) {
        fprintf(stderr, "usage: kmod_storm CALLS [SEED]\n");
        return 2;
    }
    device = device_open();
    total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (total == MAP_FAILED) {
        perror("storm: mmap");
        return 1;
    }
    random_state = seed;
    for (int index = 0; index < PROCESSES; index++) {
        ends[index] = below(LIFE_MAX);
        children[index] = start(seed * 1000 + ++lives);
    }
    for (unsigned long done = 0; done < calls; done = atomic_load(&total->calls)) {
        sched_yield();
        for (int index = 0; index < PROCESSES; index++) {
            int status;
            if (waitpid(children[index], &status, WNOHANG) == children[index]) {
                /* A fault that hits the making of a signal's frame, or a page, ends a process. */
                if (WIFSIGNALED(status) && atomic_load(&total->faults) > 0) {
                    atomic_fetch_add(&total->killed, 1);
                    children[index] = start(seed * 1000 + ++lives);
                    continue;
                }
                fprintf(stderr, "storm: a process ended by itself, status %#x\n",
                        (unsigned int)status);
                return 1;
            }
            if (done < ends[index]) {
                continue;
            }
            kill(children[index], SIGKILL);
            (void)waitpid(children[index], NULL, 0);
            atomic_fetch_add(&total->killed, 1);
            ends[index] = done + PROCESSES * LIFE_MAX / 2 + below(LIFE_MAX);
            children[index] = start(seed * 1000 + ++lives);
        }
    }
    for (int index = 0; index < PROCESSES; index++) {
        kill(children[index], SIGKILL);
        (void)waitpid(children[index], NULL, 0);
    }
    printf("calls=%lu operations=%lu replaced=%lu forks=%lu killed=%lu faults=%lu",
           atomic_load(&total->calls), atomic_load(&total->carried), atomic_load(&total->replaced),
           atomic_load(&total->forks), atomic_load(&total->killed), atomic_load(&total->faults));
    bool all = check(EFAULT, "EFAULT");
    all &= check(EINVAL, "EINVAL");
    all &= check(ENOTTY, "ENOTTY");
    (void)check(ENOMEM, "ENOMEM");
    printf(" seed=%lu\n", seed);
    if (!all || atomic_load(&total->carried) == 0 || atomic_load(&total->errors[EINTR]) > 0) {
        fprintf(stderr, "storm: a kind of call was not made, or one failed with EINTR\n");
        return 1;
    }
    return 0;
}
