/* What the witness saw, traced back to the steps that called for it. */
#include "oracle/deeds.h"

#include <stdlib.h>
#include <sys/epoll.h>

/* True if `process` is `ancestor` or came out of forks of it. */
static bool descends_from(const struct program *program, unsigned process, unsigned ancestor)
{
    while (process != ancestor && process != 0)
        process = program->actors[program->actors[process].parent].process;
    return process == ancestor;
}

static bool has_deed(const struct story *story, unsigned count, unsigned ctl)
{
    for (unsigned i = 0; i < count; i++) {
        if (story->deeds[i].ctl == (int)ctl)
            return true;
    }
    return false;
}

/* True if the step called for this operation on these numbers, and its list can have come to the
 * deed's process. */
static bool calls_for(const struct story *story, unsigned ctl, const struct deed *deed)
{
    const struct step *step = &story->program->steps[ctl];
    const struct world *world = story_world(story, SUBJECT, ctl);

    return step_is_ctl_op(step, deed->op) && world_number(world, step, 0) == deed->epfd &&
           world_number(world, step, 2) == deed->number &&
           descends_from(story->program, deed->process, story_process(story, ctl));
}

/*
 * The step of a deed that carries no data. Within one flush the order is that of the calls, so it
 * comes behind the step of the deed before; a call that was not carried out yet comes before one
 * that was, the actor's own before another's.
 */
static int match_by_numbers(const struct story *story, unsigned count, const struct deed *deed)
{
    int after = DEED_NONE;
    int other = DEED_NONE;
    int repeated = DEED_NONE;

    if (count > 0 && story->deeds[count - 1].step == deed->step &&
        story->deeds[count - 1].actor == deed->actor)
        after = story->deeds[count - 1].ctl;
    for (unsigned k = 0; k <= deed->step; k++) {
        if (!calls_for(story, k, deed))
            continue;
        if (has_deed(story, count, k)) {
            repeated = (int)k;
            continue;
        }
        if ((int)k > after && story->program->steps[k].actor == deed->actor)
            return (int)k;
        if (other < 0)
            other = (int)k;
    }
    return other >= 0 ? other : repeated;
}

/* The tgkill whose handler made the call: no step of a ctl, and none shall be taken for it. */
static bool by_handler(const struct story *story, uint64_t data)
{
    return data >= 1 && data <= story->program->nsteps &&
           op_table[story->program->steps[data - 1].op].effect == EFFECT_SIGNAL;
}

static int match(const struct story *story, unsigned count, const struct trace_carried *carried,
                 const struct deed *deed)
{
    if (carried->data >= 1 && carried->data <= story->program->nsteps &&
        step_is_ctl(&story->program->steps[carried->data - 1]))
        return (int)carried->data - 1;
    return by_handler(story, carried->data) ? DEED_NONE : match_by_numbers(story, count, deed);
}

static struct deed read_deed(const struct story *story, unsigned count,
                             const struct trace_carried *carried)
{
    /* A flush stands before what the call does that makes it. */
    const struct world *world = story_world(story, SUBJECT, (unsigned)carried->step);
    struct deed deed = {.step = (unsigned)carried->step,
                        .actor = carried->actor,
                        .op = carried->op,
                        .epfd = carried->epfd,
                        .number = carried->number,
                        .err = carried->err};

    if (carried->actor != TRACE_ACTOR_UNKNOWN)
        deed.process = story->program->actors[carried->actor].process;
    deed.ctl = match(story, count, carried, &deed);
    if (carried->actor == TRACE_ACTOR_UNKNOWN && deed.ctl >= 0)
        deed.process = story_process(story, (unsigned)deed.ctl);
    /* By the table of who made it, or of who called for it. */
    unsigned actor = deed.process;
    if (carried->actor != TRACE_ACTOR_UNKNOWN)
        actor = carried->actor;
    else if (deed.ctl >= 0)
        actor = story->program->steps[deed.ctl].actor;
    deed.instance = story_file_of(world, actor, deed.epfd);
    deed.file = story_file_of(world, actor, deed.number);
    if (deed.ctl < 0)
        return deed;
    deed.repaired = !step_is_ctl_op(&story->program->steps[deed.ctl], deed.op);
    deed.again = !deed.repaired && has_deed(story, count, (unsigned)deed.ctl);
    return deed;
}

/* Every registration that the subject's kernel lists must have come by a deed. */
static bool deeds_explain_lists(const struct story *story)
{
    const struct trace *trace = story->traces[SUBJECT];

    for (unsigned i = 0; i < trace->nitems; i++) {
        uint64_t data = trace->items[i].data;
        if (by_handler(story, data))
            continue;
        if (data < 1 || data > story->program->nsteps ||
            !has_deed(story, story->ndeeds, (unsigned)data - 1))
            return false;
    }
    /* A native run without one had no witness at all. */
    return story->traces[NATIVE]->ncarried > 0 && trace->ncarried < TRACE_CARRIED_MAX;
}

void deeds_collect(struct story *story)
{
    const struct trace *trace = story->traces[SUBJECT];

    story->deeds = calloc((size_t)trace->ncarried + 1, sizeof(*story->deeds));
    if (story->deeds == NULL)
        return;
    for (unsigned i = 0; i < trace->ncarried; i++) {
        const struct trace_carried *carried = &trace->carried[i];
        if (carried->step < 0 || carried->step >= (int)story->program->nsteps)
            return;
        story->deeds[i] = read_deed(story, i, carried);
        story->ndeeds = i + 1;
    }
    story->witnessed = story->evidence && deeds_explain_lists(story);
}

int deeds_find(const struct story *story, unsigned ctl)
{
    for (unsigned i = 0; i < story->ndeeds; i++) {
        if (story->deeds[i].ctl == (int)ctl)
            return (int)i;
    }
    return DEED_NONE;
}

int deeds_find_last(const struct story *story, unsigned ctl, unsigned until)
{
    int found = DEED_NONE;

    for (unsigned i = 0; i < story->ndeeds && story->deeds[i].step <= until; i++) {
        if (story->deeds[i].ctl == (int)ctl)
            found = (int)i;
    }
    return found;
}

bool deeds_repeated(const struct story *story, unsigned ctl, unsigned until)
{
    for (unsigned i = 0; i < story->ndeeds && story->deeds[i].step <= until; i++) {
        if (story->deeds[i].ctl == (int)ctl && story->deeds[i].again)
            return true;
    }
    return false;
}

int deeds_find_failure(const struct story *story, unsigned step, unsigned actor, int err)
{
    for (unsigned i = story->ndeeds; i-- > 0;) {
        const struct deed *deed = &story->deeds[i];
        if (deed->step == step && deed->actor == actor && deed->err == err)
            return (int)i;
    }
    return DEED_NONE;
}

int deeds_last_change(const struct story *story, unsigned before, struct file_key instance,
                      int number, struct file_key file)
{
    for (unsigned i = before; i-- > 0;) {
        const struct deed *deed = &story->deeds[i];
        if (deed->err == 0 && deed->number == number && file_key_equal(deed->instance, instance) &&
            file_key_equal(deed->file, file))
            return (int)i;
    }
    return DEED_NONE;
}
