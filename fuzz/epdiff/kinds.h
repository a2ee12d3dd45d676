/* Findings for people: hundreds of signatures come down to a few kinds, each one class and one
 * hazard. */
#ifndef EPDIFF_EPDIFF_KINDS_H
#define EPDIFF_EPDIFF_KINDS_H

#include "fuzz/epdiff/findings.h"

/*
 * Prints the kinds of confirmed findings of each subject, the most frequent first: the first
 * KINDS_SHOWN_MAX of them with their smallest program, the others by name. `folder` is where the
 * programs were saved. Returns 0 or -ENOMEM.
 */
int kinds_show(const struct findings *findings, const struct subject *subjects, unsigned nsubjects,
               const char *folder);

enum {
    KINDS_SHOWN_MAX = 10,
};

#endif
