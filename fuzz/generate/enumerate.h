/*
 * Bounded enumeration: every program of up to N core operations over a small world, symmetric ones
 * once. docs/enumerate.md says what is counted and what is not; the tables are enumerate.def.
 *
 * Programs have one order, by length, then by world, then by the operation instances in the order
 * of the table. A program's place in it, from 0, is its index. Knows nothing of subjects.
 */
#ifndef EPDIFF_GENERATE_ENUMERATE_H
#define EPDIFF_GENERATE_ENUMERATE_H

#include "fuzz/program/program.h"

enum {
    ENUMERATE_OPS_MAX = 6,          /* core operations of one program */
    ENUMERATE_CORE_MAX = 40,        /* operation instances of the core alphabet */
    ENUMERATE_INSTANCES_MAX = 2048, /* operation instances of all worlds and actors */
    ENUMERATE_CALL_MAX = 63,        /* characters of one call */
    ENUMERATE_MENTIONS_MAX = 3,     /* files or instances that one call names */
};

/* The actors, as bits. */
enum {
    ENUMERATE_MAIN = 1 << 0,
    ENUMERATE_THREAD = 1 << 1,
    ENUMERATE_CHILD = 1 << 2,
    ENUMERATE_ACTORS = 3,
};

enum enumerate_world {
#define ENUMERATE_WORLD(id, name, actors, watched) ENUMERATE_##id,
#include "fuzz/generate/enumerate.def"
#undef ENUMERATE_WORLD
    ENUMERATE_WORLDS,
};

/* A duplicate of v0, v1, e0 or e1. */
enum enumerate_duplicate {
    ENUMERATE_NO_DUPLICATE,
    ENUMERATE_D0,
    ENUMERATE_D1,
    ENUMERATE_C0,
    ENUMERATE_C1,
    ENUMERATE_DUPLICATES,
};

/* An operation instance: a call with everything filled in, by one actor. */
struct enumerate_instance {
    char call[ENUMERATE_CALL_MAX + 1]; /* "epoll_ctl(e0, EPOLL_CTL_ADD, v1, EPOLLIN)" */
    unsigned worlds;                   /* bits: 1 << ENUMERATE_SOLO … */
    unsigned actor;                    /* one actor bit */
    bool core;
    enum op_id op;
    enum enumerate_duplicate duplicate;
    bool names_child;   /* it needs p1 to have been forked */
    bool tells_threads; /* what it does to t1 nobody can do to main */
    /* The files and the epoll instances that it names, in the order of its arguments. */
    unsigned nfiles, ninstances;
    uint8_t files[ENUMERATE_MENTIONS_MAX], instances[ENUMERATE_MENTIONS_MAX];
};

/* What the operations up to some place of a program come to: it decides what may follow. */
struct enumerate_state {
    uint8_t files, instances; /* named so far: always the first ones */
    uint8_t duplicate;        /* enum enumerate_duplicate */
    uint8_t acted, ended;     /* actor bits */
    bool forked;
    /* t1 acted before main did, which is another program than its mirror image only if somebody
     * tells the two threads apart. */
    bool thread_first, threads_told;
};

enum {
    /* files, instances, duplicates, bits of acted and ended, forked, thread_first, threads_told */
    ENUMERATE_STATES = 3 * 3 * ENUMERATE_DUPLICATES * 8 * 8 * 2 * 2 * 2,
};

struct enumeration {
    unsigned ops; /* the bound */
    bool core;
    unsigned ninstances;
    struct enumerate_instance instances[ENUMERATE_INSTANCES_MAX];
    /* By world: its instances, as indices. */
    unsigned nalphabet[ENUMERATE_WORLDS];
    uint16_t alphabet[ENUMERATE_WORLDS][ENUMERATE_INSTANCES_MAX];
    uint64_t counts[ENUMERATE_WORLDS][ENUMERATE_OPS_MAX + 1]; /* programs by world and length */
    uint64_t total;
    uint64_t *ways; /* by world, operations to come and state: how many completions there are */
};

/* A program of the enumeration: where it stands, and what it does. */
struct enumerate_cursor {
    uint64_t index;
    enum enumerate_world world;
    unsigned length;
    uint16_t chosen[ENUMERATE_OPS_MAX]; /* places in the world's alphabet */
    struct enumerate_state states[ENUMERATE_OPS_MAX + 1];
};

extern const char *const enumerate_world_names[ENUMERATE_WORLDS];

/*
 * Fills in alphabets and counts for programs of 1 to `ops` core operations. `core`: of the core
 * alphabet, one thread. Returns 0 with a new enumeration (free with enumeration_free) or -ENOMEM.
 */
int enumeration_new(unsigned ops, bool core, struct enumeration **ret_enumeration);
void enumeration_free(struct enumeration *enumeration);

/* Sets the cursor before the first program. */
void enumeration_begin(struct enumerate_cursor *ret_cursor);

/*
 * Moves on to the next program, by trying out what may follow: it does not use the counts, so that
 * both can be checked against each other. False when there is none.
 */
bool enumeration_next(const struct enumeration *enumeration, struct enumerate_cursor *cursor);

/* Sets the cursor to the program of an index below `total`, by the counts alone. */
void enumeration_seek(const struct enumeration *enumeration, uint64_t index,
                      struct enumerate_cursor *ret_cursor);

/*
 * Writes the program: set-up, core operations, and a last wait by everyone on everything, so that
 * what was done shows. Returns 0 or -ENOMEM.
 */
int enumeration_program(const struct enumeration *enumeration,
                        const struct enumerate_cursor *cursor, struct program *ret_program);

/* The actors of a world, as bits. */
unsigned enumerate_world_actors(enum enumerate_world world);

#endif
