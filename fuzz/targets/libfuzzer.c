/*
 * A target for engines that call LLVMFuzzerTestOneInput: libFuzzer, and AFL++ by its driver. With
 * EPDIFF_TARGET_MUTATES the target has functions of its own to mutate by, and the engine gets them;
 * an engine that finds the two symbols behaves differently, so only then they are there.
 */
#include "fuzz/targets/target.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    STATUS_HARNESS = 3,
};

/* AFL++'s map, where its runtime is linked in. */
extern uint8_t *__afl_area_ptr __attribute__((weak));
extern uint32_t __afl_map_size __attribute__((weak));

#ifdef EPDIFF_TARGET_COUNTS
/* libFuzzer finds it by its section, clears it before each input and looks into it behind it. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[TARGET_COUNTERS];

uint8_t *target_counters(void)
{
    if (&__afl_area_ptr == NULL)
        return counters;
    if (__afl_map_size < TARGET_COUNTERS) {
        fprintf(stderr, "%s: AFL_MAP_SIZE is %u, expected %d or more\n", fuzz_target.name,
                __afl_map_size, TARGET_COUNTERS);
        _exit(STATUS_HARNESS);
    }
    return __afl_area_ptr;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void start_target(void)
{
    char why[TARGET_WHY_MAX + 1] = "";

    if (fuzz_target.start != NULL && fuzz_target.start(why) != 0) {
        fprintf(stderr, "%s: %s\n", fuzz_target.name, why);
        _exit(STATUS_HARNESS);
    }
    if (fuzz_target.stop != NULL && atexit(fuzz_target.stop) != 0) {
        fprintf(stderr, "%s: no room to register what ends the target\n", fuzz_target.name);
        _exit(STATUS_HARNESS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static bool started;

    /* Not in LLVMFuzzerInitialize: AFL++ forks behind that, and a target may have processes of its
     * own. */
    if (!started) {
        started = true;
        start_target();
    }
    fuzz_target.run(bytes, size);
    return 0;
}

#ifdef EPDIFF_TARGET_MUTATES

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *ret_bytes, size_t size_max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned seed)
{
    return fuzz_target.mutate(bytes, size, size_max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *ret_bytes, size_t size_max, unsigned seed)
{
    return fuzz_target.cross(a, a_size, b, b_size, ret_bytes, size_max, seed);
}

#endif
