/* What recipes are made of, and their table. */
#include "fuzz/generate/generator.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

const struct idiom idiom_table[IDIOMS] = {
#define IDIOM(idiom_name, idiom_weight, idiom_groups, idiom_features, doc)                         \
    [IDIOM_##idiom_name] = {.id = #idiom_name,                                                     \
                            .weight = (idiom_weight),                                              \
                            .groups = (idiom_groups),                                              \
                            .features = (idiom_features),                                          \
                            .run = idiom_##idiom_name},
#include "fuzz/generate/idioms.def"
#undef IDIOM
};
_Static_assert(IDIOMS <= 64, "generator.idioms has a bit for each");

static int slot_bound(const struct generator *generator, int step, unsigned out)
{
    return step < 0 ? SLOT_NONE : generator->program->steps[step].outs[out];
}

int make_new_instance(struct generator *generator, unsigned actor)
{
    unsigned instances = 0;
    unsigned limit =
        generate_has(generator, FEATURE_BIT(MANY_INSTANCES)) ? GENERATE_INSTANCES_MAX : 2;

    for (unsigned i = 0; i < generator->ready.world.nfiles; i++)
        instances += generator->ready.world.files[i].kind == FILE_EPOLL &&
                     generator->ready.world.files[i].refs > 0;
    if (instances >= limit)
        return choose_slot(generator, actor, KINDS_EPOLL);
    struct proposal create = propose(OP_EPOLL_CREATE1, actor);
    if (random_chance(&generator->random, 15))
        create = propose(OP_EPOLL_CREATE, actor);
    return slot_bound(generator, generate_step(generator, &create), 0);
}

int make_instance(struct generator *generator, unsigned actor)
{
    int slot = choose_slot(generator, actor, KINDS_EPOLL);

    if (slot == SLOT_NONE || random_chance(&generator->random, 8))
        return make_new_instance(generator, actor);
    return slot;
}

bool make_io(struct generator *generator, unsigned actor, enum op_id op, int slot, int64_t count)
{
    if (slot == SLOT_NONE)
        return false;
    struct proposal io = propose(op, actor);
    io.args[0] = operand_slot(slot);
    io.args[1] = operand_number(count);
    return generate_step(generator, &io) >= 0;
}

static int64_t choose_flags(struct generator *generator, enum arg_kind kind, int64_t nonblock)
{
    bool blocking = generate_has(generator, FEATURE_BIT(BLOCKING_IO));

    for (unsigned tries = 0; tries < 8; tries++) {
        int64_t flags = choose_value(generator, kind);
        if (blocking || (flags & nonblock) != 0)
            return flags;
    }
    return arg_table[kind].values[0];
}

static int make_pipe(struct generator *generator, unsigned actor, bool ready, int *ret_other)
{
    struct proposal open = propose(OP_PIPE2, actor);

    open.args[0] = operand_number(choose_flags(generator, ARG_PIPE_FLAGS, O_NONBLOCK));
    int step = generate_step(generator, &open);
    int reader = slot_bound(generator, step, 0);
    int writer = slot_bound(generator, step, 1);
    bool watch_writer = ready && random_chance(&generator->random, 30);
    *ret_other = watch_writer ? SLOT_NONE : writer;
    if (ready && !watch_writer)
        (void)make_io(generator, actor, OP_WRITE, writer, choose_value(generator, ARG_COUNT));
    return watch_writer ? writer : reader;
}

static int make_socket(struct generator *generator, unsigned actor, bool ready, int *ret_other)
{
    struct proposal open = propose(OP_SOCKETPAIR, actor);

    open.args[0] = operand_number(choose_flags(generator, ARG_SOCKET_TYPE, SOCK_NONBLOCK));
    int step = generate_step(generator, &open);
    int near = slot_bound(generator, step, 0);
    *ret_other = slot_bound(generator, step, 1);
    if (ready && random_chance(&generator->random, 70))
        (void)make_io(generator, actor, OP_WRITE, *ret_other, arg_table[ARG_COUNT].values[0]);
    return near;
}

static int make_eventfd(struct generator *generator, unsigned actor, bool ready, int *ret_other)
{
    struct proposal open = propose(OP_EVENTFD, actor);
    int64_t initial = 0;

    for (unsigned tries = 0; ready && initial <= 0 && tries < 16; tries++)
        initial = choose_value(generator, ARG_INITVAL);
    open.args[0] = operand_number(initial);
    open.args[1] = operand_number(choose_value(generator, ARG_EVENTFD_FLAGS));
    int slot = slot_bound(generator, generate_step(generator, &open), 0);
    *ret_other = slot;
    return slot;
}

int make_target(struct generator *generator, unsigned actor, bool ready, int *ret_other)
{
    unsigned pick = random_below(&generator->random, 100);
    int other = SLOT_NONE;
    int *other_out = ret_other ? ret_other : &other;

    if (pick < 40)
        return make_eventfd(generator, actor, ready, other_out);
    if (pick < 70 && generate_groups(generator, GROUP_BIT(SOCKETS)))
        return make_socket(generator, actor, ready, other_out);
    return make_pipe(generator, actor, ready, other_out);
}

int make_unregistered(struct generator *generator, unsigned actor, int epfd, bool ready)
{
    int instance = choose_file(generator, actor, epfd);

    for (unsigned tries = 0; tries < 4 && random_chance(&generator->random, 60); tries++) {
        int slot = choose_unregistered(generator, actor, instance);
        int file = choose_file(generator, actor, slot);
        if (file == WORLD_FILE_NONE || generator->ready.world.files[file].kind == FILE_EPOLL)
            continue;
        if ((ready_poll(&generator->ready, file, EPOLLIN) != 0) == ready)
            return slot;
    }
    return make_target(generator, actor, ready, NULL);
}

bool make_ctl(struct generator *generator, unsigned actor, int epfd, int64_t op, int slot,
              int64_t mask)
{
    if (epfd == SLOT_NONE || slot == SLOT_NONE)
        return false;
    struct proposal ctl = propose(OP_EPOLL_CTL, actor);
    ctl.args[0] = operand_slot(epfd);
    ctl.args[1] = operand_number(op);
    ctl.args[2] = operand_slot(slot);
    ctl.args[3] = operand_number(mask);
    return generate_step(generator, &ctl) >= 0;
}

bool make_add(struct generator *generator, unsigned actor, int epfd, int slot)
{
    int file = choose_file(generator, actor, slot);

    return file != WORLD_FILE_NONE && make_ctl(generator, actor, epfd, EPOLL_CTL_ADD, slot,
                                               choose_ready_mask(generator, file));
}

/* One of the calls that wait, with a timeout in milliseconds: 0, or -1 for ever. */
static bool make_timed_wait(struct generator *generator, unsigned actor, int epfd, int64_t timeout)
{
    static const enum op_id ops[] = {OP_EPOLL_WAIT, OP_EPOLL_PWAIT, OP_EPOLL_PWAIT2};
    enum op_id op = OP_EPOLL_WAIT;

    if (epfd == SLOT_NONE)
        return false;
    if (generate_groups(generator, GROUP_BIT(PWAIT)))
        op = ops[random_below(&generator->random, 3)];
    struct proposal wait = propose(op, actor);
    wait.args[0] = operand_slot(epfd);
    if (generate_has(generator, FEATURE_BIT(SMALL_MAXEVENTS)))
        wait.args[1] = operand_number(choose_value(generator, ARG_MAXEVENTS));
    wait.args[2] = operand_number(timeout < 0 && op == OP_EPOLL_PWAIT2 ? TIMESPEC_NULL : timeout);
    return generate_step(generator, &wait) >= 0;
}

bool make_wait(struct generator *generator, unsigned actor, int epfd)
{
    return make_timed_wait(generator, actor, epfd, 0);
}

bool make_sleep(struct generator *generator, unsigned actor, int epfd)
{
    if (generate_groups(generator, GROUP_BIT(POLL)) && random_chance(&generator->random, 15))
        return make_poll(generator, actor, epfd, -1);
    return make_timed_wait(generator, actor, epfd, -1);
}

bool make_poll(struct generator *generator, unsigned actor, int slot, int64_t timeout)
{
    if (slot == SLOT_NONE)
        return false;
    struct proposal poll =
        propose(random_chance(&generator->random, 50) ? OP_POLL : OP_SELECT, actor);
    poll.args[0] = operand_slot(slot);
    poll.args[op_table[poll.op].block_arg] = operand_number(timeout);
    return generate_step(generator, &poll) >= 0;
}

int make_dup(struct generator *generator, unsigned actor, int slot)
{
    if (slot == SLOT_NONE || !generate_groups(generator, GROUP_BIT(DUP)))
        return SLOT_NONE;
    struct proposal dup = propose(random_chance(&generator->random, 65) ? OP_DUP : OP_FCNTL, actor);
    dup.args[0] = operand_slot(slot);
    if (dup.op == OP_FCNTL)
        dup.args[2] = operand_number(choose_value(generator, ARG_MIN_FD));
    return slot_bound(generator, generate_step(generator, &dup), 0);
}

bool make_dup_over(struct generator *generator, unsigned actor, int slot, int over)
{
    if (slot == SLOT_NONE || over == SLOT_NONE || slot == over)
        return false;
    struct proposal dup = propose(random_chance(&generator->random, 65) ? OP_DUP2 : OP_DUP3, actor);
    dup.args[0] = operand_slot(slot);
    dup.args[1] = operand_slot(over);
    return generate_step(generator, &dup) >= 0;
}

bool make_close(struct generator *generator, unsigned actor, int slot)
{
    static const enum op_id doors[] = {OP_CLOSE, OP_CLOSE, OP_FCLOSE, OP_SYSCALL, OP_CLOSE_RANGE};
    enum op_id door = OP_CLOSE;

    if (slot == SLOT_NONE)
        return false;
    if (generate_groups(generator, GROUP_BIT(DUP)) && random_chance(&generator->random, 10) &&
        make_dup_over(generator, actor, choose_slot(generator, actor, KINDS_PLAIN), slot))
        return true;
    if (generate_groups(generator, GROUP_BIT(DOORS)))
        door = doors[random_below(&generator->random, sizeof(doors) / sizeof(doors[0]))];
    struct proposal close = propose(door, actor);
    close.args[op_fd_arg(&op_table[door])] = operand_slot(slot);
    if (door == OP_CLOSE_RANGE)
        close.args[1] = operand_slot(slot);
    return generate_step(generator, &close) >= 0;
}

bool make_reopen(struct generator *generator, unsigned actor)
{
    unsigned pick = random_below(&generator->random, 100);
    struct proposal open = propose(OP_MEMFD_CREATE, actor);

    if (pick < 8 && generate_groups(generator, GROUP_BIT(FILES))) {
        if (random_chance(&generator->random, 50))
            open = propose(OP_OPEN, actor);
        return generate_step(generator, &open) >= 0;
    }
    if (pick < 18)
        return make_dup(generator, actor, choose_slot(generator, actor, KINDS_PLAIN)) != SLOT_NONE;
    if (pick < 24)
        return make_new_instance(generator, actor) != SLOT_NONE;
    /* Mostly ready, because only then a registration that should not be there can be seen. */
    return make_target(generator, actor, random_chance(&generator->random, 80), NULL) != SLOT_NONE;
}

static int make_actor(struct generator *generator, unsigned actor, enum op_id op)
{
    struct proposal start = propose(op, actor);
    int step = generate_step(generator, &start);

    return step < 0 ? -1 : generator->program->steps[step].outs[0];
}

int make_thread(struct generator *generator, unsigned actor)
{
    int other = choose_other(generator, actor, true);

    if (other >= 0 || !generate_groups(generator, GROUP_BIT(THREADS)))
        return other;
    return make_actor(generator, actor, OP_PTHREAD_CREATE);
}

int make_child(struct generator *generator, unsigned actor)
{
    if (!generate_groups(generator, GROUP_BIT(FORK)))
        return -1;
    return make_actor(generator, actor, OP_FORK);
}

int make_partner(struct generator *generator, unsigned actor)
{
    int other = choose_other(generator, actor, false);

    if (other >= 0)
        return other;
    if (generate_groups(generator, GROUP_BIT(THREADS)))
        return make_thread(generator, actor);
    return make_child(generator, actor);
}

bool make_ready(struct generator *generator, unsigned actor, int slot)
{
    const struct world *world = &generator->ready.world;
    int file = choose_file(generator, actor, slot);
    int64_t count = arg_table[ARG_COUNT].values[0];

    if (file == WORLD_FILE_NONE)
        return false;
    if (world->files[file].kind == FILE_EVENTFD)
        return make_io(generator, actor, OP_WRITE, slot, count);
    if (world->files[file].kind == FILE_PIPE_WRITE)
        return make_io(generator, actor, OP_READ,
                       choose_slot_of_file(generator, actor, world->files[file].peer, -1), count);
    int peer = choose_slot_of_file(generator, actor, world->files[file].peer, -1);
    return world->files[file].peer != WORLD_FILE_NONE &&
           make_io(generator, actor, OP_WRITE, peer, count);
}
