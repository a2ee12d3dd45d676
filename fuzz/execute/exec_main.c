/*
 * epdiff-exec: the fork server of one subject. The tool starts it with the subject's library in
 * LD_PRELOAD and the shared memory on descriptor WIRE_FD; it forks one process per run and clears
 * away what is left of each. It is no tool for people.
 */
#include "fuzz/execute/ops.h"
#include "fuzz/execute/raw.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The witness library finds the memory by this name. */
extern struct wire *epdiff_wire;
struct wire *epdiff_wire;

static struct wire *wire;

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "epdiff-exec: %s: %s\n", what, strerror(errno));
    _exit(SERVER_EXIT_HARNESS);
}

/* The number that `text` begins with; moves *text behind it and the blank. 0: there is none. */
static pid_t next_pid(const char **text)
{
    pid_t pid = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++)
        pid = 10 * pid + (**text - '0');
    *text += **text == ' ';
    return pid;
}

/*
 * Kills the server's own children, in whatever process group or session a subject has put them. By
 * inline system calls: the server, too, has the subject's open and close.
 */
static void kill_children(void)
{
    char text[4096 + 1];
    long fd = raw_syscall3(SYS_open, (long)"/proc/thread-self/children", O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0)
        return;
    long length = raw_syscall3(SYS_read, fd, (long)text, sizeof(text) - 1);
    raw_syscall3(SYS_close, fd, 0, 0);
    text[length > 0 ? length : 0] = '\0';
    const char *at = text;
    for (pid_t pid = next_pid(&at); pid > 0; pid = next_pid(&at))
        kill(pid, SIGKILL);
}

static void note_reaped(pid_t pid, int status)
{
    if (wire->nreaped < WIRE_REAPED_MAX)
        wire->reaped[wire->nreaped++] = (struct wire_reaped){.pid = pid, .status = status};
}

/*
 * Ends and reaps whatever the run has left: first its process group, then who has left the group (a
 * subject that calls setsid, a daemon), since orphans come to the server, their subreaper.
 */
static void reap_all(void)
{
    int status;
    pid_t pid;

    kill(-wire->root, SIGKILL);
    do {
        pid = waitpid(-wire->root, &status, 0);
        if (pid > 0)
            note_reaped(pid, status);
    } while (pid > 0 || errno == EINTR);
    while ((pid = waitpid(-1, &status, WNOHANG)) >= 0 || errno == EINTR) {
        if (pid > 0) {
            note_reaped(pid, status);
        } else {
            kill_children();
            sched_yield();
        }
    }
}

/* The tool is gone: so is everything that it started. */
static void on_terminate(int signal)
{
    (void)signal;
    if (wire && wire->root > 0)
        reap_all();
    _exit(SERVER_EXIT_HARNESS);
}

static int compare_library(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    return info->dlpi_name && strcmp(info->dlpi_name, argument) == 0;
}

/* True if a call of the function by a program would go to the library. */
static bool takes_over(const char *library, const char *function)
{
    void *address = dlsym(RTLD_DEFAULT, function);
    Dl_info info;

    return address && dladdr(address, &info) && info.dli_fname &&
           strcmp(info.dli_fname, library) == 0;
}

static bool takes_over_any(const char *library)
{
    static const char *const functions[] = {"epoll_ctl",    "epoll_wait",   "epoll_pwait",
                                            "epoll_pwait2", "epoll_create", "epoll_create1",
                                            "syscall",      "close",        "fork"};

    for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (takes_over(library, functions[i]))
            return true;
    }
    return false;
}

/*
 * ld.so goes on without a library that it cannot load, and the run would be native in disguise. So
 * the tool says which library must be here.
 */
static void check_library(void)
{
    char *library = getenv("EPDIFF_LIBRARY");

    if (!library || !*library)
        return;
    if (!dl_iterate_phdr(compare_library, library)) {
        fprintf(stderr, "epdiff-exec: the dynamic loader did not load %s\n", library);
        _exit(SERVER_EXIT_HARNESS);
    }
    /* A library that takes over nothing is native in disguise, too: a mistaken path would pass
     * every test. */
    if (!takes_over_any(library)) {
        fprintf(stderr,
                "epdiff-exec: %s takes over none of the epoll calls, nor close, fork or syscall\n",
                library);
        _exit(SERVER_EXIT_HARNESS);
    }
    unsetenv("EPDIFF_LIBRARY");
}

static void map_wire(void)
{
    wire = mmap(NULL, sizeof(*wire), PROT_READ | PROT_WRITE, MAP_SHARED, WIRE_FD, 0);
    if (wire == MAP_FAILED)
        die("the shared memory cannot be mapped; this program is started by epdiff, not by hand");
    if (wire->magic != WIRE_MAGIC || wire->size != sizeof(*wire)) {
        fprintf(stderr, "epdiff-exec: it is of another build than the tool that started it\n");
        _exit(SERVER_EXIT_HARNESS);
    }
    epdiff_wire = wire;
}

/*
 * A process of a program that has called execve, or was spawned: the subject has been loaded anew
 * with this image, and its table of descriptors is the program's.
 */
__attribute__((noreturn)) static void run_image(char **argv)
{
    long fd = raw_syscall3(SYS_open, (long)argv[2], O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        _exit(SERVER_EXIT_HARNESS);
    long address =
        raw_syscall6(SYS_mmap, 0, sizeof(*wire), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    raw_syscall3(SYS_close, fd, 0, 0);
    if (address < 0 && address > -4096)
        _exit(SERVER_EXIT_HARNESS);
    wire = (struct wire *)address;
    if (wire->magic != WIRE_MAGIC || wire->size != sizeof(*wire))
        _exit(SERVER_EXIT_HARNESS);
    epdiff_wire = wire;
    actor_enter_image(wire, (unsigned)atoi(argv[3]));
}

static void limit(int resource, rlim_t value)
{
    struct rlimit current;

    if (getrlimit(resource, &current) != 0)
        die("getrlimit");
    if (current.rlim_max != RLIM_INFINITY && value > current.rlim_max)
        value = current.rlim_max;
    current.rlim_cur = current.rlim_max = value;
    if (setrlimit(resource, &current) != 0)
        die("setrlimit");
}

/*
 * /dev/null, or where there is no /dev what epoll treats alike: an empty file that cannot be
 * written, so that no program leaves anything in it for the next.
 */
static int open_null(void)
{
    int null = open("/dev/null", O_RDWR);
    if (null >= 0 || errno != ENOENT)
        return null;
    null = memfd_create("null", MFD_ALLOW_SEALING);
    if (null >= 0 &&
        fcntl(null, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
        return -1;
    return null;
}

/* Descriptors 0, 1 and 2 are /dev/null and no other is open: every program finds the same table. */
static void make_canonical(void)
{
    int null = open_null();
    if (null < 0)
        die("/dev/null");
    for (int number = 0; number < 3; number++) {
        if (dup2(null, number) < 0)
            die("dup2");
    }
    /* What a subject opened before main above the program's numbers is its own affair and stays. */
    if (close_range(3, PROGRAM_FD_LIMIT - 1, 0) != 0)
        die("close_range");
    limit(RLIMIT_NOFILE, SERVER_NOFILE);
    limit(RLIMIT_FSIZE, 1 << 20);
    /* 1 and not 0: with a pipe as core_pattern, 0 still starts the handler. */
    limit(RLIMIT_CORE, 1);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); /* until a program says sigaction */
}

static void prepare(pid_t parent)
{
    struct sigaction action = {.sa_handler = on_terminate};

    sigaction(SIGTERM, &action, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        die("prctl");
    if (getppid() != parent)
        _exit(SERVER_EXIT_HARNESS);
    make_canonical();
}

__attribute__((noreturn)) static void run_root(pid_t server)
{
    setpgid(0, 0);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != server)
        _exit(SERVER_EXIT_HARNESS);
    actor_enter_process();
    actor_announce(wire, 0);
    actor_run(wire, 0);
}

/*
 * Until the controller says that the run is over, what has ended stays a zombie: its pid, which is
 * also the process group's, cannot be given to somebody else.
 */
static void serve(uint32_t request, pid_t server)
{
    siginfo_t info;

    pid_t pid = fork();
    if (pid == 0)
        run_root(server);
    if (pid < 0) {
        wire->fork_error = errno;
        raw_store(&wire->finished, request);
        raw_bump(&wire->bell);
        return;
    }
    setpgid(pid, pid);
    wire->root = pid;
    /* It says so itself, if it gets that far. */
    __atomic_store_n(&wire->actors[0].pid, pid, __ATOMIC_RELEASE);
    while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        ;
    uint32_t over = raw_load(&wire->over);
    if (over != request) {
        raw_store(&wire->root_ended, 1);
        raw_bump(&wire->bell);
        while ((over = raw_load(&wire->over)) != request)
            raw_futex_wait(&wire->over, over, NULL);
    }
    reap_all();
    wire->root = 0;
    raw_store(&wire->finished, request);
    raw_bump(&wire->bell);
}

int main(int argc, char **argv)
{
    if (argc == IMAGE_ARGUMENTS && strcmp(argv[1], IMAGE_WORD) == 0)
        run_image(argv);
    if (argc != 2) {
        fprintf(stderr, "epdiff-exec: it is started by epdiff, not by hand\n");
        return SERVER_EXIT_HARNESS;
    }
    check_library();
    map_wire();
    prepare((pid_t)atoi(argv[1]));
    /* The heap is set up here once, and not in every process of every program. */
    free(malloc(1));
    pid_t server = getpid();
    raw_store(&wire->server_ready, 1);
    raw_bump(&wire->bell);
    for (uint32_t served = 0;;) {
        uint32_t request;
        while ((request = raw_load(&wire->request)) == served)
            raw_futex_wait(&wire->request, served, NULL);
        served = request;
        serve(request, server);
    }
}
