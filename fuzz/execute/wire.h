/*
 * The memory that the controller, the server and the program's processes share. Everything they
 * tell each other goes through it, so that the program's processes hold no descriptor of the
 * harness.
 *
 * Who writes what: the controller writes `request`, `over`, the program and each actor's orders;
 * the server writes its state and the reaped list; an actor writes its own row, the results of its
 * steps and the slots that they bind.
 */
#ifndef EPDIFF_EXECUTE_WIRE_H
#define EPDIFF_EXECUTE_WIRE_H

#include "fuzz/program/program.h"
#include "oracle/trace.h"

#include <limits.h>
#include <sys/types.h>

enum {
    WIRE_MAGIC = 0x65706466, /* "epdf" */
    WIRE_REAPED_MAX = 64,
    WIRE_CPUS_MAX = 64,      /* CPUs that parallel blocks use; more are left alone */
    WIRE_CPU_NUMBERS = 1024, /* CPUs have lower numbers than this */
    WIRE_FD = 3,             /* where the server finds the memory when it starts */
    SERVER_NOFILE =
        1024, /* RLIMIT_NOFILE: a subject's own descriptors fit above PROGRAM_FD_LIMIT */
    SERVER_ALARM_S = 300, /* a process of a program that outlives everything is ended by SIGALRM */
    WIRE_ROAD_MAX = 63,
    IMAGE_ARGUMENTS = 4,     /* argc of a new image: name, "actor", the road, which actor it is */
    SERVER_EXIT_HARNESS = 3, /* the server's exit status when it cannot do its work */
};

/* What a step came to, written by its actor. */
struct wire_result {
    uint32_t returned; /* last to be written */
    int32_t err;
    int64_t ret;
    int32_t fds[PROGRAM_OUTS_MAX];
    uint64_t digest;
    uint32_t nevents;
    uint32_t first_event; /* of wire.events */
    uint32_t handled;     /* of a tgkill: its handler has run; written last */
    int32_t handler_ret, handler_err;
    uint32_t called, came_back; /* stamps, in a parallel block */
};

/* Orders that are no steps, as wire_actor.first. */
enum {
    WIRE_ORDER_QUIT = 0xfffffffe, /* the thread ends */
    WIRE_ORDER_RESET =
        0xffffffff, /* joins the threads that have quit, closes what the program left open */
};

struct wire_actor {
    _Alignas(64) uint32_t order; /* controller: bumped when first and last are set */
    uint32_t first, last;        /* steps to do, both included; last shrinks if one falls asleep */
    uint32_t done;               /* actor: equals `order` when the order is carried out */
    uint32_t ready;              /* actor: it waits for orders; pid and tid are set */
    uint32_t current;            /* actor: number of the step it is in, 0 for none */
    int32_t pid, tid;
    uint32_t gone;                /* controller: it has ended; its tid means somebody else */
    uint32_t handles;             /* of a process's main actor: SIGUSR1 is not ignored */
    uint32_t signalled;           /* number of the tgkill whose signal has not been handled yet */
    uint32_t handling;            /* it is inside its handler */
    uint64_t join_low, join_high; /* a join sleeps in futex on an address between these */
};

/* An epoll_ctl that reached the kernel, written by the witness library (witness.c). */
struct wire_carried {
    int32_t tid;
    struct trace_carried call;
};

struct wire_reaped {
    int32_t pid;
    int32_t status; /* as waitpid */
};

struct wire {
    uint32_t magic;
    uint32_t size; /* sizeof(struct wire): both sides must be of one build */
    /* A path by which a new program image opens this memory: the controller's own descriptor. */
    char road[WIRE_ROAD_MAX + 1];
    uint32_t bell; /* bumped whenever the controller may have something to see */
    uint32_t server_ready;
    uint32_t request; /* controller: number of the run wanted; server sleeps on it */
    uint32_t over; /* controller: equals `request` when the run is to be cleared away; server sleeps
                      on it */
    uint32_t finished;   /* server: equals `request` when every process of the run is gone */
    int32_t fork_error;  /* server: errno of a run that could not be started */
    int32_t root;        /* server: pid of the run's first process, leader of its process group */
    uint32_t root_ended; /* server: one of its children has ended */
    uint32_t nreaped;
    struct wire_reaped reaped[WIRE_REAPED_MAX];
    uint32_t now;      /* controller: index of the step whose turn it is */
    uint32_t ncarried; /* witness: how many it saw, also those that found no room */
    uint32_t nevents;  /* actors: how much of `events` is given out */
    uint32_t arrived;  /* actors: how many stand at the start of the parallel block */
    uint32_t awaited;  /* controller: how many it waits for */
    uint32_t stamp;    /* actors: calls and returns in parallel blocks so far */
    uint64_t disturb;  /* controller: seed of the delays in parallel blocks, differs run by run */
    uint32_t ncpus;    /* controller: those that the actors of a block are spread over */
    uint16_t cpus[WIRE_CPUS_MAX];
    /* Every process maps each page that it touches anew, so what all of them need lies together,
     * and nothing here takes more room than it needs. */
    int32_t slots[PROGRAM_SLOTS_MAX];
    struct wire_actor actors[PROGRAM_ACTORS_MAX];
    struct wire_result results[PROGRAM_STEPS_MAX];
    struct trace_event events[PROGRAM_STEPS_MAX * PROGRAM_EVENTS_MAX];
    struct wire_carried carried[TRACE_CARRIED_MAX];
    struct program program;
    /* What open("/proc/self/exe") of a program opens: the plain executor, whichever runs it, for
     * what a file holds can be read. */
    char executable[PATH_MAX + 16];
};

#endif
