/* Shrinking a divergence: the smallest program that still has the same signature. */
#ifndef EPDIFF_EPDIFF_REDUCE_H
#define EPDIFF_EPDIFF_REDUCE_H

#include "fuzz/epdiff/examine.h"

#include <stdint.h>

enum {
    REDUCE_TESTS_MAX = 600,
};

/*
 * Replaces *program by the smallest program found that is stable, diverges with `signature` under
 * the subject, and is confirmed. `deadline_ms` (of executor_now_ms, 0: none) ends the search early
 * with what it has. Returns 0, -EINTR, or another negative errno with one line in *ret_why;
 * *program is then the smallest so far or as it was.
 */
int reduce_program(struct examiner *examiner, struct program *program, unsigned subject,
                   const char *signature, uint64_t deadline_ms, char *ret_why);

#endif
