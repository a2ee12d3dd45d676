/* The table of operations, and programs as data. */
#include "fuzz/program/program.h"

#include "fuzz/program/parallel.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * The columns of ops.def. An operation counts its arguments at compile time; what follows OPT may
 * be left out.
 */
#define OUT(out_letter, out_kind)                                                                  \
    {                                                                                              \
        (out_letter), FILE_##out_kind                                                              \
    }
#define OUT_ACTOR(out_letter)                                                                      \
    {                                                                                              \
        (out_letter), FILE_ACTOR                                                                   \
    }
#define OUTS(...)                                                                                  \
    .nouts = sizeof((struct op_out[]){__VA_ARGS__}) / sizeof(struct op_out), .outs = {__VA_ARGS__}
#define OUTS_NONE                              .nouts = 0
#define ARGS_NONE                              .nargs = 0, .nargs_must = 0
#define ARGS(...)                              ARGS_COUNTED(__VA_ARGS__, ARGS_5, ARGS_4, ARGS_3, ARGS_2, ARGS_1)(__VA_ARGS__)
#define ARGS_COUNTED(a, b, c, d, e, name, ...) name
#define ARGS_1(a)                              .nargs = 1, .nargs_must = MUST(a), .args = {KIND(a)}
#define ARGS_2(a, b)                           .nargs = 2, .nargs_must = MUST(a) + MUST(b), .args = {KIND(a), KIND(b)}
#define ARGS_3(a, b, c)                                                                            \
    .nargs = 3, .nargs_must = MUST(a) + MUST(b) + MUST(c), .args = {KIND(a), KIND(b), KIND(c)}
#define ARGS_4(a, b, c, d)                                                                         \
    .nargs = 4, .nargs_must = MUST(a) + MUST(b) + MUST(c) + MUST(d),                               \
    .args = {KIND(a), KIND(b), KIND(c), KIND(d)}
#define ARGS_5(a, b, c, d, e)                                                                      \
    .nargs = 5, .nargs_must = MUST(a) + MUST(b) + MUST(c) + MUST(d) + MUST(e),                     \
    .args = {KIND(a), KIND(b), KIND(c), KIND(d), KIND(e)}
/* ARG_OPT_BIT marks an argument that may be left out; KIND takes it off again. */
#define ARG_OPT_BIT   0x100
#define ARG_OPT(kind) (ARG_##kind | ARG_OPT_BIT)
#define KIND(kind)    (enum arg_kind)((ARG_##kind) & ~ARG_OPT_BIT)
#define MUST(kind)    (((ARG_##kind) & ARG_OPT_BIT) == 0)

#define BLOCKS_IN(...)                                                                             \
    .nblock_syscalls = sizeof((long[]){__VA_ARGS__}) / sizeof(long), .block_syscalls = {__VA_ARGS__}
#define BLOCKS_NEVER       .block = BLOCK_NEVER
#define BLOCKS_ALWAYS(...) .block = BLOCK_ALWAYS, BLOCKS_IN(__VA_ARGS__)
#define BLOCKS_TIMEOUT(index, ...)                                                                 \
    .block = BLOCK_TIMEOUT, .block_arg = (index), BLOCKS_IN(__VA_ARGS__)
#define BLOCKS_OPTION(index, ...)                                                                  \
    .block = BLOCK_OPTION, .block_arg = (index), BLOCKS_IN(__VA_ARGS__)
#define BLOCKS_JOIN .block = BLOCK_JOIN, BLOCKS_IN(SYS_futex)

const struct op_info op_table[OPS] = {
#define OP(op_id, op_text, op_group, op_weight, op_effect, op_blocks, op_outs, op_args, op_doc)    \
    [OP_##op_id] = {.id = #op_id,                                                                  \
                    .text = (op_text),                                                             \
                    .doc = (op_doc),                                                               \
                    .group = GROUP_##op_group,                                                     \
                    .weight = (op_weight),                                                         \
                    .effect = EFFECT_##op_effect,                                                  \
                    op_blocks,                                                                     \
                    op_outs,                                                                       \
                    op_args},
#include "fuzz/program/ops.def"
#undef OP
};

void program_init(struct program *ret_program)
{
    memset(ret_program, 0, sizeof(*ret_program));
    ret_program->nactors = 1;
    strcpy(ret_program->actors[0].name, "main");
    ret_program->actors[0].kind = ACTOR_MAIN;
}

/* A slot and an actor cannot share a name: in text nothing would tell them apart. */
static bool name_taken(const struct program *program, const char *name, size_t length)
{
    return program_find_slot(program, name, length) >= 0 ||
           program_find_actor(program, name, length) >= 0;
}

/* The first free name of a letter from `number` on. */
static void choose_name(const struct program *program, char letter, unsigned number,
                        char ret_name[PROGRAM_NAME_MAX + 1])
{
    /* One more try than there can be names taken. */
    for (unsigned tries = 0; tries <= PROGRAM_SLOTS_MAX + PROGRAM_ACTORS_MAX; tries++) {
        char name[PROGRAM_NAME_MAX + 1];
        int length = snprintf(name, sizeof(name), "%c%u", letter, number + tries);
        if (!name_taken(program, name, (size_t)length)) {
            strcpy(ret_name, name);
            return;
        }
    }
    assert(!"more names than slots and actors");
}

/* Generated names count per letter: r0, w0, r1, w1, so that the ends of one pipe share a number. */
static void name_slot(struct program *program, unsigned index, char letter)
{
    unsigned count = 0;

    for (unsigned i = 0; i < index; i++)
        count += program->slots[i].name[0] == letter;
    choose_name(program, letter, count, program->slots[index].name);
}

static void name_actor(struct program *program, unsigned index, char letter)
{
    unsigned count = 1;

    for (unsigned i = 1; i < index; i++)
        count += program->actors[i].name[0] == letter;
    choose_name(program, letter, count, program->actors[index].name);
}

static unsigned append_actor(struct program *program, enum op_id op, unsigned parent)
{
    unsigned index = program->nactors;
    struct program_actor *actor = &program->actors[index];
    bool process = op_starts_process(&op_table[op]);

    actor->kind = process ? ACTOR_PROCESS : ACTOR_THREAD;
    name_actor(program, index, op_table[op].outs[0].letter);
    actor->process = process ? (uint8_t)index : program->actors[parent].process;
    actor->parent = (uint8_t)parent;
    actor->born = program->nsteps;
    program->nactors++;
    return index;
}

struct step *program_append(struct program *program, enum op_id op, unsigned actor)
{
    const struct op_info *info = &op_table[op];
    bool binds_actor = info->nouts && info->outs[0].kind == FILE_ACTOR;

    assert(op < OPS && actor < program->nactors);
    if (program->nsteps == PROGRAM_STEPS_MAX ||
        (binds_actor && program->nactors == PROGRAM_ACTORS_MAX) ||
        (!binds_actor && program->nslots + info->nouts > PROGRAM_SLOTS_MAX))
        return NULL;

    struct step *step = &program->steps[program->nsteps];
    memset(step, 0, sizeof(*step));
    step->op = (uint8_t)op;
    step->actor = (uint8_t)actor;
    if (binds_actor) {
        step->outs[0] = (uint8_t)append_actor(program, op, actor);
    } else {
        for (unsigned i = 0; i < info->nouts; i++) {
            name_slot(program, program->nslots, info->outs[i].letter);
            step->outs[i] = program->nslots++;
        }
    }
    for (unsigned i = 0; i < info->nargs; i++)
        step->args[i] = arg_table[info->args[i]].values[0];
    program->nsteps++;
    return step;
}

int op_find(const char *text, size_t length)
{
    for (int i = 0; i < OPS; i++) {
        if (strlen(op_table[i].text) == length && memcmp(op_table[i].text, text, length) == 0)
            return i;
    }
    return -1;
}

int program_find_slot(const struct program *program, const char *name, size_t length)
{
    for (int i = 0; i < program->nslots; i++) {
        const char *slot = program->slots[i].name;
        if (strlen(slot) == length && memcmp(slot, name, length) == 0)
            return i;
    }
    return -1;
}

int program_find_actor(const struct program *program, const char *name, size_t length)
{
    for (int i = 0; i < program->nactors; i++) {
        const char *actor = program->actors[i].name;
        if (strlen(actor) == length && memcmp(actor, name, length) == 0)
            return i;
    }
    return -1;
}

bool step_may_block(const struct step *step)
{
    const struct op_info *op = &op_table[step->op];

    switch (op->block) {
    case BLOCK_NEVER:
        return false;
    case BLOCK_ALWAYS:
    case BLOCK_JOIN:
        return true;
    case BLOCK_TIMEOUT:
        /* TIMESPEC_NULL is -1 too; the other special timespecs fail at once. */
        return op->args[op->block_arg] == ARG_TIMEOUT ? step->args[op->block_arg] < 0
                                                      : step->args[op->block_arg] == TIMESPEC_NULL;
    case BLOCK_OPTION:
        return (step->args[op->block_arg] & WNOHANG) == 0;
    }
    return false;
}

bool op_sleeps_in(const struct op_info *op, long number)
{
    for (unsigned i = 0; i < op->nblock_syscalls; i++) {
        if (op->block_syscalls[i] == number)
            return true;
    }
    return false;
}

bool op_starts_process(const struct op_info *op)
{
    return op->effect == EFFECT_FORK || op->effect == EFFECT_SPAWN;
}

int op_fd_arg(const struct op_info *op)
{
    for (unsigned i = 0; i < op->nargs; i++) {
        if (arg_table[op->args[i]].shape == ARG_SHAPE_FD)
            return (int)i;
    }
    return -1;
}

static bool step_equal(const struct step *a, const struct step *b)
{
    const struct op_info *op = &op_table[a->op];

    if (a->op != b->op || a->actor != b->actor || a->block != b->block)
        return false;
    for (unsigned i = 0; i < op->nouts; i++) {
        if (a->outs[i] != b->outs[i])
            return false;
    }
    for (unsigned i = 0; i < op->nargs; i++) {
        if (a->tags[i] != b->tags[i] || a->args[i] != b->args[i])
            return false;
    }
    return true;
}

bool program_equal(const struct program *a, const struct program *b)
{
    if (a->nsteps != b->nsteps || a->nslots != b->nslots || a->nactors != b->nactors)
        return false;
    for (unsigned i = 0; i < a->nsteps; i++) {
        if (!step_equal(&a->steps[i], &b->steps[i]))
            return false;
    }
    for (unsigned i = 0; i < a->nslots; i++) {
        if (strcmp(a->slots[i].name, b->slots[i].name) != 0)
            return false;
    }
    for (unsigned i = 0; i < a->nactors; i++) {
        const struct program_actor *x = &a->actors[i];
        const struct program_actor *y = &b->actors[i];
        if (strcmp(x->name, y->name) != 0 || x->kind != y->kind || x->process != y->process ||
            x->parent != y->parent || x->born != y->born)
            return false;
    }
    return true;
}

static bool enum_value_known(const struct arg_info *info, int64_t value)
{
    for (const struct arg_word *word = info->words; word->word; word++) {
        if (word->value == value)
            return true;
    }
    return false;
}

static bool mask_value_known(const struct arg_info *info, int64_t value)
{
    for (const struct arg_word *word = info->words; word->word; word++)
        value &= ~word->value;
    return value == 0;
}

/* Why a plain number cannot stand for an argument of this kind, or NULL. */
static const char *check_value(enum arg_kind kind, int64_t value)
{
    switch (kind) {
    case ARG_SYSCALL_NR:
    case ARG_FCNTL_CMD:
    case ARG_PATH:
    case ARG_SIGMASK:
    case ARG_BUFFER:
    case ARG_CANCEL_TYPE:
    case ARG_EXEC_PATH:
    case ARG_HANDLER:
    case ARG_SOCKET_FAMILY:
    case ARG_SOCKET_OPTION:
    case ARG_CLOCK:
    case ARG_TIMER_SETTING:
    case ARG_FOLDER:
    case ARG_RESOURCE:
        return enum_value_known(&arg_table[kind], value) ? NULL
                                                         : "an argument is not in its vocabulary";
    case ARG_UNSHARE_FLAGS:
        /* Other parts of a process are no business of epoll, and some would take its threads apart.
         */
        return value == 0 || value == CLONE_FILES ? NULL : "an argument is not in its vocabulary";
    case ARG_EVENT:
        return value >= EVENT_BADPTR && value <= UINT32_MAX ? NULL
                                                            : "an events mask is out of range";
    case ARG_COUNT:
        return value >= 0 && value <= PROGRAM_IO_MAX ? NULL : "a byte count is out of range";
    case ARG_MAXEVENTS:
        /* The buffer of a wait has room for so many; a larger number must be one that fails. */
        if (value > PROGRAM_EVENTS_MAX && value <= PROGRAM_EVENTS_EINVAL)
            return "more events than there is room for";
        break;
    case ARG_SOCKET_FLAGS:
    case ARG_SEND_FLAGS:
    case ARG_RECV_FLAGS:
    case ARG_WATCH_MASK:
        /* Other flags make another kind of socket or of call. */
        return mask_value_known(&arg_table[kind], value) ? NULL : "a flag is not in its vocabulary";
    case ARG_LIMIT:
        return value >= 0 && value <= PROGRAM_FD_LIMIT ? NULL : "a limit is out of range";
    case ARG_POLL_TIMESPEC:
        return value >= TIMESPEC_BADTS && value <= INT32_MAX ? NULL : "a timespec is out of range";
    case ARG_TIMESPEC:
        return value >= TIMESPEC_BADPTR && value <= INT32_MAX ? NULL : "a timespec is out of range";
    default:
        break;
    }
    if (arg_table[kind].shape == ARG_SHAPE_MASK && value < 0)
        return "a mask is negative";
    return value >= INT32_MIN && value <= INT32_MAX ? NULL : "a number is out of range";
}

bool program_actor_fits(const struct program *program, unsigned actor, enum arg_kind kind)
{
    return kind == ARG_ACTOR ||
           program->actors[actor].kind == (kind == ARG_PROCESS ? ACTOR_PROCESS : ACTOR_THREAD);
}

const char *step_check_arg(const struct program *program, const struct step *step, unsigned index,
                           unsigned slots_bound, unsigned actors_born)
{
    enum arg_kind kind = op_table[step->op].args[index];
    const struct arg_info *info = &arg_table[kind];
    int64_t value = step->args[index];
    enum arg_tag tag = step->tags[index];

    if (tag == TAG_SLOT) {
        if (info->shape != ARG_SHAPE_FD)
            return "a slot stands where none can";
        return value >= 0 && value < (int64_t)slots_bound ? NULL
                                                          : "a slot is used before it is bound";
    }
    if (tag == TAG_ACTOR || info->shape == ARG_SHAPE_ACTOR) {
        if (tag != TAG_ACTOR || info->shape != ARG_SHAPE_ACTOR)
            return "an actor stands where none can, or is missing";
        if (value < 0 || value >= (int64_t)actors_born)
            return "an actor is used before it is bound";
        return program_actor_fits(program, (unsigned)value, kind)
                   ? NULL
                   : "a process stands for a thread, or a thread for a process";
    }
    if (tag != TAG_INT)
        return "an argument has no known tag";
    return check_value(kind, value);
}

/* Follows what the steps bind, so that every use can be checked against it. */
struct binding {
    unsigned slots;
    unsigned actors;
};

/* Words that begin a header line of the text form. */
static const char *const reserved_words[] = {"name",   "hazard",   "origin", "requires",
                                             "expect", "parallel", "inject", NULL};

bool name_is_reserved(const char *text, size_t length)
{
    for (const char *const *word = reserved_words; *word; word++) {
        if (strlen(*word) == length && memcmp(*word, text, length) == 0)
            return true;
    }
    return false;
}

/* Why a name cannot be written as text behind the names that are bound so far, or NULL. */
static const char *check_name(const struct program *program, const char *name,
                              const struct binding *bound)
{
    const char *end = memchr(name, '\0', PROGRAM_NAME_MAX + 1);

    if (!end || end == name || (*name >= '0' && *name <= '9'))
        return "a name is malformed";
    for (const char *at = name; at < end; at++) {
        if (!isalnum((unsigned char)*at) && *at != '_')
            return "a name is malformed";
    }
    if (name_is_reserved(name, (size_t)(end - name)))
        return "a name is a reserved word";
    for (unsigned i = 0; i < bound->slots; i++) {
        if (strcmp(program->slots[i].name, name) == 0)
            return "two slots or actors share a name";
    }
    for (unsigned i = 0; i < bound->actors; i++) {
        if (strcmp(program->actors[i].name, name) == 0)
            return "two slots or actors share a name";
    }
    return NULL;
}

static const char *check_slot(const struct program *program, unsigned slot, struct binding *bound)
{
    if (slot != bound->slots || bound->slots >= program->nslots)
        return "slots are not bound in order";
    const char *why = check_name(program, program->slots[slot].name, bound);
    bound->slots++;
    return why;
}

static const char *check_actor(const struct program *program, unsigned index, struct binding *bound)
{
    const struct step *step = &program->steps[index];
    unsigned born = step->outs[0];
    bool process = op_starts_process(&op_table[step->op]);

    if (born != bound->actors || bound->actors >= program->nactors)
        return "actors are not bound in order";
    const struct program_actor *actor = &program->actors[born];
    if (actor->kind != (process ? ACTOR_PROCESS : ACTOR_THREAD) || actor->born != index ||
        actor->parent != step->actor ||
        actor->process != (process ? born : program->actors[step->actor].process))
        return "an actor does not fit the step that starts it";
    const char *why = check_name(program, actor->name, bound);
    bound->actors++;
    return why;
}

static const char *check_outs(const struct program *program, unsigned index, struct binding *bound)
{
    const struct step *step = &program->steps[index];
    const struct op_info *op = &op_table[step->op];

    for (unsigned i = 0; i < op->nouts; i++) {
        const char *why = op->outs[i].kind == FILE_ACTOR
                              ? check_actor(program, index, bound)
                              : check_slot(program, step->outs[i], bound);
        if (why)
            return why;
    }
    return NULL;
}

/* What no step binds: the counts and the actor main. */
static const char *check_frame(const struct program *program)
{
    const struct program_actor *first = &program->actors[0];

    if (program->nsteps > PROGRAM_STEPS_MAX || program->nslots > PROGRAM_SLOTS_MAX ||
        program->nactors > PROGRAM_ACTORS_MAX || program->nactors == 0)
        return "a limit is passed";
    if (memcmp(first->name, "main", sizeof("main")) != 0 || first->kind != ACTOR_MAIN ||
        first->process != 0 || first->parent != 0 || first->born != 0)
        return "the first actor is not main";
    return NULL;
}

static const char *check_step(const struct program *program, unsigned index, struct binding *bound)
{
    const struct step *step = &program->steps[index];

    if (step->op >= OPS)
        return "unknown operation";
    if (step->actor >= bound->actors)
        return "the actor is not born yet";
    const struct op_info *op = &op_table[step->op];
    for (unsigned i = 0; i < op->nargs; i++) {
        const char *why = step_check_arg(program, step, i, bound->slots, bound->actors);
        if (why)
            return why;
    }
    return check_outs(program, index, bound);
}

int program_check(const struct program *program, unsigned *ret_step, char *ret_why, size_t size)
{
    struct binding bound = {.slots = 0, .actors = 1};
    const char *why = check_frame(program);
    unsigned index = 0;

    for (; !why && index < program->nsteps; index++) {
        why = check_step(program, index, &bound);
        if (!why)
            why = parallel_check(program, index);
        if (why)
            break;
    }
    if (!why && (bound.slots != program->nslots || bound.actors != program->nactors))
        why = "a slot or an actor is bound by no step";
    if (!why)
        return 0;
    *ret_step = index;
    snprintf(ret_why, size, "%s", why);
    return -EINVAL;
}

enum file_kind program_slot_kind(const struct program *program, unsigned slot)
{
    /* Each round goes to an earlier slot, so it ends. */
    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *step = &program->steps[i];
        const struct op_info *op = &op_table[step->op];
        for (unsigned out = 0; out < op->nouts; out++) {
            if (op->outs[out].kind == FILE_ACTOR || step->outs[out] != slot)
                continue;
            if (op->outs[out].kind != FILE_SAME)
                return op->outs[out].kind;
            if (step->tags[0] != TAG_SLOT || step->args[0] >= (int64_t)slot)
                return FILE_NONE;
            slot = (unsigned)step->args[0];
            i = UINT32_MAX; /* look for the original from the start */
            break;
        }
    }
    return FILE_NONE;
}

/* Old index to new index, or -1 where the thing is gone. */
struct renumbering {
    int slots[PROGRAM_SLOTS_MAX];
    int actors[PROGRAM_ACTORS_MAX];
};

static bool step_survives(const struct step *step, const struct renumbering *map)
{
    const struct op_info *op = &op_table[step->op];

    if (map->actors[step->actor] < 0)
        return false;
    for (unsigned i = 0; i < op->nargs; i++) {
        if (step->tags[i] == TAG_SLOT && map->slots[step->args[i]] < 0)
            return false;
        if (step->tags[i] == TAG_ACTOR && map->actors[step->args[i]] < 0)
            return false;
    }
    return true;
}

static void copy_step(const struct program *from, const struct step *step, struct renumbering *map,
                      struct program *to)
{
    const struct op_info *op = &op_table[step->op];
    unsigned actor = (unsigned)map->actors[step->actor];
    struct step *copy = program_append(to, step->op, actor);

    assert(copy);
    copy->line = step->line;
    copy->block = step->block;
    for (unsigned i = 0; i < op->nargs; i++) {
        copy->tags[i] = step->tags[i];
        copy->args[i] = step->args[i];
        if (step->tags[i] == TAG_SLOT)
            copy->args[i] = map->slots[step->args[i]];
        else if (step->tags[i] == TAG_ACTOR)
            copy->args[i] = map->actors[step->args[i]];
    }
    for (unsigned i = 0; i < op->nouts; i++) {
        if (op->outs[i].kind == FILE_ACTOR) {
            map->actors[step->outs[i]] = copy->outs[i];
            strcpy(to->actors[copy->outs[i]].name, from->actors[step->outs[i]].name);
        } else {
            map->slots[step->outs[i]] = copy->outs[i];
            strcpy(to->slots[copy->outs[i]].name, from->slots[step->outs[i]].name);
        }
    }
}

int program_without(const struct program *program, const uint8_t drop[PROGRAM_STEPS_MAX],
                    struct program *ret_program)
{
    struct renumbering map;

    assert(program != ret_program);
    memset(&map, -1, sizeof(map));
    map.actors[0] = 0;
    program_init(ret_program);
    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *step = &program->steps[i];
        if (!drop[i] && step_survives(step, &map))
            copy_step(program, step, &map, ret_program);
    }
    parallel_renumber(ret_program);
    return 0;
}

bool program_same_steps(const struct program *a, const struct program *b)
{
    if (a->nsteps != b->nsteps)
        return false;
    for (unsigned i = 0; i < a->nsteps; i++) {
        const struct step *one = &a->steps[i], *other = &b->steps[i];
        if (one->op != other->op || one->actor != other->actor ||
            memcmp(one->tags, other->tags, sizeof(one->tags)) != 0 ||
            memcmp(one->args, other->args, sizeof(one->args)) != 0)
            return false;
    }
    return true;
}
