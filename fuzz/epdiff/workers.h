/* Worker threads, each pinned to a CPU with an examiner of its own. */
#ifndef EPDIFF_EPDIFF_WORKERS_H
#define EPDIFF_EPDIFF_WORKERS_H

#include "fuzz/epdiff/cli.h"

struct worker {
    unsigned index, count;
    struct examiner *examiner;
    void *context;
};

/* Does the worker's share. Returns 0 or a negative errno with one line in *ret_why; that stops the
 * others too. */
typedef int worker_function(struct worker *worker, char *ret_why);

/*
 * Runs `jobs` workers and waits for all. Returns 0, also when interrupted, or the first negative
 * errno with its line in *ret_why
 */
int workers_run(const struct cli_options *options, unsigned jobs, worker_function *function,
                void *context, char *ret_why);

/* True once a worker has failed or the user wants an end: whoever loops should stop. */
bool workers_stopping(void);

/* The number of workers when -j is not given: one a CPU. */
unsigned workers_default(void);

#endif
