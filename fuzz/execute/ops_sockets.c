/* Operations of sockets that have an address, and descriptors sent over sockets. */
#include "fuzz/execute/ops_inside.h"
#include "fuzz/execute/raw.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    LISTEN_BACKLOG = 128, /* more connections than a program has slots for: it is never full */
};

union address {
    struct sockaddr any;
    struct sockaddr_in inet;
    struct sockaddr_un unix_name;
};

/* A call that made a descriptor and failed behind it: no number is left over. */
static void returned_failed(struct call *call, int fd)
{
    int err = errno;

    if (fd >= 0)
        close(fd);
    errno = err;
    returned_fd(call, -1);
}

/* Small writes are sent at once: whether TCP holds one back depends on when it was acknowledged. */
static int send_at_once(int fd, int family)
{
    int on = 1;

    return family == AF_INET ? setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) : 0;
}

/*
 * The kernel chooses the name of a Unix socket, or the port. The loopback address differs from run
 * to run, so that connections of earlier runs in TIME_WAIT leave enough ports.
 */
static socklen_t choose_address(int family, union address *ret_address)
{
    static uint32_t next;

    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->any.sa_family = (sa_family_t)family;
    if (family == AF_UNIX)
        return sizeof(sa_family_t);
    uint32_t host = (uint32_t)raw_syscall3(SYS_getpid, 0, 0, 0) * 64 + next++ % 64;
    ret_address->inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK + host % (1 << 23));
    return sizeof(ret_address->inet);
}

void op_run_LISTEN(struct call *call)
{
    int family = (int)call->step->args[0];
    union address address;
    socklen_t length = choose_address(family, &address);

    int fd = socket(family, SOCK_STREAM | (int)call->step->args[1], 0);
    if (fd < 0 || send_at_once(fd, family) != 0 || bind(fd, &address.any, length) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0)
        returned_failed(call, fd);
    else
        returned_fd(call, fd);
}

/* The address that `fd` listens at. Returns its length, 0 with errno set if there is none. */
static socklen_t listening_address(int fd, union address *ret_address)
{
    socklen_t length = sizeof(*ret_address);
    int listens = 0;
    socklen_t size = sizeof(listens);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0)
        return 0;
    /* Else a socket could connect to itself. */
    if (!listens) {
        errno = EINVAL;
        return 0;
    }
    return getsockname(fd, &ret_address->any, &length) == 0 ? length : 0;
}

/* Nonblocking only when it is connected: connect then says how that went. */
static int connect_to(int fd, const union address *address, socklen_t length, bool nonblock)
{
    if (send_at_once(fd, address->any.sa_family) != 0 || connect(fd, &address->any, length) != 0)
        return -1;
    return nonblock ? fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) : 0;
}

void op_run_CONNECT(struct call *call)
{
    int flags = (int)call->step->args[1];
    union address address;
    socklen_t length = listening_address(call_fd(call, 0), &address);

    if (length == 0) {
        returned_fd(call, -1);
        return;
    }
    int fd = socket(address.any.sa_family, SOCK_STREAM | (flags & SOCK_CLOEXEC), 0);
    if (fd < 0 || connect_to(fd, &address, length, flags & SOCK_NONBLOCK) != 0)
        returned_failed(call, fd);
    else
        returned_fd(call, fd);
}

void op_run_ACCEPT4(struct call *call)
{
    returned_fd(call, accept4(call_fd(call, 0), NULL, NULL, (int)call->step->args[1]));
}

void op_run_SEND(struct call *call)
{
    size_t count = (size_t)call->step->args[1];
    const char *bytes = op_bytes_to_write(call, count);

    call_returned(call, send(call_fd(call, 0), bytes, count, (int)call->step->args[2]));
}

void op_run_SETSOCKOPT(struct call *call)
{
    int value = (int)call->step->args[2];

    call_returned(call, setsockopt(call_fd(call, 0), SOL_SOCKET, (int)call->step->args[1], &value,
                                   sizeof(value)));
}

/* A message of one byte that has room for one descriptor. */
struct message {
    char byte;
    struct iovec piece;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct msghdr header;
};

static void message_init(struct message *message)
{
    memset(message, 0, sizeof(*message));
    message->piece = (struct iovec){.iov_base = &message->byte, .iov_len = 1};
    message->header = (struct msghdr){.msg_iov = &message->piece,
                                      .msg_iovlen = 1,
                                      .msg_control = message->control,
                                      .msg_controllen = sizeof(message->control)};
}

/* By an inline system call: the harness asks, not the program. */
static bool is_unix_socket(int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);

    return raw_syscall6(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, (long)&domain, (long)&size, 0) ==
               0 &&
           domain == AF_UNIX;
}

/* A Unix socket in flight can hold itself, and who collects such a cycle, and when, is chance. */
void op_run_SEND_FD(struct call *call)
{
    int fd = call_fd(call, 1);
    struct message message;

    if (is_unix_socket(fd)) {
        errno = EINVAL;
        call_returned(call, -1);
        return;
    }
    message_init(&message);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message.header);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    call_returned(call, sendmsg(call_fd(call, 0), &message.header, 0));
}

/* The descriptor of a received message, or -1 with errno set. */
static int received_fd(struct message *message, ssize_t length)
{
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message->header);
    int fd = -1;

    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    else if (message->header.msg_flags & MSG_CTRUNC)
        errno = EMFILE;
    else
        errno = length == 0 ? ENODATA : ENOMSG;
    return fd;
}

void op_run_RECV_FD(struct call *call)
{
    struct message message;

    message_init(&message);
    ssize_t ret = recvmsg(call_fd(call, 0), &message.header, (int)call->step->args[1]);
    returned_fd(call, ret < 0 ? -1 : received_fd(&message, ret));
}
