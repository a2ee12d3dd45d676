/* Edits of programs: each makes one candidate. */
#include "fuzz/generate/shrinker.h"

#include <assert.h>
#include <string.h>

bool edit_drop(const struct program *from, const uint8_t drop[PROGRAM_STEPS_MAX],
               struct program *ret_program)
{
    int err = program_without(from, drop, ret_program);

    assert(err == 0);
    return ret_program->nsteps < from->nsteps;
}

bool edit_actor(const struct program *from, unsigned actor, bool merge, struct program *scratch,
                struct program *ret_program)
{
    uint8_t drop[PROGRAM_STEPS_MAX] = {0};

    assert(actor > 0 && actor < from->nactors);
    *scratch = *from;
    drop[from->actors[actor].born] = 1;
    for (unsigned i = 0; merge && i < from->nsteps; i++) {
        struct step *step = &scratch->steps[i];
        enum op_effect effect = op_table[step->op].effect;
        if (step->actor != actor)
            continue;
        step->actor = from->actors[actor].parent;
        /* The end of the actor is not to become the end of its parent. */
        drop[i] = effect == EFFECT_EXIT || effect == EFFECT_THREAD_EXIT;
    }
    /* program_without builds the actors anew from the steps that start them. */
    return edit_drop(scratch, drop, ret_program);
}

bool edit_slot(const struct program *from, unsigned slot, unsigned other, unsigned first,
               unsigned last, struct program *ret_program)
{
    bool edited = false;

    *ret_program = *from;
    for (unsigned i = first; i <= last && i < from->nsteps; i++) {
        struct step *step = &ret_program->steps[i];
        for (unsigned arg = 0; arg < op_table[step->op].nargs; arg++) {
            if (step->tags[arg] != TAG_SLOT || step->args[arg] != (int64_t)slot)
                continue;
            step->args[arg] = other;
            edited = true;
        }
    }
    return edited;
}

bool edit_slots_alike(const struct program *from, unsigned slot, unsigned other)
{
    return program_slot_kind(from, slot) == program_slot_kind(from, other);
}

/* Operations that do what a plainer one does, and which of its arguments stand where. */
static const struct {
    enum op_id from;
    enum op_id to;
    int args[PROGRAM_ARGS_MAX]; /* argument of `from` for each of `to`, -1: the plain value */
} plain_ops[] = {
    {OP_EPOLL_CREATE, OP_EPOLL_CREATE1, {-1}},
    {OP_EPOLL_PWAIT, OP_EPOLL_WAIT, {0, 1, 2, 4}},
    {OP_EPOLL_PWAIT2, OP_EPOLL_WAIT, {0, 1, 2, 4}},
    {OP_CLOSE_RANGE, OP_CLOSE, {0}},
    {OP_FCLOSE, OP_CLOSE, {0}},
    {OP_SYSCALL, OP_CLOSE, {1}},
    {OP_DUP3, OP_DUP2, {0, 1}},
    {OP_DUP2, OP_DUP, {0}},
    {OP_FCNTL, OP_DUP, {0}},
    {OP_UNDERSCORE_EXIT, OP_EXIT, {0}},
};

static bool make_op_plain(struct step *step)
{
    for (unsigned i = 0; i < sizeof(plain_ops) / sizeof(plain_ops[0]); i++) {
        if (plain_ops[i].from != step->op)
            continue;
        const struct op_info *to = &op_table[plain_ops[i].to];
        struct step plain = *step;
        plain.op = (uint8_t)plain_ops[i].to;
        for (unsigned arg = 0; arg < to->nargs; arg++) {
            int source = plain_ops[i].args[arg];
            plain.tags[arg] = source < 0 ? TAG_INT : step->tags[source];
            plain.args[arg] = source < 0 ? arg_table[to->args[arg]].values[0] : step->args[source];
        }
        *step = plain;
        return true;
    }
    return false;
}

bool edit_op(const struct program *from, unsigned step, struct program *ret_program)
{
    *ret_program = *from;
    return make_op_plain(&ret_program->steps[step]);
}

/* The variant-th simpler value: the plain one, then, for masks, each with one bit less. */
static bool simpler_value(enum arg_kind kind, int64_t value, unsigned variant, int64_t *ret_value)
{
    const struct arg_info *info = &arg_table[kind];

    if (variant == 0) {
        *ret_value = info->values[0];
        return true;
    }
    if (info->shape != ARG_SHAPE_MASK || value < 0)
        return false;
    for (unsigned bit = 0; bit < 32; bit++) {
        int64_t one = INT64_C(1) << bit;
        if ((value & one) == 0 || --variant > 0)
            continue;
        *ret_value = value & ~one;
        return true;
    }
    return false;
}

static bool arg_is_plain(const struct step *step, unsigned arg)
{
    const struct arg_info *info = &arg_table[op_table[step->op].args[arg]];

    /* Descriptors and actors have no plain value. */
    return info->shape == ARG_SHAPE_FD || info->shape == ARG_SHAPE_ACTOR ||
           step->args[arg] == info->values[0];
}

bool edit_arg(const struct program *from, unsigned step, unsigned arg, unsigned variant,
              struct program *ret_program)
{
    const struct step *old = &from->steps[step];
    int64_t value;

    if (arg_is_plain(old, arg) ||
        !simpler_value(op_table[old->op].args[arg], old->args[arg], variant, &value))
        return false;
    *ret_program = *from;
    ret_program->steps[step].args[arg] = value;
    return true;
}

bool edit_plain(const struct program *from, unsigned first, unsigned last,
                struct program *ret_program)
{
    bool edited = false;

    *ret_program = *from;
    for (unsigned i = first; i <= last && i < from->nsteps; i++) {
        struct step *step = &ret_program->steps[i];
        edited |= make_op_plain(step);
        for (unsigned arg = 0; arg < op_table[step->op].nargs; arg++) {
            if (arg_is_plain(step, arg))
                continue;
            /* A wait that sleeps is not the same program with a timeout of 0: that is tried by
             * itself. */
            if (step_may_block(step) && arg == op_table[step->op].block_arg)
                continue;
            step->args[arg] = arg_table[op_table[step->op].args[arg]].values[0];
            edited = true;
        }
    }
    return edited;
}
