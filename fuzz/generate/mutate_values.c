/* Mutations of what steps say: slots, flags, data, operations. */
#include "fuzz/generate/mutator.h"

#include <sys/epoll.h>

enum { TRIES_MAX = 16 };

/* A random step of the draft, or NULL if an entry drawn is none. */
static struct entry *choose_entry(struct mutator *mutator)
{
    for (unsigned tries = 0; tries < TRIES_MAX && mutator->nentries > 0; tries++) {
        unsigned at = random_below(mutator_random(mutator), mutator->nentries);
        if (!mutator->entries[at].run && mutator->entries[at].source == 0)
            return &mutator->entries[at];
    }
    return NULL;
}

/* The same, of one effect. */
static struct entry *choose_entry_of(struct mutator *mutator, enum op_effect effect)
{
    unsigned found[DRAFT_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < mutator->nentries; i++) {
        const struct entry *entry = &mutator->entries[i];
        if (!entry->run && entry->source == 0 && op_table[entry->step.op].effect == effect)
            found[count++] = i;
    }
    return count ? &mutator->entries[found[random_below(mutator_random(mutator), count)]] : NULL;
}

/* --- Slots --- */

/* Another slot of the parent's, mostly one of the same kind; SLOT_NONE if there is none. */
static int choose_other_slot(struct mutator *mutator, unsigned slot)
{
    const struct program *program = mutator->sources[0].program;
    enum file_kind kind = program_slot_kind(program, slot);
    unsigned slots[PROGRAM_SLOTS_MAX];
    unsigned count = 0;

    for (unsigned pass = random_chance(mutator_random(mutator), 30); pass < 2 && !count; pass++) {
        for (unsigned i = 0; i < program->nslots; i++) {
            if (i != slot && (pass == 1 || program_slot_kind(program, i) == kind))
                slots[count++] = i;
        }
    }
    return count ? (int)slots[random_below(mutator_random(mutator), count)] : SLOT_NONE;
}

/* A slot that a step of the draft names: the argument, or NULL. */
static int64_t *choose_slot_argument(struct mutator *mutator)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        struct entry *entry = choose_entry(mutator);
        unsigned nargs = entry ? op_table[entry->step.op].nargs : 0;
        unsigned arg = nargs ? random_below(mutator_random(mutator), nargs) : 0;
        if (nargs && entry->step.tags[arg] == TAG_SLOT)
            return &entry->step.args[arg];
    }
    return NULL;
}

bool mutate_REPLACE_SLOT(struct mutator *mutator)
{
    int64_t *argument = choose_slot_argument(mutator);
    int other = argument ? choose_other_slot(mutator, (unsigned)*argument) : SLOT_NONE;

    if (other == SLOT_NONE)
        return false;
    *argument = other;
    return true;
}

bool mutate_SWAP_SLOTS(struct mutator *mutator)
{
    const int64_t *argument = choose_slot_argument(mutator);

    if (!argument)
        return false;
    int64_t slot = *argument;
    int64_t other = choose_other_slot(mutator, (unsigned)slot);
    if (other == SLOT_NONE)
        return false;
    for (unsigned i = random_below(mutator_random(mutator), mutator->nentries);
         i < mutator->nentries; i++) {
        struct entry *entry = &mutator->entries[i];
        unsigned nargs = entry->run || entry->source ? 0 : op_table[entry->step.op].nargs;
        for (unsigned arg = 0; arg < nargs; arg++) {
            int64_t *value = &entry->step.args[arg];
            if (entry->step.tags[arg] == TAG_SLOT && (*value == slot || *value == other))
                *value = *value == slot ? other : slot;
        }
    }
    return true;
}

/* --- Flags and data --- */

/* Another value of the table that the features allow. */
static bool change_value(struct mutator *mutator, enum arg_kind kind, int64_t *value)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        int64_t other = choose_value(&mutator->generator, kind);
        if (other == *value)
            continue;
        *value = other;
        return true;
    }
    return false;
}

bool mutate_MASK(struct mutator *mutator)
{
    struct entry *entry = choose_entry_of(mutator, EFFECT_CTL);

    if (!entry)
        return false;
    return change_value(mutator, ARG_EVENT, &entry->step.args[3]);
}

bool mutate_VALUE(struct mutator *mutator)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        struct entry *entry = choose_entry(mutator);
        unsigned nargs = entry ? op_table[entry->step.op].nargs : 0;
        if (nargs == 0)
            continue;
        unsigned arg = random_below(mutator_random(mutator), nargs);
        enum arg_kind kind = op_table[entry->step.op].args[arg];
        enum arg_shape shape = arg_table[kind].shape;
        if (shape != ARG_SHAPE_FD && shape != ARG_SHAPE_ACTOR &&
            change_value(mutator, kind, &entry->step.args[arg]))
            return true;
    }
    return false;
}

bool mutate_DATA(struct mutator *mutator)
{
    struct entry *entry = choose_entry_of(mutator, EFFECT_CTL);

    for (unsigned tries = 0; entry && entry->step.args[1] == EPOLL_CTL_DEL; tries++) {
        if (tries == TRIES_MAX)
            return false;
        entry = choose_entry_of(mutator, EFFECT_CTL);
    }
    if (!entry)
        return false;
    /* The data is the number of the step. */
    struct step mod = entry->step;
    mod.args[1] = EPOLL_CTL_MOD;
    return draft_insert_step(mutator, (unsigned)(entry - mutator->entries) + 1, 0, &mod);
}

bool mutate_SLEEP(struct mutator *mutator)
{
    struct entry *entry = choose_entry_of(
        mutator, random_chance(mutator_random(mutator), 75) ? EFFECT_WAIT : EFFECT_POLL);

    if (!entry)
        return false;
    /* -1 is for ever as milliseconds and as a timespec. */
    unsigned arg = op_table[entry->step.op].block_arg;
    entry->step.args[arg] = entry->step.args[arg] < 0 ? 0 : -1;
    return true;
}

/* --- Operations --- */

/*
 * The step with operation `id` instead of its own: each argument is the first of the same shape
 * that is left. False if one is missing that has no plain value, or the results are not as many.
 */
static bool become(struct step *step, enum op_id id)
{
    const struct op_info *from = &op_table[step->op];
    const struct op_info *to = &op_table[id];
    struct step other = *step;
    bool used[PROGRAM_ARGS_MAX] = {false};

    if (to->effect != from->effect || to->nouts != from->nouts || step->op == id)
        return false;
    other.op = (uint8_t)id;
    for (unsigned arg = 0; arg < to->nargs; arg++) {
        enum arg_shape shape = arg_table[to->args[arg]].shape;
        bool names = shape == ARG_SHAPE_FD || shape == ARG_SHAPE_ACTOR;
        unsigned source = 0;
        while (source < from->nargs &&
               (used[source] || (names ? arg_table[from->args[source]].shape != shape
                                       : from->args[source] != to->args[arg])))
            source++;
        if (source == from->nargs && names)
            return false;
        other.tags[arg] = source < from->nargs ? step->tags[source] : TAG_INT;
        other.args[arg] =
            source < from->nargs ? step->args[source] : arg_table[to->args[arg]].values[0];
        if (source < from->nargs)
            used[source] = true;
    }
    *step = other;
    return true;
}

/* Closing one number is also closing the range from it to it. */
static bool become_range(struct step *step)
{
    int fd = op_fd_arg(&op_table[step->op]);
    struct step range = *step;

    range.op = OP_CLOSE_RANGE;
    for (unsigned arg = 0; arg < 2; arg++) {
        range.tags[arg] = step->tags[fd];
        range.args[arg] = step->args[fd];
    }
    range.tags[2] = TAG_INT;
    range.args[2] = 0;
    *step = range;
    return true;
}

bool mutate_OPERATION(struct mutator *mutator)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        struct entry *entry = choose_entry(mutator);
        if (!entry)
            return false;
        enum op_effect effect = op_table[entry->step.op].effect;
        if (effect == EFFECT_CLOSE && random_chance(mutator_random(mutator), 20))
            return become_range(&entry->step);
        enum op_id first = (enum op_id)random_below(mutator_random(mutator), OPS);
        for (unsigned i = 0; i < OPS; i++) {
            if (become(&entry->step, (enum op_id)((first + i) % OPS)))
                return true;
        }
    }
    return false;
}
