/*
 * What must not happen: that the trace of a program with steps inserted, told without them, names a
 * step, a registration or a file wrongly; that anything of the inserted steps shows.
 */
#include "tests/unit/oracle/test.h"

#include "oracle/translate.h"

#include <string.h>

/* Five steps become nine: two in front, one behind the second, one at the end. */
static const bool inserted[] = {true, true, false, false, true, false, false, false, true};
static const int16_t origin[] = {0, 0, 0, 1, 1, 2, 3, 4, 4};
static const struct trace_map map = {.inserted = inserted, .origin = origin, .number = 250};

static struct program program, longer;
static struct trace *from, *told;

static int set_up(void **state)
{
    (void)state;
    program_init(&program);
    program_init(&longer);
    for (unsigned i = 0; i < 5; i++)
        (void)program_append(&program, OP_EPOLL_WAIT, 0);
    for (unsigned i = 0; i < 9; i++)
        (void)program_append(&longer, OP_EPOLL_WAIT, 0);
    from = trace_new();
    told = trace_new();
    if (!from || !told)
        return -1;
    trace_reset(from, &longer);
    for (unsigned i = 0; i < 9; i++) {
        from->steps[i].state = STEP_DONE;
        from->steps[i].completed_at = (int16_t)i;
        from->steps[i].ret = 100 + i;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    trace_free(from);
    trace_free(told);
    return 0;
}

static void test_steps_and_data(void **state)
{
    (void)state;
    from->steps[2].blocked = true;
    from->steps[2].completed_at = 4; /* during an inserted step: as if during the one before */
    from->steps[2].nevents = 3;
    from->steps[2].events[0].data = 4;  /* the step of index 3 */
    from->steps[2].events[1].data = 77; /* nobody's */
    from->steps[2].events[2].data = 8;
    from->steps[3].completed_at = TRACE_NEVER;
    from->end = RUN_CRASHED;
    from->end_step = 8;
    from->processes[0].ended_at = 5;
    trace_translate(from, &map, &program, told);
    assert_int_equal(told->nsteps, 5);
    assert_ptr_equal(told->program, &program);
    static const int64_t rets[] = {102, 103, 105, 106, 107};
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(told->steps[i].ret, rets[i]);
    assert_int_equal(told->steps[0].completed_at, 1);
    assert_int_equal(told->steps[1].completed_at, TRACE_NEVER);
    assert_int_equal(told->steps[4].completed_at, 4);
    assert_int_equal(told->steps[0].events[0].data, 2);
    assert_int_equal(told->steps[0].events[1].data, 77);
    assert_int_equal(told->steps[0].events[2].data, 5);
    assert_int_equal(told->end, RUN_CRASHED);
    assert_int_equal(told->end_step, 4);
    assert_int_equal(told->processes[0].ended_at, 2);
    assert_int_equal(told->processes[1].ended_at, TRACE_NEVER);
}

static void look(int16_t step, bool evidence, int number, uint64_t data)
{
    from->snapshots[from->nsnapshots++] = (struct trace_snapshot){.step = step,
                                                                  .evidence = evidence,
                                                                  .number = number,
                                                                  .first = (uint16_t)from->nitems,
                                                                  .nitems = 1};
    from->items[from->nitems++] = (struct trace_item){.number = 9, .data = data};
}

static void expect_look(unsigned index, int16_t step, bool evidence, uint64_t data)
{
    const struct trace_snapshot *snapshot = &told->snapshots[index];

    assert_int_equal(snapshot->step, step);
    assert_int_equal(snapshot->evidence, evidence);
    assert_int_equal(snapshot->number, 3);
    assert_int_equal(snapshot->nitems, 1);
    assert_int_equal(told->items[snapshot->first].data, data);
}

static void test_lists(void **state)
{
    (void)state;
    look(3, false, 3, 3);   /* compared, of a wait of the program */
    look(3, true, 3, 3);    /* evidence that a later look replaces */
    look(4, false, 250, 3); /* the inserted wait's own */
    look(4, false, 3, 4);   /* a wait that returned during the inserted step */
    look(4, true, 3, 4);
    look(4, true, 250, 4);
    look(5, true, 3, 6);
    trace_translate(from, &map, &program, told);
    assert_int_equal(told->nsnapshots, 3);
    expect_look(0, 1, false, 2);
    expect_look(1, 1, true, 2);
    expect_look(2, 2, true, 3);
}

static void open_fd(uint8_t process, int number, uint16_t identity)
{
    from->fds[from->nfds++] =
        (struct trace_fd){.process = process, .number = number, .identity = identity};
}

static void test_tables(void **state)
{
    (void)state;
    open_fd(0, 0, 0);
    open_fd(0, 250, 1); /* the first instance of all: others are numbered after it */
    open_fd(1, 0, 0);
    open_fd(1, 3, 1);
    open_fd(1, 4, 4);
    open_fd(1, 5, 1);
    trace_translate(from, &map, &program, told);
    static const uint16_t identities[] = {0, 0, 2, 3, 2};
    assert_int_equal(told->nfds, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_not_equal(told->fds[i].number, 250);
        assert_int_equal(told->fds[i].identity, identities[i]);
    }
}

static void test_carried(void **state)
{
    (void)state;
    from->carried[from->ncarried++] = (struct trace_carried){.step = 4, .epfd = 3, .data = 4};
    trace_translate(from, &map, &program, told);
    assert_int_equal(told->ncarried, 1);
    assert_int_equal(told->carried[0].step, 1);
    assert_int_equal(told->carried[0].data, 2);
}

static void test_who_is_free(void **state)
{
    static struct program threads;
    uint32_t able[PROGRAM_STEPS_MAX];

    (void)state;
    program_init(&threads);
    (void)program_append(&threads, OP_PTHREAD_CREATE, 0);
    (void)program_append(&threads, OP_FORK, 0);
    (void)program_append(&threads, OP_EPOLL_WAIT, 1);
    (void)program_append(&threads, OP_EXIT, 2);
    (void)program_append(&threads, OP_WRITE, 0);
    (void)program_append(&threads, OP_PTHREAD_EXIT, 1);
    trace_reset(from, &threads);
    for (unsigned i = 0; i < threads.nsteps; i++)
        from->steps[i] = (struct trace_step){.state = STEP_DONE, .completed_at = (int16_t)i};
    from->steps[2].blocked = true;
    from->steps[2].completed_at = 4;
    from->steps[3].state = from->steps[5].state = STEP_DIED;
    from->processes[2].ended_at = 3;
    trace_free_actors(from, able);
    static const uint32_t expected[] = {3, 7, 5, 1, 3, 1};
    for (unsigned i = 0; i < threads.nsteps; i++)
        assert_int_equal(able[i], expected[i]);
    from->steps[0].ret = -1; /* the thread was never born */
    trace_free_actors(from, able);
    assert_int_equal(able[1], 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_steps_and_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_carried, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_is_free, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
