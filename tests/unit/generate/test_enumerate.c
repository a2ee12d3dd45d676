/*
 * What must not happen: that an index gives no valid program, or two indices the same one; that the
 * count is not what generating everything and filtering comes to; that two programs which a swap of
 * names turns into each other are both run, or neither; that a program opens what it does not use
 * or ends without a look at everything; that stepping and seeking disagree.
 *
 * The brute force below shares nothing with the enumeration but the table of calls: it fills in the
 * letters by itself, makes every sequence, and decides by the text of the calls.
 */
#include "fuzz/generate/enumerate.h"
#include "fuzz/program/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    IN_SOLO = 1 << ENUMERATE_SOLO,
    IN_SOLO_WATCHED = 1 << ENUMERATE_SOLO_WATCHED,
    IN_THREADS = 1 << ENUMERATE_THREADS,
    IN_THREADS_WATCHED = 1 << ENUMERATE_THREADS_WATCHED,
    IN_FORK = 1 << ENUMERATE_FORK,
    IN_FORK_WATCHED = 1 << ENUMERATE_FORK_WATCHED,
    IN_BOTH = 1 << ENUMERATE_BOTH,
    IN_BOTH_WATCHED = 1 << ENUMERATE_BOTH_WATCHED,
    IN_ALL = (1 << ENUMERATE_WORLDS) - 1,
    IN_MANY = IN_ALL & ~(IN_SOLO | IN_SOLO_WATCHED),
    IN_CHILD = IN_FORK | IN_FORK_WATCHED | IN_BOTH | IN_BOTH_WATCHED,
    BY_ALL = 7,
    LENGTH_MAX = 3,
    BRUTE_MAX = 1000,
    SWAPS = 8, /* files, instances, threads: each swapped or not */
    LINE_MAX_ = 96,
};

static const struct {
    unsigned worlds, actors;
    bool core;
    const char *call;
} table[] = {
#define ENUMERATE_CALL(in, by, is_core, text) {(in), (by), (is_core), (text)},
#include "fuzz/generate/enumerate.def"
#undef ENUMERATE_CALL
};

static const struct {
    unsigned actors;
    bool watched;
} worlds[ENUMERATE_WORLDS] = {
#define ENUMERATE_WORLD(id, name, by, is_watched) {(by), (is_watched)},
#include "fuzz/generate/enumerate.def"
#undef ENUMERATE_WORLD
};

/* "main: close(v0)", and what its text says. */
struct line {
    char text[LINE_MAX_];
    bool main, thread, child; /* who */
    bool fork, exit, thread_exit, child_named;
    bool epoll, file;
    unsigned duplicates; /* bits: d0, d1, c0, c1 */
    int images[SWAPS];
};

static struct line lines[BRUTE_MAX];
static unsigned nlines;

static bool names(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        char before = at == text ? ' ' : at[-1];
        if (strchr(" (", before) && strchr(",) =:", at[length]))
            return true;
    }
    return false;
}

/* Replaces single words; the words of `from` and `to` belong together. */
static void replace(const char *text, unsigned count, const char *const *from,
                    const char *const *to, char *out)
{
    size_t length = 0;

    while (*text) {
        size_t word = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789_");
        const char *with = NULL;
        for (unsigned i = 0; i < count; i++) {
            if (word == strlen(from[i]) && strncmp(text, from[i], word) == 0)
                with = to[i];
        }
        size_t source = word ? word : 1;
        length += (size_t)sprintf(out + length, "%.*s", with ? (int)strlen(with) : (int)source,
                                  with ? with : text);
        assert_true(length < LINE_MAX_);
        text += source;
    }
    out[length] = '\0';
}

static int find_line(const char *text)
{
    for (unsigned i = 0; i < nlines; i++) {
        if (strcmp(lines[i].text, text) == 0)
            return (int)i;
    }
    return -1;
}

static void add_line(const char *text)
{
    static const char *const duplicates[] = {"d0", "d1", "c0", "c1"};

    if (find_line(text) >= 0)
        return;
    assert_true(nlines < BRUTE_MAX);
    struct line *line = &lines[nlines++];
    *line = (struct line){
        .main = strncmp(text, "main:", 5) == 0,
        .thread = strncmp(text, "t1:", 3) == 0,
        .child = strncmp(text, "p1:", 3) == 0,
        .fork = strstr(text, "= fork(") != NULL,
        .exit = strstr(text, ": exit(") || strstr(text, ": _exit("),
        .thread_exit = strstr(text, "pthread_exit(") != NULL,
        .child_named = strstr(text, "(p1") != NULL,
        .epoll = names(text, "e0") || names(text, "e1") || names(text, "c0") || names(text, "c1"),
        .file = names(text, "v0") || names(text, "v1") || names(text, "d0") || names(text, "d1")};
    strcpy(line->text, text);
    for (unsigned i = 0; i < 4; i++)
        line->duplicates |= (unsigned)names(text, duplicates[i]) << i;
}

/* The lines of a world, each with what the swaps make of it; -1 where that is no line. */
static void make_lines(unsigned world, bool core)
{
    static const char *const letters[] = {"E", "I", "C", "F", "G", "D"};
    static const char *const slots[4][6] = {{"e0", "e1", "c0", "v0", "v1", "d0"},
                                            {"e0", "e1", "c0", "v1", "v0", "d1"},
                                            {"e1", "e0", "c1", "v0", "v1", "d0"},
                                            {"e1", "e0", "c1", "v1", "v0", "d1"}};
    static const char *const files[2][4] = {{"v0", "v1", "d0", "d1"}, {"v1", "v0", "d1", "d0"}};
    static const char *const epolls[2][4] = {{"e0", "e1", "c0", "c1"}, {"e1", "e0", "c1", "c0"}};
    static const char *const threads[2][2] = {{"main", "t1"}, {"t1", "main"}};
    static const char *const actors[] = {"main", "t1", "p1"};

    nlines = 0;
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (!(table[i].worlds & (1U << world)) || (core && !table[i].core))
            continue;
        for (unsigned actor = 0; actor < 3; actor++) {
            if (!(table[i].actors & worlds[world].actors & (1U << actor)))
                continue;
            for (unsigned choice = 0; choice < 4; choice++) {
                char call[LINE_MAX_], text[2 * LINE_MAX_];
                replace(table[i].call, 6, letters, slots[choice], call);
                snprintf(text, sizeof(text), "%s: %s", actors[actor], call);
                add_line(text);
            }
        }
    }
    for (unsigned i = 0; i < nlines; i++) {
        for (unsigned swap = 0; swap < SWAPS; swap++) {
            char a[LINE_MAX_], b[LINE_MAX_], c[LINE_MAX_];
            replace(lines[i].text, 4, files[0], files[swap & 1], a);
            replace(a, 4, epolls[0], epolls[swap >> 1 & 1], b);
            replace(b, 2, threads[0], threads[swap >> 2 & 1], c);
            lines[i].images[swap] = find_line(c);
        }
    }
}

/* Whether a sequence is a program of the world. */
static bool is_program(unsigned world, const int *sequence, unsigned length)
{
    bool forked = false, exited = false, ended[2] = {false, false}, thread = false;
    bool by_main = false, epoll = false, file = false;
    unsigned duplicates = 0;

    for (unsigned i = 0; i < length; i++) {
        const struct line *line = &lines[sequence[i]];
        if ((line->child || line->child_named) && !forked)
            return false;
        if ((line->child && exited) || (line->main && ended[0]) || (line->thread && ended[1]))
            return false;
        if (line->fork && forked)
            return false;
        forked |= line->fork;
        exited |= line->exit;
        ended[0] |= line->thread_exit && line->main;
        ended[1] |= line->thread_exit && line->thread;
        thread |= line->thread;
        by_main |= line->main;
        epoll |= line->epoll;
        file |= line->file;
        duplicates |= line->duplicates;
    }
    if (ended[0] && ended[1])
        return false;
    if ((worlds[world].actors & ENUMERATE_THREAD) && (!thread || !by_main))
        return false;
    if ((worlds[world].actors & ENUMERATE_CHILD) && !forked)
        return false;
    return (duplicates & (duplicates - 1)) == 0 && (worlds[world].watched ? file : epoll);
}

static uint64_t pack(const int *sequence, unsigned length)
{
    uint64_t packed = 0;

    for (unsigned i = 0; i < length; i++)
        packed = packed * BRUTE_MAX + (uint64_t)sequence[i];
    return packed;
}

/* The least of all sequences that swaps make of this one. Threads are equal where nobody forks. */
static uint64_t canonical(unsigned world, const int *sequence, unsigned length)
{
    unsigned swaps = worlds[world].actors & ENUMERATE_CHILD ? 4 : SWAPS;
    uint64_t least = UINT64_MAX;

    for (unsigned swap = 0; swap < swaps; swap++) {
        int image[LENGTH_MAX];
        bool exists = true;
        for (unsigned i = 0; i < length; i++) {
            image[i] = lines[sequence[i]].images[swap];
            exists &= image[i] >= 0;
        }
        if (!exists)
            continue;
        uint64_t packed = pack(image, length);
        least = packed < least ? packed : least;
    }
    return least;
}

/* How many different programs of this length the world has. */
static uint64_t count_by_force(unsigned world, unsigned length)
{
    int sequence[LENGTH_MAX] = {0};
    uint64_t count = 0;

    if (nlines == 0)
        return 0;
    for (;;) {
        if (is_program(world, sequence, length) &&
            canonical(world, sequence, length) == pack(sequence, length))
            count++;
        unsigned at = length;
        while (at > 0 && ++sequence[at - 1] == (int)nlines)
            sequence[--at] = 0;
        if (at == 0)
            return count;
    }
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Checks that what the enumeration makes are programs, no two of them symmetric. Together with the
 * count: each symmetric family once. */
static void check_world(const struct enumeration *enumeration, unsigned world, unsigned length)
{
    static const char *const actors[] = {"", "main", "t1", "", "p1"};
    uint64_t count = enumeration->counts[world][length], found = 0;
    uint64_t *all = calloc(count + 1, sizeof(*all));
    struct enumerate_cursor cursor;

    assert_non_null(all);
    enumeration_begin(&cursor);
    while (enumeration_next(enumeration, &cursor)) {
        int sequence[LENGTH_MAX];
        if (cursor.world != world || cursor.length != length)
            continue;
        for (unsigned i = 0; i < length; i++) {
            const struct enumerate_instance *instance =
                &enumeration->instances[enumeration->alphabet[world][cursor.chosen[i]]];
            char text[LINE_MAX_];
            snprintf(text, sizeof(text), "%s: %s", actors[instance->actor], instance->call);
            sequence[i] = find_line(text);
            assert_true(sequence[i] >= 0);
        }
        assert_true(is_program(world, sequence, length));
        assert_true(found < count);
        all[found++] = canonical(world, sequence, length);
    }
    assert_int_equal(found, count);
    qsort(all, found, sizeof(*all), compare_numbers);
    for (uint64_t i = 1; i < found; i++)
        assert_true(all[i] != all[i - 1]);
    free(all);
}

static void check_by_force(bool core)
{
    struct enumeration *enumeration;
    uint64_t total = 0;

    assert_int_equal(enumeration_new(LENGTH_MAX, core, &enumeration), 0);
    for (unsigned world = 0; world < ENUMERATE_WORLDS; world++) {
        if (core && worlds[world].actors != ENUMERATE_MAIN)
            nlines = 0;
        else
            make_lines(world, core);
        assert_int_equal(enumeration->nalphabet[world], nlines);
        for (unsigned length = 1; length <= LENGTH_MAX; length++) {
            assert_int_equal(enumeration->counts[world][length], count_by_force(world, length));
            total += enumeration->counts[world][length];
            check_world(enumeration, world, length);
        }
    }
    assert_int_equal(enumeration->total, total);
    assert_true(total > 1000);
    enumeration_free(enumeration);
}

static void test_count_is_that_of_brute_force(void **state)
{
    (void)state;
    check_by_force(false);
}

static void test_core_count_is_that_of_brute_force(void **state)
{
    (void)state;
    check_by_force(true);
}

static void test_core_is_small(void **state)
{
    struct enumeration *enumeration;

    (void)state;
    assert_int_equal(enumeration_new(1, true, &enumeration), 0);
    assert_in_range(enumeration->nalphabet[ENUMERATE_SOLO], 1, ENUMERATE_CORE_MAX);
    assert_in_range(enumeration->nalphabet[ENUMERATE_SOLO_WATCHED], 1, ENUMERATE_CORE_MAX);
    for (unsigned world = ENUMERATE_THREADS; world < ENUMERATE_WORLDS; world++)
        assert_int_equal(enumeration->nalphabet[world], 0);
    enumeration_free(enumeration);
}

static bool in_table(const char *op)
{
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *equals = strstr(table[i].call, " = ");
        const char *name = equals ? equals + strlen(" = ") : table[i].call;
        if (strlen(op) == strcspn(name, "(") && strncmp(name, op, strlen(op)) == 0)
            return true;
    }
    return false;
}

/* The rows "| `operation` | reason |" of the page under its heading. */
static unsigned read_left_out(const char *page, bool *ret_left_out)
{
    static const char heading[] = "## Operations that are left out\n";
    char line[512], name[64], reason[400];
    bool inside = false;
    unsigned count = 0;
    FILE *file = fopen(page, "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "## ", 3) == 0)
            inside = strcmp(line, heading) == 0;
        if (!inside || sscanf(line, "| `%63[^`]` | %399[^|\n] |", name, reason) != 2)
            continue;
        int op = op_find(name, strlen(name));
        if (op < 0 || ret_left_out[op])
            fail_msg("%s: '%s' is no operation, or stands there twice", page, name);
        assert_true(strlen(reason) > 10);
        ret_left_out[op] = true;
        count++;
    }
    fclose(file);
    return count;
}

/* A new operation belongs into the alphabet, or into the list of those that cannot be in it. */
static void test_every_operation_is_tried_or_left_out_for_a_reason(void **state)
{
    bool left_out[OPS] = {false};

    (void)state;
    assert_true(read_left_out(EPDIFF_ENUMERATE_PAGE, left_out) > 0);
    for (unsigned op = 0; op < OPS; op++) {
        if (in_table(op_table[op].text) == left_out[op])
            fail_msg("%s is %s enumerate.def and docs/enumerate.md's list", op_table[op].text,
                     left_out[op] ? "in both of" : "in neither of");
    }
}

/* The bound of docs/enumerate.md: the full alphabet at length 3. */
static void test_full_alphabet_is_at_most_a_million_at_three(void **state)
{
    struct enumeration *enumeration;

    (void)state;
    assert_int_equal(enumeration_new(3, false, &enumeration), 0);
    assert_in_range(enumeration->total, 1, 1000000);
    enumeration_free(enumeration);
}

static void test_stepping_and_seeking_agree(void **state)
{
    struct enumerate_cursor stepped, sought;
    struct enumeration *enumeration;
    uint64_t count = 0;

    (void)state;
    assert_int_equal(enumeration_new(3, false, &enumeration), 0);
    enumeration_begin(&stepped);
    for (; enumeration_next(enumeration, &stepped); count++) {
        assert_int_equal(stepped.index, count);
        memset(&sought, 0xa5, sizeof(sought));
        enumeration_seek(enumeration, count, &sought);
        assert_int_equal(sought.index, count);
        assert_int_equal(sought.world, stepped.world);
        assert_int_equal(sought.length, stepped.length);
        for (unsigned i = 0; i < stepped.length; i++)
            assert_int_equal(sought.chosen[i], stepped.chosen[i]);
        assert_memory_equal(&sought.states[sought.length], &stepped.states[sought.length],
                            sizeof(sought.states[0]));
    }
    assert_int_equal(count, enumeration->total);
    enumeration_free(enumeration);
}

static bool uses_slot(const struct step *step, unsigned slot)
{
    for (unsigned i = 0; i < op_table[step->op].nargs; i++) {
        if (step->tags[i] == TAG_SLOT && step->args[i] == (int64_t)slot)
            return true;
    }
    return false;
}

/* New processes that a program starts without a fork: they are nobody's actors. */
static unsigned count_spawned(const struct program *program)
{
    unsigned count = 0;

    for (unsigned i = 0; i < program->nsteps; i++)
        count += op_table[program->steps[i].op].effect == EFFECT_SPAWN;
    return count;
}

static bool is_spawned(const struct program *program, unsigned actor)
{
    for (unsigned i = 0; i < program->nsteps; i++) {
        if (op_table[program->steps[i].op].effect == EFFECT_SPAWN &&
            program->steps[i].outs[0] == actor)
            return true;
    }
    return false;
}

static bool has_ended(const struct program *program, unsigned actor)
{
    for (unsigned i = 0; i < program->nsteps; i++) {
        enum op_effect effect = op_table[program->steps[i].op].effect;
        if (program->steps[i].actor == actor &&
            (effect == EFFECT_EXIT || effect == EFFECT_THREAD_EXIT))
            return true;
    }
    return false;
}

/* Set-up, core operations, and as many waits at the end as there are lookers and instances. */
static void check_shape(const struct program *program, const struct enumerate_cursor *cursor)
{
    const struct enumerate_state *end = &cursor->states[cursor->length];
    unsigned instances = end->instances ? end->instances : 1, opened = 0, looks = 0;
    bool duplicate = end->duplicate == ENUMERATE_C0 || end->duplicate == ENUMERATE_C1;

    for (unsigned actor = 0; actor < program->nactors; actor++)
        looks +=
            has_ended(program, actor) || is_spawned(program, actor) ? 0 : instances + duplicate;
    assert_true(program->nsteps > looks + cursor->length);
    unsigned core = program->nsteps - looks - cursor->length;
    for (unsigned i = 0; i < core; i++)
        opened += program->steps[i].op == OP_EPOLL_CREATE1;
    assert_int_equal(opened, instances);
    for (unsigned i = core + cursor->length; i < program->nsteps; i++) {
        assert_int_equal(program->steps[i].op, OP_EPOLL_WAIT);
        assert_int_equal(program->steps[i].args[1], 8);
        assert_int_equal(program->steps[i].args[2], 0);
        for (unsigned j = i + 1; j < program->nsteps; j++)
            assert_false(program->steps[i].actor == program->steps[j].actor &&
                         program->steps[i].args[0] == program->steps[j].args[0]);
    }
    /* Every slot of the set-up is used by a core operation, or is what a duplicate is of; but for
     * the instance that watches. */
    for (unsigned i = 0; i < core; i++) {
        const struct step *step = &program->steps[i];
        if (op_table[step->op].nouts != 1 || op_table[step->op].effect == EFFECT_THREAD)
            continue;
        bool used =
            worlds[cursor->world].watched && strcmp(program->slots[step->outs[0]].name, "e0") == 0;
        for (unsigned j = 0; j < core + cursor->length; j++) {
            bool counts = j >= core || op_table[program->steps[j].op].effect == EFFECT_DUP;
            used |= counts && uses_slot(&program->steps[j], step->outs[0]);
        }
        assert_true(used);
    }
}

static char *print_program(const struct program *program)
{
    enum { ROOM = 4096 };
    char *text = malloc(ROOM);
    size_t length = 0;

    assert_non_null(text);
    for (unsigned i = 0; i < program->nsteps; i++) {
        length += (size_t)snprintf(text + length, ROOM - length,
                                   "%s: ", program->actors[program->steps[i].actor].name);
        length += step_print(program, i, text + length, ROOM - length);
        length += (size_t)snprintf(text + length, ROOM - length, "\n");
        assert_true(length < ROOM);
    }
    return text;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_every_index_is_a_program_of_its_own(void **state)
{
    static struct program program;
    struct enumerate_cursor cursor;
    struct enumeration *enumeration;
    char why[256];
    unsigned step;

    (void)state;
    assert_int_equal(enumeration_new(2, false, &enumeration), 0);
    char **texts = calloc(enumeration->total, sizeof(*texts));
    assert_non_null(texts);
    for (uint64_t index = 0; index < enumeration->total; index++) {
        enumeration_seek(enumeration, index, &cursor);
        assert_int_equal(enumeration_program(enumeration, &cursor, &program), 0);
        assert_int_equal(program_check(&program, &step, why, sizeof(why)), 0);
        assert_int_equal(program.nactors, __builtin_popcount(enumerate_world_actors(cursor.world)) +
                                              count_spawned(&program));
        check_shape(&program, &cursor);
        texts[index] = print_program(&program);
    }
    qsort(texts, enumeration->total, sizeof(*texts), compare_texts);
    for (uint64_t i = 1; i < enumeration->total; i++)
        assert_string_not_equal(texts[i - 1], texts[i]);
    for (uint64_t i = 0; i < enumeration->total; i++)
        free(texts[i]);
    free(texts);
    enumeration_free(enumeration);
}

/* One program, written down by hand. */
static void test_a_known_program(void **state)
{
    static const char expected[] = "main: e0 = epoll_create1(0)\n"
                                   "main: v0 = eventfd(0, EFD_NONBLOCK)\n"
                                   "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                   "main: epoll_wait(e0, 8, 0)\n"
                                   "main: t1 = pthread_create()\n"
                                   "main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, EPOLLIN)\n"
                                   "t1: epoll_wait(e0, 8, 0)\n"
                                   "main: epoll_wait(e0, 8, 0)\n"
                                   "t1: epoll_wait(e0, 8, 0)\n";
    static struct program program;
    struct enumerate_cursor cursor;
    struct enumeration *enumeration;
    unsigned found = 0;

    (void)state;
    assert_int_equal(enumeration_new(2, false, &enumeration), 0);
    enumeration_begin(&cursor);
    while (enumeration_next(enumeration, &cursor)) {
        assert_int_equal(enumeration_program(enumeration, &cursor, &program), 0);
        char *text = print_program(&program);
        found += strcmp(text, expected) == 0;
        free(text);
    }
    assert_int_equal(found, 1);
    enumeration_free(enumeration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_is_that_of_brute_force),
        cmocka_unit_test(test_core_count_is_that_of_brute_force),
        cmocka_unit_test(test_core_is_small),
        cmocka_unit_test(test_every_operation_is_tried_or_left_out_for_a_reason),
        cmocka_unit_test(test_full_alphabet_is_at_most_a_million_at_three),
        cmocka_unit_test(test_stepping_and_seeking_agree),
        cmocka_unit_test(test_every_index_is_a_program_of_its_own),
        cmocka_unit_test(test_a_known_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
