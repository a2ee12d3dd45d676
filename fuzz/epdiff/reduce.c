/* Shrinking a divergence. */
#include "fuzz/epdiff/reduce.h"

#include "fuzz/generate/generate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reduction {
    struct examiner *examiner;
    unsigned subject;
    const char *signature;
    uint64_t deadline_ms;
    char *why;
};

static int test_candidate(void *context, const struct program *candidate)
{
    struct reduction *reduction = context;
    struct examination examination;
    const struct trace *native;

    if (reduction->deadline_ms && executor_now_ms() > reduction->deadline_ms)
        return -ETIME;
    int err = examine_native(reduction->examiner, candidate, &native, reduction->why);
    if (!err)
        err = examine_quick(reduction->examiner, candidate, reduction->subject, &examination,
                            reduction->why);
    if (err)
        return err;
    /* Most candidates do not diverge at all; only the others are worth a close look. */
    if (examination.result == EXAMINED_EQUAL)
        return 0;
    err = examine_closely(reduction->examiner, candidate, reduction->subject, &examination,
                          reduction->why);
    if (err)
        return err;
    return examination.result == EXAMINED_DIVERGENT &&
           strcmp(examination.verdict.signature, reduction->signature) == 0;
}

int reduce_program(struct examiner *examiner, struct program *program, unsigned subject,
                   const char *signature, uint64_t deadline_ms, char *ret_why)
{
    struct reduction reduction = {.examiner = examiner,
                                  .subject = subject,
                                  .signature = signature,
                                  .deadline_ms = deadline_ms,
                                  .why = ret_why};
    unsigned confirmed = 0;

    struct program *smallest = malloc(sizeof(*smallest));
    if (!smallest) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        return -ENOMEM;
    }
    *smallest = *program;
    int err = shrink_program(smallest, test_candidate, &reduction, REDUCE_TESTS_MAX);
    if (err == -ETIME)
        err = 0;
    if (!err)
        err = examine_confirm(examiner, smallest, subject, signature, EXAMINE_CONFIRMATIONS,
                              &confirmed, ret_why);
    /* What does not come again every time is no reproducer: then the program stays as it was found.
     */
    if (!err && confirmed == EXAMINE_CONFIRMATIONS)
        *program = *smallest;
    free(smallest);
    return err;
}
