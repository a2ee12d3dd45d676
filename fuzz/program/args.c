/* Vocabularies and values of the argument kinds, and the table that args.def makes of them. */
#include "fuzz/program/program.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#define WORD(name)                                                                                 \
    {                                                                                              \
#name, (int64_t)name                                                                       \
    }
#define WORDS_END                                                                                  \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* Words stand in the order in which a mask is printed. */
static const struct arg_word words_none[] = {WORDS_END};
static const struct arg_word words_ctl_op[] = {WORD(EPOLL_CTL_ADD),
                                               WORD(EPOLL_CTL_MOD),
                                               WORD(EPOLL_CTL_DEL),
                                               {"ADD", EPOLL_CTL_ADD},
                                               {"MOD", EPOLL_CTL_MOD},
                                               {"DEL", EPOLL_CTL_DEL},
                                               WORDS_END};
static const struct arg_word words_event[] = {
    {"NULL", EVENT_NULL}, {"BADPTR", EVENT_BADPTR}, WORD(EPOLLIN),
    WORD(EPOLLPRI),       WORD(EPOLLOUT),           WORD(EPOLLERR),
    WORD(EPOLLHUP),       WORD(EPOLLRDNORM),        WORD(EPOLLRDBAND),
    WORD(EPOLLWRNORM),    WORD(EPOLLWRBAND),        WORD(EPOLLMSG),
    WORD(EPOLLRDHUP),     WORD(EPOLLEXCLUSIVE),     WORD(EPOLLWAKEUP),
    WORD(EPOLLONESHOT),   {"EPOLLET", 1u << 31},    WORDS_END};
static const struct arg_word words_timespec[] = {
    {"NULL", TIMESPEC_NULL}, {"BADTS", TIMESPEC_BADTS}, {"BADPTR", TIMESPEC_BADPTR}, WORDS_END};
static const struct arg_word words_sigmask[] = {
    {"NULL", SIGMASK_NULL}, {"EMPTY", SIGMASK_EMPTY}, {"FULL", SIGMASK_FULL}, WORDS_END};
static const struct arg_word words_buffer[] = {
    {"BUFFER", BUFFER_GOOD}, {"NULL", BUFFER_NULL}, {"BADPTR", BUFFER_BADPTR}, WORDS_END};
static const struct arg_word words_poll[] = {WORD(POLLIN),     WORD(POLLPRI),    WORD(POLLOUT),
                                             WORD(POLLERR),    WORD(POLLHUP),    WORD(POLLNVAL),
                                             WORD(POLLRDNORM), WORD(POLLRDBAND), WORD(POLLWRNORM),
                                             WORD(POLLWRBAND), WORD(POLLRDHUP),  WORDS_END};
static const struct arg_word words_epoll_flags[] = {WORD(EPOLL_CLOEXEC), WORDS_END};
static const struct arg_word words_close_range_flags[] = {WORD(CLOSE_RANGE_UNSHARE),
                                                          WORD(CLOSE_RANGE_CLOEXEC), WORDS_END};
static const struct arg_word words_syscall_nr[] = {WORD(SYS_close), WORDS_END};
static const struct arg_word words_fcntl_cmd[] = {WORD(F_DUPFD), WORD(F_DUPFD_CLOEXEC), WORDS_END};
static const struct arg_word words_open_flags[] = {WORD(O_RDONLY),   WORD(O_WRONLY),  WORD(O_RDWR),
                                                   WORD(O_NONBLOCK), WORD(O_CLOEXEC), WORDS_END};
/* pipe2 and dup3 have no access mode: their plain value is 0, not O_RDONLY. */
static const struct arg_word words_fd_flags[] = {WORD(O_NONBLOCK), WORD(O_CLOEXEC), WORDS_END};
static const struct arg_word words_socket_type[] = {
    WORD(SOCK_STREAM), WORD(SOCK_DGRAM), WORD(SOCK_NONBLOCK), WORD(SOCK_CLOEXEC), WORDS_END};
static const struct arg_word words_eventfd_flags[] = {WORD(EFD_SEMAPHORE), WORD(EFD_NONBLOCK),
                                                      WORD(EFD_CLOEXEC), WORDS_END};
static const struct arg_word words_path[] = {
    {"\"/dev/null\"", PATH_NULL}, {"\"/proc/self/exe\"", PATH_EXE}, WORDS_END};
static const struct arg_word words_memfd_flags[] = {WORD(MFD_CLOEXEC), WORDS_END};
static const struct arg_word words_shut_how[] = {WORD(SHUT_RD), WORD(SHUT_WR), WORD(SHUT_RDWR),
                                                 WORDS_END};
static const struct arg_word words_unshare_flags[] = {WORD(CLONE_FILES), WORDS_END};
static const struct arg_word words_cancel_type[] = {WORD(PTHREAD_CANCEL_DEFERRED),
                                                    WORD(PTHREAD_CANCEL_ASYNCHRONOUS), WORDS_END};
static const struct arg_word words_exec_path[] = {{"\"/proc/thread-self/exe\"", EXEC_SELF},
                                                  {"\"/dev/null\"", EXEC_NULL},
                                                  {"\"/nonexistent\"", EXEC_MISSING},
                                                  WORDS_END};
static const struct arg_word words_handler[] = {{"SIG_IGN", HANDLER_IGNORE},
                                                {"RETURN", HANDLER_RETURN},
                                                {"CTL", HANDLER_CTL},
                                                {"LONGJMP", HANDLER_LONGJMP},
                                                WORDS_END};
static const struct arg_word words_wait_options[] = {WORD(WNOHANG), WORDS_END};

static const struct arg_word words_poll_timespec[] = {
    {"NULL", TIMESPEC_NULL}, {"BADTS", TIMESPEC_BADTS}, WORDS_END};
static const struct arg_word words_folder[] = {{"\"/\"", FOLDER_ROOT}, WORDS_END};
static const struct arg_word words_socket_family[] = {WORD(AF_UNIX), WORD(AF_INET), WORDS_END};
static const struct arg_word words_socket_flags[] = {WORD(SOCK_NONBLOCK), WORD(SOCK_CLOEXEC),
                                                     WORDS_END};
static const struct arg_word words_send_flags[] = {WORD(MSG_OOB), WORD(MSG_DONTWAIT), WORDS_END};
static const struct arg_word words_recv_flags[] = {WORD(MSG_DONTWAIT), WORD(MSG_CMSG_CLOEXEC),
                                                   WORDS_END};
static const struct arg_word words_socket_option[] = {WORD(SO_OOBINLINE), WORDS_END};
static const struct arg_word words_clock[] = {WORD(CLOCK_MONOTONIC), WORD(CLOCK_REALTIME),
                                              WORDS_END};
static const struct arg_word words_timerfd_flags[] = {WORD(TFD_NONBLOCK), WORD(TFD_CLOEXEC),
                                                      WORDS_END};
static const struct arg_word words_timer_setting[] = {
    {"EXPIRED", TIMER_EXPIRED}, {"DISARMED", TIMER_DISARMED}, WORDS_END};
static const struct arg_word words_signalfd_flags[] = {WORD(SFD_NONBLOCK), WORD(SFD_CLOEXEC),
                                                       WORDS_END};
static const struct arg_word words_inotify_flags[] = {WORD(IN_NONBLOCK), WORD(IN_CLOEXEC),
                                                      WORDS_END};
static const struct arg_word words_watch_mask[] = {
    WORD(IN_ACCESS), WORD(IN_MODIFY), WORD(IN_CLOSE_WRITE), WORD(IN_CLOSE_NOWRITE), WORDS_END};
static const struct arg_word words_number_flags[] = {WORD(FD_CLOEXEC), WORDS_END};
static const struct arg_word words_resource[] = {WORD(RLIMIT_NOFILE), WORDS_END};

static const int64_t values_none[] = {0};
/* Literal descriptors that stand beside the slots: never open in a canonical fd table. */
static const int64_t values_fds[] = {-1, 200};
static const int64_t values_ctl_op[] = {EPOLL_CTL_ADD,
                                        EPOLL_CTL_ADD,
                                        EPOLL_CTL_ADD,
                                        EPOLL_CTL_ADD,
                                        EPOLL_CTL_MOD,
                                        EPOLL_CTL_MOD,
                                        EPOLL_CTL_MOD,
                                        EPOLL_CTL_DEL,
                                        EPOLL_CTL_DEL,
                                        EPOLL_CTL_DEL,
                                        0,
                                        77};
#define ET (1LL << 31)
static const int64_t values_event[] = {EPOLLIN,
                                       EPOLLIN,
                                       EPOLLIN,
                                       EPOLLIN,
                                       EPOLLOUT,
                                       EPOLLOUT,
                                       EPOLLIN | EPOLLOUT,
                                       EPOLLIN | EPOLLRDHUP,
                                       EPOLLIN | ET,
                                       EPOLLIN | ET,
                                       EPOLLOUT | ET,
                                       EPOLLIN | EPOLLOUT | ET,
                                       EPOLLIN | EPOLLONESHOT,
                                       EPOLLIN | EPOLLONESHOT,
                                       EPOLLOUT | EPOLLONESHOT,
                                       EPOLLIN | EPOLLONESHOT | ET,
                                       EPOLLIN | EPOLLEXCLUSIVE,
                                       EPOLLIN | EPOLLEXCLUSIVE | ET,
                                       EPOLLIN | EPOLLWAKEUP,
                                       EPOLLPRI,
                                       EPOLLRDHUP,
                                       EPOLLIN | EPOLLPRI | EPOLLRDHUP,
                                       EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT,
                                       EPOLLHUP,
                                       0,
                                       EVENT_NULL,
                                       EVENT_BADPTR};
/* 178956971 is one more than the kernel takes: INT_MAX / sizeof(struct epoll_event) + 1. */
static const int64_t values_maxevents[] = {16, 16, 16, 8, 8, 1, 2, 0, -1, 178956971};
static const int64_t values_timeout[] = {0, 0, 0, -1, 1};
static const int64_t values_timespec[] = {
    0, 0, 0, TIMESPEC_NULL, TIMESPEC_NULL, TIMESPEC_BADTS, TIMESPEC_BADPTR};
static const int64_t values_sigmask[] = {SIGMASK_NULL, SIGMASK_NULL, SIGMASK_EMPTY, SIGMASK_FULL};
static const int64_t values_buffer[] = {BUFFER_GOOD, BUFFER_GOOD, BUFFER_GOOD,
                                        BUFFER_GOOD, BUFFER_NULL, BUFFER_BADPTR};
static const int64_t values_poll[] = {POLLIN, POLLIN, POLLIN | POLLOUT, POLLOUT, POLLPRI, 0};
static const int64_t values_size_hint[] = {1, 8, 0, -1};
static const int64_t values_epoll_flags[] = {0, 0, EPOLL_CLOEXEC, 1};
static const int64_t values_close_range_flags[] = {0, 0, 0, CLOSE_RANGE_CLOEXEC,
                                                   CLOSE_RANGE_UNSHARE};
static const int64_t values_syscall_nr[] = {SYS_close};
static const int64_t values_dup3_flags[] = {0, O_CLOEXEC, O_NONBLOCK};
static const int64_t values_fcntl_cmd[] = {F_DUPFD, F_DUPFD, F_DUPFD_CLOEXEC};
static const int64_t values_min_fd[] = {0, 3, 8, 20};
static const int64_t values_pipe_flags[] = {O_NONBLOCK, O_NONBLOCK, O_NONBLOCK, 0,
                                            O_NONBLOCK | O_CLOEXEC};
static const int64_t values_socket_type[] = {
    SOCK_STREAM | SOCK_NONBLOCK, SOCK_STREAM | SOCK_NONBLOCK, SOCK_DGRAM | SOCK_NONBLOCK,
    SOCK_STREAM, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC};
static const int64_t values_initval[] = {0, 0, 1, 3};
static const int64_t values_eventfd_flags[] = {
    EFD_NONBLOCK, EFD_NONBLOCK, EFD_NONBLOCK | EFD_SEMAPHORE, 0, EFD_NONBLOCK | EFD_CLOEXEC};
static const int64_t values_path[] = {PATH_NULL, PATH_EXE};
static const int64_t values_open_flags[] = {O_RDONLY, O_RDWR, O_RDONLY | O_NONBLOCK};
static const int64_t values_memfd_flags[] = {0, MFD_CLOEXEC};
static const int64_t values_count[] = {8, 8, 8, 1, 4096, 65536, 0};
static const int64_t values_shut_how[] = {SHUT_WR, SHUT_RD, SHUT_RDWR};
static const int64_t values_status[] = {0, 1, 7};
static const int64_t values_unshare_flags[] = {CLONE_FILES};
static const int64_t values_cancel_type[] = {PTHREAD_CANCEL_DEFERRED, PTHREAD_CANCEL_ASYNCHRONOUS};
static const int64_t values_exec_path[] = {EXEC_SELF, EXEC_SELF, EXEC_SELF, EXEC_MISSING,
                                           EXEC_NULL};
static const int64_t values_handler[] = {HANDLER_RETURN, HANDLER_CTL,     HANDLER_CTL,
                                         HANDLER_CTL,    HANDLER_LONGJMP, HANDLER_IGNORE};
static const int64_t values_wait_options[] = {0, WNOHANG};
static const int64_t values_poll_timespec[] = {
    0, 0, 0, TIMESPEC_NULL, TIMESPEC_NULL, TIMESPEC_BADTS};
static const int64_t values_folder[] = {FOLDER_ROOT};
static const int64_t values_socket_family[] = {AF_UNIX, AF_INET};
static const int64_t values_socket_flags[] = {SOCK_NONBLOCK, SOCK_NONBLOCK,
                                              SOCK_NONBLOCK | SOCK_CLOEXEC, 0};
static const int64_t values_send_flags[] = {MSG_OOB, MSG_OOB, 0, MSG_DONTWAIT};
static const int64_t values_recv_flags[] = {0, MSG_CMSG_CLOEXEC, MSG_DONTWAIT};
static const int64_t values_socket_option[] = {SO_OOBINLINE};
static const int64_t values_switch[] = {1, 1, 0};
static const int64_t values_clock[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC, CLOCK_REALTIME};
static const int64_t values_timerfd_flags[] = {TFD_NONBLOCK, TFD_NONBLOCK,
                                               TFD_NONBLOCK | TFD_CLOEXEC, 0};
static const int64_t values_timer_setting[] = {TIMER_EXPIRED, TIMER_EXPIRED, TIMER_DISARMED};
static const int64_t values_signalfd_flags[] = {SFD_NONBLOCK, SFD_NONBLOCK,
                                                SFD_NONBLOCK | SFD_CLOEXEC, 0};
static const int64_t values_inotify_flags[] = {IN_NONBLOCK, IN_NONBLOCK, IN_NONBLOCK | IN_CLOEXEC,
                                               0};
static const int64_t values_watch_mask[] = {IN_MODIFY, IN_MODIFY, IN_ACCESS | IN_MODIFY,
                                            IN_CLOSE_WRITE | IN_CLOSE_NOWRITE, 0};
static const int64_t values_number_flags[] = {FD_CLOEXEC, FD_CLOEXEC, 0};
static const int64_t values_resource[] = {RLIMIT_NOFILE};
static const int64_t values_limit[] = {PROGRAM_FD_LIMIT, 4, 6, 8, 16, 0};

const struct arg_info arg_table[ARG_KINDS] = {
    [ARG_NONE] = {"NONE", "", ARG_SHAPE_INT, words_none, values_none, 1},
#define ARG(kind, arg_shape, vocabulary, value_list, arg_doc)                                      \
    [ARG_##kind] = {.id = #kind,                                                                   \
                    .doc = (arg_doc),                                                              \
                    .shape = (arg_shape),                                                          \
                    .words = words_##vocabulary,                                                   \
                    .values = values_##value_list,                                                 \
                    .nvalues = sizeof(values_##value_list) / sizeof(values_##value_list[0])},
#include "fuzz/program/args.def"
#undef ARG
};
