/* The violations of one run of `epdiff fuzz --parallel`: one for each signature of each subject. */
#ifndef EPDIFF_EPDIFF_FREE_FINDINGS_H
#define EPDIFF_EPDIFF_FREE_FINDINGS_H

#include "fuzz/epdiff/free.h"

/* The first program, by number, that showed this signature under this subject. */
struct free_finding {
    unsigned subject;
    uint64_t index, count;
    bool known; /* listed: it is counted, and that is all */
    bool model; /* the same program violates natively: it is the model that is wrong */
    struct program program;
    struct free_rounds shown;
};

struct free_findings {
    unsigned count, room;
    unsigned news; /* of `count`, those that are not known: FREE_FINDINGS_MAX at most */
    struct free_finding **list;
};

/*
 * Counts a violation, and keeps it if nothing of its subject and signature is there yet, or only of
 * a later program. Known ones take up no room of the new ones. A kept one that was not there is the
 * list's from then on, and *fresh becomes NULL. *ret_changed becomes what the list has of it if
 * that is new, else NULL. Returns 0 or -ENOMEM.
 */
int free_findings_keep(struct free_findings *findings, struct free_finding **fresh,
                       struct free_finding **ret_changed);

/* Of those in the list, the ones that are known. */
unsigned free_findings_count_known(const struct free_findings *findings);

/* Frees all that is in the list, and the list. */
void free_findings_clear(struct free_findings *findings);

#endif
