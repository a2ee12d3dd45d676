/*
 * What two traces tell beyond their results: which open file description each number named on each
 * side, and when the kernel's interest lists show that an operation was really carried out.
 * Everything here is looked up lazily, and only after two traces were found to differ.
 */
#ifndef EPDIFF_ORACLE_STORY_H
#define EPDIFF_ORACLE_STORY_H

#include "oracle/judge.h"

enum side {
    NATIVE,
    SUBJECT,
    SIDES,
};

enum {
    STORY_NEVER = -1,   /* no step of the run shows it */
    STORY_UNKNOWN = -2, /* there is no evidence to tell */
};

struct deed;

struct story {
    const struct trace *traces[SIDES];
    const struct program *program;
    const struct judge_options *options;
    bool witnessed; /* `deeds` holds every ctl that reached the subject's kernel: deeds.h */
    unsigned ndeeds;
    struct deed *deeds;
    bool evidence; /* both traces list every interest list after every step */
    struct world
        *worlds[SIDES]; /* nsteps + 1 of them: before step k at index k. NULL until needed */
    uint16_t *first_snapshot[SIDES]; /* nsteps + 1: index of the first snapshot of step k */
};

/* An open file description, named the same on both sides: its opening step and which out of it. */
struct file_key {
    int born; /* -2: no file */
    int out;
};

void story_init(struct story *ret_story, const struct trace *native, const struct trace *subject,
                const struct judge_options *options);
void story_free(struct story *story);

/* Replays both traces. Returns false when out of memory: then nothing below may be called. */
bool story_replay(struct story *story);

const struct world *story_world(const struct story *story, enum side side, unsigned step);

/* The descriptor argument through which a step uses an epoll instance or a file, or -1. */
int story_fd_arg(const struct step *step);

unsigned story_process(const struct story *story, unsigned step);

struct file_key story_file(const struct world *world, int file);
struct file_key story_file_of(const struct world *world, unsigned actor, int number);
bool file_key_equal(struct file_key a, struct file_key b);
bool file_key_none(struct file_key key);

bool step_is_ctl(const struct step *step);
bool step_is_ctl_op(const struct step *step, int op);

/* True if the step returned without an error, whenever that was. */
bool story_succeeded(const struct story *story, enum side side, unsigned step);

/* A ctl as its caller meant it: what its arguments named when it was called. */
struct ctl {
    int op;
    unsigned actor;
    unsigned process;
    int epfd;   /* number */
    int number; /* number of the target */
    struct file_key instance;
    struct file_key file;
    uint32_t events;
};

void story_read_ctl(const struct story *story, unsigned step, struct ctl *ret_ctl);

/* What the kernel lists for an instance when a step is over, or NULL if no snapshot tells. */
const struct trace_snapshot *story_list(const struct story *story, enum side side, unsigned step,
                                        struct file_key instance);

/* The item with this data when the step is over, or NULL; *ret_instance, unless NULL, is where. */
const struct trace_item *story_listed(const struct story *story, enum side side, unsigned step,
                                      uint64_t data, struct file_key *ret_instance);

/*
 * The first step at whose end the subject's kernel shows that the ctl was carried out: an ADD's or
 * MOD's data is listed, the item that a DEL meant is gone. STORY_NEVER or STORY_UNKNOWN otherwise.
 */
int story_carried(const struct story *story, unsigned ctl);

/*
 * The file on which a registration landed under the subject when it was carried out at `carried`:
 * what its number named then, in the process that carried it out.
 */
struct file_key story_landed(const struct story *story, unsigned ctl, int carried);

/* The step that natively ended the registration made by an ADD or MOD, at or before `until`, or
 * STORY_NEVER. */
int story_ended(const struct story *story, unsigned ctl, unsigned until);

/* True if the ctl natively made or changed a registration. */
bool story_registered(const struct story *story, unsigned ctl);

/* True if the ctl was carried out a second time: without a witness, if the subject lists its data
 * when `until` is over, and a step between showed it gone. */
bool story_relisted(const struct story *story, unsigned ctl, unsigned until);

/* The registration of (instance, number, file) that is natively live before a step: its ADD or last
 * MOD, or -1. */
int story_native_registration(const struct story *story, unsigned step, const struct ctl *ctl,
                              int *ret_added);

#endif
