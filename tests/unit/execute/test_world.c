/*
 * What must not happen: that the world of a program, driven with the outcomes of a run, knows a
 * descriptor or a registration that the kernel does not have, or lacks one; that two runs differ.
 * Random programs of threads and processes that fork, spawn, exec, unshare, are cancelled and
 * handle signals.
 */
#include "fuzz/program/world.h"

#include "tests/unit/execute/support.h"

#include <stdlib.h>
#include <string.h>

enum {
    PROGRAMS = 300,
    STEPS = 40,
};

static const enum op_id operations[] = {
    OP_EPOLL_CREATE1,  OP_EPOLL_CREATE1,
    OP_EVENTFD,        OP_EVENTFD,
    OP_PIPE2,          OP_EPOLL_CTL,
    OP_EPOLL_CTL,      OP_EPOLL_CTL,
    OP_EPOLL_CTL,      OP_EPOLL_CTL,
    OP_CLOSE,          OP_CLOSE,
    OP_CLOSE_RANGE,    OP_DUP,
    OP_DUP2,           OP_DUP3,
    OP_FORK,           OP_PTHREAD_CREATE,
    OP_PTHREAD_CREATE, OP_PTHREAD_EXIT,
    OP_EXIT,           OP_UNSHARE,
    OP_UNSHARE,        OP_EXECVE,
    OP_VFORK_EXEC,     OP_POSIX_SPAWN,
    OP_PTHREAD_CANCEL, OP_PTHREAD_SETCANCELTYPE,
    OP_SIGACTION,      OP_TGKILL,
    OP_TGKILL,
};

static struct executor *executor;
static uint64_t random_state = 1;
static unsigned done_count[OPS], handled_count, cancelled_count;

static unsigned below(unsigned limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % limit;
}

static int64_t choose(const struct program *program, enum arg_kind kind, unsigned nslots,
                      enum arg_tag *ret_tag)
{
    const struct arg_info *info = &arg_table[kind];

    *ret_tag = TAG_INT;
    if (info->shape == ARG_SHAPE_ACTOR) {
        *ret_tag = TAG_ACTOR;
        for (unsigned tries = 0; tries < 100; tries++) {
            unsigned actor = below(program->nactors);
            if (program_actor_fits(program, actor, kind))
                return actor;
        }
        return -1;
    }
    if (info->shape == ARG_SHAPE_FD && nslots > 0 && below(8) != 0) {
        *ret_tag = TAG_SLOT;
        for (unsigned tries = 0; tries < 6; tries++) {
            unsigned slot = below(nslots);
            if (kind != ARG_EPFD || program->slots[slot].name[0] == 'e')
                return slot;
        }
        return nslots - 1;
    }
    if (kind == ARG_CLOSE_RANGE_FLAGS)
        return 2 * below(4); /* UNSHARE, CLOEXEC, both or none */
    if (kind == ARG_EPOLL_FLAGS || kind == ARG_EVENTFD_FLAGS)
        return below(2) ? info->values[0] : 02000000; /* O_CLOEXEC by any name */
    return info->values[below(info->nvalues)];
}

static void make_program(struct program *program)
{
    program_init(program);
    while (program->nsteps < STEPS) {
        enum op_id op = operations[below(sizeof(operations) / sizeof(operations[0]))];
        unsigned nslots = program->nslots, actor = below(program->nactors);
        bool fits = program->nactors < PROGRAM_ACTORS_MAX;
        int64_t args[PROGRAM_ARGS_MAX];
        enum arg_tag tags[PROGRAM_ARGS_MAX];
        /* Ends are rare, or nothing is left to look at. */
        if ((op == OP_EXIT || op == OP_PTHREAD_EXIT) && below(3) != 0)
            continue;
        for (unsigned i = 0; i < op_table[op].nargs; i++) {
            args[i] = choose(program, op_table[op].args[i], nslots, &tags[i]);
            fits &= tags[i] != TAG_ACTOR || args[i] >= 0;
        }
        struct step *step = fits ? program_append(program, op, actor) : NULL;
        if (!step)
            continue;
        for (unsigned i = 0; i < op_table[op].nargs; i++) {
            step->args[i] = args[i];
            step->tags[i] = (uint8_t)tags[i];
        }
    }
}

static void apply(const struct trace *trace, unsigned k, struct world *world)
{
    struct world_outcome outcome;

    if (trace->steps[k].state == STEP_DONE || trace->steps[k].state == STEP_DIED) {
        trace_outcome(trace, k, &outcome);
        world_apply(world, k, &outcome);
        done_count[trace->program->steps[k].op]++;
    }
    for (unsigned i = 0; i <= k; i++) {
        if (trace->steps[i].handled_at != (int)k)
            continue;
        world_apply_handler(world, i, trace->steps[i].handler_ret);
        handled_count++;
    }
    for (unsigned a = 0; a < trace->program->nactors; a++) {
        if (trace->cancelled_at[a] != (int)k)
            continue;
        world_end_thread(world, a);
        cancelled_count++;
    }
}

static void print_program(const struct program *program)
{
    char text[256];

    for (unsigned i = 0; i < program->nsteps; i++) {
        step_print(program, i, text, sizeof(text));
        print_message("%s: %s\n", program->actors[program->steps[i].actor].name, text);
    }
}

/* How many live items of the world are those of a list that the kernel shows. */
static unsigned count_listed(const struct trace *trace, const struct trace_snapshot *snapshot,
                             const struct world *world, int instance)
{
    unsigned count = 0;

    for (unsigned i = 0; i < world->nitems; i++) {
        const struct world_item *item = &world->items[i];
        for (unsigned k = 0; k < snapshot->nitems && item->live && item->instance == instance;
             k++) {
            const struct trace_item *listed = &trace->items[snapshot->first + k];
            count += listed->number == item->number &&
                     listed->data == step_number((unsigned)item->registered);
        }
    }
    return count;
}

static unsigned count_items(const struct world *world, int instance)
{
    unsigned count = 0;

    for (unsigned i = 0; i < world->nitems; i++)
        count += world->items[i].live && world->items[i].instance == instance;
    return count;
}

static void assert_lists(const struct trace *trace, unsigned k, const struct world *world)
{
    for (unsigned i = 0; i < trace->nsnapshots; i++) {
        const struct trace_snapshot *snapshot = &trace->snapshots[i];
        if (snapshot->step != (int)k)
            continue;
        int instance = world_file_of(world, snapshot->process, snapshot->number);
        bool known = instance != WORLD_FILE_NONE && world->files[instance].kind == FILE_EPOLL;
        if (known && count_items(world, instance) == snapshot->nitems &&
            count_listed(trace, snapshot, world, instance) == snapshot->nitems)
            continue;
        print_program(trace->program);
        fail_msg("step %u: the world is wrong about epoll fd %d of actor %u\n%s", step_number(k),
                 snapshot->number, snapshot->process, trace_text(trace));
    }
}

static bool table_has(const struct trace *trace, unsigned actor, int number)
{
    for (unsigned i = 0; i < trace->nfds; i++) {
        if (trace->fds[i].process == actor && trace->fds[i].number == number)
            return true;
    }
    return false;
}

/* A table is known by one actor in the trace: there each number must be what the world says. */
static void assert_tables(const struct trace *trace, const struct world *world)
{
    for (unsigned a = 0; a < trace->program->nactors; a++) {
        unsigned owner = trace->program->actors[a].process;
        if (!world->actors_alive[a])
            continue;
        for (unsigned b = 0; world->actor_tables[owner] != world->actor_tables[a]; b++)
            owner = b;
        for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
            bool ours = world_file_of(world, a, number) != WORLD_FILE_NONE;
            if (ours == table_has(trace, owner, number))
                continue;
            print_program(trace->program);
            fail_msg("actor %u: fd %d is %s in the world only\n%s", a, number,
                     ours ? "open" : "closed", trace_text(trace));
        }
    }
}

/* A second run must come to the same in every respect. */
static void assert_same_again(const struct program *program, const char *text)
{
    static struct trace *again;
    char why[EXECUTE_WHY_MAX + 1];

    if (!again)
        again = trace_new();
    assert_non_null(again);
    if (executor_run(executor, program, EXECUTE_EVIDENCE, again, why) != 0)
        fail_msg("%s", why);
    if (strcmp(trace_text(again), text) == 0)
        return;
    print_program(program);
    fail_msg("two runs differ:\n%s\n%s", text, trace_text(again));
}

static void test_random_programs(void **state)
{
    static struct program program;
    static struct world world;
    static struct trace *trace;
    char why[EXECUTE_WHY_MAX + 1];

    (void)state;
    trace = trace_new();
    assert_non_null(trace);
    for (unsigned i = 0; i < TRIALS(PROGRAMS); i++) {
        make_program(&program);
        if (executor_run(executor, &program, EXECUTE_EVIDENCE, trace, why) != 0)
            fail_msg("%s", why);
        assert_false(trace->truncated);
        if (trace->end != RUN_COMPLETE) {
            print_program(&program);
            fail_msg("the run ended early\n%s", trace_text(trace));
        }
        assert_same_again(&program, trace_text(trace));
        world_init(&world, &program);
        for (unsigned k = 0; k < program.nsteps; k++) {
            apply(trace, k, &world);
            assert_lists(trace, k, &world);
        }
        assert_tables(trace, &world);
    }
    trace_free(trace);
}

/* Comes last: trials that never met an operation prove nothing about it. */
static void test_everything_was_met(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (done_count[operations[i]] < TRIALS(30))
            fail_msg("%s was done %u times only", op_table[operations[i]].text,
                     done_count[operations[i]]);
    }
    assert_true(handled_count > TRIALS(30));
    assert_true(cancelled_count > TRIALS(10));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_everything_was_met),
    };

    executor = start("native", 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    executor_stop(executor);
    return failed;
}
