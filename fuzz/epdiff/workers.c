/* Worker threads, each pinned to a CPU with an examiner of its own. */
#include "fuzz/epdiff/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct pool {
    const struct cli_options *options;
    worker_function *function;
    void *context;
    unsigned jobs;
    pthread_mutex_t lock;
    int err;
    char why[EXECUTE_WHY_MAX + 1];
};

struct thread {
    struct pool *pool;
    unsigned index;
    int cpu;
    pthread_t handle;
};

static volatile int stopping;

bool workers_stopping(void)
{
    return stopping || cli_interrupted();
}

unsigned workers_default(void)
{
    int cpus[CLI_JOBS_MAX];
    return cli_list_cpus(cpus, CLI_JOBS_MAX);
}

static void note_failure(struct pool *pool, int err, const char *why)
{
    pthread_mutex_lock(&pool->lock);
    if (!pool->err) {
        pool->err = err;
        snprintf(pool->why, sizeof(pool->why), "%s", why);
    }
    stopping = 1;
    pthread_mutex_unlock(&pool->lock);
}

static void *thread_main(void *argument)
{
    const struct thread *thread = argument;
    struct pool *pool = thread->pool;
    struct worker worker = {.index = thread->index, .count = pool->jobs, .context = pool->context};
    struct examine_options options = pool->options->examine;
    char why[EXECUTE_WHY_MAX + 1] = "";

    options.executor.cpu = thread->cpu;
    int err = examiner_start(pool->options->subjects, pool->options->nsubjects, &options,
                             &worker.examiner, why);
    if (!err)
        err = pool->function(&worker, why);
    /* An interruption is no failure, at the start as little as later; cli_interrupted tells. */
    if (err && err != -EINTR)
        note_failure(pool, err, why);
    /* The servers die with the thread that started them, so they are ended here. */
    examiner_stop(worker.examiner);
    return NULL;
}

int workers_run(const struct cli_options *options, unsigned jobs, worker_function *function,
                void *context, char *ret_why)
{
    struct pool pool = {.options = options,
                        .function = function,
                        .context = context,
                        .jobs = jobs,
                        .lock = PTHREAD_MUTEX_INITIALIZER};
    struct thread threads[CLI_JOBS_MAX];
    int cpus[CLI_JOBS_MAX];
    unsigned ncpus = cli_list_cpus(cpus, CLI_JOBS_MAX);
    unsigned started = 0;

    stopping = 0;
    for (; started < jobs; started++) {
        threads[started] =
            (struct thread){.pool = &pool, .index = started, .cpu = cpus[started % ncpus]};
        int err = pthread_create(&threads[started].handle, NULL, thread_main, &threads[started]);
        if (err) {
            note_failure(&pool, -err, "no room for a worker thread");
            break;
        }
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i].handle, NULL);
    if (pool.err)
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "%s", pool.why);
    return pool.err;
}
