/*
 * The inquiry into one difference: which operation is to blame, what happened to its descriptors
 * between call and execution, and the words for it. suspect.c finds the culprit, the rules of
 * explain*.c name the hazard.
 */
#ifndef EPDIFF_ORACLE_INQUIRY_H
#define EPDIFF_ORACLE_INQUIRY_H

#include "oracle/compare.h"
#include "oracle/text.h"

enum {
    INQUIRY_NONE = -1,       /* no such step */
    INQUIRY_DEPTH_MAX = 5,   /* nesting of epoll instances: the kernel allows no more */
    SIGNATURE_KINDS_MAX = 6, /* operation kinds that a signature names */
};

/* How a number that a ctl used was taken from its file before the ctl was carried out. */
struct door {
    int closer; /* the step that closed or replaced it, or INQUIRY_NONE */
    int opener; /* the step that gave the number to another file, or INQUIRY_NONE */
    bool alive; /* the file has another reference when the closer is over */
};

struct inquiry {
    struct story *story;
    const struct difference *difference;
    struct verdict *verdict;
    enum divergence_class observed; /* the class that results alone give */
    unsigned step;
    unsigned observer;
    int native_err; /* errno with which the observer failed, 0 if it did not */
    int subject_err;
    struct event_sets events; /* of a wait */

    int culprit;       /* the operation that went wrong, or INQUIRY_NONE */
    int victim;        /* the ctl that another's lateness hit: it fails, or its item is gone. Or
                          INQUIRY_NONE */
    bool flush_failed; /* the observer failed with the culprit's error */
    struct ctl ctl;    /* the culprit, if it is a ctl */
    bool late;         /* it was not carried out when it was called */
    bool again;        /* it was carried out a second time */
    bool astray;       /* it landed on another open file description than it named */
    int carried;       /* see story_carried */
    struct door target;
    struct door epfd;
    int fork; /* a fork of its process while it was pending, or INQUIRY_NONE */

    struct text text;              /* verdict->explanation */
    bool cited[PROGRAM_STEPS_MAX]; /* steps that the explanation rests on */
};

/* Finds culprit and victim, and examines the culprit. Needs story_replay. */
void suspect_find(struct inquiry *inquiry);

/*
 * suspect_deeds.c: the same questions where the witness saw every deed. The ctl to blame for a
 * flush that failed with `err` in the observer, for a registration that native has alone, for one
 * that the subject has alone; a ctl on the instance that was carried out
 * late, during the step of the difference; and the one whose failure ended the batch before the
 * culprit's turn
 * (*ret_own: on the same target). Or INQUIRY_NONE.
 */
int suspect_flush(struct inquiry *inquiry, int err);
int suspect_missing(struct inquiry *inquiry, unsigned ctl);
int suspect_extra(struct inquiry *inquiry, unsigned ctl);
int suspect_late(const struct inquiry *inquiry, struct file_key instance);
int suspect_dropper(const struct inquiry *inquiry, bool *ret_own);

/* Finds out what happened to the culprit, a ctl, between its call and its execution. */
void suspect_examine(struct inquiry *inquiry);

/* A rule names the hazard, may correct the class, and writes the explanation; or returns false. */
typedef bool explain_rule(struct inquiry *inquiry);

/* explain_errors.c */
explain_rule explain_end, explain_call_error, explain_errno_clobbered, explain_polluted,
    explain_late_error, explain_failed_call, explain_dropped, explain_numbers, explain_order;
/* explain_life.c */
explain_rule explain_handler, explain_handler_result, explain_exec, explain_process_end,
    explain_thread_end, explain_table;
/* explain_pending.c */
explain_rule explain_handoff, explain_target_door, explain_epfd_door, explain_fork, explain_process,
    explain_indirect, explain_thread, explain_overtaken, explain_failed_repair, explain_exclusive,
    explain_readiness;

/* Writes "the ADD of step 3" with `article`, and cites the step. */
void say_step(struct inquiry *inquiry, const char *article, unsigned step);

/* Writes what the difference is: "the epoll_wait of step 6 misses EPOLLIN from the ADD of step 3".
 */
void say_difference(struct inquiry *inquiry);

/* Writes ", so " and the difference, and ends the sentence. */
void say_consequence(struct inquiry *inquiry);

/* Writes the kind of a file: "an eventfd". */
void say_file(struct inquiry *inquiry, const char *article, struct file_key file);

const struct step *inquiry_step(const struct inquiry *inquiry, unsigned step);
const char *inquiry_actor(const struct inquiry *inquiry, unsigned step);

#endif
