/*
 * Operations of files other than pipes and sockets (timers, signals, watches, folders), and of the
 * table of descriptors.
 */
#include "fuzz/execute/ops_inside.h"
#include "fuzz/execute/raw.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    EXPIRY_NS_MAX = 1000000, /* only for a timer whose expiry another actor reads at once */
};

/* libc copies the timespec, so there is none that the kernel could not read. */
static const struct timespec *poll_timespec(struct timespec *room, int64_t milliseconds)
{
    if (milliseconds == TIMESPEC_NULL)
        return NULL;
    *room = (struct timespec){.tv_nsec = 2000000000};
    if (milliseconds != TIMESPEC_BADTS)
        *room = (struct timespec){.tv_sec = milliseconds / 1000,
                                  .tv_nsec = milliseconds % 1000 * 1000000};
    return room;
}

void op_run_PPOLL(struct call *call)
{
    const int64_t *args = call->step->args;
    struct pollfd entry = {.fd = call_fd(call, 0), .events = (short)args[1]};
    struct timespec time;
    const struct timespec *timeout = poll_timespec(&time, args[2]);
    sigset_t set;
    const sigset_t *mask = signal_mask(&set, args[3]);

    call_returned(call, ppoll(&entry, 1, timeout, mask));
    call->result->digest = (uint16_t)entry.revents;
}

void op_run_PSELECT(struct call *call)
{
    const int64_t *args = call->step->args;
    int fd = call_fd(call, 0);
    bool fits = fd >= 0 && fd < FD_SETSIZE;
    struct timespec time;
    const struct timespec *timeout = poll_timespec(&time, args[1]);
    sigset_t set;
    const sigset_t *mask = signal_mask(&set, args[2]);
    fd_set fds;

    /* As select: what no fd_set holds is asked for as nfds = -1. */
    FD_ZERO(&fds);
    if (fits)
        FD_SET(fd, &fds);
    call_returned(call, pselect(fits ? fd + 1 : -1, &fds, NULL, NULL, timeout, mask));
    if (call->result->ret >= 0 && fits)
        call->result->digest = FD_ISSET(fd, &fds) ? 1 : 0;
}

void op_run_CLOSEFROM(struct call *call)
{
    closefrom(call_fd(call, 0));
    call_returned(call, 0);
}

void op_run_INLINE_CLOSE(struct call *call)
{
    long ret = raw_syscall3(SYS_close, call_fd(call, 0), 0, 0);

    errno = ret < 0 ? (int)-ret : errno;
    call_returned(call, ret < 0 ? -1 : 0);
}

/*
 * The directory streams of this process, by the slot of the step that opened them: fork copies
 * them. One whose number is closed by another door, and reused by another opendir, is out of reach;
 * it is kept for op_reset_files, for only closedir frees it.
 */
static struct stream {
    DIR *stream;
    int number; /* -1: out of reach */
} streams[PROGRAM_SLOTS_MAX];

static struct stream *find_stream(int number)
{
    for (unsigned i = 0; i < PROGRAM_SLOTS_MAX; i++) {
        /* -1 is the number of a stream whose own has gone to another. */
        if (streams[i].stream && number >= 0 && streams[i].number == number)
            return &streams[i];
    }
    return NULL;
}

void op_run_OPENDIR(struct call *call)
{
    DIR *stream = opendir("/");
    int number = stream ? dirfd(stream) : -1;

    returned_fd(call, number);
    if (!stream)
        return;
    struct stream *old = find_stream(number);
    if (old)
        old->number = -1;
    streams[call->step->outs[0]] = (struct stream){.stream = stream, .number = number};
}

void op_run_CLOSEDIR(struct call *call)
{
    struct stream *found = find_stream(call_fd(call, 0));

    if (!found) {
        errno = EINVAL;
        call_returned(call, -1);
        return;
    }
    call_returned(call, closedir(found->stream));
    found->stream = NULL;
}

void op_run_TIMERFD_CREATE(struct call *call)
{
    returned_fd(call, timerfd_create((clockid_t)call->step->args[0], (int)call->step->args[1]));
}

/* The interrupt of a timer that is late already follows at once, but behind the call. */
static void await_expiry(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    struct timespec limit = {.tv_nsec = EXPIRY_NS_MAX};

    raw_syscall6(SYS_ppoll, (long)&entry, 1, (long)&limit, 0, 0, 0);
}

void op_run_TIMERFD_SETTIME(struct call *call)
{
    bool expires = call->step->args[1] == TIMER_EXPIRED;
    struct itimerspec setting = {.it_value.tv_nsec = expires ? 1 : 0};
    int fd = call_fd(call, 0);

    call_returned(call, timerfd_settime(fd, TFD_TIMER_ABSTIME, &setting, NULL));
    if (expires && call->result->ret == 0)
        await_expiry(fd);
}

void op_run_SIGNALFD(struct call *call)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    returned_fd(call, signalfd(-1, &set, (int)call->step->args[0]));
}

/* Only within the process, whose thread ids nobody else can have got meanwhile. */
void op_run_RAISE_BLOCKED(struct call *call)
{
    const struct wire *wire = call->wire;
    unsigned target = (unsigned)call->step->args[0];
    pid_t pid = (pid_t)raw_syscall3(SYS_getpid, 0, 0, 0);
    pid_t tid = wire->actors[target].tid;

    if (wire->program.actors[target].process != wire->program.actors[call->step->actor].process ||
        tid == 0) {
        errno = ESRCH;
        call_returned(call, -1);
        return;
    }
    call_returned(call, tgkill(pid, tid, SIGUSR2));
}

void op_run_INOTIFY_INIT1(struct call *call)
{
    returned_fd(call, inotify_init1((int)call->step->args[0]));
}

/* A pipe is of the run's own, leaves nothing behind, and tells of reads and writes; files with a
 * name are used by others as well. */
void op_run_INOTIFY_ADD_WATCH(struct call *call)
{
    int fd = call_fd(call, 1);
    struct stat status;
    char path[32];

    if (raw_syscall3(SYS_fstat, fd, (long)&status, 0) != 0 || !S_ISFIFO(status.st_mode)) {
        errno = EINVAL;
        call_returned(call, -1);
        return;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    call_returned(call, inotify_add_watch(call_fd(call, 0), path, (uint32_t)call->step->args[2]));
}

void op_run_FCNTL_SETFD(struct call *call)
{
    call_returned(call, fcntl(call_fd(call, 0), F_SETFD, (int)call->step->args[1]));
}

void op_run_SETRLIMIT(struct call *call)
{
    struct rlimit limit;

    raw_syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0, 0);
    limit.rlim_cur = (rlim_t)call->step->args[1];
    call_returned(call, setrlimit((int)call->step->args[0], &limit));
}

/* True if `fd` is an anonymous file of that name. */
static bool is_anonymous(int fd, const char *name)
{
    char path[32];
    char target[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    long length = raw_syscall3(SYS_readlink, (long)path, (long)target, sizeof(target) - 1);
    target[length > 0 ? length : 0] = '\0';
    return strncmp(target, "anon_inode:", 11) == 0 && strcmp(target + 11, name) == 0;
}

/* Of a signal its number is kept. */
static size_t strip_signals(char *bytes, size_t length)
{
    size_t kept = 0;

    for (size_t at = 0; at < length; at += sizeof(struct signalfd_siginfo)) {
        struct signalfd_siginfo info;
        memcpy(&info, bytes + at, sizeof(info));
        memcpy(bytes + kept, &info.ssi_signo, sizeof(info.ssi_signo));
        kept += sizeof(info.ssi_signo);
    }
    return kept;
}

/* Of an event everything but its cookie is kept. */
static void strip_events(char *bytes, size_t length)
{
    struct inotify_event event;

    for (size_t at = 0; at + sizeof(event) <= length; at += sizeof(event) + event.len) {
        memcpy(&event, bytes + at, sizeof(event));
        event.cookie = 0;
        memcpy(bytes + at, &event, sizeof(event));
    }
}

size_t op_strip_chance(int fd, char *bytes, size_t length)
{
    if (length % sizeof(struct signalfd_siginfo) == 0 && is_anonymous(fd, "[signalfd]"))
        return strip_signals(bytes, length);
    if (length % sizeof(struct inotify_event) == 0 && is_anonymous(fd, "inotify"))
        strip_events(bytes, length);
    return length;
}

static void forget_streams(void)
{
    for (unsigned i = 0; i < PROGRAM_SLOTS_MAX; i++) {
        /* Its descriptor is closed, and closedir's failure to do so is no matter. */
        if (streams[i].stream)
            closedir(streams[i].stream);
        streams[i].stream = NULL;
    }
}

static void take_pending_signals(void)
{
    uint64_t set = 1ull << (SIGUSR2 - 1);
    struct timespec now = {.tv_sec = 0};

    while (raw_syscall6(SYS_rt_sigtimedwait, (long)&set, 0, (long)&now, sizeof(set), 0, 0) > 0)
        ;
}

void op_reset_files(void)
{
    struct rlimit limit;

    raw_syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0, 0);
    limit.rlim_cur = limit.rlim_max;
    raw_syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)&limit, 0, 0, 0);
    forget_streams();
    take_pending_signals();
}
