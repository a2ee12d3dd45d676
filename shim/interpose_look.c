/* Who looks at a descriptor, changes what it is ready for, or sends it away. */
#include "shim/interpose.h"

#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

/* The array is read in user space, as the kernel is about to: unless it is so large that it must be
 * a mistake, which the kernel answers with EINVAL. */
void interpose_look_at(const struct pollfd *fds, nfds_t count)
{
    for (nfds_t index = 0; fds != NULL && count < 1u << 20 && index < count; index++) {
        if (fds[index].fd >= 0) {
            CALL_HOOK(before_look, fds[index].fd);
        }
    }
}

/* libc declares that poll only writes them: so the compiler takes them for unset. */
static inline const struct pollfd *as_given(const struct pollfd *fds)
{
    __asm__("" : "+r"(fds));
    return fds;
}

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (HOOKS(before_look)) {
        interpose_look_at(as_given(fds), count);
    }
    return LATE(poll)(fds, count, timeout);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *sigmask)
{
    if (HOOKS(before_look)) {
        interpose_look_at(as_given(fds), count);
    }
    return LATE(ppoll)(fds, count, timeout, sigmask);
}

/* What poll becomes under _FORTIFY_SOURCE. */
EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);
EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    if (HOOKS(before_look)) {
        interpose_look_at(as_given(fds), count);
    }
    return LATE(__poll_chk)(fds, count, timeout, size);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                       const sigset_t *sigmask, size_t size);
EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                       const sigset_t *sigmask, size_t size)
{
    if (HOOKS(before_look)) {
        interpose_look_at(as_given(fds), count);
    }
    return LATE(__ppoll_chk)(fds, count, timeout, sigmask, size);
}

static bool in_set(const fd_set *set, int fd)
{
    /* Not FD_ISSET: under _FORTIFY_SOURCE that one ends the program over sets larger than usual. */
    return set != NULL && (((const unsigned long *)(const void *)set)[fd / (8 * sizeof(long))] >>
                               ((size_t)fd % (8 * sizeof(long))) &
                           1) != 0;
}

void interpose_look_at_sets(int count, const fd_set *reads, const fd_set *writes,
                            const fd_set *excepts)
{
    for (int fd = 0; fd < count && count <= 1 << 20; fd++) {
        if (in_set(reads, fd) || in_set(writes, fd) || in_set(excepts, fd)) {
            CALL_HOOK(before_look, fd);
        }
    }
}

EXPORT int select(int count, fd_set *reads, fd_set *writes, fd_set *excepts,
                  struct timeval *timeout)
{
    if (HOOKS(before_look)) {
        interpose_look_at_sets(count, reads, writes, excepts);
    }
    return LATE(select)(count, reads, writes, excepts, timeout);
}

EXPORT int pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts,
                   const struct timespec *timeout, const sigset_t *sigmask)
{
    if (HOOKS(before_look)) {
        interpose_look_at_sets(count, reads, writes, excepts);
    }
    return LATE(pselect)(count, reads, writes, excepts, timeout, sigmask);
}

EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    CALL_HOOK(before_change, fd, false);
    return LATE(setsockopt)(fd, level, option, value, length);
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    CALL_HOOK(before_change, fd, true);
    return LATE(connect)(fd, address, length);
}

/* The descriptors that a message carries. Reads what the kernel is about to read. */
void interpose_send_away(const struct msghdr *message)
{
    struct msghdr copy = *message;

    if (copy.msg_control == NULL) {
        return;
    }
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&copy); part != NULL;
         part = CMSG_NXTHDR(&copy, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS ||
            part->cmsg_len < CMSG_LEN(0)) {
            continue;
        }
        for (size_t at = 0; at + sizeof(int) <= part->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
            CALL_HOOK(before_send, fd);
        }
    }
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (HOOKS(before_send) && message != NULL) {
        interpose_send_away(message);
    }
    return LATE(sendmsg)(fd, message, flags);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
    for (unsigned int index = 0; HOOKS(before_send) && messages != NULL && index < count; index++) {
        interpose_send_away(&messages[index].msg_hdr);
    }
    return LATE(sendmmsg)(fd, messages, count, flags);
}
