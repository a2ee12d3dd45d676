/*
 * The text form: one file is a program and its expectations. docs/program-format.md is the manual.
 */
#ifndef EPDIFF_PROGRAM_DOCUMENT_H
#define EPDIFF_PROGRAM_DOCUMENT_H

#include "fuzz/program/program.h"

#include <stdio.h>

enum {
    DOCUMENT_WORD_MAX = 159,
    DOCUMENT_COMMENT_MAX = 4095,
    DOCUMENT_ERROR_MAX = 255,
};

/* "expect SUBJECT: VERDICT". A verdict is `equal`, `CLASS HAZARD`, or a whole signature. */
struct document_expect {
    char subject[DOCUMENT_WORD_MAX + 1];
    char verdict[DOCUMENT_WORD_MAX + 1];
    uint32_t line;
};

/* Header lines of a file, and its program. Plain data; no member needs freeing. */
struct document {
    char name[DOCUMENT_WORD_MAX + 1];   /* `name:`, or the file's name without folder and ending */
    char hazard[DOCUMENT_WORD_MAX + 1]; /* `hazard:` a code of docs/hazards.md, or empty */
    char origin[DOCUMENT_WORD_MAX + 1]; /* `origin:` where the program comes from, or empty */
    char requires[DOCUMENT_WORD_MAX + 1]; /* `requires:` what the machine must have, or empty */
    char inject[DOCUMENT_WORD_MAX + 1];   /* `inject:` which calls of the subject fail, or empty */
    char comment[DOCUMENT_COMMENT_MAX +
                 1]; /* the '#' lines before the first step, without '#', newline after each */
    unsigned nexpects;
    struct document_expect expects[DOCUMENT_EXPECTS_MAX];
    struct program program;
};

/* Where and why a text was refused. Lines and columns count from 1; column 0: the whole line or
 * file. */
struct document_error {
    unsigned line;
    unsigned column;
    char what[DOCUMENT_ERROR_MAX + 1]; /* what was wrong, and what was expected */
};

/*
 * Parses `length` bytes of text. `name` is used when the text has no `name:` line. Any bytes are
 * safe to pass. Returns 0, or -EINVAL with *ret_error filled in and *ret_document untouched.
 */
int document_parse(const char *text, size_t length, const char *name, struct document *ret_document,
                   struct document_error *ret_error);

/*
 * Reads and parses a file. Returns 0; -EINVAL with *ret_error for malformed text; another negative
 * errno, with the reason in ret_error->what, if the file cannot be read or is longer than
 * DOCUMENT_BYTES_MAX.
 */
int document_read(const char *path, struct document *ret_document,
                  struct document_error *ret_error);

/* Writes the text form. Parsing what was written gives an equal document. Returns 0 or -EIO. */
int document_write(const struct document *document, FILE *out);

/* Makes an empty document around a program. */
void document_init(struct document *ret_document, const char *name, const struct program *program);

/* Writes one step as it stands in a file, without actor and newline: "r0, w0 = pipe2(O_NONBLOCK)".
 * Never overflows; returns the length that it would need, as snprintf. */
size_t step_print(const struct program *program, unsigned step, char *out, size_t size);

/* Writes an events mask ("EPOLLIN|EPOLLET", "0"). As snprintf. */
size_t events_print(uint32_t events, char *out, size_t size);

#endif
