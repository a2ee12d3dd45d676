/* Features of a pair of runs: walked along the native one, with the witness's word on what the
 * subject carried out when. */
#include "fuzz/guide/features.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum feature_kind {
    FEATURE_OF_STEP,
    FEATURE_OF_CROSSING,
    FEATURE_OF_BATCH,
    FEATURE_OF_VERDICT,
};

enum {
    CARRIED_NEVER = INT16_MAX,
    FACTS_MAX = 8,
};

/* An epoll_ctl as its caller meant it, and when the subject's kernel heard of it. */
struct call {
    int16_t step;
    int16_t carried_at; /* CARRIED_NEVER: elided, lost, or by a road that has no witness */
    uint8_t op;
    int epfd, number;
    int instance, target; /* files of the world */
};

struct walk {
    const struct trace *native, *subject;
    struct world world;
    unsigned ncalls;
    struct call calls[PROGRAM_STEPS_MAX];
    bool taken[TRACE_CARRIED_MAX]; /* a carried DEL has found its call */
    feature_sink *sink;
    void *context;
};

static void emit(const struct walk *walk, enum feature_kind kind, const uint8_t *facts,
                 unsigned nfacts)
{
    walk->sink(walk->context, XXH64(facts, nfacts, kind));
}

/* --- What a descriptor's state is --- */

enum fd_state {
    FD_NO_ARGUMENT,
    FD_CLOSED,
    FD_OPEN,
    FD_REUSED, /* the slot was bound to another file than its number names now */
};

enum fd_trait {
    TRAIT_REGISTERED = 1 << 0, /* some instance has the file in its list; of an instance: nested */
    TRAIT_SHARED = 1 << 1,     /* another number names the file too, here or in another process */
};

/* The file that the step which bound a slot opened, or WORLD_FILE_NONE if it was no file. */
static int file_bound_by(const struct world *world, const struct step *step, unsigned arg)
{
    const struct program *program = world->program;

    if (step->tags[arg] != TAG_SLOT)
        return WORLD_FILE_NONE;
    for (unsigned file = 0; file < world->nfiles; file++) {
        const struct step *opener =
            world->files[file].born >= 0 ? &program->steps[world->files[file].born] : NULL;
        if (opener && opener->outs[world->files[file].out] == step->args[arg])
            return (int)file;
    }
    return WORLD_FILE_NONE;
}

static uint8_t state_of(const struct walk *walk, const struct step *step, int arg)
{
    const struct world *world = &walk->world;

    if (arg < 0)
        return FD_NO_ARGUMENT;
    int file = world_file_of_arg(world, step, (unsigned)arg);
    if (file == WORLD_FILE_NONE)
        return FD_CLOSED;
    int bound = file_bound_by(world, step, (unsigned)arg);
    unsigned state = bound == WORLD_FILE_NONE || bound == file ? FD_OPEN : FD_REUSED;
    unsigned traits = world->files[file].refs > 1 ? TRAIT_SHARED : 0;
    for (unsigned i = 0; i < world->nitems; i++) {
        if (world->items[i].live && world->items[i].file == file)
            traits |= TRAIT_REGISTERED;
    }
    return (uint8_t)(state | traits << 2);
}

/* --- What a step came to --- */

enum result_class {
    RESULT_DONE,
    RESULT_NOTHING, /* a wait that found nothing */
    RESULT_SLEPT,
    RESULT_NEVER, /* it did not return, or had no turn */
    RESULT_ERROR, /* and the errno, up to 127 */
};

static uint8_t result_of(const struct walk *walk, unsigned index)
{
    const struct trace_step *step = &walk->native->steps[index];

    if (step->state != STEP_DONE)
        return RESULT_NEVER;
    if (step->ret == -1 && step->err != 0)
        return (uint8_t)(128 | (step->err & 127));
    if (step->blocked)
        return RESULT_SLEPT;
    if (op_table[walk->native->program->steps[index].op].effect == EFFECT_WAIT && step->ret == 0)
        return RESULT_NOTHING;
    return RESULT_DONE;
}

/* --- What the subject has pending --- */

static bool is_pending(const struct call *call, unsigned index)
{
    return call->step < (int)index && call->carried_at >= (int)index;
}

/* What a step and a pending call have in common; the strongest first. 0: nothing. */
enum relation {
    RELATION_NONE,
    RELATION_TARGET,        /* the step names the target, by the call's number */
    RELATION_TARGET_BY_DUP, /* by another number */
    RELATION_NUMBER,        /* the number, which names another file */
    RELATION_PEER,          /* the other end */
    RELATION_INSTANCE,      /* the instance by the call's number */
    RELATION_INSTANCE_BY_DUP,
    RELATION_INSTANCE_NUMBER,
    RELATION_PROCESS, /* no descriptor: the step is about a process, a thread or a signal */
};

static enum relation relation_of(const struct walk *walk, const struct step *step,
                                 const struct call *call)
{
    const struct world *world = &walk->world;
    const struct op_info *op = &op_table[step->op];
    enum relation found = RELATION_NONE;
    bool named = false;

    for (unsigned a = 0; a < op->nargs; a++) {
        if (arg_table[op->args[a]].shape != ARG_SHAPE_FD)
            continue;
        int number = world_number(world, step, a);
        int file = world_file_of_arg(world, step, a);
        enum relation relation = RELATION_NONE;
        named = true;
        if (file != WORLD_FILE_NONE && file == call->target)
            relation = number == call->number ? RELATION_TARGET : RELATION_TARGET_BY_DUP;
        else if (number == call->number)
            relation = RELATION_NUMBER;
        else if (file != WORLD_FILE_NONE && call->target != WORLD_FILE_NONE &&
                 world->files[call->target].peer == file)
            relation = RELATION_PEER;
        else if (file != WORLD_FILE_NONE && file == call->instance)
            relation = number == call->epfd ? RELATION_INSTANCE : RELATION_INSTANCE_BY_DUP;
        else if (number == call->epfd)
            relation = RELATION_INSTANCE_NUMBER;
        if (relation != RELATION_NONE && (found == RELATION_NONE || relation < found))
            found = relation;
    }
    return named ? found : RELATION_PROCESS;
}

static uint8_t count_class(unsigned count)
{
    return (uint8_t)(count < 2 ? count : 2);
}

/* The step, and everything that is pending across it. Where nothing is, little can be learnt. */
static void look_at_step(struct walk *walk, unsigned index)
{
    const struct step *step = &walk->native->program->steps[index];
    const struct op_info *op = &op_table[step->op];
    unsigned related = 0, pending = 0, carried_out = 0;
    uint8_t batch = 0;

    for (unsigned c = 0; c < walk->ncalls; c++) {
        const struct call *call = &walk->calls[c];
        if (!is_pending(call, index))
            continue;
        enum relation relation = relation_of(walk, step, call);
        bool now = call->carried_at == (int)index;
        pending++;
        related += relation != RELATION_NONE;
        if (now) {
            carried_out++;
            batch |= (uint8_t)(1u << (call->op & 7));
        }
        const uint8_t facts[] = {call->op, (uint8_t)op->effect, (uint8_t)relation, (uint8_t)now,
                                 walk->native->program->steps[call->step].actor != step->actor};
        if (relation != RELATION_NONE || now)
            emit(walk, FEATURE_OF_CROSSING, facts, sizeof(facts));
    }
    if (pending == 0) {
        const uint8_t facts[] = {(uint8_t)step->op, result_of(walk, index)};
        emit(walk, FEATURE_OF_STEP, facts, sizeof(facts));
        return;
    }
    bool ctl = op->effect == EFFECT_CTL;
    const uint8_t facts[] = {(uint8_t)step->op,
                             ctl ? (uint8_t)step->args[1] : 0,
                             state_of(walk, step, ctl ? 2 : op_fd_arg(op)),
                             count_class(related),
                             count_class(carried_out),
                             result_of(walk, index)};
    emit(walk, FEATURE_OF_STEP, facts, sizeof(facts));
    if (carried_out > 0) {
        const uint8_t together[] = {(uint8_t)op->effect, batch, count_class(carried_out)};
        emit(walk, FEATURE_OF_BATCH, together, sizeof(together));
    }
}

/* --- The calls --- */

/* When the subject's kernel heard of the call. A DEL bears no mark: the first one of its numbers
 * that is still free is taken for it. */
static int16_t find_carried(struct walk *walk, const struct call *call)
{
    const struct trace *subject = walk->subject;

    for (unsigned i = 0; i < subject->ncarried; i++) {
        const struct trace_carried *carried = &subject->carried[i];
        bool same = call->op == EPOLL_CTL_DEL
                        ? !walk->taken[i] && carried->op == EPOLL_CTL_DEL &&
                              carried->epfd == call->epfd && carried->number == call->number
                        : carried->data == step_number((unsigned)call->step);
        if (same && carried->step >= call->step) {
            walk->taken[i] = true;
            return carried->step;
        }
    }
    return CARRIED_NEVER;
}

static void note_call(struct walk *walk, unsigned index)
{
    const struct step *step = &walk->native->program->steps[index];
    struct call *call = &walk->calls[walk->ncalls];

    const struct trace_step *result = &walk->subject->steps[index];

    if (op_table[step->op].effect != EFFECT_CTL || result->state != STEP_DONE || result->ret != 0)
        return;
    *call = (struct call){.step = (int16_t)index,
                          .op = (uint8_t)step->args[1],
                          .epfd = world_number(&walk->world, step, 0),
                          .number = world_number(&walk->world, step, 2),
                          .instance = world_file_of_arg(&walk->world, step, 0),
                          .target = world_file_of_arg(&walk->world, step, 2)};
    call->carried_at = find_carried(walk, call);
    walk->ncalls++;
}

static void look_at_verdict(const struct walk *walk, const struct verdict *verdict)
{
    if (!verdict->equal)
        emit(walk, FEATURE_OF_VERDICT, (const uint8_t *)verdict->signature,
             (unsigned)strlen(verdict->signature));
}

void features_collect(const struct trace *native, const struct trace *subject,
                      const struct verdict *verdict, feature_sink *sink, void *context)
{
    static _Thread_local struct walk walk;

    walk.native = native;
    walk.subject = subject;
    walk.sink = sink;
    walk.context = context;
    walk.ncalls = 0;
    look_at_verdict(&walk, verdict);
    if (!verdict->equal && !verdict->strict_only)
        return;
    if (native->truncated || subject->truncated || native->end != RUN_COMPLETE ||
        subject->end != RUN_COMPLETE)
        return;
    memset(walk.taken, 0, subject->ncarried * sizeof(walk.taken[0]));
    world_init(&walk.world, native->program);
    for (unsigned i = 0; i < native->nsteps; i++) {
        struct world_outcome outcome;

        look_at_step(&walk, i);
        note_call(&walk, i);
        trace_outcome(native, i, &outcome);
        world_apply(&walk.world, i, &outcome);
    }
}
