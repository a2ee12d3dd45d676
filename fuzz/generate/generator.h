/*
 * The inside of generate_program: what its parts share. generate.h is the outside.
 *
 * Every step is proposed, carried out on the model (ready.h), and taken back if the
 * program should not have it: it fails in a program without failures, nobody could go on after it,
 * or the kernel would not answer it the same way twice. The recipes therefore say what they want
 * and need not know what is possible.
 */
#ifndef EPDIFF_GENERATE_GENERATOR_H
#define EPDIFF_GENERATE_GENERATOR_H

#include "fuzz/generate/generate.h"
#include "fuzz/generate/random.h"
#include "fuzz/generate/ready.h"
#include "fuzz/generate/schedule.h"

enum {
    GENERATE_STEPS_MIN = 8,
    GENERATE_STEPS_MAX = 40, /* no program is longer; most have 8 to 28 */
    GENERATE_INSTANCES_MAX = 4,
    SLOT_NONE = -1,
};

enum generate_feature {
#define FEATURE(id, ...) FEATURE_##id,
#include "fuzz/generate/features.def"
#undef FEATURE
    FEATURES,
};
#define FEATURE_BIT(id) (1u << FEATURE_##id)
#define GROUP_BIT(id)   (1u << GROUP_##id)

enum idiom_id {
#define IDIOM(id, ...) IDIOM_##id,
#include "fuzz/generate/idioms.def"
#undef IDIOM
    IDIOMS,
};

struct generator {
    struct random random;
    struct program *program;
    struct ready ready;
    struct ready saved; /* from before the step that is being tried */
    uint32_t groups;    /* GROUP_BIT */
    uint32_t features;  /* FEATURE_BIT */
    unsigned weights[OPS];
    unsigned steps_aim;
    unsigned steps_min;         /* nobody ends the program before it */
    unsigned steps_max;         /* no step is taken beyond it */
    struct schedule schedule;   /* with the feature PRIORITIES */
    bool reciting;              /* a recipe is running: its steps are in its own order */
    unsigned actor;             /* who did the last step: the next is often his too */
    uint64_t idioms;            /* bit per idiom that ran to its end */
    struct ready_result result; /* of the last step taken */
};

struct idiom {
    const char *id;
    unsigned weight;
    uint32_t groups;
    uint32_t features;
    bool (*run)(struct generator *generator, unsigned actor);
};

extern const struct idiom idiom_table[IDIOMS];
extern const char *const feature_names[FEATURES];

/* generate_program, and the generator as it was at the end: for tests. */
void generate_traced(uint64_t seed, uint64_t index, struct program *ret_program,
                     struct generator *generator);

/* --- generate.c: steps --- */

/*
 * Makes *ret_program the empty program, and the generator ready to fill it: the swarm is drawn
 * from `random`, which the caller has seeded. Programs that are generated and those that are
 * mutated begin here.
 */
void generate_begin(struct generator *generator, struct program *ret_program);

struct operand {
    enum arg_tag tag;
    int64_t value;
};

static inline struct operand operand_slot(int slot)
{
    return (struct operand){TAG_SLOT, slot};
}

static inline struct operand operand_number(int64_t value)
{
    return (struct operand){TAG_INT, value};
}

static inline struct operand operand_actor(unsigned actor)
{
    return (struct operand){TAG_ACTOR, actor};
}

/* A step as it is proposed: what is not set keeps the plain value of its kind. */
struct proposal {
    enum op_id op;
    unsigned actor;
    struct operand args[PROGRAM_ARGS_MAX];
};

struct proposal propose(enum op_id op, unsigned actor);

/* Appends the step if the program may have it. Returns its index, or -1 with nothing changed. */
int generate_step(struct generator *generator, const struct proposal *proposal);

/* One random step by a random actor: the operation by weight, everything else by its kind. False if
 * it was not taken. */
bool generate_random_step(struct generator *generator);

/* One recipe by weight, by a random actor. False if it did not run to its end: the steps that it
 * came to stay. */
bool generate_random_idiom(struct generator *generator);

bool generate_has(const struct generator *generator, uint32_t features);
bool generate_groups(const struct generator *generator, uint32_t groups);

/* --- choose.c: descriptors, actors and values --- */

#define KIND_BIT(kind) (1u << (kind))
#define KINDS_PLAIN                                                                                \
    (KIND_BIT(FILE_PIPE_READ) | KIND_BIT(FILE_PIPE_WRITE) | KIND_BIT(FILE_SOCKET) |                \
     KIND_BIT(FILE_EVENTFD) | KIND_BIT(FILE_LISTENER) | KIND_BIT(FILE_TIMERFD) |                   \
     KIND_BIT(FILE_SIGNALFD) | KIND_BIT(FILE_INOTIFY))
#define KINDS_EPOLL KIND_BIT(FILE_EPOLL)
#define KINDS_ALL   (~0u)

/* The file that a slot names for the actor now, or WORLD_FILE_NONE. */
int choose_file(const struct generator *generator, unsigned actor, int slot);

/* A slot of one of these kinds that is open for the actor, recent ones more often; SLOT_NONE if
 * there is none. */
int choose_slot(struct generator *generator, unsigned actor, uint32_t kinds);

/* A slot that is bound and no longer open for the actor, or whose number is another file's now. */
int choose_stale(struct generator *generator, unsigned actor);

/* A slot that the instance has registered under its number; SLOT_NONE if there is none. */
int choose_registered(struct generator *generator, unsigned actor, int instance);

/* The same for what is not registered there. */
int choose_unregistered(struct generator *generator, unsigned actor, int instance);

/* The slot of the actor's that names `file` under `number` (-1: any), or SLOT_NONE. */
int choose_slot_of_file(const struct generator *generator, unsigned actor, int file, int number);

/*
 * The actor that does the next step, or -1: the one that the schedule names, in a program without
 * the feature PRIORITIES any that can.
 */
int choose_actor(struct generator *generator);

/* Another one than `actor`, of the same process if `same_process`, or -1. */
int choose_other(struct generator *generator, unsigned actor, bool same_process);

/* A value of the table that the features allow. */
int64_t choose_value(struct generator *generator, enum arg_kind kind);

/* A value that has one of the bits in `need` as well, or the plain one if no value of the table
 * has. */
int64_t choose_mask(struct generator *generator, uint32_t need);

/* The mask under which `file` is ready now, or would be by a write if it is not. */
int64_t choose_ready_mask(struct generator *generator, int file);

/* --- idioms.c: what recipes are made of. All return a slot, or SLOT_NONE; bool: the step was taken
 * --- */

int make_instance(struct generator *generator, unsigned actor); /* an open one, or a new one */
int make_new_instance(struct generator *generator, unsigned actor);
/* A new descriptor to watch; *ret_other, unless null, is what to write to, SLOT_NONE if nothing. */
int make_target(struct generator *generator, unsigned actor, bool ready, int *ret_other);
/* An open descriptor that is not registered there, or a new one. */
int make_unregistered(struct generator *generator, unsigned actor, int epfd, bool ready);
bool make_ctl(struct generator *generator, unsigned actor, int epfd, int64_t op, int slot,
              int64_t mask);
bool make_add(struct generator *generator, unsigned actor, int epfd, int slot);
bool make_wait(struct generator *generator, unsigned actor, int epfd);
bool make_sleep(struct generator *generator, unsigned actor, int epfd);
bool make_poll(struct generator *generator, unsigned actor, int slot, int64_t timeout);
bool make_io(struct generator *generator, unsigned actor, enum op_id op, int slot, int64_t count);
bool make_close(struct generator *generator, unsigned actor, int slot); /* by any door */
int make_dup(struct generator *generator, unsigned actor, int slot);
bool make_dup_over(struct generator *generator, unsigned actor, int slot, int over);
bool make_reopen(struct generator *generator,
                 unsigned actor); /* something new takes the lowest number */
/* A free actor other than `actor`, started if there is none and the program may have one; -1 if
 * not. */
int make_thread(struct generator *generator, unsigned actor);
int make_child(struct generator *generator, unsigned actor);
int make_partner(struct generator *generator, unsigned actor);
/* Makes the file of a slot ready by its other end, or by itself. */
bool make_ready(struct generator *generator, unsigned actor, int slot);

/* The recipes: idiom_ID, each in the file that idioms.def names. True if it ran to its end. */
#define IDIOM(id, ...) bool idiom_##id(struct generator *generator, unsigned actor);
#include "fuzz/generate/idioms.def"
#undef IDIOM

#endif
