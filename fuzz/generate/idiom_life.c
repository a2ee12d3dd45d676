/* Recipes with signals, cancellation, new programs and tables of descriptors. */
#include "fuzz/generate/generator.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>

static bool maybe(struct generator *generator, unsigned percent)
{
    return random_chance(&generator->random, percent);
}

/* A plain operation with one argument by its kind. */
static bool act(struct generator *generator, enum op_id op, unsigned actor, struct operand operand)
{
    struct proposal proposal = propose(op, actor);

    proposal.args[0] = operand;
    return generate_step(generator, &proposal) >= 0;
}

/* Says what SIGUSR1 does; for CTL, to `slot` of the instance `epfd`. */
static bool handle(struct generator *generator, unsigned actor, int64_t kind, int epfd, int slot)
{
    struct proposal action = propose(OP_SIGACTION, actor);
    int file = choose_file(generator, actor, slot);

    action.args[0] = operand_number(kind);
    if (kind == HANDLER_CTL) {
        if (epfd == SLOT_NONE || file == WORLD_FILE_NONE)
            return false;
        int64_t op = maybe(generator, 60) ? EPOLL_CTL_ADD : choose_value(generator, ARG_CTL_OP);
        action.args[1] = operand_slot(epfd);
        action.args[2] = operand_number(op);
        action.args[3] = operand_slot(slot);
        action.args[4] = operand_number(choose_ready_mask(generator, file));
    }
    return generate_step(generator, &action) >= 0;
}

static bool same_process(const struct generator *generator, unsigned a, unsigned b)
{
    return generator->program->actors[a].process == generator->program->actors[b].process;
}

bool idiom_SIGNAL_SLEEP(struct generator *generator, unsigned actor)
{
    int sleeper = make_partner(generator, actor);
    int epfd = make_instance(generator, actor);

    if (sleeper < 0 || epfd == SLOT_NONE)
        return false;
    if (ready_count(&generator->ready, choose_file(generator, actor, epfd)) > 0)
        epfd = make_new_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, maybe(generator, 70));
    if (choose_file(generator, (unsigned)sleeper, epfd) != choose_file(generator, actor, epfd))
        return false;
    int64_t kind = choose_value(generator, ARG_HANDLER);
    unsigned who = same_process(generator, actor, (unsigned)sleeper) ? actor : (unsigned)sleeper;
    if (!handle(generator, who, kind, epfd, slot) ||
        !make_sleep(generator, (unsigned)sleeper, epfd) || !generator->result.sleeps ||
        !act(generator, OP_TGKILL, actor, operand_actor((unsigned)sleeper)))
        return false;
    return make_wait(generator, actor, epfd);
}

bool idiom_SIGNAL_BLOCKED(struct generator *generator, unsigned actor)
{
    int sleeper = make_partner(generator, actor);
    int epfd = make_new_instance(generator, actor);
    struct proposal wait = propose(OP_EPOLL_PWAIT, (unsigned)sleeper);

    if (sleeper < 0 || epfd == SLOT_NONE)
        return false;
    int slot = make_unregistered(generator, actor, epfd, true);
    unsigned who = same_process(generator, actor, (unsigned)sleeper) ? actor : (unsigned)sleeper;
    wait.args[0] = operand_slot(epfd);
    wait.args[2] = operand_number(-1);
    wait.args[3] = operand_number(SIGMASK_FULL);
    if (choose_file(generator, (unsigned)sleeper, epfd) != choose_file(generator, actor, epfd) ||
        !handle(generator, who, choose_value(generator, ARG_HANDLER), epfd, slot) ||
        generate_step(generator, &wait) < 0 || !generator->result.sleeps ||
        !act(generator, OP_TGKILL, actor, operand_actor((unsigned)sleeper)))
        return false;
    if (who == actor && maybe(generator, 25))
        (void)handle(generator, who, choose_value(generator, ARG_HANDLER), epfd, slot);
    if (maybe(generator, 25))
        (void)act(generator, OP_TGKILL, actor, operand_actor((unsigned)sleeper));
    int other = make_unregistered(generator, actor, epfd, true);
    return make_add(generator, actor, epfd, other) && generator->result.woken > 0 &&
           make_wait(generator, actor, epfd);
}

bool idiom_SIGNAL_CTL(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, true);
    int other = choose_other(generator, actor, true);
    unsigned target = other >= 0 && maybe(generator, 60) ? (unsigned)other : actor;

    return handle(generator, actor, HANDLER_CTL, epfd, slot) &&
           act(generator, OP_TGKILL, actor, operand_actor(target)) &&
           make_wait(generator, actor, epfd);
}

bool idiom_CANCEL_SLEEP(struct generator *generator, unsigned actor)
{
    int sleeper = make_thread(generator, actor);
    int epfd = make_instance(generator, actor);

    if (sleeper < 0 || epfd == SLOT_NONE ||
        generator->program->actors[sleeper].kind != ACTOR_THREAD)
        return false;
    if (ready_count(&generator->ready, choose_file(generator, actor, epfd)) > 0)
        epfd = make_new_instance(generator, actor);
    if (!make_sleep(generator, (unsigned)sleeper, epfd) || !generator->result.sleeps)
        return false;
    if (maybe(generator, 50))
        (void)make_close(generator, actor, epfd);
    if (!act(generator, OP_PTHREAD_CANCEL, actor, operand_actor((unsigned)sleeper)))
        return false;
    int slot = make_unregistered(generator, actor, epfd, true);
    (void)make_add(generator, actor, epfd, slot);
    return make_wait(generator, actor, epfd);
}

bool idiom_CANCEL_PENDING(struct generator *generator, unsigned actor)
{
    int thread = make_thread(generator, actor);
    int epfd = make_instance(generator, actor);

    if (thread < 0 || generator->program->actors[thread].kind != ACTOR_THREAD)
        return false;
    int slot = make_unregistered(generator, actor, epfd, true);
    if (!act(generator, OP_PTHREAD_CANCEL, actor, operand_actor((unsigned)thread)) ||
        !make_add(generator, (unsigned)thread, epfd, slot))
        return false;
    if (maybe(generator, 40))
        (void)make_wait(generator, (unsigned)thread, epfd);
    else
        (void)make_close(generator, (unsigned)thread, slot);
    return make_wait(generator, actor, epfd);
}

bool idiom_UNSHARE_CLOSE(struct generator *generator, unsigned actor)
{
    int thread = make_thread(generator, actor);
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, maybe(generator, 80));

    if (thread < 0 || !make_add(generator, actor, epfd, slot) ||
        !act(generator, OP_UNSHARE, (unsigned)thread, operand_number(CLONE_FILES)))
        return false;
    if (!make_close(generator, maybe(generator, 50) ? actor : (unsigned)thread, slot))
        return false;
    if (maybe(generator, 40))
        (void)make_reopen(generator, maybe(generator, 50) ? actor : (unsigned)thread);
    return make_wait(generator, maybe(generator, 60) ? actor : (unsigned)thread, epfd);
}

/* Another number of the file, closed by execve. */
static int closed_twin(struct generator *generator, unsigned actor, int slot)
{
    struct proposal dup = propose(OP_DUP3, actor);
    int over = choose_slot(generator, actor, KINDS_PLAIN);

    if (over == SLOT_NONE || over == slot || !generate_groups(generator, GROUP_BIT(DUP)))
        return SLOT_NONE;
    dup.args[0] = operand_slot(slot);
    dup.args[1] = operand_slot(over);
    dup.args[2] = operand_number(O_CLOEXEC);
    int step = generate_step(generator, &dup);
    return step < 0 ? SLOT_NONE : generator->program->steps[step].outs[0];
}

bool idiom_EXEC_PENDING(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int kept = make_unregistered(generator, actor, epfd, true);

    if (!make_add(generator, actor, epfd, kept))
        return false;
    int closed = maybe(generator, 60) ? closed_twin(generator, actor, kept) : SLOT_NONE;
    if (closed != SLOT_NONE)
        (void)make_add(generator, actor, epfd, closed);
    return act(generator, OP_EXECVE, actor, operand_number(EXEC_SELF)) &&
           make_wait(generator, actor, epfd);
}

bool idiom_SPAWN_PENDING(struct generator *generator, unsigned actor)
{
    int epfd = make_instance(generator, actor);
    int slot = make_unregistered(generator, actor, epfd, maybe(generator, 80));
    enum op_id op = maybe(generator, 50) ? OP_VFORK_EXEC : OP_POSIX_SPAWN;

    if (!make_add(generator, actor, epfd, slot) ||
        !act(generator, op, actor, maybe(generator, 60) ? operand_slot(slot) : operand_number(-1)))
        return false;
    unsigned child = generator->program->nactors - 1u;
    (void)make_wait(generator, child, epfd);
    return make_wait(generator, actor, epfd);
}
