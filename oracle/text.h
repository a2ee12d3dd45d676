/* Appending to a bounded text the way snprintf does: never overflows, always ends it, counts what
 * it would need. */
#ifndef EPDIFF_ORACLE_TEXT_H
#define EPDIFF_ORACLE_TEXT_H

#include <stddef.h>

struct text {
    char *out;
    size_t size;
    size_t length; /* that the whole text would have, without the final null */
};

void text_init(struct text *ret_text, char *out, size_t size);

void text_append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "ENOENT", or the number of an errno that has no name. */
void text_append_errno(struct text *text, int err);

/* "SIGSEGV", or "signal N". */
void text_append_signal(struct text *text, int signal);

#endif
