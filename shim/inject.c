/*
 * Faults for tests; no part of the product. See inject.h.
 *
 * A call's number counts the calls of one process, from 1: a child of any kind of fork counts for
 * itself, for the counters are wiped there. The calls of the shim's constructor do not count.
 */
#include "shim/inject.h"
#include "shim/config.h"
#include "shim/shim.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INJECT_VARIABLE "EPBATCH_INJECT"
#define INJECT_MAX      8 /* more do not fit into a header */
#define INJECT_WORD_MAX 31

/* What nobody asked for, and more of it than a completion queue holds. */
#define INJECT_FOREIGN (3 * URING_ENTRIES)

enum inject_call { CALL_SETUP, CALL_ENTER, CALL_CTL, CALL_KINDS };

static const char *const inject_calls[CALL_KINDS] = {"io_uring_setup", "io_uring_enter",
                                                     "epoll_ctl"};

/* Faults that are no errno. */
enum { FAULT_LATE_EINTR = 1, FAULT_SHORT, FAULT_OVERFLOW, FAULT_SECCOMP };

static const struct {
    const char *word;
    int fault; /* one of the above, or a negative errno: the call is not made and fails with it */
} inject_words[] = {
    {"EINTR", -EINTR},          {"EAGAIN", -EAGAIN},
    {"EBUSY", -EBUSY},          {"ENOMEM", -ENOMEM},
    {"ENODEV", -ENODEV},        {"EPERM", -EPERM},
    {"ENOSYS", -ENOSYS},        {"EMFILE", -EMFILE},
    {"ENOSPC", -ENOSPC},        {"LATE_EINTR", FAULT_LATE_EINTR},
    {"SHORT", FAULT_SHORT},     {"OVERFLOW", FAULT_OVERFLOW},
    {"SECCOMP", FAULT_SECCOMP},
};

static struct {
    enum inject_call call;
    int fault;
    unsigned long number;
} inject_faults[INJECT_MAX];
static size_t inject_count;

/* Calls so far, by kind. Its page is wiped in the child of a fork. */
static atomic_ulong *inject_made;

static _Noreturn void inject_refuse(const char *text)
{
    (void)dprintf(STDERR_FILENO,
                  "libepbatch-inject: " INJECT_VARIABLE " is \"%.200s\", expected "
                  "CALL FAULT@NUMBER, ...\n",
                  text);
    _exit(CONFIG_EXIT_REFUSED);
}

static void inject_parse(const char *text)
{
    char call[INJECT_WORD_MAX + 1];
    char word[INJECT_WORD_MAX + 1];
    const char *at = text;

    for (;;) {
        int length = 0;

        if (inject_count == INJECT_MAX ||
            sscanf(at, " %31[a-z_] %31[A-Z_]@%lu %n", call, word,
                   &inject_faults[inject_count].number, &length) != 3) {
            inject_refuse(text);
        }
        inject_faults[inject_count].call = CALL_KINDS;
        for (size_t kind = 0; kind < CALL_KINDS; kind++) {
            if (strcmp(call, inject_calls[kind]) == 0) {
                inject_faults[inject_count].call = (enum inject_call)kind;
            }
        }
        for (size_t index = 0; index < sizeof(inject_words) / sizeof(*inject_words); index++) {
            if (strcmp(word, inject_words[index].word) == 0) {
                inject_faults[inject_count].fault = inject_words[index].fault;
            }
        }
        if (inject_faults[inject_count].call == CALL_KINDS ||
            inject_faults[inject_count].fault == 0) {
            inject_refuse(text);
        }
        inject_count++;
        at += length;
        if (*at == '\0') {
            return;
        }
        if (*at++ != ',') {
            inject_refuse(text);
        }
    }
}

__attribute__((constructor)) static void inject_start(void)
{
    const char *text = getenv(INJECT_VARIABLE);

    if (text == NULL) {
        return;
    }
    inject_parse(text);
    inject_made = mmap(NULL, CALL_KINDS * sizeof(*inject_made), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (inject_made == MAP_FAILED ||
        madvise(inject_made, CALL_KINDS * sizeof(*inject_made), MADV_WIPEONFORK) != 0) {
        inject_refuse(text);
    }
}

/* The fault of the call that is about to be made, ahead calls from now. 0: none. */
static int inject_find(enum inject_call call, unsigned long ahead)
{
    unsigned long number;

    if (inject_made == NULL || shim_policy() == NULL) {
        return 0;
    }
    number = atomic_load(&inject_made[call]) + ahead;
    for (size_t index = 0; index < inject_count; index++) {
        if (inject_faults[index].call == call && inject_faults[index].number == number) {
            return inject_faults[index].fault;
        }
    }
    return 0;
}

/* Counts a call that is about to be made. Returns its fault. */
static int inject_take(enum inject_call call)
{
    if (inject_made != NULL && shim_policy() != NULL) {
        (void)atomic_fetch_add(&inject_made[call], 1);
    }
    return inject_find(call, 0);
}

int inject_setup(unsigned int entries, struct io_uring_params *params)
{
    int fault = inject_take(CALL_SETUP);

    return fault < 0 ? fault : io_uring_setup(entries, params);
}

int inject_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    int fault = inject_take(CALL_CTL);

    return fault < 0 ? fault : batch_ctl_direct(epfd, op, fd, event);
}

/* Completions of no chain, more than there is room for. */
static void inject_overflow(const struct uring *ring)
{
    const struct uring_view *view = &ring->view;

    for (int count = 0; count < INJECT_FOREIGN; count += URING_ENTRIES) {
        unsigned int tail = *view->sq_tail;
        int taken;

        for (unsigned int index = 0; index < URING_ENTRIES; index++) {
            unsigned int place = (tail + index) & view->sq_mask;

            io_uring_prep_nop(&view->sqes[place]);
            io_uring_sqe_set_data64(&view->sqes[place], UINT64_MAX);
            view->sq_array[place] = place;
        }
        io_uring_smp_store_release(view->sq_tail, tail + URING_ENTRIES);
        taken = io_uring_enter((unsigned int)ring->slot, URING_ENTRIES, 0,
                               IORING_ENTER_REGISTERED_RING, NULL);
        assert(taken == URING_ENTRIES);
        (void)taken;
    }
}

void inject_chain(const struct uring *ring)
{
    if (inject_find(CALL_ENTER, 1) == FAULT_OVERFLOW) {
        inject_overflow(ring);
    }
}

/* From here on io_uring_enter is EPERM in this thread and in those that it starts. */
static void inject_forbid(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    int result = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

    if (result == 0) {
        result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    }
    assert(result == 0);
}

int inject_enter(const struct uring *ring, unsigned int to_submit, unsigned int min_complete,
                 unsigned int flags, void *argument, size_t size)
{
    int fault = inject_take(CALL_ENTER);
    int result;

    if (fault < 0) {
        return fault;
    }
    if (fault == FAULT_SECCOMP) {
        inject_forbid();
    }
    if (fault == FAULT_SHORT && to_submit > 1) {
        return io_uring_enter((unsigned int)ring->slot, 1, 0, IORING_ENTER_REGISTERED_RING, NULL);
    }
    result =
        io_uring_enter2((unsigned int)ring->slot, to_submit, min_complete, flags, argument, size);
    return fault == FAULT_LATE_EINTR ? -EINTR : result;
}
