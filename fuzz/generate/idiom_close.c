/* Recipes about descriptors that go away and numbers that come back. */
#include "fuzz/generate/generator.h"

#include <sys/epoll.h>

/* ADDs a target of its own; *ret_epfd is the instance. SLOT_NONE if it could not. */
static int add_target(struct generator *generator, unsigned actor, bool ready, int *ret_epfd)
{
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, ready);

    *ret_epfd = epfd;
    return make_add(generator, actor, epfd, slot) ? slot : SLOT_NONE;
}

static bool maybe(struct generator *generator, unsigned percent)
{
    return random_chance(&generator->random, percent);
}

bool idiom_ADD_CLOSE_REOPEN(struct generator *generator, unsigned actor)
{
    int epfd;
    int slot = add_target(generator, actor, maybe(generator, 50), &epfd);

    return make_close(generator, actor, slot) && make_reopen(generator, actor) &&
           make_wait(generator, actor, epfd);
}

bool idiom_ADD_CLOSE_READD(struct generator *generator, unsigned actor)
{
    int epfd;
    int slot = add_target(generator, actor, maybe(generator, 50), &epfd);

    if (maybe(generator, 30) && !make_wait(generator, actor, epfd))
        return false;
    if (!make_close(generator, actor, slot))
        return false;
    int target = make_target(generator, actor, maybe(generator, 75), NULL);
    return make_add(generator, actor, epfd, target) && make_wait(generator, actor, epfd);
}

bool idiom_CLOSE_MANY(struct generator *generator, unsigned actor)
{
    const struct world *world = &generator->ready.world;
    int epfd = make_instance(generator, actor);
    int first = make_target(generator, actor, true, NULL);
    int last = make_target(generator, actor, maybe(generator, 50), NULL);

    if (!make_add(generator, actor, epfd, first) || !make_add(generator, actor, epfd, last))
        return false;
    if (world->slots[first] > world->slots[last]) {
        int slot = first;
        first = last;
        last = slot;
    }
    /* What else lies between is closed as well; an epoll fd only where the program may lose one. */
    for (int number = world->slots[first]; number <= world->slots[last]; number++) {
        int file = world_file_of(world, actor, number);
        if (file != WORLD_FILE_NONE && world->files[file].kind == FILE_EPOLL &&
            !generate_has(generator, FEATURE_BIT(EPFD_CLOSE)))
            return false;
    }
    struct proposal close = propose(OP_CLOSE_RANGE, actor);
    close.args[0] = operand_slot(first);
    close.args[1] = operand_slot(last);
    return generate_step(generator, &close) >= 0 && make_reopen(generator, actor) &&
           make_wait(generator, actor, epfd);
}

bool idiom_ADD_DUP_CLOSE(struct generator *generator, unsigned actor)
{
    int epfd;
    int slot = add_target(generator, actor, maybe(generator, 70), &epfd);
    int copy = make_dup(generator, actor, slot);

    if (copy == SLOT_NONE || !make_close(generator, actor, slot))
        return false;
    if (maybe(generator, 40))
        (void)make_reopen(generator, actor);
    if (maybe(generator, 40))
        (void)make_ready(generator, actor, copy);
    return make_wait(generator, actor, epfd);
}

bool idiom_DEL_CLOSE_DUP(struct generator *generator, unsigned actor)
{
    int epfd;
    int slot = add_target(generator, actor, maybe(generator, 70), &epfd);
    int copy = make_dup(generator, actor, slot);

    if (copy == SLOT_NONE || (maybe(generator, 50) && !make_wait(generator, actor, epfd)))
        return false;
    if (!make_ctl(generator, actor, epfd, EPOLL_CTL_DEL, slot, EPOLLIN) ||
        !make_close(generator, actor, slot))
        return false;
    if (maybe(generator, 40))
        (void)make_ready(generator, actor, copy);
    return make_wait(generator, actor, epfd);
}

bool idiom_ADD_BOTH_DUPS(struct generator *generator, unsigned actor)
{
    int epfd;
    int slot = add_target(generator, actor, maybe(generator, 60), &epfd);
    int copy = make_dup(generator, actor, slot);

    if (!make_add(generator, actor, epfd, copy))
        return false;
    if (maybe(generator, 60) && !make_close(generator, actor, maybe(generator, 50) ? slot : copy))
        return false;
    return make_wait(generator, actor, epfd);
}

bool idiom_DUP_OVER_TARGET(struct generator *generator, unsigned actor)
{
    int epfd;
    int source = make_target(generator, actor, maybe(generator, 70), NULL);
    int slot = add_target(generator, actor, maybe(generator, 60), &epfd);

    if (source == slot || !make_dup_over(generator, actor, source, slot))
        return false;
    if (maybe(generator, 40))
        (void)make_add(generator, actor, epfd, slot);
    return make_wait(generator, actor, epfd);
}

bool idiom_DUP_OVER_EPFD(struct generator *generator, unsigned actor)
{
    int epfd;
    int slot = add_target(generator, actor, true, &epfd);
    int other = make_new_instance(generator, actor);
    int copy = maybe(generator, 50) ? make_dup(generator, actor, epfd) : SLOT_NONE;

    if (slot == SLOT_NONE ||
        choose_file(generator, actor, other) == choose_file(generator, actor, epfd) ||
        !make_dup_over(generator, actor, other, epfd))
        return false;
    if (maybe(generator, 40))
        (void)make_add(generator, actor, epfd, slot);
    if (copy != SLOT_NONE)
        (void)make_wait(generator, actor, copy);
    return make_wait(generator, actor, epfd);
}

bool idiom_DUP_EPFD(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int copy = make_dup(generator, actor, epfd);
    int slot = make_unregistered(generator, actor, epfd, maybe(generator, 80));

    if (copy == SLOT_NONE || !make_add(generator, actor, epfd, slot))
        return false;
    if (maybe(generator, 30)) {
        /* Not within the call: compilers differ in which argument they take first. */
        int64_t mask = choose_mask(generator, EPOLLIN);
        int64_t op = maybe(generator, 50) ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
        (void)make_ctl(generator, actor, copy, op, slot, mask);
    }
    if (generate_groups(generator, GROUP_BIT(POLL)) && maybe(generator, 20))
        return make_poll(generator, actor, copy, 0);
    return make_wait(generator, actor, copy);
}

bool idiom_EPFD_CLOSE_DUP(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int copy = make_dup(generator, actor, epfd);
    int slot = make_unregistered(generator, actor, epfd, maybe(generator, 80));

    return copy != SLOT_NONE && make_add(generator, actor, epfd, slot) &&
           make_close(generator, actor, epfd) && make_wait(generator, actor, copy);
}

bool idiom_EPFD_REUSE(struct generator *generator, unsigned actor)
{
    int epfd;
    int slot = add_target(generator, actor, true, &epfd);

    if (slot == SLOT_NONE || !make_close(generator, actor, epfd))
        return false;
    int fresh = make_new_instance(generator, actor);
    if (maybe(generator, 30))
        (void)make_add(generator, actor, fresh, slot);
    return make_wait(generator, actor, fresh);
}

bool idiom_EPFD_STRANGER(struct generator *generator, unsigned actor)
{
    int epfd;
    int slot = add_target(generator, actor, true, &epfd);

    if (slot == SLOT_NONE || !make_close(generator, actor, epfd) || !make_reopen(generator, actor))
        return false;
    int other = make_instance(generator, actor);
    return make_wait(generator, actor, other);
}

bool idiom_PEER_CLOSE(struct generator *generator, unsigned actor)
{
    const struct world *world = &generator->ready.world;
    int epfd;
    int slot = add_target(generator, actor, maybe(generator, 40), &epfd);
    int file = choose_file(generator, actor, slot);

    if (file == WORLD_FILE_NONE || world->files[file].peer == WORLD_FILE_NONE)
        return false;
    if (maybe(generator, 40) && !make_wait(generator, actor, epfd))
        return false;
    int peer = choose_slot_of_file(generator, actor, world->files[file].peer, -1);
    return make_close(generator, actor, peer) && make_wait(generator, actor, epfd);
}

/* A message holds what it carries: the registration survives the close until nobody can read it. */
bool idiom_SEND_CLOSE(struct generator *generator, unsigned actor)
{
    struct proposal pair = propose(OP_SOCKETPAIR, actor);
    int epfd = make_instance(generator, actor);
    int other;
    int slot = make_target(generator, actor, true, &other);
    int step = generate_step(generator, &pair);

    if (step < 0 || !make_add(generator, actor, epfd, slot))
        return false;
    struct proposal send = propose(OP_SEND_FD, actor);
    send.args[0] = operand_slot(generator->program->steps[step].outs[0]);
    send.args[1] = operand_slot(slot);
    if (generate_step(generator, &send) < 0 || !make_close(generator, actor, slot) ||
        !make_wait(generator, actor, epfd))
        return false;
    struct proposal receive = propose(OP_RECV_FD, actor);
    receive.args[0] = operand_slot(generator->program->steps[step].outs[1]);
    if (random_chance(&generator->random, 50))
        return generate_step(generator, &receive) >= 0 && make_wait(generator, actor, epfd);
    return make_close(generator, actor, generator->program->steps[step].outs[1]) &&
           make_wait(generator, actor, epfd);
}
