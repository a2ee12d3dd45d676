/*
 * What a fuzzing run has to tell beside its new findings: those that the known list names, and both
 * as JUnit, a testcase for each subject.
 */
#ifndef EPDIFF_EPDIFF_NEWS_H
#define EPDIFF_EPDIFF_NEWS_H

#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/known.h"

/* A confirmed finding. The texts are borrowed. */
struct news {
    unsigned subject;
    const char *signature;
    const char *text; /* why */
    uint64_t count;   /* programs, or runs, that showed it */
    bool known;
};

/* The options of news. */
struct news_options {
    const char *known_path; /* NULL: no list */
    struct known *known;
    const char *junit; /* NULL: none */
};

/*
 * Reads the known list and looks whether JUnit can be written. Returns STATUS_OK or, after a
 * message, STATUS_USAGE or STATUS_HARNESS. `options->known` is to be freed.
 */
int news_start(struct news_options *options);

/*
 * Tells how many listed signatures were met, and which; as a JSON line each with --json. Without a
 * list nothing. Returns STATUS_OK or STATUS_HARNESS.
 */
int news_show_known(const struct cli_options *cli, const struct news_options *options,
                    const struct news *list, size_t count);

/* Writes JUnit if it is wanted. Returns STATUS_OK or, after a message, STATUS_HARNESS. */
int news_write_junit(const struct cli_options *cli, const struct news_options *options,
                     const struct news *list, size_t count);

#endif
