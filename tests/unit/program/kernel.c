/* The lockstep runner behind the tests that hold the world against the kernel. */
#include "tests/unit/program/kernel.h"

#include "tests/unit/program/support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    STEP_SECONDS_MAX = 20, /* no step of these programs blocks: longer means a dead actor */
    IDLE_SECONDS_MAX = 60, /* longer means that nobody is left who gives orders */
};

/* Shared by all processes of one run. */
struct kernel {
    struct program program;
    sem_t go[PROGRAM_ACTORS_MAX];
    sem_t done;
    unsigned step;
    struct world_outcome outcome;
    int slots[PROGRAM_SLOTS_MAX];
    pid_t pids[PROGRAM_ACTORS_MAX]; /* 0: not started or ended */
};

/* The run in progress: what a failed test leaves behind for kernel_teardown. */
static struct kernel *running;

static int number_of(const struct kernel *kernel, const struct step *step, unsigned arg)
{
    return step->tags[arg] == TAG_SLOT ? kernel->slots[step->args[arg]] : (int)step->args[arg];
}

static int run_ctl(const struct kernel *kernel, const struct step *step)
{
    struct epoll_event event = {.events = (uint32_t)step->args[3],
                                .data.u64 = step_number(kernel->step)};
    struct epoll_event *pointer = &event;

    if (step->args[3] == EVENT_NULL)
        pointer = NULL;
    else if (step->args[3] == EVENT_BADPTR)
        pointer = (struct epoll_event *)16;
    return epoll_ctl(number_of(kernel, step, 0), (int)step->args[1], number_of(kernel, step, 2),
                     pointer);
}

static int run_fclose(int number)
{
    static const char *const modes[] = {[O_RDONLY] = "r", [O_WRONLY] = "w", [O_RDWR] = "r+"};
    int flags = fcntl(number, F_GETFL);

    if (flags < 0)
        return -1;
    FILE *file = fdopen(number, modes[flags & O_ACCMODE]);
    return file ? fclose(file) : -1;
}

/* The streams of this process by number; one whose number was closed by another door is kept until
 * the next of that number. */
static DIR *streams[PROGRAM_FD_LIMIT];

static int run_opendir(void)
{
    DIR *stream = opendir("/");

    if (!stream)
        return -1;
    streams[dirfd(stream)] = stream;
    return dirfd(stream);
}

static int run_closedir(int number)
{
    DIR *stream = number >= 0 && number < PROGRAM_FD_LIMIT ? streams[number] : NULL;

    if (!stream) {
        errno = EINVAL;
        return -1;
    }
    streams[number] = NULL;
    return closedir(stream);
}

static int run_close(const struct kernel *kernel, const struct step *step)
{
    switch (step->op) {
    case OP_CLOSE:
        return close(number_of(kernel, step, 0));
    case OP_CLOSE_RANGE:
        return close_range((unsigned)number_of(kernel, step, 0),
                           (unsigned)number_of(kernel, step, 1), (int)step->args[2]);
    case OP_CLOSEFROM:
        closefrom(number_of(kernel, step, 0));
        return 0;
    case OP_CLOSEDIR:
        return run_closedir(number_of(kernel, step, 0));
    case OP_INLINE_CLOSE:
        return (int)syscall(SYS_close, number_of(kernel, step, 0));
    case OP_FCLOSE:
        return run_fclose(number_of(kernel, step, 0));
    default:
        return (int)syscall(SYS_close, number_of(kernel, step, 1));
    }
}

static int run_dup(const struct kernel *kernel, const struct step *step)
{
    int from = number_of(kernel, step, 0);

    switch (step->op) {
    case OP_DUP:
        return dup(from);
    case OP_DUP2:
        return dup2(from, number_of(kernel, step, 1));
    case OP_DUP3:
        return dup3(from, number_of(kernel, step, 1), (int)step->args[2]);
    default:
        return fcntl(from, (int)step->args[1], (int)step->args[2]);
    }
}

static int run_listen(const struct step *step)
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    bool is_unix = step->args[0] == AF_UNIX;
    int fd = socket((int)step->args[0], SOCK_STREAM | (int)step->args[1], 0);

    if (fd < 0)
        return -1;
    assert_int_equal(is_unix ? bind(fd, (struct sockaddr *)&local, sizeof(sa_family_t))
                             : bind(fd, (struct sockaddr *)&inet, sizeof(inet)),
                     0);
    assert_int_equal(listen(fd, 128), 0);
    return fd;
}

static int run_connect(int listener, int flags)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int listens = 0;
    socklen_t size = sizeof(listens);

    if (getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0)
        return -1;
    errno = EINVAL;
    if (!listens || getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return -1;
    int fd = socket(address.ss_family, SOCK_STREAM | (flags & SOCK_CLOEXEC), 0);
    if (fd < 0)
        return -1;
    assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
    return fd;
}

static bool is_unix_socket(int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

static int run_send_fd(int over, int fd)
{
    char room[CMSG_SPACE(sizeof(int))] = {0};
    char byte = 0;
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    if (is_unix_socket(fd)) {
        errno = EINVAL;
        return -1;
    }
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    return (int)sendmsg(over, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int run_recv_fd(int from, int flags)
{
    char room[CMSG_SPACE(sizeof(int))];
    char byte;
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    ssize_t got = recvmsg(from, &message, flags | MSG_DONTWAIT);
    int fd = -1;

    if (got < 0)
        return -1;
    if (CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    else
        errno = message.msg_flags & MSG_CTRUNC ? EMFILE : got == 0 ? ENODATA : ENOMSG;
    return fd;
}

static int run_open(const struct kernel *kernel, const struct step *step, int fds[PROGRAM_OUTS_MAX])
{
    switch (step->op) {
    case OP_EPOLL_CREATE:
        return epoll_create((int)step->args[0]);
    case OP_EPOLL_CREATE1:
        return epoll_create1((int)step->args[0]);
    case OP_PIPE2:
        return pipe2(fds, (int)step->args[0]);
    case OP_SOCKETPAIR:
        return socketpair(AF_UNIX, (int)step->args[0], 0, fds);
    case OP_EVENTFD:
        return eventfd((unsigned)step->args[0], (int)step->args[1]);
    case OP_OPEN:
        return open(step->args[0] == PATH_NULL ? "/dev/null" : "/proc/self/exe",
                    (int)step->args[1]);
    case OP_LISTEN:
        return run_listen(step);
    case OP_CONNECT:
        return run_connect(number_of(kernel, step, 0), (int)step->args[1]);
    case OP_ACCEPT4:
        return accept4(number_of(kernel, step, 0), NULL, NULL, (int)step->args[1]);
    case OP_TIMERFD_CREATE:
        return timerfd_create((clockid_t)step->args[0], (int)step->args[1]);
    case OP_SIGNALFD:
        return signalfd(-1, &(sigset_t){0}, (int)step->args[0]);
    case OP_INOTIFY_INIT1:
        return inotify_init1((int)step->args[0]);
    case OP_OPENDIR:
        return run_opendir();
    default:
        return memfd_create("epdiff", (unsigned)step->args[0]);
    }
}

static int run_setrlimit(const struct step *step)
{
    const struct rlimit limit = {(rlim_t)step->args[1], PROGRAM_FD_LIMIT};
    return setrlimit(RLIMIT_NOFILE, &limit);
}

/* Reads and writes are those of sockets: what others hand out is no matter of the world. */
static int run_other(const struct kernel *kernel, const struct step *step,
                     int fds[PROGRAM_OUTS_MAX])
{
    static char bytes[PROGRAM_IO_MAX];
    int number = number_of(kernel, step, 0);

    switch (step->op) {
    case OP_SEND_FD:
        return run_send_fd(number, number_of(kernel, step, 1));
    case OP_RECV_FD:
        return fds[0] = run_recv_fd(number, (int)step->args[1]);
    case OP_FCNTL_SETFD:
        return fcntl(number, F_SETFD, (int)step->args[1]);
    case OP_SETRLIMIT:
        return run_setrlimit(step);
    case OP_READ:
        return (int)recv(number, bytes, (size_t)step->args[1], MSG_DONTWAIT);
    case OP_WRITE:
        return (int)send(number, bytes, (size_t)step->args[1], MSG_DONTWAIT | MSG_NOSIGNAL);
    default:
        return 0;
    }
}

static void run_step(struct kernel *kernel, const struct step *step)
{
    const struct op_info *op = &op_table[step->op];
    struct world_outcome outcome = {.fds = {-1, -1}};
    int ret = 0;

    errno = 0;
    if (op->effect == EFFECT_CTL)
        ret = run_ctl(kernel, step);
    else if (op->effect == EFFECT_CLOSE || op->effect == EFFECT_CLOSE_RANGE ||
             op->effect == EFFECT_CLOSE_FROM)
        ret = run_close(kernel, step);
    else if (op->effect == EFFECT_DUP || op->effect == EFFECT_DUP_OVER)
        ret = outcome.fds[0] = run_dup(kernel, step);
    else if (op->effect == EFFECT_OPEN)
        ret = run_open(kernel, step, outcome.fds);
    else
        ret = run_other(kernel, step, outcome.fds);
    outcome.ret = ret;
    outcome.err = ret < 0 ? errno : 0;
    if (op->effect == EFFECT_OPEN && op->nouts == 1)
        outcome.fds[0] = ret;
    for (unsigned i = 0; i < op->nouts && ret >= 0; i++)
        kernel->slots[step->outs[i]] = outcome.fds[i];
    kernel->outcome = outcome;
}

static int await(sem_t *semaphore, unsigned seconds)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    while (sem_timedwait(semaphore, &until) != 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

/* The life of one process of the program. */
static _Noreturn void live(struct kernel *kernel, unsigned actor)
{
    for (;;) {
        if (await(&kernel->go[actor], IDLE_SECONDS_MAX) != 0)
            _exit(EXIT_FAILURE);
        const struct step *step = &kernel->program.steps[kernel->step];
        if (op_table[step->op].effect == EFFECT_EXIT)
            _exit((int)step->args[0]);
        if (op_table[step->op].effect == EFFECT_FORK) {
            pid_t pid = fork();
            if (pid == 0) {
                actor = step->outs[0];
                continue;
            }
            kernel->pids[step->outs[0]] = pid;
            kernel->outcome =
                (struct world_outcome){.ret = pid < 0 ? -1 : 0, .err = errno, .fds = {-1, -1}};
        } else {
            run_step(kernel, step);
        }
        sem_post(&kernel->done);
    }
}

static _Noreturn void live_as_main(struct kernel *kernel)
{
    const struct rlimit limit = {PROGRAM_FD_LIMIT, PROGRAM_FD_LIMIT};
    int null = open("/dev/null", O_RDWR);

    for (int number = 0; number < 3; number++)
        dup2(null, number);
    close_range(3, ~0u, 0);
    setrlimit(RLIMIT_NOFILE, &limit);
    sem_post(&kernel->done);
    live(kernel, 0);
}

static void await_done(struct kernel *kernel)
{
    if (await(&kernel->done, STEP_SECONDS_MAX) != 0)
        fail_msg("step %u: its process did not answer", step_number(kernel->step));
}

struct kernel *kernel_start(const struct program *program)
{
    struct kernel *kernel =
        mmap(NULL, sizeof(*kernel), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(kernel != MAP_FAILED);
    kernel->program = *program;
    memset(kernel->slots, -1, sizeof(kernel->slots));
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++)
        assert_int_equal(sem_init(&kernel->go[i], 1, 0), 0);
    assert_int_equal(sem_init(&kernel->done, 1, 0), 0);
    /* Orphans of the program come to us, so that kernel_stop can reap them. */
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        live_as_main(kernel);
    kernel->pids[0] = pid;
    running = kernel;
    await_done(kernel);
    return kernel;
}

/* A process has ended when its descriptors are closed: its pidfd is readable only after that. */
static void run_exit(struct kernel *kernel, unsigned process)
{
    int pidfd = (int)syscall(SYS_pidfd_open, kernel->pids[process], 0);
    struct pollfd poll_for = {.fd = pidfd, .events = POLLIN};

    assert_true(pidfd >= 0);
    sem_post(&kernel->go[process]);
    assert_int_equal(poll(&poll_for, 1, STEP_SECONDS_MAX * 1000), 1);
    close(pidfd);
    kernel->pids[process] = 0;
}

void kernel_step(struct kernel *kernel, unsigned index, struct world_outcome *ret_outcome)
{
    const struct step *step = &kernel->program.steps[index];
    unsigned process = kernel->program.actors[step->actor].process;

    kernel->step = index;
    if (op_table[step->op].effect == EFFECT_EXIT) {
        run_exit(kernel, process);
        *ret_outcome = (struct world_outcome){.fds = {-1, -1}};
        return;
    }
    sem_post(&kernel->go[process]);
    await_done(kernel);
    *ret_outcome = kernel->outcome;
}

unsigned kernel_interest(struct kernel *kernel, unsigned process, int number,
                         struct kernel_item ret_items[WORLD_ITEMS_MAX])
{
    char path[64];
    char line[256];
    unsigned count = 0;

    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)kernel->pids[process], number);
    FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), file)) {
        unsigned long long data;
        struct kernel_item *item = &ret_items[count];
        if (sscanf(line, "tfd: %d events: %x data: %llx", &item->number, &item->events, &data) ==
            3) {
            item->data = data;
            count++;
            assert_true(count < WORLD_ITEMS_MAX);
        }
    }
    fclose(file);
    return count;
}

void kernel_open_numbers(struct kernel *kernel, unsigned process, bool ret_open[PROGRAM_FD_LIMIT])
{
    char path[64];

    memset(ret_open, 0, PROGRAM_FD_LIMIT * sizeof(*ret_open));
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)kernel->pids[process]);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_name[0] != '.')
            ret_open[atoi(entry->d_name)] = true;
    }
    closedir(folder);
}

bool kernel_cloexec(struct kernel *kernel, unsigned process, int number)
{
    char path[64];
    char line[256];
    unsigned flags = 0;
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)kernel->pids[process], number);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (!found && fgets(line, sizeof(line), file))
        found = sscanf(line, "flags: %o", &flags) == 1;
    fclose(file);
    assert_true(found);
    return flags & O_CLOEXEC;
}

void kernel_stop(struct kernel *kernel)
{
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        if (kernel->pids[i] > 0)
            kill(kernel->pids[i], SIGKILL);
    }
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    munmap(kernel, sizeof(*kernel));
    running = NULL;
}

int kernel_teardown(void **state)
{
    (void)state;
    if (running)
        kernel_stop(running);
    return 0;
}

bool kernel_counts_links_above(void)
{
    int chain[6];
    int ret = 0;

    for (unsigned i = 0; i < 6; i++)
        chain[i] = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < 5; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        ret = epoll_ctl(chain[i], EPOLL_CTL_ADD, chain[i + 1], &event);
    }
    for (unsigned i = 0; i < 6; i++)
        close(chain[i]);
    return ret != 0;
}
