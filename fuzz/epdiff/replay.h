/* The checks of a replay: each one program under one subject against one expectation. */
#ifndef EPDIFF_EPDIFF_REPLAY_H
#define EPDIFF_EPDIFF_REPLAY_H

#include "fuzz/epdiff/workers.h"
#include "fuzz/program/document.h"

enum replay_result {
    REPLAY_NOT_RUN, /* interrupted before its turn */
    REPLAY_PASSED,
    REPLAY_FAILED,
    REPLAY_SKIPPED, /* the file expects nothing of this subject, or wants what this machine lacks */
};

struct replay_program {
    const char *path; /* borrowed */
    struct document *document;
};

struct replay_check {
    const struct replay_program *program;
    const struct subject *subject;
    unsigned subject_index;
    bool metamorphic; /* whatever is expected; an expectation with the mark wants it anyway */
    enum replay_result result;
    char expected[DOCUMENT_WORD_MAX + 1];
    char got[EXECUTE_WHY_MAX + 1];
    char explanation[EXPLANATION_MAX + 1];
};

struct replay {
    size_t nprograms;
    struct replay_program *programs;
    size_t nchecks;
    struct replay_check *checks;
};

/*
 * Makes the list of checks: every program with every subject, in order. `signature` replaces the
 * files' expectations unless it is NULL. Returns 0 or -ENOMEM.
 */
int replay_plan(struct replay *replay, const struct cli_options *options, const char *signature);

/* A worker's share of the checks; the context is the struct replay. */
int replay_work(struct worker *worker, char *ret_why);

/* Writes the results as JUnit XML. Returns 0, or -1 with errno set. */
int replay_write_junit(const struct replay *replay, const char *path);

void replay_free(struct replay *replay);

#endif
