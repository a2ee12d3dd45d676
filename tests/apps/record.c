/*
 * libeprecord.so: preloaded into a program, it writes down the calls that record.def lists, for
 * savable.py to compute what a layer that batches epoll_ctl could save.
 *
 *     RECORD_DIR=DIR LD_PRELOAD=.../libeprecord.so PROGRAM
 *
 * Every process has a file DIR/PROGRAM.PID.N of its own: a page of text, and then a record for each
 * call, in the order in which the calls took a place. The file is mapped, so writing a record down
 * is an atomic addition and a store: no lock, no system call, no descriptor that stays open, and
 * nothing is lost when the process is killed. Calls that do not pass libc's functions are not seen.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum call {
    CALL_NONE,
#define RECORDED(name) CALL_##name,
#include "tests/apps/record.def"
#undef RECORDED
};

static const char call_names[] =
#define RECORDED(name) " " #name
#include "tests/apps/record.def"
#undef RECORDED
    ;

enum {
    PAGE = 4096,
    RECORDS_MAX = 8 * 1024 * 1024,
    NUMBERS_MAX = 65536, /* of larger ones nothing is known */
    STACK_NEAR = 1024 * 1024,
};

enum kind {
    KIND_UNKNOWN,
    KIND_PLAIN,    /* made by one of the calls below */
    KIND_DATAGRAM, /* the same, and connect can change its readiness */
    KIND_OTHER,    /* a socket of a family for whose poll the policy does not vouch */
    KIND_EPOLL,
};

enum remark {
    REMARK_EVENT_ELSEWHERE = 1,
    REMARK_FOREIGN = 2,
};

/* savable.py knows this layout. */
struct record {
    uint32_t call; /* stored last; 0 where a process ended in between */
    int32_t thread;
    int32_t arguments[4];
    int32_t results[2];
};

struct record_file {
    char text[PAGE - sizeof(uint64_t)];
    uint64_t used; /* records that were taken, also those beyond the end */
    struct record records[RECORDS_MAX];
};

/* Copies, for a program may write over its environment and its name, as nginx does. */
static char folder[PATH_MAX / 2], program[64];
static struct record_file *file;         /* NULL while nothing can be recorded */
static pid_t owner;                      /* the process that it belongs to */
static unsigned char kinds[NUMBERS_MAX]; /* of what has the number */
static _Thread_local int32_t this_thread;

static void start_file(void)
{
    char path[PATH_MAX];
    int fd = -1;

    file = NULL;
    this_thread = 0;
    owner = getpid();
    for (unsigned n = 0; fd < 0 && n < 1000; n++) {
        snprintf(path, sizeof(path), "%s/%s.%d.%u", folder, program, owner, n);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0 || ftruncate(fd, sizeof(struct record_file)) != 0) {
        fprintf(stderr, "eprecord: RECORD_DIR is '%s': %s\n", folder, strerror(errno));
        _exit(125);
    }
    void *mapped =
        mmap(NULL, sizeof(struct record_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped == MAP_FAILED) {
        fprintf(stderr, "eprecord: no room: %s\n", strerror(errno));
        _exit(125);
    }
    struct record_file *new_file = mapped;
    snprintf(new_file->text, sizeof(new_file->text), "eprecord 1\n%d %d %s\n%s\n", owner, getppid(),
             program_invocation_short_name, call_names + 1);
    file = new_file;
}

static void start_child(void)
{
    if (file)
        munmap(file, sizeof(struct record_file));
    start_file();
}

__attribute__((constructor)) static void start(void)
{
    const char *wanted = getenv("RECORD_DIR");

    snprintf(folder, sizeof(folder), "%s", wanted ? wanted : "");
    snprintf(program, sizeof(program), "%s", program_invocation_short_name);
    start_file();
    pthread_atfork(NULL, NULL, start_child);
}

/* The child of vfork and its kin runs in our memory and is not us, hence the look at the number. */
static void record(enum call call, const int32_t arguments[4], const int32_t results[2])
{
    int saved_errno = errno;

    if (!file || getpid() != owner)
        return;
    if (this_thread == 0)
        this_thread = gettid();
    uint64_t place = __atomic_fetch_add(&file->used, 1, __ATOMIC_SEQ_CST);
    errno = saved_errno;
    if (place >= RECORDS_MAX)
        return;
    struct record *new_record = &file->records[place];
    new_record->thread = this_thread;
    memcpy(new_record->arguments, arguments, sizeof(new_record->arguments));
    memcpy(new_record->results, results, sizeof(new_record->results));
    __atomic_store_n(&new_record->call, call, __ATOMIC_RELEASE);
}

#define ARGUMENTS(...) ((const int32_t[4]){__VA_ARGS__})
#define RESULTS(...)   ((const int32_t[2]){__VA_ARGS__})

static void record_arguments(enum call call, int one, int other)
{
    record(call, ARGUMENTS(one, other), RESULTS(0));
}

static enum kind kind_of(int number)
{
    return number >= 0 && number < NUMBERS_MAX ? kinds[number] : KIND_UNKNOWN;
}

static void set_kind(int number, enum kind kind)
{
    if (number >= 0 && number < NUMBERS_MAX)
        kinds[number] = kind;
}

static void record_close(int number)
{
    set_kind(number, KIND_UNKNOWN);
    record_arguments(CALL_close, number, 0);
}

static void record_close_range(unsigned first, unsigned last)
{
    for (unsigned number = first; number <= last && number < NUMBERS_MAX; number++)
        kinds[number] = KIND_UNKNOWN;
    record_arguments(CALL_close_range, first > INT32_MAX ? INT32_MAX : (int)first,
                     last > INT32_MAX ? INT32_MAX : (int)last);
}

/* A number that `call` made; nothing if it failed. */
static int record_made(enum call call, int argument, int number)
{
    if (number >= 0) {
        if (call == CALL_dup)
            set_kind(number, kind_of(argument));
        else
            set_kind(number, call == CALL_epoll_create ? KIND_EPOLL : KIND_PLAIN);
        record(call, ARGUMENTS(argument), RESULTS(number));
    }
    return number;
}

static bool is_stream(int type)
{
    return (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM;
}

static int record_socket(int domain, int type, int number)
{
    /* To savable.py it is a number that nobody has seen made. */
    if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6) {
        set_kind(number, KIND_OTHER);
        return number;
    }
    record_made(CALL_socket, 0, number);
    if (!is_stream(type))
        set_kind(number, KIND_DATAGRAM);
    return number;
}

static int record_pair(enum call call, int result, const int *numbers)
{
    if (result == 0) {
        set_kind(numbers[0], KIND_PLAIN);
        set_kind(numbers[1], KIND_PLAIN);
        record(call, ARGUMENTS(0), RESULTS(numbers[0], numbers[1]));
    }
    return result;
}

/* Whether the event lies in the stack of the caller's callers, not far above this frame. */
static bool is_in_stack(const struct epoll_event *event)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);

    return (uintptr_t)event > frame && (uintptr_t)event - frame < STACK_NEAR;
}

/* Files that nobody made before our eyes can still be told from those that have no place here. */
static bool is_foreign(int number)
{
    struct stat status;

    if (kind_of(number) != KIND_UNKNOWN)
        return kind_of(number) == KIND_EPOLL || kind_of(number) == KIND_OTHER;
    return fstat(number, &status) != 0 || (!S_ISSOCK(status.st_mode) && !S_ISFIFO(status.st_mode));
}

static int record_ctl(int epfd, int op, int fd, const struct epoll_event *event, int result)
{
    int outcome = result < 0 ? -errno : result;
    int32_t events = 0;
    int remarks = 0;

    if (op != EPOLL_CTL_DEL && event && result == 0) {
        events = (int32_t)event->events;
        remarks |= is_in_stack(event) ? 0 : REMARK_EVENT_ELSEWHERE;
        remarks |= op == EPOLL_CTL_ADD && is_foreign(fd) ? REMARK_FOREIGN : 0;
    }
    record(CALL_epoll_ctl, ARGUMENTS(epfd, op, fd, events), RESULTS(outcome, remarks));
    return result;
}

static void record_polled(int fd)
{
    if (kind_of(fd) == KIND_EPOLL)
        record_arguments(CALL_poll, fd, 0);
}

/* The function that this one hides. */
#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next)                                                                                     \
    next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

EXPORT int epoll_create(int size)
{
    NEXT(epoll_create);
    return record_made(CALL_epoll_create, 0, next(size));
}

EXPORT int epoll_create1(int flags)
{
    NEXT(epoll_create1);
    return record_made(CALL_epoll_create, 0, next(flags));
}

EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    NEXT(epoll_ctl);
    return record_ctl(epfd, op, fd, event, next(epfd, op, fd, event));
}

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
    NEXT(epoll_wait);
    record_arguments(CALL_wait, epfd, timeout);
    int result = next(epfd, events, maxevents, timeout);
    record_arguments(CALL_woke, epfd, 0);
    return result;
}

EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int maxevents, int timeout,
                       const sigset_t *mask)
{
    NEXT(epoll_pwait);
    record_arguments(CALL_wait, epfd, timeout);
    int result = next(epfd, events, maxevents, timeout, mask);
    record_arguments(CALL_woke, epfd, 0);
    return result;
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
                        const struct timespec *timeout, const sigset_t *mask)
{
    NEXT(epoll_pwait2);
    bool sleeps = !timeout || timeout->tv_sec != 0 || timeout->tv_nsec != 0;
    record_arguments(CALL_wait, epfd, sleeps ? -1 : 0);
    int result = next(epfd, events, maxevents, timeout, mask);
    record_arguments(CALL_woke, epfd, 0);
    return result;
}

/* What takes numbers away. */

EXPORT int close(int fd)
{
    NEXT(close);
    record_close(fd);
    return next(fd);
}

EXPORT int fclose(FILE *stream)
{
    NEXT(fclose);
    int fd = fileno(stream);
    if (fd >= 0)
        record_close(fd);
    return next(stream);
}

EXPORT int closedir(DIR *stream)
{
    NEXT(closedir);
    record_close(dirfd(stream));
    return next(stream);
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    NEXT(close_range);
    if (!(flags & CLOSE_RANGE_CLOEXEC))
        record_close_range(first, last);
    return next(first, last, flags);
}

EXPORT void closefrom(int first)
{
    NEXT(closefrom);
    record_close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX);
    next(first);
}

/* What makes numbers. */

EXPORT int dup(int old)
{
    NEXT(dup);
    return record_made(CALL_dup, old, next(old));
}

EXPORT int dup2(int old, int new)
{
    NEXT(dup2);
    int result = next(old, new);
    return old == new ? result : record_made(CALL_dup, old, result);
}

EXPORT int dup3(int old, int new, int flags)
{
    NEXT(dup3);
    return record_made(CALL_dup, old, next(old, new, flags));
}

/* The third argument is of any type or absent, and is passed on as it may be. */
EXPORT int fcntl(int fd, int command, ...)
{
    NEXT(fcntl);
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    int result = next(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? record_made(CALL_dup, fd, result)
                                                            : result;
}

EXPORT int fcntl64(int fd, int command, ...)
{
    NEXT(fcntl64);
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    int result = next(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? record_made(CALL_dup, fd, result)
                                                            : result;
}

EXPORT int pipe(int numbers[2])
{
    NEXT(pipe);
    return record_pair(CALL_pipe, next(numbers), numbers);
}

EXPORT int pipe2(int numbers[2], int flags)
{
    NEXT(pipe2);
    return record_pair(CALL_pipe, next(numbers, flags), numbers);
}

EXPORT int socket(int domain, int type, int protocol)
{
    NEXT(socket);
    return record_socket(domain, type, next(domain, type, protocol));
}

EXPORT int socketpair(int domain, int type, int protocol, int numbers[2])
{
    NEXT(socketpair);
    int result = record_pair(CALL_socketpair, next(domain, type, protocol, numbers), numbers);
    if (result == 0 && !is_stream(type)) {
        set_kind(numbers[0], KIND_DATAGRAM);
        set_kind(numbers[1], KIND_DATAGRAM);
    }
    return result;
}

EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    NEXT(accept);
    return record_made(CALL_accept, 0, next(fd, address, length));
}

EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    NEXT(accept4);
    return record_made(CALL_accept, 0, next(fd, address, length, flags));
}

EXPORT int eventfd(unsigned value, int flags)
{
    NEXT(eventfd);
    return record_made(CALL_eventfd, 0, next(value, flags));
}

EXPORT int timerfd_create(clockid_t clock, int flags)
{
    NEXT(timerfd_create);
    return record_made(CALL_timerfd, 0, next(clock, flags));
}

/* What ends certainties. */

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    NEXT(setsockopt);
    record_arguments(CALL_setsockopt, fd, 0);
    return next(fd, level, name, value, length);
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    NEXT(connect);
    if (kind_of(fd) == KIND_DATAGRAM)
        record_arguments(CALL_connect, fd, 0);
    return next(fd, address, length);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    NEXT(sendmsg);
    struct msghdr *readable = (struct msghdr *)message;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(readable); part; part = CMSG_NXTHDR(readable, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int sent;
            memcpy(&sent, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            record_arguments(CALL_send_rights, sent, 0);
        }
    }
    return next(fd, message, flags);
}

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    NEXT(poll);
    for (nfds_t i = 0; i < count; i++)
        record_polled(fds[i].fd);
    return next(fds, count, timeout);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask)
{
    NEXT(ppoll);
    for (nfds_t i = 0; i < count; i++)
        record_polled(fds[i].fd);
    return next(fds, count, timeout, mask);
}

/* What poll and ppoll are in a program that was compiled with _FORTIFY_SOURCE. */
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t size);

EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    NEXT(__poll_chk);
    for (nfds_t i = 0; i < count; i++)
        record_polled(fds[i].fd);
    return next(fds, count, timeout, size);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                       const sigset_t *mask, size_t size)
{
    NEXT(__ppoll_chk);
    for (nfds_t i = 0; i < count; i++)
        record_polled(fds[i].fd);
    return next(fds, count, timeout, mask, size);
}

static void record_selected(int count, const fd_set *set)
{
    for (int fd = 0; set && fd < count && fd < FD_SETSIZE; fd++) {
        if (FD_ISSET(fd, set))
            record_polled(fd);
    }
}

EXPORT int select(int count, fd_set *readable, fd_set *writable, fd_set *other,
                  struct timeval *timeout)
{
    NEXT(select);
    record_selected(count, readable);
    record_selected(count, writable);
    record_selected(count, other);
    return next(count, readable, writable, other, timeout);
}

EXPORT int pselect(int count, fd_set *readable, fd_set *writable, fd_set *other,
                   const struct timespec *timeout, const sigset_t *mask)
{
    NEXT(pselect);
    record_selected(count, readable);
    record_selected(count, writable);
    record_selected(count, other);
    return next(count, readable, writable, other, timeout, mask);
}

/* Processes and threads. */

EXPORT pid_t fork(void)
{
    NEXT(fork);
    pid_t child = next();
    if (child > 0)
        record(CALL_fork, ARGUMENTS(0), RESULTS(child));
    return child;
}

EXPORT int posix_spawn(pid_t *child, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const arguments[],
                       char *const environment[])
{
    NEXT(posix_spawn);
    record_arguments(CALL_fork, 0, 0);
    return next(child, path, actions, attributes, arguments, environment);
}

EXPORT int posix_spawnp(pid_t *child, const char *name, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const arguments[],
                        char *const environment[])
{
    NEXT(posix_spawnp);
    record_arguments(CALL_fork, 0, 0);
    return next(child, name, actions, attributes, arguments, environment);
}

EXPORT int system(const char *command)
{
    NEXT(system);
    record_arguments(CALL_fork, 0, 0);
    return next(command);
}

EXPORT FILE *popen(const char *command, const char *mode)
{
    NEXT(popen);
    record_arguments(CALL_fork, 0, 0);
    return next(command, mode);
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *argument)
{
    NEXT(pthread_create);
    record_arguments(CALL_thread, 0, 0);
    return next(thread, attributes, function, argument);
}

/* The same calls through the function syscall. libuv closes this way. */
static long record_syscall(long number, const long *a, long result)
{
    int made = (int)result;

    switch (number) {
    case SYS_epoll_create:
    case SYS_epoll_create1:
        return record_made(CALL_epoll_create, 0, made);
    case SYS_epoll_ctl:
        return record_ctl((int)a[0], (int)a[1], (int)a[2], (struct epoll_event *)a[3], made);
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        record_arguments(CALL_woke, (int)a[0], 0);
        return result;
    case SYS_dup:
    case SYS_dup3:
        return record_made(CALL_dup, (int)a[0], made);
    case SYS_dup2:
        return a[0] == a[1] ? result : record_made(CALL_dup, (int)a[0], made);
    case SYS_pipe:
    case SYS_pipe2:
        return record_pair(CALL_pipe, made, (int *)a[0]);
    case SYS_socket:
        return record_socket((int)a[0], (int)a[1], made);
    case SYS_accept:
    case SYS_accept4:
        return record_made(CALL_accept, 0, made);
    case SYS_eventfd:
    case SYS_eventfd2:
        return record_made(CALL_eventfd, 0, made);
    case SYS_timerfd_create:
        return record_made(CALL_timerfd, 0, made);
    default:
        return result;
    }
}

EXPORT long syscall(long number, ...)
{
    NEXT(syscall);
    long a[6];
    va_list list;

    va_start(list, number);
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_close)
        record_close((int)a[0]);
    if (number == SYS_close_range && !(a[2] & CLOSE_RANGE_CLOEXEC))
        record_close_range((unsigned)a[0], (unsigned)a[1]);
    if (number == SYS_epoll_wait || number == SYS_epoll_pwait)
        record_arguments(CALL_wait, (int)a[0], (int)a[3]);
    if (number == SYS_epoll_pwait2)
        record_arguments(CALL_wait, (int)a[0], -1);
    long result = next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return record_syscall(number, a, result);
}
