/* The world beside the kernel: predictions, interest lists and open numbers after every step. */
#include "tests/unit/program/beside.h"

#include "tests/unit/program/kernel.h"
#include "tests/unit/program/support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static int compare_items(const void *left, const void *right)
{
    const struct kernel_item *a = left;
    const struct kernel_item *b = right;

    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    if (a->data != b->data)
        return a->data < b->data ? -1 : 1;
    return a->events < b->events ? -1 : a->events > b->events;
}

/* EPOLLERR and EPOLLHUP are always on; EPOLLWAKEUP stays only for those who may use it. */
static uint32_t normal_events(uint32_t events)
{
    return (events | EPOLLERR | EPOLLHUP) & ~(uint32_t)EPOLLWAKEUP;
}

static unsigned world_interest(const struct world *world, int instance,
                               struct kernel_item ret_items[WORLD_ITEMS_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < world->nitems; i++) {
        const struct world_item *item = &world->items[i];
        if (item->live && item->instance == instance)
            ret_items[count++] =
                (struct kernel_item){.number = item->number,
                                     .events = item->events,
                                     .data = step_number((unsigned)item->registered)};
    }
    return count;
}

static void assert_interest(struct kernel *kernel, const struct world *world, unsigned step,
                            unsigned process, int number)
{
    static struct kernel_item real[WORLD_ITEMS_MAX];
    static struct kernel_item ours[WORLD_ITEMS_MAX];
    int instance = world_file_of(world, process, number);
    unsigned nreal = kernel_interest(kernel, process, number, real);
    unsigned nours = world_interest(world, instance, ours);

    if (nreal != nours)
        fail_program(world->program, step, "epoll fd %d has %u entries, the world says %u", number,
                     nreal, nours);
    qsort(real, nreal, sizeof(real[0]), compare_items);
    qsort(ours, nours, sizeof(ours[0]), compare_items);
    for (unsigned i = 0; i < nreal; i++) {
        if (real[i].number != ours[i].number || real[i].data != ours[i].data ||
            normal_events(real[i].events) != normal_events(ours[i].events))
            fail_program(world->program, step,
                         "epoll fd %d has fd %d, events %x, step %u; the world says %d, %x, %u",
                         number, real[i].number, real[i].events, (unsigned)real[i].data,
                         ours[i].number, ours[i].events, (unsigned)ours[i].data);
    }
}

static void assert_interest_lists(struct kernel *kernel, const struct world *world, unsigned step)
{
    bool seen[WORLD_FILES_MAX] = {false};

    for (unsigned process = 0; process < world->program->nactors; process++) {
        if (!world->processes[process].alive)
            continue;
        for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
            int file = world_file_of(world, process, number);
            if (file == WORLD_FILE_NONE || world->files[file].kind != FILE_EPOLL || seen[file])
                continue;
            seen[file] = true;
            assert_interest(kernel, world, step, process, number);
        }
    }
}

static void assert_open_numbers(struct kernel *kernel, const struct world *world)
{
    bool open_numbers[PROGRAM_FD_LIMIT];

    for (unsigned process = 0; process < world->program->nactors; process++) {
        if (!world->processes[process].alive)
            continue;
        kernel_open_numbers(kernel, process, open_numbers);
        for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
            bool ours = world_file_of(world, process, number) != WORLD_FILE_NONE;
            if (open_numbers[number] != ours)
                fail_program(world->program, world->program->nsteps - 1u,
                             "fd %d is %s in process %u, not so in the world", number,
                             ours ? "closed" : "open", process);
            if (ours &&
                kernel_cloexec(kernel, process, number) != world_cloexec(world, process, number))
                fail_program(world->program, world->program->nsteps - 1u,
                             "fd %d of process %u: the world is wrong about its close-on-exec flag",
                             number, process);
        }
    }
}

/* A message that finds nobody, and a look for one that is not there. */
static bool depends_on_readiness(const struct world_outcome *outcome)
{
    return outcome->ret < 0 &&
           (outcome->err == EAGAIN || outcome->err == EPIPE || outcome->err == ECONNRESET ||
            outcome->err == ECONNREFUSED || outcome->err == ENODATA || outcome->err == ENOMSG ||
            outcome->err == ENOTCONN);
}

/* Where the answer is the machine's and not the program's. */
static bool is_excused(const struct step *step, const struct world_outcome *predicted,
                       const struct world_outcome *real)
{
    if (step->op == OP_EPOLL_CTL && predicted->err == ELOOP && !kernel_counts_links_above())
        return true;
    /* What a read or a write comes to is no matter of the world. */
    if (op_table[step->op].effect == EFFECT_IO)
        return true;
    if (op_table[step->op].effect == EFFECT_SEND_FD || op_table[step->op].effect == EFFECT_RECV_FD)
        return depends_on_readiness(real) &&
               (predicted->ret >= 0 || depends_on_readiness(predicted)) &&
               (step->op == OP_SEND_FD || predicted->ret < 0);
    /* Whoever may not write the program's file is told that first. */
    return step->op == OP_OPEN && predicted->err == ETXTBSY && real->err == EACCES;
}

static void assert_outcome(const struct program *program, unsigned index,
                           const struct world_outcome *predicted, const struct world_outcome *real)
{
    if (is_excused(&program->steps[index], predicted, real))
        return;
    if (predicted->ret != real->ret || (real->ret < 0 && predicted->err != real->err))
        fail_program(program, index, "the kernel says %ld, %s; the world says %ld, %s",
                     (long)real->ret, strerror(real->err), (long)predicted->ret,
                     strerror(predicted->err));
    for (unsigned i = 0; i < PROGRAM_OUTS_MAX && real->ret >= 0; i++) {
        if (predicted->fds[i] != real->fds[i])
            fail_program(program, index, "result %u is fd %d, the world says %d", i, real->fds[i],
                         predicted->fds[i]);
    }
}

void run_beside_kernel(const struct program *program, beside_step_fn *after_step, void *context)
{
    static struct world world;
    struct kernel *kernel = kernel_start(program);

    world_init(&world, program);
    for (unsigned i = 0; i < program->nsteps; i++) {
        struct world_outcome predicted;
        struct world_outcome real;
        world_predict(&world, i, &predicted);
        kernel_step(kernel, i, &real);
        assert_outcome(program, i, &predicted, &real);
        world_apply(&world, i, &real);
        assert_interest_lists(kernel, &world, i);
        after_step(&world, i, &real, context);
    }
    assert_open_numbers(kernel, &world);
    kernel_stop(kernel);
}
