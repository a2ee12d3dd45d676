/* Schedules by priority change points. */
#include "fuzz/generate/schedule.h"

#include <assert.h>

void schedule_draw(struct schedule *ret_schedule, unsigned depth, unsigned length,
                   struct random *random)
{
    struct schedule schedule = {.depth = depth, .length = length};

    assert(depth >= 1 && depth <= SCHEDULE_DEPTH_MAX && length >= 1);
    for (unsigned i = 0; i + 1 < depth; i++)
        schedule.changes[i] = 1 + random_below(random, length);
    /* A random order of all actors that there can be: among those that are born, each order is as
     * likely as any other. */
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        unsigned at = random_below(random, i + 1);
        schedule.priorities[i] = schedule.priorities[at];
        schedule.priorities[at] = depth + 1 + i;
    }
    *ret_schedule = schedule;
}

/* The change that comes first of those due before step `number`, or -1. They come in the order of
 * their steps, which is not that of their indices. */
static int change_due(const struct schedule *schedule, unsigned number)
{
    int due = -1;

    for (unsigned i = 0; i + 1 < schedule->depth; i++) {
        if (!schedule->passed[i] && schedule->changes[i] <= number &&
            (due < 0 || schedule->changes[i] < schedule->changes[due]))
            due = (int)i;
    }
    return due;
}

bool schedule_changes(const struct schedule *schedule, unsigned number)
{
    return change_due(schedule, number) >= 0;
}

void schedule_pass(struct schedule *schedule, unsigned number, unsigned actor)
{
    int due = change_due(schedule, number);

    assert(due >= 0);
    schedule->passed[due] = true;
    schedule->priorities[actor] = (unsigned)due + 1;
}

static int highest(const struct schedule *schedule, uint32_t able)
{
    int best = -1;

    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        if (((able >> i) & 1) != 0 &&
            (best < 0 || schedule->priorities[i] > schedule->priorities[best]))
            best = (int)i;
    }
    return best;
}

int schedule_next(struct schedule *schedule, unsigned number, uint32_t able)
{
    int actor = highest(schedule, able);

    /* Two changes before one step: the second befalls who would act after the first. */
    while (actor >= 0 && schedule_changes(schedule, number)) {
        schedule_pass(schedule, number, (unsigned)actor);
        actor = highest(schedule, able);
    }
    return actor;
}
