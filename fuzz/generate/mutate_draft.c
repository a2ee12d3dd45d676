/* The draft of a child, and how the child is grown from it. */
#include "fuzz/generate/mutator.h"

#include <assert.h>
#include <string.h>

/* --- The list --- */

void source_set(struct mutator *mutator, unsigned index, const struct program *program)
{
    struct source *source = &mutator->sources[index];

    source->program = program;
    source->adopts = index > 0;
    source->nactors = program->nactors;
}

static void set_step(struct entry *entry, unsigned source, const struct step *step)
{
    *entry = (struct entry){.source = (uint8_t)source, .step = *step};
}

void draft_load(struct mutator *mutator)
{
    const struct program *program = mutator->sources[0].program;

    for (unsigned i = 0; i < program->nsteps; i++)
        set_step(&mutator->entries[i], 0, &program->steps[i]);
    mutator->nentries = program->nsteps;
}

bool draft_open(struct mutator *mutator, unsigned at, unsigned count)
{
    assert(at <= mutator->nentries);
    if (mutator->nentries + count > DRAFT_MAX)
        return false;
    memmove(&mutator->entries[at + count], &mutator->entries[at],
            (mutator->nentries - at) * sizeof(mutator->entries[0]));
    mutator->nentries += count;
    return true;
}

void draft_remove(struct mutator *mutator, unsigned at, unsigned count)
{
    assert(at + count <= mutator->nentries);
    mutator->nentries -= count;
    memmove(&mutator->entries[at], &mutator->entries[at + count],
            (mutator->nentries - at) * sizeof(mutator->entries[0]));
}

bool draft_insert_step(struct mutator *mutator, unsigned at, unsigned source,
                       const struct step *step)
{
    if (!draft_open(mutator, at, 1))
        return false;
    set_step(&mutator->entries[at], source, step);
    return true;
}

bool draft_insert_recipe(struct mutator *mutator, unsigned at, recipe *run)
{
    if (!draft_open(mutator, at, 1))
        return false;
    mutator->entries[at] = (struct entry){.run = run};
    return true;
}

bool entry_is_by(const struct entry *entry, unsigned source, unsigned actor)
{
    return !entry->run && entry->source == source && entry->step.actor == actor;
}

bool entry_needs(const struct entry *entry, const struct entry *binder)
{
    if (entry->run || binder->run || entry->source != binder->source)
        return false;
    const struct op_info *op = &op_table[entry->step.op];
    const struct op_info *binds = &op_table[binder->step.op];
    for (unsigned out = 0; out < binds->nouts; out++) {
        bool actor = binds->outs[out].kind == FILE_ACTOR;
        unsigned bound = binder->step.outs[out];
        if (actor && entry->step.actor == bound)
            return true;
        for (unsigned arg = 0; arg < op->nargs; arg++) {
            if (entry->step.tags[arg] == (actor ? TAG_ACTOR : TAG_SLOT) &&
                entry->step.args[arg] == (int64_t)bound)
                return true;
        }
    }
    return false;
}

/* --- Names --- */

static const struct step *binding_step(const struct program *program, unsigned slot,
                                       unsigned *ret_out)
{
    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct op_info *op = &op_table[program->steps[i].op];
        for (unsigned out = 0; out < op->nouts; out++) {
            if (op->outs[out].kind == FILE_ACTOR || program->steps[i].outs[out] != slot)
                continue;
            *ret_out = out;
            return &program->steps[i];
        }
    }
    return NULL;
}

/* Opens anew what `step` of the parent opens. False if that takes more than a plain call. */
static bool open_again(struct mutator *mutator, struct source *source, const struct step *step,
                       unsigned actor)
{
    const struct op_info *op = &op_table[step->op];
    struct proposal open = propose((enum op_id)step->op, actor);

    if (op->effect != EFFECT_OPEN || op->block != BLOCK_NEVER)
        return false;
    for (unsigned i = 0; i < op->nargs; i++) {
        if (step->tags[i] != TAG_INT)
            return false;
        open.args[i] = operand_number(step->args[i]);
    }
    int index = generate_step(&mutator->generator, &open);
    if (index < 0)
        return false;
    for (unsigned out = 0; out < op->nouts; out++)
        source->slots[step->outs[out]] = mutator->generator.program->steps[index].outs[out];
    return true;
}

/*
 * A slot of the child's for one that this parent's steps have not bound there: the other end of
 * what has been found already, one of the same kind, or a new one.
 */
static int adopt_slot(struct mutator *mutator, struct source *source, unsigned slot, unsigned actor)
{
    struct generator *generator = &mutator->generator;
    const struct world *world = &generator->ready.world;
    enum file_kind kind = program_slot_kind(source->program, slot);
    unsigned out = 0;
    const struct step *binder = binding_step(source->program, slot, &out);

    if (!binder || kind == FILE_NONE)
        return SLOT_NONE;
    if (op_table[binder->op].nouts == 2) {
        int file = choose_file(generator, actor, source->slots[binder->outs[1 - out]]);
        int peer = file == WORLD_FILE_NONE ? WORLD_FILE_NONE : world->files[file].peer;
        if (peer != WORLD_FILE_NONE)
            source->slots[slot] = choose_slot_of_file(generator, actor, peer, -1);
    }
    if (source->slots[slot] == SLOT_NONE && !random_chance(&generator->random, 25))
        source->slots[slot] = choose_slot(generator, actor, KIND_BIT(kind));
    if (source->slots[slot] == SLOT_NONE)
        (void)open_again(mutator, source, binder, actor);
    return source->slots[slot];
}

/* An actor of the child's, free and not yet anybody's of this parent; main only if it must be. */
static int adopt_actor(struct mutator *mutator, struct source *source, unsigned actor)
{
    const struct program *child = mutator->generator.program;
    unsigned candidates[PROGRAM_ACTORS_MAX];
    unsigned count = 0;

    for (unsigned i = child->nactors; i-- > 0 && (i > 0 || count == 0);) {
        bool taken = false;
        for (unsigned other = 0; other < source->nactors; other++)
            taken |= source->actors[other] == (int)i;
        if (ready_actor_free(&mutator->generator.ready, i) && (!taken || i == 0))
            candidates[count++] = i;
    }
    if (count > 0)
        source->actors[actor] = (int)candidates[random_below(mutator_random(mutator), count)];
    return source->actors[actor];
}

static int find_slot(struct mutator *mutator, struct source *source, int64_t slot, unsigned actor)
{
    if (source->slots[slot] == SLOT_NONE && source->adopts)
        return adopt_slot(mutator, source, (unsigned)slot, actor);
    return source->slots[slot];
}

static int find_actor(struct mutator *mutator, struct source *source, unsigned actor)
{
    if (source->actors[actor] == NOBODY && source->adopts)
        return adopt_actor(mutator, source, actor);
    return source->actors[actor];
}

/* --- Growing --- */

enum fate {
    FATE_TAKEN,
    FATE_HELD, /* its actor sleeps: it can come later */
    FATE_LEFT_OUT,
};

/* The step in the child's names. False if something that it names is not there. */
static bool translate(struct mutator *mutator, struct source *source, const struct step *step,
                      struct proposal *ret_proposal)
{
    const struct op_info *op = &op_table[step->op];
    const struct program *child = mutator->generator.program;

    for (unsigned i = 0; i < op->nargs; i++) {
        struct operand *operand = &ret_proposal->args[i];
        *operand = (struct operand){(enum arg_tag)step->tags[i], step->args[i]};
        if (operand->tag == TAG_SLOT)
            operand->value = find_slot(mutator, source, step->args[i], ret_proposal->actor);
        if (operand->tag == TAG_ACTOR) {
            operand->value = find_actor(mutator, source, (unsigned)step->args[i]);
            if (operand->value < 0 ||
                !program_actor_fits(child, (unsigned)operand->value, op->args[i]))
                return false;
        }
        if (operand->tag == TAG_SLOT && operand->value < 0)
            return false;
        /* Bytes have no positive timeout once there is a second actor. */
        if (op->args[i] == ARG_TIMEOUT && operand->value > 0 && child->nactors > 1)
            operand->value = 0;
    }
    return true;
}

static enum fate take_step(struct mutator *mutator, const struct entry *entry)
{
    struct generator *generator = &mutator->generator;
    struct source *source = &mutator->sources[entry->source];
    const struct op_info *op = &op_table[entry->step.op];
    int actor = find_actor(mutator, source, entry->step.actor);

    if (actor == NOBODY)
        return FATE_LEFT_OUT;
    if (!ready_actor_free(&generator->ready, (unsigned)actor))
        return FATE_HELD;
    struct proposal proposal = propose((enum op_id)entry->step.op, (unsigned)actor);
    if (!translate(mutator, source, &entry->step, &proposal))
        return FATE_LEFT_OUT;
    int index = generate_step(generator, &proposal);
    if (index < 0)
        return FATE_LEFT_OUT;
    for (unsigned out = 0; out < op->nouts && !entry->fresh; out++) {
        unsigned name = entry->step.outs[out];
        if (op->outs[out].kind == FILE_ACTOR)
            source->actors[name] = generator->program->steps[index].outs[out];
        else
            source->slots[name] = generator->program->steps[index].outs[out];
    }
    source->taken++;
    mutator->failed |= generator->result.failed;
    return FATE_TAKEN;
}

/* What the parents' steps need beside the features that were drawn: they were determinate there. */
static uint32_t features_of_steps(const struct mutator *mutator)
{
    return mutator->features | FEATURE_BIT(SLEEPING) | FEATURE_BIT(BLOCKING_IO) |
           FEATURE_BIT(SHARED_WAITS) | (mutator->halting ? FEATURE_BIT(HALT) : 0);
}

static enum fate take_entry(struct mutator *mutator, const struct entry *entry)
{
    struct generator *generator = &mutator->generator;
    unsigned nsteps = generator->program->nsteps;

    if (entry->run) {
        generator->features = mutator->features;
        generator->steps_aim = mutator->nentries;
        entry->run(mutator);
        return generator->program->nsteps > nsteps ? FATE_TAKEN : FATE_LEFT_OUT;
    }
    generator->features = features_of_steps(mutator);
    generator->steps_aim = mutator->halting ? 0 : mutator->nentries;
    return take_step(mutator, entry);
}

/* The steps that were held back and whose actors have woken, in their order. */
static void take_held(struct mutator *mutator, unsigned *left_out)
{
    unsigned at = 0;

    while (at < mutator->nheld) {
        enum fate fate = take_entry(mutator, &mutator->entries[mutator->held[at]]);
        if (fate == FATE_HELD) {
            at++;
            continue;
        }
        *left_out += fate == FATE_LEFT_OUT;
        mutator->nheld--;
        memmove(&mutator->held[at], &mutator->held[at + 1],
                (mutator->nheld - at) * sizeof(mutator->held[0]));
        /* It may have woken others, whose steps come first. */
        if (fate == FATE_TAKEN)
            at = 0;
    }
}

static void forget_names(struct source *source)
{
    for (unsigned i = 0; i < PROGRAM_SLOTS_MAX; i++)
        source->slots[i] = SLOT_NONE;
    for (unsigned i = 1; i < DRAFT_ACTORS_MAX; i++)
        source->actors[i] = NOBODY;
    source->actors[0] = 0;
    source->taken = 0;
}

bool draft_grow(struct mutator *mutator)
{
    struct generator *generator = &mutator->generator;
    unsigned left_out = 0;

    for (unsigned i = 0; i < SOURCES_MAX; i++)
        forget_names(&mutator->sources[i]);
    mutator->nheld = 0;
    mutator->failed = false;
    generator->steps_min = 0;
    generator->steps_max = MUTATE_STEPS_MAX;
    for (unsigned i = 0; i < mutator->nentries; i++) {
        if (generator->program->nsteps >= MUTATE_STEPS_MAX || (mutator->whole && left_out > 0)) {
            left_out++;
            break;
        }
        enum fate fate = take_entry(mutator, &mutator->entries[i]);
        left_out += fate == FATE_LEFT_OUT;
        if (fate == FATE_HELD)
            mutator->held[mutator->nheld++] = (uint16_t)i;
        if (fate == FATE_TAKEN)
            take_held(mutator, &left_out);
    }
    return generator->program->nsteps > 0 &&
           !(mutator->whole && (left_out > 0 || mutator->nheld > 0));
}
