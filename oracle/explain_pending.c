/* Rules about an operation that was not carried out when it was called: what moved under it, and
 * who could see it. */
#include "oracle/deeds.h"
#include "oracle/inquiry.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

static void give(struct inquiry *inquiry, enum hazard hazard)
{
    inquiry->verdict->hazard = hazard;
}

static bool culprit_is_late(const struct inquiry *inquiry)
{
    return inquiry->culprit >= 0 && inquiry->late;
}

static bool culprit_shows_itself(const struct inquiry *inquiry)
{
    for (unsigned i = 0; i < inquiry->events.nextra; i++) {
        if (inquiry->events.extra[i].data == step_number((unsigned)inquiry->culprit))
            return true;
    }
    return false;
}

/*
 * It was still pending when the observer looked. An operation whose own event is what should not be
 * there was carried out: its lateness alone explains nothing. Carried out during the very step, it
 * may have come after the look.
 */
static bool culprit_is_unseen(const struct inquiry *inquiry)
{
    if (!culprit_is_late(inquiry) ||
        (inquiry->carried >= 0 && inquiry->carried < (int)inquiry->step && !inquiry->again))
        return false;
    return !culprit_shows_itself(inquiry);
}

static const struct step *observation(const struct inquiry *inquiry)
{
    return inquiry_step(inquiry, inquiry->observer);
}

/* "It was carried out at step 6, when" has a step only where evidence gives one. */
static void say_carried(struct inquiry *inquiry)
{
    if (inquiry->carried > inquiry->culprit)
        text_append(&inquiry->text, "It was carried out at step %u, when",
                    step_number((unsigned)inquiry->carried));
    else
        text_append(&inquiry->text, "When it was due,");
}

/* A5, A6, A4: two threads hand a descriptor over, and the second is faster than the first's pending
 * operation. */
bool explain_handoff(struct inquiry *inquiry)
{
    if (!culprit_is_late(inquiry) || inquiry->victim < 0 || inquiry->astray)
        return false;
    unsigned culprit = (unsigned)inquiry->culprit;
    unsigned victim = (unsigned)inquiry->victim;
    bool same_process = story_process(inquiry->story, victim) == inquiry->ctl.process;
    if (inquiry_step(inquiry, victim)->actor == inquiry->ctl.actor ||
        (!same_process && inquiry->fork >= 0 &&
         inquiry_step(inquiry, (unsigned)inquiry->fork)->actor == inquiry->ctl.actor))
        return false;
    enum hazard hazard = inquiry->ctl.op == EPOLL_CTL_ADD   ? HAZARD_A6
                         : inquiry->ctl.op == EPOLL_CTL_DEL ? HAZARD_A5
                                                            : HAZARD_A4;
    give(inquiry, same_process ? hazard : HAZARD_A10);
    say_step(inquiry, "The", culprit);
    text_append(&inquiry->text, " by %s was pending when %s came to ",
                inquiry_actor(inquiry, culprit), inquiry_actor(inquiry, victim));
    say_step(inquiry, "the", victim);
    text_append(&inquiry->text, ": the kernel got the two in the wrong order");
    say_consequence(inquiry);
    return true;
}

/* A call that sleeps on the culprit's target from before its close until the difference, or
 * INQUIRY_NONE. */
static int find_pin(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;

    for (unsigned k = 0; (int)k < inquiry->target.closer; k++) {
        const struct step *step = inquiry_step(inquiry, k);
        const struct trace_step *done = &story->traces[SUBJECT]->steps[k];
        int arg = story_fd_arg(step);
        if (arg < 0 || !done->blocked ||
            (done->completed_at != TRACE_NEVER && done->completed_at < (int)inquiry->step))
            continue;
        const struct world *world = story_world(story, SUBJECT, k);
        int file = world_file_of_arg(world, step, (unsigned)arg);
        if (file != WORLD_FILE_NONE && file_key_equal(story_file(world, file), inquiry->ctl.file))
            return (int)k;
    }
    return INQUIRY_NONE;
}

static enum hazard hazard_of_target_door(const struct inquiry *inquiry)
{
    const struct step *closer = inquiry_step(inquiry, (unsigned)inquiry->target.closer);
    if (closer->op != OP_CLOSE)
        return HAZARD_B3;
    if (closer->actor != inquiry->ctl.actor)
        return HAZARD_B8;
    if (inquiry->target.opener >= 0)
        return HAZARD_B2;
    if (inquiry->target.alive)
        return HAZARD_B4;
    if (find_pin(inquiry) < 0)
        return HAZARD_B1;
    return inquiry->ctl.op == EPOLL_CTL_DEL ? HAZARD_B14 : HAZARD_B4;
}

/* What was left of a number: `what` is the thing that it named. */
static void say_fate_of_number(struct inquiry *inquiry, const struct door *door, int number,
                               const char *what)
{
    struct text *text = &inquiry->text;
    if (door->opener >= 0 && door->opener != door->closer) {
        say_carried(inquiry);
        text_append(text, " number %d belonged to", number);
        say_step(inquiry, " the", (unsigned)door->opener);
    } else if (door->opener >= 0) {
        say_carried(inquiry);
        text_append(text, " number %d named what it put there", number);
    } else if (!door->alive) {
        text_append(text, "When it was due, number %d named nothing", number);
    } else if (inquiry->ctl.op == EPOLL_CTL_DEL) {
        text_append(text,
                    "Another reference keeps the %s and the registration alive, and no DEL reaches "
                    "it through number %d any more",
                    what, number);
    } else {
        text_append(text,
                    "Another reference keeps the %s alive, natively with what the call did, but "
                    "number %d no longer leads to it",
                    what, number);
    }
}

/* B1, B2, B3, B4, B8, B14: the target's number was taken from it while the operation was pending.
 */
bool explain_target_door(struct inquiry *inquiry)
{
    if (!culprit_is_late(inquiry) || inquiry->target.closer < 0)
        return false;
    const struct door *door = &inquiry->target;
    enum hazard hazard = hazard_of_target_door(inquiry);
    give(inquiry, hazard);
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    if (hazard == HAZARD_B3) {
        text_append(&inquiry->text, " was pending when ");
        say_step(inquiry, "the", (unsigned)door->closer);
        text_append(&inquiry->text, ", which is not close(2), took number %d from",
                    inquiry->ctl.number);
        say_file(inquiry, " the", inquiry->ctl.file);
    } else if (hazard == HAZARD_B8) {
        text_append(&inquiry->text, " was pending in thread %s when",
                    inquiry_actor(inquiry, (unsigned)inquiry->culprit));
        say_step(inquiry, " the", (unsigned)door->closer);
        text_append(&inquiry->text, " by thread %s took number %d from",
                    inquiry_actor(inquiry, (unsigned)door->closer), inquiry->ctl.number);
        say_file(inquiry, " the", inquiry->ctl.file);
    } else {
        say_file(inquiry, " named the", inquiry->ctl.file);
        text_append(&inquiry->text, " that");
        say_step(inquiry, " the", (unsigned)door->closer);
        text_append(&inquiry->text, " closed");
    }
    text_append(&inquiry->text, ". ");
    int pin = (hazard == HAZARD_B4 || hazard == HAZARD_B14) && !door->alive ? find_pin(inquiry)
                                                                            : INQUIRY_NONE;
    if (pin >= 0) {
        say_step(inquiry, "The", (unsigned)pin);
        text_append(&inquiry->text, " sleeps on the file and so keeps it open. ");
    }
    say_fate_of_number(inquiry, door, inquiry->ctl.number, "file");
    say_consequence(inquiry);
    return true;
}

/* B3, B5, B6, B7: the number of the epoll fd was taken from it while the operation was pending. */
bool explain_epfd_door(struct inquiry *inquiry)
{
    const struct door *door = &inquiry->epfd;
    if (!culprit_is_late(inquiry) || door->closer < 0)
        return false;
    const struct step *closer = inquiry_step(inquiry, (unsigned)door->closer);
    if (closer->op == OP_DUP2 || closer->op == OP_DUP3)
        give(inquiry, HAZARD_B7);
    else if (closer->op != OP_CLOSE)
        give(inquiry, HAZARD_B3);
    else if (closer->actor != inquiry->ctl.actor)
        give(inquiry, HAZARD_B8);
    else
        give(inquiry, door->opener >= 0 ? HAZARD_B6 : HAZARD_B5);
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " was pending on epoll fd %d when", inquiry->ctl.epfd);
    say_step(inquiry, " the", (unsigned)door->closer);
    text_append(&inquiry->text, " took the number from its instance. ");
    say_fate_of_number(inquiry, door, inquiry->ctl.epfd, "instance");
    say_consequence(inquiry);
    return true;
}

/* Of two copies of a list the second to be carried out shows: it fails, or brings back what was
 * over. */
static bool culprit_is_repeated(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    if (inquiry->again || inquiry->story->witnessed)
        return inquiry->again;
    if (inquiry->observed == CLASS_ERRNO_PHANTOM)
        return inquiry->subject_err == EEXIST || inquiry->subject_err == ENOENT;
    if (inquiry->victim >= 0 &&
        story_process(story, (unsigned)inquiry->victim) != inquiry->ctl.process)
        return true;
    bool by_another = inquiry->carried >= 0 && inquiry->carried < (int)inquiry->step &&
                      story_process(story, (unsigned)inquiry->carried) != inquiry->ctl.process;
    return by_another && culprit_shows_itself(inquiry);
}

/*
 * F1: pending at a fork by its own thread, and then done in both processes or seen undone in the
 * other. A10: the same with a fork by another thread, whose child has no part in the list.
 */
bool explain_fork(struct inquiry *inquiry)
{
    if (!culprit_is_late(inquiry) || inquiry->fork < 0)
        return false;
    unsigned culprit = (unsigned)inquiry->culprit;
    bool elsewhere = story_process(inquiry->story, inquiry->observer) != inquiry->ctl.process;
    bool repeated = culprit_is_repeated(inquiry);
    if (!elsewhere && !repeated)
        return false;
    unsigned fork = (unsigned)inquiry->fork;
    bool own = inquiry_step(inquiry, fork)->actor == inquiry->ctl.actor;
    give(inquiry, own ? HAZARD_F1 : HAZARD_A10);
    if (own)
        inquiry->verdict->class = CLASS_PROCESS;
    say_step(inquiry, "The", culprit);
    text_append(&inquiry->text, " was pending at ");
    say_step(inquiry, "the", fork);
    if (!own)
        text_append(&inquiry->text, " by %s, whose child has no part in %s's pending operations",
                    inquiry_actor(inquiry, fork), inquiry_actor(inquiry, culprit));
    else if (repeated)
        text_append(&inquiry->text, ", and both processes carried it out on the shared instance");
    else
        text_append(&inquiry->text, ", and only one of the processes knows of it");
    say_consequence(inquiry);
    return true;
}

/* A10: the instance is shared with a process that looks while the operation is pending. */
bool explain_process(struct inquiry *inquiry)
{
    if (!culprit_is_unseen(inquiry) ||
        story_process(inquiry->story, inquiry->observer) == inquiry->ctl.process)
        return false;
    give(inquiry, HAZARD_A10);
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " by %s is pending in its process, and %s shares the instance",
                inquiry_actor(inquiry, (unsigned)inquiry->culprit),
                inquiry_actor(inquiry, inquiry->observer));
    say_consequence(inquiry);
    return true;
}

/* True if the instance of the ctl is nested in another under the number that the ctl used for it.
 */
static bool nested_by_own_number(const struct inquiry *inquiry)
{
    const struct world *world = story_world(inquiry->story, NATIVE, inquiry->step);

    for (unsigned i = 0; i < world->nitems; i++) {
        const struct world_item *item = &world->items[i];
        if (item->live && item->number == inquiry->ctl.epfd &&
            story_process(inquiry->story, (unsigned)item->added) == inquiry->ctl.process &&
            file_key_equal(story_file(world, item->file), inquiry->ctl.instance))
            return true;
    }
    return false;
}

/* How the observer comes to the instance of the culprit. */
enum road {
    ROAD_DIRECT, /* a wait or ctl by the number that the culprit used */
    ROAD_POLL,   /* poll or select on the epoll fd */
    ROAD_NUMBER, /* another number of the same instance */
    ROAD_OUTER,  /* a wait on an instance that it is nested in */
};

static enum road find_road(const struct inquiry *inquiry)
{
    const struct step *step = observation(inquiry);
    enum op_effect effect = op_table[step->op].effect;

    /* Where another operation is the victim, it is that one which came to the instance. */
    bool by_victim = inquiry->victim >= 0;
    unsigned seen = by_victim ? (unsigned)inquiry->victim : inquiry->observer;
    if (inquiry->flush_failed && !by_victim)
        return ROAD_DIRECT;
    if (!by_victim && effect == EFFECT_POLL)
        return ROAD_POLL;
    if (!by_victim && effect != EFFECT_WAIT && effect != EFFECT_CTL)
        return ROAD_DIRECT;
    const struct world *world = story_world(inquiry->story, NATIVE, seen);
    int file = world_file_of_arg(world, inquiry_step(inquiry, seen), 0);
    if (file_key_equal(story_file(world, file), inquiry->ctl.instance))
        return world_number(world, inquiry_step(inquiry, seen), 0) == inquiry->ctl.epfd
                   ? ROAD_DIRECT
                   : ROAD_NUMBER;
    /* A ctl looks at the list that it changes, no further. */
    return effect == EFFECT_WAIT && !by_victim ? ROAD_OUTER : ROAD_DIRECT;
}

/* A7, A8: the observer looks at the instance by another road than the number that the ctl used. */
bool explain_indirect(struct inquiry *inquiry)
{
    bool by_victim = inquiry->victim >= 0;
    if (by_victim ? !culprit_is_late(inquiry) : !culprit_is_unseen(inquiry))
        return false;
    enum road road = find_road(inquiry);
    if (road == ROAD_DIRECT)
        return false;
    /* Nested by a duplicate: the layer cannot know by the number that the instance is an inner one.
     */
    bool inner = road == ROAD_OUTER && observation(inquiry)->actor == inquiry->ctl.actor &&
                 nested_by_own_number(inquiry);
    give(inquiry, inner ? HAZARD_A8 : HAZARD_A7);
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    if (road == ROAD_POLL) {
        text_append(&inquiry->text,
                    " is pending while its instance is looked at by other means than a wait");
    } else if (road == ROAD_NUMBER) {
        text_append(&inquiry->text,
                    " on epoll fd %d is pending while its instance is used by another number",
                    inquiry->ctl.epfd);
        if (by_victim)
            say_step(inquiry, " in the", (unsigned)inquiry->victim);
    } else {
        text_append(&inquiry->text,
                    " is pending on an inner instance while %s waits on an outer one",
                    inquiry_actor(inquiry, inquiry->observer));
        if (!nested_by_own_number(inquiry))
            text_append(&inquiry->text,
                        ", where it was put by another process or by another number than %d",
                        inquiry->ctl.epfd);
    }
    say_consequence(inquiry);
    return true;
}

/* The call other than a wait in which the culprit's thread is asleep, or INQUIRY_NONE. */
static int find_sleep(const struct inquiry *inquiry)
{
    const struct trace *trace = inquiry->story->traces[SUBJECT];

    for (unsigned k = (unsigned)inquiry->culprit + 1; k <= inquiry->step; k++) {
        const struct step *step = inquiry_step(inquiry, k);
        const struct trace_step *done = &trace->steps[k];
        if (step->actor == inquiry->ctl.actor && op_table[step->op].effect != EFFECT_WAIT &&
            done->blocked &&
            (done->completed_at == TRACE_NEVER || done->completed_at > (int)inquiry->step))
            return (int)k;
    }
    return INQUIRY_NONE;
}

/* A1, A2, A3, A4: another thread waits on the instance while the operation is pending. */
bool explain_thread(struct inquiry *inquiry)
{
    if (!culprit_is_unseen(inquiry) || observation(inquiry)->actor == inquiry->ctl.actor ||
        story_process(inquiry->story, inquiry->observer) != inquiry->ctl.process)
        return false;
    const char *what = "is not registered yet";
    enum hazard hazard = HAZARD_A1;
    if (inquiry->ctl.op == EPOLL_CTL_DEL) {
        hazard = HAZARD_A3;
        what = "is still registered";
    } else if (inquiry->ctl.op == EPOLL_CTL_MOD) {
        hazard = HAZARD_A4;
        what = "is still registered as before";
    }
    int sleep = hazard == HAZARD_A1 ? find_sleep(inquiry) : INQUIRY_NONE;
    give(inquiry, sleep >= 0 ? HAZARD_A2 : hazard);
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " is pending in thread %s",
                inquiry_actor(inquiry, (unsigned)inquiry->culprit));
    if (sleep >= 0)
        say_step(inquiry, ", which sleeps in the", (unsigned)sleep);
    say_file(inquiry, ": the", inquiry->ctl.file);
    text_append(&inquiry->text, " %s when thread %s looks", what,
                inquiry_actor(inquiry, inquiry->observer));
    say_consequence(inquiry);
    return true;
}

/* The kernel lists the same registrations on both sides when the step is over. */
static bool lists_agree(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    const struct trace_snapshot *native =
        story_list(story, NATIVE, inquiry->step, inquiry->ctl.instance);
    const struct trace_snapshot *subject =
        story_list(story, SUBJECT, inquiry->step, inquiry->ctl.instance);
    if (native == NULL || subject == NULL || native->nitems != subject->nitems)
        return false;
    for (unsigned i = 0; i < native->nitems; i++) {
        const struct trace_item *a = &story->traces[NATIVE]->items[native->first + i];
        const struct trace_item *b = &story->traces[SUBJECT]->items[subject->first + i];
        if (a->number != b->number || a->data != b->data)
            return false;
    }
    return true;
}

/* A later call that the kernel got before the culprit, on another instance. Or INQUIRY_NONE. */
static int find_overtaker(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    int own = deeds_find(story, (unsigned)inquiry->culprit);
    for (unsigned i = 0; i < story->ndeeds && (own < 0 || (int)i < own); i++) {
        const struct deed *deed = &story->deeds[i];
        /* Where the culprit never came, its victim is the one that did in its place. */
        bool met = own >= 0 ? deed->err == 0 : deed->ctl == inquiry->victim;
        if (met && deed->ctl > inquiry->culprit &&
            !file_key_equal(deed->instance, inquiry->ctl.instance))
            return deed->ctl;
    }
    return INQUIRY_NONE;
}

/* D10: the kernel got the thread's operations on several instances in another order than they were
 * called in. */
bool explain_overtaken(struct inquiry *inquiry)
{
    if (!culprit_is_late(inquiry) || !inquiry->story->witnessed || !inquiry->flush_failed ||
        inquiry->subject_err != ELOOP)
        return false;
    int overtaker = find_overtaker(inquiry);
    if (overtaker < 0)
        return false;
    give(inquiry, HAZARD_D10);
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " had not reached the kernel when");
    say_step(inquiry, " the", (unsigned)overtaker);
    text_append(&inquiry->text, " on another instance did, and so the instances close a loop");
    say_consequence(inquiry);
    return true;
}

/*
 * D10 within one instance: a later call, by another number of it, has registered the file already.
 * The subject takes the kernel's EEXIST or ENOENT for an invitation to do something else, and that
 * fails in its own way.
 */
bool explain_failed_repair(struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;

    if (!inquiry->flush_failed || !story->witnessed || inquiry->culprit < 0)
        return false;
    int failed =
        deeds_find_failure(story, inquiry->step, inquiry_step(inquiry, inquiry->observer)->actor,
                           inquiry->subject_err);
    if (failed < 0 || !story->deeds[failed].repaired ||
        story->deeds[failed].ctl != inquiry->culprit)
        return false;
    const struct deed *own = &story->deeds[failed];
    for (int i = 0; i < failed; i++) {
        const struct deed *deed = &story->deeds[i];
        if (deed->err != 0 || deed->ctl <= inquiry->culprit || deed->number != own->number ||
            !file_key_equal(deed->instance, own->instance) ||
            !file_key_equal(deed->file, own->file))
            continue;
        give(inquiry, HAZARD_D10);
        say_step(inquiry, "The", (unsigned)inquiry->culprit);
        text_append(&inquiry->text, " had not reached the kernel when");
        say_step(inquiry, " the", (unsigned)deed->ctl);
        text_append(&inquiry->text, " by another number of the instance did; it is then carried out"
                                    " as another operation, which the kernel refuses");
        say_consequence(inquiry);
        return true;
    }
    return false;
}

static bool is_exclusive(const struct inquiry *inquiry, unsigned step)
{
    int64_t events = inquiry_step(inquiry, step)->args[3];

    return step_is_ctl_op(inquiry_step(inquiry, step), EPOLL_CTL_ADD) && events >= 0 &&
           ((uint32_t)events & EPOLLEXCLUSIVE) && story_succeeded(inquiry->story, NATIVE, step);
}

/*
 * Two exclusive registrations of one file in two instances which the kernel got in the other order.
 * *ret_late is the one that should have been first.
 */
static bool find_overtaken(const struct inquiry *inquiry, unsigned *ret_late, unsigned *ret_early)
{
    const struct story *story = inquiry->story;

    for (unsigned a = 0; a <= inquiry->step; a++) {
        for (unsigned b = a + 1; b <= inquiry->step; b++) {
            struct ctl first, second;
            if (!is_exclusive(inquiry, a) || !is_exclusive(inquiry, b))
                continue;
            story_read_ctl(story, a, &first);
            story_read_ctl(story, b, &second);
            int late = deeds_find(story, a);
            int early = deeds_find(story, b);
            if (!file_key_equal(first.file, second.file) ||
                file_key_equal(first.instance, second.instance) || early < 0 ||
                (late >= 0 && late < early))
                continue;
            *ret_late = a;
            *ret_early = b;
            return true;
        }
    }
    return false;
}

/* A13: of two instances that watch a file exclusively, the one registered first is woken. */
bool explain_exclusive(struct inquiry *inquiry)
{
    unsigned late, early;

    if (!inquiry->story->witnessed || inquiry->flush_failed || inquiry->subject_err != 0 ||
        inquiry->difference->kind == DIFFERENCE_LIST || !find_overtaken(inquiry, &late, &early))
        return false;
    enum op_effect effect = op_table[observation(inquiry)->op].effect;
    if (effect != EFFECT_WAIT && effect != EFFECT_POLL)
        return false;
    inquiry->culprit = (int)late;
    give(inquiry, HAZARD_A13);
    say_step(inquiry, "The", late);
    text_append(&inquiry->text, " reached the kernel behind");
    say_step(inquiry, " the", early);
    text_append(&inquiry->text,
                ": both watch one file with EPOLLEXCLUSIVE, and their order decides which instance "
                "a wakeup goes to");
    say_consequence(inquiry);
    return true;
}

/* The culprit's target is a signalfd: who calls its poll method decides what it is ready for. */
static bool target_asks_who_polls(const struct inquiry *inquiry)
{
    const struct world *world = story_world(inquiry->story, NATIVE, (unsigned)inquiry->culprit);
    int file = world_file_of_arg(world, inquiry_step(inquiry, (unsigned)inquiry->culprit), 2);

    return inquiry->late && file != WORLD_FILE_NONE && world->files[file].kind == FILE_SIGNALFD;
}

/* The setsockopt that changed the target's readiness while the culprit was pending, or
 * INQUIRY_NONE: it wakes nobody. */
static int find_silent_change(const struct inquiry *inquiry)
{
    for (unsigned k = (unsigned)inquiry->culprit + 1; inquiry->late && k < inquiry->step; k++) {
        const struct step *step = inquiry_step(inquiry, k);
        const struct world *world = story_world(inquiry->story, NATIVE, k);
        if (step->op == OP_SETSOCKOPT &&
            file_key_equal(story_file(world, world_file_of_arg(world, step, 0)), inquiry->ctl.file))
            return (int)k;
    }
    return INQUIRY_NONE;
}

/* E2, E4, E5, E14, E15: the lists agree, so it is what the registration's mode makes of the time at
 * which it came. */
bool explain_readiness(struct inquiry *inquiry)
{
    if (inquiry->culprit < 0 || inquiry->flush_failed || inquiry->astray || !lists_agree(inquiry))
        return false;
    const char *why;
    if (inquiry->ctl.events & EPOLLET) {
        give(inquiry, HAZARD_E2);
        why = "edge-triggered: the edge came at another time than natively or was used up";
    } else if (inquiry->ctl.events & EPOLLONESHOT) {
        give(inquiry, HAZARD_E4);
        why = "one-shot: it was armed at another time than natively";
    } else if (inquiry->ctl.events & EPOLLEXCLUSIVE) {
        give(inquiry, HAZARD_E5);
        why = "exclusive: the order of registrations decides who is woken";
    } else if (target_asks_who_polls(inquiry)) {
        give(inquiry, HAZARD_E14);
        why = "of a signalfd: it came by another thread, or at another time, than natively";
    } else if (find_silent_change(inquiry) >= 0) {
        give(inquiry, HAZARD_E15);
        inquiry->cited[find_silent_change(inquiry)] = true;
        why = "of a socket whose readiness an option changed in between, without a wakeup";
    } else {
        return false;
    }
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " is in the kernel's list on both sides, but it is %s", why);
    say_consequence(inquiry);
    return true;
}
