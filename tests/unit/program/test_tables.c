/*
 * A row of the tables must never contradict itself: everything else (text, bytes, generator,
 * executor, manual) is driven from them and believes them.
 */
#include "tests/unit/program/support.h"

#include <ctype.h>
#include <string.h>
#include <sys/syscall.h>

#define OP_OK(op, condition)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: not so: %s", (op)->id ? (op)->id : "a row without id", #condition);      \
    } while (0)

static void operations_are_named_and_described(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPS; i++) {
        const struct op_info *op = &op_table[i];
        OP_OK(op, op->id && op->id[0]);
        OP_OK(op, op->text && op->text[0]);
        OP_OK(op, op->doc && strlen(op->doc) > 5);
        /* The page of operations is a table, whose cells end at '|'. */
        OP_OK(op, !strpbrk(op->doc, "|\n"));
        OP_OK(op, op->group < GROUPS);
        OP_OK(op, op_find(op->text, strlen(op->text)) == (int)i);
        OP_OK(op, isalpha((unsigned char)op->text[0]) || op->text[0] == '_');
        for (const char *at = op->text; *at; at++)
            OP_OK(op, isalnum((unsigned char)*at) || *at == '_');
        for (unsigned other = 0; other < i; other++)
            OP_OK(op, strcmp(op->id, op_table[other].id) != 0);
    }
    assert_int_equal(op_find("", 0), -1);
    assert_int_equal(op_find("clos", 4), -1);
    assert_int_equal(op_find("close_", 6), -1);
    assert_int_equal(op_find("close(", 5), OP_CLOSE);
}

static void arguments_of_operations_are_consistent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPS; i++) {
        const struct op_info *op = &op_table[i];
        OP_OK(op, op->nargs <= PROGRAM_ARGS_MAX);
        OP_OK(op, op->nargs_must <= op->nargs);
        for (unsigned arg = 0; arg < PROGRAM_ARGS_MAX; arg++) {
            bool used = arg < op->nargs;
            OP_OK(op, used == (op->args[arg] != ARG_NONE));
            OP_OK(op, op->args[arg] < ARG_KINDS);
        }
    }
}

static void results_of_operations_are_consistent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPS; i++) {
        const struct op_info *op = &op_table[i];
        bool binds_actor = op->nouts > 0 && op->outs[0].kind == FILE_ACTOR;
        OP_OK(op, op->nouts <= PROGRAM_OUTS_MAX);
        OP_OK(op, binds_actor == (op_starts_process(op) || op->effect == EFFECT_THREAD));
        OP_OK(op, !binds_actor || op->nouts == 1);
        OP_OK(op, (op->effect == EFFECT_OPEN || op->effect == EFFECT_DUP ||
                   op->effect == EFFECT_DUP_OVER || op->effect == EFFECT_RECV_FD || binds_actor) ==
                      (op->nouts > 0));
        for (unsigned out = 0; out < op->nouts; out++) {
            bool dup = op->effect == EFFECT_DUP || op->effect == EFFECT_DUP_OVER ||
                       op->effect == EFFECT_RECV_FD;
            OP_OK(op, islower((unsigned char)op->outs[out].letter));
            OP_OK(op, op->outs[out].kind > FILE_NONE && op->outs[out].kind < FILE_KINDS);
            OP_OK(op, dup == (op->outs[out].kind == FILE_SAME));
        }
    }
}

static void blocking_is_consistent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPS; i++) {
        const struct op_info *op = &op_table[i];
        enum arg_kind kind = op->block_arg < op->nargs ? op->args[op->block_arg] : ARG_NONE;
        OP_OK(op, (op->block == BLOCK_NEVER) == (op->nblock_syscalls == 0));
        OP_OK(op,
              op->nblock_syscalls <= sizeof(op->block_syscalls) / sizeof(op->block_syscalls[0]));
        /* /proc/PID/task/TID/syscall says -1 for a thread outside every system call. */
        OP_OK(op, !op_sleeps_in(op, -1));
        if (op->block == BLOCK_TIMEOUT)
            OP_OK(op, kind == ARG_TIMEOUT || kind == ARG_TIMESPEC || kind == ARG_POLL_TIMESPEC);
        else if (op->block == BLOCK_OPTION)
            OP_OK(op, kind == ARG_WAIT_OPTIONS);
        else
            OP_OK(op, op->block_arg == 0);
    }
}

/* SYS_read is 0: a list that ended at 0 once left read without its system call. */
static void sleepers_are_known_by_their_system_call(void **state)
{
    (void)state;
    assert_true(op_sleeps_in(&op_table[OP_READ], SYS_read));
    assert_false(op_sleeps_in(&op_table[OP_WRITE], SYS_read));
    assert_true(op_sleeps_in(&op_table[OP_WRITE], SYS_write));
    assert_true(op_sleeps_in(&op_table[OP_EPOLL_WAIT], SYS_epoll_wait));
    assert_true(op_sleeps_in(&op_table[OP_EPOLL_WAIT], SYS_epoll_pwait2));
    assert_false(op_sleeps_in(&op_table[OP_EPOLL_WAIT], SYS_futex));
    assert_true(op_sleeps_in(&op_table[OP_PTHREAD_JOIN], SYS_futex));
    assert_false(op_sleeps_in(&op_table[OP_CLOSE], SYS_read));
}

static void effects_find_their_descriptors(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPS; i++) {
        const struct op_info *op = &op_table[i];
        unsigned fds = 0;
        unsigned actors = 0;
        for (unsigned arg = 0; arg < op->nargs; arg++) {
            fds += arg_table[op->args[arg]].shape == ARG_SHAPE_FD;
            actors += arg_table[op->args[arg]].shape == ARG_SHAPE_ACTOR;
        }
        OP_OK(op, (op_fd_arg(op) >= 0) == (fds > 0));
        OP_OK(op, actors == (op->effect == EFFECT_WAITPID || op->effect == EFFECT_JOIN ||
                             op->effect == EFFECT_CANCEL || op->effect == EFFECT_SIGNAL ||
                             op->effect == EFFECT_RAISE));
        if (op->effect == EFFECT_CLOSE)
            OP_OK(op, fds == 1);
        if (op->effect == EFFECT_WAIT || op->effect == EFFECT_CTL)
            OP_OK(op, op->args[0] == ARG_EPFD);
        if (op->effect == EFFECT_IO || op->effect == EFFECT_POLL || op->effect == EFFECT_DUP ||
            op->effect == EFFECT_SEND_FD || op->effect == EFFECT_RECV_FD ||
            op->effect == EFFECT_SETFD || op->effect == EFFECT_CLOSE_FROM)
            OP_OK(op, op_fd_arg(op) == 0);
        if (op->effect == EFFECT_DUP_OVER || op->effect == EFFECT_CLOSE_RANGE)
            OP_OK(op, op->args[0] == ARG_FD && op->args[1] == ARG_FD);
    }
}

static void argument_kinds_are_consistent(void **state)
{
    (void)state;
    for (unsigned kind = ARG_NONE + 1; kind < ARG_KINDS; kind++) {
        const struct arg_info *info = &arg_table[kind];
        OP_OK(info, info->id && info->id[0]);
        OP_OK(info, info->doc && info->doc[0] && !strpbrk(info->doc, "|\n"));
        OP_OK(info, info->words && info->values && info->nvalues > 0);
        /* One byte chooses among the slots and the values. */
        OP_OK(info, PROGRAM_SLOTS_MAX + info->nvalues <= UINT8_MAX + 1);
        OP_OK(info, info->shape != ARG_SHAPE_ENUM || info->words[0].word);
        for (const struct arg_word *word = info->words; word->word; word++) {
            for (const struct arg_word *other = info->words; other < word; other++)
                OP_OK(info, strcmp(word->word, other->word) != 0);
        }
    }
}

/* A value outside its kind would make the decoder partial: program_check refuses the program. */
static void values_of_every_kind_are_within_it(void **state)
{
    static struct program program;

    (void)state;
    for (unsigned op = 0; op < OPS; op++) {
        for (unsigned arg = 0; arg < op_table[op].nargs; arg++) {
            const struct arg_info *info = &arg_table[op_table[op].args[arg]];
            if (info->shape == ARG_SHAPE_ACTOR)
                continue;
            program_init(&program);
            struct step *step = program_append(&program, (enum op_id)op, 0);
            for (unsigned value = 0; value < info->nvalues; value++) {
                step->args[arg] = info->values[value];
                if (step_check_arg(&program, step, arg, 0, 1))
                    fail_msg("%s: value %u of %s: %s", op_table[op].id, value, info->id,
                             step_check_arg(&program, step, arg, 0, 1));
            }
            for (const struct arg_word *word = info->words; word->word; word++) {
                step->args[arg] = word->value;
                if (step_check_arg(&program, step, arg, 0, 1))
                    fail_msg("%s: %s of %s", op_table[op].id, word->word, info->id);
            }
        }
    }
}

static bool blocks(const char *text)
{
    static struct program program;

    parse_program(text, &program);
    return step_may_block(&program.steps[program.nsteps - 1]);
}

static void steps_that_may_block(void **state)
{
    static const char *const sleepers[] = {
        "main: epoll_wait(3, 8, -1)",
        "main: epoll_wait(3, 8, -2)",
        "main: epoll_pwait(3, 8, -1, NULL)",
        "main: epoll_pwait2(3, 8, NULL, NULL)",
        "main: poll(3, POLLIN, -1)",
        "main: select(3, -1)",
        "main: ppoll(3, POLLIN, NULL, NULL)",
        "main: pselect(3, NULL, NULL)",
        "main: accept4(3, 0)",
        "main: send(3, 8, 0)",
        "main: send_fd(3, 4)",
        "main: recv_fd(3, 0)",
        "main: read(3, 8)",
        "main: write(3, 8)",
        "main: fork()\nmain: waitpid(p1, 0)",
        "main: pthread_create()\nmain: pthread_join(t1)",
    };
    static const char *const others[] = {
        "main: epoll_wait(3, 8, 0)",
        "main: epoll_wait(3, 8, 1)",
        "main: epoll_pwait2(3, 8, 0, NULL)",
        "main: epoll_pwait2(3, 8, BADTS, NULL)",
        "main: epoll_pwait2(3, 8, BADPTR, NULL)",
        "main: close(3)",
        "main: select(3, 0)",
        "main: ppoll(3, POLLIN, 0, NULL)",
        "main: pselect(3, BADTS, NULL)",
        "main: fork()\nmain: waitpid(p1, WNOHANG)",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(sleepers) / sizeof(sleepers[0]); i++) {
        if (!blocks(sleepers[i]))
            fail_msg("does not block: %s", sleepers[i]);
    }
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (blocks(others[i]))
            fail_msg("blocks: %s", others[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_named_and_described),
        cmocka_unit_test(arguments_of_operations_are_consistent),
        cmocka_unit_test(results_of_operations_are_consistent),
        cmocka_unit_test(blocking_is_consistent),
        cmocka_unit_test(sleepers_are_known_by_their_system_call),
        cmocka_unit_test(effects_find_their_descriptors),
        cmocka_unit_test(argument_kinds_are_consistent),
        cmocka_unit_test(values_of_every_kind_are_within_it),
        cmocka_unit_test(steps_that_may_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
