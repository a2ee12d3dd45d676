/* The world beside the kernel: interest lists, open numbers and close-on-exec flags. */
#include "tests/unit/program/beside.h"

#include "tests/unit/program/kernel.h"
#include "tests/unit/program/support.h"

#include <stdlib.h>
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

static void assert_open_numbers(struct kernel *kernel, const struct world *world, unsigned step)
{
    bool open_numbers[PROGRAM_FD_LIMIT];

    for (unsigned process = 0; process < world->program->nactors; process++) {
        if (!world->processes[process].alive)
            continue;
        kernel_open_numbers(kernel, process, open_numbers);
        for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
            bool ours = world_file_of(world, process, number) != WORLD_FILE_NONE;
            if (open_numbers[number] != ours)
                fail_program(world->program, step, "fd %d is %s in process %u, not so in the world",
                             number, ours ? "closed" : "open", process);
        }
    }
}

static void assert_cloexec(struct kernel *kernel, const struct world *world, unsigned step)
{
    for (unsigned process = 0; process < world->program->nactors; process++) {
        for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
            if (world->processes[process].alive &&
                world_file_of(world, process, number) != WORLD_FILE_NONE &&
                kernel_cloexec(kernel, process, number) != world_cloexec(world, process, number))
                fail_program(world->program, step,
                             "fd %d of process %u: the world is wrong about its close-on-exec flag",
                             number, process);
        }
    }
}

void run_beside_kernel(const struct program *program, beside_step_fn *after_step, void *context)
{
    static struct world world;
    struct kernel *kernel = kernel_start(program);

    world_init(&world, program);
    for (unsigned i = 0; i < program->nsteps; i++) {
        struct world_outcome outcome;
        kernel_step(kernel, i, &outcome);
        world_apply(&world, i, &outcome);
        assert_open_numbers(kernel, &world, i);
        assert_interest_lists(kernel, &world, i);
        after_step(&world, i, &outcome, context);
    }
    assert_cloexec(kernel, &world, program->nsteps - 1u);
    kernel_stop(kernel);
}
