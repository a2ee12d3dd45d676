/*
 * The executor seen from the tool: starts a fork server for one subject, runs programs in it, hands
 * out traces.
 *
 * The controller (this side) forces the schedule and watches for quiescence from outside the
 * program's processes; the server (fuzz/execute/exec_main.c, the binary epdiff-exec) forks one
 * process per run, whose threads and children are the actors. They share memory and nothing else:
 * the program's processes hold no descriptor of the harness.
 */
#ifndef EPDIFF_EXECUTE_EXECUTE_H
#define EPDIFF_EXECUTE_EXECUTE_H

#include "fuzz/execute/subject.h"
#include "fuzz/program/program.h"
#include "oracle/trace.h"

enum {
    EXECUTE_WHY_MAX = 511,
};

enum execute_flags {
    /* Snapshot every interest list after every step, beside those that are compared: costs, for
       explanations. */
    EXECUTE_EVIDENCE = 1 << 0,
    /*
     * The run may take place in the process that a run before it left, and leave its own to the
     * next: for the native side of a first look, where a fork is most of the cost. Only a program
     * of one thread that came to its end leaves its process; whatever it left open is closed first.
     * Nothing is reported on such a run.
     */
    EXECUTE_SHARED = 1 << 1,
};

struct executor;

struct executor_options {
    int cpu;              /* CPU that controller and program share, or -1 not to pin */
    unsigned watchdog_ms; /* how long a stuck actor may stay unchanged inside the subject; 0: the
                             default, 1000 */
    unsigned start_ms;    /* how long a subject may take to start; 0: the default, 20000 */
};

/*
 * Starts a server for `subject`. Returns 0 with a new executor in *ret_executor (free with
 * executor_stop), or a negative errno with one line in *ret_why (EXECUTE_WHY_MAX + 1 bytes): no
 * executor binary, no room for a process, a library that cannot be loaded, a subject that refuses
 * to start (with what it said).
 */
int executor_start(const struct subject *subject, const struct executor_options *options,
                   struct executor **ret_executor, char *ret_why);

/*
 * Runs `program` once in a new process and fills in *ret_trace, which borrows `program`. A crash or
 * hang of the program is in the trace; the executor stays usable. Returns 0, or a negative errno
 * with one line in *ret_why if the harness could not do its work (the server died, no process could
 * be forked) or -EINTR after executor_interrupt.
 */
int executor_run(struct executor *executor, const struct program *program, unsigned flags,
                 struct trace *ret_trace, char *ret_why);

/* Makes every executor_run in progress, and every later one, return -EINTR soon. Async-signal-safe.
 */
void executor_interrupt(void);

/* Ends the server and whatever its programs left. Accepts NULL. */
void executor_stop(struct executor *executor);

/* Milliseconds of the monotonic clock. */
uint64_t executor_now_ms(void);

const struct subject *executor_subject(const struct executor *executor);

#endif
