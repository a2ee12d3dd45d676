/* What /proc tells about the program's processes. */
#include "fuzz/execute/observe.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OBSERVE_THREADS_MAX = PROGRAM_ACTORS_MAX + 16, /* of one process, with some of a subject's */
};

static int open_task_file(pid_t pid, pid_t tid, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int task_watch_open(struct task_watch *watch, pid_t pid, pid_t tid)
{
    *watch = (struct task_watch){-1, -1, -1};
    watch->stat = open_task_file(pid, tid, "stat");
    watch->schedstat = open_task_file(pid, tid, "schedstat");
    watch->syscall = open_task_file(pid, tid, "syscall");
    if (watch->stat >= 0 && watch->schedstat >= 0 && watch->syscall >= 0)
        return 0;
    int err = watch->stat < 0        ? watch->stat
              : watch->schedstat < 0 ? watch->schedstat
                                     : watch->syscall;
    task_watch_close(watch);
    return err;
}

void task_watch_close(struct task_watch *watch)
{
    if (watch->stat >= 0)
        close(watch->stat);
    if (watch->schedstat >= 0)
        close(watch->schedstat);
    if (watch->syscall >= 0)
        close(watch->syscall);
    *watch = (struct task_watch){-1, -1, -1};
}

bool task_watch_is_open(const struct task_watch *watch)
{
    return watch->stat >= 0;
}

/* Reads a small /proc file whole. Returns its length; 0 when the task is gone. */
static size_t read_file(int fd, char *text, size_t size)
{
    ssize_t length = pread(fd, text, size - 1, 0);
    if (length < 0)
        length = 0;
    text[length] = '\0';
    return (size_t)length;
}

enum task_state task_read_state(const struct task_watch *watch, unsigned *ret_threads)
{
    char text[512];

    *ret_threads = 0;
    read_file(watch->stat, text, sizeof(text));
    /* The command's name stands in parentheses and may hold anything: the state follows the last
     * one. */
    const char *at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] == '\0')
        return TASK_ENDED;
    char letter = at[2];
    /* num_threads is field 20; the state is field 3. */
    for (int field = 3; field < 20 && at; field++)
        at = strchr(at + 2, ' ') ? strchr(at + 2, ' ') - 1 : NULL;
    if (at)
        *ret_threads = (unsigned)strtoul(at + 2, NULL, 10);
    if (letter == 'Z' || letter == 'X' || letter == 'x')
        return TASK_ENDED;
    /* A stopped task moves as little as a sleeping one. */
    return letter == 'R' ? TASK_RUNNING : TASK_SLEEPING;
}

void task_read_sample(const struct task_watch *watch, struct task_sample *ret_sample)
{
    char text[128];
    char *at = text;

    memset(ret_sample, 0, sizeof(*ret_sample));
    ret_sample->state = (uint8_t)task_read_state(watch, &ret_sample->threads);
    /* It can end between the two reads. */
    if (ret_sample->state == TASK_ENDED || read_file(watch->schedstat, text, sizeof(text)) == 0) {
        *ret_sample = (struct task_sample){.state = TASK_ENDED};
        return;
    }
    ret_sample->run_ns = strtoull(at, &at, 10);
    ret_sample->wait_ns = strtoull(at, &at, 10);
    ret_sample->slices = strtoull(at, &at, 10);
}

int task_read_syscall(const struct task_watch *watch, long *ret_number, uint64_t *ret_argument)
{
    char text[256];

    if (read_file(watch->syscall, text, sizeof(text)) == 0)
        return -EAGAIN;
    if (!isdigit((unsigned char)text[0]) && text[0] != '-')
        return -EAGAIN;
    char *at;
    *ret_number = strtol(text, &at, 10);
    *ret_argument = *ret_number < 0 ? 0 : strtoull(at, NULL, 0);
    return 0;
}

/* An error of this process's own making, and not one that says that a task is gone. */
static int own_error(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOMEM ? -err : 0;
}

/* Calls visit for each number that a /proc folder lists as an entry's name. */
static int list_numbers(const char *path, void (*visit)(void *context, int number), void *context)
{
    DIR *folder = opendir(path);
    if (!folder)
        return own_error(errno);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (isdigit((unsigned char)entry->d_name[0]))
            visit(context, atoi(entry->d_name));
    }
    closedir(folder);
    return 0;
}

struct thread_list {
    pid_t *tids;
    unsigned count, max;
};

static void visit_thread(void *context, int number)
{
    struct thread_list *list = context;
    if (list->count < list->max)
        list->tids[list->count++] = number;
}

unsigned process_list_threads(pid_t pid, pid_t *ret_tids, unsigned max)
{
    struct thread_list list = {.tids = ret_tids, .max = max};
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    list_numbers(path, visit_thread, &list);
    return list.count;
}

/* Whether a thread of the process runs, or would if it had a CPU. */
static bool is_runnable(pid_t pid)
{
    pid_t tids[OBSERVE_THREADS_MAX];
    unsigned count = process_list_threads(pid, tids, OBSERVE_THREADS_MAX);
    bool runnable = false;

    for (unsigned i = 0; i < count && !runnable; i++) {
        unsigned threads;
        struct task_watch watch = {-1, -1, -1};
        watch.stat = open_task_file(pid, tids[i], "stat");
        runnable = watch.stat >= 0 && task_read_state(&watch, &threads) == TASK_RUNNING;
        task_watch_close(&watch);
    }
    return runnable;
}

struct family_look {
    pid_t server, group;
    bool runnable;
    char *states;
    size_t size, length;
};

static void visit_process(void *context, int number)
{
    struct family_look *look = context;
    char text[512];
    char state;
    int parent, group;

    int fd = open_task_file(number, number, "stat");
    if (fd < 0)
        return;
    size_t length = read_file(fd, text, sizeof(text));
    close(fd);
    const char *at = length > 0 ? strrchr(text, ')') : NULL;
    if (!at || sscanf(at, ") %c %d %d", &state, &parent, &group) != 3)
        return;
    if (number != look->server && parent != look->server && group != look->group)
        return;
    look->runnable |= is_runnable(number);
    if (look->length < look->size)
        look->length += (size_t)snprintf(look->states + look->length, look->size - look->length,
                                         "%s%d%s %c", look->length ? ", " : "", number,
                                         number == look->server ? " (the fork server)" : "", state);
}

bool family_is_runnable(pid_t server, pid_t group, char *ret_states, size_t size)
{
    struct family_look look = {
        .server = server, .group = group, .states = ret_states, .size = size};

    ret_states[0] = '\0';
    list_numbers("/proc", visit_process, &look);
    return look.runnable;
}

static int compare_items(const void *a, const void *b)
{
    const struct trace_item *x = a;
    const struct trace_item *y = b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return x->events < y->events ? -1 : x->events > y->events;
}

/* Reads the tfd lines of an fdinfo file ("tfd: 5 events: 19 data: 3 pos:0 ...") into the trace.
 * Returns how many, or -1 when there is no room. */
static int read_items(struct trace *trace, const char *text)
{
    unsigned count = 0;

    for (const char *at = strstr(text, "tfd:"); at; at = strstr(at, "tfd:")) {
        struct trace_item item;
        char *end;
        item.number = (int)strtol(at + 4, &end, 10);
        const char *events = strstr(end, "events:");
        const char *data = events ? strstr(events, "data:") : NULL;
        if (!data)
            return (int)count;
        item.events = (uint32_t)strtoul(events + 7, NULL, 16);
        item.data = strtoull(data + 5, NULL, 16);
        if (trace->nitems + count == TRACE_ITEMS_MAX)
            return -1;
        trace->items[trace->nitems + count++] = item;
        at = data;
    }
    return (int)count;
}

/* Long enough for an interest list of every step of a program: a line has under 100 characters. */
static _Thread_local char fdinfo[PROGRAM_STEPS_MAX * 128];

void list_watches_init(struct list_watches *watches)
{
    watches->count = 0;
}

void list_watches_close(struct list_watches *watches)
{
    for (unsigned i = 0; i < watches->count; i++)
        close(watches->open[i].fd);
    watches->count = 0;
}

static int open_fdinfo(pid_t task, int number)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", task, number);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The file of a descriptor's number, not of what was open there when it was opened: the kernel
 * looks the number up anew whenever the file is read. So it stays open for the rest of the run. */
static int find_fdinfo(struct list_watches *watches, pid_t task, int number, int *ret_fd)
{
    for (unsigned i = 0; i < watches->count; i++) {
        if (watches->open[i].task == task && watches->open[i].number == number) {
            *ret_fd = watches->open[i].fd;
            return 0;
        }
    }
    int fd = open_fdinfo(task, number);
    if (fd < 0)
        return -errno;
    struct list_watch *watch = &watches->open[watches->count % LIST_WATCHES_MAX];
    if (watches->count == LIST_WATCHES_MAX)
        close(watch->fd);
    else
        watches->count++;
    *watch = (struct list_watch){.task = task, .number = number, .fd = fd};
    *ret_fd = fd;
    return 0;
}

/* Returns 0 or a negative errno. */
static int read_fdinfo(struct list_watches *watches, pid_t task, int number)
{
    size_t length = 0;
    int fd = -1;

    int err = find_fdinfo(watches, task, number, &fd);
    if (err)
        return err;
    for (;;) {
        size_t room = sizeof(fdinfo) - 1 - length;
        ssize_t got = pread(fd, fdinfo + length, room, (off_t)length);
        if (got < 0)
            return -errno;
        length += (size_t)got;
        /* The kernel writes such a file in one piece. */
        if ((size_t)got < room)
            break;
    }
    fdinfo[length] = '\0';
    return 0;
}

int observe_interest(struct trace *trace, struct list_watches *watches, unsigned step,
                     unsigned process, pid_t task, int number, bool evidence)
{
    int err = number < 0 ? -ENOENT : read_fdinfo(watches, task, number);
    if (err)
        return own_error(-err);
    int count = read_items(trace, fdinfo);
    if (count < 0 || trace->nsnapshots == TRACE_SNAPSHOTS_MAX) {
        /* Evidence that finds no room is left out; what is compared must be whole. */
        trace->truncated |= !evidence;
        return 0;
    }
    qsort(&trace->items[trace->nitems], (size_t)count, sizeof(trace->items[0]), compare_items);
    trace->snapshots[trace->nsnapshots++] = (struct trace_snapshot){
        .step = (int16_t)step,
        .process = (uint8_t)process,
        .evidence = evidence,
        .number = number,
        .first = (uint16_t)trace->nitems,
        .nitems = (uint16_t)count,
    };
    trace->nitems += (unsigned)count;
    return 0;
}

static bool read_link(pid_t pid, int number, char *ret_target, size_t size)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, number);
    ssize_t length = readlink(path, ret_target, size - 1);
    if (length < 0)
        return false;
    ret_target[length] = '\0';
    return true;
}

struct interest_visit {
    struct trace *trace;
    struct list_watches *watches;
    unsigned step, process;
    pid_t pid;
    int err;
};

static void visit_interest(void *context, int number)
{
    struct interest_visit *visit = context;
    char target[64];

    if (number < PROGRAM_FD_LIMIT && read_link(visit->pid, number, target, sizeof(target)) &&
        strcmp(target, "anon_inode:[eventpoll]") == 0 && !visit->err)
        visit->err = observe_interest(visit->trace, visit->watches, visit->step, visit->process,
                                      visit->pid, number, true);
}

int observe_all_interest(struct trace *trace, struct list_watches *watches, unsigned step,
                         unsigned process, pid_t task)
{
    struct interest_visit visit = {
        .trace = trace, .watches = watches, .step = step, .process = process, .pid = task};
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fd", task);
    int err = list_numbers(path, visit_interest, &visit);
    return err ? err : visit.err;
}

struct table_visit {
    struct trace *trace;
    unsigned process;
    pid_t pid;
};

/* Link targets seen so far in the tables of one run, for numbering them by first appearance. */
static _Thread_local char targets[TRACE_FDS_MAX][64];

static void describe_target(const char *target, char what[22])
{
    size_t length = strcspn(target, ":");

    if (target[0] == '/')
        snprintf(what, 22, "%s", strcmp(target, "/dev/null") == 0 ? target : "file");
    else if (strncmp(target, "anon_inode:", 11) == 0)
        snprintf(what, 22, "%.21s", target + 11);
    else
        snprintf(what, 22, "%.*s", (int)(length > 21 ? 21 : length), target);
}

static void visit_table(void *context, int number)
{
    const struct table_visit *visit = context;
    struct trace *trace = visit->trace;

    if (number >= PROGRAM_FD_LIMIT)
        return;
    if (trace->nfds == TRACE_FDS_MAX) {
        trace->truncated = true;
        return;
    }
    struct trace_fd *fd = &trace->fds[trace->nfds];
    char *target = targets[trace->nfds];
    if (!read_link(visit->pid, number, target, sizeof(targets[0])))
        return;
    *fd = (struct trace_fd){.process = (uint8_t)visit->process, .number = number};
    describe_target(target, fd->what);
    fd->identity = (uint16_t)trace->nfds;
    for (unsigned i = 0; i < trace->nfds; i++) {
        if (strcmp(targets[i], target) == 0) {
            fd->identity = trace->fds[i].identity;
            break;
        }
    }
    trace->nfds++;
}

int observe_fd_table(struct trace *trace, unsigned process, pid_t task)
{
    struct table_visit visit = {.trace = trace, .process = process, .pid = task};
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fd", task);
    return list_numbers(path, visit_table, &visit);
}
