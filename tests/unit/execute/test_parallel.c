/*
 * What must not happen: that a call of a parallel block is left out, made twice or out of its
 * actor's order; that its stamps do not enclose it; that the step behind a block runs before all of
 * the block is over; that an actor that cannot take part is waited for.
 */
#include "tests/unit/execute/support.h"

static struct executor *executor;

static int set_up(void **state)
{
    (void)state;
    executor = start_unpinned("native", 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    executor_stop(executor);
    return 0;
}

/* Stamps are 1 to 2 * count, each once; a call's come in order, and those of its actor's calls do.
 */
static void assert_stamps(const struct trace *trace, unsigned count)
{
    bool seen[2 * PROGRAM_STEPS_MAX + 1] = {false};
    uint32_t last[PROGRAM_ACTORS_MAX] = {0};
    unsigned stamped = 0;

    for (unsigned i = 0; i < trace->nsteps; i++) {
        const struct trace_step *step = &trace->steps[i];
        unsigned actor = trace->program->steps[i].actor;
        if (trace->program->steps[i].block == 0 || step->state != STEP_DONE) {
            assert_int_equal(step->called, 0);
            assert_int_equal(step->returned, 0);
            continue;
        }
        assert_true(step->called > last[actor]);
        assert_true(step->returned > step->called);
        assert_true(step->returned <= 2 * count);
        assert_false(seen[step->called] || seen[step->returned]);
        seen[step->called] = seen[step->returned] = true;
        last[actor] = step->returned;
        stamped++;
    }
    assert_int_equal(stamped, count);
}

/* Each actor adds to a counter of its own and to a shared one; nobody's additions are lost, and the
 * reads behind the block see all of them. */
static void test_everything_is_done_once(void **state)
{
    static const char text[] = "main: v0 = eventfd(0, EFD_NONBLOCK|EFD_SEMAPHORE)\n"
                               "main: t1 = pthread_create()\n"
                               "main: p1 = fork()\n"
                               "parallel {\n"
                               "main: write(v0, 8)\n"
                               "t1: write(v0, 8)\n"
                               "p1: write(v0, 8)\n"
                               "main: write(v0, 8)\n"
                               "t1: write(v0, 8)\n"
                               "p1: write(v0, 8)\n"
                               "}\n"
                               "p1: read(v0, 8)\n"
                               "t1: read(v0, 8)\n"
                               "main: read(v0, 8)\n"
                               "main: read(v0, 8)\n"
                               "main: read(v0, 8)\n"
                               "main: read(v0, 8)\n"
                               "main: read(v0, 8)\n";

    (void)state;
    for (unsigned i = 0; i < TRIALS(100); i++) {
        const struct trace *trace = run(executor, text, 0);
        assert_int_equal(trace->end, RUN_COMPLETE);
        for (unsigned s = 3; s < 15; s++)
            assert_string_equal(trace_line(trace, s), "8");
        assert_string_equal(trace_line(trace, 15), "-1 EAGAIN");
        assert_stamps(trace, 6);
    }
}

/* Its own lines are in order for each actor: what it binds it can use. */
static void test_an_actor_keeps_its_order(void **state)
{
    static const char text[] = "main: t1 = pthread_create()\n"
                               "parallel {\n"
                               "main: e0 = epoll_create1(0)\n"
                               "t1: v0 = eventfd(1, EFD_NONBLOCK)\n"
                               "main: v1 = eventfd(1, EFD_NONBLOCK)\n"
                               "t1: read(v0, 8)\n"
                               "main: epoll_ctl(e0, EPOLL_CTL_ADD, v1, EPOLLIN)\n"
                               "t1: read(v0, 8)\n"
                               "main: epoll_wait(e0, 8, 0)\n"
                               "}\n"
                               "t1: close(v1)\n";

    (void)state;
    for (unsigned i = 0; i < TRIALS(100); i++) {
        const struct trace *trace = run(executor, text, EXECUTE_EVIDENCE * (i % 2));
        assert_string_equal(trace_line(trace, 4), "8");
        assert_string_equal(trace_line(trace, 5), "0");
        assert_string_equal(trace_line(trace, 6), "-1 EAGAIN");
        assert_string_equal(trace_line(trace, 7), "1: 1@6");
        assert_string_equal(trace_line(trace, 8), "0");
        assert_stamps(trace, 7);
    }
}

/* Two blocks: every stamp of the second lies behind those of the first. */
static void test_blocks_follow_each_other(void **state)
{
    static const char text[] = "main: t1 = pthread_create()\n"
                               "parallel {\n"
                               "main: close(200)\n"
                               "t1: close(201)\n"
                               "}\n"
                               "parallel {\n"
                               "t1: close(202)\n"
                               "main: close(203)\n"
                               "}\n";

    (void)state;
    const struct trace *trace = run(executor, text, 0);
    assert_stamps(trace, 4);
    for (unsigned i = 3; i < 5; i++) {
        assert_true(trace->steps[i].called > trace->steps[1].returned);
        assert_true(trace->steps[i].called > trace->steps[2].returned);
    }
}

/* Who sleeps or has ended takes no part, and whom the block wakes comes back during it. */
static void test_who_cannot_take_part(void **state)
{
    static const char text[] = "main: e0 = epoll_create1(0)\n"
                               "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                               "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                               "main: t1 = pthread_create()\n"
                               "main: t2 = pthread_create()\n"
                               "t1: epoll_wait(e0, 8, -1)\n"
                               "t2: pthread_exit()\n"
                               "parallel {\n"
                               "t1: close(200)\n"
                               "main: write(v0, 8)\n"
                               "t2: close(201)\n"
                               "}\n"
                               "t1: read(v0, 8)\n";

    (void)state;
    const struct trace *trace = run(executor, text, 0);
    assert_string_equal(trace_line(trace, 5), "blocks until 10: 1: 1@3");
    assert_string_equal(trace_line(trace, 7), "skipped");
    assert_string_equal(trace_line(trace, 8), "8");
    assert_string_equal(trace_line(trace, 9), "skipped");
    assert_string_equal(trace_line(trace, 10), "8");
    assert_stamps(trace, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_done_once),
        cmocka_unit_test(test_an_actor_keeps_its_order),
        cmocka_unit_test(test_blocks_follow_each_other),
        cmocka_unit_test(test_who_cannot_take_part),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
