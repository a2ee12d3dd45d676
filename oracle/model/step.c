/* A step: the call, then everything that it sets in motion. */
#include "oracle/model/state.h"

#include <assert.h>
#include <string.h>

static model_call *const calls[OPS] = {
#define OP(id, ...) [OP_##id] = model_call_##id,
#include "fuzz/program/ops.def"
#undef OP
};

struct model_return *model_return_of(struct model *model, unsigned step, int64_t ret, int err)
{
    struct model_report *report = model->report;

    assert(report->nreturns < MODEL_RETURNS_MAX);
    struct model_return *back = &report->returns[report->nreturns++];
    back->step = step;
    back->ret = ret;
    back->err = err;
    back->digest = 0;
    back->any_digest = false;
    back->nevents = 0;
    memset(back->fds, -1, sizeof(back->fds));
    return back;
}

void model_return_value(struct model *model, int64_t ret)
{
    (void)model_return_of(model, model->index, ret, 0);
}

void model_return_error(struct model *model, int err)
{
    (void)model_return_of(model, model->index, -1, err);
}

void model_return_fds(struct model *model, int64_t ret, int first, int second)
{
    struct model_return *back = model_return_of(model, model->index, ret, 0);
    const struct op_info *op = &op_table[model->step->op];
    int fds[PROGRAM_OUTS_MAX] = {first, second};

    for (unsigned i = 0; i < op->nouts; i++) {
        back->fds[i] = fds[i];
        model->slots[model->step->outs[i]] = (int16_t)fds[i];
    }
}

void model_bind_fd(struct model *model, struct model_return *back, int number)
{
    back->fds[0] = number;
    model->slots[model->program->steps[back->step].outs[0]] = (int16_t)number;
}

void model_fail_open(struct model *model, int err)
{
    struct model_return *back = model_return_of(model, model->index, -1, err);
    const struct op_info *op = &op_table[model->step->op];

    for (unsigned i = 0; i < op->nouts; i++) {
        back->fds[i] = -1;
        model->slots[model->step->outs[i]] = -1;
    }
}

void model_tape_init(struct model_tape *ret_tape)
{
    memset(ret_tape, 0, sizeof(*ret_tape));
}

bool model_tape_next(struct model_tape *tape)
{
    tape->length = tape->position;
    tape->position = 0;
    while (tape->length > 0) {
        unsigned last = tape->length - 1;
        if (tape->picks[last] + 1 < tape->widths[last]) {
            tape->picks[last]++;
            return true;
        }
        tape->length--;
    }
    return false;
}

void model_step(struct model *model, unsigned index, struct model_tape *tape,
                struct model_report *ret_report)
{
    assert(index < model->program->nsteps);
    tape->position = 0;
    ret_report->fate = MODEL_RETURNED;
    ret_report->beyond = NULL;
    ret_report->wakeups = 0;
    ret_report->nreturns = 0;
    ret_report->cancelled = 0;
    ret_report->nhandled = 0;
    model->tape = tape;
    model->report = ret_report;
    model->index = index;
    model->step = &model->program->steps[index];
    model->atomic = 0;
    model->turns = 0;
    if (!model_actor_free(model, model->step->actor)) {
        ret_report->fate = MODEL_SKIPPED;
        return;
    }
    model->current = model->step->actor;
    if (!model_obeys_cancel(model))
        calls[model->step->op](model);
    model_drop_landed(model, 0);
    model_settle(model);
}

bool model_return_matches(const struct program *program, const struct model_return *a,
                          const struct trace_step *observed)
{
    const struct op_info *op = &op_table[program->steps[a->step].op];

    if (a->ret != observed->ret || a->err != observed->err || a->nevents != observed->nevents)
        return false;
    if (!a->any_digest && a->digest != observed->digest)
        return false;
    for (unsigned i = 0; i < op->nouts; i++) {
        if (op->outs[i].kind != FILE_ACTOR && a->fds[i] != observed->fds[i])
            return false;
    }
    for (unsigned i = 0; i < a->nevents; i++) {
        if (a->events[i].events != observed->events[i].events ||
            a->events[i].data != observed->events[i].data)
            return false;
    }
    return true;
}
