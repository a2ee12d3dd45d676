/*
 * The history of a run with parallel blocks: whether some order of the calls in them, with
 * everything before and behind, is one that the model explains. Pure: it judges what was recorded
 * and runs nothing.
 */
#ifndef EPDIFF_ORACLE_HISTORY_H
#define EPDIFF_ORACLE_HISTORY_H

#include "oracle/linear.h"
#include "oracle/model/model.h"
#include "oracle/trace.h"

enum {
    HISTORY_WHY_MAX = 255,
    HISTORY_SIGNATURE_MAX = 127,
    HISTORY_WITNESS_MAX = 8191,
    HISTORY_ORDERS_MAX = 3, /* orders that a witness shows */
};

struct history_verdict {
    enum linear_verdict verdict;
    unsigned nodes;                /* how much was searched */
    unsigned false_empties;        /* ok: waits that are explained only by rule 27 */
    unsigned step;                 /* violation: the step behind whose return it was there */
    char why[HISTORY_WHY_MAX + 1]; /* unknown: the reason */
    /* Violation: "parallel/epoll_ctl-epoll_wait", the operations of the witness. */
    char signature[HISTORY_SIGNATURE_MAX + 1];
    /* Violation: the witness for people, several lines. */
    char witness[HISTORY_WITNESS_MAX + 1];
};

/*
 * Judges a run. `nodes_max` bounds the search, 0: LINEAR_NODES_MAX. Returns 0 or -ENOMEM.
 */
int history_judge(const struct trace *trace, const struct model_facts *facts, unsigned nodes_max,
                  struct history_verdict *ret_verdict);

/*
 * The recorded history as text: a line for each call with what it came to, those of a block with
 * their stamps, each behind `indent`. As snprintf.
 */
size_t history_print(const struct trace *trace, const char *indent, char *out, size_t size);

#endif
