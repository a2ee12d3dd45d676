/* What a program is made of. */
#include "fuzz/generate/generate.h"
#include "oracle/model/state.h"

/* True if the step just carried out has added an epoll instance to another. */
static bool step_nests(struct model *model, const struct model_report *report)
{
    const struct step *step = model->step;
    bool added = false;

    if (op_table[step->op].effect != EFFECT_CTL || step->args[1] != EPOLL_CTL_ADD)
        return false;
    for (unsigned i = 0; i < report->nreturns; i++)
        added |= report->returns[i].step == model->index && report->returns[i].ret == 0;
    /* By numbers and not by the kind that opened the slot: a number can change hands. */
    return added && model->files[model_arg_file(model, 2)].kind == FILE_EPOLL;
}

void generate_measure(const struct program *program, struct generate_mix *ret_mix)
{
    struct generate_mix mix = {.threads = false};
    struct model model;

    for (unsigned i = 0; i < program->nactors; i++) {
        mix.threads |= program->actors[i].kind == ACTOR_THREAD;
        mix.processes |= program->actors[i].kind == ACTOR_PROCESS;
    }
    model_init(&model, program, &model_facts_fixed);
    for (unsigned i = 0; i < program->nsteps && !mix.nested; i++) {
        struct model_tape tape;
        struct model_report report;
        /* One of the ways that it can go: as in a run, whoever sleeps skips steps. */
        model_tape_init(&tape);
        model_step(&model, i, &tape, &report);
        if (report.beyond)
            break;
        mix.nested = step_nests(&model, &report);
    }
    *ret_mix = mix;
}
