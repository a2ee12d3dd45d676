/* Actors inside a call: falling asleep, going on, coming back. */
#include "oracle/model/state.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

/* Where who sleeps stands in the wait queue: see the kinds of waiting in the kernel's own calls. */
static void enqueue(struct model *model, struct model_actor *actor)
{
    bool front = true; /* add_wait_queue, prepare_to_wait */

    actor->exclusive = false;
    if (actor->sleep == SLEEP_ACTOR || actor->file == MODEL_NONE)
        return;
    const struct model_kind *kind = model_kind_of(model, actor->file);
    switch (actor->sleep) {
    case SLEEP_WAIT:
        front = model->facts->last_waiter_first && !MISTAKE(FIRST_WAITER);
        break;
    case SLEEP_READ:
    case SLEEP_WRITE:
        /* pipe_read and pipe_write, __skb_wait_for_more_packets: prepare_to_wait_exclusive. */
        actor->exclusive = kind->exclusive_io ||
                           (actor->sleep == SLEEP_READ && model->files[actor->file].datagram);
        front = !actor->exclusive && !kind->tail_io;
        break;
    case SLEEP_ACCEPT:
        actor->exclusive = true;
        front = false;
        break;
    case SLEEP_RECV_FD:
        actor->exclusive = model->files[actor->file].datagram;
        front = !actor->exclusive;
        break;
    default:
        break;
    }
    actor->place = front ? model_place_front(model) : model_place_back(model);
    actor->queued = true;
}

struct model_actor *model_sleep(struct model *model, enum model_sleep sleep, int file)
{
    struct model_actor *self = model_self(model);

    assert(self->sleep == SLEEP_NONE);
    self->sleep = (uint8_t)sleep;
    self->step = (int16_t)model->index;
    self->file = (int16_t)file;
    self->pinned = file != MODEL_NONE && !MISTAKE(NO_PIN);
    self->actor = MODEL_NONE;
    self->woken = self->faults = self->unblocks = false;
    self->cloexec = self->nonblock = false;
    self->number = MODEL_NONE;
    self->mask = 0;
    self->count = self->done = 0;
    if (self->pinned)
        model_ref(model, file);
    enqueue(model, self);
    model->report->fate = MODEL_ASLEEP;
    return self;
}

void model_awake(struct model *model, unsigned index)
{
    struct model_actor *actor = &model->actors[index];
    int file = actor->pinned ? actor->file : MODEL_NONE;

    /* put_unused_fd */
    if (actor->number >= 0 && model_table_of(model, index)->files[actor->number] == MODEL_RESERVED)
        model_uninstall(model_table_of(model, index), actor->number);
    actor->number = MODEL_NONE;
    actor->unblocks = actor->cloexec = actor->nonblock = false;

    actor->sleep = SLEEP_NONE;
    actor->pinned = false;
    actor->woken = actor->queued = actor->exclusive = actor->faults = false;
    actor->file = actor->actor = MODEL_NONE;
    actor->step = 0;
    actor->turn = 0;
    actor->mask = 0;
    actor->place = 0;
    actor->count = actor->done = 0;
    /* The call had the file in its hands. Rule 40. */
    if (file != MODEL_NONE)
        model_unref(model, file);
}

int64_t model_interrupt(struct model *model, unsigned index)
{
    struct model_actor *actor = &model->actors[index];
    int64_t done = 0;

    actor->queued = actor->woken = false;
    if (actor->sleep == SLEEP_WRITE) {
        const struct model_kind *kind = model_kind_of(model, actor->file);
        done = actor->done;
        if (kind->interrupt)
            kind->interrupt(model, actor->file);
        model_notify_io(model, actor->file, false, done);
    }
    model_awake(model, index);
    return done;
}

static bool resume_wait(struct model *model, struct model_actor *actor)
{
    struct model_return *ret = model_return_of(model, (unsigned)actor->step, 0, 0);
    int count = model_send_events(model, actor->file, actor->count, actor->faults, ret);

    if (count == 0) {
        model->report->nreturns--;
        return false;
    }
    ret->ret = count < 0 ? -1 : count;
    ret->err = count < 0 ? -count : 0;
    return true;
}

/* Rule 40: each pass of poll and select looks the number up anew: it may be closed, or another
 * file's. */
static bool resume_poll(struct model *model, struct model_actor *actor)
{
    if (actor->count < 0)
        return false; /* poll passes over a negative number */
    int file = model->tables[actor->table].files[actor->count];
    uint32_t found =
        file < 0 ? (uint32_t)POLLNVAL : model_poll(model, file, actor->mask, 0) & actor->mask;

    if (found == 0)
        return false;
    struct model_return *ret = model_return_of(model, (unsigned)actor->step, 1, 0);
    ret->digest = actor->done ? 1 : found; /* select tells no more than that it is ready */
    return true;
}

static bool resume_io(struct model *model, struct model_actor *actor)
{
    const struct model_kind *kind = model_kind_of(model, actor->file);
    struct model_transfer transfer = {
        .count = actor->count, .done = actor->done, .resumed = true, .nonblock = false};

    enum model_io io = actor->sleep == SLEEP_READ ? kind->read(model, actor->file, &transfer)
                                                  : kind->write(model, actor->file, &transfer);
    actor->done = transfer.done;
    if (io == IO_SLEEP)
        return false;
    actor->queued = false;
    model_notify_io(model, actor->file, actor->sleep == SLEEP_READ, transfer.done);
    struct model_return *ret = model_return_of(model, (unsigned)actor->step,
                                               io == IO_ERROR ? -1 : transfer.done, transfer.err);
    ret->digest = transfer.digest;
    ret->any_digest = transfer.any_digest;
    return true;
}

static bool resume_actor(struct model *model, struct model_actor *actor)
{
    const struct step *step = &model->program->steps[actor->step];

    if (op_table[step->op].effect == EFFECT_WAITPID)
        return model_reap(model, (unsigned)actor->step, (unsigned)actor->actor);
    model_joined(model, (unsigned)actor->step, (unsigned)actor->actor);
    return true;
}

bool model_resume(struct model *model, unsigned index)
{
    struct model_actor *actor = &model->actors[index];
    bool wait = actor->sleep == SLEEP_WAIT || actor->sleep == SLEEP_POLL;
    bool back = false;
    unsigned before = model->current;
    unsigned landed = model->nlanded;

    actor->woken = false;
    model->current = index;
    switch ((enum model_sleep)actor->sleep) {
    case SLEEP_WAIT:
        back = resume_wait(model, actor);
        break;
    case SLEEP_POLL:
        back = resume_poll(model, actor);
        break;
    case SLEEP_READ:
    case SLEEP_WRITE:
        back = resume_io(model, actor);
        break;
    case SLEEP_ACCEPT:
        back = model_resume_accept(model, actor);
        break;
    case SLEEP_RECV_FD:
        back = model_resume_recv_fd(model, actor);
        break;
    case SLEEP_ACTOR:
        back = resume_actor(model, actor);
        break;
    case SLEEP_NONE:
        assert(false);
        break;
    }
    if (!back) {
        /* Whom the wakeup took off the queue stands there anew; poll's entries never leave it. */
        if (!actor->queued)
            enqueue(model, actor);
        model->current = before;
        return false;
    }
    model->report->wakeups += wait;
    unsigned step = (unsigned)actor->step;
    model_awake(model, index);
    if (actor->held)
        model_deliver_late(model, index, step);
    model_drop_landed(model, landed);
    model->current = before;
    return true;
}

/* The woken, in the order in which they were. Returns how many. */
static unsigned list_woken(const struct model *model, unsigned *ret_actors)
{
    unsigned count = 0;

    for (unsigned i = 0; i < model->program->nactors; i++) {
        unsigned at = count;
        if (!model->actors[i].woken)
            continue;
        while (at > 0 && model->actors[ret_actors[at - 1]].turn > model->actors[i].turn) {
            ret_actors[at] = ret_actors[at - 1];
            at--;
        }
        ret_actors[at] = i;
        count++;
    }
    return count;
}

void model_settle(struct model *model)
{
    unsigned woken[PROGRAM_ACTORS_MAX];
    unsigned count;

    while ((count = list_woken(model, woken)) > 0 && !model_is_beyond(model))
        (void)model_resume(model, woken[model_choose(model, count)]);
}

void model_wake_for_end(struct model *model)
{
    for (unsigned i = 0; i < model->program->nactors; i++) {
        struct model_actor *actor = &model->actors[i];
        if (actor->sleep != SLEEP_ACTOR || actor->woken)
            continue;
        enum op_effect effect = op_table[model->program->steps[actor->step].op].effect;
        bool ended = effect == EFFECT_WAITPID ? !model->processes[actor->actor].alive
                                              : !model->actors[actor->actor].alive;
        if (!ended)
            continue;
        actor->woken = true;
        actor->turn = (uint8_t)model->turns++;
    }
}
