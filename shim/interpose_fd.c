/*
 * Where descriptors begin, get a second number, and end. What makes other kinds of files is not
 * taken over: a number of unknown origin is treated with care anyway.
 */
#include "shim/interpose.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* SOCK_TYPE_MASK of linux/net.h: the rest are flags. */
#define SOCKET_TYPE 0xf

enum shadow_kind interpose_socket_kind(int domain, int type)
{
    /* The poll of AF_XDP, for one, has effects. */
    if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6) {
        return SHADOW_OTHER;
    }
    return (type & SOCKET_TYPE) == SOCK_STREAM ? SHADOW_SOCKET : SHADOW_DATAGRAM;
}

int interpose_opened_pair(int result, const int fds[2], enum shadow_kind kind, uint64_t stamp)
{
    if (result == 0) {
        (void)interpose_opened(fds[0], kind, stamp);
        (void)interpose_opened(fds[1], kind, stamp);
    }
    return result;
}

EXPORT int pipe(int fds[2])
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened_pair(REAL(pipe)(fds), fds, SHADOW_PIPE, stamp);
}

EXPORT int pipe2(int fds[2], int flags)
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened_pair(REAL(pipe2)(fds, flags), fds, SHADOW_PIPE, stamp);
}

EXPORT int socket(int domain, int type, int protocol)
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened(REAL(socket)(domain, type, protocol),
                            interpose_socket_kind(domain, type), stamp);
}

EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened_pair(REAL(socketpair)(domain, type, protocol, fds), fds,
                                 interpose_socket_kind(domain, type), stamp);
}

EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened(LATE(accept)(fd, address, length), SHADOW_SOCKET, stamp);
}

EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened(LATE(accept4)(fd, address, length, flags), SHADOW_SOCKET, stamp);
}

EXPORT int eventfd(unsigned int initval, int flags)
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened(REAL(eventfd)(initval, flags), SHADOW_EVENTFD, stamp);
}

EXPORT int timerfd_create(int clock, int flags)
{
    uint64_t stamp = interpose_before_open();

    return interpose_opened(REAL(timerfd_create)(clock, flags), SHADOW_TIMERFD, stamp);
}

int interpose_duplicated(int from, int result, uint64_t stamp)
{
    if (result >= 0) {
        CALL_HOOK(duplicated, from, result, stamp);
    }
    return result;
}

EXPORT int dup(int fd)
{
    uint64_t stamp = interpose_before_open();

    CALL_HOOK(before_duplicate, fd);
    return interpose_duplicated(fd, REAL(dup)(fd), stamp);
}

/* Returns a stamp for the new number: after the close that is part of the call, before the call. */
uint64_t interpose_before_replace(int fd, int over, bool *ret_owed)
{
    *ret_owed = false;
    if (fd != over) {
        CALL_HOOK(before_duplicate, fd);
        CALL_OWING(*ret_owed, before_replace, over);
    }
    return interpose_before_open();
}

int interpose_replaced(int fd, int over, int result, uint64_t stamp, bool owed)
{
    if (owed) {
        CALL_HOOK(after_replace, over);
    }
    return owed ? interpose_duplicated(fd, result, stamp) : result;
}

EXPORT int dup2(int fd, int over)
{
    bool owed;
    uint64_t stamp = interpose_before_replace(fd, over, &owed);

    return interpose_replaced(fd, over, REAL(dup2)(fd, over), stamp, owed);
}

EXPORT int dup3(int fd, int over, int flags)
{
    bool owed;
    uint64_t stamp = interpose_before_replace(fd, over, &owed);

    return interpose_replaced(fd, over, REAL(dup3)(fd, over, flags), stamp, owed);
}

/* The third argument is a number or a pointer; both are passed in one register. */
static int fcntl_with(int (*next)(int, int, ...), int fd, int cmd, long argument)
{
    uint64_t stamp;

    if (cmd != F_DUPFD && cmd != F_DUPFD_CLOEXEC) {
        return next(fd, cmd, argument);
    }
    stamp = interpose_before_open();
    CALL_HOOK(before_duplicate, fd);
    return interpose_duplicated(fd, next(fd, cmd, argument), stamp);
}

EXPORT int fcntl(int fd, int cmd, ...)
{
    va_list arguments;
    long argument;

    va_start(arguments, cmd);
    argument = va_arg(arguments, long);
    va_end(arguments);
    return fcntl_with(LATE(fcntl), fd, cmd, argument);
}

EXPORT int fcntl64(int fd, int cmd, ...)
{
    va_list arguments;
    long argument;

    va_start(arguments, cmd);
    argument = va_arg(arguments, long);
    va_end(arguments);
    return fcntl_with(LATE(fcntl64), fd, cmd, argument);
}

bool interpose_before_close_range(unsigned int first, unsigned int last, int flags)
{
    bool valid = first <= last && (flags & ~(int)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) == 0;
    bool owed = false;

    if (valid && (flags & (int)CLOSE_RANGE_UNSHARE) != 0) {
        CALL_HOOK(before, CHANGE_SPLIT);
    }
    if (valid && (flags & (int)CLOSE_RANGE_CLOEXEC) == 0) {
        CALL_OWING(owed, before_close_range, first, last);
    }
    return owed;
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
    bool owed = interpose_before_close_range(first, last, flags);
    int result = LATE(close_range)(first, last, flags);

    if (owed) {
        CALL_HOOK(after_close_range);
    }
    return result;
}

EXPORT void closefrom(int first)
{
    bool owed;

    CALL_OWING(owed, before_close_range, first < 0 ? 0 : (unsigned int)first, ~0u);
    LATE(closefrom)(first);
    if (owed) {
        CALL_HOOK(after_close_range);
    }
}

/* The close of a stream. libc closes the descriptor by a call of its own, which nobody can take
 * over. */
struct stream_close {
    int fd;
    bool owed;
};

static struct stream_close before_close_of(int fd)
{
    struct stream_close closed = {.fd = fd, .owed = false};

    if (fd >= 0) {
        CALL_OWING(closed.owed, before_replace, fd);
    }
    return closed;
}

static struct stream_close before_stream_close(FILE *stream)
{
    int saved_errno = errno;
    int fd = HOOKS(inside) ? fileno(stream) : -1;

    errno = saved_errno;
    return before_close_of(fd);
}

static void after_stream_close(struct stream_close closed)
{
    if (closed.owed) {
        CALL_HOOK(after_replace, closed.fd);
    }
}

EXPORT int fclose(FILE *stream)
{
    struct stream_close closed = before_stream_close(stream);
    int result = LATE(fclose)(stream);

    after_stream_close(closed);
    return result;
}

EXPORT int pclose(FILE *stream)
{
    struct stream_close closed = before_stream_close(stream);
    int result = LATE(pclose)(stream);

    after_stream_close(closed);
    return result;
}

EXPORT int closedir(DIR *stream)
{
    struct stream_close closed = before_close_of(HOOKS(inside) ? dirfd(stream) : -1);
    int result = LATE(closedir)(stream);

    after_stream_close(closed);
    return result;
}

EXPORT FILE *freopen(const char *path, const char *mode, FILE *stream)
{
    struct stream_close closed = before_stream_close(stream);
    FILE *result = LATE(freopen)(path, mode, stream);

    after_stream_close(closed);
    return result;
}

EXPORT FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
    struct stream_close closed = before_stream_close(stream);
    FILE *result = LATE(freopen64)(path, mode, stream);

    after_stream_close(closed);
    return result;
}
