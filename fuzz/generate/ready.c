/* The program so far on the model, in the generator's words. */
#include "fuzz/generate/ready.h"

#include <assert.h>
#include <string.h>

void ready_init(struct ready *ret_ready, const struct program *program)
{
    world_init(&ret_ready->world, program);
    ret_ready->woken = 0;
    model_init(&ret_ready->model, program, &model_facts_fixed);
}

static void copy_world(struct world *to, const struct world *from, unsigned nactors,
                       unsigned nslots)
{
    to->program = from->program;
    memcpy(to->slots, from->slots, nslots * sizeof(to->slots[0]));
    memcpy(to->processes, from->processes, nactors * sizeof(to->processes[0]));
    /* Any of them can be free, and any in use. */
    memcpy(to->tables, from->tables, sizeof(to->tables));
    memcpy(to->actor_tables, from->actor_tables, sizeof(to->actor_tables));
    memcpy(to->actors_alive, from->actors_alive, nactors * sizeof(to->actors_alive[0]));
    to->nfiles = from->nfiles;
    memcpy(to->files, from->files, from->nfiles * sizeof(to->files[0]));
    to->nitems = from->nitems;
    memcpy(to->items, from->items, from->nitems * sizeof(to->items[0]));
    to->nflights = from->nflights;
    memcpy(to->flights, from->flights, from->nflights * sizeof(to->flights[0]));
}

void ready_copy(struct ready *to, const struct ready *from, unsigned nactors, unsigned nslots)
{
    assert(nactors <= PROGRAM_ACTORS_MAX && nslots <= PROGRAM_SLOTS_MAX);
    copy_world(&to->world, &from->world, nactors, nslots);
    to->woken = from->woken;
    model_copy(&to->model, &from->model);
}

/* --- The same file in the world and in the model: the step that opened it, and which out --- */

static int model_file(const struct ready *ready, int file)
{
    if (file == WORLD_FILE_NONE)
        return MODEL_NONE;
    const struct world_file *sought = &ready->world.files[file];
    for (unsigned i = 0; i < ready->model.nfiles; i++) {
        const struct model_file *found = &ready->model.files[i];
        if (found->born == sought->born && found->out == sought->out && !found->inner)
            return (int)i;
    }
    return MODEL_NONE;
}

static int world_file(const struct ready *ready, int file)
{
    const struct model_file *sought = &ready->model.files[file];

    for (unsigned i = 0; i < ready->world.nfiles; i++) {
        const struct world_file *found = &ready->world.files[i];
        if (found->born == sought->born && found->out == sought->out)
            return (int)i;
    }
    return WORLD_FILE_NONE;
}

/* --- Questions --- */

bool ready_actor_free(const struct ready *ready, unsigned actor)
{
    return model_actor_free(&ready->model, actor);
}

int ready_waits_on(const struct ready *ready, unsigned actor)
{
    const struct model_actor *sleeper = &ready->model.actors[actor];

    return sleeper->alive && sleeper->sleep == SLEEP_WAIT ? world_file(ready, sleeper->file)
                                                          : WORLD_FILE_NONE;
}

bool ready_has_item(const struct ready *ready, int instance, int number, int file)
{
    int found = model_file(ready, file);

    return found != MODEL_NONE &&
           model_item_find(&ready->model, model_file(ready, instance), number, found) != MODEL_NONE;
}

bool ready_nested(const struct ready *ready, unsigned index, int *ret_outer, int *ret_inner)
{
    for (unsigned i = 0; i < ready->model.nitems; i++) {
        const struct model_item *item = &ready->model.items[i];
        if (ready->model.files[item->file].kind != FILE_EPOLL || index-- > 0)
            continue;
        *ret_outer = world_file(ready, item->instance);
        *ret_inner = world_file(ready, item->file);
        return true;
    }
    return false;
}

/* Looking changes a state: what is no longer ready falls off ready lists. So a copy is looked at.
 */
struct glance {
    struct model model;
    struct model_tape tape;
    struct model_report report;
};

static void begin_glance(struct glance *glance, const struct ready *ready)
{
    model_copy(&glance->model, &ready->model);
    model_tape_init(&glance->tape);
    glance->report.beyond = NULL;
    glance->report.nreturns = 0;
    glance->model.tape = &glance->tape;
    glance->model.report = &glance->report;
    glance->model.atomic = 1;
}

uint32_t ready_poll(const struct ready *ready, int file, uint32_t mask)
{
    struct glance glance;
    int found = model_file(ready, file);

    if (found == MODEL_NONE || ready->model.files[found].released)
        return 0;
    begin_glance(&glance, ready);
    return model_poll(&glance.model, found, mask | MASK_ALWAYS, 0) & (mask | MASK_ALWAYS);
}

unsigned ready_count(const struct ready *ready, int instance)
{
    struct glance glance;
    int found = model_file(ready, instance);

    if (found == MODEL_NONE || ready->model.files[found].released)
        return 0;
    begin_glance(&glance, ready);
    struct model_return *room = &glance.report.returns[0];
    int count = model_send_events(&glance.model, found, PROGRAM_EVENTS_MAX, false, room);
    return count > 0 ? (unsigned)count : 0;
}

/* --- Steps --- */

static bool returns_equal(const struct model_return *a, const struct model_return *b)
{
    if (a->step != b->step || a->ret != b->ret || a->err != b->err || a->digest != b->digest ||
        a->nevents != b->nevents || memcmp(a->fds, b->fds, sizeof(a->fds)) != 0)
        return false;
    for (unsigned i = 0; i < a->nevents; i++) {
        if (a->events[i].events != b->events[i].events || a->events[i].data != b->events[i].data)
            return false;
    }
    return true;
}

/* True if both show the same, in whatever order the actors came back. */
static bool reports_equal(const struct model_report *a, const struct model_report *b)
{
    if (a->fate != b->fate || a->nreturns != b->nreturns || a->cancelled != b->cancelled ||
        a->nhandled != b->nhandled)
        return false;
    /* Handlers that run in one step are those of waits that it ends, in an order that shows. */
    for (unsigned i = 0; i < a->nhandled; i++) {
        if (a->handled[i].step != b->handled[i].step || a->handled[i].ret != b->handled[i].ret ||
            a->handled[i].err != b->handled[i].err)
            return false;
    }
    for (unsigned i = 0; i < a->nreturns; i++) {
        bool found = false;
        for (unsigned j = 0; j < b->nreturns && !found; j++)
            found = returns_equal(&a->returns[i], &b->returns[j]);
        if (!found)
            return false;
    }
    return true;
}

/*
 * Carries out the step with the first outcome, and tries the others: the step is racy if one of
 * them shows something else, or leaves something else behind.
 */
static bool step_is_racy(struct ready *ready, unsigned index, struct model_report *report)
{
    struct model before, other;
    struct model_tape tape;
    struct model_report others;
    unsigned tapes = 0;

    model_copy(&before, &ready->model);
    model_tape_init(&tape);
    model_step(&ready->model, index, &tape, report);
    if (report->beyond)
        return true;
    if (tape.length == 0)
        return false;
    model_normalize(&ready->model);
    while (model_tape_next(&tape)) {
        model_copy(&other, &before);
        model_step(&other, index, &tape, &others);
        if (++tapes > READY_TAPES_MAX || others.beyond)
            return true;
        model_normalize(&other);
        if (!reports_equal(report, &others) || !model_equal(&ready->model, &other))
            return true;
    }
    return false;
}

static void apply_return(struct world *world, const struct model_return *back)
{
    struct world_outcome outcome = {.ret = back->ret, .err = back->err};

    memcpy(outcome.fds, back->fds, sizeof(outcome.fds));
    world_apply(world, back->step, &outcome);
}

static bool two_wait(const struct model *model)
{
    for (unsigned i = 0; i < model->program->nactors; i++) {
        for (unsigned j = 0; j < i; j++) {
            const struct model_actor *a = &model->actors[i];
            const struct model_actor *b = &model->actors[j];
            if (a->sleep == SLEEP_WAIT && b->sleep == SLEEP_WAIT && a->file == b->file)
                return true;
        }
    }
    return false;
}

void ready_step(struct ready *ready, unsigned index, struct ready_result *ret_result)
{
    struct model_report report;
    const struct model_return *own = NULL;
    const struct step *step = &ready->model.program->steps[index];

    assert(ready_actor_free(ready, ready->model.program->steps[index].actor));
    *ret_result = (struct ready_result){.racy = step_is_racy(ready, index, &report)};
    if (report.beyond)
        return;
    for (unsigned i = 0; i < report.nreturns; i++) {
        if (report.returns[i].step == index)
            own = &report.returns[i];
        else
            ret_result->woken++;
    }
    if (own) {
        apply_return(&ready->world, own);
        ret_result->failed = own->ret == -1;
        ret_result->events = own->nevents;
    } else if (report.fate == MODEL_DIED && (report.cancelled >> step->actor & 1) == 0) {
        static const struct world_outcome ended = {.fds = {-1, -1}};
        world_apply(&ready->world, index, &ended);
    }
    for (unsigned i = 0; i < report.nreturns; i++) {
        if (report.returns[i].step != index)
            apply_return(&ready->world, &report.returns[i]);
    }
    for (unsigned i = 0; i < report.nhandled; i++)
        world_apply_handler(&ready->world, report.handled[i].step, report.handled[i].ret);
    for (unsigned i = 0; i < ready->model.program->nactors; i++) {
        if (report.cancelled >> i & 1)
            world_end_thread(&ready->world, i);
    }
    ret_result->sleeps = report.fate == MODEL_ASLEEP && !own;
    ret_result->shared = two_wait(&ready->model);
    ready->woken += report.wakeups;
}
