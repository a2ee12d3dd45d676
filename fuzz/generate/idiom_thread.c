/* Recipes with other threads and processes: what is pending in one, what another sees. */
#include "fuzz/generate/generator.h"

#include <sys/epoll.h>

static bool maybe(struct generator *generator, unsigned percent)
{
    return random_chance(&generator->random, percent);
}

static bool finish(struct generator *generator, enum op_id op, unsigned actor)
{
    struct proposal end = propose(op, actor);

    if (op_table[op].nargs > 0)
        end.args[0] = operand_number(choose_value(generator, op_table[op].args[0]));
    return generate_step(generator, &end) >= 0;
}

static bool reap(struct generator *generator, enum op_id op, unsigned actor, unsigned ended)
{
    struct proposal wait = propose(op, actor);

    wait.args[0] = operand_actor(ended);
    if (op == OP_WAITPID && maybe(generator, 20))
        wait.args[1] = operand_number(choose_value(generator, ARG_WAIT_OPTIONS));
    return generate_step(generator, &wait) >= 0;
}

static bool exit_child(struct generator *generator, unsigned child)
{
    return finish(generator, maybe(generator, 50) ? OP_EXIT : OP_UNDERSCORE_EXIT, child);
}

/* A registration of the actor's: a new one, or one that is there. */
static int registered(struct generator *generator, unsigned actor, int epfd, bool ready)
{
    int slot = choose_registered(generator, actor, choose_file(generator, actor, epfd));

    if (slot != SLOT_NONE && maybe(generator, 60))
        return slot;
    slot = make_unregistered(generator, actor, epfd, ready);
    return make_add(generator, actor, epfd, slot) ? slot : SLOT_NONE;
}

static bool change(struct generator *generator, unsigned actor, int epfd, int64_t op, int slot)
{
    int file = choose_file(generator, actor, slot);

    return file != WORLD_FILE_NONE &&
           make_ctl(generator, actor, epfd, op, slot, choose_ready_mask(generator, file));
}

bool idiom_FORK_PENDING(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = registered(generator, actor, epfd, maybe(generator, 80));

    if (slot != SLOT_NONE && maybe(generator, 40))
        (void)change(generator, actor, epfd, maybe(generator, 50) ? EPOLL_CTL_MOD : EPOLL_CTL_DEL,
                     slot);
    int child = make_child(generator, actor);
    if (child < 0)
        return false;
    unsigned first = maybe(generator, 50) ? (unsigned)child : actor;
    unsigned second = first == actor ? (unsigned)child : actor;
    if (!make_wait(generator, first, epfd))
        return false;
    return maybe(generator, 40) || make_wait(generator, second, epfd);
}

bool idiom_CHILD_ADD(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, maybe(generator, 80));
    int child = make_child(generator, actor);

    if (child < 0 || !make_add(generator, (unsigned)child, epfd, slot))
        return false;
    if (maybe(generator, 30))
        (void)change(generator, (unsigned)child, epfd, EPOLL_CTL_MOD, slot);
    if (generate_has(generator, FEATURE_BIT(FAILING)) && maybe(generator, 30))
        (void)make_add(generator, actor, epfd, slot); /* EEXIST: the child has done it */
    return make_wait(generator, actor, epfd);
}

bool idiom_CHILD_EXIT_PENDING(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, maybe(generator, 80));
    int child = make_child(generator, actor);

    if (child < 0 || !make_add(generator, (unsigned)child, epfd, slot) ||
        !exit_child(generator, (unsigned)child))
        return false;
    if (maybe(generator, 50))
        (void)reap(generator, OP_WAITPID, actor, (unsigned)child);
    return make_wait(generator, actor, epfd);
}

bool idiom_CHILD_CLOSE(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = registered(generator, actor, epfd, maybe(generator, 70));
    int child = make_child(generator, actor);

    if (child < 0 || slot == SLOT_NONE)
        return false;
    unsigned closer = maybe(generator, 50) ? (unsigned)child : actor;
    if (!make_close(generator, closer, slot))
        return false;
    if (maybe(generator, 40))
        (void)make_reopen(generator, closer);
    return make_wait(generator, maybe(generator, 50) ? (unsigned)child : actor, epfd);
}

bool idiom_CHILD_REAP(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = maybe(generator, 60) ? registered(generator, actor, epfd, true) : SLOT_NONE;
    int child = make_child(generator, actor);

    if (child < 0)
        return false;
    if (slot != SLOT_NONE && maybe(generator, 50))
        (void)make_wait(generator, (unsigned)child, epfd);
    return exit_child(generator, (unsigned)child) &&
           reap(generator, OP_WAITPID, actor, (unsigned)child);
}

bool idiom_THREAD_EXIT_PENDING(struct generator *generator, unsigned actor)
{
    int thread = make_thread(generator, actor);
    int epfd = make_instance(generator, actor);

    if (thread < 0 || generator->program->actors[thread].kind != ACTOR_THREAD)
        return false;
    int slot = make_unregistered(generator, actor, epfd, maybe(generator, 80));
    if (!make_add(generator, (unsigned)thread, epfd, slot) ||
        !finish(generator, OP_PTHREAD_EXIT, (unsigned)thread))
        return false;
    if (maybe(generator, 50))
        (void)reap(generator, OP_PTHREAD_JOIN, actor, (unsigned)thread);
    return make_wait(generator, actor, epfd);
}

bool idiom_OTHER_ADD(struct generator *generator, unsigned actor)
{
    int other = make_thread(generator, actor);
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, maybe(generator, 80));

    return other >= 0 && make_add(generator, actor, epfd, slot) &&
           make_wait(generator, (unsigned)other, epfd);
}

bool idiom_OTHER_MOD_DATA(struct generator *generator, unsigned actor)
{
    int other = make_thread(generator, actor);
    int epfd = make_instance(generator, actor);
    int slot = registered(generator, actor, epfd, true);

    if (other < 0 || (maybe(generator, 50) && !make_wait(generator, actor, epfd)))
        return false;
    return change(generator, actor, epfd, EPOLL_CTL_MOD, slot) &&
           make_wait(generator, (unsigned)other, epfd);
}

bool idiom_OTHER_DEL(struct generator *generator, unsigned actor)
{
    int other = make_thread(generator, actor);
    int epfd = make_instance(generator, actor);
    int slot = registered(generator, actor, epfd, true);

    if (other < 0 || (maybe(generator, 60) && !make_wait(generator, actor, epfd)))
        return false;
    return change(generator, actor, epfd, EPOLL_CTL_DEL, slot) &&
           make_wait(generator, (unsigned)other, epfd);
}

bool idiom_OTHER_CLOSE(struct generator *generator, unsigned actor)
{
    int other = make_thread(generator, actor);
    int epfd = make_instance(generator, actor);
    int slot = registered(generator, actor, epfd, maybe(generator, 60));

    if (other < 0 || !make_close(generator, (unsigned)other, slot))
        return false;
    if (maybe(generator, 75))
        (void)make_reopen(generator, maybe(generator, 50) ? (unsigned)other : actor);
    return make_wait(generator, maybe(generator, 60) ? actor : (unsigned)other, epfd);
}

bool idiom_HANDOFF(struct generator *generator, unsigned actor)
{
    int other = make_thread(generator, actor);
    int epfd = make_instance(generator, actor);
    int slot = registered(generator, actor, epfd, true);

    if (other < 0 || (maybe(generator, 50) && !make_wait(generator, actor, epfd)))
        return false;
    return change(generator, actor, epfd, EPOLL_CTL_DEL, slot) &&
           make_add(generator, (unsigned)other, epfd, slot) &&
           make_wait(generator, maybe(generator, 50) ? actor : (unsigned)other, epfd);
}

bool idiom_TWO_INSTANCES(struct generator *generator, unsigned actor)
{
    int other = make_thread(generator, actor);
    int mine = make_instance(generator, actor);
    int yours = make_new_instance(generator, actor);
    int slot = make_target(generator, actor, maybe(generator, 60), NULL);

    if (other < 0 || !make_add(generator, actor, mine, slot))
        return false;
    if (choose_file(generator, actor, mine) != choose_file(generator, actor, yours) &&
        !make_add(generator, (unsigned)other, yours, slot))
        return false;
    if (maybe(generator, 50))
        (void)make_ready(generator, actor, slot);
    return make_wait(generator, (unsigned)other, yours) && make_wait(generator, actor, mine);
}

/* Puts another actor to sleep on an instance, which *ret_epfd names. Returns the sleeper, or -1. */
static int put_to_sleep(struct generator *generator, unsigned actor, int *ret_epfd)
{
    int sleeper = make_partner(generator, actor);
    int epfd = make_instance(generator, actor);

    if (sleeper < 0 || epfd == SLOT_NONE)
        return -1;
    /* What is ready already would not let it sleep: take it away, or take another instance. */
    int instance = choose_file(generator, actor, epfd);
    if (ready_count(&generator->ready, instance) > 0) {
        epfd = make_new_instance(generator, actor);
        instance = choose_file(generator, actor, epfd);
        if (instance == WORLD_FILE_NONE || ready_count(&generator->ready, instance) > 0)
            return -1;
    }
    /* A child does not know what was opened after it was born. */
    if (choose_file(generator, (unsigned)sleeper, epfd) != instance)
        return -1;
    *ret_epfd = epfd;
    return make_sleep(generator, (unsigned)sleeper, epfd) && generator->result.sleeps ? sleeper
                                                                                      : -1;
}

bool idiom_SLEEP_ADD(struct generator *generator, unsigned actor)
{
    int epfd;

    if (put_to_sleep(generator, actor, &epfd) < 0)
        return false;
    int slot = make_unregistered(generator, actor, epfd, true);
    return make_add(generator, actor, epfd, slot) && generator->result.woken > 0;
}

bool idiom_SLEEP_WRITE(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, false);
    int sleeper = make_partner(generator, actor);

    if (sleeper < 0 ||
        !make_ctl(generator, actor, epfd, EPOLL_CTL_ADD, slot, choose_mask(generator, EPOLLIN)))
        return false;
    if (choose_file(generator, (unsigned)sleeper, epfd) != choose_file(generator, actor, epfd))
        return false;
    return make_sleep(generator, (unsigned)sleeper, epfd) && generator->result.sleeps &&
           make_ready(generator, actor, slot) && generator->result.woken > 0;
}

bool idiom_SLEEP_MOD(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, true);
    int file = choose_file(generator, actor, slot);
    int sleeper = make_partner(generator, actor);

    /* Registered for what it is not ready for: HUP alone, or the other direction. */
    if (sleeper < 0 || file == WORLD_FILE_NONE)
        return false;
    int64_t mask = ready_poll(&generator->ready, file, EPOLLOUT) ? EPOLLIN : EPOLLOUT;
    if (ready_poll(&generator->ready, file, (uint32_t)mask) != 0)
        mask = choose_mask(generator, EPOLLHUP | EPOLLPRI | EPOLLRDHUP);
    if (!make_ctl(generator, actor, epfd, EPOLL_CTL_ADD, slot, mask) ||
        choose_file(generator, (unsigned)sleeper, epfd) != choose_file(generator, actor, epfd))
        return false;
    return make_sleep(generator, (unsigned)sleeper, epfd) && generator->result.sleeps &&
           change(generator, actor, epfd, EPOLL_CTL_MOD, slot);
}

bool idiom_SLEEP_DEL(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, false);
    int sleeper = make_partner(generator, actor);

    if (sleeper < 0 ||
        !make_ctl(generator, actor, epfd, EPOLL_CTL_ADD, slot, choose_mask(generator, EPOLLIN)))
        return false;
    if (choose_file(generator, (unsigned)sleeper, epfd) != choose_file(generator, actor, epfd))
        return false;
    return make_sleep(generator, (unsigned)sleeper, epfd) && generator->result.sleeps &&
           change(generator, actor, epfd, EPOLL_CTL_DEL, slot) &&
           make_ready(generator, actor, slot);
}

bool idiom_SLEEP_ADD_WRITE(struct generator *generator, unsigned actor)
{
    int epfd;

    if (put_to_sleep(generator, actor, &epfd) < 0)
        return false;
    int slot = make_unregistered(generator, actor, epfd, false);
    return make_ctl(generator, actor, epfd, EPOLL_CTL_ADD, slot, choose_mask(generator, EPOLLIN)) &&
           make_ready(generator, actor, slot) && generator->result.woken > 0;
}

bool idiom_SLEEP_NEST(struct generator *generator, unsigned actor)
{
    int inner = make_new_instance(generator, actor);
    int outer;

    if (put_to_sleep(generator, actor, &outer) < 0)
        return false;
    if (choose_file(generator, actor, inner) == choose_file(generator, actor, outer))
        return false;
    (void)make_ctl(generator, actor, outer, EPOLL_CTL_ADD, inner, choose_mask(generator, EPOLLIN));
    int slot = make_unregistered(generator, actor, inner, true);
    return make_add(generator, actor, inner, slot) && generator->result.woken > 0;
}

/* The one with the pending operation sleeps elsewhere: nothing that it does will carry it out. */
bool idiom_SLEEP_PENDING(struct generator *generator, unsigned actor)
{
    int other = make_partner(generator, actor);
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, true);

    if (other < 0 || !make_add(generator, actor, epfd, slot))
        return false;
    const struct program_actor *actors = generator->program->actors;
    bool thread =
        actors[other].kind == ACTOR_THREAD && actors[other].process == actors[actor].process;
    int elsewhere = make_new_instance(generator, actor);
    bool asleep = choose_file(generator, actor, elsewhere) != choose_file(generator, actor, epfd) &&
                  make_poll(generator, actor, elsewhere, -1) && generator->result.sleeps;
    if (!asleep && thread)
        asleep = reap(generator, OP_PTHREAD_JOIN, actor, (unsigned)other);
    return asleep && choose_file(generator, (unsigned)other, epfd) != WORLD_FILE_NONE &&
           make_wait(generator, (unsigned)other, epfd);
}

bool idiom_EXCLUSIVE_TWO(struct generator *generator, unsigned actor)
{
    int first = make_thread(generator, actor);
    int mine = make_instance(generator, actor);
    int yours = make_new_instance(generator, actor);
    int slot = make_target(generator, actor, false, NULL);
    int64_t mask = EPOLLIN;

    for (unsigned tries = 0; tries < 64 && ((uint32_t)mask & (uint32_t)EPOLLEXCLUSIVE) == 0;
         tries++)
        mask = choose_mask(generator, EPOLLIN);
    if (first < 0 || !make_ctl(generator, actor, mine, EPOLL_CTL_ADD, slot, mask) ||
        !make_ctl(generator, (unsigned)first, yours, EPOLL_CTL_ADD, slot, mask) ||
        !make_sleep(generator, (unsigned)first, yours))
        return false;
    int second = make_thread(generator, actor);
    if (second < 0 || !make_sleep(generator, (unsigned)second, mine))
        return false;
    return make_ready(generator, actor, slot) && generator->result.woken > 0;
}

/* What the sleeper waits on lives on in its call when the number is closed. */
bool idiom_SLEEP_CLOSE(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, false);
    int sleeper = make_partner(generator, actor);

    if (sleeper < 0 ||
        !make_ctl(generator, actor, epfd, EPOLL_CTL_ADD, slot, choose_mask(generator, EPOLLIN)))
        return false;
    if (choose_file(generator, (unsigned)sleeper, epfd) != choose_file(generator, actor, epfd))
        return false;
    return make_sleep(generator, (unsigned)sleeper, epfd) && generator->result.sleeps &&
           make_close(generator, actor, epfd) && make_ready(generator, actor, slot);
}
