/*
 * The smallest program of each hazard: what is left of a run that meets thousands of divergent
 * programs. Programs come from an enumeration, where a lower index is a smaller program.
 *
 * A quick look costs one run, a close look four more, and a confirmation ten with as many new
 * servers. So programs that a quick look cannot tell apart form a group: those with the same quick
 * signature that make the same kinds of operations; with several actors, in the same order at the
 * same descriptors. Only the smallest program of a group is looked at closely, and only the
 * smallest of each hazard is confirmed. Which program that is does not depend on the order in which
 * several workers come by.
 */
#ifndef EPDIFF_EPDIFF_SMALLEST_H
#define EPDIFF_EPDIFF_SMALLEST_H

#include "fuzz/epdiff/findings.h"

enum {
    SMALLEST_KEY_MAX = SIGNATURE_MAX + 24,
};

/* A signature of a close look: many groups share one. */
struct smallest_signature {
    char text[SIGNATURE_MAX + 1];
    UT_hash_handle hh;
};

struct smallest_group {
    char key[SMALLEST_KEY_MAX + 1];
    unsigned subject;
    uint64_t count;         /* its programs */
    bool judged, confirmed; /* a program was looked at closely, and confirmed */
    uint64_t index;         /* of the smallest one that was looked at closely */
    enum hazard hazard;     /* by its close look */
    const struct smallest_signature *signature;
    struct verdict *verdict; /* when it was confirmed */
    UT_hash_handle hh;
};

struct smallest {
    pthread_mutex_t lock;
    struct smallest_group *table;
    struct smallest_signature *signatures;
    /* The lowest index confirmed so far: what comes after it need not be confirmed. */
    uint64_t confirmed[EXAMINE_SUBJECTS_MAX][HAZARDS];
};

void smallest_init(struct smallest *smallest);
void smallest_free(struct smallest *smallest);

/* The key of the group that a divergent program belongs to by its quick look. */
void smallest_key(unsigned subject, const struct program *program, const struct verdict *quick,
                  char ret_key[SMALLEST_KEY_MAX + 1]);

/*
 * Counts a divergence of a quick look. Returns true if the caller is to look closely and then to
 * call smallest_judge or smallest_dismiss: no smaller program of the group was looked at. Safe from
 * any thread.
 */
bool smallest_note(struct smallest *smallest, const char *key, unsigned subject, uint64_t index);

/*
 * Takes the verdict of a close look. Returns true if the caller is to confirm it and then to call
 * smallest_confirm or smallest_dismiss: nothing smaller of its hazard is confirmed. Safe from any
 * thread.
 */
bool smallest_judge(struct smallest *smallest, const char *key, uint64_t index,
                    const struct verdict *close);

/* It came again every time; `close` is the verdict. Safe from any thread. */
void smallest_confirm(struct smallest *smallest, const char *key, uint64_t index,
                      const struct verdict *close);

/* It was no divergence after all: it does not count, and another of the group gets its chance. Safe
 * from any thread. */
void smallest_dismiss(struct smallest *smallest, const char *key, uint64_t index);

/* The smallest program of a hazard under a subject, judged or, if so wanted, confirmed; NULL if
 * there is none. *ret_count: the programs of all groups of the hazard. When all workers are done.
 */
struct smallest_group *smallest_find(const struct smallest *smallest, unsigned subject,
                                     enum hazard hazard, bool confirmed, uint64_t *ret_count);

/* Different signatures that the groups of a subject have. When all workers are done. */
unsigned smallest_signatures(const struct smallest *smallest, unsigned subject);

#endif
