/*
 * An entry of an interest list must never outlive the open file description that it watches, nor
 * end before it: not by dup, not by fork, not by exit. Small programs with the number of live
 * entries after each step, counted by hand; they run on the kernel too, which must agree.
 */
#include "tests/unit/program/beside.h"
#include "tests/unit/program/kernel.h"
#include "tests/unit/program/support.h"

#include <errno.h>

/* What must hold after one step. */
struct expected {
    int err; /* 0: the step succeeds */
    unsigned live_items;
};

static unsigned live_items(const struct world *world)
{
    unsigned count = 0;

    for (unsigned i = 0; i < world->nitems; i++)
        count += world->items[i].live;
    return count;
}

static void check_step_result(const struct world *world, unsigned step,
                              const struct world_outcome *outcome, void *context)
{
    const struct expected *expected = (const struct expected *)context + step;
    int err = outcome->ret < 0 ? outcome->err : 0;

    if (err != expected->err || live_items(world) != expected->live_items)
        fail_program(world->program, step, "errno %d and %u entries, expected %d and %u", err,
                     live_items(world), expected->err, expected->live_items);
}

static void run_script(const char *text, const struct expected *expected, size_t nexpected)
{
    static struct program program;

    parse_program(text, &program);
    assert_int_equal(program.nsteps, nexpected);
    run_beside_kernel(&program, check_step_result, (void *)(uintptr_t)expected);
}

#define RUN_SCRIPT(text, ...)                                                                      \
    run_script(text, (const struct expected[]){__VA_ARGS__},                                       \
               sizeof((const struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

static void only_the_last_close_removes(void **state)
{
    (void)state;
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
               "main: d0 = dup(v0)\n"
               "main: close(v0)\n"
               "main: epoll_ctl(e0, DEL, v0, NULL)\n"
               "main: epoll_ctl(e0, DEL, d0, NULL)\n"
               "main: close(d0)\n",
               {0, 0}, {0, 0}, {0, 1}, {0, 1}, {0, 1}, {EBADF, 1}, {ENOENT, 1}, {0, 0});
}

static void dup_back_onto_the_number_finds_the_entry(void **state)
{
    (void)state;
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
               "main: d0 = dup(v0)\n"
               "main: close(v0)\n"
               "main: d1 = dup(d0)\n"
               "main: epoll_ctl(e0, ADD, d1, EPOLLIN)\n"
               "main: epoll_ctl(e0, DEL, d1, NULL)\n",
               {0, 0}, {0, 0}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {EEXIST, 1}, {0, 0});
}

static void dup2_over_a_number_closes_it(void **state)
{
    (void)state;
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: r0, w0 = pipe2(0)\n"
               "main: v0 = eventfd(0, 0)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
               "main: epoll_ctl(e0, ADD, r0, EPOLLIN)\n"
               "main: d0 = dup2(r0, v0)\n"
               "main: d1 = dup2(r0, v0)\n"
               "main: d2 = dup3(r0, r0, 0)\n"
               "main: d3 = dup2(r0, r0)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n",
               {0, 0}, {0, 0}, {0, 0}, {0, 1}, {0, 2}, {0, 1}, {0, 1}, {EINVAL, 1}, {0, 1}, {0, 2});
}

static void a_reused_number_is_another_entry(void **state)
{
    (void)state;
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: v0 = eventfd(0, 0)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
               "main: d0 = fcntl(v0, F_DUPFD, 20)\n"
               "main: close(v0)\n"
               "main: v1 = eventfd(0, 0)\n"
               "main: epoll_ctl(e0, ADD, v1, EPOLLIN)\n"
               "main: epoll_ctl(e0, DEL, v1, NULL)\n"
               "main: close_range(d0, d0, CLOSE_RANGE_CLOEXEC)\n"
               "main: close_range(d0, -1, 0)\n",
               {0, 0}, {0, 0}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 2}, {0, 1}, {0, 1}, {0, 0});
}

static void the_instance_takes_its_list_along(void **state)
{
    (void)state;
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: e1 = epoll_create1(0)\n"
               "main: v0 = eventfd(0, 0)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
               "main: epoll_ctl(e1, ADD, e0, EPOLLIN)\n"
               "main: d0 = dup(e0)\n"
               "main: close(e0)\n"
               "main: epoll_ctl(d0, DEL, v0, BADPTR)\n"
               "main: epoll_ctl(d0, ADD, v0, EPOLLIN)\n"
               "main: close(d0)\n",
               {0, 0}, {0, 0}, {0, 0}, {0, 1}, {0, 2}, {0, 2}, {0, 2}, {0, 1}, {0, 2}, {0, 0});
}

static void a_child_keeps_what_its_parent_closes(void **state)
{
    (void)state;
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: v0 = eventfd(0, 0)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
               "main: p1 = fork()\n"
               "main: close(v0)\n"
               "main: epoll_ctl(e0, DEL, v0, NULL)\n"
               "p1: epoll_ctl(e0, ADD, v0, EPOLLOUT)\n"
               "p1: epoll_ctl(e0, MOD, v0, EPOLLOUT)\n"
               "p1: exit(0)\n",
               {0, 0}, {0, 0}, {0, 1}, {0, 1}, {0, 1}, {EBADF, 1}, {EEXIST, 1}, {0, 1}, {0, 0});
}

static void a_list_is_shared_across_fork(void **state)
{
    (void)state;
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: v0 = eventfd(0, 0)\n"
               "main: p1 = fork()\n"
               "p1: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
               "p1: v1 = eventfd(0, 0)\n"
               "p1: epoll_ctl(e0, ADD, v1, EPOLLIN)\n"
               "main: epoll_ctl(e0, DEL, v1, NULL)\n"
               "p1: p2 = fork()\n"
               "p1: exit(0)\n"
               "p2: _exit(0)\n"
               "main: close(v0)\n",
               {0, 0}, {0, 0}, {0, 0}, {0, 1}, {EEXIST, 1}, {0, 1}, {0, 2}, {EBADF, 2}, {0, 2},
               {0, 2}, {0, 1}, {0, 0});
}

static void nesting_ends_at_the_fifth_link(void **state)
{
    (void)state;
    if (!kernel_counts_links_above())
        skip();
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: e1 = epoll_create1(0)\n"
               "main: e2 = epoll_create1(0)\n"
               "main: e3 = epoll_create1(0)\n"
               "main: e4 = epoll_create1(0)\n"
               "main: e5 = epoll_create1(0)\n"
               "main: epoll_ctl(e0, ADD, e1, EPOLLIN)\n"
               "main: epoll_ctl(e1, ADD, e2, EPOLLIN)\n"
               "main: epoll_ctl(e3, ADD, e4, EPOLLIN)\n"
               "main: epoll_ctl(e2, ADD, e3, EPOLLIN)\n"
               "main: epoll_ctl(e4, ADD, e5, EPOLLIN)\n"
               "main: epoll_ctl(e5, ADD, e0, EPOLLIN)\n"
               "main: epoll_ctl(e4, ADD, e0, EPOLLIN)\n"
               "main: epoll_ctl(e0, ADD, e1, EPOLLIN)\n"
               "main: epoll_ctl(e0, ADD, e4, EPOLLIN)\n",
               {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4},
               {ELOOP, 4}, {ELOOP, 4}, {ELOOP, 4}, {EEXIST, 4}, {0, 5});
}

static void errors_of_epoll_ctl_come_in_the_kernels_order(void **state)
{
    (void)state;
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: v0 = eventfd(0, 0)\n"
               "main: v1 = eventfd(0, 0)\n"
               "main: f0 = open(\"/dev/null\", O_RDONLY)\n"
               "main: e1 = epoll_create1(0)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN|EPOLLEXCLUSIVE)\n"
               "main: epoll_ctl(e0, MOD, v0, EPOLLIN)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN|EPOLLEXCLUSIVE)\n"
               "main: epoll_ctl(e0, MOD, v1, EPOLLIN|EPOLLEXCLUSIVE)\n"
               "main: epoll_ctl(e0, MOD, v1, EPOLLIN)\n"
               "main: epoll_ctl(e0, ADD, v1, EPOLLIN|EPOLLEXCLUSIVE|EPOLLONESHOT)\n"
               "main: epoll_ctl(e0, ADD, e1, EPOLLIN|EPOLLEXCLUSIVE)\n"
               "main: epoll_ctl(e0, 77, v0, EPOLLIN|EPOLLEXCLUSIVE)\n"
               "main: epoll_ctl(200, 77, 200, NULL)\n"
               "main: epoll_ctl(v0, 77, f0, EPOLLIN)\n"
               "main: epoll_ctl(v0, DEL, v1, NULL)\n"
               "main: epoll_ctl(e0, ADD, e0, EPOLLIN)\n"
               "main: epoll_ctl(e0, DEL, v0, BADPTR)\n",
               {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 1}, {EINVAL, 1}, {EEXIST, 1},
               {EINVAL, 1}, {ENOENT, 1}, {EINVAL, 1}, {EINVAL, 1}, {EINVAL, 1}, {EFAULT, 1},
               {EPERM, 1}, {EINVAL, 1}, {EINVAL, 1}, {0, 0});
}

/* The stream is gone with the first call. Its number may be another file's by then, which is closed
 * in its place. */
static void closedir_closes_what_has_the_number(void **state)
{
    (void)state;
    RUN_SCRIPT("main: e0 = epoll_create1(0)\n"
               "main: o0 = opendir(\"/\")\n"
               "main: close(o0)\n"
               "main: v0 = eventfd(0, 0)\n"
               "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
               "main: closedir(o0)\n"
               "main: closedir(o0)\n"
               "main: o1 = opendir(\"/\")\n"
               "main: close(o1)\n"
               "main: closedir(o1)\n"
               "main: v1 = eventfd(0, 0)\n"
               "main: epoll_ctl(e0, ADD, v1, EPOLLIN)\n"
               "main: closedir(v1)\n"
               "main: o2 = opendir(\"/\")\n"
               "main: closedir(o2)\n",
               {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 1}, {0, 0}, {EINVAL, 0}, {0, 0}, {0, 0},
               {EBADF, 0}, {0, 0}, {0, 1}, {EINVAL, 1}, {0, 1}, {0, 1});
}

/* From here on in the world alone: threads end, and outcomes are none of this kernel's. */

/* A step that succeeds; it opens `number`, nothing if that is -1. */
static void apply_success(struct world *world, unsigned step, int number)
{
    const struct world_outcome outcome = {.ret = number < 0 ? 0 : number, .fds = {number, -1}};
    world_apply(world, step, &outcome);
}

static void the_last_thread_ends_its_process(void **state)
{
    static const int opened[] = {3, -1, -1, 4, -1, -1, -1, 5};
    static struct program program;
    static struct world world;

    (void)state;
    parse_program("main: e0 = epoll_create1(0)\n"
                  "main: p1 = fork()\n"
                  "p1: t1 = pthread_create()\n"
                  "p1: v0 = eventfd(0, 0)\n"
                  "p1: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
                  "p1: pthread_exit()\n"
                  "t1: pthread_exit()\n"
                  "t1: v1 = eventfd(0, 0)\n",
                  &program);
    world_init(&world, &program);
    for (unsigned i = 0; i < 6; i++)
        apply_success(&world, i, opened[i]);
    assert_true(world.processes[1].alive);
    assert_false(world.actors_alive[1]);
    assert_int_equal(live_items(&world), 1);
    apply_success(&world, 6, opened[6]);
    assert_false(world.processes[1].alive);
    assert_int_equal(live_items(&world), 0);
    /* A step by the dead changes nothing. */
    struct world before = world;
    apply_success(&world, 7, opened[7]);
    assert_memory_equal(&before, &world, sizeof(world));
}

static void numbers_are_those_of_the_outcome(void **state)
{
    static struct program program;
    static struct world world;
    const struct world_outcome high = {.ret = 100, .fds = {100, -1}};
    const struct world_outcome failed = {.ret = -1, .err = ENFILE, .fds = {-1, -1}};

    (void)state;
    parse_program("main: e0 = epoll_create1(0)\n"
                  "main: v0 = eventfd(0, 0)\n"
                  "main: close(v0)\n"
                  "main: close(e0)\n",
                  &program);
    world_init(&world, &program);
    world_apply(&world, 0, &high);
    world_apply(&world, 1, &failed);
    assert_int_equal(world.slots[0], 100);
    assert_int_equal(world.slots[1], -1);
    assert_int_equal(world.nfiles, 2);
    assert_int_equal(world.files[world_file_of(&world, 0, 100)].kind, FILE_EPOLL);
    assert_int_equal(world_file_of(&world, 0, 3), WORLD_FILE_NONE);
    world_apply(&world, 3, &failed);
    assert_true(world_file_of(&world, 0, 100) != WORLD_FILE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(only_the_last_close_removes, kernel_teardown),
        cmocka_unit_test_teardown(dup_back_onto_the_number_finds_the_entry, kernel_teardown),
        cmocka_unit_test_teardown(dup2_over_a_number_closes_it, kernel_teardown),
        cmocka_unit_test_teardown(a_reused_number_is_another_entry, kernel_teardown),
        cmocka_unit_test_teardown(the_instance_takes_its_list_along, kernel_teardown),
        cmocka_unit_test_teardown(a_child_keeps_what_its_parent_closes, kernel_teardown),
        cmocka_unit_test_teardown(a_list_is_shared_across_fork, kernel_teardown),
        cmocka_unit_test_teardown(nesting_ends_at_the_fifth_link, kernel_teardown),
        cmocka_unit_test_teardown(errors_of_epoll_ctl_come_in_the_kernels_order, kernel_teardown),
        cmocka_unit_test_teardown(closedir_closes_what_has_the_number, kernel_teardown),
        cmocka_unit_test(the_last_thread_ends_its_process),
        cmocka_unit_test(numbers_are_those_of_the_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
