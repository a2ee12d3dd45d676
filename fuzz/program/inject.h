/* The value of the header `inject:`: which calls of a subject fail, and how. */
#ifndef EPDIFF_PROGRAM_INJECT_H
#define EPDIFF_PROGRAM_INJECT_H

#include <stddef.h>

enum {
    INJECT_NUMBER_MAX = 999, /* calls of a process are counted as far as that */
};

/*
 * Checks "CALL FAULT@NUMBER, CALL FAULT@NUMBER ...". Returns 0, or -EINVAL with the offset of what
 * is wrong in *ret_at, and in *ret_why (size bytes) what it is and what was expected.
 */
int inject_check(const char *text, size_t *ret_at, char *ret_why, size_t size);

#endif
