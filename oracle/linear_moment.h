/*
 * Inside linear_kernel.h: one moment, and what the files of it ask of each other.
 *
 *   linear_kernel.c  states, calls that the model carries out, numbers and the files they name
 *   linear_epoll.c   interest lists and ready lists: whom a call wakes, what a wait finds
 */
#ifndef EPDIFF_ORACLE_LINEAR_MOMENT_H
#define EPDIFF_ORACLE_LINEAR_MOMENT_H

#include "oracle/linear_kernel.h"

/* One call of linear_moment. */
struct moment {
    struct linear_state *state;
    struct model *model;
    struct flight *flight;
    const struct step *step;
    const struct op_info *op;
    const struct trace *trace;
    const struct trace_step *observed;
    unsigned index;
    struct model_tape tape;
    struct model_report report;
};

static inline enum linear_step moment_allow_if(bool allowed)
{
    return allowed ? LINEAR_ALLOWED : LINEAR_REFUSED;
}

/* --- linear_kernel.c --- */

/* The call by the model, with the files that it has found before, whatever its numbers name now. */
enum linear_step moment_carry_out_resolved(struct moment *moment);
/* The file of the call's i-th descriptor argument. */
int moment_file_of(struct moment *moment, unsigned i);
/* Order aside: the ready list's order is the wakeups', and those run at once. */
bool moment_same_events(const struct trace_event *a, const struct trace_event *b, unsigned count);
/* A wait that would hand out `nevents` events, and they are not the observed ones. */
enum linear_step moment_mismatch(const struct moment *moment, unsigned nevents);

/* --- linear_epoll.c --- */

/* MOMENT_ACT: reading, writing and epoll_ctl. */
enum linear_step moment_act(struct moment *moment);
/* MOMENT_WAKE: up to `count` callbacks. */
enum linear_step moment_wake(struct moment *moment, unsigned count);
/* MOMENT_START, MOMENT_SCAN, MOMENT_FINISH */
enum linear_step moment_start_scan(struct moment *moment);
enum linear_step moment_scan_one(struct moment *moment);
enum linear_step moment_finish_scan(struct moment *moment);

#endif
