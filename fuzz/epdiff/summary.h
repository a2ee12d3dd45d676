/* What fuzz and enumerate count, and the line of pairs that they end with. */
#ifndef EPDIFF_EPDIFF_SUMMARY_H
#define EPDIFF_EPDIFF_SUMMARY_H

#include "fuzz/epdiff/cli.h"

enum {
    SUMMARY_DEFERRAL_EVERY = 64, /* programs between two measurements of deferral */
};

struct summary_counters {
    uint64_t programs, divergent, unstable, order;
    uint64_t unlisted; /* divergent, by a signature that is not known */
    uint64_t beyond;   /* of which the model knows only a part, or that pass the subject by */
    uint64_t threads, processes, woken, nested;
    uint64_t eligible, deferred;
};

/* What a program is made of, and what its native run showed: sets the counters of the fractions. */
void summary_measure(const struct trace *native, struct summary_counters *counters);

/* Adds one program. It counts once, whatever the number of subjects: as divergent, else as
 * unstable, else as order-only. */
void summary_add(struct summary_counters *counters, const struct summary_counters *program);

/* What the line says beside the counters. */
struct summary_end {
    unsigned signatures;
    bool listing;   /* there is a known list */
    unsigned known; /* of the signatures, those that it names */
    uint64_t start_ms;
    const char *key; /* of the command's own number: "seed" */
    uint64_t value;
};

/* Prints the line, or the same as JSON. Returns STATUS_OK or STATUS_HARNESS. */
int summary_print(const struct cli_options *options, const struct summary_counters *counters,
                  const struct summary_end *end);

#endif
