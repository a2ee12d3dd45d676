/*
 * Programs with parallel blocks: no two runs of one need be alike, so none is compared with
 * another. Each run is judged by itself: some order of its calls is one that the model explains, or
 * none is. The recorded history is the proof, and nothing has to come again.
 */
#ifndef EPDIFF_EPDIFF_FREE_H
#define EPDIFF_EPDIFF_FREE_H

#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/news.h"

#include <pthread.h>
#include <stdint.h>

enum {
    FREE_FINDINGS_MAX = 64, /* new signatures that one run keeps; more are only counted */
    FREE_HISTORY_MAX = 16383,
};

/* "ok", "violation", "unknown" */
const char *free_verdict_name(enum linear_verdict verdict);

/* Refuses, with a message, what has no meaning for runs that are judged each by itself. Returns
 * STATUS_OK or STATUS_USAGE. */
int free_check_options(const char *command, const struct cli_options *cli);

/* epdiff run of a program with parallel blocks: `rounds` runs of each side, side by side. Returns
 * the command's status. */
int free_run(const struct cli_options *cli, const struct document *document, unsigned rounds);

/* What the runs of one program under one subject came to. */
struct free_rounds {
    unsigned counts[3];             /* by enum linear_verdict */
    struct history_verdict verdict; /* the first violation, else the last unknown, else the last */
    char history[FREE_HISTORY_MAX + 1]; /* of that run */
};

/* `rounds` runs. `subject` EXAMINE_NATIVE: natively. `ret_trace`, unless null, becomes a copy of
 * the trace that the verdict is about. Returns 0 or a negative errno. */
int free_rounds(struct examiner *examiner, const struct program *program, int subject,
                unsigned rounds, struct free_rounds *ret_rounds, struct trace *ret_trace,
                char *ret_why);

/*
 * What a saved finding says of itself: its file has no expectation, for not every run shows it, but
 * a line "Seen: SUBJECT SIGNATURE" in its comment. Each of ret_subject and ret_signature has room
 * for the whole comment. Returns false if there is no such line.
 */
bool free_read_seen(const char *comment, char *ret_subject, char *ret_signature);

/* What a fuzzing run wants. */
struct free_fuzz {
    const struct cli_options *cli;
    unsigned jobs;
    uint64_t runs, seed, deadline_ms; /* runs 0: until the deadline */
    const char *folder;
    const struct news_options *news;
    bool verbose;
};

/* epdiff fuzz --parallel. Returns the command's status. */
int free_fuzz(const struct free_fuzz *options);

#endif
