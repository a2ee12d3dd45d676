/*
 * What must not happen: that shrinking loses what was looked for; that `test` sees a program that
 * program_check refuses, the same program twice, or more programs than `tests_max`; that an error
 * of `test` is swallowed; that a finding of 25 steps stays long.
 */
#include "fuzz/generate/generate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <cmocka.h>

enum { TESTS_MAX = 2000, FINDINGS = 60 };

typedef bool property(const struct program *program);

struct probe {
    property *holds;
    unsigned calls;
    int fail_at; /* the call that returns an error, 0: none */
    struct program *seen;
    unsigned nseen;
};

static int probe_test(void *context, const struct program *candidate)
{
    struct probe *probe = context;
    unsigned step;
    char why[128];

    probe->calls++;
    assert_int_equal(program_check(candidate, &step, why, sizeof(why)), 0);
    for (unsigned i = 0; i < probe->nseen; i++)
        assert_memory_not_equal(&probe->seen[i].steps, &candidate->steps, sizeof(candidate->steps));
    if (probe->seen && probe->nseen < TESTS_MAX)
        probe->seen[probe->nseen++] = *candidate;
    if (probe->fail_at && probe->calls == (unsigned)probe->fail_at)
        return -EIO;
    return probe->holds(candidate);
}

static bool is_ctl(const struct step *step, int64_t op)
{
    return step->op == OP_EPOLL_CTL && step->args[1] == op;
}

/* An ADD of another slot than the instance's own. */
static bool is_add(const struct step *step)
{
    return is_ctl(step, EPOLL_CTL_ADD) && step->tags[0] == TAG_SLOT && step->tags[2] == TAG_SLOT &&
           step->args[0] != step->args[2];
}

/* An ADD of a slot that a later step closes, through whatever door. */
static bool has_add_and_close(const struct program *program)
{
    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *add = &program->steps[i];
        if (!is_add(add))
            continue;
        for (unsigned j = i + 1; j < program->nsteps; j++) {
            const struct step *close = &program->steps[j];
            int fd = op_fd_arg(&op_table[close->op]);
            if (op_table[close->op].effect == EFFECT_CLOSE && close->tags[fd] == TAG_SLOT &&
                close->args[fd] == add->args[2])
                return true;
        }
    }
    return false;
}

/* Two threads do steps on one epoll fd. */
static bool has_shared_instance(const struct program *program)
{
    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *a = &program->steps[i];
        if (!is_add(a))
            continue;
        for (unsigned j = i + 1; j < program->nsteps; j++) {
            const struct step *b = &program->steps[j];
            if (op_table[b->op].effect == EFFECT_WAIT && b->actor != a->actor &&
                b->tags[0] == TAG_SLOT && b->args[0] == a->args[0])
                return true;
        }
    }
    return false;
}

/* A fork, an exit of the child: neither can go without the other. */
static bool has_balanced_children(const struct program *program)
{
    unsigned forks = 0;
    unsigned exits = 0;
    unsigned adds = 0;

    for (unsigned i = 0; i < program->nsteps; i++) {
        forks += op_table[program->steps[i].op].effect == EFFECT_FORK ||
                 op_table[program->steps[i].op].effect == EFFECT_SPAWN;
        exits += op_table[program->steps[i].op].effect == EFFECT_EXIT;
        adds += is_add(&program->steps[i]);
    }
    return forks == exits && adds > 0;
}

/* An even number of calls on interest lists: to take one away loses it. */
static bool has_even_ctls(const struct program *program)
{
    unsigned ctls = 0;

    for (unsigned i = 0; i < program->nsteps; i++)
        ctls += program->steps[i].op == OP_EPOLL_CTL;
    return ctls > 0 && ctls % 2 == 0;
}

/* One that has the property and at least 25 steps, from the generator's own programs. */
static void find_program(property *holds, unsigned nth, struct program *ret_program)
{
    for (uint64_t index = 0;; index++) {
        generate_program(11, index, ret_program);
        if (ret_program->nsteps >= 25 && holds(ret_program) && nth-- == 0)
            return;
        assert_true(index < 100000);
    }
}

static void check_minimum(property *holds, unsigned steps_max, unsigned calls_max)
{
    static struct program program;

    for (unsigned nth = 0; nth < FINDINGS; nth++) {
        struct probe probe = {.holds = holds};
        find_program(holds, nth, &program);
        assert_int_equal(shrink_program(&program, probe_test, &probe, TESTS_MAX), 0);
        assert_true(holds(&program));
        assert_in_range(program.nsteps, 1, steps_max);
        assert_in_range(probe.calls, 1, calls_max);
    }
}

static void test_add_and_close_reach_the_minimum(void **state)
{
    (void)state;
    /* An instance, a target, the ADD, the close. A target that is a connection takes three steps.
     */
    check_minimum(has_add_and_close, 6, 300);
}

static void test_shared_instance_reaches_the_minimum(void **state)
{
    (void)state;
    /* An instance, a target, an actor, an ADD by one, a wait by the other. */
    check_minimum(has_shared_instance, 5, 300);
}

static void test_pairs_go_together(void **state)
{
    (void)state;
    /* A fork, an exit, an ADD; a second child takes two steps more, which go only together. */
    check_minimum(has_balanced_children, 5, 300);
    check_minimum(has_even_ctls, 5, 300); /* two targets, if they are of different kinds */
}

static void test_arguments_become_plain(void **state)
{
    static struct program program;

    (void)state;
    for (unsigned nth = 0; nth < FINDINGS; nth++) {
        struct probe probe = {.holds = has_shared_instance};
        find_program(has_shared_instance, nth, &program);
        assert_int_equal(shrink_program(&program, probe_test, &probe, TESTS_MAX), 0);
        for (unsigned i = 0; i < program.nsteps; i++) {
            const struct step *step = &program.steps[i];
            assert_true(step->op != OP_EPOLL_PWAIT && step->op != OP_EPOLL_PWAIT2);
            if (step->op == OP_EPOLL_WAIT)
                assert_int_equal(step->args[2], arg_table[ARG_TIMEOUT].values[0]);
            if (step->op == OP_EPOLL_CTL)
                assert_int_equal(step->args[3], EPOLLIN);
        }
    }
}

static void test_nothing_is_tested_twice(void **state)
{
    static struct program program;

    (void)state;
    for (unsigned nth = 0; nth < 10; nth++) {
        struct probe probe = {.holds = has_add_and_close,
                              .seen = calloc(TESTS_MAX, sizeof(*probe.seen))};
        find_program(has_add_and_close, nth, &program);
        assert_non_null(probe.seen);
        probe.seen[probe.nseen++] = program; /* known to hold: not to be asked again */
        assert_int_equal(shrink_program(&program, probe_test, &probe, TESTS_MAX), 0);
        free(probe.seen);
    }
}

static void test_limit_of_tests_is_kept(void **state)
{
    static struct program program, original;

    (void)state;
    find_program(has_add_and_close, 0, &original);
    for (unsigned tests_max = 0; tests_max < 40; tests_max++) {
        struct probe probe = {.holds = has_add_and_close};
        program = original;
        assert_int_equal(shrink_program(&program, probe_test, &probe, tests_max), 0);
        assert_in_range(probe.calls, 0, tests_max);
        assert_true(has_add_and_close(&program));
        if (tests_max == 0)
            assert_true(program_equal(&program, &original));
    }
}

static void test_error_ends_it_and_keeps_the_best(void **state)
{
    static struct program program, original;

    (void)state;
    struct probe whole = {.holds = has_add_and_close};
    find_program(has_add_and_close, 1, &original);
    program = original;
    assert_int_equal(shrink_program(&program, probe_test, &whole, TESTS_MAX), 0);
    for (int fail_at = 1; fail_at <= (int)whole.calls; fail_at++) {
        struct probe probe = {.holds = has_add_and_close, .fail_at = fail_at};
        program = original;
        assert_int_equal(shrink_program(&program, probe_test, &probe, TESTS_MAX), -EIO);
        assert_int_equal(probe.calls, fail_at);
        assert_true(has_add_and_close(&program));
        assert_in_range(program.nsteps, 3, original.nsteps);
    }
}

static bool never(const struct program *program)
{
    (void)program;
    return false;
}

/* What cannot be reproduced stays as it is, after a bounded number of tests. */
static void test_unreproducible_stays(void **state)
{
    static struct program program, original;
    struct probe probe = {.holds = never};

    (void)state;
    find_program(has_add_and_close, 2, &original);
    program = original;
    assert_int_equal(shrink_program(&program, probe_test, &probe, TESTS_MAX), 0);
    assert_true(program_equal(&program, &original));
    assert_in_range(probe.calls, 1, TESTS_MAX - 1);
}

static void test_same_call_gives_same_result(void **state)
{
    static struct program a, b;
    struct probe probe_a = {.holds = has_shared_instance};
    struct probe probe_b = {.holds = has_shared_instance};

    (void)state;
    find_program(has_shared_instance, 3, &a);
    b = a;
    assert_int_equal(shrink_program(&a, probe_test, &probe_a, TESTS_MAX), 0);
    assert_int_equal(shrink_program(&b, probe_test, &probe_b, TESTS_MAX), 0);
    assert_true(program_equal(&a, &b));
    assert_int_equal(probe_a.calls, probe_b.calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_and_close_reach_the_minimum),
        cmocka_unit_test(test_shared_instance_reaches_the_minimum),
        cmocka_unit_test(test_pairs_go_together),
        cmocka_unit_test(test_arguments_become_plain),
        cmocka_unit_test(test_nothing_is_tested_twice),
        cmocka_unit_test(test_limit_of_tests_is_kept),
        cmocka_unit_test(test_error_ends_it_and_keeps_the_best),
        cmocka_unit_test(test_unreproducible_stays),
        cmocka_unit_test(test_same_call_gives_same_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
