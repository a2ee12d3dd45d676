#include "oracle/story.h"

#include "oracle/deeds.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>

static const struct file_key no_file = {.born = -2, .out = 0};

static bool trace_has_evidence(const struct trace *trace)
{
    for (unsigned i = 0; i < trace->nsnapshots; i++) {
        if (trace->snapshots[i].evidence)
            return true;
    }
    return false;
}

void story_init(struct story *ret_story, const struct trace *native, const struct trace *subject,
                const struct judge_options *options)
{
    assert(native->nsteps == subject->nsteps);
    *ret_story =
        (struct story){.traces = {native, subject}, .program = native->program, .options = options};
}

void story_free(struct story *story)
{
    free(story->deeds);
    story->deeds = NULL;
    story->ndeeds = 0;
    for (int side = 0; side < SIDES; side++) {
        free(story->worlds[side]);
        free(story->first_snapshot[side]);
        story->worlds[side] = NULL;
        story->first_snapshot[side] = NULL;
    }
}

static void replay_step(const struct trace *trace, unsigned step, struct world *world)
{
    struct world_outcome outcome;

    trace_outcome(trace, step, &outcome);
    world_apply(world, step, &outcome);
}

/* What step k did to others: handlers that it had run, threads that a cancellation ended. */
static void replay_others(const struct trace *trace, unsigned k, struct world *world)
{
    for (unsigned i = 0; i <= k; i++) {
        if (trace->steps[i].handled_at == (int)k)
            world_apply_handler(world, i, trace->steps[i].handler_ret);
    }
    for (unsigned a = 0; a < trace->program->nactors; a++) {
        if (trace->cancelled_at[a] == (int)k)
            world_end_thread(world, a);
    }
}

static void replay_side(struct story *story, enum side side)
{
    const struct trace *trace = story->traces[side];
    struct world *worlds = story->worlds[side];
    world_init(&worlds[0], story->program);
    for (unsigned k = 0; k < trace->nsteps; k++) {
        const struct trace_step *done = &trace->steps[k];
        worlds[k + 1] = worlds[k];
        /* A step that was skipped or never reached did nothing, not even an exit. One that slept
         * (an accept4, a recvmsg) made its descriptor when it came back. */
        if (done->state == STEP_DIED || (done->state == STEP_DONE && done->completed_at == (int)k))
            replay_step(trace, k, &worlds[k + 1]);
        for (unsigned slept = 0; slept < k; slept++) {
            if (trace->steps[slept].state == STEP_DONE &&
                trace->steps[slept].completed_at == (int)k)
                replay_step(trace, slept, &worlds[k + 1]);
        }
        replay_others(trace, k, &worlds[k + 1]);
    }
}

static void index_snapshots(struct story *story, enum side side)
{
    const struct trace *trace = story->traces[side];
    unsigned next = 0;
    for (unsigned k = 0; k <= trace->nsteps; k++) {
        while (next < trace->nsnapshots && trace->snapshots[next].step < (int)k)
            next++;
        story->first_snapshot[side][k] = (uint16_t)next;
    }
}

bool story_replay(struct story *story)
{
    if (story->worlds[NATIVE] != NULL)
        return true;
    size_t count = (size_t)story->program->nsteps + 1;
    for (int side = 0; side < SIDES; side++) {
        story->worlds[side] = malloc(count * sizeof(struct world));
        story->first_snapshot[side] = malloc(count * sizeof(uint16_t));
        if (story->worlds[side] == NULL || story->first_snapshot[side] == NULL) {
            story_free(story);
            return false;
        }
    }
    for (int side = 0; side < SIDES; side++) {
        replay_side(story, (enum side)side);
        index_snapshots(story, (enum side)side);
    }
    story->evidence =
        trace_has_evidence(story->traces[NATIVE]) && trace_has_evidence(story->traces[SUBJECT]);
    if (story->evidence)
        deeds_collect(story);
    return true;
}

const struct world *story_world(const struct story *story, enum side side, unsigned step)
{
    assert(story->worlds[side] != NULL);
    assert(step <= story->program->nsteps);
    return &story->worlds[side][step];
}

int story_fd_arg(const struct step *step)
{
    const struct op_info *op = &op_table[step->op];
    return op->effect == EFFECT_CTL ? 0 : op_fd_arg(op);
}

unsigned story_process(const struct story *story, unsigned step)
{
    return story->program->actors[story->program->steps[step].actor].process;
}

struct file_key story_file(const struct world *world, int file)
{
    if (file == WORLD_FILE_NONE)
        return no_file;
    return (struct file_key){.born = world->files[file].born, .out = world->files[file].out};
}

struct file_key story_file_of(const struct world *world, unsigned actor, int number)
{
    return story_file(world, world_file_of(world, actor, number));
}

bool file_key_equal(struct file_key a, struct file_key b)
{
    return a.born == b.born && a.out == b.out;
}

bool file_key_none(struct file_key key)
{
    return key.born == no_file.born;
}

bool step_is_ctl(const struct step *step)
{
    return op_table[step->op].effect == EFFECT_CTL;
}

bool step_is_ctl_op(const struct step *step, int op)
{
    return step_is_ctl(step) && step->args[1] == op;
}

bool story_succeeded(const struct story *story, enum side side, unsigned step)
{
    const struct trace_step *done = &story->traces[side]->steps[step];
    return done->state == STEP_DONE && done->ret != -1;
}

void story_read_ctl(const struct story *story, unsigned step, struct ctl *ret_ctl)
{
    const struct step *call = &story->program->steps[step];
    const struct world *world = story_world(story, NATIVE, step);
    assert(step_is_ctl(call));
    unsigned process = story_process(story, step);
    int epfd = world_number(world, call, 0);
    int number = world_number(world, call, 2);
    *ret_ctl = (struct ctl){
        .op = (int)call->args[1],
        .actor = call->actor,
        .process = process,
        .epfd = epfd,
        .number = number,
        .instance = story_file_of(world, call->actor, epfd),
        .file = story_file_of(world, call->actor, number),
        .events = call->args[3] < 0 ? 0 : (uint32_t)call->args[3],
    };
}

static bool snapshot_in_step(const struct story *story, enum side side, unsigned index,
                             unsigned step)
{
    const struct trace *trace = story->traces[side];
    return index < trace->nsnapshots && trace->snapshots[index].step == (int)step;
}

static struct file_key snapshot_instance(const struct story *story, enum side side,
                                         const struct trace_snapshot *snapshot)
{
    const struct world *world = story_world(story, side, (unsigned)snapshot->step + 1);
    return story_file_of(world, snapshot->process, snapshot->number);
}

const struct trace_snapshot *story_list(const struct story *story, enum side side, unsigned step,
                                        struct file_key instance)
{
    unsigned index = story->first_snapshot[side][step];
    for (; snapshot_in_step(story, side, index, step); index++) {
        const struct trace_snapshot *snapshot = &story->traces[side]->snapshots[index];
        if (file_key_equal(snapshot_instance(story, side, snapshot), instance))
            return snapshot;
    }
    return NULL;
}

static const struct trace_item *find_data(const struct trace *trace,
                                          const struct trace_snapshot *snapshot, uint64_t data)
{
    for (unsigned i = 0; i < snapshot->nitems; i++) {
        const struct trace_item *item = &trace->items[snapshot->first + i];
        if (item->data == data)
            return item;
    }
    return NULL;
}

const struct trace_item *story_listed(const struct story *story, enum side side, unsigned step,
                                      uint64_t data, struct file_key *ret_instance)
{
    const struct trace *trace = story->traces[side];
    unsigned index = story->first_snapshot[side][step];
    for (; snapshot_in_step(story, side, index, step); index++) {
        const struct trace_item *item = find_data(trace, &trace->snapshots[index], data);
        if (item == NULL)
            continue;
        if (ret_instance != NULL)
            *ret_instance = snapshot_instance(story, side, &trace->snapshots[index]);
        return item;
    }
    return NULL;
}

int story_native_registration(const struct story *story, unsigned step, const struct ctl *ctl,
                              int *ret_added)
{
    const struct world *world = story_world(story, NATIVE, step);
    for (unsigned i = 0; i < world->nitems; i++) {
        const struct world_item *item = &world->items[i];
        if (!item->live || item->number != ctl->number ||
            !file_key_equal(story_file(world, item->instance), ctl->instance) ||
            !file_key_equal(story_file(world, item->file), ctl->file))
            continue;
        if (ret_added != NULL)
            *ret_added = item->added;
        return item->registered;
    }
    return -1;
}

static bool file_is_dead(const struct world *world, struct file_key key)
{
    for (unsigned i = 0; i < world->nfiles; i++) {
        if (file_key_equal(story_file(world, (int)i), key))
            return world->files[i].refs == 0;
    }
    return true;
}

/* True if the subject lists one of the registrations that a DEL meant: the ADD and every MOD up to
 * it. */
static bool meant_is_listed(const struct story *story, unsigned k, const struct ctl *del, int added,
                            int registered)
{
    for (int meant = added; meant <= registered; meant++) {
        if (!step_is_ctl(&story->program->steps[meant]))
            continue;
        struct ctl ctl;
        story_read_ctl(story, (unsigned)meant, &ctl);
        if (ctl.number == del->number && file_key_equal(ctl.file, del->file) &&
            story_listed(story, SUBJECT, k, step_number((unsigned)meant), NULL) != NULL)
            return true;
    }
    return false;
}

/* A DEL is done when what it meant was listed and is no more. */
static int carried_del(const struct story *story, unsigned step)
{
    struct ctl ctl;
    story_read_ctl(story, step, &ctl);
    int added;
    int registered = story_native_registration(story, step, &ctl, &added);
    if (registered < 0)
        return STORY_UNKNOWN;
    bool was_listed = false;
    for (unsigned k = (unsigned)added; k < story->program->nsteps; k++) {
        if (story_list(story, SUBJECT, k, ctl.instance) == NULL)
            continue;
        /* A file that died took its registrations along: that shows nothing of the DEL. */
        if (file_is_dead(story_world(story, SUBJECT, k + 1), ctl.file))
            return STORY_NEVER;
        bool listed = meant_is_listed(story, k, &ctl, added, registered);
        if (was_listed && !listed && k >= step)
            return (int)k;
        was_listed = was_listed || listed;
    }
    return STORY_NEVER;
}

int story_carried(const struct story *story, unsigned step)
{
    assert(step_is_ctl(&story->program->steps[step]));
    if (!story->evidence)
        return STORY_UNKNOWN;
    if (story->witnessed) {
        int deed = deeds_find(story, step);
        return deed >= 0 ? (int)story->deeds[deed].step : STORY_NEVER;
    }
    if (step_is_ctl_op(&story->program->steps[step], EPOLL_CTL_DEL))
        return carried_del(story, step);
    for (unsigned k = step; k < story->program->nsteps; k++) {
        if (story_listed(story, SUBJECT, k, step_number(step), NULL) != NULL)
            return (int)k;
    }
    return STORY_NEVER;
}

/* True if `process` came out of forks of `ancestor`. */
static bool descends_from(const struct program *program, unsigned process, unsigned ancestor)
{
    while (process != ancestor && process != 0)
        process = program->actors[program->actors[process].parent].process;
    return process == ancestor;
}

struct file_key story_landed(const struct story *story, unsigned step, int carried)
{
    struct ctl ctl;
    story_read_ctl(story, step, &ctl);
    if (story->witnessed) {
        int deed = deeds_find(story, step);
        return deed >= 0 ? story->deeds[deed].file : ctl.file;
    }
    if (carried <= (int)step)
        return ctl.file;
    unsigned process = story_process(story, (unsigned)carried);
    if (!descends_from(story->program, process, ctl.process))
        process = ctl.process;
    const struct world *before = story_world(story, SUBJECT, (unsigned)carried);
    const struct world *after = story_world(story, SUBJECT, (unsigned)carried + 1);
    struct file_key file = story_file_of(before, process, ctl.number);
    /* A flush belongs before the call that it precedes. Only if that call took the number away and
     * the file with it can the registration, which is still listed, be that of the number's next
     * file. */
    int index = world_file_of(before, process, ctl.number);
    if (file_key_none(file) || after->files[index].refs == 0)
        return story_file_of(after, process, ctl.number);
    return file;
}

static int find_registration(const struct world *world, unsigned step)
{
    for (unsigned i = 0; i < world->nitems; i++) {
        if (world->items[i].live && world->items[i].registered == (int)step)
            return (int)i;
    }
    return -1;
}

bool story_registered(const struct story *story, unsigned step)
{
    return find_registration(story_world(story, NATIVE, step + 1), step) >= 0;
}

int story_ended(const struct story *story, unsigned step, unsigned until)
{
    int item = find_registration(story_world(story, NATIVE, step + 1), step);
    if (item < 0)
        return STORY_NEVER;
    for (unsigned k = step + 1; k <= until; k++) {
        const struct world_item *now = &story_world(story, NATIVE, k + 1)->items[item];
        if (!now->live || now->registered != (int)step)
            return (int)k;
    }
    return STORY_NEVER;
}

bool story_relisted(const struct story *story, unsigned step, unsigned until)
{
    bool was_listed = false;
    bool was_gone = false;
    bool listed = false;
    if (story->witnessed)
        return deeds_repeated(story, step, until);
    for (unsigned k = step; k <= until; k++) {
        listed = story_listed(story, SUBJECT, k, step_number(step), NULL) != NULL;
        was_gone = was_gone || (was_listed && !listed);
        was_listed = was_listed || listed;
    }
    return was_gone && listed;
}
