/*
 * The backend `module`: a batch goes to the kernel module of kmod/ in one ioctl on its device, the
 * seed's "epoll_batch" as it was deployed. The module carries it out as the plain loop does.
 *
 * The wait behind a flush is a call of its own, although the module could make it in the same one:
 * a wait that sleeps inside the shim's ioctl would be no wait to whoever looks from outside, and
 * its signal mask, cancellation and restart would be the shim's affair.
 *
 * The device's descriptor is opened once, by the constructor, and lies above the numbers that
 * programs get (hazard I1). A program can close it all the same, or put something else in its place
 * (I2). So whatever has the number must prove with every batch that it is the device: every result
 * is set to a value that no operation has, and the device overwrites as many as it says it carried
 * out. A file that is not the device answers ENOTTY, and one that is no file EBADF. Asking first
 * would prove less, for another thread can close the number in between.
 *
 * Nothing is kept beside that number. So a fork's child, a vfork's, a task with a descriptor table
 * of its own and a signal handler in the middle of a batch need no care.
 */
#include "shim/backend.h"

#include "kmod/epoll_batch.h"
#include "shim/raw.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Operations in one ioctl: what a signal handler's stack has room for. */
#define MODULE_CHUNK 64
/* The device's number is below the first and not below the second: where programs of epdiff's have
 * none, and a table that reaches there costs little. */
#define MODULE_NUMBER_END   1024
#define MODULE_NUMBER_FIRST 256
/* A result that no operation has. */
#define MODULE_UNHEARD INT_MAX

#define MODULE_LINE_MAX 200

static_assert(MODULE_CHUNK <= EPOLL_BATCH_MAX, "the module takes as many operations at once");

/* libc's, for the same reason as the real epoll_ctl: whoever stands behind the shim sees it. */
static int (*module_ioctl)(int fd, unsigned long request, ...);
static int module_number = -1;
static char module_line[MODULE_LINE_MAX];

/* Gives the descriptor its place, or returns -EMFILE; fd is closed in either case. */
static long module_move(long fd)
{
    long number = -EMFILE;

    for (long at = MODULE_NUMBER_END - 1; number < 0 && at >= MODULE_NUMBER_FIRST; at--) {
        number = raw_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, at, 0, 0, 0);
    }
    (void)raw_call(SYS_close, fd, 0, 0, 0, 0, 0);
    return number < 0 ? -EMFILE : number;
}

/* NULL if it is the device that this backend knows how to use, or what else it is. */
static const char *module_query(long fd)
{
    struct epoll_batch_info info = {0};
    long result = raw_call(SYS_ioctl, fd, (long)EPOLL_BATCH_QUERY, (long)&info, 0, 0, 0);

    if (result != 0) {
        (void)snprintf(module_line, sizeof(module_line),
                       EPOLL_BATCH_DEVICE " is not the device of the kernel module epoll_batch");
    } else if (info.version != EPOLL_BATCH_VERSION || (info.features & EPOLL_BATCH_HAS_RUN) == 0 ||
               info.max_ops < MODULE_CHUNK) {
        (void)snprintf(module_line, sizeof(module_line),
                       "the kernel module epoll_batch is another one: version %u, %u operations, "
                       "features %#llx; expected version %d",
                       info.version, info.max_ops, (unsigned long long)info.features,
                       EPOLL_BATCH_VERSION);
    } else {
        return NULL;
    }
    return module_line;
}

/* Opens the device under its number. Returns NULL, or why that cannot be. */
static const char *module_open(void)
{
    long fd = raw_call(SYS_openat, AT_FDCWD, (long)EPOLL_BATCH_DEVICE,
                       O_RDWR | O_CLOEXEC | O_NOCTTY, 0, 0, 0);
    const char *why;

    if (fd == -ENOENT || fd == -ENXIO || fd == -ENODEV) {
        return "there is no " EPOLL_BATCH_DEVICE ": the kernel module epoll_batch is not loaded";
    }
    if (fd < 0) {
        (void)snprintf(module_line, sizeof(module_line), EPOLL_BATCH_DEVICE " cannot be opened: %s",
                       strerror((int)-fd));
        return module_line;
    }
    why = module_query(fd);
    if (why != NULL) {
        (void)raw_call(SYS_close, fd, 0, 0, 0, 0, 0);
        return why;
    }
    fd = module_move(fd);
    if (fd < 0) {
        (void)snprintf(module_line, sizeof(module_line),
                       "RLIMIT_NOFILE leaves no number from %d to %d for " EPOLL_BATCH_DEVICE,
                       MODULE_NUMBER_FIRST, MODULE_NUMBER_END - 1);
        return module_line;
    }
    module_number = (int)fd;
    return NULL;
}

static const char *module_start(void)
{
    struct rlimit old, raised;
    const char *why;

    *(void **)&module_ioctl = dlsym(RTLD_NEXT, "ioctl");
    assert(module_ioctl != NULL);
    /* The soft limit is about the program's numbers, and the device has none of those: it is out of
     * the way while the device is opened. */
    if (raw_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&old, 0, 0) != 0) {
        return "prlimit fails";
    }
    raised = old;
    if (old.rlim_cur < MODULE_NUMBER_END) {
        raised.rlim_cur = old.rlim_max < MODULE_NUMBER_END ? old.rlim_max : MODULE_NUMBER_END;
        (void)raw_call(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)&raised, 0, 0, 0);
    }
    why = module_open();
    if (raised.rlim_cur != old.rlim_cur) {
        (void)raw_call(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)&old, 0, 0, 0);
    }
    return why;
}

/* The module takes events by value, so a null one where one is read goes by the plain call. */
static bool module_can_carry(const struct pending_op *op)
{
    return op->has_event || op->op == EPOLL_CTL_DEL;
}

/* How many operations can go in one ioctl. */
static size_t module_measure(const struct pending_op *ops, size_t count)
{
    size_t length = 0;

    while (length < count && length < MODULE_CHUNK && module_can_carry(&ops[length])) {
        length++;
    }
    return length;
}

/* What came of an operation, whichever of two tries it was. */
static int module_read_result(int32_t result)
{
    if (result == EPOLL_BATCH_REPAIRED) {
        return 0;
    }
    return result < -EPOLL_BATCH_SECOND ? result + EPOLL_BATCH_SECOND : result;
}

/* One that was tried again was two calls. */
static void module_tell(const struct pending_op *op, int32_t result)
{
    struct pending_op again = *op;

    if (result != EPOLL_BATCH_REPAIRED && result >= -EPOLL_BATCH_SECOND) {
        backend_tell(op, result);
        return;
    }
    again.op = op->op == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    backend_tell(op, op->op == EPOLL_CTL_ADD ? -EEXIST : -ENOENT);
    backend_tell(&again, module_read_result(result));
}

/*
 * Hands operations over. Returns how many of them have been carried out, and writes their results;
 * 0: none has been.
 */
static size_t module_carry(struct pending_op *ops, size_t count, unsigned int flags)
{
    struct epoll_batch_op vector[MODULE_CHUNK];
    int32_t results[MODULE_CHUNK];
    struct epoll_batch_run run = {
        .ops = (uintptr_t)vector,
        .results = (uintptr_t)results,
        .count = (uint32_t)count,
        .flags = ((flags & BATCH_FIXUPS) != 0 ? EPOLL_BATCH_FIXUPS : 0) |
                 ((flags & BATCH_ALL) != 0 ? 0 : EPOLL_BATCH_STOP),
    };
    long done;

    assert(count <= MODULE_CHUNK);
    for (size_t index = 0; index < count; index++) {
        vector[index] = (struct epoll_batch_op){
            .epfd = ops[index].epfd,
            .op = ops[index].op,
            .fd = ops[index].fd,
            .events = ops[index].event.events,
            .data = ops[index].event.data.u64,
        };
        results[index] = MODULE_UNHEARD;
    }
    done = module_ioctl(module_number, EPOLL_BATCH_RUN, &run);
    backend_count(1, 0);
    /* Something that is not the device may take any ioctl and do nothing. */
    if (done <= 0 || (size_t)done > count || results[done - 1] == MODULE_UNHEARD) {
        return 0;
    }
    backend_count(0, (uint64_t)done);
    for (size_t index = 0; index < (size_t)done; index++) {
        module_tell(&ops[index], results[index]);
        ops[index].result = module_read_result(results[index]);
        assert(ops[index].result <= 0);
    }
    return (size_t)done;
}

static int module_execute(struct pending_op *ops, size_t count, unsigned int flags)
{
    int first_error = 0;
    size_t at = 0;

    while (at < count && (first_error == 0 || (flags & BATCH_ALL) != 0)) {
        size_t length = module_measure(&ops[at], count - at);
        size_t done = 0;

        if (length >= 2) {
            done = module_carry(&ops[at], length, flags);
            if (done == 0) {
                backend_count_fallback(FALLBACK_REFUSED);
            }
        }
        if (done == 0) {
            /* One operation costs less by its own call. */
            done = length == 0 ? 1 : length;
            (void)backend_syscall.execute(&ops[at], done, flags);
        }
        for (; done > 0; done--, at++) {
            if (first_error == 0) {
                first_error = ops[at].result;
            }
        }
    }
    for (; at < count; at++) {
        ops[at].result = -ECANCELED;
    }
    return first_error;
}

const struct backend backend_module = {
    .name = "module",
    .start = module_start,
    .execute = module_execute,
};
