/*
 * The operations. Each function makes its call through libc, as a user's program would, and writes
 * down what came of it: errno is read before anything else can change it.
 */
#include "fuzz/execute/ops_inside.h"
#include "fuzz/execute/raw.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    THREAD_STACK_SIZE = 256 * 1024,
};

/* Handles of the threads of this process, by actor. Each process has its own copy, which is what
 * join needs. */
static pthread_t threads[PROGRAM_ACTORS_MAX];

/* An address that no process maps: the page at the bottom is never given out. */
static void *const bad_pointer = (void *)16;

int call_fd(const struct call *call, unsigned index)
{
    int64_t value = call->step->args[index];
    return call->step->tags[index] == TAG_SLOT ? call->wire->slots[value] : (int)value;
}

void call_returned(struct call *call, int64_t ret)
{
    call->result->err = errno;
    call->result->ret = ret;
}

void op_run_EPOLL_CREATE(struct call *call)
{
    returned_fd(call, epoll_create((int)call->step->args[0]));
}

void op_run_EPOLL_CREATE1(struct call *call)
{
    returned_fd(call, epoll_create1((int)call->step->args[0]));
}

int call_epoll_ctl(int epfd, int op, int fd, int64_t mask, uint64_t data)
{
    struct epoll_event event = {.events = (uint32_t)mask, .data.u64 = data};
    struct epoll_event *pointer = mask == EVENT_NULL     ? NULL
                                  : mask == EVENT_BADPTR ? bad_pointer
                                                         : &event;

    int ret = epoll_ctl(epfd, op, fd, pointer);
    /* Whoever deferred the call and kept the pointer reads rubbish from here on, as from a reused
     * stack frame. */
    int err = errno;
    memset(&event, 0xa5, sizeof(event));
    __asm__ volatile("" : : "r"(&event) : "memory");
    errno = err;
    return ret;
}

void op_run_EPOLL_CTL(struct call *call)
{
    const int64_t *args = call->step->args;
    int epfd = call_fd(call, 0);
    int fd = call_fd(call, 2);

    call_returned(call, call_epoll_ctl(epfd, (int)args[1], fd, args[3], step_number(call->index)));
}

static struct epoll_event *event_buffer(struct epoll_event *good, int64_t which)
{
    memset(good, 0xa5, PROGRAM_EVENTS_MAX * sizeof(*good));
    return which == BUFFER_GOOD ? good : which == BUFFER_NULL ? NULL : bad_pointer;
}

static void returned_events(struct call *call, int ret, const struct epoll_event *events)
{
    struct wire *wire = call->wire;

    call_returned(call, ret);
    if (ret <= 0)
        return;
    uint32_t count = ret < PROGRAM_EVENTS_MAX ? (uint32_t)ret : PROGRAM_EVENTS_MAX;
    uint32_t first = __atomic_fetch_add(&wire->nevents, count, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < count; i++)
        wire->events[first + i] =
            (struct trace_event){.events = events[i].events, .data = events[i].data.u64};
    call->result->first_event = first;
    call->result->nevents = count;
}

void op_run_EPOLL_WAIT(struct call *call)
{
    const int64_t *args = call->step->args;
    struct epoll_event events[PROGRAM_EVENTS_MAX];
    struct epoll_event *buffer = event_buffer(events, args[3]);

    returned_events(call, epoll_wait(call_fd(call, 0), buffer, (int)args[1], (int)args[2]), events);
}

void op_run_EPOLL_PWAIT(struct call *call)
{
    const int64_t *args = call->step->args;
    struct epoll_event events[PROGRAM_EVENTS_MAX];
    struct epoll_event *buffer = event_buffer(events, args[4]);
    sigset_t set;
    const sigset_t *mask = signal_mask(&set, args[3]);

    returned_events(call, epoll_pwait(call_fd(call, 0), buffer, (int)args[1], (int)args[2], mask),
                    events);
}

void op_run_EPOLL_PWAIT2(struct call *call)
{
    const int64_t *args = call->step->args;
    struct epoll_event events[PROGRAM_EVENTS_MAX];
    struct epoll_event *buffer = event_buffer(events, args[4]);
    sigset_t set;
    const sigset_t *mask = signal_mask(&set, args[3]);
    struct timespec time = {.tv_sec = args[2] < 0 ? 0 : args[2] / 1000,
                            .tv_nsec = args[2] < 0 ? 0 : args[2] % 1000 * 1000000};
    const struct timespec *timeout = &time;

    if (args[2] == TIMESPEC_NULL)
        timeout = NULL;
    else if (args[2] == TIMESPEC_BADPTR)
        timeout = bad_pointer;
    else if (args[2] == TIMESPEC_BADTS)
        time.tv_nsec = 2000000000;
    returned_events(call, epoll_pwait2(call_fd(call, 0), buffer, (int)args[1], timeout, mask),
                    events);
}

void op_run_POLL(struct call *call)
{
    struct pollfd entry = {.fd = call_fd(call, 0), .events = (short)call->step->args[1]};

    call_returned(call, poll(&entry, 1, (int)call->step->args[2]));
    call->result->digest = (uint16_t)entry.revents;
}

void op_run_SELECT(struct call *call)
{
    int fd = call_fd(call, 0);
    int64_t milliseconds = call->step->args[1];
    struct timeval time = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    fd_set set;

    /* A number that no fd_set holds cannot be asked for; the nearest thing that the C API allows is
     * nfds = -1. */
    FD_ZERO(&set);
    if (fd >= 0 && fd < FD_SETSIZE)
        FD_SET(fd, &set);
    call_returned(call, select(fd >= 0 && fd < FD_SETSIZE ? fd + 1 : -1, &set, NULL, NULL,
                               milliseconds < 0 ? NULL : &time));
    if (call->result->ret >= 0 && fd >= 0 && fd < FD_SETSIZE)
        call->result->digest = FD_ISSET(fd, &set) ? 1 : 0;
}

void op_run_CLOSE(struct call *call)
{
    call_returned(call, close(call_fd(call, 0)));
}

void op_run_CLOSE_RANGE(struct call *call)
{
    unsigned first = (unsigned)call_fd(call, 0);
    unsigned last = (unsigned)call_fd(call, 1);

    call_returned(call, close_range(first, last, (int)call->step->args[2]));
}

void op_run_FCLOSE(struct call *call)
{
    int fd = call_fd(call, 0);
    long flags = raw_syscall3(SYS_fcntl, fd, F_GETFL, 0);
    FILE *file = fdopen(fd, flags > 0 && (flags & O_ACCMODE) == O_WRONLY ? "w" : "r");

    if (!file) {
        call_returned(call, -1);
        return;
    }
    errno = 0;
    call_returned(call, fclose(file));
}

void op_run_SYSCALL(struct call *call)
{
    call_returned(call, syscall((long)call->step->args[0], call_fd(call, 1)));
}

void op_run_DUP(struct call *call)
{
    returned_fd(call, dup(call_fd(call, 0)));
}

void op_run_DUP2(struct call *call)
{
    returned_fd(call, dup2(call_fd(call, 0), call_fd(call, 1)));
}

void op_run_DUP3(struct call *call)
{
    returned_fd(call, dup3(call_fd(call, 0), call_fd(call, 1), (int)call->step->args[2]));
}

void op_run_FCNTL(struct call *call)
{
    returned_fd(call, fcntl(call_fd(call, 0), (int)call->step->args[1], (int)call->step->args[2]));
}

static void returned_pair(struct call *call, int ret, const int fds[2])
{
    call_returned(call, ret);
    bind_fds(call, ret == 0 ? fds[0] : -1, ret == 0 ? fds[1] : -1);
}

void op_run_PIPE2(struct call *call)
{
    int fds[2] = {-1, -1};
    returned_pair(call, pipe2(fds, (int)call->step->args[0]), fds);
}

void op_run_SOCKETPAIR(struct call *call)
{
    int fds[2] = {-1, -1};
    returned_pair(call, socketpair(AF_UNIX, (int)call->step->args[0], 0, fds), fds);
}

void op_run_EVENTFD(struct call *call)
{
    returned_fd(call, eventfd((unsigned)call->step->args[0], (int)call->step->args[1]));
}

extern struct wire *epdiff_wire;

void op_run_OPEN(struct call *call)
{
    const char *path = call->step->args[0] == PATH_EXE ? epdiff_wire->executable : "/dev/null";
    returned_fd(call, open(path, (int)call->step->args[1]));
}

void op_run_MEMFD_CREATE(struct call *call)
{
    returned_fd(call, memfd_create("epdiff", (unsigned)call->step->args[0]));
}

/* Every actor has its own, for one can sleep in read while others go on. Not thread-local: libc
 * clears what is, page by page, for each thread that starts. */
static char io_rooms[PROGRAM_ACTORS_MAX][PROGRAM_IO_MAX];

char *op_bytes_to_write(const struct call *call, size_t count)
{
    char *bytes = io_rooms[call->step->actor];
    uint64_t one = 1;

    memset(bytes, 0, count);
    memcpy(bytes, &one, sizeof(one));
    return bytes;
}

void op_run_READ(struct call *call)
{
    char *bytes = io_rooms[call->step->actor];
    ssize_t ret = read(call_fd(call, 0), bytes, (size_t)call->step->args[1]);

    call_returned(call, ret);
    if (ret <= 0)
        return;
    size_t length = op_strip_chance(call_fd(call, 0), bytes, (size_t)ret);
    call->result->digest = XXH3_64bits(bytes, length);
}

void op_run_WRITE(struct call *call)
{
    size_t count = (size_t)call->step->args[1];
    const char *bytes = op_bytes_to_write(call, count);

    call_returned(call, write(call_fd(call, 0), bytes, count));
}

void op_run_SHUTDOWN(struct call *call)
{
    call_returned(call, shutdown(call_fd(call, 0), (int)call->step->args[1]));
}

void op_run_FORK(struct call *call)
{
    struct wire *wire = call->wire;
    unsigned child = call->step->outs[0];

    pid_t pid = fork();
    if (pid == 0) {
        actor_enter_process();
        /* What the parent does about a signal the child does, too. */
        wire->actors[child].handles =
            wire->actors[wire->program.actors[call->step->actor].process].handles;
        actor_announce(wire, child);
        actor_run(wire, child);
    }
    call_returned(call, pid < 0 ? -1 : 0);
    if (pid > 0)
        __atomic_store_n(&wire->actors[child].pid, pid, __ATOMIC_RELEASE);
}

void op_run_EXIT(struct call *call)
{
    exit((int)call->step->args[0]);
}

void op_run_UNDERSCORE_EXIT(struct call *call)
{
    _exit((int)call->step->args[0]);
}

void op_run_WAITPID(struct call *call)
{
    int32_t pid = call->wire->actors[call->step->args[0]].pid;
    int status = 0;

    /* A child that was never born has no pid; no process has this one. */
    pid_t ret = waitpid(pid > 0 ? pid : INT32_MAX, &status, (int)call->step->args[1]);
    call_returned(call, ret);
    if (ret > 0)
        call->result->ret = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
    else if (ret == 0)
        call->result->ret = TRACE_STILL_ALIVE; /* not to be taken for status 0 */
}

struct thread_start {
    struct wire *wire;
    unsigned actor;
};

static struct thread_start thread_starts[PROGRAM_ACTORS_MAX];

static void *thread_main(void *argument)
{
    const struct thread_start *start = argument;

    actor_announce(start->wire, start->actor);
    actor_run(start->wire, start->actor);
}

void op_run_PTHREAD_CREATE(struct call *call)
{
    unsigned actor = call->step->outs[0];
    pthread_attr_t attributes;

    thread_starts[actor] = (struct thread_start){.wire = call->wire, .actor = actor};
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);
    errno = 0;
    int err = pthread_create(&threads[actor], &attributes, thread_main, &thread_starts[actor]);
    call_returned_error(call, err);
    if (!err)
        __atomic_store_n(&call->wire->actors[actor].pid, (int32_t)raw_syscall3(SYS_getpid, 0, 0, 0),
                         __ATOMIC_RELEASE);
    pthread_attr_destroy(&attributes);
}

void op_run_PTHREAD_EXIT(struct call *call)
{
    (void)call;
    pthread_exit(NULL);
}

void call_returned_error(struct call *call, int err)
{
    call_returned(call, err ? -1 : 0);
    if (err)
        call->result->err = err;
}

pthread_t call_thread(const struct call *call, unsigned actor)
{
    const struct program_actor *other = &call->wire->program.actors[actor];
    bool here = other->process == call->wire->program.actors[call->step->actor].process;

    return here ? threads[actor] : 0;
}

void op_run_PTHREAD_JOIN(struct call *call)
{
    struct wire_actor *self = &call->wire->actors[call->step->actor];
    unsigned actor = (unsigned)call->step->args[0];
    pthread_t handle = call_thread(call, actor);

    /* pthread_join of a handle that is not valid in this process, or no more, is undefined
     * behaviour. */
    if (!handle || actor == call->step->actor) {
        errno = ESRCH;
        call_returned(call, -1);
        return;
    }
    /* The word that join sleeps on lies in the thread's descriptor, at the handle. */
    self->join_low = (uint64_t)handle;
    self->join_high = self->join_low + 4096;
    errno = 0;
    call_returned_error(call, pthread_join(handle, NULL));
    self->join_low = self->join_high = 0;
    threads[actor] = 0;
}

void op_run_FLUSH(struct call *call)
{
    /* Looked up each time: who has it may have been loaded since, and a lookup has no side effect
     * that a program could see. ISO C knows no way from an object pointer to a function. */
    union {
        void *object;
        int (*function)(void);
    } flush = {.object = dlsym(RTLD_DEFAULT, "epbatch_flush")};

    errno = 0;
    call_returned(call, flush.object ? flush.function() : 0);
}

void actor_reset_process(void)
{
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        if (threads[i])
            pthread_join(threads[i], NULL);
        threads[i] = 0;
    }
    raw_syscall3(SYS_close_range, 3, UINT32_MAX, 0);
    op_reset_files();
    actor_enter_process();
}

op_function *const op_functions[OPS] = {
#define OP(op_id, ...) [OP_##op_id] = op_run_##op_id,
#include "fuzz/program/ops.def"
#undef OP
};
