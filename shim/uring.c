#include "shim/uring.h"
#include "shim/inject.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of Linux 6.5; liburing 2.3 does not know them. */
#define URING_SETUP_NO_MMAP            (1U << 14)
#define URING_SETUP_REGISTERED_FD_ONLY (1U << 15)
/* Of Linux 6.1. */
#define URING_SETUP_FLAGS (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

/* What the kernel expects as the size of a signal set; libc's sigset_t is larger. */
#define URING_SIGSET_SIZE ((_NSIG - 1) / 8)

#define URING_PAGE     4096
#define URING_LINE_MAX 200
#define URING_SYSCTL   "/proc/sys/kernel/io_uring_disabled"

/* A thread's mapping. It is wiped in the child of a fork; the kernel keeps the parent's pages. */
struct uring_memory {
    _Alignas(URING_PAGE) struct uring ring;
    _Alignas(URING_PAGE) char queues[URING_PAGE];
    _Alignas(URING_PAGE) char sqes[URING_PAGE];
};
static_assert(sizeof(struct uring_memory) == 3 * URING_PAGE, "one page for each member");
static_assert(URING_ENTRIES * sizeof(struct io_uring_sqe) <= URING_PAGE, "a page of requests");

/* Which process this is. Wiped in the child of a fork, and written anew there. */
struct uring_process {
    pid_t pid;
};

static struct uring_process *uring_process;
static _Thread_local struct uring_memory *uring_own;

/* The kernel is older than 6.5: a ring has a number while it is being made. */
static bool uring_numbered;

/* Gives a thread's memory back when the thread ends. */
static pthread_key_t uring_key;
static bool uring_key_made;

/* Inline, for libc's close and syscall are names that the shim may take over. */
static void raw_close(int fd)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"((long)SYS_close), "D"((long)fd)
                     : "rcx", "r11", "memory");
    (void)result;
}

static void *uring_map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (madvise(memory, size, MADV_WIPEONFORK) != 0) {
        (void)munmap(memory, size);
        return NULL;
    }
    return memory;
}

static void uring_set_view(struct uring_view *view, const struct io_uring_params *params,
                           char *queues, void *sqes)
{
    view->sq_head = (unsigned int *)(void *)(queues + params->sq_off.head);
    view->sq_tail = (unsigned int *)(void *)(queues + params->sq_off.tail);
    view->sq_array = (unsigned int *)(void *)(queues + params->sq_off.array);
    view->sq_mask = params->sq_entries - 1;
    view->sqes = sqes;
    view->cq_head = (unsigned int *)(void *)(queues + params->cq_off.head);
    view->cq_tail = (unsigned int *)(void *)(queues + params->cq_off.tail);
    view->cqes = (struct io_uring_cqe *)(void *)(queues + params->cq_off.cqes);
    view->cq_mask = params->cq_entries - 1;
}

/* Returns the ring's slot or a negative errno. */
static int uring_create(struct uring_memory *memory)
{
    struct io_uring_params params = {
        .flags = URING_SETUP_FLAGS | URING_SETUP_NO_MMAP | URING_SETUP_REGISTERED_FD_ONLY,
        /* Linux 6.5 calls these two user_addr. */
        .cq_off.resv2 = (uintptr_t)memory->queues,
        .sq_off.resv2 = (uintptr_t)memory->sqes,
    };
    int slot = inject_setup(URING_ENTRIES, &params);

    if (slot < 0) {
        return slot;
    }
    assert(params.sq_off.array + params.sq_entries * sizeof(unsigned int) <= URING_PAGE);
    assert(params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe) <= URING_PAGE);
    uring_set_view(&memory->ring.view, &params, memory->queues, memory->sqes);
    return slot;
}

/* The same for an older kernel, whose ring has a descriptor until it is registered. */
static int uring_create_numbered(struct uring_memory *memory)
{
    struct io_uring_params params = {.flags = URING_SETUP_FLAGS};
    struct io_uring_rsrc_update registration = {.offset = -1U};
    struct io_uring mapped;
    int number = inject_setup(URING_ENTRIES, &params);
    int result;

    if (number < 0) {
        return number;
    }
    registration.data = (uint64_t)number;
    result = io_uring_queue_mmap(number, &params, &mapped);
    if (result == 0) {
        result = io_uring_ring_dontfork(&mapped);
    }
    if (result == 0) {
        result =
            io_uring_register((unsigned int)number, IORING_REGISTER_RING_FDS, &registration, 1);
    }
    raw_close(number);
    if (result < 0) {
        return result; /* and two mappings that nobody uses, for the rest of the process */
    }
    uring_set_view(&memory->ring.view, &params, mapped.sq.ring_ptr, mapped.sq.sqes);
    /* Both queues have been in one mapping since Linux 5.4. */
    assert(mapped.cq.ring_ptr == mapped.sq.ring_ptr);
    return (int)registration.offset;
}

/* Makes the ring of the calling thread, which has none, in memory that is all zero but for what an
 * earlier process left in it. alone: no other thread of the process runs. */
static void uring_make(struct uring_memory *memory, bool alone)
{
    struct uring *ring = &memory->ring;

    atomic_store(&ring->busy, true);
    ring->owner = gettid();
    if (!uring_numbered) {
        ring->slot = uring_create(memory);
    } else {
        ring->slot = alone ? uring_create_numbered(memory) : -EOPNOTSUPP;
    }
    atomic_store(&ring->busy, false);
}

/* The calling thread's memory, made if need be. NULL: there is none to be had. */
static struct uring_memory *uring_own_memory(void)
{
    if (uring_own == NULL) {
        uring_own = uring_map(sizeof(*uring_own));
        if (uring_own != NULL && uring_key_made) {
            (void)pthread_setspecific(uring_key, uring_own);
        }
    }
    return uring_own;
}

/*
 * False in a process that shares its parent's memory, such as vfork's child: what it writes here
 * its parent would find. A child that only copies it finds zero and becomes a process of its own.
 */
static bool uring_note_process(void)
{
    if (uring_process->pid == 0) {
        uring_process->pid = getpid();
    }
    return uring_process->pid == getpid();
}

struct uring *uring_acquire(enum backend_fallback *ret_why)
{
    struct uring_memory *memory = uring_own;

    if (memory == NULL || memory->ring.owner == 0) {
        if (!uring_note_process()) {
            *ret_why = FALLBACK_STRANGER;
            return NULL;
        }
        memory = uring_own_memory();
        if (memory == NULL) {
            *ret_why = FALLBACK_UNMADE;
            return NULL;
        }
        uring_make(memory, false);
    }
    if (memory->ring.owner != gettid()) {
        *ret_why = FALLBACK_STRANGER;
        return NULL;
    }
    if (memory->ring.slot < 0) {
        *ret_why = FALLBACK_UNMADE;
        return NULL;
    }
    if (atomic_exchange(&memory->ring.busy, true)) {
        *ret_why = FALLBACK_BUSY;
        return NULL;
    }
    if (memory->ring.refused || memory->ring.contended) {
        *ret_why = memory->ring.refused ? FALLBACK_REFUSED : FALLBACK_CONTENDED;
        atomic_store(&memory->ring.busy, false);
        return NULL;
    }
    return &memory->ring;
}

bool uring_is_own(const struct uring *ring, pid_t owner)
{
    return ring->owner == owner;
}

void uring_release(struct uring *ring, pid_t owner)
{
    if (uring_is_own(ring, owner)) {
        atomic_store(&ring->busy, false);
    }
}

int uring_enter(const struct uring *ring, unsigned int to_submit, unsigned int min_complete,
                bool patient)
{
    const unsigned int flags = IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING;
    struct __kernel_timespec none = {0};
    struct io_uring_getevents_arg argument = {.ts = (uintptr_t)&none};

    if (patient) {
        return inject_enter(ring, to_submit, min_complete, flags, NULL, URING_SIGSET_SIZE);
    }
    return inject_enter(ring, to_submit, min_complete, flags | IORING_ENTER_EXT_ARG, &argument,
                        sizeof(argument));
}

/* At the end of a thread. The kernel closes the ring with the thread, and what it has of the memory
 * it keeps until then. A later destructor of the program's may make a new ring. */
static void uring_end_thread(void *argument)
{
    struct uring_memory *memory = argument;

    uring_own = NULL;
    /* A ring of an older kernel has mappings of its own, and belongs to the first thread. */
    if (memory->ring.owner == gettid() && !uring_numbered) {
        (void)munmap(memory, sizeof(*memory));
    }
}

/* What the kernel answers to an IORING_OP_EPOLL_CTL that no kernel can carry out. */
static int uring_probe(struct uring *ring)
{
    const struct uring_view *view = &ring->view;
    unsigned int tail = *view->sq_tail;
    unsigned int index = tail & view->sq_mask;
    unsigned int head = *view->cq_head;
    struct epoll_event event = {0};
    int result;

    io_uring_prep_epoll_ctl(&view->sqes[index], -1, -1, EPOLL_CTL_ADD, &event);
    view->sq_array[index] = index;
    io_uring_smp_store_release(view->sq_tail, tail + 1);
    result = uring_enter(ring, 1, 1, true);
    if (result < 0) {
        return result;
    }
    if (io_uring_smp_load_acquire(view->cq_tail) == head) {
        return -EIO;
    }
    result = view->cqes[head & view->cq_mask].res;
    io_uring_smp_store_release(view->cq_head, head + 1);
    return result;
}

static char uring_line[URING_LINE_MAX];

/* The value of the sysctl that turns io_uring off, or 0. */
static int uring_read_sysctl(void)
{
    int fd = open(URING_SYSCTL, O_RDONLY | O_CLOEXEC);
    char text[2] = {0};

    if (fd >= 0) {
        if (read(fd, text, 1) != 1) {
            text[0] = '0';
        }
        raw_close(fd);
    }
    return text[0] > '0' && text[0] <= '9' ? text[0] - '0' : 0;
}

/* call says err: in words. */
static const char *uring_say(const char *call, int err)
{
    int disabled = err == -EPERM ? uring_read_sysctl() : 0;

    if (disabled != 0) {
        (void)snprintf(uring_line, sizeof(uring_line),
                       "io_uring is turned off: the sysctl kernel.io_uring_disabled is %d",
                       disabled);
    } else if (err == -ENOSYS) {
        (void)snprintf(uring_line, sizeof(uring_line),
                       "%s fails with ENOSYS: the kernel has no io_uring, or a seccomp filter "
                       "hides it",
                       call);
    } else if (err == -EPERM || err == -EACCES) {
        (void)snprintf(uring_line, sizeof(uring_line),
                       "%s fails with %s: a seccomp filter or a security module forbids it", call,
                       err == -EPERM ? "EPERM" : "EACCES");
    } else {
        (void)snprintf(uring_line, sizeof(uring_line), "%s fails: %s", call, strerror(-err));
    }
    return uring_line;
}

const char *uring_start(void)
{
    struct uring_memory *memory;
    int result;

    assert(uring_process == NULL);
    uring_process = uring_map(sizeof(*uring_process));
    /* A program that has used up all keys loses a ring's memory at thread exit, no more. */
    uring_key_made = pthread_key_create(&uring_key, uring_end_thread) == 0;
    memory = uring_process == NULL ? NULL : uring_own_memory();
    if (memory == NULL) {
        return uring_say("mmap", -errno);
    }
    (void)uring_note_process();
    uring_make(memory, true);
    if (memory->ring.slot == -EINVAL && !uring_numbered) {
        uring_numbered = true;
        uring_make(memory, true);
    }
    if (memory->ring.slot == -EINVAL) {
        return "the kernel's io_uring is older than Linux 6.1";
    }
    if (memory->ring.slot < 0) {
        return uring_say("io_uring_setup", memory->ring.slot);
    }
    result = uring_probe(&memory->ring);
    /* EBADF is what the operation itself says to a descriptor -1. */
    if (result == -EINVAL || result == -EOPNOTSUPP) {
        return "the kernel's io_uring has no IORING_OP_EPOLL_CTL";
    }
    return result == -EBADF ? NULL : uring_say("io_uring_enter", result);
}

void uring_forked(void)
{
    struct uring_memory *memory;

    assert(uring_process->pid == 0);
    (void)uring_note_process();
    /* A ring that has no number is made when it is needed: most children never need one. */
    if (uring_numbered) {
        memory = uring_own_memory();
        if (memory != NULL) {
            uring_make(memory, true);
        }
    }
}

void uring_set_numbered(bool numbered)
{
    uring_numbered = numbered;
}
