/* Interest lists, ready lists, and the events that a wait hands out. */
#include "oracle/model/state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/* Rule 10. */
int model_item_find(const struct model *model, int instance, int number, int file)
{
    for (unsigned i = 0; i < model->nitems; i++) {
        const struct model_item *item = &model->items[i];
        if (item->instance == instance && item->number == number &&
            (item->file == file || MISTAKE(ITEM_BY_NUMBER)))
            return (int)i;
    }
    return MODEL_NONE;
}

/* ep_remove: nobody is woken. Rule 15. */
void model_item_remove(struct model *model, unsigned item)
{
    model->nitems--;
    memmove(&model->items[item], &model->items[item + 1],
            (model->nitems - item) * sizeof(model->items[0]));
}

/* Rule 37. */
void model_forget_file(struct model *model, int file)
{
    for (unsigned i = model->nitems; i-- > 0;) {
        if ((model->items[i].file == file && !MISTAKE(NO_AUTO_REMOVAL)) ||
            model->items[i].instance == file)
            model_item_remove(model, i);
    }
}

int model_next_ready(const struct model *model, int instance, int32_t after, bool any)
{
    int next = MODEL_NONE;

    for (unsigned i = 0; i < model->nitems; i++) {
        const struct model_item *item = &model->items[i];
        if (item->instance != instance || item->ready == 0 || (!any && item->ready <= after))
            continue;
        if (next == MODEL_NONE || item->ready < model->items[next].ready)
            next = (int)i;
    }
    return next;
}

/* list_add_tail(&epi->rdllink, &ep->rdllist). Places are never 0. */
static void link_ready(struct model *model, struct model_item *item)
{
    assert(item->ready == 0);
    item->ready = ++model->ready_back;
}

/* Wakes a waiter of the instance, and who polls it: ep_poll_safewake with EPOLLIN for a key. */
static void announce(struct model *model, int instance)
{
    model_wake_waiter(model, instance);
    model_wake(model, instance, (uint32_t)EPOLLIN, 1);
}

/* Whether an EXCLUSIVE item keeps the wakeup for itself (ewake). Rule 22. */
static bool takes_wakeup(const struct model *model, const struct model_item *item, uint32_t key)
{
    if (!model_has_waiter(model, item->instance))
        return false;
    switch (key & (uint32_t)(EPOLLIN | EPOLLOUT)) {
    case EPOLLIN:
        return (item->events & (uint32_t)EPOLLIN) != 0;
    case EPOLLOUT:
        return (item->events & (uint32_t)EPOLLOUT) != 0;
    case 0:
        return true;
    default:
        return false;
    }
}

/* Rule 21. */
bool model_item_callback(struct model *model, unsigned index, uint32_t key)
{
    struct model_item *item = &model->items[index];
    bool exclusive = (item->events & (uint32_t)EPOLLEXCLUSIVE) != 0;

    if ((item->events & ~MASK_PRIVATE) == 0 || (key != 0 && (key & item->events) == 0))
        return !exclusive;
    if (item->ready == 0)
        link_ready(model, item);
    bool takes = !exclusive || takes_wakeup(model, item, key);
    announce(model, item->instance);
    return takes;
}

uint32_t model_item_poll(struct model *model, unsigned index, unsigned depth)
{
    uint32_t events = model->items[index].events;

    /* epi_fget: its last reference is gone, and it is on its way out of the interest lists. */
    if (model->files[model->items[index].file].refs == 0)
        return 0;
    return model_poll(model, model->items[index].file, events, depth) & events;
}

/* ep_done_scan: what is left on the list is for the next waiter. Rule 29. */
static void done_scan(struct model *model, int instance)
{
    if (model_next_ready(model, instance, 0, true) != MODEL_NONE && !MISTAKE(NO_CASCADE))
        model_wake_waiter(model, instance);
}

/* Rule 33: what is not ready and stands in front of the first that is falls off the ready list. */
uint32_t model_instance_poll(struct model *model, int instance, unsigned depth)
{
    uint32_t found = 0;
    int next;

    while (found == 0 && (next = model_next_ready(model, instance, 0, true)) != MODEL_NONE) {
        if (model_item_poll(model, (unsigned)next, depth + 1) != 0)
            found = MASK_IN;
        else if (MISTAKE(STALE_STAYS))
            break;
        else
            model->items[next].ready = 0;
    }
    done_scan(model, instance);
    return found;
}

static bool requeues(const struct model_item *item)
{
    return (item->events & (uint32_t)EPOLLET) == 0 || MISTAKE(ET_AS_LT);
}

/* Rules 28, 29, 31. */
int model_send_events(struct model *model, int instance, int64_t room, bool faults,
                      struct model_return *ret)
{
    int32_t last = model->ready_back; /* what is queued from here on is for the next scan */
    int next = model_next_ready(model, instance, 0, true);
    int count = 0;

    while (next != MODEL_NONE && model->items[next].ready <= last && count < room) {
        struct model_item *item = &model->items[next];
        int32_t place = item->ready;
        item->ready = 0;
        uint32_t found = model_item_poll(model, (unsigned)next, 1);
        if (found != 0 && faults) {
            item->ready = MISTAKE(EFAULT_EATS) ? 0 : place;
            count = -EFAULT;
            break;
        }
        if (found != 0) {
            if (count == PROGRAM_EVENTS_MAX) {
                model_beyond(model, "a wait that hands out more events than a trace holds");
                break;
            }
            ret->events[count++] =
                (struct trace_event){.events = found, .data = (uint64_t)item->data};
            if ((item->events & (uint32_t)EPOLLONESHOT) != 0 && !MISTAKE(ONESHOT_STAYS))
                item->events &= MASK_PRIVATE | (MISTAKE(ONESHOT_HUP) ? MASK_ALWAYS : 0);
            else if (requeues(item) && MISTAKE(NO_ROTATION))
                item->ready = place;
            else if (requeues(item))
                link_ready(model, item);
        }
        next = model_next_ready(model, instance, place, false);
    }
    done_scan(model, instance);
    if (count > 0)
        ret->nevents = (unsigned)count;
    return count;
}

/* --- epoll_ctl --- */

/* Rule 17. Links of the longest chain of instances below `from`; past the limit if `instance` is
 * among them: adding `from` there would close a loop. */
static unsigned links_below(const struct model *model, int from, int instance, unsigned level)
{
    unsigned longest = 0;

    if (from == instance || level > MODEL_NESTS_MAX)
        return MODEL_NESTS_MAX + 1;
    for (unsigned i = 0; i < model->nitems; i++) {
        const struct model_item *item = &model->items[i];
        if (item->instance != from || model->files[item->file].kind != FILE_EPOLL)
            continue;
        unsigned links = 1 + links_below(model, item->file, instance, level + 1);
        longest = links > longest ? links : longest;
    }
    return longest;
}

static unsigned links_above(const struct model *model, int file, unsigned level)
{
    unsigned longest = 0;

    if (level > MODEL_NESTS_MAX)
        return MODEL_NESTS_MAX + 1;
    for (unsigned i = 0; i < model->nitems; i++) {
        if (model->items[i].file != file)
            continue;
        unsigned links = 1 + links_above(model, model->items[i].instance, level + 1);
        longest = links > longest ? links : longest;
    }
    return longest;
}

/* Rules 17 and 18. */
static bool nests_too_deep(const struct model *model, int instance, int file)
{
    unsigned below = links_below(model, file, instance, 0);
    unsigned above = model->facts->counts_links_above ? links_above(model, instance, 0) : 0;

    return below + 1 + above > MODEL_NESTS_MAX + MISTAKE(NESTS_FIVE);
}

/* Rule 7: what EPOLLEXCLUSIVE cannot be combined with. */
static int check_exclusive(const struct model *model, int64_t op, uint32_t events, int file)
{
    const uint32_t allowed = (uint32_t)(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP) |
                             (uint32_t)EPOLLET | (uint32_t)EPOLLEXCLUSIVE |
                             (MISTAKE(EXCLUSIVE_ONESHOT) ? (uint32_t)EPOLLONESHOT : 0);

    if (op == EPOLL_CTL_DEL || (events & (uint32_t)EPOLLEXCLUSIVE) == 0)
        return 0;
    if (op == EPOLL_CTL_MOD)
        return EINVAL;
    if (op == EPOLL_CTL_ADD &&
        ((model->files[file].kind == FILE_EPOLL && !MISTAKE(EXCLUSIVE_NESTED)) ||
         (events & ~allowed) != 0))
        return EINVAL;
    return 0;
}

/* Rule 12. */
static int insert(struct model *model, int instance, int number, int file, uint32_t events)
{
    bool exclusive = (events & (uint32_t)EPOLLEXCLUSIVE) != 0;

    if (model->nitems == MODEL_ITEMS_MAX) {
        model_beyond(model, "more registrations than the model has room for");
        return 0;
    }
    unsigned index = model->nitems++;
    model->items[index] = (struct model_item){
        .instance = (int16_t)instance,
        .file = (int16_t)file,
        .number = (int16_t)number,
        .data = (int16_t)step_number(model->index),
        .events = events,
        .place =
            exclusive || MISTAKE(ADD_ORDER) ? model_place_back(model) : model_place_front(model),
        .exclusive = exclusive,
        .process = model->files[file].kind == FILE_SIGNALFD ? model_self(model)->process : 0,
    };
    if (model_item_poll(model, index, 1) != 0 && model->items[index].ready == 0) {
        link_ready(model, &model->items[index]);
        announce(model, instance);
    }
    return 0;
}

/* Rule 14. */
static void modify(struct model *model, unsigned index, uint32_t events)
{
    struct model_item *item = &model->items[index];

    item->events = events;
    if (!MISTAKE(MOD_KEEPS_DATA))
        item->data = (int16_t)step_number(model->index);
    if (MISTAKE(MOD_NO_REARM))
        return;
    if (MISTAKE(MOD_MOVES))
        item->ready = 0;
    if (model_item_poll(model, index, 1) != 0 && item->ready == 0) {
        link_ready(model, item);
        announce(model, item->instance);
    }
}

/* Rules 1 to 11, in this order. Returns 0 or an errno. */
int model_ctl(struct model *model, int epfd, int64_t op, int number, int64_t event)
{
    int instance = model_file_at(model, epfd);
    int file = model_file_at(model, number);
    uint32_t events = (uint32_t)event;
    uint32_t always = MISTAKE(NO_HUP) ? 0 : MASK_ALWAYS;

    if (event < 0 && (op != EPOLL_CTL_DEL || MISTAKE(DEL_EFAULT)) && !MISTAKE(EFAULT_LATE))
        return EFAULT;
    if (instance == MODEL_NONE || file == MODEL_NONE)
        return EBADF;
    if (MISTAKE(EFAULT_LATE) && op != EPOLL_CTL_DEL && event < 0)
        return EFAULT;
    if (MISTAKE(EPERM_LATE) && model->files[instance].kind != FILE_EPOLL)
        return EINVAL;
    if (MISTAKE(OP_FIRST) && op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL)
        return EINVAL;
    if (!model_kind_of(model, file)->polls)
        return EPERM;
    if (!model->facts->keeps_wakeup_bit)
        events &= ~(uint32_t)EPOLLWAKEUP;
    if (MISTAKE(SELF_BY_NUMBER) ? epfd == number : instance == file)
        return EINVAL;
    if (model->files[instance].kind != FILE_EPOLL)
        return EINVAL;
    int err = check_exclusive(model, op, events, file);
    if (err)
        return err;
    if (op == EPOLL_CTL_ADD && model->files[file].kind == FILE_EPOLL &&
        nests_too_deep(model, instance, file))
        return ELOOP;
    int item = model_item_find(model, instance, number, file);
    switch (op) {
    case EPOLL_CTL_ADD:
        return item != MODEL_NONE ? EEXIST : insert(model, instance, number, file, events | always);
    case EPOLL_CTL_DEL:
        if (item == MODEL_NONE)
            return ENOENT;
        model_item_remove(model, (unsigned)item);
        return 0;
    case EPOLL_CTL_MOD:
        if (item == MODEL_NONE)
            return ENOENT;
        if ((model->items[item].events & (uint32_t)EPOLLEXCLUSIVE) != 0 && !MISTAKE(MOD_EXCLUSIVE))
            return EINVAL;
        modify(model, (unsigned)item, events | always);
        return 0;
    default:
        return EINVAL;
    }
}
