/* Inside the executor: what server.c (its life) and controller.c (a run) share. */
#ifndef EPDIFF_EXECUTE_EXECUTOR_H
#define EPDIFF_EXECUTE_EXECUTOR_H

#include "fuzz/execute/execute.h"
#include "fuzz/execute/observe.h"
#include "fuzz/execute/wire.h"

enum {
    EXECUTOR_POLL_MS =
        2, /* how often a sleeping controller looks whether who it waits for is alive */
    EXECUTOR_STEP_MS = 20,     /* so much of the time between two looks counts at most */
    EXECUTOR_START_MS = 20000, /* a server that is not up by then never will be */
    EXECUTOR_KILL_MS = 20000,  /* who was killed and is not even runnable for so long never ends */
    EXECUTOR_STARVED_MS = 600000, /* what is killed and runnable is waited for, up to this */
    EXECUTOR_LOOK_MS = 100,       /* how often it is looked whether it is */
    EXECUTOR_WATCHDOG_MS = 1000,
    EXECUTOR_HELPERS_MAX =
        16, /* threads of a process that are no actors: io_uring workers, a subject's own */
};

/*
 * Milliseconds for deadlines, as this thread has seen them pass: it has to ask every few of them.
 * The clock goes on while the controller gets no CPU, and where a virtual machine is stopped for a
 * minute those who are waited for were, too. That says nothing of them.
 */
uint64_t executor_seen_ms(void);

struct executor {
    struct subject subject;
    struct executor_options options;
    pid_t server;      /* 0: not running */
    int server_status; /* how it ended, as waitpid tells, once it has */
    int errors; /* read end of the pipe that is the server's stderr until it is up, -1 after */
    struct wire *wire;
    uint64_t runs; /* so far: no two disturb their parallel blocks alike */
    int wire_fd;   /* kept open for wire.road, -1 before */
    bool warm;     /* a shared run has left its process, which waits for orders */
};

/* Sleeps until the bell rings past `bell`, at most `milliseconds`. */
void executor_wait_bell(struct executor *executor, uint32_t bell, unsigned milliseconds);

/* True after executor_interrupt. */
bool executor_interrupted(void);

/* True if the server has ended; reaps it. */
bool executor_server_ended(struct executor *executor);

#endif
