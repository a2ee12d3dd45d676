/* What a program is made of. */
#include "fuzz/generate/generate.h"
#include "fuzz/program/world.h"

#include <sys/epoll.h>

static bool step_nests(const struct world *world, const struct step *step,
                       const struct world_outcome *outcome)
{
    if (op_table[step->op].effect != EFFECT_CTL || step->args[1] != EPOLL_CTL_ADD ||
        outcome->ret < 0)
        return false;
    int file = world_file_of_arg(world, step, 2);
    return file != WORLD_FILE_NONE && world->files[file].kind == FILE_EPOLL;
}

void generate_measure(const struct program *program, struct generate_mix *ret_mix)
{
    struct generate_mix mix = {.threads = false};
    struct world world;

    for (unsigned i = 0; i < program->nactors; i++) {
        mix.threads |= program->actors[i].kind == ACTOR_THREAD;
        mix.processes |= program->actors[i].kind == ACTOR_PROCESS;
    }
    world_init(&world, program);
    for (unsigned i = 0; i < program->nsteps && !mix.nested; i++) {
        struct world_outcome outcome;
        /* By slot numbers and not by the kind that opened the slot: a number can change hands. */
        world_predict(&world, i, &outcome);
        mix.nested |= step_nests(&world, &program->steps[i], &outcome);
        world_apply(&world, i, &outcome);
    }
    *ret_mix = mix;
}
