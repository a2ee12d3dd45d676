/* Examination of one program: quick look, close look behind the A/A gate, confirmation in fresh
 * processes. */
#include "fuzz/epdiff/examine.h"
#include "fuzz/epdiff/deferral.h"
#include "fuzz/generate/metamorphic.h"
#include "oracle/translate.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct examiner {
    struct examine_options options;
    const struct model_facts *facts;
    unsigned nsubjects;
    struct subject subjects[EXAMINE_SUBJECTS_MAX];
    struct subject native_subject;
    struct executor *native;
    struct executor *executors[EXAMINE_SUBJECTS_MAX];
    struct trace *native_trace; /* of examine_native */
    struct trace *quick_trace;  /* of examine_quick */
    struct trace *close_native[2];
    struct trace *close_subject;
    struct trace *model_trace; /* room for what the model expects */
    struct program roomy;      /* a program with more room in one wait */
    struct metamorphic flushed;
    struct trace *flushed_raw; /* of the program with flush points */
    struct trace *flushed_own; /* the same, told as a run of the program without */
};

static int start_executors(struct examiner *examiner, char *ret_why)
{
    const struct executor_options *options = &examiner->options.executor;

    int err = executor_start(&examiner->native_subject, options, &examiner->native, ret_why);
    for (unsigned i = 0; !err && i < examiner->nsubjects; i++) {
        if (examiner->subjects[i].kind != SUBJECT_MODEL)
            err = executor_start(&examiner->subjects[i], options, &examiner->executors[i], ret_why);
    }
    return err;
}

static bool is_model(const struct examiner *examiner, unsigned subject)
{
    return examiner->subjects[subject].kind == SUBJECT_MODEL;
}

/*
 * The trace of a subject: run, or computed along `native` by the model, which follows it wherever
 * the kernel leaves a choice. *ret_beyond: the model has nothing to say about a part of it.
 */
static int subject_trace(struct examiner *examiner, const struct program *program, unsigned subject,
                         unsigned flags, const struct trace *native, struct trace *ret_trace,
                         bool *ret_beyond, char *ret_why)
{
    struct model_verdict verdict;

    *ret_beyond = false;
    if (!is_model(examiner, subject))
        return executor_run(examiner->executors[subject], program, flags, ret_trace, ret_why);
    int err = model_follow(examiner->facts, native, ret_trace, &verdict);
    if (err)
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
    *ret_beyond = !err && verdict.beyond;
    return err;
}

static struct judge_options judge_options_for(const struct examiner *examiner, unsigned subject)
{
    struct judge_options options = examiner->options.judge;

    /* The model knows the order of the ready list: nothing about it is left open. */
    options.computed = is_model(examiner, subject);
    options.strict_order |= options.computed;
    return options;
}

int examiner_start(const struct subject *subjects, unsigned nsubjects,
                   const struct examine_options *options, struct examiner **ret_examiner,
                   char *ret_why)
{
    assert(nsubjects <= EXAMINE_SUBJECTS_MAX);
    struct examiner *examiner = calloc(1, sizeof(*examiner));
    if (!examiner) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        return -ENOMEM;
    }
    examiner->options = *options;
    examiner->nsubjects = nsubjects;
    if (nsubjects)
        memcpy(examiner->subjects, subjects, nsubjects * sizeof(*subjects));
    int err = subject_parse("native", &examiner->native_subject, ret_why, EXECUTE_WHY_MAX + 1);
    examiner->native_trace = trace_new();
    examiner->quick_trace = trace_new();
    examiner->close_native[0] = trace_new();
    examiner->close_native[1] = trace_new();
    examiner->close_subject = trace_new();
    examiner->model_trace = trace_new();
    examiner->flushed_raw = trace_new();
    examiner->flushed_own = trace_new();
    if (!err && (!examiner->native_trace || !examiner->quick_trace || !examiner->close_native[0] ||
                 !examiner->close_native[1] || !examiner->close_subject || !examiner->model_trace ||
                 !examiner->flushed_raw || !examiner->flushed_own)) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        err = -ENOMEM;
    }
    if (!err)
        err = start_executors(examiner, ret_why);
    if (!err)
        err = opinion_facts(&examiner->facts, ret_why, EXECUTE_WHY_MAX + 1);
    if (err) {
        examiner_stop(examiner);
        return err;
    }
    *ret_examiner = examiner;
    return 0;
}

void examiner_stop(struct examiner *examiner)
{
    if (!examiner)
        return;
    executor_stop(examiner->native);
    for (unsigned i = 0; i < examiner->nsubjects; i++)
        executor_stop(examiner->executors[i]);
    trace_free(examiner->native_trace);
    trace_free(examiner->quick_trace);
    trace_free(examiner->close_native[0]);
    trace_free(examiner->close_native[1]);
    trace_free(examiner->close_subject);
    trace_free(examiner->flushed_raw);
    trace_free(examiner->flushed_own);
    trace_free(examiner->model_trace);
    model_follow_free(); /* an examiner belongs to one thread */
    free(examiner);
}

void examiner_set_metamorphic(struct examiner *examiner, bool metamorphic)
{
    examiner->options.metamorphic = metamorphic;
}

int examiner_inject(struct examiner *examiner, unsigned subject, const char *inject, char *ret_why)
{
    struct subject *current = &examiner->subjects[subject];
    struct subject changed;

    if (strcmp(current->inject, inject) == 0)
        return 0;
    int err = subject_parse(current->name, &changed, ret_why, EXECUTE_WHY_MAX + 1);
    if (!err && inject[0])
        err = subject_inject(&changed, inject, ret_why, EXECUTE_WHY_MAX + 1);
    if (err || strcmp(current->inject, changed.inject) == 0)
        return err;
    executor_stop(examiner->executors[subject]);
    examiner->executors[subject] = NULL;
    *current = changed;
    return executor_start(current, &examiner->options.executor, &examiner->executors[subject],
                          ret_why);
}

int examine_native(struct examiner *examiner, const struct program *program,
                   const struct trace **ret_trace, char *ret_why)
{
    int err =
        executor_run(examiner->native, program, EXECUTE_SHARED, examiner->native_trace, ret_why);
    *ret_trace = examiner->native_trace;
    return err;
}

static enum examine_result result_of(const struct verdict *verdict)
{
    if (verdict->equal)
        return EXAMINED_EQUAL;
    return verdict->strict_only ? EXAMINED_ORDER : EXAMINED_DIVERGENT;
}

/* Judges a run of the subject against what it is measured by. */
static void judge(const struct examiner *examiner, unsigned subject, const struct trace *reference,
                  const struct trace *trace, struct verdict *ret_verdict)
{
    struct judge_options options = judge_options_for(examiner, subject);

    judge_traces(reference, trace, &options, ret_verdict);
    if (examiner->options.metamorphic && !ret_verdict->equal)
        verdict_mark_metamorphic(ret_verdict);
}

/* One run in a server of its own, started for it and ended after it. */
static int run_fresh(const struct subject *subject, const struct examiner *examiner,
                     const struct program *program, struct trace *ret_trace, char *ret_why)
{
    struct executor *executor;

    int err = executor_start(subject, &examiner->options.executor, &executor, ret_why);
    if (err)
        return err;
    err = executor_run(executor, program, EXECUTE_EVIDENCE, ret_trace, ret_why);
    executor_stop(executor);
    return err;
}

/* --- Flush points --- */

/* Makes the program with flush points; who is free for them is taken from a native run. */
static int insert_points(struct examiner *examiner, const struct trace *native, char *ret_why)
{
    uint32_t free_actors[PROGRAM_STEPS_MAX];

    trace_free_actors(native, free_actors);
    int err = metamorphic_insert(native->program, free_actors, &examiner->flushed);
    if (err)
        snprintf(ret_why, EXECUTE_WHY_MAX + 1,
                 "the program is too long for flush points, expected %d steps and %d slots at most",
                 PROGRAM_STEPS_MAX - METAMORPHIC_SETUP_STEPS - METAMORPHIC_POINT_STEPS,
                 PROGRAM_SLOTS_MAX - METAMORPHIC_SLOTS);
    return err;
}

static void tell_without_points(struct examiner *examiner, const struct program *program)
{
    struct trace_map map = {.inserted = examiner->flushed.inserted,
                            .origin = examiner->flushed.origin,
                            .number = METAMORPHIC_FD};

    trace_translate(examiner->flushed_raw, &map, program, examiner->flushed_own);
}

/* Runs the program with flush points; the result, told as a run of `program`, is
 * examiner->flushed_own. */
static int run_flushed(struct examiner *examiner, struct executor *executor,
                       const struct program *program, unsigned flags, char *ret_why)
{
    int err =
        executor_run(executor, &examiner->flushed.program, flags, examiner->flushed_raw, ret_why);
    if (!err)
        tell_without_points(examiner, program);
    return err;
}

static int run_flushed_fresh(struct examiner *examiner, const struct subject *subject,
                             const struct program *program, char *ret_why)
{
    int err =
        run_fresh(subject, examiner, &examiner->flushed.program, examiner->flushed_raw, ret_why);
    if (!err)
        tell_without_points(examiner, program);
    return err;
}

/*
 * What the subject's run is measured by: the native run, or the subject's own with flush points,
 * which is made here.
 */
static int make_reference(struct examiner *examiner, const struct trace *native, unsigned subject,
                          unsigned flags, const struct trace **ret_reference, char *ret_why)
{
    *ret_reference = native;
    if (!examiner->options.metamorphic)
        return 0;
    *ret_reference = examiner->flushed_own;
    if (is_model(examiner, subject)) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1,
                 "the model has nothing pending, expected a subject that runs for flush points");
        return -EINVAL;
    }
    int err = insert_points(examiner, native, ret_why);
    return err ? err
               : run_flushed(examiner, examiner->executors[subject], native->program, flags,
                             ret_why);
}

/* --- Looks --- */

int examine_quick(struct examiner *examiner, const struct program *program, unsigned subject,
                  struct examination *ret_examination, char *ret_why)
{
    struct examination *examination = ret_examination;

    int err = subject_trace(examiner, program, subject, 0, examiner->native_trace,
                            examiner->quick_trace, &examination->beyond, ret_why);
    if (!err)
        err = make_reference(examiner, examiner->native_trace, subject, 0, &examination->native,
                             ret_why);
    if (err)
        return err;
    examination->subject = examiner->quick_trace;
    judge(examiner, subject, examination->native, examination->subject, &examination->verdict);
    examination->result = result_of(&examination->verdict);
    if (subject_is_bypassed(&examiner->subjects[subject], program)) {
        examination->beyond = true;
        examination->result = EXAMINED_EQUAL;
    }
    return 0;
}

int examine_stability(struct examiner *examiner, const struct program *program, bool *ret_stable,
                      char *ret_why)
{
    struct judge_options strict = {.contract = CONTRACT_EXACT, .strict_order = true};
    struct verdict verdict;

    int err =
        executor_run(examiner->native, program, EXECUTE_SHARED, examiner->close_native[0], ret_why);
    if (err)
        return err;
    judge_traces(examiner->native_trace, examiner->close_native[0], &strict, &verdict);
    *ret_stable = verdict.equal;
    return 0;
}

/* Two native runs of one program, both with evidence, and one with flush points if that is what
 * the subject is measured by. *ret_stable: they agree, in the order of events too. */
static int pass_gate(struct examiner *examiner, const struct program *program, bool *ret_stable,
                     char *ret_why)
{
    struct judge_options strict = {.contract = CONTRACT_EXACT, .strict_order = true};
    struct verdict verdict;

    for (unsigned i = 0; i < 2; i++) {
        int err = executor_run(examiner->native, program, EXECUTE_EVIDENCE,
                               examiner->close_native[i], ret_why);
        if (err)
            return err;
    }
    judge_traces(examiner->close_native[0], examiner->close_native[1], &strict, &verdict);
    *ret_stable = verdict.equal;
    if (!examiner->options.metamorphic)
        return 0;
    int err = insert_points(examiner, examiner->close_native[0], ret_why);
    if (!err)
        err = run_flushed(examiner, examiner->native, program, EXECUTE_EVIDENCE, ret_why);
    if (err)
        return err;
    judge_traces(examiner->close_native[0], examiner->flushed_own, &strict, &verdict);
    *ret_stable &= verdict.equal;
    return 0;
}

/*
 * Both waits were full and handed out different events. Whether that is more than their order shows
 * when the same wait has room for all of them.
 */
static int look_with_room(struct examiner *examiner, const struct program *program,
                          unsigned subject, struct verdict *verdict, char *ret_why)
{
    const struct trace *reference;
    struct verdict roomy;

    examiner->roomy = *program;
    /* The third argument of every call of the wait family is maxevents, but they count from 0:
     * args[1]. */
    examiner->roomy.steps[verdict->observer].args[1] = PROGRAM_EVENTS_MAX;
    int err =
        executor_run(examiner->native, &examiner->roomy, 0, examiner->close_native[1], ret_why);
    if (!err)
        err = make_reference(examiner, examiner->close_native[1], subject, 0, &reference, ret_why);
    if (!err)
        err = executor_run(examiner->executors[subject], &examiner->roomy, 0, examiner->quick_trace,
                           ret_why);
    if (err)
        return err;
    judge_traces(reference, examiner->quick_trace, &examiner->options.judge, &roomy);
    if (roomy.equal || roomy.strict_only || roomy.step > verdict->step) {
        verdict->class = CLASS_ORDER;
        verdict->strict_only = !examiner->options.judge.strict_order;
    }
    return 0;
}

int examine_closely(struct examiner *examiner, const struct program *program, unsigned subject,
                    struct examination *ret_examination, char *ret_why)
{
    struct examination *examination = ret_examination;
    bool stable;

    int err = pass_gate(examiner, program, &stable, ret_why);
    if (!err)
        err = subject_trace(examiner, program, subject, EXECUTE_EVIDENCE, examiner->close_native[0],
                            examiner->close_subject, &examination->beyond, ret_why);
    if (!err)
        err = make_reference(examiner, examiner->close_native[0], subject, EXECUTE_EVIDENCE,
                             &examination->native, ret_why);
    if (err)
        return err;
    examination->subject = examiner->close_subject;
    judge(examiner, subject, examination->native, examination->subject, &examination->verdict);
    examination->opinion[0] = '\0';
    if (!is_model(examiner, subject) && (!stable || !examination->verdict.equal)) {
        err = opinion_say(examiner->facts, examiner->close_native[0], examiner->model_trace,
                          examination->opinion);
        if (err) {
            snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
            return err;
        }
    }
    if (!stable) {
        examination->result = EXAMINED_UNSTABLE;
        return 0;
    }
    if (examination->verdict.room && !is_model(examiner, subject)) {
        err = look_with_room(examiner, program, subject, &examination->verdict, ret_why);
        /* That needed the trace of the run with flush points. */
        if (!err)
            err = make_reference(examiner, examiner->close_native[0], subject, EXECUTE_EVIDENCE,
                                 &examination->native, ret_why);
        if (err)
            return err;
    }
    examination->result = result_of(&examination->verdict);
    return 0;
}

/* One round of a confirmation. *ret_stable: all native runs so far agree. */
static int confirm_once(struct examiner *examiner, const struct program *program, unsigned subject,
                        unsigned round, bool *ret_stable, struct verdict *ret_verdict,
                        char *ret_why)
{
    struct judge_options strict = {.contract = CONTRACT_EXACT, .strict_order = true};
    struct trace *native = examiner->close_native[round > 0];
    const struct trace *reference = native;
    bool beyond;

    int err = run_fresh(&examiner->native_subject, examiner, program, native, ret_why);
    if (!err && is_model(examiner, subject))
        err = subject_trace(examiner, program, subject, 0, native, examiner->close_subject, &beyond,
                            ret_why);
    else if (!err)
        err = run_fresh(&examiner->subjects[subject], examiner, program, examiner->close_subject,
                        ret_why);
    if (err)
        return err;
    judge_traces(examiner->close_native[0], native, &strict, ret_verdict);
    *ret_stable = ret_verdict->equal;
    if (*ret_stable && examiner->options.metamorphic) {
        reference = examiner->flushed_own;
        err = insert_points(examiner, native, ret_why);
        if (!err)
            err = run_flushed_fresh(examiner, &examiner->native_subject, program, ret_why);
        if (err)
            return err;
        judge_traces(native, reference, &strict, ret_verdict);
        *ret_stable = ret_verdict->equal;
        err = run_flushed_fresh(examiner, &examiner->subjects[subject], program, ret_why);
        if (err)
            return err;
    }
    judge(examiner, subject, reference, examiner->close_subject, ret_verdict);
    return 0;
}

int examine_confirm(struct examiner *examiner, const struct program *program, unsigned subject,
                    const char *signature, unsigned rounds, unsigned *ret_confirmed, char *ret_why)
{
    struct verdict verdict;
    unsigned confirmed = 0;

    *ret_confirmed = 0;
    for (unsigned round = 0; round < rounds; round++) {
        bool stable;
        int err = confirm_once(examiner, program, subject, round, &stable, &verdict, ret_why);
        if (err)
            return err;
        if (!stable)
            return 0;
        confirmed += !verdict.equal && strcmp(verdict.signature, signature) == 0;
    }
    *ret_confirmed = confirmed;
    return 0;
}

int examine_free(struct examiner *examiner, const struct program *program, int subject,
                 const struct trace **ret_trace, struct history_verdict *ret_verdict, char *ret_why)
{
    struct executor *executor =
        subject == EXAMINE_NATIVE ? examiner->native : examiner->executors[subject];

    assert(executor); /* nothing runs under the model */
    int err = executor_run(executor, program, 0, examiner->quick_trace, ret_why);
    if (err)
        return err;
    err = history_judge(examiner->quick_trace, examiner->facts, 0, ret_verdict);
    if (err)
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
    *ret_trace = examiner->quick_trace;
    return err;
}

int examine_deferral(struct examiner *examiner, const struct program *program, unsigned subject,
                     uint64_t *eligible, uint64_t *deferred, char *ret_why)
{
    struct trace *native = examiner->close_native[0];

    if (is_model(examiner, subject))
        return 0; /* it defers nothing */

    int err = executor_run(examiner->native, program, EXECUTE_EVIDENCE, native, ret_why);
    if (!err)
        err = executor_run(examiner->executors[subject], program, EXECUTE_EVIDENCE,
                           examiner->close_subject, ret_why);
    if (err)
        return err;
    deferral_count(native, examiner->close_subject, eligible, deferred);
    return 0;
}
