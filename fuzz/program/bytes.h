/*
 * The byte form: a choice sequence with a total decoder. Every byte string is a program, so byte
 * mutation and byte deletion by an engine that knows nothing of programs stay productive.
 */
#ifndef EPDIFF_PROGRAM_BYTES_H
#define EPDIFF_PROGRAM_BYTES_H

#include "fuzz/program/program.h"

enum {
    /* The most bytes that program_encode writes: operation, actor and arguments of every step, and
     * where parallel blocks begin and end. */
    PROGRAM_BYTES_MAX = PROGRAM_STEPS_MAX * (2 + PROGRAM_ARGS_MAX + 1),
};

/*
 * Decodes any bytes into a valid program. Never fails: bytes that would pass a limit are ignored.
 * A byte of its own begins a parallel block and ends it; what cannot stand in a block is left out.
 * Each step takes one byte for the operation, one for the actor and one for each argument, every
 * one reduced modulo what can stand there; bytes that end within a step are continued with zeros.
 */
void program_decode(const uint8_t *bytes, size_t length, struct program *ret_program);

/*
 * The inverse, for a program that program_check accepts: bytes that decode to the same steps. Bytes
 * hold no names, so slots and actors come back under generated ones; a program that came from bytes
 * comes back equal. Returns 0, -ERANGE if the program holds a value that no byte stands for or a
 * step by an actor that has ended (text can say more than bytes), or -ENOSPC if `size` is too
 * small. *ret_length is the number of bytes.
 */
int program_encode(const struct program *program, uint8_t *ret_bytes, size_t size,
                   size_t *ret_length);

#endif
