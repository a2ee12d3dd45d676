/*
 * libepdiff-mutator.so: the mutations of programs (fuzz/generate/mutate.h) for AFL++, which takes
 * its own from the library that AFL_CUSTOM_MUTATOR_LIBRARY names. Mutations do not cross engines:
 * libFuzzer finds the same ones in the target itself.
 */
#include "fuzz/generate/mutate.h"

#include <stdlib.h>
#include <string.h>

/* What AFL++ looks up by name; afl_state_t is its own affair. */
void *afl_custom_init(void *afl, unsigned seed);
void afl_custom_deinit(void *data);
size_t afl_custom_fuzz(void *data, uint8_t *bytes, size_t size, uint8_t **ret_bytes, uint8_t *other,
                       size_t other_size, size_t size_max);
const char *afl_custom_describe(void *data, size_t description_max);

struct mutator {
    uint64_t seed, drawn;
    size_t room;
    uint8_t *bytes;
};

enum {
    CROSS_EVERY = 4, /* one in so many is made of two inputs, where AFL++ hands out a second one */
};

void *afl_custom_init(void *afl, unsigned seed)
{
    struct mutator *mutator = calloc(1, sizeof(*mutator));

    (void)afl;
    if (mutator)
        mutator->seed = (uint64_t)seed << 32;
    return mutator;
}

void afl_custom_deinit(void *data)
{
    struct mutator *mutator = data;

    free(mutator->bytes);
    free(mutator);
}

size_t afl_custom_fuzz(void *data, uint8_t *bytes, size_t size, uint8_t **ret_bytes, uint8_t *other,
                       size_t other_size, size_t size_max)
{
    struct mutator *mutator = data;
    uint64_t seed = mutator->seed + ++mutator->drawn;

    *ret_bytes = bytes;
    if (mutator->room < size_max) {
        uint8_t *larger = realloc(mutator->bytes, size_max);
        if (!larger)
            return 0; /* AFL++ goes on with another input */
        mutator->bytes = larger;
        mutator->room = size_max;
    }
    *ret_bytes = mutator->bytes;
    if (other && other_size > 0 && mutator->drawn % CROSS_EVERY == 0)
        return cross_bytes(bytes, size, other, other_size, mutator->bytes, size_max, seed);
    size_t kept = size < size_max ? size : size_max;
    memcpy(mutator->bytes, bytes, kept);
    return mutate_bytes(mutator->bytes, kept, size_max, seed);
}

/* A part of the names of the files that AFL++ saves. */
const char *afl_custom_describe(void *data, size_t description_max)
{
    (void)data;
    (void)description_max;
    return "epdiff";
}
