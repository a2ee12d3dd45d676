/* Traces that an engine's bytes decide: what the target `trace` shows to the oracle. */
#ifndef EPDIFF_TARGETS_TRACE_EDIT_H
#define EPDIFF_TARGETS_TRACE_EDIT_H

#include "oracle/trace.h"

/* Bytes being read; behind their end there are zeros. */
struct choices {
    const uint8_t *bytes;
    size_t size;
    size_t at;
};

uint8_t choices_take(struct choices *choices);
bool choices_left(const struct choices *choices);

/* When the subject carried a ctl out: at its own step, at a later one, or never (nsteps). */
struct deferral {
    uint16_t at[PROGRAM_STEPS_MAX];
};

void deferral_init(struct deferral *ret_deferral);

/*
 * Changes one thing of the trace, within what a trace can hold (oracle/trace.h): every index is
 * one, arrays stay within their bounds, a step returns at or behind its turn.
 */
void trace_edit(struct trace *trace, struct deferral *deferral, struct choices *choices);

/*
 * Adds the interest list of every epoll fd after every step, as a kernel would have it that met the
 * ctls when `deferral` says. `compared`: every so many steps it is a flush point, 0: none is. With
 * `witness` also what reached that kernel. What there is no room for marks the trace as truncated.
 */
void trace_observe(struct trace *trace, const struct deferral *deferral, unsigned compared,
                   bool witness);

#endif
