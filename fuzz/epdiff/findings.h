/*
 * Findings of a fuzzing run: one for each signature and subject, the one with the lowest program
 * number.
 */
#ifndef EPDIFF_EPDIFF_FINDINGS_H
#define EPDIFF_EPDIFF_FINDINGS_H

#include "fuzz/epdiff/examine.h"

#include <pthread.h>
#include <stdint.h>
#include <uthash.h>

struct finding {
    char key[SIGNATURE_MAX + 8]; /* "SUBJECT-INDEX signature" */
    unsigned subject;
    uint64_t index; /* of the program it was first seen in, of those looked at */
    uint64_t count; /* programs that showed it */
    bool confirmed;
    bool known; /* listed: it is counted, and that is all */
    struct verdict verdict;
    struct program program;  /* shrunk where possible */
    unsigned original_steps; /* 0: it was not to be shrunk */
    UT_hash_handle hh;
};

struct findings {
    pthread_mutex_t lock;
    struct finding *table;
};

void findings_init(struct findings *findings);
void findings_free(struct findings *findings);

/*
 * Counts a divergence. Returns true if the caller is to confirm and shrink it: its signature is
 * new, or this program comes before the one that stands for it. `known`: its signature is listed.
 * Safe from any thread.
 */
bool findings_note(struct findings *findings, unsigned subject, uint64_t index,
                   const struct verdict *verdict, bool known);

/*
 * Stores what confirming and shrinking came to, unless a program that comes before has been stored
 * meanwhile. A divergence that did not come again (`confirmed` false) is forgotten. Safe from any
 * thread.
 */
void findings_store(struct findings *findings, unsigned subject, uint64_t index,
                    const struct verdict *verdict, bool confirmed, const struct program *program,
                    unsigned original_steps);

/* Orders by subject, then by signature. */
void findings_sort(struct findings *findings);

/* Signatures noted so far, confirmed or not. Safe from any thread. */
unsigned findings_count(struct findings *findings);

unsigned findings_count_confirmed(struct findings *findings);

/* Those of the confirmed ones that are known. */
unsigned findings_count_known(struct findings *findings);

/* Says whether findings could be saved in the folder, which need not be there yet, so that nobody
 * learns it at the end of a night. Returns 0 or a negative errno. */
int findings_check_folder(const char *folder);

/* DIR/SUBJECT, the folder of a subject's findings. */
void findings_subject_folder(const struct subject *subject, const char *folder, char *ret_path,
                             size_t size);

/* Makes DIR and DIR/SUBJECT unless they are there. Returns 0 or a negative errno. */
int findings_make_folders(const struct subject *subject, const char *folder);

/* The file of a finding: DIR/SUBJECT/SIGNATURE.epd. Returns 0, or -ENAMETOOLONG. */
int finding_path(const struct finding *finding, const struct subject *subject, const char *folder,
                 char *ret_path, size_t size);

/*
 * Writes a finding to its file, with expectation, explanation and origin: `found_by`, the command
 * that makes its programs again, and the program's number there. Creates the folders.
 * Returns 0 or a negative errno.
 */
int finding_save(const struct finding *finding, const struct subject *subject, const char *found_by,
                 const char *folder);

/* The same for the stored finding of a signature, if there is a confirmed one that is not known.
 * Safe from any thread. Returns 0 or a negative errno. */
int findings_save_early(struct findings *findings, unsigned subject_index, const char *signature,
                        const struct subject *subject, const char *found_by, const char *folder);

#endif
