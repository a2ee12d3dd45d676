/*
 * The oracle: compares two traces of one program, finds the first divergence, names its class and
 * hazard, and says in terms of the program's steps what happened. Pure: it runs nothing and keeps
 * nothing.
 */
#ifndef EPDIFF_ORACLE_JUDGE_H
#define EPDIFF_ORACLE_JUDGE_H

#include "oracle/trace.h"

enum {
    SIGNATURE_MAX = 159,
    EXPLANATION_MAX = 1023,
};

enum contract {
    CONTRACT_EXACT,
    CONTRACT_LATE_ERROR, /* an error may surface at a later call on the same epoll fd */
};

/* classes.def: errno-lost, errno-late, … One row each. */
enum divergence_class {
#define CLASS(id, name, doc) CLASS_##id,
#include "oracle/classes.def"
#undef CLASS
    CLASSES,
};

/* hazards.def: A1 … J8. One row each; HAZARD_NONE when no rule explains the divergence. */
enum hazard {
    HAZARD_NONE,
#define HAZARD(code, title) HAZARD_##code,
#include "oracle/hazards.def"
#undef HAZARD
    HAZARDS,
};

extern const char *const class_names[CLASSES];
extern const char *const hazard_codes[HAZARDS]; /* "-" for HAZARD_NONE */
extern const char *const hazard_titles[HAZARDS];

struct verdict {
    bool equal;
    bool strict_only; /* the two differ in the order of events alone: class `order`, allowed and
                         counted */
    enum divergence_class class;
    enum hazard hazard;
    unsigned step;     /* index of the step at which the traces first differ */
    unsigned observer; /* index of the step whose result differs: `step`, or an earlier one that
                          returned there */
    int culprit;       /* index of the operation that went wrong, or -1 */
    bool room;         /* both waits were full: only a rerun with more room tells order from a real
                          difference */
    char signature[SIGNATURE_MAX + 1];     /* "fd-reuse/B2/add-close-eventfd-wait" */
    char explanation[EXPLANATION_MAX + 1]; /* sentences for people, without newline */
};

struct judge_options {
    enum contract contract;
    bool strict_order;
    bool computed; /* the subject's trace is the model's: no hazard is to blame */
};

/*
 * Judges `subject` against `native`, two complete traces of the same program. Evidence snapshots,
 * where the traces have them, make class, hazard and explanation exact; without them they are what
 * the results alone tell. Cannot fail.
 */
void judge_traces(const struct trace *native, const struct trace *subject,
                  const struct judge_options *options, struct verdict *ret_verdict);

/*
 * True if the verdict is what an expectation line says: "equal", "CLASS HAZARD" where CLASS may be
 * without its detail
 * ("errno" for "errno-lost"), or a whole signature.
 */
bool verdict_matches(const struct verdict *verdict, const char *expectation);

/*
 * A verdict on one program with and without flush points, both under the subject, bears a mark in
 * front of its signature, and its explanation begins with what was compared: the run with flush
 * points stands where native does otherwise. It must not be equal.
 */
#define SIGNATURE_METAMORPHIC "metamorphic/"
void verdict_mark_metamorphic(struct verdict *verdict);

/* True for a signature, or an expectation, with that mark. */
bool signature_is_metamorphic(const char *signature);

/* Checks the wording of an expectation. Returns 0, or -EINVAL with one line in *ret_why. */
int verdict_check_expectation(const char *expectation, char *ret_why, size_t size);

#endif
