/* The life of an executor: its shared memory and its server process. */
#include "fuzz/execute/executor.h"
#include "fuzz/execute/raw.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static atomic_bool interrupted;

void executor_interrupt(void)
{
    atomic_store(&interrupted, true);
}

bool executor_interrupted(void)
{
    return atomic_load(&interrupted);
}

uint64_t executor_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t executor_seen_ms(void)
{
    static _Thread_local uint64_t seen, last;
    uint64_t now = executor_now_ms();
    uint64_t step = now - last;

    last = now;
    seen += step < EXECUTOR_STEP_MS ? step : EXECUTOR_STEP_MS;
    return seen;
}

void executor_wait_bell(struct executor *executor, uint32_t bell, unsigned milliseconds)
{
    struct timespec timeout = {.tv_sec = milliseconds / 1000,
                               .tv_nsec = (long)(milliseconds % 1000) * 1000000};

    raw_futex_wait(&executor->wire->bell, bell, &timeout);
}

/* A run in progress is its own process group. The server's end ends the group's leader, but not who
 * descends from it. */
static void kill_run(const struct executor *executor)
{
    pid_t root = executor->wire ? executor->wire->root : 0;

    if (root > 0)
        kill(-root, SIGKILL);
}

bool executor_server_ended(struct executor *executor)
{
    siginfo_t info = {.si_pid = 0};

    if (executor->server &&
        waitid(P_PID, (id_t)executor->server, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == executor->server) {
        /* While it is a zombie its number is its process group's: a subject's helpers are in it. */
        kill(-executor->server, SIGKILL);
        kill_run(executor);
        waitpid(executor->server, &executor->server_status, 0);
        executor->server = 0;
    }
    return executor->server == 0;
}

__attribute__((format(printf, 2, 3))) static void say(char *ret_why, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_why, EXECUTE_WHY_MAX + 1, format, arguments);
    va_end(arguments);
}

/* The environment of a server: the tool's own, with what selects the subject put in its place. */
struct environment {
    char **entries;
    unsigned count;
    char bind_now[16];
    char preload[2 * PATH_MAX + 64], policy[64], backend[64], library[PATH_MAX + 16];
    char inject[SUBJECT_INJECT_MAX + 32];
    char edges[SUBJECT_EDGES_MAX + 32];
};

static bool is_ours(const char *entry)
{
    static const char *const names[] = {"LD_PRELOAD=", "LD_BIND_NOW=", "EPBATCH_",
                                        "EPDIFF_LIBRARY="};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

/* Sanitizer runtimes must come first in the link order or be told not to mind; a crash must stay a
 * crash. */
static char *sanitizer_entries[] = {
#ifdef __SANITIZE_ADDRESS__
    (char *)"ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0:handle_segv=0:abort_on_error=1",
    (char *)"UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1",
#endif
    NULL};

static int environment_make(struct environment *env, const struct subject *subject,
                            const char *witness)
{
    unsigned room = 16;

    for (char **entry = environ; *entry; entry++)
        room++;
    env->entries = calloc(room, sizeof(char *));
    if (!env->entries)
        return -ENOMEM;
    env->count = 0;
    for (char **entry = environ; *entry; entry++) {
        if (!is_ours(*entry))
            env->entries[env->count++] = *entry;
    }
    for (char **entry = sanitizer_entries; *entry; entry++)
        env->entries[env->count++] = *entry;
    /* The witness stands behind the subject: where the subject looks for the next epoll_ctl. Where
     * nothing is preloaded it stands there anyhow, for the executors are linked with it. */
    if (subject->library[0]) {
        snprintf(env->preload, sizeof(env->preload), "LD_PRELOAD=%s:%s", subject->library, witness);
        env->entries[env->count++] = env->preload;
    }
    /* Names are looked up once in the server and not again in every process of every program. */
    snprintf(env->bind_now, sizeof(env->bind_now), "LD_BIND_NOW=1");
    env->entries[env->count++] = env->bind_now;
    if (subject->library[0]) {
        snprintf(env->library, sizeof(env->library), "EPDIFF_LIBRARY=%s", subject->library);
        env->entries[env->count++] = env->library;
    }
    if (subject->kind == SUBJECT_SHIM) {
        snprintf(env->policy, sizeof(env->policy), "EPBATCH_POLICY=%s", subject->policy);
        snprintf(env->backend, sizeof(env->backend), "EPBATCH_BACKEND=%s", subject->backend);
        env->entries[env->count++] = env->policy;
        env->entries[env->count++] = env->backend;
    }
    if (subject->inject[0]) {
        snprintf(env->inject, sizeof(env->inject), "EPBATCH_INJECT=%s", subject->inject);
        env->entries[env->count++] = env->inject;
    }
    if (subject->edges[0]) {
        snprintf(env->edges, sizeof(env->edges), "EPBATCH_EDGES=%s", subject->edges);
        env->entries[env->count++] = env->edges;
    }
    return 0;
}

/*
 * The CPUs that the tool may use, as they were before its threads were pinned: the actors of a
 * parallel block are spread over them.
 */
static cpu_set_t allowed_cpus;
static pthread_once_t allowed_once = PTHREAD_ONCE_INIT;

static void note_allowed_cpus(void)
{
    if (sched_getaffinity(0, sizeof(allowed_cpus), &allowed_cpus) != 0)
        CPU_ZERO(&allowed_cpus); /* more CPUs than a set holds: nobody is moved */
}

static void tell_cpus(struct wire *wire)
{
    wire->ncpus = 0;
    for (unsigned cpu = 0; cpu < WIRE_CPU_NUMBERS && wire->ncpus < WIRE_CPUS_MAX; cpu++) {
        if (CPU_ISSET(cpu, &allowed_cpus))
            wire->cpus[wire->ncpus++] = (uint16_t)cpu;
    }
}

static int tell_executable(struct wire *wire)
{
    int err = subject_home(wire->executable, PATH_MAX);

    if (!err)
        strcat(wire->executable, "/epdiff-exec");
    return err;
}

static int map_wire(struct wire **ret_wire, int *ret_fd)
{
    int fd = memfd_create("epdiff-wire", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, sizeof(struct wire)) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    struct wire *wire = mmap(NULL, sizeof(*wire), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (wire == MAP_FAILED) {
        int err = -errno;
        close(fd);
        return err;
    }
    wire->magic = WIRE_MAGIC;
    wire->size = sizeof(*wire);
    tell_cpus(wire);
    int err = tell_executable(wire);
    if (err) {
        munmap(wire, sizeof(*wire));
        close(fd);
        return err;
    }
    *ret_wire = wire;
    *ret_fd = fd;
    return 0;
}

static int spawn_with(struct executor *executor, const char *path, struct environment *env,
                      int wire_fd, int error_fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char parent[16];
    char *argv[] = {(char *)"epdiff-exec", parent, NULL};
    sigset_t defaults, none;

    snprintf(parent, sizeof(parent), "%d", getpid());
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    /* The error pipe goes to its place first: the wire's place may be its number. What a subject
     * prints before main must not mix with the tool's own output. Nobody reads the input; where
     * there is no /dev any file does. */
    posix_spawn_file_actions_addopen(&actions, 0, access("/dev/null", R_OK) ? path : "/dev/null",
                                     O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, error_fd, 1);
    posix_spawn_file_actions_adddup2(&actions, error_fd, 2);
    posix_spawn_file_actions_adddup2(&actions, wire_fd, WIRE_FD);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setsigmask(&attributes, &none);
    /* Its own process group: a Ctrl-C at the terminal is the tool's to handle. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETPGROUP);
    int err = posix_spawn(&executor->server, path, &actions, &attributes, argv, env->entries);
    if (err)
        executor->server = 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

/* Both descriptors are moved above WIRE_FD, so that putting one in its place cannot overwrite the
 * other. */
static int move_up(int *fd)
{
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, 10);
    if (moved < 0)
        return errno == EINVAL ? -EMFILE : -errno; /* RLIMIT_NOFILE does not reach that far */
    close(*fd);
    *fd = moved;
    return 0;
}

static int spawn_server(struct executor *executor, const char *path, const char *witness,
                        char *ret_why)
{
    struct environment env = {.entries = NULL};
    int pipe_fds[2] = {-1, -1};

    int err = map_wire(&executor->wire, &executor->wire_fd);
    if (!err && pipe2(pipe_fds, O_CLOEXEC) != 0)
        err = -errno;
    if (!err)
        err = move_up(&executor->wire_fd);
    if (!err)
        err = move_up(&pipe_fds[1]);
    if (!err)
        snprintf(executor->wire->road, sizeof(executor->wire->road), "/proc/%d/fd/%d", getpid(),
                 executor->wire_fd);
    if (!err)
        err = environment_make(&env, &executor->subject, witness);
    if (!err)
        err = spawn_with(executor, path, &env, executor->wire_fd, pipe_fds[1]);
    if (err)
        say(ret_why, "%s cannot be started: %s", path, strerror(-err));
    free(env.entries);
    if (pipe_fds[1] >= 0)
        close(pipe_fds[1]);
    executor->errors = pipe_fds[0];
    return err;
}

/* What the server has said so far; its first words are kept, the rest is taken in and dropped, so
 * that it never waits for a reader. */
struct said {
    size_t length;
    char text[EXECUTE_WHY_MAX - 160];
};

static void read_said(struct executor *executor, struct said *said)
{
    char chunk[4096];
    struct pollfd entry = {.fd = executor->errors, .events = POLLIN};

    while (poll(&entry, 1, 0) > 0) {
        ssize_t got = read(executor->errors, chunk, sizeof(chunk));
        if (got <= 0)
            break;
        size_t room = sizeof(said->text) - 1 - said->length;
        size_t kept = (size_t)got < room ? (size_t)got : room;
        memcpy(said->text + said->length, chunk, kept);
        said->length += kept;
    }
}

/* As one line, without what a terminal would obey. */
static void make_line(struct said *said)
{
    while (said->length > 0 && isspace((unsigned char)said->text[said->length - 1]))
        said->length--;
    said->text[said->length] = '\0';
    for (char *at = said->text; *at; at++) {
        if (*at == '\n')
            *at = ';';
        else if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
}

static void say_ended(const struct executor *executor, struct said *said, char *ret_why)
{
    const char *name = executor->subject.name;
    int status = executor->server_status;

    make_line(said);
    if (said->text[0])
        say(ret_why, "subject %.100s does not start: %s", name, said->text);
    else if (WIFSIGNALED(status))
        say(ret_why, "subject %.100s does not start: its process dies of SIG%s before main", name,
            sigabbrev_np(WTERMSIG(status)));
    else
        say(ret_why, "subject %.100s does not start: its process ends with status %d before main",
            name, WEXITSTATUS(status));
}

static int await_server(struct executor *executor, char *ret_why)
{
    uint64_t deadline = executor_seen_ms() + executor->options.start_ms;
    struct said said = {.length = 0};

    for (;;) {
        uint32_t bell = raw_load(&executor->wire->bell);
        if (raw_load(&executor->wire->server_ready))
            return 0;
        bool ended = executor_server_ended(executor);
        read_said(executor, &said);
        if (ended) {
            say_ended(executor, &said, ret_why);
            return -ECHILD;
        }
        if (executor_interrupted()) {
            say(ret_why, "interrupted");
            return -EINTR;
        }
        if (executor_seen_ms() > deadline) {
            make_line(&said);
            say(ret_why, "subject %.100s does not start: its process is stuck before main%s%s",
                executor->subject.name, said.text[0] ? ", after it said: " : "", said.text);
            return -ETIMEDOUT;
        }
        executor_wait_bell(executor, bell, EXECUTOR_POLL_MS);
    }
}

static int pin_to(int cpu, cpu_set_t *ret_old)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(*ret_old), ret_old) != 0)
        return -errno;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) != 0 ? -errno : 0;
}

/* The calling thread keeps the CPU: controller and program share it, which makes every hand-off
 * cheap. */
static int start_pinned(struct executor *executor, const char *path, const char *witness,
                        char *ret_why)
{
    cpu_set_t old;

    pthread_once(&allowed_once, note_allowed_cpus);
    if (executor->options.cpu >= 0) {
        int err = pin_to(executor->options.cpu, &old);
        if (err) {
            say(ret_why, "CPU %d cannot be used: %s", executor->options.cpu, strerror(-err));
            return err;
        }
    }
    int err = spawn_server(executor, path, witness, ret_why);
    return err ? err : await_server(executor, ret_why);
}

int executor_start(const struct subject *subject, const struct executor_options *options,
                   struct executor **ret_executor, char *ret_why)
{
    char home[PATH_MAX];
    char path[PATH_MAX + 40];
    char witness[PATH_MAX + 32];

    int err = subject_home(home, sizeof(home));
    if (err) {
        say(ret_why, "the tool's own folder cannot be found: %s", strerror(-err));
        return err;
    }
    snprintf(path, sizeof(path), "%s/%s", home, subject->executor);
    if (access(path, X_OK) != 0) {
        err = -errno;
        say(ret_why, "no executor: %.400s: %s", path, strerror(-err));
        return err;
    }
    snprintf(witness, sizeof(witness), "%s/libepdiff-witness.so", home);
    if (access(witness, R_OK) != 0 || strpbrk(home, " :\t\n")) {
        err = errno ? -errno : -EINVAL;
        say(ret_why, "no witness library: %.400s: %s", witness,
            strpbrk(home, " :\t\n") ? "LD_PRELOAD cannot hold a blank or a colon" : strerror(-err));
        return err;
    }
    struct executor *executor = calloc(1, sizeof(*executor));
    if (!executor) {
        say(ret_why, "out of memory");
        return -ENOMEM;
    }
    executor->subject = *subject;
    executor->options = *options;
    executor->errors = -1;
    executor->wire_fd = -1;
    if (executor->options.watchdog_ms == 0)
        executor->options.watchdog_ms = EXECUTOR_WATCHDOG_MS;
    if (executor->options.start_ms == 0)
        executor->options.start_ms = EXECUTOR_START_MS;
    err = start_pinned(executor, path, witness, ret_why);
    if (err) {
        executor_stop(executor);
        return err;
    }
    close(executor->errors);
    executor->errors = -1;
    *ret_executor = executor;
    return 0;
}

void executor_stop(struct executor *executor)
{
    if (!executor)
        return;
    if (executor->server) {
        int status;
        kill_run(executor);
        /* With its process group: a subject's constructor may have started helpers. */
        kill(-executor->server, SIGKILL);
        while (waitpid(executor->server, &status, 0) < 0 && errno == EINTR)
            ;
    }
    if (executor->errors >= 0)
        close(executor->errors);
    if (executor->wire_fd >= 0)
        close(executor->wire_fd);
    if (executor->wire)
        munmap(executor->wire, sizeof(*executor->wire));
    free(executor);
}

const struct subject *executor_subject(const struct executor *executor)
{
    return &executor->subject;
}
