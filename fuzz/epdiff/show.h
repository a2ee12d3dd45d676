/* Programs, traces and verdicts for people and for other programs. */
#ifndef EPDIFF_EPDIFF_SHOW_H
#define EPDIFF_EPDIFF_SHOW_H

#include "fuzz/epdiff/examine.h"

#include <jansson.h>
#include <stdio.h>

/* One column of the side-by-side table. */
struct show_column {
    const char *name;
    const struct trace *trace;
    const struct verdict *verdict; /* against the first column; NULL for the first */
};

/*
 * Prints every step with what it came to in each column, and behind the steps the blocked calls
 * that returned there. The step where a verdict diverges first has a '>' in front.
 */
void show_table(FILE *out, const struct program *program, const struct show_column *columns,
                unsigned ncolumns);

/* Prints text wrapped at `width` columns, each line behind `indent`. */
void show_wrapped(FILE *out, const char *text, unsigned width, const char *indent);

/* "fd-reuse, hazard B2" */
void show_verdict_title(FILE *out, const struct verdict *verdict);

/*
 * Prints what an examination came to: "NAME: equal", or the verdict with its explanation, the
 * model's opinion and the signature. `confirmed` of `rounds` fresh runs showed it again.
 */
void show_examination(FILE *out, const char *name, const struct examination *examination,
                      bool metamorphic, unsigned confirmed, unsigned rounds);

/* The trace as JSON: an array of steps. The caller owns the reference. */
json_t *show_trace_json(const struct trace *trace);

/* The verdict as JSON: class, hazard, step, signature, explanation. The caller owns the reference.
 */
json_t *show_verdict_json(const struct verdict *verdict);

/* Writes one JSON line to stdout and drops the reference. Returns 0 or -EIO. */
int show_json_line(json_t *value);

#endif
