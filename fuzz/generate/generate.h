/*
 * Makes programs: random generation and shrinking. Enumeration and mutation have their room here.
 */
#ifndef EPDIFF_GENERATE_GENERATE_H
#define EPDIFF_GENERATE_GENERATE_H

#include "fuzz/program/program.h"

/*
 * Writes the program that belongs to (seed, index). The same pair gives the same program on every
 * machine and in every order of calls. Cannot fail. The program decodes from bytes: program_encode
 * succeeds on it.
 */
void generate_program(uint64_t seed, uint64_t index, struct program *ret_program);

/* What a generated program is made of, for the summary line. */
struct generate_mix {
    bool threads;   /* more than one thread */
    bool processes; /* more than one process */
    bool nested;    /* an epoll instance is added to another */
};

void generate_measure(const struct program *program, struct generate_mix *ret_mix);

/*
 * Shrinking. `test` runs a candidate and returns 1 if it still shows what is looked for, 0 if not,
 * or a negative errno, which ends the shrinking and is returned. *program is replaced by the
 * smallest program found, also then. `tests_max` bounds the number of calls of `test`.
 */
typedef int shrink_test(void *context, const struct program *candidate);

int shrink_program(struct program *program, shrink_test *test, void *context, unsigned tests_max);

#endif
