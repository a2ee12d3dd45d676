/*
 * program_check must never pass a program that an executor could not run or text could not say. A
 * good program is damaged by hand, one way at a time.
 */
#include "tests/unit/program/support.h"

#include <errno.h>
#include <string.h>

/* Steps: 0 epoll_create1, 1 pipe2, 2 fork, 3 pthread_create, 4 epoll_ctl, 5 waitpid, 6 read, 7 dup.
 */
static const char good[] = "main: e0 = epoll_create1(0)\n"
                           "main: r0, w0 = pipe2(0)\n"
                           "main: p1 = fork()\n"
                           "p1: t1 = pthread_create()\n"
                           "t1: epoll_ctl(e0, ADD, r0, EPOLLIN)\n"
                           "main: waitpid(p1, 0)\n"
                           "main: read(r0, 8)\n"
                           "main: d0 = dup(w0)\n"
                           "p1: pthread_join(t1)\n"
                           "main: epoll_pwait2(e0, 8, 0, NULL)\n"
                           "main: syscall(SYS_close, d0)\n";

static struct program damaged;

static void reset(void)
{
    parse_program(good, &damaged);
    assert_checked(&damaged);
}

/* Whatever the bytes around it, the fault is found at this step and said in these words. */
static void assert_refused(unsigned step, const char *why)
{
    char said[128] = "";
    unsigned at = 77;

    assert_int_equal(program_check(&damaged, &at, said, sizeof(said)), -EINVAL);
    assert_string_equal(said, why);
    assert_int_equal(at, step);
    reset();
}

static void counts(void **state)
{
    (void)state;
    reset();
    damaged.nsteps = PROGRAM_STEPS_MAX + 1;
    assert_refused(0, "a limit is passed");
    damaged.nslots = PROGRAM_SLOTS_MAX + 1;
    assert_refused(0, "a limit is passed");
    damaged.nactors = PROGRAM_ACTORS_MAX + 1;
    assert_refused(0, "a limit is passed");
    damaged.nactors = 0;
    assert_refused(0, "a limit is passed");
    damaged.nslots++;
    assert_refused(11, "a slot or an actor is bound by no step");
    damaged.nactors++;
    assert_refused(11, "a slot or an actor is bound by no step");
    damaged.nslots--;
    assert_refused(7, "slots are not bound in order");
    damaged.nactors--;
    assert_refused(3, "actors are not bound in order");
}

static void who_and_what(void **state)
{
    (void)state;
    reset();
    damaged.steps[4].op = OPS;
    assert_refused(4, "unknown operation");
    damaged.steps[4].op = UINT8_MAX;
    assert_refused(4, "unknown operation");
    damaged.steps[1].actor = 1;
    assert_refused(1, "the actor is not born yet");
    damaged.steps[10].actor = UINT8_MAX;
    assert_refused(10, "the actor is not born yet");
}

static void blocks(void **state)
{
    static struct program program;
    static struct program block;
    char why[128];
    unsigned at;

    (void)state;
    parse_program("main: t1 = pthread_create()\n"
                  "parallel {\n"
                  "main: close(3)\n"
                  "t1: close(4)\n"
                  "}\n"
                  "main: close(5)\n",
                  &block);
    static const struct {
        unsigned step, number;
        unsigned at;
        const char *why;
    } damages[] = {
        {1, 0, 2, "a parallel block has fewer than two actors"},
        {2, 0, 1, "a parallel block has fewer than two actors"},
        {2, 2, 1, "a parallel block has fewer than two actors"},
        {3, 3, 3, "parallel blocks are not numbered in order"},
        {3, 2, 3, "a parallel block has fewer than two actors"},
        {0, 2, 0, "parallel blocks are not numbered in order"},
        {0, 1, 0, "the operation cannot stand in a parallel block"},
    };
    for (unsigned i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        program = block;
        program.steps[damages[i].step].block = (uint8_t)damages[i].number;
        assert_int_equal(program_check(&program, &at, why, sizeof(why)), -EINVAL);
        assert_string_equal(why, damages[i].why);
        assert_int_equal(at, damages[i].at);
    }
    program = block;
    program.steps[3].block = 1;
    assert_checked(&program);
    assert_false(program_equal(&program, &block));
}

static void bindings(void **state)
{
    (void)state;
    reset();
    damaged.steps[1].outs[1] = 1;
    assert_refused(1, "slots are not bound in order");
    damaged.steps[0].outs[0] = UINT8_MAX;
    assert_refused(0, "slots are not bound in order");
    damaged.steps[3].outs[0] = 1;
    assert_refused(3, "actors are not bound in order");
    damaged.steps[2].outs[0] = UINT8_MAX;
    assert_refused(2, "actors are not bound in order");
    damaged.steps[2].outs[0] = 0;
    assert_refused(2, "actors are not bound in order");
}

static void actors(void **state)
{
    static const char misfit[] = "an actor does not fit the step that starts it";

    (void)state;
    reset();
    damaged.actors[1].kind = ACTOR_THREAD;
    assert_refused(2, misfit);
    damaged.actors[2].kind = ACTOR_PROCESS;
    assert_refused(3, misfit);
    damaged.actors[1].born = 1;
    assert_refused(2, misfit);
    damaged.actors[2].parent = 0;
    assert_refused(3, misfit);
    damaged.actors[2].process = 0;
    assert_refused(3, misfit);
    damaged.actors[1].process = 0;
    assert_refused(2, misfit);
    damaged.actors[0].kind = ACTOR_PROCESS;
    assert_refused(0, "the first actor is not main");
    damaged.actors[0].process = 1;
    assert_refused(0, "the first actor is not main");
    strcpy(damaged.actors[0].name, "Main");
    assert_refused(0, "the first actor is not main");
    strcpy(damaged.actors[0].name, "mainly");
    assert_refused(0, "the first actor is not main");
}

static void names(void **state)
{
    static const char *const malformed[] = {"", "0a", "a b", "a\n", "-1", "a.b", "\xc3\xa4"};

    (void)state;
    reset();
    for (unsigned i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        strcpy(damaged.slots[1].name, malformed[i]);
        assert_refused(1, "a name is malformed");
        strcpy(damaged.actors[1].name, malformed[i]);
        assert_refused(2, "a name is malformed");
    }
    memset(damaged.slots[3].name, 'a', sizeof(damaged.slots[3].name));
    assert_refused(7, "a name is malformed");
    strcpy(damaged.slots[0].name, "expect");
    assert_refused(0, "a name is a reserved word");
    strcpy(damaged.slots[2].name, "r0");
    assert_refused(1, "two slots or actors share a name");
    strcpy(damaged.slots[3].name, "p1");
    assert_refused(7, "two slots or actors share a name");
    strcpy(damaged.actors[2].name, "main");
    assert_refused(3, "two slots or actors share a name");
    strcpy(damaged.actors[2].name, "w0");
    assert_refused(3, "two slots or actors share a name");
}

static void tags(void **state)
{
    (void)state;
    reset();
    damaged.steps[6].tags[0] = 3;
    assert_refused(6, "an argument has no known tag");
    damaged.steps[6].tags[1] = TAG_SLOT;
    assert_refused(6, "a slot stands where none can");
    damaged.steps[5].tags[0] = TAG_SLOT;
    assert_refused(5, "a slot stands where none can");
    damaged.steps[5].tags[0] = TAG_INT;
    assert_refused(5, "an actor stands where none can, or is missing");
    damaged.steps[6].tags[0] = TAG_ACTOR;
    assert_refused(6, "an actor stands where none can, or is missing");
    damaged.steps[6].args[0] = 3;
    assert_refused(6, "a slot is used before it is bound");
    damaged.steps[7].args[0] = 3;
    assert_refused(7, "a slot is used before it is bound");
    damaged.steps[6].args[0] = -1;
    assert_refused(6, "a slot is used before it is bound");
    damaged.steps[6].args[0] = INT64_MAX;
    assert_refused(6, "a slot is used before it is bound");
    damaged.steps[5].args[0] = 0;
    assert_refused(5, "a process stands for a thread, or a thread for a process");
    damaged.steps[5].args[0] = 3;
    assert_refused(5, "an actor is used before it is bound");
    damaged.steps[5].args[0] = 2;
    assert_refused(5, "a process stands for a thread, or a thread for a process");
    damaged.steps[8].args[0] = 1;
    assert_refused(8, "a process stands for a thread, or a thread for a process");
}

static void values(void **state)
{
    (void)state;
    reset();
    damaged.steps[4].args[3] = EVENT_BADPTR - 1;
    assert_refused(4, "an events mask is out of range");
    damaged.steps[4].args[3] = (int64_t)UINT32_MAX + 1;
    assert_refused(4, "an events mask is out of range");
    damaged.steps[4].args[1] = (int64_t)INT32_MAX + 1;
    assert_refused(4, "a number is out of range");
    damaged.steps[4].tags[0] = TAG_INT;
    damaged.steps[4].args[0] = (int64_t)INT32_MIN - 1;
    assert_refused(4, "a number is out of range");
    damaged.steps[6].args[1] = PROGRAM_IO_MAX + 1;
    assert_refused(6, "a byte count is out of range");
    damaged.steps[6].args[1] = -1;
    assert_refused(6, "a byte count is out of range");
    damaged.steps[1].args[0] = -1;
    assert_refused(1, "a mask is negative");
    damaged.steps[9].args[1] = PROGRAM_EVENTS_MAX + 1;
    assert_refused(9, "more events than there is room for");
    damaged.steps[9].args[1] = PROGRAM_EVENTS_EINVAL;
    assert_refused(9, "more events than there is room for");
    damaged.steps[9].args[2] = TIMESPEC_BADPTR - 1;
    assert_refused(9, "a timespec is out of range");
    damaged.steps[9].args[2] = (int64_t)INT32_MAX + 1;
    assert_refused(9, "a timespec is out of range");
    damaged.steps[9].args[3] = SIGMASK_FULL + 1;
    assert_refused(9, "an argument is not in its vocabulary");
    damaged.steps[9].args[4] = -1;
    assert_refused(9, "an argument is not in its vocabulary");
    damaged.steps[10].args[0] = 57;
    assert_refused(10, "an argument is not in its vocabulary");
}

/* Random damage to any byte: refused, or still a program with a text. Never a crash. */
static void random_damage(void **state)
{
    static struct program kept;
    uint64_t random = 1;
    unsigned refused = 0;

    (void)state;
    reset();
    kept = damaged;
    for (unsigned i = 0; i < TRIALS(200000); i++) {
        char why[128];
        unsigned step;
        /* What the program uses of itself: counts, the names, and the first steps. */
        size_t used = offsetof(struct program, steps) + 11 * sizeof(struct step);
        damaged = kept;
        ((uint8_t *)&damaged)[random_below(&random, (unsigned)used)] =
            (uint8_t)random_next(&random);
        if (program_check(&damaged, &step, why, sizeof(why)) != 0)
            refused++;
        else
            assert_text_round_trip(&damaged);
    }
    assert_true(refused > TRIALS(10000));
}

static void the_message_never_overflows(void **state)
{
    char why[8] = "~~~~~~~";
    unsigned step;

    (void)state;
    reset();
    damaged.nactors = 0;
    assert_int_equal(program_check(&damaged, &step, why, 4), -EINVAL);
    assert_string_equal(why, "a l");
    assert_int_equal(why[4], '~');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),        cmocka_unit_test(who_and_what),
        cmocka_unit_test(blocks),        cmocka_unit_test(bindings),
        cmocka_unit_test(actors),        cmocka_unit_test(names),
        cmocka_unit_test(tags),          cmocka_unit_test(values),
        cmocka_unit_test(random_damage), cmocka_unit_test(the_message_never_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
