/* The checks of a replay. */
#include "fuzz/epdiff/replay.h"

#include "fuzz/epdiff/free.h"
#include "fuzz/epdiff/junit.h"
#include "fuzz/epdiff/requires.h"
#include "fuzz/epdiff/status.h"
#include "fuzz/program/parallel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void plan_check(struct replay_check *check, const char *signature)
{
    const struct document *document = check->program->document;

    if (!requires_are_met(document->requires, check->got, sizeof(check->got))) {
        check->result = REPLAY_SKIPPED;
        return;
    }
    if (document->inject[0] && !subject_injects(check->subject)) {
        check->result = REPLAY_SKIPPED;
        strcpy(check->got, "injects faults, which only preloaded shims can have");
        return;
    }
    if (check->subject->kind == SUBJECT_MODEL && parallel_count(&document->program) > 0) {
        check->result = REPLAY_SKIPPED;
        strcpy(check->got, "every run of a parallel block is judged by the model");
        return;
    }
    if (signature) {
        snprintf(check->expected, sizeof(check->expected), "%s", signature);
        return;
    }
    for (unsigned i = 0; i < document->nexpects; i++) {
        if (!subject_matches(check->subject, document->expects[i].subject))
            continue;
        memcpy(check->expected, document->expects[i].verdict, sizeof(check->expected));
        return;
    }
    /* Native is expected to equal itself, said or not, and the model to equal native. */
    if (check->subject->kind == SUBJECT_NATIVE || check->subject->kind == SUBJECT_MODEL) {
        strcpy(check->expected, "equal");
        return;
    }
    check->result = REPLAY_SKIPPED;
    strcpy(check->got, "the file expects nothing of this subject");
}

int replay_plan(struct replay *replay, const struct cli_options *options, const char *signature)
{
    replay->checks = calloc(replay->nprograms * options->nsubjects + 1, sizeof(*replay->checks));
    if (!replay->checks)
        return -ENOMEM;
    for (size_t p = 0; p < replay->nprograms; p++) {
        for (unsigned s = 0; s < options->nsubjects; s++) {
            struct replay_check *check = &replay->checks[replay->nchecks++];
            check->program = &replay->programs[p];
            check->subject = &options->subjects[s];
            check->subject_index = s;
            check->metamorphic = options->examine.metamorphic;
            plan_check(check, signature);
        }
    }
    return 0;
}

static bool holds(const struct replay_check *check, const struct examination *examination)
{
    if (examination->result == EXAMINED_UNSTABLE)
        return false;
    /* A pure reordering is allowed: it keeps the promise that `equal` states. */
    if (examination->result == EXAMINED_ORDER && strcmp(check->expected, "equal") == 0)
        return true;
    return verdict_matches(&examination->verdict, check->expected);
}

static void describe(struct replay_check *check, const struct examination *examination,
                     unsigned confirmed)
{
    const struct verdict *verdict = &examination->verdict;

    switch (examination->result) {
    case EXAMINED_EQUAL:
        strcpy(check->got, "equal");
        break;
    case EXAMINED_ORDER:
        strcpy(check->got, "equal but for the order of events");
        break;
    case EXAMINED_UNSTABLE:
        strcpy(check->got, "no verdict: two native runs differ");
        break;
    case EXAMINED_DIVERGENT:
        if (check->result == REPLAY_PASSED) {
            snprintf(check->got, sizeof(check->got), "%s", verdict->signature);
            break;
        }
        snprintf(check->got, sizeof(check->got), "%s at step %u, reproduces %u of %u",
                 verdict->signature, step_number(verdict->step), confirmed,
                 (unsigned)EXAMINE_CONFIRMATIONS);
        snprintf(check->explanation, sizeof(check->explanation), "%s", verdict->explanation);
        break;
    }
}

/* A program with parallel blocks: several runs, each judged by itself. */
static int run_free_check(struct examiner *examiner, struct replay_check *check, char *ret_why)
{
    const struct program *program = &check->program->document->program;
    struct free_rounds *rounds = malloc(sizeof(*rounds));

    if (!rounds) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        return -ENOMEM;
    }
    int err = free_rounds(examiner, program, (int)check->subject_index, EXAMINE_CONFIRMATIONS,
                          rounds, NULL, ret_why);
    if (!err) {
        const struct history_verdict *verdict = &rounds->verdict;
        bool violated = rounds->counts[LINEAR_VIOLATION] > 0;
        bool unknown = !violated && rounds->counts[LINEAR_UNKNOWN] > 0;
        bool held =
            !unknown && strcmp(check->expected, violated ? verdict->signature : "equal") == 0;
        check->result = held ? REPLAY_PASSED : REPLAY_FAILED;
        snprintf(check->got, sizeof(check->got), "%s",
                 violated  ? verdict->signature
                 : unknown ? "no verdict: a search for an order of the calls was not finished"
                           : "equal");
        snprintf(check->explanation, sizeof(check->explanation), "%.*s", EXPLANATION_MAX,
                 violated ? verdict->witness : verdict->why);
    }
    free(rounds);
    return err;
}

static int run_check(struct examiner *examiner, struct replay_check *check, char *ret_why)
{
    const struct program *program = &check->program->document->program;
    struct examination examination;
    unsigned confirmed = 0;

    int err =
        examiner_inject(examiner, check->subject_index, check->program->document->inject, ret_why);
    if (err)
        return err;
    if (parallel_count(program) > 0)
        return run_free_check(examiner, check, ret_why);
    examiner_set_metamorphic(examiner,
                             check->metamorphic || signature_is_metamorphic(check->expected));
    err = examine_closely(examiner, program, check->subject_index, &examination, ret_why);
    if (err)
        return err;
    check->result = holds(check, &examination) ? REPLAY_PASSED : REPLAY_FAILED;
    /* What is about to be reported is confirmed first. */
    if (check->result == REPLAY_FAILED && examination.result == EXAMINED_DIVERGENT) {
        err =
            examine_confirm(examiner, program, check->subject_index, examination.verdict.signature,
                            EXAMINE_CONFIRMATIONS, &confirmed, ret_why);
        if (err)
            return err;
    }
    describe(check, &examination, confirmed);
    return 0;
}

int replay_work(struct worker *worker, char *ret_why)
{
    struct replay *replay = worker->context;

    for (size_t i = worker->index; i < replay->nchecks && !workers_stopping(); i += worker->count) {
        if (replay->checks[i].result == REPLAY_SKIPPED)
            continue;
        status_show("replay: check %zu of %zu, %s", i + 1, replay->nchecks,
                    replay->checks[i].program->document->name);
        int err = run_check(worker->examiner, &replay->checks[i], ret_why);
        if (err)
            return err == -EINTR ? 0 : err;
    }
    return 0;
}

static void write_case(FILE *out, const struct replay_check *check)
{
    char message[sizeof(check->expected) + sizeof(check->got) + 32];
    struct junit_case one = {.class_name = check->subject->name,
                             .name = check->program->path,
                             .result = JUNIT_PASSED,
                             .message = message,
                             .text = check->explanation};

    if (check->result == REPLAY_FAILED) {
        one.result = JUNIT_FAILED;
        snprintf(message, sizeof(message), "expected %s, got %s", check->expected, check->got);
    } else if (check->result != REPLAY_PASSED) {
        one.result = JUNIT_SKIPPED;
        one.message = check->result == REPLAY_NOT_RUN ? "interrupted" : check->got;
    }
    junit_add(out, &one);
}

int replay_write_junit(const struct replay *replay, const char *path)
{
    struct junit_counts counts = {.cases = replay->nchecks};

    for (size_t i = 0; i < replay->nchecks; i++) {
        counts.failed += replay->checks[i].result == REPLAY_FAILED;
        counts.skipped += replay->checks[i].result == REPLAY_SKIPPED ||
                          replay->checks[i].result == REPLAY_NOT_RUN;
    }
    FILE *out = junit_begin(path, "epdiff replay", &counts);
    if (!out)
        return -1;
    for (size_t i = 0; i < replay->nchecks; i++)
        write_case(out, &replay->checks[i]);
    return junit_end(out);
}

void replay_free(struct replay *replay)
{
    for (size_t i = 0; i < replay->nprograms; i++)
        free(replay->programs[i].document);
    free(replay->programs);
    free(replay->checks);
}
