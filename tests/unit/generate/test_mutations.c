/*
 * What must not happen: that a mutation does something else than its row of mutations.def says, or
 * hardly ever finds something to do; that docs/mutation.md says something else.
 *
 * The parents here are written for it: nothing in them sleeps, and a step of theirs fails, so that
 * children may have failing steps as well and few steps are lost on the model. A child that has
 * lost one is no counter-example, but most must be whole.
 */
#include "fuzz/generate/generate.h"
#include "fuzz/generate/mutate.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

enum {
    SEEDS = 300,
    MOST = SEEDS * 6 / 10,
    SOME = SEEDS / 4,
};

static struct program parent, other, child;

/* --- Parents --- */

struct value {
    enum arg_tag tag;
    int64_t value;
};
#define S(slot)   ((struct value){TAG_SLOT, (slot)})
#define N(number) ((struct value){TAG_INT, (number)})

static unsigned add_step(struct program *program, unsigned actor, enum op_id op, unsigned count,
                         const struct value *values)
{
    struct step *step = program_append(program, op, actor);

    assert_non_null(step);
    assert_true(count <= op_table[op].nargs);
    for (unsigned i = 0; i < count; i++) {
        step->tags[i] = (uint8_t)values[i].tag;
        step->args[i] = values[i].value;
    }
    return step->outs[0];
}
#define STEP(program, actor, op, ...)                                                              \
    add_step((program), (actor), OP_##op,                                                          \
             sizeof((struct value[]){__VA_ARGS__}) / sizeof(struct value),                         \
             (struct value[]){__VA_ARGS__})

/* Two actors, an instance, an eventfd and a pipe. */
static int write_parents(void **state)
{
    (void)state;
    program_init(&parent);
    unsigned e = STEP(&parent, 0, EPOLL_CREATE1, N(0));
    unsigned v = STEP(&parent, 0, EVENTFD, N(1), N(EFD_NONBLOCK));
    unsigned r = STEP(&parent, 0, PIPE2, N(O_NONBLOCK));
    unsigned w = r + 1;
    STEP(&parent, 0, EPOLL_CTL, S(e), N(EPOLL_CTL_MOD), S(v), N(EPOLLIN)); /* ENOENT */
    STEP(&parent, 0, EPOLL_CTL, S(e), N(EPOLL_CTL_ADD), S(v), N(EPOLLIN));
    unsigned t = add_step(&parent, 0, OP_PTHREAD_CREATE, 0, NULL);
    STEP(&parent, t, EPOLL_CTL, S(e), N(EPOLL_CTL_ADD), S(r), N(EPOLLIN));
    STEP(&parent, t, EPOLL_WAIT, S(e), N(16), N(0));
    STEP(&parent, 0, WRITE, S(w), N(8));
    STEP(&parent, t, EPOLL_WAIT, S(e), N(16), N(0));
    STEP(&parent, 0, READ, S(v), N(8));
    STEP(&parent, t, EPOLL_WAIT, S(e), N(16), N(0));
    STEP(&parent, 0, CLOSE, S(w));
    STEP(&parent, 0, EPOLL_WAIT, S(e), N(16), N(0));
    STEP(&parent, t, EPOLL_CTL, S(e), N(EPOLL_CTL_DEL), S(r), N(EPOLLIN));
    STEP(&parent, 0, EPOLL_WAIT, S(e), N(16), N(0));

    /* Of operations that the other has not. */
    program_init(&other);
    e = STEP(&other, 0, EPOLL_CREATE, N(1));
    unsigned s = STEP(&other, 0, SOCKETPAIR, N(SOCK_STREAM | SOCK_NONBLOCK));
    STEP(&other, 0, SEND, S(s), N(8), N(0));
    STEP(&other, 0, EPOLL_PWAIT, S(e), N(16), N(0), N(SIGMASK_NULL));
    STEP(&other, 0, SHUTDOWN, S(s), N(SHUT_WR));
    unsigned d = STEP(&other, 0, DUP, S(s + 1));
    STEP(&other, 0, POLL, S(d), N(EPOLLIN), N(0));
    STEP(&other, 0, FCLOSE, S(d));
    return 0;
}

/* --- What children have in common with their parent --- */

static void count_operations(const struct program *program, unsigned ret_counts[OPS])
{
    memset(ret_counts, 0, OPS * sizeof(ret_counts[0]));
    for (unsigned i = 0; i < program->nsteps; i++)
        ret_counts[program->steps[i].op]++;
}

/* How many steps `a` has of operations of which it has more than `b`, beyond what `b` has. */
static unsigned surplus(const struct program *a, const struct program *b)
{
    unsigned as[OPS], bs[OPS], count = 0;

    count_operations(a, as);
    count_operations(b, bs);
    for (unsigned i = 0; i < OPS; i++)
        count += as[i] > bs[i] ? as[i] - bs[i] : 0;
    return count;
}

static bool same_operations(const struct program *a, const struct program *b)
{
    if (a->nsteps != b->nsteps)
        return false;
    for (unsigned i = 0; i < a->nsteps; i++) {
        if (a->steps[i].op != b->steps[i].op)
            return false;
    }
    return true;
}

static bool same_actors(const struct program *a, const struct program *b)
{
    for (unsigned i = 0; i < a->nsteps; i++) {
        if (a->steps[i].actor != b->steps[i].actor)
            return false;
    }
    return a->nsteps == b->nsteps;
}

/* The operations of `a` are some of `b`'s in their order. */
static bool is_subsequence(const struct program *a, const struct program *b)
{
    unsigned at = 0;

    for (unsigned i = 0; i < b->nsteps && at < a->nsteps; i++)
        at += a->steps[at].op == b->steps[i].op;
    return at == a->nsteps;
}

/* The one actor's steps, without those of others. */
static void extract(const struct program *program, unsigned actor, struct program *ret_part)
{
    program_init(ret_part);
    for (unsigned i = 0; i < program->nsteps; i++) {
        if (program->steps[i].actor == actor)
            ret_part->steps[ret_part->nsteps++] = program->steps[i];
    }
}

/* Arguments that differ between two programs of the same operations. */
struct difference {
    unsigned count;
    unsigned step, arg; /* of the last one */
};

static struct difference differences(const struct program *a, const struct program *b)
{
    struct difference found = {0};

    for (unsigned i = 0; i < a->nsteps; i++) {
        for (unsigned arg = 0; arg < op_table[a->steps[i].op].nargs; arg++) {
            if (a->steps[i].tags[arg] == b->steps[i].tags[arg] &&
                a->steps[i].args[arg] == b->steps[i].args[arg])
                continue;
            found.count++;
            found.step = i;
            found.arg = arg;
        }
    }
    return found;
}

/* Looks at the child of each seed; returns in how many the mutation did what it says. */
static unsigned count_children(enum mutation_id id, bool (*look)(void))
{
    unsigned good = 0;

    for (unsigned seed = 0; seed < SEEDS; seed++)
        good += mutate_once(id, &parent, &other, seed, &child) && look();
    return good;
}

/* --- mutate_steps.c --- */

static bool has_grown(void)
{
    return child.nsteps > parent.nsteps && surplus(&child, &parent) > 0;
}

static void test_insertions_grow(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_INSERT, has_grown), MOST, SEEDS);
    assert_in_range(count_children(MUTATION_IDIOM, has_grown), MOST, SEEDS);
}

static bool is_doubled(void)
{
    unsigned counts[OPS];

    /* Nothing that the parent has not. */
    count_operations(&parent, counts);
    for (unsigned i = 0; i < child.nsteps; i++)
        assert_true(counts[child.steps[i].op] > 0);
    return child.nsteps > parent.nsteps && is_subsequence(&parent, &child);
}

static void test_duplicate(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_DUPLICATE, is_doubled), MOST, SEEDS);
}

static bool is_less(void)
{
    assert_true(child.nsteps < parent.nsteps);
    assert_true(is_subsequence(&child, &parent));
    return true;
}

static void test_delete(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_DELETE, is_less), SEEDS * 9 / 10, SEEDS);
}

static bool is_reordered(void)
{
    assert_int_equal(surplus(&child, &parent), 0);
    return child.nsteps == parent.nsteps && !same_operations(&child, &parent);
}

static void test_move(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_MOVE, is_reordered), SOME, SEEDS);
}

static bool is_retimed(void)
{
    static struct program before, after;

    assert_int_equal(child.nsteps, parent.nsteps);
    assert_int_equal(child.nactors, parent.nactors);
    for (unsigned actor = 0; actor < parent.nactors; actor++) {
        extract(&parent, actor, &before);
        extract(&child, actor, &after);
        assert_true(same_operations(&before, &after));
        assert_int_equal(differences(&before, &after).count, 0);
    }
    assert_false(same_actors(&child, &parent) && same_operations(&child, &parent));
    return true;
}

static void test_retime(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_RETIME, is_retimed), MOST, SEEDS);
}

/* Where actors sleep, wake each other and fail, most other orders cost a step. */
static void test_retime_loses_nothing(void **state)
{
    unsigned done = 0;

    (void)state;
    for (unsigned i = 0; i < 10 * SEEDS; i++) {
        generate_program(3, i, &parent);
        if (!mutate_once(MUTATION_RETIME, &parent, NULL, i, &child))
            continue;
        assert_int_equal(child.nsteps, parent.nsteps);
        assert_int_equal(surplus(&child, &parent), 0);
        done++;
    }
    assert_in_range(done, 10 * SEEDS * 45 / 100, 10 * SEEDS);
}

/* --- mutate_actors.c --- */

static bool is_handed_over(void)
{
    return same_operations(&child, &parent) && !same_actors(&child, &parent) &&
           differences(&child, &parent).count == 0;
}

static bool is_exchanged(void)
{
    unsigned at = 0;

    if (!is_handed_over())
        return false;
    while (child.steps[at].actor == parent.steps[at].actor)
        at++;
    for (; at < child.nsteps; at++)
        assert_int_equal(child.steps[at].actor, 1 - parent.steps[at].actor);
    return true;
}

static void test_handover_and_exchange(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_HANDOVER, is_handed_over), MOST, SEEDS);
    assert_in_range(count_children(MUTATION_EXCHANGE, is_exchanged), SOME, SEEDS);
}

static bool is_merged(void)
{
    assert_int_equal(child.nactors, 1);
    return child.nsteps == parent.nsteps - 1 && is_subsequence(&child, &parent);
}

static void test_merge(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_MERGE, is_merged), SEEDS * 9 / 10, SEEDS);
}

static bool is_split(void)
{
    unsigned at = 0, steps = 0;

    if (child.nsteps != parent.nsteps + 1 || child.nactors != parent.nactors + 1)
        return false;
    assert_true(is_subsequence(&parent, &child));
    while (at < parent.nsteps && child.steps[at].op == parent.steps[at].op)
        at++;
    const struct op_info *start = &op_table[child.steps[at].op];
    assert_true(start->nouts == 1 && start->outs[0].kind == FILE_ACTOR);
    for (unsigned i = at + 1; i < child.nsteps; i++)
        steps += child.steps[i].actor == child.steps[at].outs[0];
    return steps > 0;
}

static void test_split(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_SPLIT, is_split), MOST, SEEDS);
}

/* --- mutate_values.c --- */

static bool is_swapped(void)
{
    int64_t one = -1, two = -1;

    if (!same_operations(&child, &parent) || !same_actors(&child, &parent))
        return false;
    for (unsigned i = 0; i < child.nsteps; i++) {
        for (unsigned arg = 0; arg < op_table[child.steps[i].op].nargs; arg++) {
            int64_t old = parent.steps[i].args[arg], new = child.steps[i].args[arg];
            bool slot = child.steps[i].tags[arg] == TAG_SLOT;
            assert_int_equal(child.steps[i].tags[arg], parent.steps[i].tags[arg]);
            if (slot && old != new &&one < 0) {
                one = old;
                two = new;
            }
            int64_t expected = slot && old == one ? two : slot && old == two ? one : old;
            assert_int_equal(new, expected);
        }
    }
    return one >= 0;
}

static bool is_one_slot(void)
{
    if (!same_operations(&child, &parent) || !same_actors(&child, &parent))
        return false;
    struct difference found = differences(&child, &parent);
    assert_int_equal(found.count, 1);
    assert_int_equal(child.steps[found.step].tags[found.arg], TAG_SLOT);
    return true;
}

static void test_slots(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_SWAP_SLOTS, is_swapped), SOME, SEEDS);
    assert_in_range(count_children(MUTATION_REPLACE_SLOT, is_one_slot), MOST, SEEDS);
}

static bool is_one_mask(void)
{
    if (!same_operations(&child, &parent) || !same_actors(&child, &parent))
        return false;
    struct difference found = differences(&child, &parent);
    assert_int_equal(found.count, 1);
    assert_int_equal(child.steps[found.step].op, OP_EPOLL_CTL);
    assert_int_equal(found.arg, 3);
    return true;
}

static bool is_one_value(void)
{
    if (!same_operations(&child, &parent) || !same_actors(&child, &parent))
        return false;
    struct difference found = differences(&child, &parent);
    assert_int_equal(found.count, 1);
    assert_int_equal(child.steps[found.step].tags[found.arg], TAG_INT);
    return true;
}

static bool is_one_sleep(void)
{
    if (!same_operations(&child, &parent))
        return false;
    struct difference found = differences(&child, &parent);
    assert_int_equal(found.count, 1);
    assert_int_equal(child.steps[found.step].op, OP_EPOLL_WAIT);
    assert_int_equal(child.steps[found.step].args[2], -1);
    return true;
}

static void test_values(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_MASK, is_one_mask), MOST, SEEDS);
    assert_in_range(count_children(MUTATION_VALUE, is_one_value), MOST, SEEDS);
    assert_in_range(count_children(MUTATION_SLEEP, is_one_sleep), SOME, SEEDS);
}

static bool is_new_data(void)
{
    if (child.nsteps != parent.nsteps + 1)
        return false;
    for (unsigned i = 1; i < child.nsteps; i++) {
        const struct step *step = &child.steps[i], *before = &child.steps[i - 1];
        if (before->op == OP_EPOLL_CTL && step->op == OP_EPOLL_CTL &&
            step->args[1] == EPOLL_CTL_MOD && step->args[0] == before->args[0] &&
            step->args[2] == before->args[2] && step->args[3] == before->args[3])
            return true;
    }
    return false;
}

static void test_data(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_DATA, is_new_data), SEEDS * 9 / 10, SEEDS);
}

static bool is_one_operation(void)
{
    unsigned count = 0;

    if (child.nsteps != parent.nsteps)
        return false;
    for (unsigned i = 0; i < child.nsteps; i++) {
        enum op_id new = (enum op_id)child.steps[i].op, old = (enum op_id)parent.steps[i].op;
        count += new != old;
        if (new != old && !(old == OP_CLOSE && new == OP_CLOSE_RANGE))
            assert_int_equal(op_table[new].effect, op_table[old].effect);
    }
    assert_int_equal(count, 1);
    return true;
}

static void test_operation(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_OPERATION, is_one_operation), SOME, SEEDS);
}

/* --- mutate_recipes.c --- */

/* Three calls of epoll_ctl on one slot that the parent has not, DEL and ADD in turns. */
static bool has_del_add_del(void)
{
    for (unsigned i = 0; i + 2 < child.nsteps; i++) {
        const struct step *steps = &child.steps[i];
        bool same = true;
        for (unsigned j = 0; j < 3; j++)
            same &= steps[j].op == OP_EPOLL_CTL && steps[j].args[0] == steps[0].args[0] &&
                    steps[j].args[2] == steps[0].args[2];
        if (same && steps[0].args[1] == steps[2].args[1] && steps[0].args[1] != steps[1].args[1] &&
            steps[0].args[1] != EPOLL_CTL_MOD && steps[1].args[1] != EPOLL_CTL_MOD)
            return true;
    }
    return false;
}

/* A duplicate, a close by any door, a new file and its ADD, in this order. */
static bool has_reopen(void)
{
    unsigned stage = 0;

    for (unsigned i = 0; i < child.nsteps; i++) {
        const struct step *step = &child.steps[i];
        enum op_effect effect = op_table[step->op].effect;
        bool closes =
            effect == EFFECT_CLOSE || effect == EFFECT_CLOSE_RANGE || effect == EFFECT_DUP_OVER;
        bool adds = step->op == OP_EPOLL_CTL && step->args[1] == EPOLL_CTL_ADD;
        stage += (stage == 0 && effect == EFFECT_DUP) || (stage == 1 && closes) ||
                 (stage == 2 && effect == EFFECT_OPEN) || (stage == 3 && adds);
    }
    return stage == 4;
}

static void test_recipes(void **state)
{
    (void)state;
    assert_false(mutate_once(MUTATION_MERGE, &other, NULL, 1, &child));
    assert_in_range(count_children(MUTATION_DEL_ADD_DEL, has_del_add_del), MOST, SEEDS);
    assert_in_range(count_children(MUTATION_DUP_CLOSE_REOPEN_ADD, has_reopen), MOST, SEEDS);
}

/* --- mutate_whole.c --- */

static bool is_anything(void)
{
    return true;
}

static void test_chance(void **state)
{
    (void)state;
    assert_int_equal(count_children(MUTATION_FRESH, is_anything), SEEDS);
    assert_in_range(count_children(MUTATION_BYTES, is_anything), MOST, SEEDS);
}

/* Every step is of one parent or the other, and there are some of each. */
static bool is_of_both(void)
{
    unsigned ours[OPS], theirs[OPS], ours_count = 0, theirs_count = 0;

    count_operations(&parent, ours);
    count_operations(&other, theirs);
    for (unsigned i = 0; i < child.nsteps; i++) {
        unsigned op = child.steps[i].op;
        assert_true((ours[op] > 0) != (theirs[op] > 0));
        ours_count += ours[op] > 0;
        theirs_count += theirs[op] > 0;
    }
    assert_true(ours_count > 0 && theirs_count > 0);
    return true;
}

static bool is_woven(void)
{
    (void)is_of_both();
    return child.nsteps == parent.nsteps + other.nsteps;
}

static void test_crossover(void **state)
{
    (void)state;
    assert_in_range(count_children(MUTATION_CROSS_TAIL, is_of_both), MOST, SEEDS);
    assert_in_range(count_children(MUTATION_CROSS_INSERT, is_of_both), MOST, SEEDS);
    assert_in_range(count_children(MUTATION_CROSS_WEAVE, is_woven), MOST, SEEDS);
}

/* The other parent's steps go on with what is there: without anything of their own they work on the
 * first parent's descriptors. */
static void test_crossover_adopts_descriptors(void **state)
{
    unsigned adopted = 0;

    (void)state;
    program_init(&other);
    unsigned e = STEP(&other, 0, EPOLL_CREATE1, N(0));
    unsigned v = STEP(&other, 0, EVENTFD, N(1), N(EFD_NONBLOCK));
    STEP(&other, 0, POLL, S(v), N(EPOLLIN), N(0));
    STEP(&other, 0, EPOLL_PWAIT, S(e), N(16), N(0), N(SIGMASK_NULL));
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        if (!mutate_once(MUTATION_CROSS_INSERT, &parent, &other, seed, &child))
            continue;
        for (unsigned i = 0; i < child.nsteps; i++) {
            const struct step *step = &child.steps[i];
            adopted += (step->op == OP_POLL && step->args[0] == 1) ||
                       (step->op == OP_EPOLL_PWAIT && step->args[0] == 0);
        }
    }
    assert_in_range(adopted, SOME, 2 * SEEDS);
}

/* On programs that nobody has made for it. */
static void test_every_mutation_finds_something_to_do(void **state)
{
    (void)state;
    for (unsigned id = 0; id < MUTATIONS; id++) {
        unsigned done = 0;
        assert_true(mutation_table[id].weight > 0);
        for (unsigned i = 0; i < SEEDS; i++) {
            generate_program(1, i, &parent);
            generate_program(2, i, &other);
            done += mutate_once((enum mutation_id)id, &parent, &other, i, &child);
        }
        if (done < SEEDS / 3)
            print_message("%s: %u of %u\n", mutation_table[id].id, done, SEEDS);
        assert_in_range(done, SEEDS / 3, SEEDS);
    }
}

/* docs/mutation.md has the row of every mutation. */
static void test_page_has_every_mutation(void **state)
{
    static char page[1 << 16], row[512];
    FILE *file = fopen(EPDIFF_MUTATION_PAGE, "r");

    (void)state;
    assert_non_null(file);
    page[fread(page, 1, sizeof(page) - 1, file)] = 0;
    fclose(file);
    for (unsigned id = 0; id < MUTATIONS; id++) {
        const struct mutation *mutation = &mutation_table[id];
        snprintf(row, sizeof(row), "\n| `%s` | %u | %s |\n", mutation->id, mutation->weight,
                 mutation->doc);
        if (!strstr(page, row))
            fail_msg("docs/mutation.md: no line '%.*s'", (int)strlen(row) - 2, row + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_insertions_grow, write_parents),
        cmocka_unit_test_setup(test_duplicate, write_parents),
        cmocka_unit_test_setup(test_delete, write_parents),
        cmocka_unit_test_setup(test_move, write_parents),
        cmocka_unit_test_setup(test_retime, write_parents),
        cmocka_unit_test(test_retime_loses_nothing),
        cmocka_unit_test_setup(test_handover_and_exchange, write_parents),
        cmocka_unit_test_setup(test_merge, write_parents),
        cmocka_unit_test_setup(test_split, write_parents),
        cmocka_unit_test_setup(test_slots, write_parents),
        cmocka_unit_test_setup(test_values, write_parents),
        cmocka_unit_test_setup(test_data, write_parents),
        cmocka_unit_test_setup(test_operation, write_parents),
        cmocka_unit_test_setup(test_recipes, write_parents),
        cmocka_unit_test_setup(test_chance, write_parents),
        cmocka_unit_test_setup(test_crossover, write_parents),
        cmocka_unit_test_setup(test_crossover_adopts_descriptors, write_parents),
        cmocka_unit_test(test_every_mutation_finds_something_to_do),
        cmocka_unit_test(test_page_has_every_mutation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
