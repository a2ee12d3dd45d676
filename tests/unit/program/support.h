/* What the tests of fuzz/program share: random numbers, parsing that must succeed, messages. */
#ifndef EPDIFF_TESTS_PROGRAM_SUPPORT_H
#define EPDIFF_TESTS_PROGRAM_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fuzz/program/document.h"

/* Sanitized builds are an order of magnitude slower; they make a tenth of the trials. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif
#ifdef SANITIZED
#define TRIALS(count) ((count) / 10)
#else
#define TRIALS(count) (count)
#endif

/* splitmix64: the same numbers from the same seed everywhere. */
uint64_t random_next(uint64_t *state);
unsigned random_below(uint64_t *state, unsigned bound);
void random_bytes(uint64_t *state, uint8_t *ret_bytes, size_t length);

/* Parses text that must parse; fails the test with the parser's message otherwise. */
void parse_text(const char *text, struct document *ret_document);
void parse_program(const char *text, struct program *ret_program);

/* The text form of a document, in a buffer that the caller frees. */
char *document_text(const struct document *document, size_t *ret_length);

/* Fails the test unless program_check accepts the program. */
void assert_checked(const struct program *program);

/* Fails the test unless the program's text form parses back to an equal program. */
void assert_text_round_trip(const struct program *program);

/* Fails the test with the program up to and including `step`, and a message. */
_Noreturn void fail_program(const struct program *program, unsigned step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
