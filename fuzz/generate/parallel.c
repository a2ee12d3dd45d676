/* Random programs with a parallel block. */
#include "fuzz/generate/parallel.h"

#include "fuzz/generate/random.h"
#include "fuzz/program/parallel.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum {
    SLOTS_MAX = 64,
    SALT = 0x9a7a11e1, /* other programs than generate_program makes of the same seed */
};

struct parallel {
    struct random random;
    struct program *program;
    unsigned ninstances, ntargets; /* slots that stand before the block */
    uint8_t instances[PARALLEL_INSTANCES_MAX];
    uint8_t targets[SLOTS_MAX]; /* what can be watched, read or written */
    uint8_t hot_instance, hot_target;
    unsigned nactors;
    uint8_t actors[PARALLEL_ACTORS_MAX];
    uint8_t block; /* the one being made, 0 outside */
};

static unsigned below(struct parallel *parallel, unsigned bound)
{
    return random_below(&parallel->random, bound);
}

static bool chance(struct parallel *parallel, unsigned percent)
{
    return random_chance(&parallel->random, percent);
}

static struct step *append(struct parallel *parallel, enum op_id op, unsigned actor)
{
    struct step *step = program_append(parallel->program, op, actor);

    assert(step); /* these programs are far from any limit */
    step->block = parallel->block;
    return step;
}

static void set_slot(struct step *step, unsigned arg, unsigned slot)
{
    step->tags[arg] = TAG_SLOT;
    step->args[arg] = slot;
}

/* --- Choices: half of them fall on the same one, so that calls meet --- */

static unsigned some_instance(struct parallel *parallel)
{
    if (chance(parallel, 60))
        return parallel->hot_instance;
    return parallel->instances[below(parallel, parallel->ninstances)];
}

static unsigned some_target(struct parallel *parallel)
{
    if (chance(parallel, 50))
        return parallel->hot_target;
    return parallel->targets[below(parallel, parallel->ntargets)];
}

/* One that stood before the block, or that the actor has bound in it. */
static unsigned some_slot(struct parallel *parallel, unsigned actor)
{
    const struct program *program = parallel->program;

    for (unsigned i = program->nsteps; i-- > 0 && parallel->block && chance(parallel, 30);) {
        const struct step *step = &program->steps[i];
        if (step->block == parallel->block && step->actor == actor && op_table[step->op].nouts > 0)
            return step->outs[below(parallel, op_table[step->op].nouts)];
    }
    return some_target(parallel);
}

static int64_t some_mask(struct parallel *parallel)
{
    static const uint32_t masks[] = {
        EPOLLIN,           EPOLLIN,  EPOLLIN, EPOLLIN | EPOLLOUT,     EPOLLIN | (uint32_t)EPOLLET,
        EPOLLIN | EPOLLET, EPOLLOUT, 0,       EPOLLIN | EPOLLONESHOT, EPOLLIN | EPOLLONESHOT,
    };
    return masks[below(parallel, sizeof(masks) / sizeof(masks[0]))];
}

/* --- Steps --- */

static void make_ctl(struct parallel *parallel, unsigned actor, int64_t op, unsigned instance,
                     unsigned slot)
{
    struct step *step = append(parallel, OP_EPOLL_CTL, actor);

    set_slot(step, 0, instance);
    step->args[1] = op;
    set_slot(step, 2, slot);
    step->args[3] = op == EPOLL_CTL_DEL ? EPOLLIN : some_mask(parallel);
}

static void make_wait(struct parallel *parallel, unsigned actor, unsigned instance)
{
    enum op_id op = chance(parallel, 85) ? OP_EPOLL_WAIT : OP_EPOLL_PWAIT;
    struct step *step = append(parallel, op, actor);

    set_slot(step, 0, instance);
    step->args[1] = PARALLEL_ROOM;
    step->args[2] = 0;
}

static void make_io(struct parallel *parallel, enum op_id op, unsigned actor, unsigned slot)
{
    struct step *step = append(parallel, op, actor);

    set_slot(step, 0, slot);
    step->args[1] = 8;
}

static struct step *make_target(struct parallel *parallel, unsigned actor)
{
    if (chance(parallel, 35)) {
        struct step *step = append(parallel, OP_PIPE2, actor);
        step->args[0] = O_NONBLOCK;
        return step;
    }
    struct step *step = append(parallel, OP_EVENTFD, actor);
    step->args[0] = chance(parallel, 40);
    step->args[1] = EFD_NONBLOCK;
    return step;
}

static void make_dup(struct parallel *parallel, unsigned actor, unsigned slot)
{
    if (chance(parallel, 60)) {
        set_slot(append(parallel, OP_DUP, actor), 0, slot);
        return;
    }
    unsigned over = some_slot(parallel, actor);
    struct step *step = append(parallel, OP_DUP2, actor);
    set_slot(step, 0, slot);
    set_slot(step, 1, over);
}

static void random_ctl(struct parallel *parallel, unsigned actor)
{
    static const int64_t ops[] = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD,
                                  EPOLL_CTL_MOD, EPOLL_CTL_DEL, EPOLL_CTL_DEL};
    int64_t op = ops[below(parallel, sizeof(ops) / sizeof(ops[0]))];
    unsigned slot = some_slot(parallel, actor);

    if (chance(parallel, 5))
        slot = some_instance(parallel); /* nesting, or a loop */
    make_ctl(parallel, actor, op, some_instance(parallel), slot);
}

static void random_step(struct parallel *parallel, unsigned actor)
{
    unsigned pick = below(parallel, 100);
    unsigned slot = some_slot(parallel, actor);

    if (pick < 42)
        random_ctl(parallel, actor);
    else if (pick < 60)
        make_wait(parallel, actor, some_instance(parallel));
    else if (pick < 73)
        make_io(parallel, OP_WRITE, actor, slot);
    else if (pick < 83)
        make_io(parallel, OP_READ, actor, slot);
    else if (pick < 90)
        set_slot(append(parallel, OP_CLOSE, actor), 0,
                 chance(parallel, 95) ? slot : some_instance(parallel));
    else if (pick < 95)
        make_dup(parallel, actor, slot);
    else if (pick < 99)
        (void)make_target(parallel, actor);
    else
        (void)append(parallel, OP_EPOLL_CREATE1, actor);
}

/* --- Programs --- */

static void open_all(struct parallel *parallel)
{
    unsigned instances = 1 + chance(parallel, 40);
    unsigned targets = 1 + below(parallel, PARALLEL_TARGETS_MAX);

    for (unsigned i = 0; i < instances; i++)
        parallel->instances[parallel->ninstances++] =
            append(parallel, OP_EPOLL_CREATE1, 0)->outs[0];
    for (unsigned i = 0; i < targets; i++) {
        const struct step *step = make_target(parallel, 0);
        for (unsigned out = 0; out < op_table[step->op].nouts; out++)
            parallel->targets[parallel->ntargets++] = step->outs[out];
    }
    if (chance(parallel, 20)) {
        struct step *step = append(parallel, OP_DUP, 0);
        set_slot(step, 0, some_target(parallel));
        parallel->targets[parallel->ntargets++] = step->outs[0];
    }
    parallel->hot_instance = parallel->instances[below(parallel, parallel->ninstances)];
    parallel->hot_target = parallel->targets[below(parallel, parallel->ntargets)];
}

static void set_up(struct parallel *parallel)
{
    for (unsigned i = 0; i < parallel->ninstances; i++) {
        for (unsigned t = 0; t < parallel->ntargets; t++) {
            if (chance(parallel, 45))
                make_ctl(parallel, 0, EPOLL_CTL_ADD, parallel->instances[i], parallel->targets[t]);
        }
    }
    if (parallel->ninstances > 1 && chance(parallel, 25))
        make_ctl(parallel, 0, EPOLL_CTL_ADD, parallel->instances[1], parallel->instances[0]);
    if (chance(parallel, 30))
        make_io(parallel, OP_WRITE, 0, some_target(parallel));
    if (chance(parallel, 20))
        make_wait(parallel, 0, some_instance(parallel));
    if (chance(parallel, 10))
        make_io(parallel, OP_READ, 0, some_target(parallel));
}

static void start_actors(struct parallel *parallel)
{
    unsigned count = 2 + below(parallel, 2) + (chance(parallel, 25) ? 1 : 0);

    parallel->actors[parallel->nactors++] = 0;
    while (parallel->nactors < count) {
        enum op_id op = chance(parallel, 15) ? OP_FORK : OP_PTHREAD_CREATE;
        parallel->actors[parallel->nactors++] = append(parallel, op, 0)->outs[0];
    }
}

/* The lines of an actor stand together: their order among each other's means nothing. */
static void make_block(struct parallel *parallel)
{
    parallel->block = (uint8_t)(parallel_count(parallel->program) + 1);
    for (unsigned i = 0; i < parallel->nactors; i++) {
        unsigned steps = 1 + below(parallel, PARALLEL_STEPS_MAX);
        while (steps-- > 0)
            random_step(parallel, parallel->actors[i]);
    }
    parallel->block = 0;
}

/* What is ready, and what is registered: each question has an answer that tells. */
static void ask(struct parallel *parallel)
{
    for (unsigned i = 0; i < parallel->ninstances; i++)
        make_wait(parallel, 0, parallel->instances[i]);
    for (unsigned i = 0; i < parallel->ninstances; i++) {
        for (unsigned t = 0; t < parallel->ntargets; t++) {
            int64_t op = chance(parallel, 50) ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
            make_ctl(parallel, 0, op, parallel->instances[i], parallel->targets[t]);
        }
    }
    for (unsigned i = 0; i < parallel->ninstances; i++)
        make_wait(parallel, 0, parallel->instances[i]);
}

void generate_parallel(uint64_t seed, uint64_t index, struct program *ret_program)
{
    struct parallel parallel = {.program = ret_program};

    random_seed(&parallel.random, seed ^ SALT, index);
    program_init(ret_program);
    open_all(&parallel);
    set_up(&parallel);
    start_actors(&parallel);
    make_block(&parallel);
    if (chance(&parallel, 15)) {
        if (chance(&parallel, 50))
            make_wait(&parallel, 0, some_instance(&parallel));
        make_block(&parallel);
    }
    ask(&parallel);
}
