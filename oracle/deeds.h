/*
 * Deeds: the epoll_ctl calls that really reached the kernel under the subject, as the witness wrote
 * them down, each traced back to the step that called for it and to the files that its numbers
 * named by then.
 */
#ifndef EPDIFF_ORACLE_DEEDS_H
#define EPDIFF_ORACLE_DEEDS_H

#include "oracle/story.h"

enum {
    DEED_NONE = -1,
};

struct deed {
    int ctl;       /* the step that called for it, or DEED_NONE */
    bool again;    /* that step had been carried out before: by another process's copy of a list */
    bool repaired; /* it was carried out as another operation than the call asked for */
    unsigned step; /* during which it was done */
    unsigned actor, process;
    int op, epfd, number;
    int err;                        /* 0: success */
    struct file_key instance, file; /* what the numbers named in that process at that time */
};

/*
 * Fills in story->deeds, in the order in which they were done. Needs the worlds. story->witnessed
 * says afterwards whether they are all there is: a registration that the kernel lists without a
 * deed went another road.
 */
void deeds_collect(struct story *story);

/* The first deed of a step's call, or DEED_NONE. */
int deeds_find(const struct story *story, unsigned ctl);

/* The last deed of a step's call up to the end of step `until`, or DEED_NONE. */
int deeds_find_last(const struct story *story, unsigned ctl, unsigned until);

/* True if a step's call was carried out a second time up to the end of step `until`. */
bool deeds_repeated(const struct story *story, unsigned ctl, unsigned until);

/* The last deed of `actor` during `step` that failed with `err`, or DEED_NONE. */
int deeds_find_failure(const struct story *story, unsigned step, unsigned actor, int err);

/*
 * The last successful deed before deed `before` that changed the item (instance, number, file), or
 * DEED_NONE.
 */
int deeds_last_change(const struct story *story, unsigned before, struct file_key instance,
                      int number, struct file_key file);

#endif
