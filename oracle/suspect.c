/* Who did it: from the difference to the operation that went wrong. */
#include "oracle/inquiry.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

const struct step *inquiry_step(const struct inquiry *inquiry, unsigned step)
{
    assert(step < inquiry->story->program->nsteps);
    return &inquiry->story->program->steps[step];
}

const char *inquiry_actor(const struct inquiry *inquiry, unsigned step)
{
    return inquiry->story->program->actors[inquiry_step(inquiry, step)->actor].name;
}

static bool data_names_ctl(const struct inquiry *inquiry, uint64_t data)
{
    return data >= 1 && data <= inquiry->story->program->nsteps &&
           step_is_ctl(inquiry_step(inquiry, (unsigned)data - 1));
}

static bool same_target(const struct ctl *a, const struct ctl *b)
{
    return a->number == b->number && file_key_equal(a->instance, b->instance) &&
           file_key_equal(a->file, b->file);
}

/* Both sides told the caller that the ctl was done. */
static bool ctl_accepted(const struct inquiry *inquiry, unsigned step)
{
    return step_is_ctl(inquiry_step(inquiry, step)) &&
           story_succeeded(inquiry->story, NATIVE, step) &&
           story_succeeded(inquiry->story, SUBJECT, step);
}

/* Every design flushes a thread's own operations on an instance when that thread waits on it. */
static bool flushed_between(const struct inquiry *inquiry, unsigned ctl, unsigned until)
{
    const struct step *call = inquiry_step(inquiry, ctl);
    int epfd = world_number(story_world(inquiry->story, SUBJECT, ctl), call, 0);
    for (unsigned k = ctl + 1; k < until; k++) {
        const struct step *step = inquiry_step(inquiry, k);
        if (op_table[step->op].effect == EFFECT_WAIT && step->actor == call->actor &&
            world_number(story_world(inquiry->story, SUBJECT, k), step, 0) == epfd)
            return true;
    }
    return false;
}

/* True if a registration reached the kernel only after the ctl that natively ended it was done. */
static bool came_after(const struct inquiry *inquiry, unsigned registration, unsigned ender)
{
    int carried = story_carried(inquiry->story, registration);
    if (carried <= (int)ender)
        return false;
    int ended = story_carried(inquiry->story, ender);
    return (ended >= 0 && ended < carried) || flushed_between(inquiry, ender, (unsigned)carried);
}

/* An event or item that only the subject has: its own registration went wrong, or the one that
 * natively ended it. */
static int blame_extra(struct inquiry *inquiry, uint64_t data)
{
    const struct story *story = inquiry->story;
    if (!data_names_ctl(inquiry, data))
        return INQUIRY_NONE;
    unsigned ctl = (unsigned)data - 1;
    if (story->witnessed)
        return suspect_extra(inquiry, ctl);
    if (!story_registered(story, ctl) ||
        (story->evidence && story_relisted(story, ctl, inquiry->step)))
        return (int)ctl;
    int ended = story_ended(story, ctl, inquiry->step);
    if (ended < 0 || !step_is_ctl(inquiry_step(inquiry, (unsigned)ended)))
        return (int)ctl;
    if (!came_after(inquiry, ctl, (unsigned)ended))
        return ended;
    inquiry->victim = ended;
    return (int)ctl;
}

/* A late DEL or MOD through the same numbers that took away what a later ctl had registered in
 * time. */
static int find_thief(const struct inquiry *inquiry, unsigned robbed)
{
    const struct story *story = inquiry->story;
    const struct world *now = story_world(story, SUBJECT, inquiry->step);
    struct ctl ctl;
    story_read_ctl(story, robbed, &ctl);
    for (unsigned k = robbed; k-- > 0;) {
        if (!ctl_accepted(inquiry, k) || step_is_ctl_op(inquiry_step(inquiry, k), EPOLL_CTL_ADD) ||
            flushed_between(inquiry, k, robbed))
            continue;
        struct ctl thief;
        story_read_ctl(story, k, &thief);
        if (thief.number == ctl.number && thief.process == ctl.process &&
            (file_key_equal(thief.instance, ctl.instance) ||
             file_key_equal(story_file_of(now, thief.actor, thief.epfd), ctl.instance)))
            return (int)k;
    }
    return INQUIRY_NONE;
}

/* An event or item that only native has: its registration is missing, or was taken away. */
static int blame_missing(struct inquiry *inquiry, uint64_t data)
{
    const struct story *story = inquiry->story;
    if (!data_names_ctl(inquiry, data))
        return INQUIRY_NONE;
    unsigned ctl = (unsigned)data - 1;
    if (story->witnessed)
        return suspect_missing(inquiry, ctl);
    int carried = story_carried(story, ctl);
    if (carried < 0 || carried > (int)inquiry->step ||
        story_listed(story, SUBJECT, inquiry->step, data, NULL) != NULL)
        return (int)ctl;
    int thief = find_thief(inquiry, ctl);
    if (thief < 0)
        return (int)ctl;
    inquiry->victim = (int)ctl;
    return thief;
}

static unsigned list_count(const struct trace *trace, const struct trace_snapshot *list,
                           uint64_t data)
{
    unsigned count = 0;
    for (unsigned i = 0; i < list->nitems; i++)
        count += trace->items[list->first + i].data == data;
    return count;
}

/* The first item of `list` that `other` lacks or has fewer of, as data; 0: none. */
static uint64_t first_unlisted(const struct trace *trace, const struct trace_snapshot *list,
                               const struct trace *other_trace, const struct trace_snapshot *other)
{
    for (unsigned i = 0; i < list->nitems; i++) {
        uint64_t data = trace->items[list->first + i].data;
        if (list_count(other_trace, other, data) < list_count(trace, list, data))
            return data;
    }
    return 0;
}

/* By the kernel's lists of one instance when `step` is over. `fewer`: look first for what the
 * subject lacks. */
static int blame_lists(struct inquiry *inquiry, struct file_key instance, unsigned step, bool fewer)
{
    const struct story *story = inquiry->story;
    const struct trace_snapshot *native = story_list(story, NATIVE, step, instance);
    const struct trace_snapshot *subject = story_list(story, SUBJECT, step, instance);
    if (native == NULL || subject == NULL)
        return INQUIRY_NONE;
    uint64_t missing =
        first_unlisted(story->traces[NATIVE], native, story->traces[SUBJECT], subject);
    uint64_t extra = first_unlisted(story->traces[SUBJECT], subject, story->traces[NATIVE], native);
    if (missing != 0 && (fewer || extra == 0))
        return blame_missing(inquiry, missing);
    if (extra != 0)
        return blame_extra(inquiry, extra);
    return INQUIRY_NONE;
}

/* Without lists: the last operation on the instance that can still be pending and would explain it.
 */
static int guess_pending(const struct inquiry *inquiry, struct file_key instance, bool fewer)
{
    for (unsigned k = inquiry->step + 1; k-- > 0;) {
        const struct step *step = inquiry_step(inquiry, k);
        if (!ctl_accepted(inquiry, k) || flushed_between(inquiry, k, inquiry->step) ||
            step_is_ctl_op(step, fewer ? EPOLL_CTL_DEL : EPOLL_CTL_ADD))
            continue;
        struct ctl ctl;
        story_read_ctl(inquiry->story, k, &ctl);
        if (file_key_equal(ctl.instance, instance))
            return (int)k;
    }
    return INQUIRY_NONE;
}

static int blame_one_instance(struct inquiry *inquiry, struct file_key instance, bool fewer)
{
    if (!inquiry->story->evidence)
        return guess_pending(inquiry, instance, fewer);
    int culprit = blame_lists(inquiry, instance, inquiry->step, fewer);
    /* A call that looked first and flushed afterwards leaves equal lists behind: look at those that
     * it saw. */
    if (culprit < 0 && inquiry->step > 0 && inquiry->observer == inquiry->step)
        culprit = blame_lists(inquiry, instance, inquiry->step - 1, fewer);
    return culprit;
}

/* An instance and those nested in it, breadth first. */
static int blame_instance(struct inquiry *inquiry, struct file_key instance, bool fewer)
{
    const struct world *world = story_world(inquiry->story, NATIVE, inquiry->step + 1);
    struct file_key queue[WORLD_ITEMS_MAX + 1];
    unsigned tail = 0;
    queue[tail++] = instance;
    for (unsigned head = 0; head < tail; head++) {
        int culprit = blame_one_instance(inquiry, queue[head], fewer);
        if (culprit >= 0)
            return culprit;
        for (unsigned i = 0; i < world->nitems && tail < WORLD_ITEMS_MAX + 1; i++) {
            const struct world_item *item = &world->items[i];
            if (item->live && world->files[item->file].kind == FILE_EPOLL &&
                file_key_equal(story_file(world, item->instance), queue[head]))
                queue[tail++] = story_file(world, item->file);
        }
    }
    return INQUIRY_NONE;
}

/* The nested instance that a registration watches, or no file. */
static struct file_key nested_instance(const struct inquiry *inquiry, unsigned ctl)
{
    const struct world *world = story_world(inquiry->story, NATIVE, ctl);
    int file = world_file_of_arg(world, inquiry_step(inquiry, ctl), 2);
    bool nested = file != WORLD_FILE_NONE && world->files[file].kind == FILE_EPOLL;
    return story_file(world, nested ? file : WORLD_FILE_NONE);
}

static int blame_event(struct inquiry *inquiry, uint64_t data, bool extra)
{
    int culprit = extra ? blame_extra(inquiry, data) : blame_missing(inquiry, data);
    if (culprit < 0 || culprit != (int)data - 1)
        return culprit;
    /* If the outer registration is there, the difference is in the instance that it watches. */
    struct file_key inner = nested_instance(inquiry, (unsigned)culprit);
    if (file_key_none(inner) ||
        (inquiry->story->evidence &&
         story_listed(inquiry->story, SUBJECT, inquiry->step, data, NULL) == NULL))
        return culprit;
    int deeper = blame_instance(inquiry, inner, !extra);
    return deeper >= 0 ? deeper : culprit;
}

/* The item with which an ADD under the subject collides, as data; 0: none is listed. */
static uint64_t find_collision(const struct inquiry *inquiry, const struct ctl *ctl)
{
    const struct story *story = inquiry->story;
    if (inquiry->step == 0)
        return 0;
    const struct trace_snapshot *list =
        story_list(story, SUBJECT, inquiry->step - 1, ctl->instance);
    for (unsigned i = 0; list != NULL && i < list->nitems; i++) {
        const struct trace_item *item = &story->traces[SUBJECT]->items[list->first + i];
        if (item->number != ctl->number || !data_names_ctl(inquiry, item->data))
            continue;
        unsigned owner = (unsigned)item->data - 1;
        if (file_key_equal(story_landed(story, owner, story_carried(story, owner)), ctl->file))
            return item->data;
    }
    return 0;
}

/* An ADD fails with EEXIST under the subject: something is listed that natively is not there. */
static int blame_collision(struct inquiry *inquiry, unsigned add)
{
    const struct story *story = inquiry->story;
    struct ctl ctl;
    story_read_ctl(story, add, &ctl);
    if (!story->evidence) {
        for (unsigned k = add; k-- > 0;) {
            if (!ctl_accepted(inquiry, k) ||
                !step_is_ctl_op(inquiry_step(inquiry, k), EPOLL_CTL_DEL))
                continue;
            struct ctl del;
            story_read_ctl(story, k, &del);
            if (same_target(&del, &ctl))
                return (int)k;
        }
        return INQUIRY_NONE;
    }
    uint64_t data = find_collision(inquiry, &ctl);
    if (data == 0)
        return INQUIRY_NONE;
    unsigned owner = (unsigned)data - 1;
    int culprit = blame_extra(inquiry, data);
    struct ctl meant;
    story_read_ctl(story, owner, &meant);
    bool misplaced =
        !file_key_equal(story_landed(story, owner, story_carried(story, owner)), meant.file);
    bool natively_live =
        story_registered(story, owner) && story_ended(story, owner, inquiry->step) < 0;
    return natively_live && !misplaced ? INQUIRY_NONE : culprit;
}

/* A MOD or DEL fails with ENOENT under the subject: the registration that it meant is not there. */
static int blame_absence(struct inquiry *inquiry, unsigned step)
{
    const struct story *story = inquiry->story;
    struct ctl ctl;
    int added;
    story_read_ctl(story, step, &ctl);
    int registered = story_native_registration(story, step, &ctl, &added);
    if (registered < 0)
        return INQUIRY_NONE;
    if (!story->evidence) {
        bool own = inquiry_step(inquiry, (unsigned)added)->actor == ctl.actor;
        return own ? INQUIRY_NONE : added;
    }
    int carried = story_carried(story, step);
    if (carried >= 0 && carried < (int)inquiry->step)
        return INQUIRY_NONE; /* it is itself that was done before */
    for (int meant = added; meant <= registered && inquiry->step > 0; meant++) {
        if (step_is_ctl(inquiry_step(inquiry, (unsigned)meant)) &&
            story_listed(story, SUBJECT, inquiry->step - 1, step_number((unsigned)meant), NULL) !=
                NULL)
            return INQUIRY_NONE;
    }
    return blame_missing(inquiry, step_number((unsigned)added));
}

/* The operation whose lateness makes `step` fail with `err`, or `step` itself. */
static int blame_failure(struct inquiry *inquiry, unsigned step, int err)
{
    int culprit = INQUIRY_NONE;
    bool add = step_is_ctl_op(inquiry_step(inquiry, step), EPOLL_CTL_ADD);
    if (inquiry->story->witnessed && step == inquiry->observer) {
        /* The failing call itself: its deed is the flush's last. */
        culprit = suspect_flush(inquiry, err);
        inquiry->flush_failed = false;
        return culprit >= 0 ? culprit : (int)step;
    }
    /* A subject that turns an ADD into a MOD at EEXIST gets EINVAL where EPOLLEXCLUSIVE forbids
     * that. */
    if ((err == EEXIST || err == EINVAL) && add)
        culprit = blame_collision(inquiry, step);
    else if (err == ENOENT && !add)
        culprit = blame_absence(inquiry, step);
    if (culprit < 0 || culprit == (int)step)
        return (int)step;
    inquiry->victim = (int)step;
    return culprit;
}

/* The process in which the observer's flush carries out a ctl: its own, if that is a child of the
 * ctl's. */
static unsigned flush_process(const struct inquiry *inquiry, const struct ctl *ctl)
{
    const struct program *program = inquiry->story->program;
    unsigned process = story_process(inquiry->story, inquiry->observer);
    for (unsigned up = process;; up = program->actors[program->actors[up].parent].process) {
        if (up == ctl->process)
            return process;
        if (up == 0)
            return ctl->process;
    }
}

/* True if the file that the number names now refuses the operation with this errno for what it is.
 */
static bool fails_by_numbers(const struct inquiry *inquiry, const struct ctl *ctl, int err)
{
    const struct world *world = story_world(inquiry->story, SUBJECT, inquiry->step);
    unsigned process = flush_process(inquiry, ctl);
    int instance = world_file_of(world, process, ctl->epfd);
    int file = world_file_of(world, process, ctl->number);
    if (instance == WORLD_FILE_NONE || file == WORLD_FILE_NONE)
        return err == EBADF;
    enum file_kind kind = world->files[file].kind;
    if (kind == FILE_PATH || kind == FILE_REGULAR || kind == FILE_FOLDER)
        return err == EPERM;
    if (world->files[instance].kind != FILE_EPOLL || instance == file)
        return err == EINVAL;
    bool moved = !file_key_equal(story_file(world, instance), ctl->instance) ||
                 !file_key_equal(story_file(world, file), ctl->file);
    return moved && (ctl->op == EPOLL_CTL_ADD ? err == EEXIST : err == ENOENT);
}

/* True if what the subject's kernel lists before the flush refuses the operation with this errno.
 */
static bool fails_by_lists(const struct inquiry *inquiry, const struct ctl *ctl, int err)
{
    if (!inquiry->story->evidence)
        return false;
    bool listed = find_collision(inquiry, ctl) != 0;
    if (ctl->op == EPOLL_CTL_ADD)
        return listed && (err == EEXIST || err == EINVAL);
    return err == ENOENT && !listed;
}

/* How well a pending ctl explains that the observer's flush failed with `err`; 0: not at all. */
static unsigned rate_candidate(struct inquiry *inquiry, unsigned step, int err)
{
    const struct story *story = inquiry->story;
    if (!step_is_ctl(inquiry_step(inquiry, step)) || !story_succeeded(story, SUBJECT, step))
        return 0;
    int carried = story_carried(story, step);
    struct ctl ctl;
    story_read_ctl(story, step, &ctl);
    if (carried == (int)step)
        return 0;
    /* Carried out before: only another process's copy of the list can fail now. */
    if (carried >= 0 && carried < (int)inquiry->step &&
        story_process(story, (unsigned)carried) == story_process(story, inquiry->observer))
        return 0;
    bool strong = story_succeeded(story, NATIVE, step)
                      ? fails_by_numbers(inquiry, &ctl, err) || fails_by_lists(inquiry, &ctl, err)
                      : story->traces[NATIVE]->steps[step].err == err;
    bool weak = err == EEXIST   ? ctl.op == EPOLL_CTL_ADD
                : err == ENOENT ? ctl.op != EPOLL_CTL_ADD
                                : err == ELOOP || err == ENOSPC;
    if (!strong && !weak)
        return 0;
    const struct step *observation = inquiry_step(inquiry, inquiry->observer);
    const struct world *world = story_world(story, NATIVE, inquiry->observer);
    struct file_key instance = story_file(world, world_file_of_arg(world, observation, 0));
    unsigned rating = strong ? 17 : 1;
    if (!flushed_between(inquiry, step, inquiry->observer))
        rating += 8;
    if (ctl.actor == observation->actor)
        rating += 4;
    if (file_key_equal(instance, ctl.instance))
        rating += 2;
    return rating;
}

/* A call that is no ctl fails under the subject with an error of what it flushed. */
static int blame_flush(struct inquiry *inquiry, int err)
{
    int best = INQUIRY_NONE;
    unsigned best_rating = 0;
    if (inquiry->story->witnessed)
        return suspect_flush(inquiry, err);
    for (unsigned k = 0; k < inquiry->step; k++) {
        unsigned rating = rate_candidate(inquiry, k, err);
        if (rating > best_rating) {
            best = (int)k;
            best_rating = rating;
        }
    }
    if (best < 0)
        return INQUIRY_NONE;
    inquiry->flush_failed = true;
    struct ctl ctl;
    story_read_ctl(inquiry->story, (unsigned)best, &ctl);
    if (fails_by_numbers(inquiry, &ctl, err))
        return best;
    return blame_failure(inquiry, (unsigned)best, err);
}

/* The first culprit by the order of registrations: that of events is not the same in every run. */
static int blame_events(struct inquiry *inquiry, const struct trace_event *events, unsigned count,
                        bool extra)
{
    uint64_t done = 0;
    for (;;) {
        uint64_t next = UINT64_MAX;
        for (unsigned i = 0; i < count; i++) {
            if (events[i].data > done && events[i].data < next)
                next = events[i].data;
        }
        if (next == UINT64_MAX)
            return INQUIRY_NONE;
        int culprit = blame_event(inquiry, next, extra);
        if (culprit >= 0)
            return culprit;
        done = next;
    }
}

static int blame_wait(struct inquiry *inquiry)
{
    const struct event_sets *events = &inquiry->events;
    int culprit = blame_events(inquiry, events->extra, events->nextra, true);
    if (culprit >= 0)
        return culprit;
    return blame_events(inquiry, events->missing, events->nmissing, false);
}

static int blame_poll(struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    const struct world *world = story_world(story, NATIVE, inquiry->observer);
    int file = world_file_of_arg(world, inquiry_step(inquiry, inquiry->observer), 0);
    if (file == WORLD_FILE_NONE || world->files[file].kind != FILE_EPOLL)
        return INQUIRY_NONE;
    bool fewer =
        inquiry->observed == CLASS_READINESS_MISSING || inquiry->observed == CLASS_WAKEUP_LOST;
    int culprit = blame_instance(inquiry, story_file(world, file), fewer);
    /* Equal lists: what was registered late is ready at once, where natively an event went
     * elsewhere before. */
    return culprit < 0 && story->witnessed ? suspect_late(inquiry, story_file(world, file))
                                           : culprit;
}

static int blame_result(struct inquiry *inquiry)
{
    const struct step *observation = inquiry_step(inquiry, inquiry->observer);
    enum op_effect effect = op_table[observation->op].effect;
    bool failed_alone = inquiry->subject_err != 0 && inquiry->native_err == 0;
    if (effect == EFFECT_CTL)
        return failed_alone ? blame_failure(inquiry, inquiry->observer, inquiry->subject_err)
                            : (int)inquiry->observer;
    if (effect != EFFECT_WAIT && effect != EFFECT_POLL)
        return INQUIRY_NONE;
    /* The error of a flush comes before the call's own, whatever that would have been. */
    if (inquiry->subject_err != 0 && inquiry->subject_err != inquiry->native_err)
        return blame_flush(inquiry, inquiry->subject_err);
    if (inquiry->native_err != 0)
        return inquiry->difference->kind == DIFFERENCE_LOST ? blame_poll(inquiry) : INQUIRY_NONE;
    return effect == EFFECT_WAIT ? blame_wait(inquiry) : blame_poll(inquiry);
}

static int blame_list(struct inquiry *inquiry)
{
    const struct difference *difference = inquiry->difference;
    const struct world *world = story_world(inquiry->story, NATIVE, difference->step + 1);
    struct file_key instance = story_file_of(world, difference->process, difference->number);
    return blame_lists(inquiry, instance, difference->step, false);
}

static int find_culprit(struct inquiry *inquiry)
{
    switch (inquiry->difference->kind) {
    case DIFFERENCE_LOST:
    case DIFFERENCE_EXTRA:
    case DIFFERENCE_RESULT:
    case DIFFERENCE_EVENTS:
        return blame_result(inquiry);
    case DIFFERENCE_LIST:
        return blame_list(inquiry);
    case DIFFERENCE_UNPAID:
    case DIFFERENCE_END:
        return (int)inquiry->observer;
    case DIFFERENCE_NONE:
    case DIFFERENCE_STATE:
    case DIFFERENCE_ORDER:
    case DIFFERENCE_PROCESS:
    case DIFFERENCE_TABLE:
        break;
    }
    return INQUIRY_NONE;
}

void suspect_find(struct inquiry *inquiry)
{
    inquiry->culprit = INQUIRY_NONE;
    inquiry->victim = INQUIRY_NONE;
    int culprit = find_culprit(inquiry);
    if (culprit >= 0 && step_is_ctl(inquiry_step(inquiry, (unsigned)culprit))) {
        inquiry->culprit = culprit;
        suspect_examine(inquiry);
    }
}
