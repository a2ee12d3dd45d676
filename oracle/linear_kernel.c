/* Calls moment by moment: states, calls by the model, numbers and what they name. */
#include "oracle/linear_moment.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void linear_state_init(struct linear_state *state, const struct program *program,
                       const struct model_facts *facts)
{
    struct model_report report = {.beyond = NULL};
    struct model *model = &state->model;

    memset(state, 0, offsetof(struct linear_state, model));
    model_init(model, program, facts);
    model->report = &report;
    state->reserved = (int16_t)model_file_new(model, FILE_PATH, 0);
    model->files[state->reserved].refs = 1;
    model->files[state->reserved].born = MODEL_NONE;
    model_normalize(model);
}

void linear_state_copy(struct linear_state *to, const struct linear_state *from)
{
    unsigned nactors = from->model.program->nactors;

    memcpy(to, from, offsetof(struct linear_state, flights));
    memcpy(to->flights, from->flights, nactors * sizeof(from->flights[0]));
    model_copy(&to->model, &from->model);
}

void linear_state_normalize(struct linear_state *state)
{
    model_normalize(&state->model);
}

uint64_t linear_state_hash(const struct linear_state *state)
{
    const uint8_t *bytes = (const uint8_t *)state->flights;
    size_t length = state->model.program->nactors * sizeof(state->flights[0]);
    uint64_t hash = model_hash(&state->model);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

bool linear_state_equal(const struct linear_state *a, const struct linear_state *b)
{
    return memcmp(a->flights, b->flights, a->model.program->nactors * sizeof(a->flights[0])) == 0 &&
           model_equal(&a->model, &b->model);
}

/* --- One moment --- */

/* The file at a number of the caller's table; a number that is only reserved names none. */
static int file_at(struct moment *moment, int number)
{
    int file = model_file_at(moment->model, number);

    return file == moment->state->reserved ? MODEL_NONE : file;
}

/* The place in the caller's table that an argument names, or NULL. */
static int16_t *entry_of(struct moment *moment, unsigned arg)
{
    int number = model_arg_number(moment->model, arg);

    if (number < 0 || number >= PROGRAM_FD_LIMIT)
        return NULL;
    return &model_table_of(moment->model, moment->step->actor)->files[number];
}

/* The arguments that are descriptors which the call looks up once: two at most. */
static unsigned fd_args(const struct moment *moment, unsigned ret_args[2])
{
    unsigned count = 0;

    for (unsigned i = 0; i < moment->op->nargs && count < 2; i++) {
        if (arg_table[moment->op->args[i]].shape == ARG_SHAPE_FD)
            ret_args[count++] = i;
    }
    return count;
}

bool moment_same_events(const struct trace_event *a, const struct trace_event *b, unsigned count)
{
    uint64_t used = 0;

    assert(count <= 64);
    for (unsigned i = 0; i < count; i++) {
        unsigned j = 0;
        while (j < count &&
               (((used >> j) & 1) || a[i].events != b[j].events || a[i].data != b[j].data))
            j++;
        if (j == count)
            return false;
        used |= UINT64_C(1) << j;
    }
    return true;
}

/* Which events a wait without room for all hands out is a matter of their order. */
enum linear_step moment_mismatch(const struct moment *moment, unsigned nevents)
{
    bool wait = moment->op->effect == EFFECT_WAIT;

    if (wait && nevents > 0 && moment->observed->nevents == nevents &&
        moment->step->args[1] == (int64_t)nevents)
        return LINEAR_BEYOND;
    return LINEAR_REFUSED;
}

static enum linear_step match_return(const struct moment *moment, const struct model_return *back,
                                     const struct trace_step *observed)
{
    const struct op_info *op = &op_table[moment->model->program->steps[back->step].op];

    if (back->ret != observed->ret || back->err != observed->err ||
        back->nevents != observed->nevents)
        return LINEAR_REFUSED;
    if (!back->any_digest && back->digest != observed->digest)
        return LINEAR_REFUSED;
    for (unsigned i = 0; i < op->nouts; i++) {
        if (op->outs[i].kind != FILE_ACTOR && back->fds[i] != observed->fds[i])
            return LINEAR_REFUSED;
    }
    if (moment_same_events(back->events, observed->events, back->nevents))
        return LINEAR_ALLOWED;
    return moment_mismatch(moment, back->nevents);
}

/* The whole call by the model, in the state as it is. */
static enum linear_step carry_out(struct moment *moment)
{
    model_step(moment->model, moment->index, &moment->tape, &moment->report);
    /* In a block nobody sleeps, so nobody is woken, and nothing is left to choice. */
    if (moment->report.beyond || moment->tape.length > 0 || moment->report.nreturns != 1)
        return LINEAR_BEYOND;
    return match_return(moment, &moment->report.returns[0], moment->observed);
}

enum linear_step moment_carry_out_resolved(struct moment *moment)
{
    unsigned args[2];
    int16_t saved[2];
    unsigned count = moment->flight->resolved ? fd_args(moment, args) : 0;

    for (unsigned i = 0; i < count; i++) {
        int16_t *entry = entry_of(moment, args[i]);
        if (!entry)
            continue;
        saved[i] = *entry;
        *entry = moment->flight->files[i];
    }
    enum linear_step result = carry_out(moment);
    for (unsigned i = count; i-- > 0;) {
        int16_t *entry = entry_of(moment, args[i]);
        if (entry)
            *entry = saved[i];
    }
    return result;
}

int moment_file_of(struct moment *moment, unsigned i)
{
    unsigned args[2];
    unsigned count = fd_args(moment, args);

    if (moment->flight->resolved)
        return moment->flight->files[i];
    return i < count ? file_at(moment, model_arg_number(moment->model, args[i])) : MODEL_NONE;
}

/* --- Descriptors --- */

static void hold(struct flight *flight, int file)
{
    assert(flight->nheld < sizeof(flight->held) / sizeof(flight->held[0]));
    flight->held[flight->nheld++] = (int16_t)file;
}

static void look_up(struct moment *moment)
{
    struct flight *flight = moment->flight;
    unsigned args[2];
    unsigned count = fd_args(moment, args);

    for (unsigned i = 0; i < count; i++) {
        int file = file_at(moment, model_arg_number(moment->model, args[i]));
        bool again = flight->glanced && file == flight->files[i];
        flight->files[i] = (int16_t)file;
        if (file == MODEL_NONE || again)
            continue;
        model_ref(moment->model, file);
        hold(flight, file);
    }
}

/* What the glance has got hold of is put when the call returns, if the number names another file
 * by the second look. */
static enum linear_step glance(struct moment *moment)
{
    look_up(moment);
    moment->flight->glanced = true;
    return LINEAR_ALLOWED;
}

static enum linear_step resolve(struct moment *moment)
{
    look_up(moment);
    moment->flight->resolved = true;
    return LINEAR_ALLOWED;
}

/* file_close_fd. A number past the table's end is the model's to answer. */
static enum linear_step uninstall(struct moment *moment)
{
    int number = model_arg_number(moment->model, 0);
    int file = file_at(moment, number);

    if (file == MODEL_NONE)
        return moment_allow_if(moment->observed->ret == -1 && moment->observed->err == EBADF);
    if (moment->observed->ret != 0 || moment->observed->err != 0)
        return LINEAR_REFUSED;
    (void)model_uninstall(model_table_of(moment->model, moment->step->actor), number);
    hold(moment->flight, file);
    return LINEAR_ALLOWED;
}

static void bind(struct moment *moment, unsigned out, int number)
{
    moment->model->slots[moment->step->outs[out]] = (int16_t)number;
}

/* do_dup2: both numbers are looked at under the table's lock. */
static enum linear_step replace(struct moment *moment)
{
    int from = model_arg_number(moment->model, 0);
    int over = model_arg_number(moment->model, 1);
    int file = file_at(moment, from);
    const struct trace_step *observed = moment->observed;
    struct model_table *table = model_table_of(moment->model, moment->step->actor);

    if (file == MODEL_NONE || over < 0 || over >= PROGRAM_FD_LIMIT) {
        /* The model answers all of these the same way but for a number that is only reserved. */
        bind(moment, 0, -1);
        if (file == MODEL_NONE)
            return moment_allow_if(observed->ret == -1 && observed->err == EBADF);
        return carry_out(moment);
    }
    if (from != over && table->files[over] == moment->state->reserved) {
        bind(moment, 0, -1);
        return moment_allow_if(observed->ret == -1 && observed->err == EBUSY);
    }
    if (observed->ret != over || observed->err != 0)
        return LINEAR_REFUSED;
    bind(moment, 0, over);
    if (from == over)
        return LINEAR_ALLOWED;
    model_ref(moment->model, file);
    int old = model_uninstall(table, over);
    table->files[over] = (int16_t)file;
    if (old != MODEL_NONE)
        hold(moment->flight, old);
    return LINEAR_ALLOWED;
}

static enum linear_step reserve(struct moment *moment)
{
    struct flight *flight = moment->flight;

    if (flight->over)
        return LINEAR_ALLOWED;
    if (moment->observed->ret < 0) {
        flight->over = true;
        return moment_carry_out_resolved(moment);
    }
    if (flight->resolved && flight->files[0] == MODEL_NONE)
        return LINEAR_REFUSED; /* dup of what is not open cannot have succeeded */
    int number = model_lowest_free(moment->model, moment->step->actor, 0);
    if (number < 0)
        return LINEAR_BEYOND;
    if (number != moment->observed->fds[flight->nnumbers])
        return LINEAR_REFUSED;
    model_table_of(moment->model, moment->step->actor)->files[number] = moment->state->reserved;
    flight->numbers[flight->nnumbers++] = (int16_t)number;
    return LINEAR_ALLOWED;
}

/* The model opens at the lowest free numbers: the reserved ones are made to be those. */
static enum linear_step install_opened(struct moment *moment)
{
    struct flight *flight = moment->flight;
    struct model_table *table = model_table_of(moment->model, moment->step->actor);
    /* A lower number than the first can have become free before the second was taken. */
    bool crossed = flight->nnumbers == 2 && flight->numbers[1] < flight->numbers[0];
    int last = flight->numbers[crossed ? 0 : flight->nnumbers - 1];
    bool filled[PROGRAM_FD_LIMIT] = {false};

    for (int number = 0; number < last; number++) {
        filled[number] = table->files[number] == MODEL_NONE;
        if (filled[number])
            table->files[number] = moment->state->reserved;
    }
    for (unsigned i = 0; i < flight->nnumbers; i++)
        table->files[flight->numbers[i]] = MODEL_NONE;
    enum linear_step result = carry_out(moment);
    for (int number = 0; number < last; number++) {
        if (filled[number])
            table->files[number] = MODEL_NONE;
    }
    if (!crossed || result == LINEAR_BEYOND)
        return result;
    int16_t reader = table->files[flight->numbers[1]];
    table->files[flight->numbers[1]] = table->files[flight->numbers[0]];
    table->files[flight->numbers[0]] = reader;
    bind(moment, 0, flight->numbers[0]);
    bind(moment, 1, flight->numbers[1]);
    return moment_allow_if(moment->observed->ret == 0 && moment->observed->err == 0);
}

static enum linear_step install(struct moment *moment)
{
    struct flight *flight = moment->flight;

    if (flight->over)
        return LINEAR_ALLOWED;
    if (!flight->resolved)
        return install_opened(moment);
    /* dup: the reference that it took is the number's from now on. */
    struct model_table *table = model_table_of(moment->model, moment->step->actor);
    table->files[flight->numbers[0]] = flight->files[0];
    flight->nheld = 0;
    bind(moment, 0, flight->numbers[0]);
    return moment_allow_if(moment->observed->ret == flight->numbers[0] &&
                           moment->observed->err == 0);
}

/*
 * fput, on the way back to user space: by whoever drops the last reference. Rule 42. The interest
 * lists forget the file only when nobody holds their locks, but a scan under way finds nothing at a
 * file without references (epi_fget), so this is the moment that counts.
 */
static enum linear_step forget(struct moment *moment)
{
    struct flight *flight = moment->flight;
    struct model *model = moment->model;

    for (unsigned i = 0; i < flight->nheld; i++) {
        int file = flight->held[i];
        if (--model->files[file].refs > 0)
            continue;
        model_forget_file(model, file);
        flight->releasing[flight->nreleasing++] = (int16_t)file;
    }
    flight->nheld = 0;
    return LINEAR_ALLOWED;
}

static enum linear_step release(struct moment *moment)
{
    struct flight *flight = moment->flight;
    struct model *model = moment->model;

    if (flight->nreleasing == 0)
        return LINEAR_ALLOWED;
    model->held = &flight->wakeups;
    for (unsigned i = 0; i < flight->nreleasing; i++) {
        int file = flight->releasing[i];
        const struct model_kind *kind = model_kind_of(model, file);
        model->files[file].released = true;
        if (kind->release)
            kind->release(model, file);
    }
    model->held = NULL;
    flight->nreleasing = 0;
    return moment->report.beyond ? LINEAR_BEYOND : LINEAR_ALLOWED;
}

/* --- Outside of blocks --- */

static bool returned_at(const struct trace_step *step, unsigned index)
{
    return step->state == STEP_DONE && step->completed_at == (int)index;
}

static bool fate_matches(const struct moment *moment)
{
    const struct trace_step *observed = moment->observed;

    switch (moment->report.fate) {
    case MODEL_RETURNED:
        return returned_at(observed, moment->index);
    case MODEL_ASLEEP:
        /* It may have been woken by what it did itself, in the same step. */
        return observed->blocked || returned_at(observed, moment->index);
    case MODEL_DIED:
        return observed->state == STEP_DIED && !observed->blocked;
    case MODEL_SKIPPED:
        return observed->state == STEP_SKIPPED;
    }
    return false;
}

static enum linear_step take_turn(struct moment *moment)
{
    unsigned observed = 0;

    model_step(moment->model, moment->index, &moment->tape, &moment->report);
    if (moment->report.beyond)
        return LINEAR_BEYOND;
    for (unsigned i = 0; i <= moment->index; i++)
        observed += returned_at(&moment->trace->steps[i], moment->index);
    if (observed != moment->report.nreturns || !fate_matches(moment))
        return LINEAR_REFUSED;
    for (unsigned i = 0; i < moment->report.nreturns; i++) {
        const struct model_return *back = &moment->report.returns[i];
        const struct trace_step *step = &moment->trace->steps[back->step];
        if (!returned_at(step, moment->index))
            return LINEAR_REFUSED;
        enum linear_step result = match_return(moment, back, step);
        if (result != LINEAR_ALLOWED)
            return result;
    }
    return LINEAR_ALLOWED;
}

static enum linear_step dispatch(struct moment *moment, enum linear_moment which)
{
    switch (which) {
    case MOMENT_TURN:
        return take_turn(moment);
    case MOMENT_WHOLE:
        return carry_out(moment);
    case MOMENT_GLANCE:
        return glance(moment);
    case MOMENT_RESOLVE:
        return resolve(moment);
    case MOMENT_ACT:
        return moment_act(moment);
    case MOMENT_WAKE:
        return moment_wake(moment, FLIGHT_NAMES_MAX);
    case MOMENT_WAKE_ONE:
        return moment_wake(moment, 1);
    case MOMENT_START:
        return moment_start_scan(moment);
    case MOMENT_SCAN:
        return moment_scan_one(moment);
    case MOMENT_FINISH:
        return moment_finish_scan(moment);
    case MOMENT_UNINSTALL:
        return uninstall(moment);
    case MOMENT_REPLACE:
        return replace(moment);
    case MOMENT_RESERVE:
        return reserve(moment);
    case MOMENT_INSTALL:
        return install(moment);
    case MOMENT_FORGET:
        return forget(moment);
    case MOMENT_RELEASE:
        return release(moment);
    }
    return LINEAR_BEYOND;
}

static void begin(struct moment *moment, struct linear_state *state, unsigned step,
                  const struct trace *observed)
{
    struct model *model = &state->model;

    moment->state = state;
    moment->model = model;
    moment->step = &model->program->steps[step];
    moment->op = &op_table[moment->step->op];
    moment->flight = &state->flights[moment->step->actor];
    moment->trace = observed;
    moment->observed = &observed->steps[step];
    moment->index = step;
    model_tape_init(&moment->tape);
    moment->report.beyond = NULL;
    moment->report.nreturns = 0;
    moment->report.wakeups = 0;
    moment->report.fate = MODEL_RETURNED;
    /* What model_step sets, for what is called without it. */
    model->tape = &moment->tape;
    model->report = &moment->report;
    model->step = moment->step;
    model->index = step;
    model->atomic = 0;
    model->turns = 0;
    model->current = moment->step->actor;
}

enum linear_step linear_moment(struct linear_state *state, enum linear_moment which, unsigned step,
                               const struct trace *observed, struct model_tape *tape)
{
    struct moment moment;

    begin(&moment, state, step, observed);
    /* A call is not begun before the one before it is over, as far as that took place at all. */
    if (moment.flight->step != 0 && moment.flight->step != step_number(step))
        return LINEAR_REFUSED;
    moment.flight->step = (uint16_t)step_number(step);
    if (which == MOMENT_TURN)
        moment.tape = *tape;
    else if (!model_actor_free(&state->model, moment.step->actor))
        return LINEAR_REFUSED; /* not born in this order, or asleep */
    enum linear_step result = dispatch(&moment, which);
    if (which == MOMENT_TURN)
        *tape = moment.tape;
    linear_state_normalize(state);
    return result;
}

size_t linear_state_print(const struct linear_state *state, struct linear_state *scratch,
                          unsigned step, struct trace *room, char *out, size_t size)
{
    struct model_tape tape;
    struct model_report report;

    linear_state_copy(scratch, state);
    model_tape_init(&tape);
    model_step(&scratch->model, step, &tape, &report);
    struct trace_step *result = &room->steps[step];
    memset(result, 0, sizeof(*result));
    result->completed_at = (int16_t)step;
    result->handled_at = TRACE_NEVER;
    result->state = report.fate == MODEL_DIED ? STEP_DIED : STEP_BLOCKED;
    for (unsigned i = 0; i < report.nreturns; i++) {
        const struct model_return *back = &report.returns[i];
        if (back->step != step)
            continue;
        result->state = STEP_DONE;
        result->ret = back->ret;
        result->err = back->err;
        memcpy(result->fds, back->fds, sizeof(result->fds));
        result->nevents = back->nevents;
        memcpy(result->events, back->events, back->nevents * sizeof(back->events[0]));
    }
    return trace_print_completion(room, step, out, size);
}
