/* Moments of interest lists and ready lists: whom a call wakes, what a wait finds. */
#include "oracle/linear_moment.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/* --- Items --- */

static struct item_name name_of(const struct model_item *item)
{
    return (struct item_name){
        .instance = item->instance, .file = item->file, .number = item->number};
}

static struct model_item *find_named(struct model *model, const struct item_name *name)
{
    int index = model_item_find(model, name->instance, name->number, name->file);
    return index == MODEL_NONE ? NULL : &model->items[index];
}

static void link_item(struct model *model, struct model_item *item)
{
    if (item->ready == 0)
        item->ready = ++model->ready_back;
}

/* The item that was linked next behind `place`, or NULL. */
static struct model_item *next_linked(struct model *model, int32_t place)
{
    struct model_item *next = NULL;

    for (unsigned i = 0; i < model->nitems; i++) {
        struct model_item *item = &model->items[i];
        if (item->ready > place && (!next || item->ready < next->ready))
            next = item;
    }
    return next;
}

static void clear_names(struct flight *flight)
{
    flight->at = flight->nnames = 0;
    memset(flight->names, 0, sizeof(flight->names));
}

/* --- Scans that others have under way --- */

/* ep->mtx is held. */
static bool is_scanned(const struct moment *moment, int instance)
{
    const struct linear_state *state = moment->state;

    for (unsigned i = 0; i < moment->model->program->nactors; i++) {
        if (&state->flights[i] != moment->flight && state->flights[i].scanning &&
            state->flights[i].instance == instance)
            return true;
    }
    return false;
}

/* Whether `instance` can be reached from `from` through interest lists. */
static bool leads_to(const struct model *model, int from, int instance, unsigned level)
{
    if (from == instance)
        return true;
    for (unsigned i = 0; i < model->nitems && level <= MODEL_NESTS_MAX; i++) {
        const struct model_item *item = &model->items[i];
        if (item->instance == from && model->files[item->file].kind == FILE_EPOLL &&
            leads_to(model, item->file, instance, level + 1))
            return true;
    }
    return false;
}

/* A scan of another instance, under way, polls this one: that takes its ready list away for a
 * while, too. */
static bool is_looked_through(const struct moment *moment, int instance)
{
    const struct linear_state *state = moment->state;

    for (unsigned i = 0; i < moment->model->program->nactors; i++) {
        const struct flight *other = &state->flights[i];
        if (other == moment->flight || !other->scanning)
            continue;
        for (unsigned j = 0; j < other->nnames; j++) {
            if (leads_to(moment->model, other->names[j].file, instance, 0))
                return true;
        }
    }
    return false;
}

/* --- Reading, writing and epoll_ctl --- */

static bool is_read_or_write(const struct moment *moment)
{
    return moment->step->op == OP_READ || moment->step->op == OP_WRITE;
}

/*
 * Carries the call out, but for whom it wakes: that comes later. ADD and MOD put their own item on
 * its list at once, under the lock, and tell who watches the instance behind it.
 */
static enum linear_step act_without_wakeup(struct moment *moment)
{
    moment->model->held = &moment->flight->wakeups;
    enum linear_step result = moment_carry_out_resolved(moment);
    moment->model->held = NULL;
    return result;
}

/* epoll_ctl answers these before it takes the lock of the instance. */
static bool fails_early(const struct trace_step *observed)
{
    return observed->ret < 0 && (observed->err == EBADF || observed->err == EFAULT ||
                                 observed->err == EPERM || observed->err == EINVAL);
}

enum linear_step moment_act(struct moment *moment)
{
    if (!is_read_or_write(moment) && !fails_early(moment->observed) &&
        (is_scanned(moment, moment_file_of(moment, 0)) ||
         is_scanned(moment, moment_file_of(moment, 1))))
        return LINEAR_REFUSED;
    return act_without_wakeup(moment);
}

/* --- Wakeups --- */

/*
 * The wakeups that the call has held back begin: whose callbacks they run is settled now, with the
 * wait queue locked, and `names` are those items in the order of the callbacks. To find them the
 * wakeups are made with all ready lists empty, and taken back. Returns false if there are too many.
 */
static bool begin_wakeups(struct moment *moment)
{
    struct model *model = moment->model;
    struct flight *flight = moment->flight;
    int32_t before[MODEL_ITEMS_MAX] = {0};
    struct model_item *item;
    bool room = true;

    clear_names(flight);
    for (unsigned i = 0; i < model->nitems; i++) {
        before[i] = model->items[i].ready;
        model->items[i].ready = 0;
    }
    for (unsigned i = 0; i < flight->wakeups.count; i++) {
        const struct model_wakeup *wakeup = &flight->wakeups.wakeups[i];
        model_wake(model, wakeup->file, wakeup->key, wakeup->exclusive);
    }
    memset(&flight->wakeups, 0, sizeof(flight->wakeups));
    for (int32_t place = 0; (item = next_linked(model, place)) != NULL; place = item->ready) {
        room &= flight->nnames < FLIGHT_NAMES_MAX;
        if (room)
            flight->names[flight->nnames++] = name_of(item);
    }
    for (unsigned i = 0; i < model->nitems; i++)
        model->items[i].ready = before[i];
    return room;
}

/* ep_poll_callback: an item that ONESHOT has disabled meanwhile is passed over. */
enum linear_step moment_wake(struct moment *moment, unsigned count)
{
    struct flight *flight = moment->flight;

    if (flight->wakeups.count > 0 && !begin_wakeups(moment))
        return LINEAR_BEYOND;
    for (; count > 0 && flight->at < flight->nnames; count--, flight->at++) {
        struct model_item *item = find_named(moment->model, &flight->names[flight->at]);
        if (item && (item->events & ~MASK_PRIVATE) != 0)
            link_item(moment->model, item);
    }
    if (flight->at == flight->nnames)
        clear_names(flight);
    return LINEAR_ALLOWED;
}

/* --- Waiting --- */

enum linear_step moment_start_scan(struct moment *moment)
{
    struct flight *flight = moment->flight;
    struct model *model = moment->model;
    int instance = moment_file_of(moment, 0);
    int next;

    flight->over = true;
    if (moment->observed->ret < 0 || instance == MODEL_NONE ||
        model->files[instance].kind != FILE_EPOLL)
        return moment_carry_out_resolved(moment);
    if (is_scanned(moment, instance)) {
        moment->state->false_empties++;
        return moment_allow_if(moment->observed->ret == 0);
    }
    if (model_next_ready(model, instance, 0, true) == MODEL_NONE)
        return moment_allow_if(moment->observed->ret == 0);
    if (moment->observed->ret == 0 && is_looked_through(moment, instance)) {
        moment->state->false_empties++;
        return LINEAR_ALLOWED;
    }
    flight->over = false;
    flight->scanning = true;
    flight->instance = (int16_t)instance;
    while ((next = model_next_ready(model, instance, 0, true)) != MODEL_NONE) {
        if (flight->nnames == FLIGHT_NAMES_MAX)
            return LINEAR_BEYOND;
        flight->names[flight->nnames++] = name_of(&model->items[next]);
        /* A callback from here on puts it on ovflist: it is ready again when the scan is done. */
        model->items[next].ready = 0;
    }
    return LINEAR_ALLOWED;
}

static bool has_room(const struct moment *moment)
{
    return moment->flight->nevents < moment->step->args[1];
}

enum linear_step moment_scan_one(struct moment *moment)
{
    struct flight *flight = moment->flight;

    if (flight->over || flight->at == flight->nnames || !has_room(moment))
        return LINEAR_ALLOWED;
    struct item_name *name = &flight->names[flight->at];
    struct model_item *item = find_named(moment->model, name);
    if (!item) { /* its file has come to its end: nobody else removes it without the lock */
        flight->at++;
        return LINEAR_ALLOWED;
    }
    if (is_scanned(moment, item->file))
        return LINEAR_REFUSED;
    flight->at++;
    uint32_t found = model_item_poll(moment->model, (unsigned)(item - moment->model->items), 1);
    if (found == 0)
        return LINEAR_ALLOWED;
    flight->events[flight->nevents++] =
        (struct trace_event){.events = found, .data = (uint64_t)item->data};
    if ((item->events & (uint32_t)EPOLLONESHOT) != 0)
        item->events &= MASK_PRIVATE;
    else
        name->requeue = (item->events & (uint32_t)EPOLLET) == 0;
    return LINEAR_ALLOWED;
}

enum linear_step moment_finish_scan(struct moment *moment)
{
    struct flight *flight = moment->flight;
    const struct trace_step *observed = moment->observed;

    if (flight->over)
        return LINEAR_ALLOWED;
    while (flight->at < flight->nnames && has_room(moment)) {
        if (moment_scan_one(moment) != LINEAR_ALLOWED)
            return LINEAR_REFUSED;
    }
    for (unsigned i = 0; i < flight->nnames; i++) {
        struct model_item *item = find_named(moment->model, &flight->names[i]);
        if (item && (i >= flight->at || flight->names[i].requeue))
            link_item(moment->model, item);
    }
    flight->scanning = false;
    clear_names(flight);
    if (observed->ret == flight->nevents && observed->nevents == flight->nevents &&
        observed->err == 0 && moment_same_events(flight->events, observed->events, flight->nevents))
        return LINEAR_ALLOWED;
    return moment_mismatch(moment, flight->nevents);
}
