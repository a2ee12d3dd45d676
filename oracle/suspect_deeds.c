/* Who did it, where the witness saw every deed: no reasoning from effects, only the order of what
 * was done. */
#include "oracle/deeds.h"
#include "oracle/inquiry.h"

#include <errno.h>
#include <sys/epoll.h>

static bool meant_so(const struct inquiry *inquiry, const struct deed *deed)
{
    struct ctl ctl;

    story_read_ctl(inquiry->story, (unsigned)deed->ctl, &ctl);
    return file_key_equal(deed->file, ctl.file) && file_key_equal(deed->instance, ctl.instance);
}

/* True if the step's call had not reached the kernel before the deed. */
static bool pending_at(const struct story *story, unsigned ctl, unsigned deed)
{
    int own = deeds_find(story, ctl);
    return own < 0 || own > (int)deed;
}

/* An ADD met an item that natively was gone: the DEL that took it away is late. */
static int blame_collision(struct inquiry *inquiry, unsigned index)
{
    const struct story *story = inquiry->story;
    const struct deed *deed = &story->deeds[index];
    int change = deeds_last_change(story, index, deed->instance, deed->number, deed->file);

    if (change < 0 || story->deeds[change].ctl < 0 || story->deeds[change].ctl == deed->ctl)
        return deed->ctl;
    const struct deed *owner = &story->deeds[change];
    if (!meant_so(inquiry, owner) || owner->again) {
        inquiry->victim = deed->ctl;
        return owner->ctl;
    }
    int ended = story_ended(story, (unsigned)owner->ctl, (unsigned)deed->ctl);
    if (ended < 0 || !step_is_ctl(inquiry_step(inquiry, (unsigned)ended)))
        return deed->ctl;
    int end = deeds_find(story, (unsigned)ended);
    inquiry->victim = deed->ctl;
    if (end < 0 || end > (int)index)
        return ended;
    /* The DEL was in time, what it was to take away came after it. */
    if (end < change)
        return owner->ctl;
    inquiry->victim = INQUIRY_NONE;
    return deed->ctl;
}

/* A MOD or DEL met no item: its ADD is late, or another's DEL came in between. */
static int blame_absence(struct inquiry *inquiry, unsigned index)
{
    const struct story *story = inquiry->story;
    const struct deed *deed = &story->deeds[index];
    struct ctl ctl;
    int added;

    story_read_ctl(story, (unsigned)deed->ctl, &ctl);
    if (story_native_registration(story, (unsigned)deed->ctl, &ctl, &added) < 0)
        return deed->ctl;
    if (pending_at(story, (unsigned)added, index)) {
        inquiry->victim = deed->ctl;
        return added;
    }
    int change = deeds_last_change(story, index, deed->instance, deed->number, deed->file);
    if (change < 0 || story->deeds[change].op != EPOLL_CTL_DEL || story->deeds[change].ctl < 0 ||
        story->deeds[change].ctl == deed->ctl)
        return deed->ctl;
    inquiry->victim = deed->ctl;
    return story->deeds[change].ctl;
}

/*
 * An ADD of an instance met a loop that natively is not there: an ADD went astray, or the DEL that
 * cut the loop is late.
 */
static int blame_loop(struct inquiry *inquiry, unsigned index)
{
    const struct story *story = inquiry->story;
    const struct deed *deed = &story->deeds[index];

    for (unsigned i = 0; i < index; i++) {
        const struct deed *other = &story->deeds[i];
        if (other->err == 0 && other->ctl >= 0 && other->op == EPOLL_CTL_ADD &&
            !meant_so(inquiry, other)) {
            inquiry->victim = deed->ctl;
            return other->ctl;
        }
    }
    for (unsigned k = 0; k < (unsigned)deed->ctl; k++) {
        const struct step *step = inquiry_step(inquiry, k);
        if (!step_is_ctl_op(step, EPOLL_CTL_DEL) || !story_succeeded(story, NATIVE, k) ||
            !pending_at(story, k, index))
            continue;
        const struct world *world = story_world(story, NATIVE, k);
        int file = world_file_of_arg(world, step, 2);
        if (file == WORLD_FILE_NONE || world->files[file].kind != FILE_EPOLL)
            continue;
        inquiry->victim = deed->ctl;
        return (int)k;
    }
    return deed->ctl;
}

static int blame_refusal(struct inquiry *inquiry, unsigned index)
{
    const struct deed *deed = &inquiry->story->deeds[index];

    /* Of a repair that was refused too, the first refusal tells why. */
    if (deed->repaired && index > 0 && deed[-1].ctl == deed->ctl && deed[-1].err != 0)
        return blame_refusal(inquiry, index - 1);
    if (deed->ctl < 0 || deed->again ||
        !story_succeeded(inquiry->story, NATIVE, (unsigned)deed->ctl) || !meant_so(inquiry, deed))
        return deed->ctl;
    if (deed->err == EEXIST)
        return blame_collision(inquiry, index);
    if (deed->err == ELOOP)
        return blame_loop(inquiry, index);
    return deed->err == ENOENT ? blame_absence(inquiry, index) : deed->ctl;
}

int suspect_flush(struct inquiry *inquiry, int err)
{
    unsigned actor = inquiry_step(inquiry, inquiry->observer)->actor;
    int deed = deeds_find_failure(inquiry->story, inquiry->observer, actor, err);

    if (deed < 0 || inquiry->story->deeds[deed].ctl < 0)
        return INQUIRY_NONE;
    inquiry->flush_failed = true;
    return blame_refusal(inquiry, (unsigned)deed);
}

int suspect_missing(struct inquiry *inquiry, unsigned ctl)
{
    const struct story *story = inquiry->story;
    int own = deeds_find_last(story, ctl, inquiry->step);

    if (own < 0)
        return (int)ctl;
    const struct deed *deed = &story->deeds[own];
    if (deed->err != 0)
        return blame_refusal(inquiry, (unsigned)own);
    if (!meant_so(inquiry, deed) ||
        story_listed(story, SUBJECT, inquiry->step, step_number(ctl), NULL) != NULL)
        return (int)ctl;
    /* It was there and is gone: what was done to it last did that. */
    unsigned end = story->ndeeds;
    while (end > 0 && story->deeds[end - 1].step > inquiry->step)
        end--;
    int change = deeds_last_change(story, end, deed->instance, deed->number, deed->file);
    if (change < 0 || change == own || story->deeds[change].ctl < 0)
        return (int)ctl;
    inquiry->victim = (int)ctl;
    return story->deeds[change].ctl;
}

int suspect_extra(struct inquiry *inquiry, unsigned ctl)
{
    const struct story *story = inquiry->story;
    int own = deeds_find_last(story, ctl, inquiry->step);
    int ended = story_registered(story, ctl) ? story_ended(story, ctl, inquiry->step) : STORY_NEVER;

    if (own < 0 || story->deeds[own].again || !meant_so(inquiry, &story->deeds[own]) || ended < 0 ||
        !step_is_ctl(inquiry_step(inquiry, (unsigned)ended)))
        return (int)ctl;
    int end = deeds_find(story, (unsigned)ended);
    if (end < 0 || story->deeds[end].step > inquiry->step)
        return ended;
    if (end < own) {
        /* The two reached the kernel in the wrong order. */
        inquiry->victim = ended;
        return (int)ctl;
    }
    return story->deeds[end].err != 0 ? blame_refusal(inquiry, (unsigned)end) : ended;
}

int suspect_late(const struct inquiry *inquiry, struct file_key instance)
{
    const struct story *story = inquiry->story;

    for (unsigned i = 0; i < story->ndeeds; i++) {
        const struct deed *deed = &story->deeds[i];
        if (deed->step == inquiry->step && deed->ctl >= 0 && deed->ctl < (int)deed->step &&
            deed->err == 0 && file_key_equal(deed->instance, instance))
            return deed->ctl;
    }
    return INQUIRY_NONE;
}

int suspect_dropper(const struct inquiry *inquiry, bool *ret_own)
{
    const struct story *story = inquiry->story;
    unsigned culprit = (unsigned)inquiry->culprit;

    if (deeds_find_last(story, culprit, inquiry->step) >= 0)
        return INQUIRY_NONE;
    for (unsigned i = 0; i < story->ndeeds && story->deeds[i].step <= inquiry->step; i++) {
        const struct deed *deed = &story->deeds[i];
        bool repaired = i + 1 < story->ndeeds && story->deeds[i + 1].ctl == deed->ctl &&
                        story->deeds[i + 1].repaired && story->deeds[i + 1].err == 0;
        /* The batch ended at an operation that stood before the culprit in it. */
        if (deed->err == 0 || repaired || deed->ctl < 0 || deed->ctl >= inquiry->culprit ||
            deed->step <= culprit || deed->process != inquiry->ctl.process)
            continue;
        struct ctl failed;
        story_read_ctl(story, (unsigned)deed->ctl, &failed);
        *ret_own = failed.number == inquiry->ctl.number &&
                   file_key_equal(failed.instance, inquiry->ctl.instance);
        return deed->ctl;
    }
    return INQUIRY_NONE;
}
