/* Flush points between the steps of a program. */
#include "fuzz/generate/metamorphic.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
    SLOT_LOW = 0,  /* the instance as it is opened */
    SLOT_HIGH = 1, /* and where it stays */
};

/* A name that the program does not have: the inserted steps can be printed and read like others. */
static void name_slot(const struct program *program, struct program_slot *ret_slot, unsigned *next)
{
    int length;

    do {
        length = snprintf(ret_slot->name, sizeof(ret_slot->name), "x%u", (*next)++);
    } while (program_find_slot(program, ret_slot->name, (size_t)length) >= 0 ||
             program_find_actor(program, ret_slot->name, (size_t)length) >= 0);
}

static struct step *append(struct metamorphic *metamorphic, enum op_id op, unsigned actor,
                           unsigned origin, bool inserted)
{
    struct program *program = &metamorphic->program;
    unsigned index = program->nsteps++;
    struct step *step = &program->steps[index];

    assert(index < PROGRAM_STEPS_MAX);
    *step = (struct step){.op = (uint8_t)op, .actor = (uint8_t)actor};
    metamorphic->inserted[index] = inserted;
    metamorphic->origin[index] = (int16_t)origin;
    return step;
}

static void set_slot(struct step *step, unsigned arg, unsigned slot)
{
    step->tags[arg] = TAG_SLOT;
    step->args[arg] = slot;
}

/* Slots are bound in order, so the two new ones come first and all others move up. */
static void set_up(struct metamorphic *metamorphic, const struct program *program)
{
    struct program *copy = &metamorphic->program;
    unsigned next = 0;

    *copy = *program;
    copy->nsteps = 0;
    copy->nslots = (uint8_t)(program->nslots + METAMORPHIC_SLOTS);
    memmove(&copy->slots[METAMORPHIC_SLOTS], program->slots,
            program->nslots * sizeof(program->slots[0]));
    for (unsigned i = 0; i < METAMORPHIC_SLOTS; i++)
        name_slot(program, &copy->slots[i], &next);
    struct step *create = append(metamorphic, OP_EPOLL_CREATE1, 0, 0, true);
    create->outs[0] = SLOT_LOW;
    struct step *dup = append(metamorphic, OP_FCNTL, 0, 0, true);
    dup->outs[0] = SLOT_HIGH;
    set_slot(dup, 0, SLOT_LOW);
    dup->args[1] = F_DUPFD;
    dup->args[2] = METAMORPHIC_FD;
    set_slot(append(metamorphic, OP_CLOSE, 0, 0, true), 0, SLOT_LOW);
}

static void copy_step(struct metamorphic *metamorphic, const struct program *program,
                      unsigned index)
{
    const struct step *from = &program->steps[index];
    const struct op_info *op = &op_table[from->op];
    struct step *step = append(metamorphic, (enum op_id)from->op, from->actor, index, false);

    *step = *from;
    for (unsigned i = 0; i < op->nargs; i++) {
        if (step->tags[i] == TAG_SLOT)
            step->args[i] += METAMORPHIC_SLOTS;
    }
    for (unsigned i = 0; i < op->nouts; i++) {
        if (op->outs[i].kind == FILE_ACTOR)
            metamorphic->program.actors[step->outs[i]].born =
                (uint16_t)(metamorphic->program.nsteps - 1);
        else
            step->outs[i] = (uint8_t)(step->outs[i] + METAMORPHIC_SLOTS);
    }
}

/* A wait is a cancellation point, so a thread that is to end later would end there. */
static bool may_wait(const struct program *program)
{
    for (unsigned i = 0; i < program->nsteps; i++) {
        if (op_table[program->steps[i].op].effect == EFFECT_CANCEL)
            return false;
    }
    return true;
}

static void flush_point(struct metamorphic *metamorphic, unsigned actor, unsigned origin,
                        bool waits)
{
    (void)append(metamorphic, OP_FLUSH, actor, origin, true);
    if (!waits)
        return;
    struct step *wait = append(metamorphic, OP_EPOLL_WAIT, actor, origin, true);
    set_slot(wait, 0, SLOT_HIGH);
    wait->args[1] = 1;
}

int metamorphic_insert(const struct program *program, const uint32_t free_actors[PROGRAM_STEPS_MAX],
                       struct metamorphic *ret_metamorphic)
{
    unsigned room = PROGRAM_STEPS_MAX - program->nsteps;
    bool waits = may_wait(program);

    if (room < METAMORPHIC_SETUP_STEPS + METAMORPHIC_POINT_STEPS ||
        program->nslots + METAMORPHIC_SLOTS > PROGRAM_SLOTS_MAX)
        return -E2BIG;
    room -= METAMORPHIC_SETUP_STEPS;
    set_up(ret_metamorphic, program);
    for (unsigned i = 0; i < program->nsteps; i++) {
        uint32_t able = free_actors[i];
        unsigned actor = program->steps[i].actor;
        copy_step(ret_metamorphic, program, i);
        if (able == 0 || room < METAMORPHIC_POINT_STEPS)
            continue;
        if (((able >> actor) & 1) == 0)
            actor = (unsigned)__builtin_ctz(able);
        flush_point(ret_metamorphic, actor, i, waits);
        room -= METAMORPHIC_POINT_STEPS;
    }
    return 0;
}
