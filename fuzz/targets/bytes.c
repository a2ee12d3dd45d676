/*
 * Target `bytes`: the decoder of the byte form is total. Any bytes are a program that can run; its
 * own bytes decode to it again, its text reads back as it, and nothing but the bytes decides what
 * it is.
 */
#include "fuzz/targets/found.h"
#include "fuzz/targets/round_trip.h"
#include "fuzz/targets/target.h"

#include "fuzz/program/bytes.h"

#include <string.h>

static void check_bytes_round_trip(const struct program *program)
{
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    static struct program again;
    size_t length = 0;

    int err = program_encode(program, bytes, sizeof(bytes), &length);
    if (err != 0)
        found("a program that was decoded cannot be encoded: %s", strerror(-err));
    program_decode(bytes, length, &again);
    if (!program_equal(program, &again))
        found("a program comes back different from its own bytes");
}

static void run(const uint8_t *bytes, size_t size)
{
    static struct document document;
    static struct program program;
    static struct program again;

    memset(&program, 0x5a, sizeof(program));
    memset(&again, 0xa5, sizeof(again));
    program_decode(bytes, size, &program);
    program_decode(bytes, size, &again);
    if (!program_equal(&program, &again))
        found("the same bytes are two programs");
    check_program(&program, "the decoder");
    check_bytes_round_trip(&program);
    /* The empty program is the one without a text: a file without steps is a mistake. */
    if (program.nsteps == 0)
        return;
    document_init(&document, "input", &program);
    check_text_round_trip(&document);
}

const struct fuzz_target fuzz_target = {.name = "bytes", .run = run};
