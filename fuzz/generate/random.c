/* xoshiro256** 1.0 and splitmix64, after the public-domain code of Blackman and Vigna. */
#include "fuzz/generate/random.h"

#include <assert.h>

static uint64_t splitmix_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void random_seed(struct random *ret_random, uint64_t seed, uint64_t index)
{
    /* The seed is mixed before the index joins, or (1, 2) and (2, 1) would be neighbours. */
    uint64_t state = seed;
    state = splitmix_next(&state) + index;

    for (unsigned i = 0; i < 4; i++)
        ret_random->state[i] = splitmix_next(&state);
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

unsigned random_below(struct random *random, unsigned bound)
{
    assert(bound > 0);
    /* Multiply and shift: the bias is bound / 2^32, far below what a fuzzer could notice. */
    return (unsigned)(((random_next(random) >> 32) * bound) >> 32);
}

bool random_chance(struct random *random, unsigned percent)
{
    assert(percent <= 100);
    return random_below(random, 100) < percent;
}
