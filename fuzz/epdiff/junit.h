/* JUnit XML, which continuous integrations read: one testsuite, a testcase for each check. */
#ifndef EPDIFF_EPDIFF_JUNIT_H
#define EPDIFF_EPDIFF_JUNIT_H

#include <stddef.h>
#include <stdio.h>

enum junit_result {
    JUNIT_PASSED,
    JUNIT_FAILED,
    JUNIT_SKIPPED,
};

/* All texts are borrowed and may hold whatever they like: what XML cannot hold is left out. */
struct junit_case {
    const char *class_name, *name;
    enum junit_result result;
    const char *message; /* of a failure or a skip, one line */
    const char *text;    /* of a failure */
    const char *output;  /* system-out; NULL: none */
};

/* How many cases there will be. */
struct junit_counts {
    size_t cases, failed, skipped;
};

/* Says whether the file can be written, so that nobody learns it at the end of a night; it is empty
 * afterwards. Returns 0 or a negative errno. */
int junit_check(const char *path);

/* Begins a file. Returns it, or NULL with errno set. */
FILE *junit_begin(const char *path, const char *suite, const struct junit_counts *counts);

void junit_add(FILE *out, const struct junit_case *one);

/* Ends and closes the file. Returns 0, or -1 with errno set. */
int junit_end(FILE *out);

#endif
