/* The state: descriptor tables, references, the end of open file descriptions. */
#include "oracle/model/state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct model *model_new(void)
{
    return calloc(1, sizeof(struct model));
}

void model_free(struct model *model)
{
    free(model);
}

void model_beyond(struct model *model, const char *why)
{
    if (!model->report->beyond)
        model->report->beyond = why;
}

unsigned model_choose(struct model *model, unsigned width)
{
    struct model_tape *tape = model->tape;

    assert(width >= 1 && width <= UINT8_MAX);
    if (width == 1)
        return 0;
    if (tape->position == MODEL_CHOICES_MAX) {
        model_beyond(model, "too many orders in which actors could go on");
        return 0;
    }
    if (tape->position == tape->length) {
        tape->picks[tape->length] = 0;
        tape->length++;
    }
    tape->widths[tape->position] = (uint8_t)width;
    return tape->picks[tape->position++];
}

/* --- Files --- */

int model_file_new(struct model *model, enum file_kind kind, unsigned out)
{
    if (model->nfiles == MODEL_FILES_MAX) {
        model_beyond(model, "more open file descriptions than the model has room for");
        return MODEL_NONE;
    }
    model->files[model->nfiles] = (struct model_file){
        .kind = (uint8_t)kind,
        .out = (uint8_t)out,
        .born = (int16_t)model->index,
        .peer = MODEL_NONE,
        .queued_on = MODEL_NONE,
        .head = MODEL_NONE,
        .tail = MODEL_NONE,
    };
    return (int)model->nfiles++;
}

void model_ref(struct model *model, int file)
{
    assert(!model->files[file].released);
    model->files[file].refs++;
}

/* __fput: watches hear of it (fsnotify_close), interest lists forget the file (eventpoll_release),
 * then comes its own end. Rule 37. */
void model_unref(struct model *model, int file)
{
    struct model_file *state = &model->files[file];

    assert(state->refs > 0 && !state->released);
    if (--state->refs > 0)
        return;
    model_notify_close(model, file);
    state->released = true;
    model_forget_file(model, file);
    const struct model_kind *kind = model_kind_of(model, file);
    if (kind->release)
        kind->release(model, file);
}

/* --- Tables --- */

struct model_table *model_table_of(struct model *model, unsigned actor)
{
    return &model->tables[model->actors[actor].table];
}

struct model_actor *model_self(struct model *model)
{
    return &model->actors[model->step->actor];
}

int model_file_at(struct model *model, int number)
{
    if (number < 0 || number >= PROGRAM_FD_LIMIT)
        return MODEL_NONE;
    int file = model_table_of(model, model->step->actor)->files[number];
    return file == MODEL_RESERVED ? MODEL_NONE : file;
}

int model_arg_number(const struct model *model, unsigned arg)
{
    int64_t value = model->step->args[arg];

    return model->step->tags[arg] == TAG_SLOT ? model->slots[value] : (int)value;
}

int model_arg_file(struct model *model, unsigned arg)
{
    return model_file_at(model, model_arg_number(model, arg));
}

int model_limit(const struct model *model)
{
    return model->processes[model->actors[model->step->actor].process].limit;
}

int model_lowest_free(struct model *model, unsigned actor, int from)
{
    const struct model_table *table = model_table_of(model, actor);
    int limit = model->processes[model->actors[actor].process].limit;

    for (int number = from; number < PROGRAM_FD_LIMIT && number < limit; number++) {
        if (table->files[number] == MODEL_NONE)
            return number;
    }
    if (limit <= PROGRAM_FD_LIMIT)
        return -1;
    /* The processes may have more numbers than the model's tables. */
    model_beyond(model, "a descriptor number past those that the model has");
    return -1;
}

void model_set_cloexec(struct model_table *table, int number, bool cloexec)
{
    uint64_t bit = (uint64_t)1 << (number % 64);

    if (cloexec)
        table->cloexec[number / 64] |= bit;
    else
        table->cloexec[number / 64] &= ~bit;
}

int model_uninstall(struct model_table *table, int number)
{
    int file = table->files[number];

    table->files[number] = MODEL_NONE;
    model_set_cloexec(table, number, false);
    return file;
}

void model_install(struct model *model, unsigned actor, int number, int file, bool cloexec)
{
    struct model_table *table = model_table_of(model, actor);

    assert(number >= 0 && number < PROGRAM_FD_LIMIT);
    /* Rule 39. The new reference is taken before the old one is dropped: dup2 over a number of the
     * same file. */
    model_ref(model, file);
    int old = model_uninstall(table, number);
    table->files[number] = (int16_t)file;
    model_set_cloexec(table, number, cloexec);
    if (old >= 0)
        model_unref(model, old);
}

/*
 * Rule 42. close_files: fput puts each file's end on the task's list of work, which runs last in,
 * first out when the task returns to user space or has gone.
 */
void model_table_leave(struct model *model, unsigned actor)
{
    struct model_actor *self = &model->actors[actor];
    struct model_table *table = &model->tables[self->table];

    assert(table->users > 0);
    self->table = MODEL_NONE;
    if (--table->users > 0)
        return;
    for (int number = PROGRAM_FD_LIMIT - 1; number >= 0; number--) {
        int file = model_uninstall(table, number);
        if (file >= 0)
            model_unref(model, file);
    }
}

/* --- Whole states --- */

void model_init(struct model *model, const struct program *program, const struct model_facts *facts)
{
    size_t fixed = offsetof(struct model, tables);

    memset(model, 0, fixed);
    model->program = program;
    model->facts = facts;
    model->free_piece = MODEL_NONE;
    memset(model->slots, -1, sizeof(model->slots));
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        model->actors[i].table = MODEL_NONE;
        model->actors[i].file = MODEL_NONE;
        model->actors[i].number = MODEL_NONE;
        model->processes[i].parent = MODEL_NONE;
        model->processes[i].ended_at = MODEL_NONE;
    }
    model->ntables = 1;
    memset(&model->tables[0], 0, sizeof(model->tables[0]));
    memset(model->tables[0].files, -1, sizeof(model->tables[0].files));
    model->tables[0].users = 1;
    model->actors[0].born = model->actors[0].alive = true;
    model->actors[0].table = 0;
    model->processes[0].limit = MODEL_NUMBERS_MAX;
    model->processes[0].born = model->processes[0].alive = true;
    /* Numbers 0, 1 and 2 are one description of /dev/null. */
    model->nfiles = 1;
    model->files[0] = (struct model_file){.kind = FILE_PATH,
                                          .born = MODEL_NONE,
                                          .refs = 3,
                                          .peer = MODEL_NONE,
                                          .queued_on = MODEL_NONE,
                                          .head = MODEL_NONE,
                                          .tail = MODEL_NONE};
    for (int number = 0; number < 3; number++)
        model->tables[0].files[number] = 0;
}

void model_copy(struct model *to, const struct model *from)
{
    memcpy(to, from, offsetof(struct model, tables));
    memcpy(to->tables, from->tables, from->ntables * sizeof(from->tables[0]));
    memcpy(to->files, from->files, from->nfiles * sizeof(from->files[0]));
    memcpy(to->items, from->items, from->nitems * sizeof(from->items[0]));
    memcpy(to->pieces, from->pieces, (size_t)from->npieces * sizeof(from->pieces[0]));
    memcpy(to->watches, from->watches, from->nwatches * sizeof(from->watches[0]));
    memcpy(to->notes, from->notes, from->nnotes * sizeof(from->notes[0]));
}

/* Replaces places by their ranks, so that the way to a state leaves no trace in it. */
static void rank_items(struct model *model)
{
    int32_t places[MODEL_ITEMS_MAX + PROGRAM_ACTORS_MAX];
    int32_t readies[MODEL_ITEMS_MAX];

    for (unsigned i = 0; i < model->nitems; i++) {
        const struct model_item *item = &model->items[i];
        places[i] = readies[i] = 1;
        for (unsigned j = 0; j < model->nitems; j++) {
            places[i] += model->items[j].place < item->place;
            readies[i] += model->items[j].ready != 0 && model->items[j].ready < item->ready;
        }
        for (unsigned j = 0; j < PROGRAM_ACTORS_MAX; j++)
            places[i] += model->actors[j].queued && model->actors[j].place < item->place;
    }
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        int32_t place = 1;
        for (unsigned j = 0; j < model->nitems; j++)
            place += model->items[j].place < model->actors[i].place;
        for (unsigned j = 0; j < PROGRAM_ACTORS_MAX; j++)
            place += model->actors[j].queued && model->actors[j].place < model->actors[i].place;
        places[MODEL_ITEMS_MAX + i] = model->actors[i].queued ? place : 0;
    }
    for (unsigned i = 0; i < model->nitems; i++) {
        model->items[i].place = places[i];
        model->items[i].ready = model->items[i].ready ? readies[i] : 0;
    }
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++)
        model->actors[i].place = places[MODEL_ITEMS_MAX + i];
    model->front = model->ready_front = 0;
    model->back = model->ready_back = MODEL_ITEMS_MAX + PROGRAM_ACTORS_MAX;
}

void model_normalize(struct model *model)
{
    rank_items(model);
    model->tape = NULL;
    model->report = NULL;
    model->held = NULL;
    model->step = NULL;
    model->index = 0;
    model->atomic = 0;
    model->turns = 0;
    model->current = 0;
}

uint64_t model_hash(const struct model *model)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, model, offsetof(struct model, tables));
    XXH3_64bits_update(&state, model->tables, model->ntables * sizeof(model->tables[0]));
    XXH3_64bits_update(&state, model->files, model->nfiles * sizeof(model->files[0]));
    XXH3_64bits_update(&state, model->items, model->nitems * sizeof(model->items[0]));
    XXH3_64bits_update(&state, model->pieces, (size_t)model->npieces * sizeof(model->pieces[0]));
    XXH3_64bits_update(&state, model->watches, model->nwatches * sizeof(model->watches[0]));
    XXH3_64bits_update(&state, model->notes, model->nnotes * sizeof(model->notes[0]));
    return XXH3_64bits_digest(&state);
}

bool model_equal(const struct model *a, const struct model *b)
{
    return memcmp(a, b, offsetof(struct model, tables)) == 0 &&
           memcmp(a->tables, b->tables, a->ntables * sizeof(a->tables[0])) == 0 &&
           memcmp(a->files, b->files, a->nfiles * sizeof(a->files[0])) == 0 &&
           memcmp(a->items, b->items, a->nitems * sizeof(a->items[0])) == 0 &&
           memcmp(a->pieces, b->pieces, (size_t)a->npieces * sizeof(a->pieces[0])) == 0 &&
           memcmp(a->watches, b->watches, a->nwatches * sizeof(a->watches[0])) == 0 &&
           memcmp(a->notes, b->notes, a->nnotes * sizeof(a->notes[0])) == 0;
}

bool model_actor_free(const struct model *model, unsigned actor)
{
    return model->actors[actor].alive && model->actors[actor].sleep == SLEEP_NONE;
}

int model_slot(const struct model *model, unsigned slot)
{
    return model->slots[slot];
}
