/*
 * A fuzz target: what an engine calls, and what replay.c calls with a committed input. A target is
 * one source that defines `fuzz_target`; which engine drives it is the adapter's business:
 * libfuzzer.c, afl_mutator.c, replay.c.
 */
#ifndef EPDIFF_TARGETS_TARGET_H
#define EPDIFF_TARGETS_TARGET_H

#include <stddef.h>
#include <stdint.h>

enum {
    TARGET_WHY_MAX = 511,
    TARGET_COUNTERS = 65536, /* AFL++'s map as it is by itself */
};

struct fuzz_target {
    const char *name;
    /* Once, before any input. Returns 0, or a negative errno with one line in *ret_why
     * (TARGET_WHY_MAX + 1 bytes). May be NULL. */
    int (*start)(char *ret_why);
    /* One input. Survives any bytes; what is found wrong is said on stderr in one line and ends in
     * abort(). */
    void (*run)(const uint8_t *bytes, size_t size);
    void (*stop)(void); /* at exit; may be NULL */
    /*
     * Structure-aware mutation, a function of its arguments alone; both NULL where plain byte
     * mutation does. They write at most size_max bytes and return how many. mutate changes bytes in
     * place; cross makes a third input of two.
     */
    size_t (*mutate)(uint8_t *bytes, size_t size, size_t size_max, uint64_t seed);
    size_t (*cross)(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                    uint8_t *ret_bytes, size_t size_max, uint64_t seed);
};

extern const struct fuzz_target fuzz_target;

/*
 * The engine's counters, TARGET_COUNTERS bytes which it clears before each input, for a target that
 * counts what is worth knowing itself (epdiff_target's COUNTS). NULL if there is no engine. Defined
 * by the adapter.
 */
uint8_t *target_counters(void);

#endif
