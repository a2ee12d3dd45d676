/*
 * Wait queues. A file's queue holds the items that watch it and the actors that sleep on it: plain
 * entries in front, the latest first, exclusive ones behind, in order (rule 22). An instance has a
 * second queue, of those who sleep in epoll_wait.
 */
#include "oracle/model/state.h"

#include <assert.h>
#include <sys/epoll.h>

enum {
    SIGNALS_OF_NOBODY = -1, /* queues of processes follow below */
};

int32_t model_place_front(struct model *model)
{
    return --model->front;
}

int32_t model_place_back(struct model *model)
{
    return ++model->back;
}

/* An entry of a wait queue: an item, or an actor. */
struct entry {
    int32_t place;
    int item;
    int actor;
};

static void wake_actor(struct model *model, unsigned index)
{
    struct model_actor *actor = &model->actors[index];

    if (actor->woken)
        return;
    actor->woken = true;
    actor->turn = (uint8_t)model->turns++;
}

/* The wait queue that a file's poll method names: its own, or that of whoever looks at a signalfd.
 */
static int queue_of(const struct model *model, int file, int process)
{
    return model->files[file].kind == FILE_SIGNALFD ? SIGNALS_OF_NOBODY - 1 - process : file;
}

static bool sleeps_on(const struct model *model, const struct model_actor *actor, int queue)
{
    return actor->queued && actor->sleep != SLEEP_WAIT && actor->sleep != SLEEP_ACTOR &&
           queue_of(model, actor->file, actor->process) == queue;
}

/* The entry that comes next behind `place`; false if there is none. */
static bool next_entry(const struct model *model, int queue, int32_t place, struct entry *ret_entry)
{
    bool found = false;

    for (unsigned i = 0; i < model->nitems; i++) {
        const struct model_item *item = &model->items[i];
        if (queue_of(model, item->file, item->process) != queue || item->place <= place ||
            (found && item->place > ret_entry->place))
            continue;
        *ret_entry = (struct entry){.place = item->place, .item = (int)i, .actor = MODEL_NONE};
        found = true;
    }
    for (unsigned i = 0; i < model->program->nactors; i++) {
        const struct model_actor *actor = &model->actors[i];
        if (!sleeps_on(model, actor, queue) || actor->place <= place ||
            (found && actor->place > ret_entry->place))
            continue;
        *ret_entry = (struct entry){.place = actor->place, .item = MODEL_NONE, .actor = (int)i};
        found = true;
    }
    return found;
}

/* Returns true if the entry was an exclusive one and takes a wakeup. */
static bool wake_entry(struct model *model, const struct entry *entry, uint32_t key)
{
    if (entry->item != MODEL_NONE)
        return model_item_callback(model, (unsigned)entry->item, key) &&
               model->items[entry->item].exclusive;
    struct model_actor *actor = &model->actors[entry->actor];
    /* pollwake looks at the key, autoremove_wake_function does not. */
    if (actor->sleep == SLEEP_POLL && key != 0 && (key & actor->mask) == 0)
        return false;
    wake_actor(model, (unsigned)entry->actor);
    /* Who reads a signalfd or an inotify instance stays on the queue until he has something. */
    if (actor->sleep != SLEEP_POLL && model->files[actor->file].kind != FILE_SIGNALFD &&
        model->files[actor->file].kind != FILE_INOTIFY)
        actor->queued = false;
    return actor->exclusive;
}

/*
 * Between two wakeups of one call somebody who was woken by the first can run already: whether he
 * does is the scheduler's choice.
 */
static void maybe_yield(struct model *model)
{
    bool anyone = false;

    if (model->atomic > 0)
        return;
    for (unsigned i = 0; i < model->program->nactors; i++)
        anyone |= model->actors[i].woken;
    if (anyone && model_choose(model, 2) == 1)
        model_settle(model);
}

static void wake_queue(struct model *model, int queue, uint32_t key, unsigned exclusive)
{
    struct entry entry = {.place = 0, .item = MODEL_NONE, .actor = MODEL_NONE};
    int32_t place = INT32_MIN;

    maybe_yield(model);
    model->atomic++;
    while (next_entry(model, queue, place, &entry)) {
        place = entry.place;
        if (wake_entry(model, &entry, key) && exclusive > 0 && --exclusive == 0 &&
            !MISTAKE(EXCLUSIVE_ALL))
            break;
    }
    model->atomic--;
}

static void hold_back(struct model *model, const struct model_wakeup *wakeup)
{
    if (model->held->count == MODEL_WAKEUPS_MAX)
        model_beyond(model, "a call that makes more wakeups than the model can hold back");
    else
        model->held->wakeups[model->held->count++] = *wakeup;
}

/* Rules 21 to 23. */
void model_wake(struct model *model, int file, uint32_t key, unsigned exclusive)
{
    const struct model_wakeup wakeup = {
        .file = (int16_t)file, .exclusive = (uint16_t)exclusive, .key = key};

    if (model->held)
        hold_back(model, &wakeup);
    else
        wake_queue(model, file, key, exclusive);
}

void model_wake_signals(struct model *model, int process, uint32_t key, unsigned exclusive)
{
    wake_queue(model, SIGNALS_OF_NOBODY - 1 - process, key, exclusive);
}

static bool waits_on(const struct model_actor *actor, int instance)
{
    return actor->sleep == SLEEP_WAIT && actor->queued && actor->file == instance;
}

bool model_has_waiter(const struct model *model, int instance)
{
    for (unsigned i = 0; i < model->program->nactors; i++) {
        if (waits_on(&model->actors[i], instance))
            return true;
    }
    return false;
}

/* Rule 21. */
void model_wake_waiter(struct model *model, int instance)
{
    int next = MODEL_NONE;

    for (unsigned i = 0; i < model->program->nactors; i++) {
        const struct model_actor *actor = &model->actors[i];
        if (!waits_on(actor, instance))
            continue;
        if (next == MODEL_NONE || actor->place < model->actors[next].place)
            next = (int)i;
    }
    if (next == MODEL_NONE)
        return;
    /* ep_autoremove_wake_function: a second wakeup goes to the next one. */
    model->actors[next].queued = false;
    wake_actor(model, (unsigned)next);
}
