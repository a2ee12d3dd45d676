/* What happened to the culprit between its call and its execution: doors, forks, and where it
 * landed. */
#include "oracle/deeds.h"
#include "oracle/inquiry.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

static bool is_door(const struct step *step)
{
    enum op_effect effect = op_table[step->op].effect;
    return effect == EFFECT_CLOSE || effect == EFFECT_CLOSE_RANGE || effect == EFFECT_CLOSE_FROM ||
           effect == EFFECT_DUP_OVER;
}

static bool file_is_alive(const struct world *world, struct file_key key)
{
    for (unsigned i = 0; i < world->nfiles; i++) {
        if (file_key_equal(story_file(world, (int)i), key))
            return world->files[i].refs > 0;
    }
    return false;
}

/*
 * Finds the door through which `number` lost `file` after the call and not after `until`. The
 * subject's flush stands before the call that makes it, so a door at the very step that carried the
 * operation out came too late to matter, unless the operation landed elsewhere.
 */
static struct door find_door(const struct inquiry *inquiry, int number, struct file_key file,
                             unsigned until, bool landed_elsewhere)
{
    const struct story *story = inquiry->story;
    unsigned actor = inquiry->ctl.actor;
    struct door door = {.closer = INQUIRY_NONE, .opener = INQUIRY_NONE};
    if (file_key_none(file))
        return door;
    for (unsigned k = (unsigned)inquiry->culprit + 1; k <= until; k++) {
        const struct world *before = story_world(story, SUBJECT, k);
        const struct world *after = story_world(story, SUBJECT, k + 1);
        struct file_key now = story_file_of(after, actor, number);
        bool closes = file_key_equal(story_file_of(before, actor, number), file) &&
                      !file_key_equal(now, file);
        if (door.closer < 0 && closes && is_door(inquiry_step(inquiry, k)) &&
            (inquiry->carried != (int)k || landed_elsewhere)) {
            door.closer = (int)k;
            door.alive = file_is_alive(after, file);
        }
        if (door.closer >= 0 && !file_key_none(now) && !file_key_equal(now, file)) {
            door.opener = (int)k;
            break;
        }
    }
    return door;
}

/* A fork of the culprit's process while the culprit was pending; the one that led to the observer,
 * if any did. */
static int find_fork(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    const struct program *program = story->program;
    unsigned observer = story_process(story, inquiry->observer);
    int found = INQUIRY_NONE;
    for (unsigned k = (unsigned)inquiry->culprit + 1; k <= inquiry->step; k++) {
        const struct step *step = inquiry_step(inquiry, k);
        if (op_table[step->op].effect != EFFECT_FORK || !story_succeeded(story, SUBJECT, k) ||
            story_process(story, k) != inquiry->ctl.process)
            continue;
        if (inquiry->carried >= 0 && inquiry->carried <= (int)k)
            break; /* a fork that flushes carries it out before it forks */
        if (found < 0)
            found = (int)k;
        for (unsigned up = observer; up != 0;
             up = program->actors[program->actors[up].parent].process) {
            if (up == step->outs[0])
                return (int)k;
        }
    }
    return found;
}

static bool is_registration(int op)
{
    return op == EPOLL_CTL_ADD || op == EPOLL_CTL_MOD;
}

static const struct deed *culprit_deed(const struct inquiry *inquiry)
{
    int deed = deeds_find_last(inquiry->story, (unsigned)inquiry->culprit, inquiry->step);
    return deed >= 0 ? &inquiry->story->deeds[deed] : NULL;
}

/* A number that named nothing leads nowhere, not to another file. */
static bool named_other(struct file_key named, struct file_key meant)
{
    return !file_key_none(named) && !file_key_equal(named, meant);
}

/* True if the registration was carried out on another target than it named. */
static bool target_is_other(const struct inquiry *inquiry)
{
    unsigned culprit = (unsigned)inquiry->culprit;
    if (inquiry->story->witnessed) {
        const struct deed *deed = culprit_deed(inquiry);
        return deed != NULL && named_other(deed->file, inquiry->ctl.file);
    }
    if (inquiry->victim >= 0 && !is_registration(inquiry->ctl.op)) {
        /* The culprit took away what the victim relied on: were theirs two files under one number?
         */
        struct ctl victim;
        story_read_ctl(inquiry->story, (unsigned)inquiry->victim, &victim);
        return !file_key_equal(victim.file, inquiry->ctl.file);
    }
    /* Where it lands after the observer looked is no matter of what the observer saw. */
    if (!is_registration(inquiry->ctl.op) || inquiry->carried <= (int)culprit ||
        inquiry->carried > (int)inquiry->step)
        return false;
    struct file_key landed = story_landed(inquiry->story, culprit, inquiry->carried);
    return !file_key_equal(landed, inquiry->ctl.file);
}

static bool instance_is_other(const struct inquiry *inquiry)
{
    struct file_key instance;
    if (inquiry->story->witnessed) {
        const struct deed *deed = culprit_deed(inquiry);
        return deed != NULL && named_other(deed->instance, inquiry->ctl.instance);
    }
    if (inquiry->victim >= 0 && !is_registration(inquiry->ctl.op)) {
        struct ctl victim;
        story_read_ctl(inquiry->story, (unsigned)inquiry->victim, &victim);
        return !file_key_equal(victim.instance, inquiry->ctl.instance);
    }
    if (inquiry->carried < 0 || inquiry->carried > (int)inquiry->step ||
        !is_registration(inquiry->ctl.op))
        return false;
    if (story_listed(inquiry->story, SUBJECT, (unsigned)inquiry->carried,
                     step_number((unsigned)inquiry->culprit), &instance) == NULL)
        return false;
    return !file_key_equal(instance, inquiry->ctl.instance);
}

/* Without evidence: its event shows, although natively its file is gone and its number another
 * file's. */
static bool shows_astray(const struct inquiry *inquiry)
{
    bool reused = inquiry->target.opener >= 0 || inquiry->epfd.opener >= 0;
    if (inquiry->story->evidence || !reused)
        return false;
    for (unsigned i = 0; i < inquiry->events.nextra; i++) {
        if (inquiry->events.extra[i].data == step_number((unsigned)inquiry->culprit))
            return story_ended(inquiry->story, (unsigned)inquiry->culprit, inquiry->step) >= 0;
    }
    return false;
}

/* A flush failed for what the number names now, not for its being closed or being no epoll fd. */
static bool failed_on_other(const struct inquiry *inquiry)
{
    int err = inquiry->subject_err;
    if (!inquiry->flush_failed || inquiry->story->witnessed ||
        (inquiry->target.opener < 0 && inquiry->epfd.opener < 0))
        return false;
    return err == EPERM || err == EEXIST || err == ENOENT;
}

void suspect_examine(struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    unsigned culprit = (unsigned)inquiry->culprit;
    story_read_ctl(story, culprit, &inquiry->ctl);
    inquiry->carried = story_carried(story, culprit);
    inquiry->again = (is_registration(inquiry->ctl.op) || story->witnessed) && story->evidence &&
                     story_relisted(story, culprit, inquiry->step);
    /* A victim proves that it came late, whatever the lists of the culprit's own target show. */
    inquiry->late = inquiry->carried != (int)culprit || inquiry->again || inquiry->victim >= 0;
    bool carried_before = inquiry->carried >= 0 && inquiry->carried < (int)inquiry->step;
    unsigned until = carried_before && !inquiry->again ? (unsigned)inquiry->carried : inquiry->step;
    bool target_other = target_is_other(inquiry);
    bool instance_other = instance_is_other(inquiry);
    struct door none = {.closer = INQUIRY_NONE, .opener = INQUIRY_NONE};
    inquiry->target = none;
    inquiry->epfd = none;
    inquiry->fork = INQUIRY_NONE;
    if (!inquiry->late)
        return;
    inquiry->target =
        find_door(inquiry, inquiry->ctl.number, inquiry->ctl.file, until, target_other);
    inquiry->epfd =
        find_door(inquiry, inquiry->ctl.epfd, inquiry->ctl.instance, until, instance_other);
    inquiry->fork = find_fork(inquiry);
    inquiry->astray =
        target_other || instance_other || shows_astray(inquiry) || failed_on_other(inquiry);
}
