#include "fuzz/epdiff/requires.h"

#include "fuzz/execute/execute.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The words that a program can require, and the subject that starts where they are met. */
static const struct {
    const char *word;
    const char *subject;
} known[] = {
    {"io_uring", "shim:naive+uring"},
    {"module", "shim:naive+module"},
};
#define NKNOWN (sizeof(known) / sizeof(known[0]))

/* What the shim says of it on this machine; empty: it can be had. */
static const char *why_not(size_t index)
{
    static char why[NKNOWN][EXECUTE_WHY_MAX + 1];
    static bool asked[NKNOWN];
    struct executor_options options = {.cpu = -1};
    struct subject subject;
    struct executor *executor;

    if (asked[index])
        return why[index];
    asked[index] = true;
    if (subject_parse(known[index].subject, &subject, why[index], sizeof(why[index])) != 0 ||
        executor_start(&subject, &options, &executor, why[index]) != 0)
        return why[index];
    why[index][0] = '\0';
    executor_stop(executor);
    return why[index];
}

_Bool requires_are_met(const char *requires, char *ret_why, size_t size)
{
    for (const char *at = requires;;) {
        at += strspn(at, " ,\t");
        size_t length = strcspn(at, " ,\t");
        size_t index = 0;
        if (length == 0)
            return true;
        while (index < NKNOWN &&
               (strlen(known[index].word) != length || memcmp(at, known[index].word, length) != 0))
            index++;
        if (index == NKNOWN) {
            snprintf(ret_why, size, "requires %.100s, which this build does not have", requires);
            return false;
        }
        if (why_not(index)[0]) {
            snprintf(ret_why, size, "requires %s: %s", known[index].word, why_not(index));
            return false;
        }
        at += length;
    }
}
