/*
 * A scene: one program and the two traces of it that a test sets up. Steps are given by their
 * numbers, from 1.
 *
 * Every step starts out as what the model (oracle/model) answers to it, on both sides, but for
 * waits and polls: those find nothing until a test says what. A test then says what the subject did
 * otherwise: which operations it deferred and when it carried them out, and what its calls
 * returned. Evidence is what a kernel would list, deferred operations and all: the scene carries
 * the operations out on a small model of interest lists.
 */
#ifndef EPDIFF_TESTS_SCENE_H
#define EPDIFF_TESTS_SCENE_H

#include "fuzz/program/document.h"
#include "oracle/judge.h"

enum scene_side {
    ON_NATIVE,
    ON_SUBJECT,
    ON_BOTH,
};

enum {
    SCENE_RUNS_MAX = 64,
    LATER = -1, /* carried out after the end of the run, or never */
};

struct scene_run {
    unsigned ctl;
    unsigned at;
    unsigned process;
    bool after; /* the step's own call */
};

struct scene {
    struct document document;
    struct trace *traces[2];
    struct judge_options options;
    struct verdict verdict;
    bool deferred[PROGRAM_STEPS_MAX];
    unsigned nruns;
    struct scene_run runs[SCENE_RUNS_MAX];
    bool repairs;
    unsigned nwitnessed[2];
};

/* Parses the program, which must be sound, and carries it out for both traces. */
struct scene *scene_new(const char *text);
struct scene *scene_of_program(const struct program *program);
void scene_free(struct scene *scene);

/* The step returned at once. */
void scene_returns(struct scene *scene, enum scene_side side, unsigned step, int64_t ret, int err);

/* A wait returned one event more. The first call makes the step a return of one event. */
void scene_event(struct scene *scene, enum scene_side side, unsigned step, uint32_t events,
                 uint64_t data);

/* The step slept until the end, or until step `at`; its return stays as set before. */
void scene_sleeps(struct scene *scene, enum scene_side side, unsigned step);
void scene_wakes(struct scene *scene, enum scene_side side, unsigned step, unsigned at);

void scene_skips(struct scene *scene, enum scene_side side, unsigned step);

/* The subject deferred a ctl: it returns 0 and is carried out during step `at`, before that step's
 * own call. */
void scene_defers(struct scene *scene, unsigned ctl, int at);

/* The same, but carried out after the step's own call. */
void scene_defers_past(struct scene *scene, unsigned ctl, unsigned at);

/* The same, carried out in another process; a second time if it was carried out before. */
void scene_runs_in(struct scene *scene, unsigned ctl, unsigned at, const char *process);

/* The subject turns an ADD into a MOD at EEXIST, and a MOD into an ADD at ENOENT. */
void scene_repairs(struct scene *scene);

/* Adds what the kernel lists after every step. Call it when everything else is set. */
void scene_evidence(struct scene *scene);

/* After scene_evidence: adds what the witness saw too, every operation that reached the kernel. */
void scene_witness(struct scene *scene);

/* Makes the list after one step a compared one (a flush point), on both sides. */
void scene_flush_point(struct scene *scene, unsigned step);

/* Judges, and fails the test with the whole verdict unless its signature is this one, or "equal".
 */
void scene_expect(struct scene *scene, const char *signature);

/* scene_evidence and scene_expect, then once more with scene_witness; scene_free. */
void scene_conclude(struct scene *scene, const char *signature);

#endif
