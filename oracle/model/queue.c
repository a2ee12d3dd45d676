/* What waits in pipes and sockets: writes are a 1 and zeros, so runs of bytes are enough. */
#include "oracle/model/state.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static int new_piece(struct model *model)
{
    int index = model->free_piece;

    if (index != MODEL_NONE) {
        model->free_piece = model->pieces[index].next;
        return index;
    }
    if (model->npieces == MODEL_PIECES_MAX) {
        model_beyond(model, "more data under way than the model has room for");
        return MODEL_NONE;
    }
    return model->npieces++;
}

/* unix_detach_fds: whoever takes the first byte has what the message carries. */
static void land(struct model *model, struct model_piece *piece)
{
    if (piece->flight == 0)
        return;
    assert(model->nlanded < PROGRAM_STEPS_MAX);
    model->landed[model->nlanded++] = (int16_t)(piece->flight - 1);
    piece->flight = 0;
}

void model_queue_attach(struct model *model, int to, int file)
{
    if (model_is_beyond(model))
        return;
    model_ref(model, file);
    model->pieces[model->files[to].tail].flight = (int16_t)(file + 1);
}

void model_drop_landed(struct model *model, unsigned kept)
{
    /* Last in, first out. */
    while (model->nlanded > kept) {
        int file = model->landed[--model->nlanded];
        model->landed[model->nlanded] = 0;
        model_unref(model, file);
    }
}

static void drop_head(struct model *model, struct model_file *file)
{
    int16_t index = file->head;

    land(model, &model->pieces[index]);
    file->head = model->pieces[index].next;
    if (file->head == MODEL_NONE)
        file->tail = MODEL_NONE;
    /* Free entries are alike wherever they come from, for states are compared byte by byte. */
    model->pieces[index] = (struct model_piece){.next = model->free_piece};
    model->free_piece = index;
}

void model_queue_append(struct model *model, int file, uint32_t length, bool one, bool first,
                        uint32_t charge)
{
    struct model_file *state = &model->files[file];
    int index = new_piece(model);

    if (index == MODEL_NONE)
        return;
    model->pieces[index] = (struct model_piece){.length = length,
                                                .charge = charge,
                                                .one = one && length > 0,
                                                .first = first,
                                                .next = MODEL_NONE};
    if (state->tail == MODEL_NONE)
        state->head = (int16_t)index;
    else
        model->pieces[state->tail].next = (int16_t)index;
    state->tail = (int16_t)index;
    state->units += first;
}

static void note_bytes(struct model_bytes *bytes, uint32_t length, bool one)
{
    if (!bytes || length == 0)
        return;
    if (one) {
        assert(bytes->nones < MODEL_PIECES_MAX);
        bytes->ones[bytes->nones++] = bytes->length;
    }
    bytes->length += length;
}

uint32_t model_queue_take(struct model *model, int file, uint32_t count, bool whole_unit,
                          struct model_bytes *bytes, bool *ret_freed, uint32_t *ret_charge)
{
    struct model_file *state = &model->files[file];
    uint32_t taken = 0;

    assert(state->head != MODEL_NONE && model->pieces[state->head].first);
    uint32_t charge = model->pieces[state->head].charge;
    *ret_freed = false;
    *ret_charge = 0;
    for (;;) {
        struct model_piece *piece = &model->pieces[state->head];
        uint32_t part = piece->length < count ? piece->length : count;
        note_bytes(bytes, part, piece->one);
        taken += part;
        count -= part;
        piece->length -= part;
        if (part > 0)
            piece->one = false;
        if (piece->length > 0 && !whole_unit) {
            /* The rest of the unit goes on as one. */
            piece->first = true;
            piece->charge = charge;
            return taken;
        }
        drop_head(model, state);
        if (state->head == MODEL_NONE || model->pieces[state->head].first)
            break;
        if (count == 0 && !whole_unit) {
            model->pieces[state->head].first = true;
            model->pieces[state->head].charge = charge;
            return taken;
        }
    }
    state->units--;
    *ret_freed = true;
    *ret_charge = charge;
    return taken;
}

void model_queue_clear(struct model *model, int file)
{
    struct model_file *state = &model->files[file];

    while (state->head != MODEL_NONE)
        drop_head(model, state);
    state->units = 0;
}

uint64_t model_bytes_digest(const struct model_bytes *bytes)
{
    static const char zeros[PROGRAM_IO_MAX];
    XXH3_state_t state;
    uint32_t at = 0;

    if (bytes->length == 0)
        return 0;
    XXH3_64bits_reset(&state);
    for (unsigned i = 0; i < bytes->nones; i++) {
        XXH3_64bits_update(&state, zeros, bytes->ones[i] - at);
        XXH3_64bits_update(&state, "\1", 1);
        at = bytes->ones[i] + 1;
    }
    XXH3_64bits_update(&state, zeros, bytes->length - at);
    return XXH3_64bits_digest(&state);
}
