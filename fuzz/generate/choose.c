/* Choices: which descriptor, which actor, which value. */
#include "fuzz/generate/generator.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

/* The later a slot was bound, the likelier: what was just opened or closed is where numbers are
 * reused. */
static int choose_recent(struct generator *generator, const int *slots, unsigned count)
{
    if (count == 0)
        return SLOT_NONE;
    unsigned a = random_below(&generator->random, count);
    unsigned b = random_below(&generator->random, count);
    return slots[a > b ? a : b];
}

int choose_file(const struct generator *generator, unsigned actor, int slot)
{
    const struct world *world = &generator->ready.world;

    return slot < 0 ? WORLD_FILE_NONE : world_file_of(world, actor, world->slots[slot]);
}

static bool slot_is_of(const struct generator *generator, unsigned actor, int slot, uint32_t kinds)
{
    int file = choose_file(generator, actor, slot);

    return file != WORLD_FILE_NONE &&
           (KIND_BIT(generator->ready.world.files[file].kind) & kinds) != 0;
}

int choose_slot(struct generator *generator, unsigned actor, uint32_t kinds)
{
    int slots[PROGRAM_SLOTS_MAX];
    unsigned count = 0;

    for (int slot = 0; slot < generator->program->nslots; slot++) {
        if (slot_is_of(generator, actor, slot, kinds))
            slots[count++] = slot;
    }
    return choose_recent(generator, slots, count);
}

int choose_stale(struct generator *generator, unsigned actor)
{
    const struct world *world = &generator->ready.world;
    int slots[PROGRAM_SLOTS_MAX];
    unsigned count = 0;

    for (int slot = 0; slot < generator->program->nslots; slot++) {
        bool hidden = false;
        /* A later slot with the same number: the descriptor that this one was bound to has been
         * closed. */
        for (int later = slot + 1; later < generator->program->nslots; later++)
            hidden |= world->slots[later] == world->slots[slot];
        if (hidden || choose_file(generator, actor, slot) == WORLD_FILE_NONE)
            slots[count++] = slot;
    }
    return choose_recent(generator, slots, count);
}

int choose_slot_of_file(const struct generator *generator, unsigned actor, int file, int number)
{
    const struct world *world = &generator->ready.world;

    for (int slot = generator->program->nslots - 1; slot >= 0; slot--) {
        if (choose_file(generator, actor, slot) == file &&
            (number < 0 || world->slots[slot] == number))
            return slot;
    }
    return SLOT_NONE;
}

static int choose_by_registration(struct generator *generator, unsigned actor, int instance,
                                  bool registered)
{
    const struct world *world = &generator->ready.world;
    uint32_t kinds = KINDS_PLAIN | (generate_has(generator, FEATURE_BIT(NESTED)) ? KINDS_EPOLL : 0);
    int slots[PROGRAM_SLOTS_MAX];
    unsigned count = 0;

    for (int slot = 0; slot < generator->program->nslots; slot++) {
        int file = choose_file(generator, actor, slot);
        if (!slot_is_of(generator, actor, slot, kinds) || file == instance)
            continue;
        bool found = ready_has_item(&generator->ready, instance, world->slots[slot], file);
        if (found == registered)
            slots[count++] = slot;
    }
    return choose_recent(generator, slots, count);
}

int choose_registered(struct generator *generator, unsigned actor, int instance)
{
    return choose_by_registration(generator, actor, instance, true);
}

int choose_unregistered(struct generator *generator, unsigned actor, int instance)
{
    return choose_by_registration(generator, actor, instance, false);
}

int choose_actor(struct generator *generator)
{
    int actors[PROGRAM_ACTORS_MAX];
    unsigned count = 0;

    if (generate_has(generator, FEATURE_BIT(PRIORITIES))) {
        uint32_t able = 0;
        for (unsigned i = 0; i < generator->program->nactors; i++)
            able |= ready_actor_free(&generator->ready, i) ? 1u << i : 0;
        return schedule_next(&generator->schedule, step_number(generator->program->nsteps), able);
    }
    if (ready_actor_free(&generator->ready, generator->actor) &&
        random_chance(&generator->random, 50))
        return (int)generator->actor;
    for (unsigned i = 0; i < generator->program->nactors; i++) {
        if (ready_actor_free(&generator->ready, i))
            actors[count++] = (int)i;
    }
    return count ? actors[random_below(&generator->random, count)] : -1;
}

int choose_other(struct generator *generator, unsigned actor, bool same_process)
{
    const struct program *program = generator->program;
    int actors[PROGRAM_ACTORS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < program->nactors; i++) {
        bool same = program->actors[i].process == program->actors[actor].process;
        if (i != actor && (same || !same_process) && ready_actor_free(&generator->ready, i))
            actors[count++] = (int)i;
    }
    return count ? actors[random_below(&generator->random, count)] : -1;
}

static bool event_allowed(const struct generator *generator, int64_t value)
{
    static const struct {
        uint32_t bits;
        uint32_t feature;
    } rules[] = {
        {(uint32_t)EPOLLET, FEATURE_BIT(ET)},
        {(uint32_t)EPOLLONESHOT, FEATURE_BIT(ONESHOT)},
        {(uint32_t)EPOLLEXCLUSIVE, FEATURE_BIT(EXCLUSIVE)},
        {~(uint32_t)(EPOLLIN | EPOLLOUT | EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE),
         FEATURE_BIT(MASKS)},
    };
    uint32_t mask = (uint32_t)value;

    if (value < 0)
        return generate_has(generator, FEATURE_BIT(BAD_ARGS));
    if (mask == 0)
        return generate_has(generator, FEATURE_BIT(MASKS));
    for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if ((mask & rules[i].bits) != 0 && !generate_has(generator, rules[i].feature))
            return false;
    }
    return true;
}

/* Whether the program's features allow a value. A kind that needs no special care allows all of its
 * values. */
static bool value_allowed(const struct generator *generator, enum arg_kind kind, int64_t value)
{
    bool bad = generate_has(generator, FEATURE_BIT(BAD_ARGS));
    bool sleeping = generate_has(generator, FEATURE_BIT(SLEEPING));

    switch (kind) {
    case ARG_EVENT:
        return event_allowed(generator, value);
    case ARG_CTL_OP:
        return bad || value == EPOLL_CTL_ADD || value == EPOLL_CTL_MOD || value == EPOLL_CTL_DEL;
    case ARG_MAXEVENTS:
        if (value <= 0 || value > PROGRAM_EVENTS_MAX)
            return bad;
        return value >= 8 || generate_has(generator, FEATURE_BIT(SMALL_MAXEVENTS));
    case ARG_TIMEOUT:
        /* The byte form has no positive timeout once there is a second actor, and neither may a
         * program. */
        if (value > 0)
            return generator->program->nactors == 1 &&
                   generate_has(generator, FEATURE_BIT(SHORT_TIMEOUT));
        return value == 0 || sleeping;
    case ARG_TIMESPEC:
        return value == 0 || (value == TIMESPEC_NULL ? sleeping : value < 0 && bad);
    case ARG_BUFFER:
        return value == BUFFER_GOOD || bad;
    default:
        return true;
    }
}

int64_t choose_value(struct generator *generator, enum arg_kind kind)
{
    const struct arg_info *info = &arg_table[kind];

    for (unsigned tries = 0; tries < 16; tries++) {
        int64_t value = info->values[random_below(&generator->random, info->nvalues)];
        if (value_allowed(generator, kind, value))
            return value;
    }
    return info->values[0];
}

int64_t choose_mask(struct generator *generator, uint32_t need)
{
    for (unsigned tries = 0; tries < 24; tries++) {
        int64_t value = choose_value(generator, ARG_EVENT);
        if (value >= 0 && (value & need) != 0)
            return value;
    }
    return need & (uint32_t)EPOLLIN ? EPOLLIN : EPOLLOUT;
}

int64_t choose_ready_mask(struct generator *generator, int file)
{
    const struct world *world = &generator->ready.world;
    uint32_t state = ready_poll(&generator->ready, file, EPOLLIN | EPOLLOUT);

    if (world->files[file].kind == FILE_PIPE_WRITE)
        return choose_mask(generator, EPOLLOUT);
    if ((state & (uint32_t)EPOLLIN) != 0 || random_chance(&generator->random, 75))
        return choose_mask(generator, EPOLLIN);
    return choose_mask(generator, EPOLLOUT);
}
