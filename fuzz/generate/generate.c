/* Random programs: swarm features, steps that are tried before they are taken, recipes and a drain.
 */
#include "fuzz/generate/generator.h"

#include <assert.h>
#include <string.h>
#include <sys/epoll.h>

static const unsigned feature_percents[FEATURES] = {
#define FEATURE(id, percent, doc) [FEATURE_##id] = (percent),
#include "fuzz/generate/features.def"
#undef FEATURE
};

const char *const feature_names[FEATURES] = {
#define FEATURE(id, percent, doc) [FEATURE_##id] = #id,
#include "fuzz/generate/features.def"
#undef FEATURE
};

/* How many programs of 100 have a group of operations. One that is not named here: GROUP_PERCENT.
 */
enum { GROUP_PERCENT = 40 };
static const unsigned group_percents[GROUPS] = {
    [GROUP_CORE] = 100,   [GROUP_PWAIT] = 25,   [GROUP_POLL] = 35,    [GROUP_DOORS] = 45,
    [GROUP_DUP] = 50,     [GROUP_SOCKETS] = 40, [GROUP_FILES] = 20,   [GROUP_FORK] = 28,
    [GROUP_THREADS] = 48, [GROUP_EXEC] = 15,    [GROUP_SIGNALS] = 20,
};

bool generate_has(const struct generator *generator, uint32_t features)
{
    return (generator->features & features) == features;
}

bool generate_groups(const struct generator *generator, uint32_t groups)
{
    return (generator->groups & groups) == groups;
}

static void draw_swarm(struct generator *generator)
{
    struct random *random = &generator->random;

    for (unsigned i = 0; i < GROUPS; i++) {
        unsigned percent = group_percents[i] ? group_percents[i] : GROUP_PERCENT;
        generator->groups |= random_chance(random, percent) ? 1u << i : 0;
    }
    for (unsigned i = 0; i < FEATURES; i++)
        generator->features |= random_chance(random, feature_percents[i]) ? 1u << i : 0;
    if (!generate_has(generator, FEATURE_BIT(FAILING)))
        generator->features &= ~FEATURE_BIT(BAD_ARGS);
    /* Operations of one program are not all equally likely either: some are left out, some stand
     * out. */
    for (unsigned i = 0; i < OPS; i++) {
        static const unsigned factors[] = {0, 1, 2, 2, 2, 6};
        unsigned factor = factors[random_below(random, sizeof(factors) / sizeof(factors[0]))];
        if (op_table[i].group == GROUP_CORE && factor == 0)
            factor = 1;
        if (op_table[i].effect == EFFECT_CTL && factor < 2)
            factor = 2; /* what all of this is about */
        generator->weights[i] = op_table[i].weight * factor;
        if (!generate_groups(generator, 1u << op_table[i].group))
            generator->weights[i] = 0;
    }
    /* One after the other: compilers differ in which operand they take first. */
    generator->steps_aim = GENERATE_STEPS_MIN + random_below(random, 10);
    generator->steps_aim += random_below(random, 11);
    unsigned depth = 1 + random_below(random, SCHEDULE_DEPTH_MAX);
    schedule_draw(&generator->schedule, depth, generator->steps_aim, random);
}

/* --- Steps --- */

struct proposal propose(enum op_id op, unsigned actor)
{
    struct proposal proposal = {.op = op, .actor = actor};

    for (unsigned i = 0; i < op_table[op].nargs; i++)
        proposal.args[i] = operand_number(arg_table[op_table[op].args[i]].values[0]);
    return proposal;
}

static unsigned count_actors(const struct program *program, unsigned kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < program->nactors; i++)
        count += program->actors[i].kind == kind;
    return count;
}

static bool within_limits(const struct generator *generator, enum op_id op)
{
    const struct program *program = generator->program;

    if (program->nsteps >= generator->steps_max)
        return false;
    if (op_starts_process(&op_table[op]))
        return count_actors(program, ACTOR_PROCESS) + 1 < GENERATE_PROCESSES_MAX;
    if (op_table[op].effect == EFFECT_THREAD)
        return count_actors(program, ACTOR_THREAD) + 1 < GENERATE_THREADS_MAX;
    return true;
}

static bool near_end(const struct generator *generator)
{
    unsigned nsteps = generator->program->nsteps;

    return nsteps >= generator->steps_min && nsteps + 3 >= generator->steps_aim;
}

static unsigned count_free(const struct generator *generator)
{
    unsigned count = 0;

    for (unsigned i = 0; i < generator->program->nactors; i++)
        count += ready_actor_free(&generator->ready, i);
    return count;
}

/* Whether the program may have the step that came to `result`. */
static bool step_wanted(struct generator *generator, const struct step *step,
                        const struct ready_result *result)
{
    bool halts = near_end(generator) && generate_has(generator, FEATURE_BIT(HALT));

    if (result->racy)
        return false;
    if (result->failed && !generate_has(generator, FEATURE_BIT(FAILING)))
        return false;
    if (result->shared && !generate_has(generator, FEATURE_BIT(SHARED_WAITS)))
        return false;
    if (!generator->ready.world.actors_alive[0] && !halts)
        return false;
    if (count_free(generator) == 0 && !halts)
        return false;
    if (!result->sleeps)
        return true;
    switch (op_table[step->op].effect) {
    case EFFECT_WAIT:
    case EFFECT_POLL:
        return generate_has(generator, FEATURE_BIT(SLEEPING));
    case EFFECT_IO:
        return generate_has(generator, FEATURE_BIT(BLOCKING_IO));
    default:
        return true;
    }
}

/* Appends the step if the program may have it, as generate_step. */
static int try_step(struct generator *generator, const struct proposal *proposal)
{
    struct program *program = generator->program;
    struct program_actor *actor = &program->actors[program->nactors];
    uint16_t nsteps = program->nsteps;
    uint8_t nslots = program->nslots;
    uint8_t nactors = program->nactors;
    struct ready_result result;

    if (!ready_actor_free(&generator->ready, proposal->actor) ||
        !within_limits(generator, proposal->op))
        return -1;
    struct step *step = program_append(program, proposal->op, proposal->actor);
    if (!step)
        return -1;
    for (unsigned i = 0; i < op_table[proposal->op].nargs; i++) {
        step->tags[i] = (uint8_t)proposal->args[i].tag;
        step->args[i] = proposal->args[i].value;
    }
    ready_copy(&generator->saved, &generator->ready, program->nactors, program->nslots);
    ready_step(&generator->ready, nsteps, &result);
    if (step_wanted(generator, step, &result)) {
        generator->actor = proposal->actor;
        generator->result = result;
        return nsteps;
    }
    ready_copy(&generator->ready, &generator->saved, program->nactors, program->nslots);
    if (program->nactors != nactors)
        memset(actor, 0, sizeof(*actor));
    memset(step, 0, sizeof(*step));
    memset(&program->slots[nslots], 0, (program->nslots - nslots) * sizeof(program->slots[0]));
    program->nsteps = nsteps;
    program->nslots = nslots;
    program->nactors = nactors;
    return -1;
}

/* --- Random steps --- */

/*
 * A change point within a recipe: the actor that is about to go on loses its place, and whoever
 * comes before it now does a step. Then the recipe goes on, or the rest of the program would
 * belong to the others. Each of its steps is tried on the model as it comes, so one that makes no
 * sense any more is not taken.
 */
static void preempt(struct generator *generator, unsigned actor)
{
    enum { TRIES = 8 };

    schedule_pass(&generator->schedule, step_number(generator->program->nsteps), actor);
    generator->reciting = false;
    for (unsigned tries = 0; tries < TRIES; tries++) {
        int next = choose_actor(generator);
        if (next < 0 || (unsigned)next == actor || generate_random_step(generator))
            break;
    }
    generator->reciting = true;
}

int generate_step(struct generator *generator, const struct proposal *proposal)
{
    if (generator->reciting && generate_has(generator, FEATURE_BIT(PRIORITIES)) &&
        ready_actor_free(&generator->ready, proposal->actor) &&
        schedule_changes(&generator->schedule, step_number(generator->program->nsteps)))
        preempt(generator, proposal->actor);
    return try_step(generator, proposal);
}

static struct operand random_descriptor(struct generator *generator, unsigned actor, uint32_t kinds)
{
    const struct arg_info *info = &arg_table[ARG_FD];

    if (generate_has(generator, FEATURE_BIT(BAD_ARGS)) && random_chance(&generator->random, 4))
        return operand_number(info->values[random_below(&generator->random, info->nvalues)]);
    if (generate_has(generator, FEATURE_BIT(STALE)) && random_chance(&generator->random, 15)) {
        int stale = choose_stale(generator, actor);
        if (stale != SLOT_NONE)
            return operand_slot(stale);
    }
    int slot = choose_slot(generator, actor, kinds);
    return slot == SLOT_NONE ? operand_number(info->values[0]) : operand_slot(slot);
}

/* Whom a signal is sent to: anybody who lives, those who sleep more often. */
static struct operand random_target(struct generator *generator, unsigned actor)
{
    const struct ready *ready = &generator->ready;
    unsigned actors[2 * PROGRAM_ACTORS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < generator->program->nactors; i++) {
        if (!ready->world.actors_alive[i])
            continue;
        actors[count++] = i;
        if (!ready_actor_free(ready, i))
            actors[count++] = i;
    }
    if (count == 0 || random_chance(&generator->random, 4))
        return operand_actor(actor);
    return operand_actor(actors[random_below(&generator->random, count)]);
}

/* Actors that fit, those that have ended more often: joining them does not sleep. */
static struct operand random_actor(struct generator *generator, unsigned actor, enum arg_kind kind)
{
    const struct program *program = generator->program;
    struct ready *ready = &generator->ready;
    unsigned actors[PROGRAM_ACTORS_MAX];
    unsigned count = 0;
    unsigned ended = 0;

    if (kind == ARG_ACTOR)
        return random_target(generator, actor);
    for (unsigned i = 1; i < program->nactors; i++) {
        bool process = program->actors[i].kind == ACTOR_PROCESS;
        if (process != (kind == ARG_PROCESS) || i == actor)
            continue;
        bool mine = process ? program->actors[program->actors[i].parent].process ==
                                  program->actors[actor].process
                            : program->actors[i].process == program->actors[actor].process;
        if (!mine)
            continue;
        bool dead = !(process ? ready->world.processes[i].alive : ready->world.actors_alive[i]);
        if (dead && !ended)
            count = 0;
        if (dead || !ended)
            actors[count++] = i;
        ended += dead;
    }
    /* The value -1 is no actor: the proposal is dropped. */
    return count ? operand_actor(actors[random_below(&generator->random, count)])
                 : operand_number(-1);
}

/* Whom a cancellation is for: a thread of the process that lives, now and then the actor itself. */
static struct operand random_living_thread(struct generator *generator, unsigned actor)
{
    const struct program *program = generator->program;
    unsigned threads[PROGRAM_ACTORS_MAX];
    unsigned count = 0;

    for (unsigned i = 1; i < program->nactors; i++) {
        if (program->actors[i].kind != ACTOR_THREAD || !generator->ready.world.actors_alive[i] ||
            program->actors[i].process != program->actors[actor].process)
            continue;
        if (i != actor || random_chance(&generator->random, 20))
            threads[count++] = i;
    }
    return count ? operand_actor(threads[random_below(&generator->random, count)])
                 : random_actor(generator, actor, ARG_THREAD);
}

/* Fills in every argument by its kind. Returns false if there is nothing that could stand there. */
static bool fill_arguments(struct generator *generator, struct proposal *proposal)
{
    const struct op_info *op = &op_table[proposal->op];

    for (unsigned i = 0; i < op->nargs; i++) {
        enum arg_kind kind = op->args[i];
        struct operand *operand = &proposal->args[i];
        switch (arg_table[kind].shape) {
        case ARG_SHAPE_FD:
            *operand = random_descriptor(generator, proposal->actor,
                                         kind == ARG_EPFD ? KINDS_EPOLL : KINDS_ALL);
            break;
        case ARG_SHAPE_ACTOR:
            *operand = op->effect == EFFECT_CANCEL
                           ? random_living_thread(generator, proposal->actor)
                           : random_actor(generator, proposal->actor, kind);
            if (operand->tag != TAG_ACTOR)
                return false;
            break;
        default:
            *operand = operand_number(choose_value(generator, kind));
            break;
        }
    }
    return true;
}

/* Most calls of epoll_ctl name what makes sense: ADD what is not registered, MOD and DEL what is.
 */
static void refine_ctl(struct generator *generator, struct proposal *proposal)
{
    struct random *random = &generator->random;
    int epfd = proposal->args[0].tag == TAG_SLOT ? (int)proposal->args[0].value : SLOT_NONE;
    int instance = choose_file(generator, proposal->actor, epfd);

    if (instance == WORLD_FILE_NONE)
        return;
    if (generate_has(generator, FEATURE_BIT(FAILING)) && random_chance(random, 20))
        return;
    int registered = choose_registered(generator, proposal->actor, instance);
    int fresh = choose_unregistered(generator, proposal->actor, instance);
    bool stale = generate_has(generator, FEATURE_BIT(STALE)) && random_chance(random, 10);
    if (!stale && registered != SLOT_NONE && (fresh == SLOT_NONE || random_chance(random, 50))) {
        proposal->args[1] =
            operand_number(random_chance(random, 60) ? EPOLL_CTL_MOD : EPOLL_CTL_DEL);
        proposal->args[2] = operand_slot(registered);
    } else if (!stale && fresh != SLOT_NONE) {
        proposal->args[1] = operand_number(EPOLL_CTL_ADD);
        proposal->args[2] = operand_slot(fresh);
    }
    int target = proposal->args[2].tag == TAG_SLOT ? (int)proposal->args[2].value : SLOT_NONE;
    int file = choose_file(generator, proposal->actor, target);
    if (file != WORLD_FILE_NONE && random_chance(random, 70))
        proposal->args[3] = operand_number(choose_ready_mask(generator, file));
}

/* What the descriptor that an operation works on should name. 0: whatever it does. */
static uint32_t kinds_of_target(enum op_id op)
{
    switch (op) {
    case OP_READ:
        return KINDS_PLAIN & ~(KIND_BIT(FILE_PIPE_WRITE) | KIND_BIT(FILE_LISTENER));
    case OP_WRITE:
        return KIND_BIT(FILE_SOCKET) | KIND_BIT(FILE_EVENTFD) | KIND_BIT(FILE_PIPE_WRITE);
    case OP_CONNECT:
    case OP_ACCEPT4:
        return KIND_BIT(FILE_LISTENER);
    case OP_TIMERFD_SETTIME:
        return KIND_BIT(FILE_TIMERFD);
    case OP_INOTIFY_ADD_WATCH:
        return KIND_BIT(FILE_INOTIFY);
    case OP_CLOSEDIR:
        return KIND_BIT(FILE_FOLDER);
    case OP_SHUTDOWN:
    case OP_SEND:
    case OP_SETSOCKOPT:
    case OP_SEND_FD:
    case OP_RECV_FD:
        return KIND_BIT(FILE_SOCKET);
    default:
        return 0;
    }
}

static void refine_target(struct generator *generator, struct proposal *proposal)
{
    uint32_t kinds = kinds_of_target(proposal->op);

    if (kinds == 0 || random_chance(&generator->random, 10))
        return;
    int slot = choose_slot(generator, proposal->actor, kinds);
    if (slot != SLOT_NONE)
        proposal->args[0] = operand_slot(slot);
    if (proposal->op != OP_INOTIFY_ADD_WATCH)
        return;
    slot = choose_slot(generator, proposal->actor,
                       KIND_BIT(FILE_PIPE_READ) | KIND_BIT(FILE_PIPE_WRITE));
    if (slot != SLOT_NONE)
        proposal->args[1] = operand_slot(slot);
}

static void refine_close(struct generator *generator, struct proposal *proposal)
{
    int slot = choose_slot(generator, proposal->actor, KINDS_ALL & ~KINDS_EPOLL);
    int fd = op_fd_arg(&op_table[proposal->op]);

    if (slot != SLOT_NONE && !random_chance(&generator->random, 15))
        proposal->args[fd] = operand_slot(slot);
    /* A range of two slots is often empty or swallows everything: mostly it is the one number. */
    if (op_table[proposal->op].effect == EFFECT_CLOSE_RANGE &&
        random_chance(&generator->random, 70))
        proposal->args[1] = proposal->args[0];
}

/* True if the step takes epoll fds away and the program is one that does not do that. */
static bool closes_instance(const struct generator *generator, const struct proposal *proposal)
{
    const struct world *world = &generator->ready.world;
    enum op_effect effect = op_table[proposal->op].effect;
    int numbers[2] = {-1, -1};

    if (generate_has(generator, FEATURE_BIT(EPFD_CLOSE)))
        return false;
    if (effect != EFFECT_CLOSE && effect != EFFECT_CLOSE_RANGE && effect != EFFECT_CLOSE_FROM &&
        effect != EFFECT_DUP_OVER)
        return false;
    unsigned at = effect == EFFECT_DUP_OVER ? 1 : (unsigned)op_fd_arg(&op_table[proposal->op]);
    for (unsigned i = 0; i < 2; i++) {
        const struct operand *operand = &proposal->args[effect == EFFECT_CLOSE_RANGE ? i : at];
        numbers[i] = operand->tag == TAG_SLOT ? world->slots[operand->value] : (int)operand->value;
    }
    if (effect == EFFECT_CLOSE_FROM)
        numbers[1] = PROGRAM_FD_LIMIT - 1;
    if (numbers[0] < 0)
        return false;
    for (int number = numbers[0]; number <= numbers[1]; number++) {
        int file = world_file_of(world, proposal->actor, number);
        if (file != WORLD_FILE_NONE && world->files[file].kind == FILE_EPOLL)
            return true;
    }
    return false;
}

static bool refine(struct generator *generator, struct proposal *proposal)
{
    const struct op_info *op = &op_table[proposal->op];
    uint8_t kind = generator->program->actors[proposal->actor].kind;

    switch (op->effect) {
    case EFFECT_CTL:
        refine_ctl(generator, proposal);
        break;
    case EFFECT_OPEN:
        /* The running executable cannot be opened for writing, and the world does not know. */
        if (proposal->op == OP_OPEN && proposal->args[0].value == PATH_EXE)
            proposal->args[1] = operand_number(arg_table[ARG_OPEN_FLAGS].values[0]);
        refine_target(generator, proposal);
        break;
    case EFFECT_IO:
    case EFFECT_SEND_FD:
    case EFFECT_RECV_FD:
        refine_target(generator, proposal);
        break;
    case EFFECT_POLL:
        if (random_chance(&generator->random, 75))
            proposal->args[0] = random_descriptor(generator, proposal->actor, KINDS_EPOLL);
        break;
    case EFFECT_CLOSE:
    case EFFECT_CLOSE_RANGE:
        refine_close(generator, proposal);
        refine_target(generator, proposal);
        break;
    case EFFECT_THREAD_EXIT:
        return kind == ACTOR_THREAD;
    case EFFECT_EXIT:
        return kind == ACTOR_PROCESS || generate_has(generator, FEATURE_BIT(HALT));
    default:
        break;
    }
    return !closes_instance(generator, proposal);
}

bool generate_random_step(struct generator *generator)
{
    unsigned total = 0;
    unsigned op = 0;
    int actor = choose_actor(generator);

    if (actor < 0)
        return false;
    for (unsigned i = 0; i < OPS; i++)
        total += generator->weights[i];
    unsigned pick = random_below(&generator->random, total);
    while (pick >= generator->weights[op])
        pick -= generator->weights[op++];
    struct proposal proposal = propose((enum op_id)op, (unsigned)actor);
    return fill_arguments(generator, &proposal) && refine(generator, &proposal) &&
           generate_step(generator, &proposal) >= 0;
}

/* --- Recipes --- */

static unsigned idiom_weight(const struct generator *generator, const struct idiom *idiom)
{
    bool sleeps = (idiom->features & FEATURE_BIT(SLEEPING)) != 0;

    if (!generate_groups(generator, idiom->groups) || !generate_has(generator, idiom->features))
        return 0;
    /* Waking takes two. */
    if (sleeps && (generator->groups & (GROUP_BIT(THREADS) | GROUP_BIT(FORK))) == 0)
        return 0;
    return sleeps && generator->ready.woken == 0 ? idiom->weight * 3 : idiom->weight;
}

bool generate_random_idiom(struct generator *generator)
{
    unsigned weights[IDIOMS];
    unsigned total = 0;
    unsigned id = 0;
    int actor = choose_actor(generator);

    if (actor < 0)
        return false;
    for (unsigned i = 0; i < IDIOMS; i++) {
        weights[i] = idiom_weight(generator, &idiom_table[i]);
        total += weights[i];
    }
    unsigned pick = random_below(&generator->random, total);
    while (pick >= weights[id])
        pick -= weights[id++];
    generator->reciting = true;
    bool done = idiom_table[id].run(generator, (unsigned)actor);
    generator->reciting = false;
    generator->idioms |= done ? UINT64_C(1) << id : 0;
    return done;
}

/* An actor that sleeps should be woken before it is forgotten. */
static bool wake_sleeper(struct generator *generator)
{
    struct ready *ready = &generator->ready;
    int actor = choose_actor(generator);

    if (actor < 0)
        return false;
    for (unsigned i = 0; i < generator->program->nactors; i++) {
        int instance = ready_waits_on(ready, i);
        if (instance == WORLD_FILE_NONE)
            continue;
        int epfd = choose_slot_of_file(generator, (unsigned)actor, instance, -1);
        if (epfd == SLOT_NONE)
            continue;
        int watched = choose_registered(generator, (unsigned)actor, instance);
        if (watched != SLOT_NONE && random_chance(&generator->random, 50))
            return make_ready(generator, (unsigned)actor, watched);
        int slot = make_unregistered(generator, (unsigned)actor, epfd, true);
        return slot != SLOT_NONE && make_add(generator, (unsigned)actor, epfd, slot);
    }
    return false;
}

static bool has_sleeper(const struct generator *generator)
{
    for (unsigned i = 0; i < generator->program->nactors; i++) {
        if (ready_waits_on(&generator->ready, i) != WORLD_FILE_NONE)
            return true;
    }
    return false;
}

/* --- Programs --- */

/* Something to start from, so that the first random steps find what they need. */
static void open_first(struct generator *generator)
{
    unsigned instances =
        1 + (generate_has(generator, FEATURE_BIT(NESTED)) || random_chance(&generator->random, 25));
    unsigned targets = random_below(&generator->random, 3);

    for (unsigned i = 0; i < instances; i++)
        (void)make_new_instance(generator, 0);
    for (unsigned i = 0; i < targets; i++)
        (void)make_target(generator, 0, random_chance(&generator->random, 50), NULL);
    /* Programs that may have other actors mostly do, and early enough for them to matter. */
    if (generate_groups(generator, GROUP_BIT(THREADS)) && random_chance(&generator->random, 60))
        (void)make_thread(generator, 0);
    if (generate_groups(generator, GROUP_BIT(FORK)) && random_chance(&generator->random, 30))
        (void)make_child(generator, 0);
}

/* A wait on every instance that somebody can still reach, so that what has gone wrong shows. */
static void drain(struct generator *generator)
{
    const struct world *world = &generator->ready.world;

    for (unsigned file = 0; file < world->nfiles; file++) {
        if (world->files[file].kind != FILE_EPOLL || world->files[file].refs == 0)
            continue;
        for (unsigned actor = 0; actor < generator->program->nactors; actor++) {
            if (!ready_actor_free(&generator->ready, actor))
                continue;
            int epfd = choose_slot_of_file(generator, actor, (int)file, -1);
            if (epfd != SLOT_NONE && make_wait(generator, actor, epfd))
                break;
        }
    }
}

static void add_missing_actors(struct generator *generator)
{
    const struct program *program = generator->program;
    int actor = choose_actor(generator);

    if (actor < 0 || program->nsteps * 2 < generator->steps_aim)
        return;
    if (generate_groups(generator, GROUP_BIT(THREADS)) && count_actors(program, ACTOR_THREAD) == 0)
        (void)make_thread(generator, (unsigned)actor);
    if (generate_groups(generator, GROUP_BIT(FORK)) && count_actors(program, ACTOR_PROCESS) == 0)
        (void)make_child(generator, (unsigned)actor);
}

void generate_begin(struct generator *generator, struct program *ret_program)
{
    /* The states are large and set by ready_init; all the rest starts at zero. */
    generator->groups = generator->features = 0;
    generator->actor = 0;
    generator->reciting = false;
    generator->idioms = 0;
    generator->result = (struct ready_result){.failed = false};
    generator->program = ret_program;
    generator->steps_min = GENERATE_STEPS_MIN;
    generator->steps_max = GENERATE_STEPS_MAX;
    program_init(ret_program);
    ready_init(&generator->ready, ret_program);
    draw_swarm(generator);
}

void generate_traced(uint64_t seed, uint64_t index, struct program *ret_program,
                     struct generator *generator)
{
    random_seed(&generator->random, seed, index);
    generate_begin(generator, ret_program);
    unsigned idioms = generate_has(generator, FEATURE_BIT(NO_IDIOMS))
                          ? 0
                          : 20 + random_below(&generator->random, 50);
    open_first(generator);
    for (unsigned tries = 0; tries < 200 && ret_program->nsteps < generator->steps_aim; tries++) {
        if (has_sleeper(generator) && random_chance(&generator->random, 40) &&
            wake_sleeper(generator))
            continue;
        if (random_chance(&generator->random, idioms))
            (void)generate_random_idiom(generator);
        else
            (void)generate_random_step(generator);
        add_missing_actors(generator);
    }
    if (!generate_has(generator, FEATURE_BIT(NO_DRAIN)))
        drain(generator);
    assert(ret_program->nsteps <= GENERATE_STEPS_MAX);
}

void generate_program(uint64_t seed, uint64_t index, struct program *ret_program)
{
    struct generator generator;

    generate_traced(seed, index, ret_program, &generator);
}
