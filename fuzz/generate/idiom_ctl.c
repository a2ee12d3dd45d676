/* Recipes about registrations, their errors and masks, and about nesting. */
#include "fuzz/generate/generator.h"

#include <sys/epoll.h>

/* Mostly something new to watch; sometimes what lies around. */
static int fresh_target(struct generator *generator, unsigned actor, int epfd)
{
    return make_unregistered(generator, actor, epfd, random_chance(&generator->random, 75));
}

/* A slot that is registered with the instance, added now if there is none. */
static int registered_target(struct generator *generator, unsigned actor, int epfd)
{
    int slot = choose_registered(generator, actor, choose_file(generator, actor, epfd));

    if (slot != SLOT_NONE && random_chance(&generator->random, 70))
        return slot;
    slot = fresh_target(generator, actor, epfd);
    return make_add(generator, actor, epfd, slot) ? slot : SLOT_NONE;
}

static int64_t some_mask(struct generator *generator, unsigned actor, int slot)
{
    int file = choose_file(generator, actor, slot);

    return file == WORLD_FILE_NONE ? EPOLLIN : choose_ready_mask(generator, file);
}

static bool make_mod(struct generator *generator, unsigned actor, int epfd, int slot)
{
    return make_ctl(generator, actor, epfd, EPOLL_CTL_MOD, slot, some_mask(generator, actor, slot));
}

static bool make_del(struct generator *generator, unsigned actor, int epfd, int slot)
{
    return make_ctl(generator, actor, epfd, EPOLL_CTL_DEL, slot, EPOLLIN);
}

static bool maybe_wait(struct generator *generator, unsigned actor, int epfd, unsigned percent)
{
    return !random_chance(&generator->random, percent) || make_wait(generator, actor, epfd);
}

bool idiom_ADD_WAIT(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = fresh_target(generator, actor, epfd);

    return make_add(generator, actor, epfd, slot) && make_wait(generator, actor, epfd);
}

bool idiom_DEL_ADD(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = registered_target(generator, actor, epfd);

    return maybe_wait(generator, actor, epfd, 40) && make_del(generator, actor, epfd, slot) &&
           make_add(generator, actor, epfd, slot) && maybe_wait(generator, actor, epfd, 60);
}

bool idiom_ADD_DEL(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = fresh_target(generator, actor, epfd);

    return make_add(generator, actor, epfd, slot) && make_del(generator, actor, epfd, slot) &&
           maybe_wait(generator, actor, epfd, 60);
}

bool idiom_ADD_DEL_ADD(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = fresh_target(generator, actor, epfd);

    return make_add(generator, actor, epfd, slot) && make_del(generator, actor, epfd, slot) &&
           make_add(generator, actor, epfd, slot) && make_wait(generator, actor, epfd);
}

bool idiom_MOD_MOD(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = registered_target(generator, actor, epfd);
    int64_t mask = some_mask(generator, actor, slot);

    if (!maybe_wait(generator, actor, epfd, 40))
        return false;
    if (!make_ctl(generator, actor, epfd, EPOLL_CTL_MOD, slot, mask))
        return false;
    if (random_chance(&generator->random, 50))
        mask = some_mask(generator, actor, slot);
    return make_ctl(generator, actor, epfd, EPOLL_CTL_MOD, slot, mask) &&
           make_wait(generator, actor, epfd);
}

bool idiom_EEXIST_MOD(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = registered_target(generator, actor, epfd);

    return maybe_wait(generator, actor, epfd, 30) && make_add(generator, actor, epfd, slot) &&
           (random_chance(&generator->random, 30) || make_mod(generator, actor, epfd, slot)) &&
           make_wait(generator, actor, epfd);
}

bool idiom_ENOENT_ADD(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = fresh_target(generator, actor, epfd);

    return make_mod(generator, actor, epfd, slot) &&
           (random_chance(&generator->random, 30) || make_add(generator, actor, epfd, slot)) &&
           make_wait(generator, actor, epfd);
}

bool idiom_DEL_TWICE(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = registered_target(generator, actor, epfd);

    return make_del(generator, actor, epfd, slot) && make_del(generator, actor, epfd, slot) &&
           maybe_wait(generator, actor, epfd, 50);
}

bool idiom_EPERM_PROBE(struct generator *generator, unsigned actor)
{
    static const enum op_id ops[] = {OP_OPEN, OP_MEMFD_CREATE};
    int epfd = make_instance(generator, actor);
    struct proposal open = propose(ops[random_below(&generator->random, 2)], actor);

    /* The flags stay plain: the running executable, for one, cannot be opened for writing. */
    open.args[0] = operand_number(choose_value(generator, op_table[open.op].args[0]));
    int step = generate_step(generator, &open);
    if (step < 0)
        return false;
    int slot = generator->program->steps[step].outs[0];
    return make_ctl(generator, actor, epfd, EPOLL_CTL_ADD, slot, EPOLLIN) &&
           (random_chance(&generator->random, 60) || make_del(generator, actor, epfd, slot)) &&
           maybe_wait(generator, actor, epfd, 40);
}

/* One argument is spoilt, the others make sense: what is checked first decides the errno. */
bool idiom_BAD_CTL(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = registered_target(generator, actor, epfd);
    const struct arg_info *literals = &arg_table[ARG_FD];

    if (epfd == SLOT_NONE || slot == SLOT_NONE)
        return false;
    struct proposal ctl = propose(OP_EPOLL_CTL, actor);
    ctl.args[0] = operand_slot(epfd);
    ctl.args[1] = operand_number(choose_value(generator, ARG_CTL_OP));
    ctl.args[2] = operand_slot(slot);
    ctl.args[3] = operand_number(choose_value(generator, ARG_EVENT));
    int64_t literal = literals->values[random_below(&generator->random, literals->nvalues)];
    switch (random_below(&generator->random, 5)) {
    case 0:
        ctl.args[0] = operand_number(literal);
        break;
    case 1:
        ctl.args[2] = operand_number(literal);
        break;
    case 2:
        ctl.args[0] = operand_slot(slot); /* not an epoll fd */
        break;
    case 3:
        ctl.args[2] = operand_slot(epfd); /* itself */
        break;
    default:
        ctl.args[3] =
            operand_number(random_chance(&generator->random, 50) ? EVENT_NULL : EVENT_BADPTR);
        break;
    }
    return generate_step(generator, &ctl) >= 0 && maybe_wait(generator, actor, epfd, 40);
}

static int64_t mask_with(struct generator *generator, unsigned actor, int slot, uint32_t flag)
{
    int64_t mask = EPOLLIN;

    for (unsigned tries = 0; tries < 32; tries++) {
        mask = some_mask(generator, actor, slot);
        if (((uint32_t)mask & flag) != 0)
            break;
    }
    return mask;
}

/* Makes one argument of an epoll_ctl wrong, each time in another way. */
static void spoil(struct generator *generator, unsigned actor, struct proposal *ctl)
{
    struct random *random = &generator->random;
    int epfd = choose_slot(generator, actor, KINDS_EPOLL);
    int plain = choose_slot(generator, actor, KINDS_ALL & ~KINDS_EPOLL);

    switch (random_below(random, 7)) {
    case 0:
        ctl->args[3] = operand_number(random_chance(random, 50) ? EVENT_NULL : EVENT_BADPTR);
        break;
    case 1:
        ctl->args[0] = operand_number(random_chance(random, 50) ? -1 : 200);
        break;
    case 2:
        ctl->args[2] = operand_number(random_chance(random, 50) ? -1 : 200);
        break;
    case 3:
        if (plain != SLOT_NONE)
            ctl->args[0] = operand_slot(plain);
        break;
    case 4: {
        /* A file that epoll refuses. */
        struct proposal memfd = propose(OP_MEMFD_CREATE, actor);
        int step = generate_step(generator, &memfd);
        if (step >= 0)
            ctl->args[2] = operand_slot(generator->program->steps[step].outs[0]);
        break;
    }
    case 5:
        ctl->args[1] = operand_number(random_chance(random, 50) ? 0 : 77);
        break;
    default:
        if (epfd != SLOT_NONE)
            ctl->args[2] = operand_slot(epfd);
        if (random_chance(random, 50))
            ctl->args[3] = operand_number(EPOLLIN | (int64_t)EPOLLEXCLUSIVE);
        break;
    }
}

bool idiom_TWO_FAULTS(struct generator *generator, unsigned actor)
{
    static const int64_t operations[] = {EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
    int epfd = make_instance(generator, actor);
    int slot = random_chance(&generator->random, 50) ? registered_target(generator, actor, epfd)
                                                     : fresh_target(generator, actor, epfd);
    struct proposal ctl = propose(OP_EPOLL_CTL, actor);

    if (epfd == SLOT_NONE || slot == SLOT_NONE)
        return false;
    ctl.args[0] = operand_slot(epfd);
    ctl.args[1] = operand_number(operations[random_below(&generator->random, 3)]);
    ctl.args[2] = operand_slot(slot);
    ctl.args[3] = operand_number(EPOLLIN);
    spoil(generator, actor, &ctl);
    spoil(generator, actor, &ctl);
    return generate_step(generator, &ctl) >= 0;
}

bool idiom_NEST_DEEP(struct generator *generator, unsigned actor)
{
    enum { CHAIN_MAX = 6 };
    int chain[CHAIN_MAX];
    unsigned length = CHAIN_MAX - random_below(&generator->random, 2);
    unsigned from = random_below(&generator->random, length - 1);
    bool taken = true;

    for (unsigned i = 0; i < length; i++) {
        struct proposal create = propose(OP_EPOLL_CREATE1, actor);
        int step = generate_step(generator, &create);
        if (step < 0)
            return false;
        chain[i] = generator->program->steps[step].outs[0];
    }
    /* Two pieces of a chain, and then the link that joins them: the depth counts on both sides. */
    for (unsigned i = 1; i < length; i++) {
        unsigned link = (from + i) % (length - 1);
        taken &= make_ctl(generator, actor, chain[link], EPOLL_CTL_ADD, chain[link + 1], EPOLLIN);
    }
    return taken && make_wait(generator, actor, chain[0]);
}

bool idiom_ONESHOT_REARM(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = fresh_target(generator, actor, epfd);
    int64_t mask = mask_with(generator, actor, slot, EPOLLONESHOT);

    if (!make_ctl(generator, actor, epfd, EPOLL_CTL_ADD, slot, mask) ||
        !make_wait(generator, actor, epfd))
        return false;
    if (random_chance(&generator->random, 50))
        (void)make_ready(generator, actor, slot);
    mask = mask_with(generator, actor, slot, EPOLLONESHOT);
    return maybe_wait(generator, actor, epfd, 30) &&
           make_ctl(generator, actor, epfd, EPOLL_CTL_MOD, slot, mask) &&
           make_wait(generator, actor, epfd);
}

bool idiom_EDGE_CONSUME(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = fresh_target(generator, actor, epfd);
    int64_t mask = mask_with(generator, actor, slot, EPOLLET);

    if (!make_ctl(generator, actor, epfd, EPOLL_CTL_ADD, slot, mask) ||
        !maybe_wait(generator, actor, epfd, 70))
        return false;
    if (random_chance(&generator->random, 60))
        (void)make_ready(generator, actor, slot);
    else if (random_chance(&generator->random, 50))
        (void)make_ctl(generator, actor, epfd, EPOLL_CTL_MOD, slot, mask); /* MOD arms the edge */
    return make_wait(generator, actor, epfd) && maybe_wait(generator, actor, epfd, 30);
}

bool idiom_DRAIN_BEFORE_WAIT(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = make_target(generator, actor, true, NULL);

    return make_add(generator, actor, epfd, slot) &&
           make_io(generator, actor, OP_READ, slot, choose_value(generator, ARG_COUNT)) &&
           make_wait(generator, actor, epfd);
}

/* Two instances, the inner registered with the outer one. False if there are no two. */
static bool nested_pair(struct generator *generator, unsigned actor, int *ret_outer, int *ret_inner)
{
    struct ready *ready = &generator->ready;

    for (unsigned i = 0; ready_nested(ready, i, ret_outer, ret_inner); i++) {
        *ret_outer = choose_slot_of_file(generator, actor, *ret_outer, -1);
        *ret_inner = choose_slot_of_file(generator, actor, *ret_inner, -1);
        if (*ret_outer != SLOT_NONE && *ret_inner != SLOT_NONE)
            return true;
    }
    *ret_outer = make_instance(generator, actor);
    *ret_inner = make_instance(generator, actor);
    if (choose_file(generator, actor, *ret_outer) == choose_file(generator, actor, *ret_inner))
        *ret_inner = make_new_instance(generator, actor);
    return make_ctl(generator, actor, *ret_outer, EPOLL_CTL_ADD, *ret_inner,
                    choose_mask(generator, EPOLLIN));
}

/* Looks at an instance by the ways that the program has. */
static bool look(struct generator *generator, unsigned actor, int epfd)
{
    if (generate_groups(generator, GROUP_BIT(POLL)) && random_chance(&generator->random, 40))
        return make_poll(generator, actor, epfd, 0);
    return make_wait(generator, actor, epfd);
}

bool idiom_NEST_ADD(struct generator *generator, unsigned actor)
{
    int outer, inner;

    if (!nested_pair(generator, actor, &outer, &inner) || !maybe_wait(generator, actor, outer, 40))
        return false;
    int slot = fresh_target(generator, actor, inner);
    return make_add(generator, actor, inner, slot) && look(generator, actor, outer) &&
           maybe_wait(generator, actor, inner, 40);
}

bool idiom_NEST_LINK(struct generator *generator, unsigned actor)
{
    int outer = make_instance(generator, actor);
    int inner = make_new_instance(generator, actor);
    int slot = fresh_target(generator, actor, inner);

    return make_add(generator, actor, inner, slot) &&
           make_ctl(generator, actor, outer, EPOLL_CTL_ADD, inner,
                    choose_mask(generator, EPOLLIN)) &&
           look(generator, actor, outer);
}

bool idiom_NEST_MOD(struct generator *generator, unsigned actor)
{
    int outer, inner;

    if (!nested_pair(generator, actor, &outer, &inner))
        return false;
    int slot = registered_target(generator, actor, inner);
    if (!maybe_wait(generator, actor, outer, 50))
        return false;
    bool done = random_chance(&generator->random, 50) ? make_mod(generator, actor, inner, slot)
                                                      : make_del(generator, actor, inner, slot);
    return done && look(generator, actor, outer);
}

bool idiom_POLL_INSTANCE(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = fresh_target(generator, actor, epfd);

    return make_add(generator, actor, epfd, slot) && make_poll(generator, actor, epfd, 0) &&
           maybe_wait(generator, actor, epfd, 50);
}
