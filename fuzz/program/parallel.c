/* Parallel blocks: what they may hold. */
#include "fuzz/program/parallel.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static bool timeout_is_zero(const struct step *step)
{
    const struct op_info *op = &op_table[step->op];

    return op->block != BLOCK_TIMEOUT || step->args[op->block_arg] == 0;
}

bool parallel_opens_blocking(const struct step *step)
{
    if (op_table[step->op].effect != EFFECT_OPEN)
        return false;
    switch ((enum op_id)step->op) {
    case OP_EPOLL_CREATE:
    case OP_EPOLL_CREATE1:
    case OP_MEMFD_CREATE:
    case OP_OPEN:
        return false; /* no read or write of these sleeps */
    case OP_PIPE2:
        return (step->args[0] & O_NONBLOCK) == 0;
    case OP_SOCKETPAIR:
        return (step->args[0] & SOCK_NONBLOCK) == 0;
    case OP_EVENTFD:
        return (step->args[1] & EFD_NONBLOCK) == 0;
    default:
        return true; /* an operation that nobody has thought about here yet */
    }
}

const char *parallel_check_step(const struct step *step)
{
    switch ((enum op_id)step->op) {
    case OP_EPOLL_CTL:
    case OP_READ:
    case OP_WRITE:
    case OP_DUP:
    case OP_DUP2:
    case OP_CLOSE:
    case OP_EPOLL_CREATE1:
        return NULL;
    case OP_EPOLL_WAIT:
    case OP_EPOLL_PWAIT:
        return timeout_is_zero(step) ? NULL : "a wait in a parallel block has a timeout";
    case OP_PIPE2:
    case OP_EVENTFD:
        return parallel_opens_blocking(step) ? "a parallel block opens a descriptor that can block"
                                             : NULL;
    default:
        return "the operation cannot stand in a parallel block";
    }
}

bool parallel_blocking_before(const struct program *program, unsigned end)
{
    for (unsigned i = 0; i < end; i++) {
        if (parallel_opens_blocking(&program->steps[i]))
            return true;
    }
    return false;
}

bool parallel_slot_is_foreign(const struct program *program, const struct step *step, unsigned arg)
{
    if (step->block == 0 || step->tags[arg] != TAG_SLOT)
        return false;
    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *binder = &program->steps[i];
        const struct op_info *op = &op_table[binder->op];
        if (binder->block != step->block || binder->actor == step->actor)
            continue;
        for (unsigned out = 0; out < op->nouts; out++) {
            if (op->outs[out].kind != FILE_ACTOR && binder->outs[out] == step->args[arg])
                return true;
        }
    }
    return false;
}

unsigned parallel_count(const struct program *program)
{
    unsigned count = 0;

    for (unsigned i = 0; i < program->nsteps; i++)
        count = program->steps[i].block > count ? program->steps[i].block : count;
    return count;
}

unsigned parallel_end(const struct program *program, unsigned first)
{
    unsigned end = first;

    assert(first < program->nsteps && program->steps[first].block != 0);
    while (end < program->nsteps && program->steps[end].block == program->steps[first].block)
        end++;
    return end;
}

static bool has_two_actors(const struct program *program, unsigned first)
{
    unsigned end = parallel_end(program, first);

    for (unsigned i = first; i < end; i++) {
        if (program->steps[i].actor != program->steps[first].actor)
            return true;
    }
    return false;
}

/* Why the block's number cannot follow those before it. */
static const char *check_number(const struct program *program, unsigned index)
{
    unsigned block = program->steps[index].block;
    unsigned highest = 0;

    if (index > 0 && program->steps[index - 1].block == block)
        return NULL;
    for (unsigned i = 0; i < index; i++)
        highest = program->steps[i].block > highest ? program->steps[i].block : highest;
    if (block != highest + 1)
        return "parallel blocks are not numbered in order";
    return has_two_actors(program, index) ? NULL : "a parallel block has fewer than two actors";
}

const char *parallel_check(const struct program *program, unsigned index)
{
    const struct step *step = &program->steps[index];

    if (step->block == 0)
        return NULL;
    const char *why = check_number(program, index);
    if (!why)
        why = parallel_check_step(step);
    if (!why && parallel_blocking_before(program, index))
        why = "a descriptor that can block is opened before a parallel block";
    for (unsigned i = 0; !why && i < op_table[step->op].nargs; i++) {
        if (parallel_slot_is_foreign(program, step, i))
            why = "a slot that a parallel block binds is used in it by another actor";
    }
    return why;
}

void parallel_renumber(struct program *program)
{
    uint8_t count = 0;

    for (unsigned first = 0, end; first < program->nsteps; first = end) {
        end = first + 1;
        if (program->steps[first].block == 0)
            continue;
        end = parallel_end(program, first);
        uint8_t number = has_two_actors(program, first) ? ++count : 0;
        for (unsigned i = first; i < end; i++)
            program->steps[i].block = number;
    }
}
