/*
 * What is worth remembering of a pair of runs: small facts about what the subject was asked and
 * what it did, each with a number. An engine keeps an input that shows a fact that no other input
 * has shown.
 *
 * Four kinds. What a step is like while the subject has something pending: its operation, the state
 * of the descriptor that it names, how much of what is pending has to do with it, how much was
 * carried out meanwhile, and the native result. What was pending across it: the deferred operation,
 * the kind of step that it was deferred across, and what the two have in common; every hazard is
 * such a crossing that went wrong, so these are the oracle's near misses. What was carried out
 * together, and at what kind of step. And the signature, when the oracle has something to say.
 *
 * Two runs that differ show their signature and nothing else. What follows a difference is
 * consequence, and children of such a program mostly end in the same difference: an engine should
 * go on from programs that have much pending and still agree.
 *
 * All of it comes from the traces alone, so it is there for every subject that can be preloaded,
 * instrumented or not.
 */
#ifndef EPDIFF_GUIDE_FEATURES_H
#define EPDIFF_GUIDE_FEATURES_H

#include "oracle/judge.h"

/* Takes a feature: equal facts have equal numbers, in every process and on every machine. */
typedef void feature_sink(void *context, uint64_t feature);

/*
 * Calls `sink` for the features of a program's native run and the subject's. A feature may be
 * handed out more than once. Truncated runs show none.
 */
void features_collect(const struct trace *native, const struct trace *subject,
                      const struct verdict *verdict, feature_sink *sink, void *context);

#endif
