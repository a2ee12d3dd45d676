/*
 * The counters that an engine is guided by: a byte an edge of the shim's own code, which the
 * processes of the program count in shared memory (shim/edges.c), and a byte a feature of the pair
 * of runs (features.h), by its hash. Nothing of the tool itself is counted: who looks for new
 * behaviour of the shim does not want to be led through the oracle.
 *
 * Features are there or not; an edge counts how often, which engines take in powers of two.
 */
#ifndef EPDIFF_GUIDE_GUIDE_H
#define EPDIFF_GUIDE_GUIDE_H

#include "oracle/judge.h"

enum {
    GUIDE_EDGES = 8192,     /* more than the shim has; what is beyond is not counted */
    GUIDE_FEATURES = 57344, /* a few thousand are ever seen: two rarely share a counter */
    GUIDE_COUNTERS = GUIDE_EDGES + GUIDE_FEATURES, /* 65,536: AFL++'s map as it is by itself */
    GUIDE_WHY_MAX = 511,
};

struct guide;

/*
 * Makes the memory for the edges. Returns 0 with a new guide (free with guide_free), or a negative
 * errno with one line in *ret_why (GUIDE_WHY_MAX + 1 bytes).
 */
int guide_new(struct guide **ret_guide, char *ret_why);
void guide_free(struct guide *guide);

/* The path under which the shim's processes find it: while the guide lives, for whoever may look
 * into this process. */
const char *guide_path(const struct guide *guide);

/* Before the subject's run: no edge is counted. */
void guide_clear(struct guide *guide);

/* Behind it: adds the edges that were counted since, and the features of the two runs, to
 * *counters. */
void guide_collect(const struct guide *guide, const struct trace *native,
                   const struct trace *subject, const struct verdict *verdict,
                   uint8_t counters[GUIDE_COUNTERS]);

/* How many different edges were counted since guide_clear. */
unsigned guide_count_edges(const struct guide *guide);

#endif
