/*
 * Target `trace`: the oracle on arbitrary traces. The bytes are a program, and changes to what the
 * model says of it: two traces that differ anyhow, within what a trace can hold. A trace equals
 * itself; every other verdict is whole, its signature well-formed, and the same when asked again.
 */
#include "fuzz/targets/found.h"
#include "fuzz/targets/target.h"
#include "fuzz/targets/trace_edit.h"

#include "fuzz/program/bytes.h"
#include "oracle/judge.h"
#include "oracle/model/model.h"

#include <errno.h>
#include <string.h>

enum {
    OPTION_LATE_ERROR = 1,
    OPTION_STRICT_ORDER = 2,
    OPTION_COMPUTED = 4,
    OPTION_OBSERVE = 8,
    OPTION_WITNESS = 16,
    OPTION_FLUSH_POINTS = 32,
    EDITS_MAX = 64,
};

static struct trace *blank;
static struct trace *sides[2];

static void stop(void)
{
    trace_free(blank);
    trace_free(sides[0]);
    trace_free(sides[1]);
    model_follow_free();
}

static int start(char *ret_why)
{
    blank = trace_new();
    sides[0] = trace_new();
    sides[1] = trace_new();
    if (blank != NULL && sides[0] != NULL && sides[1] != NULL)
        return 0;
    stop();
    snprintf(ret_why, TARGET_WHY_MAX + 1, "out of memory for traces");
    return -ENOMEM;
}

/* What the model says of the program: a blank run agrees with nothing, so it goes its own way. */
static void compute(const struct program *program, struct trace *trace)
{
    struct model_verdict verdict;

    trace_reset(blank, program);
    trace_reset(trace, program);
    int err = model_follow(&model_facts_fixed, blank, trace, &verdict);
    if (err != 0)
        found("the model has no memory");
    if (trace->program != program || trace->nsteps != program->nsteps)
        found("the model wrote a trace of another program");
}

static void check_line(const char *what, const char *text, size_t size)
{
    size_t length = strnlen(text, size);

    if (length == size)
        found("the %s does not end", what);
    if (length == 0)
        found("the %s is empty", what);
    if (memchr(text, '\n', length) != NULL)
        found("the %s holds a newline", what);
}

static void check_whole(const struct verdict *verdict, unsigned nsteps)
{
    struct verdict marked = *verdict;
    char why[256];

    check_line("signature", verdict->signature, sizeof(verdict->signature));
    check_line("explanation", verdict->explanation, sizeof(verdict->explanation));
    if (verdict_check_expectation(verdict->signature, why, sizeof(why)) != 0)
        found("a signature is malformed: %s", why);
    if (!verdict_matches(verdict, verdict->signature))
        found("a verdict does not match its own signature %s", verdict->signature);
    if (verdict->class >= CLASSES || verdict->hazard >= HAZARDS)
        found("a verdict has no class or hazard of the tables");
    if (verdict->step >= nsteps || verdict->observer > verdict->step || verdict->culprit < -1 ||
        verdict->culprit >= (int)nsteps)
        found("a verdict names step %u, observer %u, culprit %d of %u", verdict->step,
              verdict->observer, verdict->culprit, nsteps);
    verdict_mark_metamorphic(&marked);
    check_line("marked signature", marked.signature, sizeof(marked.signature));
    check_line("marked explanation", marked.explanation, sizeof(marked.explanation));
    if (verdict_check_expectation(marked.signature, why, sizeof(why)) != 0)
        found("a marked signature is malformed: %s", why);
}

static bool verdicts_equal(const struct verdict *a, const struct verdict *b)
{
    return a->equal == b->equal && a->strict_only == b->strict_only && a->class == b->class &&
           a->hazard == b->hazard && a->step == b->step && a->observer == b->observer &&
           a->culprit == b->culprit && a->room == b->room &&
           strcmp(a->signature, b->signature) == 0 && strcmp(a->explanation, b->explanation) == 0;
}

static void check_pair(const struct trace *native, const struct trace *subject,
                       const struct judge_options *options)
{
    struct verdict verdict;
    struct verdict again;

    /* Whatever is not set must be seen. */
    memset(&verdict, 0x5a, sizeof(verdict));
    memset(&again, 0xa5, sizeof(again));
    judge_traces(native, subject, options, &verdict);
    judge_traces(native, subject, options, &again);
    if (!verdicts_equal(&verdict, &again))
        found("the same traces get two verdicts: %s and %s", verdict.signature, again.signature);
    if (!verdict.equal)
        check_whole(&verdict, native->nsteps);
}

/* Contract late-error knows errors that a call owes, and a trace by itself owes nothing. */
static void check_self(const struct trace *trace, const struct judge_options *options)
{
    struct verdict verdict;

    judge_traces(trace, trace, options, &verdict);
    if (!verdict.equal)
        found("a trace differs from itself: %.*s", (int)sizeof(verdict.signature),
              verdict.signature);
}

static void run(const uint8_t *bytes, size_t size)
{
    static struct program program;
    static struct deferral deferrals[2];
    struct choices choices = {.bytes = bytes, .size = size};
    uint8_t flags = choices_take(&choices);
    size_t length = choices_take(&choices);
    struct judge_options options = {.contract = flags & OPTION_LATE_ERROR ? CONTRACT_LATE_ERROR
                                                                          : CONTRACT_EXACT,
                                    .strict_order = flags & OPTION_STRICT_ORDER,
                                    .computed = flags & OPTION_COMPUTED};

    if (length > size - choices.at)
        length = size - choices.at;
    program_decode(bytes + choices.at, length, &program);
    choices.at += length;
    if (program.nsteps == 0)
        return;
    for (int side = 0; side < 2; side++) {
        compute(&program, sides[side]);
        deferral_init(&deferrals[side]);
    }
    for (unsigned edits = 0; edits < EDITS_MAX && choices_left(&choices); edits++) {
        int side = choices_take(&choices) & 1;
        trace_edit(sides[side], &deferrals[side], &choices);
    }
    for (int side = 0; side < 2 && flags & OPTION_OBSERVE; side++)
        trace_observe(sides[side], &deferrals[side], flags & OPTION_FLUSH_POINTS ? 3 : 0,
                      flags & OPTION_WITNESS);
    check_self(sides[0], &options);
    check_self(sides[1], &options);
    check_pair(sides[0], sides[1], &options);
    check_pair(sides[1], sides[0], &options);
}

const struct fuzz_target fuzz_target = {.name = "trace", .start = start, .run = run, .stop = stop};
