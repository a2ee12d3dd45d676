#include "fuzz/epdiff/requires.h"

#include "fuzz/execute/execute.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What the shim says of io_uring on this machine; empty: it can be had. */
static const char *why_no_io_uring(void)
{
    static char why[EXECUTE_WHY_MAX + 1];
    static bool asked;
    struct executor_options options = {.cpu = -1};
    struct subject subject;
    struct executor *executor;

    if (asked)
        return why;
    asked = true;
    if (subject_parse("shim:naive+uring", &subject, why, sizeof(why)) != 0 ||
        executor_start(&subject, &options, &executor, why) != 0)
        return why;
    why[0] = '\0';
    executor_stop(executor);
    return why;
}

_Bool requires_are_met(const char *requires, char *ret_why, size_t size)
{
    for (const char *at = requires;;) {
        at += strspn(at, " ,\t");
        size_t length = strcspn(at, " ,\t");
        if (length == 0)
            return true;
        if (length != strlen("io_uring") || memcmp(at, "io_uring", length) != 0) {
            snprintf(ret_why, size, "requires %.100s, which this build does not have", requires);
            return false;
        }
        if (why_no_io_uring()[0]) {
            snprintf(ret_why, size, "requires io_uring: %s", why_no_io_uring());
            return false;
        }
        at += length;
    }
}
