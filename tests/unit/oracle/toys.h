/* Small sequential models and histories for the tests of the search: a register, a queue, a set,
 * and a box of which two halves are filled at two instants. */
#ifndef EPDIFF_TESTS_ORACLE_TOYS_H
#define EPDIFF_TESTS_ORACLE_TOYS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oracle/linear.h"

enum toy {
    TOY_WRITE,   /* register: set it to `value` */
    TOY_READ,    /* register: `result` was read */
    TOY_ENQUEUE, /* queue: append `value` */
    TOY_DEQUEUE, /* queue: `result` came out, -1 if it was empty */
    TOY_ADD,     /* set: add `value`; `result` 1 if it was not there */
    TOY_REMOVE,  /* set: remove `value`; `result` 1 if it was there */
    TOY_HAS,     /* set: `result` 1 if `value` is there */
    TOY_FLIP,    /* register: becomes `value` or stays, the model cannot know which */
    TOY_WHAT,    /* the model does not know this operation */
};

struct toy_call {
    unsigned called, returned;
    enum toy toy;
    int value, result;
    unsigned stage;
    bool follows; /* a further effect of the call before */
};

struct toys {
    const struct toy_call *calls;
    struct linear_history history;
    struct linear_problem problem;
    unsigned dead_ends;
    unsigned deepest; /* dead end */
};

/* A problem in which every call is required. */
void toys_set(struct toys *toys, const struct toy_call *calls, unsigned ncalls);
#define TOYS(toys, calls) toys_set(toys, calls, sizeof(calls) / sizeof((calls)[0]))

/* Searches, and fails the test unless the verdict is this one and an order found is possible. */
void toys_expect(struct toys *toys, enum linear_verdict verdict, struct linear_result *ret_result);

/* States that are not freed. */
extern int toys_alive;

#endif
