/*
 * Dropping steps must never leave a step that uses what nobody binds any more, nor touch a step
 * that needs nothing of them: shrinking stands on it.
 */
#include "tests/unit/program/support.h"

#include "fuzz/program/bytes.h"

#include <string.h>

static void assert_without(const char *text, const char *dropped, const char *expected)
{
    static struct program program;
    static struct program left;
    static struct program wanted;
    uint8_t drop[PROGRAM_STEPS_MAX] = {0};

    parse_program(text, &program);
    parse_program(expected, &wanted);
    assert_int_equal(strlen(dropped), program.nsteps);
    for (unsigned i = 0; i < program.nsteps; i++)
        drop[i] = dropped[i] == 'x';
    assert_int_equal(program_without(&program, drop, &left), 0);
    assert_checked(&left);
    if (!program_equal(&left, &wanted))
        fail_program(&left, left.nsteps, "is what is left of\n%s", text);
}

static void users_of_a_dropped_slot_go_with_it(void **state)
{
    (void)state;
    assert_without("main: e0 = epoll_create1(0)\n"
                   "main: r0, w0 = pipe2(0)\n"
                   "main: v0 = eventfd(0, 0)\n"
                   "main: epoll_ctl(e0, ADD, r0, EPOLLIN)\n"
                   "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
                   "main: d0 = dup(w0)\n"
                   "main: write(d0, 8)\n"
                   "main: write(v0, 8)\n",
                   ".x......",
                   "main: e0 = epoll_create1(0)\n"
                   "main: v0 = eventfd(0, 0)\n"
                   "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
                   "main: write(v0, 8)\n");
}

static void steps_of_a_dropped_actor_go_with_it(void **state)
{
    (void)state;
    assert_without("main: e0 = epoll_create1(0)\n"
                   "main: p1 = fork()\n"
                   "p1: t1 = pthread_create()\n"
                   "t1: v0 = eventfd(0, 0)\n"
                   "main: epoll_ctl(e0, ADD, v0, EPOLLIN)\n"
                   "main: waitpid(p1, 0)\n"
                   "main: t2 = pthread_create()\n"
                   "t2: close(e0)\n",
                   ".x......",
                   "main: e0 = epoll_create1(0)\n"
                   "main: t2 = pthread_create()\n"
                   "t2: close(e0)\n");
}

static void nothing_else_goes(void **state)
{
    (void)state;
    assert_without("main: e0 = epoll_create1(0)\nmain: close(e0)\nmain: close(200)\n", ".x.",
                   "main: e0 = epoll_create1(0)\nmain: close(200)\n");
}

/* A block that loses its second actor is none any more, and those behind it are numbered anew. */
static void blocks_close_up(void **state)
{
    (void)state;
    assert_without("main: t1 = pthread_create()\n"
                   "parallel {\n"
                   "main: close(3)\n"
                   "t1: close(4)\n"
                   "}\n"
                   "parallel {\n"
                   "t1: close(5)\n"
                   "main: close(6)\n"
                   "main: close(7)\n"
                   "}\n",
                   "..x..x",
                   "main: t1 = pthread_create()\n"
                   "main: close(3)\n"
                   "parallel {\n"
                   "t1: close(5)\n"
                   "main: close(6)\n"
                   "}\n");
}

static void lines_of_the_text_are_kept(void **state)
{
    static struct program program;
    static struct program left;
    const uint8_t drop[PROGRAM_STEPS_MAX] = {1};

    (void)state;
    parse_program("main: fork()\nmain: close(1)\nmain: close(2)\n", &program);
    assert_int_equal(program_without(&program, drop, &left), 0);
    assert_int_equal(left.steps[0].line, 2);
    assert_int_equal(left.steps[1].line, 3);
}

static bool drops_any(const uint8_t drop[PROGRAM_STEPS_MAX], unsigned nsteps)
{
    return memchr(drop, 1, nsteps) != NULL;
}

static void random_programs_stay_programs(void **state)
{
    static uint8_t bytes[512];
    static struct program program;
    static struct program left;
    uint8_t drop[PROGRAM_STEPS_MAX];
    uint64_t random = 1;

    (void)state;
    for (unsigned i = 0; i < TRIALS(20000); i++) {
        size_t length = random_below(&random, sizeof(bytes));
        unsigned one_in = 1 + random_below(&random, 20);
        random_bytes(&random, bytes, length);
        program_decode(bytes, length, &program);
        for (unsigned s = 0; s < PROGRAM_STEPS_MAX; s++)
            drop[s] = random_below(&random, one_in) == 0;
        assert_int_equal(program_without(&program, drop, &left), 0);
        assert_checked(&left);
        assert_true(left.nsteps <= program.nsteps);
        if (!drops_any(drop, program.nsteps))
            assert_true(program_equal(&program, &left));

        memset(drop, 0, sizeof(drop));
        assert_int_equal(program_without(&program, drop, &left), 0);
        assert_true(program_equal(&program, &left));

        memset(drop, 1, sizeof(drop));
        assert_int_equal(program_without(&program, drop, &left), 0);
        assert_int_equal(left.nsteps, 0);
        assert_int_equal(left.nslots, 0);
        assert_int_equal(left.nactors, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_of_a_dropped_slot_go_with_it),
        cmocka_unit_test(steps_of_a_dropped_actor_go_with_it),
        cmocka_unit_test(nothing_else_goes),
        cmocka_unit_test(blocks_close_up),
        cmocka_unit_test(lines_of_the_text_are_kept),
        cmocka_unit_test(random_programs_stay_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
