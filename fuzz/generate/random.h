/*
 * The generator's own random numbers: xoshiro256** seeded through splitmix64. libc's rand() is not
 * the same on every machine, and its hidden state would make a program depend on those generated
 * before it.
 */
#ifndef EPDIFF_GENERATE_RANDOM_H
#define EPDIFF_GENERATE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_seed(struct random *ret_random, uint64_t seed, uint64_t index);
uint64_t random_next(struct random *random);

/* Evenly one of 0 … bound - 1. `bound` must not be 0. */
unsigned random_below(struct random *random, unsigned bound);

/* True in `percent` of 100 cases. */
bool random_chance(struct random *random, unsigned percent);

#endif
