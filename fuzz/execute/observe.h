/* What /proc tells about the program's processes, read from outside them. */
#ifndef EPDIFF_EXECUTE_OBSERVE_H
#define EPDIFF_EXECUTE_OBSERVE_H

#include "oracle/trace.h"

#include <sys/types.h>

enum task_state {
    TASK_RUNNING,  /* on a CPU, or it would be */
    TASK_SLEEPING, /* or stopped */
    TASK_ENDED,    /* a zombie, or gone */
};

/* The /proc files of one task, kept open: a pass over all tasks is then a few reads. */
struct task_watch {
    int stat, schedstat, syscall; /* -1 while closed */
};

struct task_sample {
    uint8_t state;    /* enum task_state */
    unsigned threads; /* of its process, 0 when it has ended */
    uint64_t run_ns, wait_ns,
        slices; /* schedstat: time on a CPU, time waiting for one, times it was put on one */
};

/* Returns 0 or a negative errno; -ESRCH or -ENOENT: the task is gone. */
int task_watch_open(struct task_watch *watch, pid_t pid, pid_t tid);
void task_watch_close(struct task_watch *watch);
bool task_watch_is_open(const struct task_watch *watch);

/* State only: one read. *ret_threads is the number of threads of its process, 0 once the task has
 * been released: a thread that is ending can still be counted. */
enum task_state task_read_state(const struct task_watch *watch, unsigned *ret_threads);

/* Everything of a sample. */
void task_read_sample(const struct task_watch *watch, struct task_sample *ret_sample);

/*
 * The system call in which the task sleeps and its first argument. Returns 0, or -EAGAIN if it is
 * running or has ended. A number of -1: it is blocked outside any system call.
 */
int task_read_syscall(const struct task_watch *watch, long *ret_number, uint64_t *ret_argument);

/* Thread ids of a process, at most `max`. Returns how many. */
unsigned process_list_threads(pid_t pid, pid_t *ret_tids, unsigned max);

/*
 * Whether some thread of the server, of its children or of the process group runs, or would if it
 * had a CPU. *ret_states lists these processes with the state of each: "17 (the fork server) S, 18
 * D".
 */
bool family_is_runnable(pid_t server, pid_t group, char *ret_states, size_t size);

enum {
    LIST_WATCHES_MAX = 16,
};

/* The fdinfo files that a run has looked at, kept open: most lists are read more than once. */
struct list_watches {
    unsigned count;
    struct list_watch {
        pid_t task;
        int number;
        int fd;
    } open[LIST_WATCHES_MAX];
};

void list_watches_init(struct list_watches *watches);
void list_watches_close(struct list_watches *watches);

/*
 * Each of the following adds to the trace what it sees of a process by one of its tasks, which must
 * be alive. They return 0, or a negative errno if this process lacks the room to look (-EMFILE):
 * what the program lacks is no error.
 */

/* A snapshot of the interest list of epoll fd `number`. A number that is not open gives none. */
int observe_interest(struct trace *trace, struct list_watches *watches, unsigned step,
                     unsigned process, pid_t task, int number, bool evidence);

/* The same for every epoll fd that the process has below PROGRAM_FD_LIMIT. */
int observe_all_interest(struct trace *trace, struct list_watches *watches, unsigned step,
                         unsigned process, pid_t task);

/* The fd table: numbers below PROGRAM_FD_LIMIT. */
int observe_fd_table(struct trace *trace, unsigned process, pid_t task);

#endif
