/*
 * A target for engines that call LLVMFuzzerTestOneInput: libFuzzer, and AFL++ by its driver. With
 * EPDIFF_TARGET_MUTATES the engine mutates by the target's own functions; an engine that finds the
 * two symbols behaves differently, so they are only there for targets that have such functions.
 */
#include "fuzz/targets/target.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    STATUS_HARNESS = 3,
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char why[TARGET_WHY_MAX + 1] = "";

    (void)argc;
    (void)argv;
    if (fuzz_target.start != NULL && fuzz_target.start(why) != 0) {
        fprintf(stderr, "%s: %s\n", fuzz_target.name, why);
        exit(STATUS_HARNESS);
    }
    if (fuzz_target.stop != NULL && atexit(fuzz_target.stop) != 0) {
        fprintf(stderr, "%s: no room to register what ends the target\n", fuzz_target.name);
        exit(STATUS_HARNESS);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_target.run(bytes, size);
    return 0;
}

#ifdef EPDIFF_TARGET_MUTATES

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *ret_bytes, size_t size_max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned seed)
{
    if (fuzz_target.mutate == NULL)
        return LLVMFuzzerMutate(bytes, size, size_max);
    return fuzz_target.mutate(bytes, size, size_max, seed);
}

/* 0 tells the engine that there is no third input. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *ret_bytes, size_t size_max, unsigned seed)
{
    if (fuzz_target.cross == NULL)
        return 0;
    return fuzz_target.cross(a, a_size, b, b_size, ret_bytes, size_max, seed);
}

#endif
