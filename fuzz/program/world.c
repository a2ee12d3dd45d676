/* The world of a program: descriptors, open file descriptions and interest lists. */
#include "fuzz/program/world_inside.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

/* What SIGUSR1 does to a process at first: nothing. */
static const struct world_handler no_handler = {.kind = HANDLER_IGNORE};

static int new_file(struct world *world, enum file_kind kind, int born, int out)
{
    assert(world->nfiles < WORLD_FILES_MAX);
    struct world_file *file = &world->files[world->nfiles];
    *file = (struct world_file){.kind = kind,
                                .born = born,
                                .out = out,
                                .peer = WORLD_FILE_NONE,
                                .queued_on = WORLD_FILE_NONE};
    return (int)world->nfiles++;
}

void world_init(struct world *ret_world, const struct program *program)
{
    memset(ret_world, 0, sizeof(*ret_world));
    ret_world->program = program;
    memset(ret_world->slots, -1, sizeof(ret_world->slots));
    for (unsigned i = 0; i < PROGRAM_ACTORS_MAX; i++) {
        memset(ret_world->tables[i].files, -1, sizeof(ret_world->tables[i].files));
        ret_world->actor_tables[i] = WORLD_TABLE_NONE;
    }
    ret_world->processes[0].alive = true;
    ret_world->actors_alive[0] = true;
    ret_world->actor_tables[0] = 0;
    ret_world->tables[0].users = 1;
    int null = new_file(ret_world, FILE_PATH, WORLD_STEP_NONE, 0);
    for (int number = 0; number < 3; number++)
        ret_world->tables[0].files[number] = null;
    ret_world->files[null].refs = 3;
}

int world_number(const struct world *world, const struct step *step, unsigned arg)
{
    return step->tags[arg] == TAG_SLOT ? world->slots[step->args[arg]] : (int)step->args[arg];
}

const struct world_table *world_table_of(const struct world *world, unsigned actor)
{
    int table = world->actor_tables[actor];
    return table == WORLD_TABLE_NONE ? NULL : &world->tables[table];
}

/* The same for an actor that lives, to change it. */
static struct world_table *living_table(struct world *world, unsigned actor)
{
    assert(world->actors_alive[actor] && world->actor_tables[actor] != WORLD_TABLE_NONE);
    return &world->tables[world->actor_tables[actor]];
}

int world_file_of(const struct world *world, unsigned actor, int number)
{
    const struct world_table *table = world_table_of(world, actor);

    if (!table || number < 0 || number >= PROGRAM_FD_LIMIT)
        return WORLD_FILE_NONE;
    return table->files[number];
}

int world_file_of_arg(const struct world *world, const struct step *step, unsigned arg)
{
    return world_file_of(world, step->actor, world_number(world, step, arg));
}

static bool has_cloexec(const struct world_table *table, int number)
{
    assert(number >= 0 && number < PROGRAM_FD_LIMIT);
    return table->cloexec[number / 8] >> (number % 8) & 1;
}

bool world_cloexec(const struct world *world, unsigned actor, int number)
{
    const struct world_table *table = world_table_of(world, actor);
    return table && has_cloexec(table, number);
}

static void set_cloexec(struct world_table *table, int number, bool cloexec)
{
    uint8_t *byte = &table->cloexec[number / 8];
    uint8_t bit = (uint8_t)(1u << (number % 8));

    *byte = (uint8_t)(cloexec ? *byte | bit : *byte & ~bit);
}

int world_find_item(const struct world *world, int instance, int number, int file)
{
    for (unsigned i = 0; i < world->nitems; i++) {
        const struct world_item *item = &world->items[i];
        if (item->live && item->instance == instance && item->number == number &&
            item->file == file)
            return (int)i;
    }
    return -1;
}

/* An open file description dies with its last number: every interest list forgets it, and its own
 * goes with it. */
void world_drop_reference(struct world *world, int file)
{
    assert(world->files[file].refs > 0);
    if (--world->files[file].refs > 0)
        return;
    for (unsigned i = 0; i < world->nitems; i++) {
        struct world_item *item = &world->items[i];
        if (item->file == file || item->instance == file)
            item->live = false;
    }
    world_drop_flights(world, file);
}

static void close_number(struct world *world, struct world_table *table, int number)
{
    if (number < 0 || number >= PROGRAM_FD_LIMIT)
        return;
    int *entry = &table->files[number];
    if (*entry == WORLD_FILE_NONE)
        return;
    world_drop_reference(world, *entry);
    *entry = WORLD_FILE_NONE;
    set_cloexec(table, number, false);
}

void world_install(struct world *world, unsigned actor, int number, int file, bool cloexec)
{
    struct world_table *table = living_table(world, actor);

    assert(number >= 0 && number < PROGRAM_FD_LIMIT);
    /* dup2 over a number of the same description takes its new reference before it drops the old
     * one. */
    world->files[file].refs++;
    close_number(world, table, number);
    table->files[number] = file;
    set_cloexec(table, number, cloexec);
}

/* Whether the numbers that a step makes are closed by execve(2). */
static bool opened_cloexec(const struct step *step)
{
    switch (step->op) {
    case OP_EPOLL_CREATE1:
        return step->args[0] & EPOLL_CLOEXEC;
    case OP_PIPE2:
        return step->args[0] & O_CLOEXEC;
    case OP_SOCKETPAIR:
        return step->args[0] & SOCK_CLOEXEC;
    case OP_EVENTFD:
        return step->args[1] & EFD_CLOEXEC;
    case OP_OPEN:
        return step->args[1] & O_CLOEXEC;
    case OP_MEMFD_CREATE:
        return step->args[0] & MFD_CLOEXEC;
    case OP_DUP3:
        return step->args[2] & O_CLOEXEC;
    case OP_FCNTL:
        return step->args[1] == F_DUPFD_CLOEXEC;
    case OP_LISTEN:
    case OP_CONNECT:
    case OP_ACCEPT4:
        return step->args[1] & SOCK_CLOEXEC;
    case OP_TIMERFD_CREATE:
        return step->args[1] & TFD_CLOEXEC;
    case OP_SIGNALFD:
        return step->args[0] & SFD_CLOEXEC;
    case OP_INOTIFY_INIT1:
        return step->args[0] & IN_CLOEXEC;
    case OP_OPENDIR:
        return true;
    default:
        return false;
    }
}

static void apply_open(struct world *world, unsigned index, const struct world_outcome *outcome)
{
    const struct step *step = &world->program->steps[index];
    const struct op_info *op = &op_table[step->op];
    int files[PROGRAM_OUTS_MAX] = {WORLD_FILE_NONE, WORLD_FILE_NONE};

    for (unsigned i = 0; i < op->nouts; i++) {
        if (outcome->fds[i] < 0 || outcome->fds[i] >= PROGRAM_FD_LIMIT)
            continue;
        files[i] = new_file(world, op->outs[i].kind, (int)index, (int)i);
        world_install(world, step->actor, outcome->fds[i], files[i], opened_cloexec(step));
        if (op->outs[i].kind == FILE_SOCKET || op->outs[i].kind == FILE_LISTENER)
            world_opened_socket(world, step, files[i]);
    }
    if (files[0] >= 0 && files[1] >= 0) {
        world->files[files[0]].peer = files[1];
        world->files[files[1]].peer = files[0];
    }
}

static void apply_dup(struct world *world, const struct step *step,
                      const struct world_outcome *outcome)
{
    int file = world_file_of_arg(world, step, 0);
    int number = outcome->fds[0];

    if (file == WORLD_FILE_NONE || number < 0 || number >= PROGRAM_FD_LIMIT)
        return;
    /* dup2 of a number over itself leaves everything as it is. */
    if (number != world_number(world, step, 0))
        world_install(world, step->actor, number, file, opened_cloexec(step));
}

/* The epoll_ctl of step `index`, its own or that of the handler which it has run. */
static void change_interest(struct world *world, unsigned index, unsigned actor, int epfd, int op,
                            int number, int64_t event)
{
    int instance = world_file_of(world, actor, epfd);
    int file = world_file_of(world, actor, number);
    if (instance == WORLD_FILE_NONE || file == WORLD_FILE_NONE)
        return;
    int item = world_find_item(world, instance, number, file);

    switch (op) {
    case EPOLL_CTL_ADD:
        if (item >= 0)
            break;
        assert(world->nitems < WORLD_ITEMS_MAX);
        world->items[world->nitems++] = (struct world_item){.live = true,
                                                            .instance = instance,
                                                            .number = number,
                                                            .file = file,
                                                            .events = (uint32_t)event,
                                                            .added = (int)index,
                                                            .registered = (int)index};
        break;
    case EPOLL_CTL_MOD:
        if (item >= 0) {
            world->items[item].events = (uint32_t)event;
            world->items[item].registered = (int)index;
        }
        break;
    case EPOLL_CTL_DEL:
        if (item >= 0)
            world->items[item].live = false;
        break;
    default:
        break;
    }
}

static void apply_ctl(struct world *world, unsigned index)
{
    const struct step *step = &world->program->steps[index];

    change_interest(world, index, step->actor, world_number(world, step, 0), (int)step->args[1],
                    world_number(world, step, 2), step->args[3]);
}

void world_apply_handler(struct world *world, unsigned index, int64_t ret)
{
    const struct step *step = &world->program->steps[index];
    unsigned target = (unsigned)step->args[0];
    const struct world_handler *handler =
        &world->processes[world->program->actors[target].process].handler;

    if (ret == 0 && handler->kind == HANDLER_CTL && world->actors_alive[target])
        change_interest(world, index, target, handler->epfd, handler->op, handler->number,
                        handler->event);
}

/* Gives the actor a table of its own that names what `from` names. */
static void copy_table(struct world *world, unsigned actor, const struct world_table *from)
{
    int index = 0;

    while (world->tables[index].users > 0)
        index++;
    assert(index < PROGRAM_ACTORS_MAX); /* each living actor uses one, and this one none yet */
    world->tables[index] = *from;
    world->tables[index].users = 1;
    world->actor_tables[actor] = index;
    for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
        if (from->files[number] != WORLD_FILE_NONE)
            world->files[from->files[number]].refs++;
    }
}

/* An actor that uses a table no more: the last one closes what it names. */
static void leave_table(struct world *world, unsigned actor)
{
    int index = world->actor_tables[actor];
    struct world_table *table = &world->tables[index];

    assert(table->users > 0);
    if (--table->users > 0)
        return;
    for (int number = 0; number < PROGRAM_FD_LIMIT; number++)
        close_number(world, table, number);
    for (unsigned i = 0; i < world->program->nactors; i++) {
        if (world->actor_tables[i] == index)
            world->actor_tables[i] = WORLD_TABLE_NONE;
    }
}

static void apply_fork(struct world *world, const struct step *step)
{
    unsigned child = step->outs[0];

    world->processes[child] = world->processes[world->program->actors[step->actor].process];
    world->actors_alive[child] = true;
    copy_table(world, child, living_table(world, step->actor));
}

static void apply_thread(struct world *world, const struct step *step)
{
    unsigned thread = step->outs[0];

    world->actors_alive[thread] = true;
    world->actor_tables[thread] = world->actor_tables[step->actor];
    living_table(world, thread)->users++;
}

static void apply_unshare(struct world *world, unsigned actor)
{
    struct world_table *table = living_table(world, actor);

    if (table->users == 1)
        return;
    table->users--;
    copy_table(world, actor, table);
}

static void end_actor(struct world *world, unsigned actor)
{
    if (!world->actors_alive[actor])
        return;
    leave_table(world, actor);
    world->actors_alive[actor] = false;
}

static void apply_exit(struct world *world, unsigned process)
{
    world->processes[process].alive = false;
    for (unsigned i = 0; i < world->program->nactors; i++) {
        if (world->program->actors[i].process == process)
            end_actor(world, i);
    }
}

static void close_on_exec(struct world *world, unsigned actor)
{
    struct world_table *table = living_table(world, actor);

    for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
        if (has_cloexec(table, number))
            close_number(world, table, number);
    }
}

/* The other threads of the process end, and nothing handles a signal any more. */
static void apply_exec(struct world *world, unsigned actor)
{
    const struct program *program = world->program;
    unsigned process = program->actors[actor].process;

    for (unsigned i = 0; i < program->nactors; i++) {
        if (program->actors[i].process == process && i != actor)
            end_actor(world, i);
    }
    /* The process is known by its main actor, who may have left. */
    world->actor_tables[process] = world->actor_tables[actor];
    close_on_exec(world, actor);
    world->processes[process].handler = no_handler;
}

static void apply_spawn(struct world *world, const struct step *step)
{
    unsigned child = step->outs[0];

    apply_fork(world, step);
    close_number(world, living_table(world, child), world_number(world, step, 0));
    close_on_exec(world, child);
    world->processes[child].handler = no_handler;
}

static void apply_sigaction(struct world *world, const struct step *step)
{
    unsigned process = world->program->actors[step->actor].process;

    world->processes[process].handler = (struct world_handler){
        .kind = (int)step->args[0],
        .epfd = world_number(world, step, 1),
        .op = (int)step->args[2],
        .number = world_number(world, step, 3),
        .event = step->args[4],
    };
}

/* The last thread to end takes its process with it. */
static void apply_thread_exit(struct world *world, unsigned actor)
{
    const struct program *program = world->program;
    unsigned process = program->actors[actor].process;

    end_actor(world, actor);
    for (unsigned i = 0; i < program->nactors; i++) {
        if (program->actors[i].process == process && world->actors_alive[i])
            return;
    }
    world->processes[process].alive = false;
}

void world_end_thread(struct world *world, unsigned actor)
{
    if (world->actors_alive[actor])
        apply_thread_exit(world, actor);
}

static void apply_close_range(struct world *world, const struct step *step)
{
    unsigned first = (unsigned)world_number(world, step, 0);
    unsigned last = (unsigned)world_number(world, step, 1);

    if (step->args[2] & CLOSE_RANGE_UNSHARE)
        apply_unshare(world, step->actor);
    struct world_table *table = living_table(world, step->actor);
    for (unsigned number = first; number <= last && number < PROGRAM_FD_LIMIT; number++) {
        if ((step->args[2] & CLOSE_RANGE_CLOEXEC) == 0)
            close_number(world, table, (int)number);
        else if (table->files[number] != WORLD_FILE_NONE)
            set_cloexec(table, (int)number, true);
    }
}

/* closefrom: a negative number stands for 0. */
static void apply_close_from(struct world *world, const struct step *step)
{
    struct world_table *table = living_table(world, step->actor);
    int first = world_number(world, step, 0);

    for (int number = first < 0 ? 0 : first; number < PROGRAM_FD_LIMIT; number++)
        close_number(world, table, number);
}

static void apply_setfd(struct world *world, const struct step *step)
{
    if (world_file_of_arg(world, step, 0) != WORLD_FILE_NONE)
        set_cloexec(living_table(world, step->actor), world_number(world, step, 0),
                    step->args[1] & FD_CLOEXEC);
}

static void bind_slots(struct world *world, const struct step *step,
                       const struct world_outcome *outcome)
{
    const struct op_info *op = &op_table[step->op];

    for (unsigned i = 0; i < op->nouts; i++) {
        if (op->outs[i].kind != FILE_ACTOR)
            world->slots[step->outs[i]] = outcome->fds[i];
    }
}

void world_apply(struct world *world, unsigned index, const struct world_outcome *outcome)
{
    const struct step *step = &world->program->steps[index];
    const struct op_info *op = &op_table[step->op];
    unsigned process = world->program->actors[step->actor].process;

    if (!world->actors_alive[step->actor])
        return;
    /* exit and pthread_exit do not return, so their outcome says nothing. */
    if (op->effect == EFFECT_EXIT) {
        apply_exit(world, process);
        return;
    }
    if (op->effect == EFFECT_THREAD_EXIT) {
        apply_thread_exit(world, step->actor);
        return;
    }
    /* recvmsg takes a byte even where it gets no descriptor. */
    if (op->effect == EFFECT_RECV_FD)
        world_apply_recv_fd(world, step, outcome);
    if (outcome->ret < 0)
        return;
    switch (op->effect) {
    case EFFECT_OPEN:
        apply_open(world, index, outcome);
        break;
    case EFFECT_DUP:
    case EFFECT_DUP_OVER:
        apply_dup(world, step, outcome);
        break;
    case EFFECT_CLOSE:
        close_number(world, living_table(world, step->actor),
                     world_number(world, step, (unsigned)op_fd_arg(op)));
        break;
    case EFFECT_CLOSE_RANGE:
        apply_close_range(world, step);
        break;
    case EFFECT_CLOSE_FROM:
        apply_close_from(world, step);
        break;
    case EFFECT_IO:
        world_moved_bytes(world, step, outcome);
        break;
    case EFFECT_SEND_FD:
        world_apply_send_fd(world, step);
        break;
    case EFFECT_SETFD:
        apply_setfd(world, step);
        break;
    case EFFECT_CTL:
        apply_ctl(world, index);
        break;
    case EFFECT_FORK:
        apply_fork(world, step);
        break;
    case EFFECT_THREAD:
        apply_thread(world, step);
        break;
    case EFFECT_EXEC:
        apply_exec(world, step->actor);
        break;
    case EFFECT_SPAWN:
        apply_spawn(world, step);
        break;
    case EFFECT_SIGACTION:
        apply_sigaction(world, step);
        break;
    case EFFECT_UNSHARE:
        if (step->args[0] & CLONE_FILES)
            apply_unshare(world, step->actor);
        break;
    default:
        break;
    }
    bind_slots(world, step, outcome);
}
