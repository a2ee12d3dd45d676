/* What a state looks like from outside: the parts of a trace that are read off it. */
#ifndef EPDIFF_ORACLE_MODEL_PICTURE_H
#define EPDIFF_ORACLE_MODEL_PICTURE_H

#include "oracle/model/state.h"

/*
 * Appends to the trace the interest lists that the executor reads when `step` is over: those of the
 * waits that came back or fell asleep during it, as `returned` (by step) and `asleep` tell.
 */
void model_picture_lists(const struct model *model, unsigned step,
                         const struct model_report *report, struct trace *trace);

/* Appends the descriptor tables of all living processes, as at the end of a run. */
void model_picture_tables(const struct model *model, struct trace *trace);

#endif
