#include "oracle/judge.h"

#include "oracle/compare.h"
#include "oracle/explain.h"

#include <assert.h>

void judge_traces(const struct trace *native, const struct trace *subject,
                  const struct judge_options *options, struct verdict *ret_verdict)
{
    assert(native->program != NULL && subject->program != NULL);
    assert(native->nsteps == subject->nsteps);
    assert(native->nsteps == native->program->nsteps);

    struct story story;
    struct difference difference;
    story_init(&story, native, subject, options);
    compare_traces(&story, &difference);

    /* Member by member: equal traces are the common case, and the texts are long. */
    ret_verdict->equal = difference.kind == DIFFERENCE_NONE;
    ret_verdict->strict_only = difference.kind == DIFFERENCE_ORDER && !options->strict_order;
    ret_verdict->class = CLASS_ORDER;
    ret_verdict->hazard = HAZARD_NONE;
    ret_verdict->step = difference.step;
    ret_verdict->observer = difference.observer;
    ret_verdict->culprit = -1;
    ret_verdict->room = difference.room;
    ret_verdict->signature[0] = '\0';
    ret_verdict->explanation[0] = '\0';
    if (!ret_verdict->equal)
        explain_difference(&story, &difference, ret_verdict);
    story_free(&story);
}
