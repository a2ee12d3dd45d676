/*
 * The world, told what the kernel answered, must never say something about descriptors that the
 * kernel does not do: not a number, not a close-on-exec flag, not an entry of an interest list. The
 * kernel is right, always. Random programs of descriptor operations run for real, step by step
 * beside the world.
 */
#include "tests/unit/program/beside.h"
#include "tests/unit/program/kernel.h"
#include "tests/unit/program/support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

/* How often the kernel said what. Trials that never meet an errno prove nothing about it. */
static unsigned errno_seen[BESIDE_ERRNO_MAX];
/* How often an operation did its work. */
static unsigned done[OPS];

struct maker {
    uint64_t state;
    struct program program;
    bool ended[PROGRAM_ACTORS_MAX];
    bool with_forks;
    bool wide;   /* also connections, descriptors in flight, streams and limits */
    bool nested; /* mostly epoll instances that watch each other */
};

static const enum op_id descriptor_ops[] = {
    OP_EPOLL_CREATE1, OP_EPOLL_CREATE1, OP_EPOLL_CREATE, OP_EPOLL_CTL,  OP_EPOLL_CTL,
    OP_EPOLL_CTL,     OP_EPOLL_CTL,     OP_EPOLL_CTL,    OP_EPOLL_CTL,  OP_EPOLL_CTL,
    OP_EPOLL_CTL,     OP_EPOLL_CTL,     OP_EPOLL_CTL,    OP_CLOSE,      OP_CLOSE,
    OP_CLOSE_RANGE,   OP_FCLOSE,        OP_SYSCALL,      OP_DUP,        OP_DUP2,
    OP_DUP3,          OP_FCNTL,         OP_PIPE2,        OP_SOCKETPAIR, OP_EVENTFD,
    OP_EVENTFD,       OP_OPEN,          OP_MEMFD_CREATE, OP_DUP2,       OP_EPOLL_CTL,
    OP_FORK,          OP_EXIT,
};

static const enum op_id wide_ops[] = {
    OP_LISTEN,      OP_LISTEN,         OP_CONNECT,     OP_CONNECT,       OP_CONNECT,
    OP_ACCEPT4,     OP_ACCEPT4,        OP_ACCEPT4,     OP_SEND_FD,       OP_SEND_FD,
    OP_SEND_FD,     OP_SEND_FD,        OP_RECV_FD,     OP_RECV_FD,       OP_RECV_FD,
    OP_RECV_FD,     OP_WRITE,          OP_READ,        OP_WRITE,         OP_SOCKETPAIR,
    OP_SOCKETPAIR,  OP_TIMERFD_CREATE, OP_SIGNALFD,    OP_INOTIFY_INIT1, OP_OPENDIR,
    OP_OPENDIR,     OP_CLOSEDIR,       OP_CLOSEDIR,    OP_CLOSEFROM,     OP_SETRLIMIT,
    OP_FCNTL_SETFD, OP_FCNTL_SETFD,    OP_INLINE_CLOSE};

/* Numbers at the edges of the table, beside those that the byte decoder uses. */
static int64_t odd_number(struct maker *maker)
{
    static const int64_t numbers[] = {-1, 0, 1, 2, 3, 5, 200, 254, 255, 256, 257, 100000};
    return numbers[random_below(&maker->state, sizeof(numbers) / sizeof(numbers[0]))];
}

/* True if an operation mostly means a slot of this letter. */
static bool wants_slot(const struct maker *maker, enum op_id op, unsigned arg, char letter)
{
    switch (op) {
    case OP_SEND_FD:
    case OP_RECV_FD:
    case OP_READ:
    case OP_WRITE:
        return arg > 0 || letter == 's' || letter == 'c';
    case OP_CONNECT:
    case OP_ACCEPT4:
        return letter == 'l';
    case OP_CLOSEDIR:
        return letter == 'o';
    default:
        return letter == 'e' || !(op_table[op].args[arg] == ARG_EPFD || maker->nested);
    }
}

static void choose_fd(struct maker *maker, struct step *step, unsigned arg, unsigned nslots)
{
    const struct program *program = &maker->program;

    if (nslots == 0 || random_below(&maker->state, 16) == 0) {
        step->tags[arg] = TAG_INT;
        step->args[arg] = odd_number(maker);
        return;
    }
    step->tags[arg] = TAG_SLOT;
    step->args[arg] = random_below(&maker->state, nslots);
    /* Most calls on an instance mean one; recent slots are the ones still open. */
    for (unsigned tries = 0; tries < 8; tries++) {
        unsigned slot = nslots - 1 - random_below(&maker->state, nslots < 12 ? nslots : 12);
        step->args[arg] = slot;
        if (wants_slot(maker, step->op, arg, program->slots[slot].name[0]))
            return;
    }
}

static void choose_args(struct maker *maker, struct step *step, unsigned nslots)
{
    static const int64_t odd_flags[] = {0, 1, 2, 4, 0x40, O_CLOEXEC, O_NONBLOCK, 0x1000};
    static const int64_t odd_minimums[] = {-1, 250, 254, 255, 256, 1000};
    const struct op_info *op = &op_table[step->op];

    for (unsigned i = 0; i < op->nargs; i++) {
        const struct arg_info *info = &arg_table[op->args[i]];
        if (info->shape == ARG_SHAPE_FD) {
            choose_fd(maker, step, i, nslots);
            continue;
        }
        step->args[i] = info->values[random_below(&maker->state, info->nvalues)];
        /* The world counts messages, and takes one of no bytes for one that a read can use up. */
        if (op->args[i] == ARG_COUNT && maker->wide && step->args[i] == 0)
            step->args[i] = 1;
        /* Nothing here may sleep. */
        if (op->args[i] == ARG_SOCKET_FLAGS || (maker->wide && op->args[i] == ARG_SOCKET_TYPE))
            step->args[i] |= SOCK_NONBLOCK;
        if (op->args[i] == ARG_LIMIT && random_below(&maker->state, 2) == 0)
            step->args[i] = PROGRAM_FD_LIMIT;
        /* Slots are too few to fill the table from below: EMFILE needs high minimums. */
        if (op->args[i] == ARG_MIN_FD && random_below(&maker->state, 2) == 0)
            step->args[i] = odd_minimums[random_below(&maker->state, 6)];
        if (random_below(&maker->state, 12) != 0)
            continue;
        /* Odd flags of open and memfd_create mean another kind of file, so those stay plain. */
        if (op->args[i] == ARG_PIPE_FLAGS || op->args[i] == ARG_EPOLL_FLAGS ||
            op->args[i] == ARG_SOCKET_TYPE || op->args[i] == ARG_EVENTFD_FLAGS ||
            op->args[i] == ARG_TIMERFD_FLAGS || op->args[i] == ARG_SIGNALFD_FLAGS ||
            op->args[i] == ARG_INOTIFY_FLAGS || op->args[i] == ARG_DUP3_FLAGS ||
            op->args[i] == ARG_CLOSE_RANGE_FLAGS)
            step->args[i] = odd_flags[random_below(&maker->state, 8)];
    }
}

static enum op_id choose_op(struct maker *maker)
{
    static const enum op_id nested_ops[] = {OP_EPOLL_CREATE1, OP_EPOLL_CTL, OP_EPOLL_CTL,
                                            OP_EPOLL_CTL,     OP_EPOLL_CTL, OP_EPOLL_CTL};
    unsigned count = sizeof(descriptor_ops) / sizeof(descriptor_ops[0]);

    if (maker->nested && random_below(&maker->state, 8) != 0)
        return nested_ops[random_below(&maker->state, 6)];
    if (maker->wide && random_below(&maker->state, 2) == 0)
        return wide_ops[random_below(&maker->state, sizeof(wide_ops) / sizeof(wide_ops[0]))];
    return descriptor_ops[random_below(&maker->state, count)];
}

static void make_program(struct maker *maker, unsigned nsteps)
{
    struct program *program = &maker->program;

    program_init(program);
    memset(maker->ended, 0, sizeof(maker->ended));
    while (program->nsteps < nsteps) {
        enum op_id op = choose_op(maker);
        unsigned actor = random_below(&maker->state, program->nactors);
        unsigned nslots = program->nslots;
        bool of_processes = op == OP_FORK || op == OP_EXIT;
        if (maker->ended[actor] || (of_processes && !maker->with_forks) ||
            (op == OP_EXIT && actor == 0))
            continue;
        struct step *step = program_append(program, op, actor);
        if (!step)
            break;
        choose_args(maker, step, nslots);
        maker->ended[actor] = op == OP_EXIT;
    }
    assert_checked(program);
}

static void count_errno(const struct world *world, unsigned step,
                        const struct world_outcome *outcome, void *context)
{
    (void)context;
    done[world->program->steps[step].op] += outcome->ret >= 0;
    unsigned err = outcome->ret < 0 ? (unsigned)outcome->err : 0;
    errno_seen[err < BESIDE_ERRNO_MAX ? err : 0]++;
}

static void run_random_programs(unsigned programs, struct maker maker)
{
    for (unsigned i = 0; i < programs; i++) {
        /* Every 40th program is long enough to use up slots and numbers. */
        make_program(&maker, i % 40 == 0 ? PROGRAM_STEPS_MAX : 1 + random_below(&maker.state, 60));
        run_beside_kernel(&maker.program, count_errno, NULL);
    }
}

static void single_process(void **state)
{
    (void)state;
    run_random_programs(TRIALS(2000), (struct maker){.state = 1});
}

static void several_processes(void **state)
{
    (void)state;
    run_random_programs(TRIALS(600), (struct maker){.state = 2, .with_forks = true});
}

static void nested_instances(void **state)
{
    (void)state;
    run_random_programs(TRIALS(1000), (struct maker){.state = 3, .nested = true});
}

/* What is in flight lives without a number; what a message or a connection gets is the lowest. */
static void connections_and_flights(void **state)
{
    (void)state;
    run_random_programs(TRIALS(1500), (struct maker){.state = 4, .wide = true});
    run_random_programs(TRIALS(500), (struct maker){.state = 5, .wide = true, .with_forks = true});
}

/* These come last: what the trials above have met. */
static void every_operation_was_done(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(wide_ops) / sizeof(wide_ops[0]); i++) {
        if (done[wide_ops[i]] < TRIALS(15))
            fail_msg("%s was done %u times only", op_table[wide_ops[i]].text, done[wide_ops[i]]);
    }
}

static void every_errno_was_met(void **state)
{
    static const int errnos[] = {0,      EBADF, EEXIST,  EFAULT,          EINVAL,   ELOOP,  EMFILE,
                                 ENOENT, EPERM, ETXTBSY, ESOCKTNOSUPPORT, ENOTSOCK, ENOMSG, EAGAIN};
    (void)state;
    for (unsigned i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
        bool may_lack = errnos[i] == ETXTBSY && errno_seen[EACCES] > 0;
        if (errno_seen[errnos[i]] < TRIALS(10) && !may_lack)
            fail_msg("%s was met %u times only", strerror(errnos[i]), errno_seen[errnos[i]]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(single_process, kernel_teardown),
        cmocka_unit_test_teardown(several_processes, kernel_teardown),
        cmocka_unit_test_teardown(nested_instances, kernel_teardown),
        cmocka_unit_test_teardown(connections_and_flights, kernel_teardown),
        cmocka_unit_test(every_operation_was_done),
        cmocka_unit_test(every_errno_was_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
