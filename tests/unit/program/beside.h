/* Runs a program on the kernel and in the world at once, and fails where they part. */
#ifndef EPDIFF_TESTS_PROGRAM_BESIDE_H
#define EPDIFF_TESTS_PROGRAM_BESIDE_H

#include "fuzz/program/world.h"

enum {
    BESIDE_ERRNO_MAX = 134, /* one more than the largest errno of Linux */
};

/* Called when a step has been applied with what the kernel answered, and the world compared. */
typedef void beside_step_fn(const struct world *world, unsigned step,
                            const struct world_outcome *outcome, void *context);

/* For programs of descriptor operations, fork and exit: kernel.h says which run. */
void run_beside_kernel(const struct program *program, beside_step_fn *after_step, void *context);

#endif
