/*
 * The known list: signatures that somebody has looked at and decided to live with, each with its
 * reason. Who fuzzes with one is told of what is new.
 *
 *     SUBJECT SIGNATURE # reason
 *
 * a line. The reason is required. SUBJECT is as in an expectation: "shim:hash" speaks of all its
 * backends. A SIGNATURE that ends in '*' stands for all that begin so. Empty lines, and lines that
 * begin with '#', say nothing.
 */
#ifndef EPDIFF_EPDIFF_KNOWN_H
#define EPDIFF_EPDIFF_KNOWN_H

#include "fuzz/execute/subject.h"

#include <stdbool.h>

enum {
    KNOWN_WHY_MAX = 511,
};

struct known;

/*
 * Reads a list. Returns 0 with a new list (free with known_free), -EINVAL if it is malformed, or
 * the negative errno of a file that cannot be read; then *ret_why (KNOWN_WHY_MAX + 1 bytes) has one
 * line, "FILE:LINE:COLUMN: what was wrong, and what was expected" or "FILE: cannot be read: ...".
 */
int known_read(const char *path, struct known **ret_known, char *ret_why);

/* Whether the list names this signature of this subject. A null list names nothing. */
bool known_lists(const struct known *known, const struct subject *subject, const char *signature);

void known_free(struct known *known);

#endif
