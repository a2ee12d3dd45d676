/* The byte form of programs: a choice sequence, decoded totally. */
#include "fuzz/program/bytes.h"

#include "fuzz/program/parallel.h"

#include <errno.h>
#include <string.h>

/*
 * Where an operation stands a byte can say this instead: a parallel block begins here, or the one
 * that is open ends.
 */
enum {
    BYTE_PARALLEL = OPS,
    BYTE_OPS,
};

struct reader {
    const uint8_t *bytes;
    size_t length;
    size_t at;
};

static uint8_t take(struct reader *reader)
{
    return reader->at < reader->length ? reader->bytes[reader->at++] : 0;
}

/* Actors that the steps so far have not ended. Both directions choose among them, so that both
 * count alike. */
struct living {
    unsigned count;
    uint8_t actors[PROGRAM_ACTORS_MAX];
};

static void living_collect(const struct program *program, struct living *ret_living)
{
    bool ended[PROGRAM_ACTORS_MAX] = {false};

    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *step = &program->steps[i];
        enum op_effect effect = op_table[step->op].effect;
        for (unsigned a = 0; a < program->nactors; a++) {
            bool same_process = program->actors[a].process == program->actors[step->actor].process;
            if (program->actors[a].born > i)
                continue; /* a thread that the new image has started lives */
            bool execs = effect == EFFECT_EXEC && step->args[0] == EXEC_SELF;
            if ((effect == EFFECT_THREAD_EXIT && a == step->actor) ||
                (effect == EFFECT_EXIT && same_process) ||
                (execs && same_process && a != step->actor))
                ended[a] = true;
        }
    }
    ret_living->count = 0;
    for (unsigned a = 0; a < program->nactors; a++) {
        if (!ended[a])
            ret_living->actors[ret_living->count++] = (uint8_t)a;
    }
}

static unsigned actors_fitting(const struct program *program, enum arg_kind kind)
{
    unsigned count = 0;
    for (unsigned i = 0; i < program->nactors; i++)
        count += program_actor_fits(program, i, kind);
    return count;
}

/*
 * A positive timeout is a matter of time, and time is not part of a schedule: it stands for 0 as
 * soon as there is a second actor.
 */
static bool timeout_allowed(const struct program *program, enum arg_kind kind, int64_t value)
{
    return kind != ARG_TIMEOUT || value <= 0 || program->nactors == 1;
}

static void decode_arg(const struct program *program, struct step *step, unsigned index,
                       unsigned nslots, uint8_t choice)
{
    enum arg_kind kind = op_table[step->op].args[index];
    const struct arg_info *info = &arg_table[kind];

    if (info->shape == ARG_SHAPE_FD) {
        unsigned pick = choice % (nslots + info->nvalues);
        /* The newest slot first: small bytes, which engines like, mean recent descriptors. */
        step->tags[index] = pick < nslots ? TAG_SLOT : TAG_INT;
        step->args[index] = pick < nslots ? nslots - 1 - pick : info->values[pick - nslots];
    } else if (info->shape == ARG_SHAPE_ACTOR) {
        unsigned pick = choice % actors_fitting(program, kind);
        for (unsigned i = 0; i < program->nactors; i++) {
            if (program_actor_fits(program, i, kind) && pick-- == 0) {
                step->tags[index] = TAG_ACTOR;
                step->args[index] = i;
                break;
            }
        }
    } else {
        int64_t value = info->values[choice % info->nvalues];
        step->args[index] = timeout_allowed(program, kind, value) ? value : info->values[0];
    }
}

static bool op_possible(const struct program *program, const struct op_info *op)
{
    bool binds_actor = op->nouts && op->outs[0].kind == FILE_ACTOR;

    if (binds_actor && program->nactors == PROGRAM_ACTORS_MAX)
        return false;
    if (!binds_actor && program->nslots + op->nouts > PROGRAM_SLOTS_MAX)
        return false;
    for (unsigned i = 0; i < op->nargs; i++) {
        if (arg_table[op->args[i]].shape == ARG_SHAPE_ACTOR &&
            actors_fitting(program, op->args[i]) == 0)
            return false;
    }
    return true;
}

/* Makes an argument one that can stand in a parallel block, if there is one. */
static void fit_into_block(const struct program *program, struct step *step, unsigned index)
{
    const struct op_info *op = &op_table[step->op];
    const struct arg_info *info = &arg_table[op->args[index]];

    if (op->block == BLOCK_TIMEOUT && index == op->block_arg)
        step->args[index] = info->values[0];
    if (parallel_slot_is_foreign(program, step, index)) {
        step->tags[index] = TAG_INT;
        step->args[index] = info->values[0];
    }
}

/* Whether the step, appended last, can stay in its block; if not it is as if it were not there. */
static void keep_in_block(struct program *program, uint8_t nslots)
{
    struct step *step = &program->steps[program->nsteps - 1];

    if (!parallel_check_step(step))
        return;
    memset(&program->slots[nslots], 0, (program->nslots - nslots) * sizeof(program->slots[0]));
    memset(step, 0, sizeof(*step));
    program->nslots = nslots;
    program->nsteps--;
}

static void decode_step(struct reader *reader, enum op_id id, uint8_t block,
                        const struct living *living, struct program *program)
{
    unsigned actor = living->actors[take(reader) % living->count];
    const struct op_info *op = &op_table[id];
    uint8_t choices[PROGRAM_ARGS_MAX] = {0};

    for (unsigned i = 0; i < op->nargs; i++)
        choices[i] = take(reader);
    if (!op_possible(program, op))
        return;
    if (block && op->nouts && op->outs[0].kind == FILE_ACTOR)
        return;
    /* What the step itself binds is not among the choices of its arguments. */
    uint8_t nslots = program->nslots;
    struct step *step = program_append(program, id, actor);
    step->block = block;
    for (unsigned i = 0; i < op->nargs; i++) {
        decode_arg(program, step, i, nslots, choices[i]);
        if (block)
            fit_into_block(program, step, i);
    }
    if (block)
        keep_in_block(program, nslots);
}

void program_decode(const uint8_t *bytes, size_t length, struct program *ret_program)
{
    struct reader reader = {.bytes = bytes, .length = length};
    uint8_t open = 0; /* the number of the parallel block that is open */

    program_init(ret_program);
    while (reader.at < reader.length && ret_program->nsteps < PROGRAM_STEPS_MAX) {
        struct living living;
        living_collect(ret_program, &living);
        if (living.count == 0)
            break;
        unsigned id = take(&reader) % BYTE_OPS;
        if (id != BYTE_PARALLEL) {
            decode_step(&reader, (enum op_id)id, open, &living, ret_program);
        } else if (open) {
            /* At once, so that what follows finds the blocks that the whole program has. */
            parallel_renumber(ret_program);
            open = 0;
        } else if (!parallel_blocking_before(ret_program, ret_program->nsteps)) {
            open = (uint8_t)(parallel_count(ret_program) + 1);
        }
    }
    parallel_renumber(ret_program);
}

/* The byte that decode_arg turns into this argument, or -1. */
static int encode_arg(const struct program *so_far, const struct step *step, unsigned index,
                      unsigned nslots)
{
    enum arg_kind kind = op_table[step->op].args[index];
    const struct arg_info *info = &arg_table[kind];
    int64_t value = step->args[index];

    if (step->tags[index] == TAG_SLOT)
        return (int)(nslots - 1 - value);
    if (step->tags[index] == TAG_ACTOR) {
        int choice = 0;
        for (unsigned i = 0; i < (unsigned)value; i++)
            choice += program_actor_fits(so_far, i, kind);
        return program_actor_fits(so_far, (unsigned)value, kind) ? choice : -1;
    }
    for (unsigned i = 0; i < info->nvalues; i++) {
        if (info->values[i] == value && timeout_allowed(so_far, kind, value))
            return (int)(i + (info->shape == ARG_SHAPE_FD ? nslots : 0));
    }
    return -1;
}

static int encode_step(const struct program *so_far, const struct step *step, uint8_t *ret_bytes,
                       unsigned *ret_length)
{
    const struct op_info *op = &op_table[step->op];
    struct living living;
    unsigned position = 0;

    living_collect(so_far, &living);
    while (position < living.count && living.actors[position] != step->actor)
        position++;
    if (position == living.count)
        return -ERANGE;
    ret_bytes[0] = step->op;
    ret_bytes[1] = (uint8_t)position;
    for (unsigned i = 0; i < op->nargs; i++) {
        int choice = encode_arg(so_far, step, i, so_far->nslots);
        if (choice < 0 || choice > UINT8_MAX)
            return -ERANGE;
        ret_bytes[2 + i] = (uint8_t)choice;
    }
    *ret_length = 2 + op->nargs;
    return 0;
}

int program_encode(const struct program *program, uint8_t *ret_bytes, size_t size,
                   size_t *ret_length)
{
    /* Replays the program step by step: choices count what is bound so far. */
    static _Thread_local struct program so_far;
    size_t length = 0;
    unsigned open = 0;

    program_init(&so_far);
    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *step = &program->steps[i];
        uint8_t bytes[2 + 2 + PROGRAM_ARGS_MAX];
        unsigned marks = 0, count = 0;
        if (open && step->block != open)
            bytes[marks++] = BYTE_PARALLEL;
        if (step->block && step->block != open)
            bytes[marks++] = BYTE_PARALLEL;
        open = step->block;
        int err = encode_step(&so_far, step, bytes + marks, &count);
        if (err)
            return err;
        count += marks;
        if (length + count > size)
            return -ENOSPC;
        memcpy(ret_bytes + length, bytes, count);
        length += count;
        struct step *copy = program_append(&so_far, step->op, step->actor);
        if (!copy)
            return -ERANGE;
        memcpy(copy->tags, step->tags, sizeof(copy->tags));
        memcpy(copy->args, step->args, sizeof(copy->args));
        copy->block = step->block;
    }
    *ret_length = length;
    return 0;
}
