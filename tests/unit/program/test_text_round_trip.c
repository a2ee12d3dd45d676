/*
 * Text must never lose or change anything of a program, whatever it says: what is written parses
 * back to an equal document, and writing that again gives the same bytes.
 */
#include "tests/unit/program/support.h"

#include "fuzz/program/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static const char whole[] =
    "# An ADD deferred past close(2) registers whatever takes over the number.\n"
    "#\n"
    "#  indented\n"
    "name: B2-add-close-eventfd\n"
    "hazard: B2\n"
    "origin: seed 000, \"Closing\"\n"
    "requires: io_uring\n"
    "inject: io_uring_enter EINTR@2,  epoll_ctl ENOMEM@1\n"
    "expect shim:naive: fd-reuse B2\n"
    "expect preload:/lib/x.so: equal\n"
    "\n"
    "main: e0 = epoll_create1(0)\n"
    "main: r0, w0 = pipe2(O_NONBLOCK)\n"
    "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN|EPOLLET)\n"
    "main: epoll_ctl(e0, EPOLL_CTL_MOD, -1, BADPTR)\n"
    "main: epoll_ctl(200, 77, r0, NULL)\n"
    "main: child = fork()\n"
    "child: thread = pthread_create()\n"
    "thread: epoll_wait(e0, 16, -1)\n"
    "child: pthread_join(thread)\n"
    "main: waitpid(child, WNOHANG)\n"
    "main: f0 = open(\"/dev/null\", O_RDONLY)\n";

static void assert_documents_equal(const struct document *a, const struct document *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->hazard, b->hazard);
    assert_string_equal(a->origin, b->origin);
    assert_string_equal(a->requires, b->requires);
    assert_string_equal(a->inject, b->inject);
    assert_string_equal(a->comment, b->comment);
    assert_int_equal(a->nexpects, b->nexpects);
    for (unsigned i = 0; i < a->nexpects; i++) {
        assert_string_equal(a->expects[i].subject, b->expects[i].subject);
        assert_string_equal(a->expects[i].verdict, b->expects[i].verdict);
    }
    assert_true(program_equal(&a->program, &b->program));
}

static void canonical_text_is_written_as_it_was_read(void **state)
{
    static struct document document;
    size_t length;

    (void)state;
    parse_text(whole, &document);
    char *text = document_text(&document, &length);
    assert_string_equal(text, whole);
    free(text);
}

static void every_header_is_kept(void **state)
{
    static struct document document;

    (void)state;
    parse_text(whole, &document);
    assert_string_equal(document.name, "B2-add-close-eventfd");
    assert_string_equal(document.hazard, "B2");
    assert_string_equal(document.origin, "seed 000, \"Closing\"");
    assert_string_equal(document.requires, "io_uring");
    assert_string_equal(document.inject, "io_uring_enter EINTR@2,  epoll_ctl ENOMEM@1");
    assert_int_equal(document.nexpects, 2);
    assert_string_equal(document.expects[0].subject, "shim:naive");
    assert_string_equal(document.expects[0].verdict, "fd-reuse B2");
    assert_int_equal(document.expects[0].line, 9);
    assert_string_equal(document.expects[1].subject, "preload:/lib/x.so");
    assert_string_equal(document.expects[1].verdict, "equal");
    assert_string_equal(document.comment,
                        "An ADD deferred past close(2) registers whatever takes over the number.\n"
                        "\n"
                        " indented\n");
}

static void every_step_means_what_it_says(void **state)
{
    static struct program program;

    (void)state;
    parse_program(whole, &program);
    const struct step *add = &program.steps[2];
    assert_int_equal(add->op, OP_EPOLL_CTL);
    assert_int_equal(add->tags[0], TAG_SLOT);
    assert_int_equal(add->args[0], 0);
    assert_int_equal(add->args[1], EPOLL_CTL_ADD);
    assert_int_equal(add->args[2], 1);
    assert_true(add->args[3] == (int64_t)(EPOLLIN | (1u << 31)));
    assert_int_equal(add->line, 14);
    assert_int_equal(program.steps[3].tags[2], TAG_INT);
    assert_int_equal(program.steps[3].args[2], -1);
    assert_int_equal(program.steps[3].args[3], EVENT_BADPTR);
    assert_int_equal(program.steps[4].args[1], 77);
    assert_int_equal(program.steps[4].args[3], EVENT_NULL);
    assert_int_equal(program.nactors, 3);
    assert_int_equal(program.actors[1].kind, ACTOR_PROCESS);
    assert_int_equal(program.actors[1].born, 5);
    assert_int_equal(program.actors[2].kind, ACTOR_THREAD);
    assert_int_equal(program.actors[2].process, 1);
    assert_int_equal(program.actors[2].parent, 1);
    assert_int_equal(program.steps[7].actor, 2);
    assert_int_equal(program.steps[8].tags[0], TAG_ACTOR);
    assert_int_equal(program.steps[8].args[0], 2);
}

/* Spacing, short words, comments behind a step, hexadecimal, CRLF: one meaning, one written form.
 */
static void loose_spelling_has_one_written_form(void **state)
{
    static struct document loose;
    static struct document strict;

    (void)state;
    parse_text("\r\n"
               " \tmain : e0=epoll_create1( 0 ) # why\r\n"
               "main:epoll_ctl(e0,ADD,0x3,EPOLLOUT | 0x1|EPOLLIN)\r\n"
               "main: epoll_wait(e0, 0x10, 0, BUFFER)\r\n"
               "main: epoll_pwait2(e0, 8, -1, NULL)\r\n"
               "# this one is not kept\r\n"
               "main: dup3(e0, 7, 0)",
               &loose);
    parse_text("main: e0 = epoll_create1(0)\n"
               "main: epoll_ctl(e0, EPOLL_CTL_ADD, 3, EPOLLIN|EPOLLOUT)\n"
               "main: epoll_wait(e0, 16, 0)\n"
               "main: epoll_pwait2(e0, 8, NULL, NULL)\n"
               "main: d0 = dup3(e0, 7, 0)\n",
               &strict);
    assert_documents_equal(&loose, &strict);
}

static void plain_flags_are_written_as_zero(void **state)
{
    static struct program program;
    char text[128];

    (void)state;
    parse_program(
        "main: r0, w0 = pipe2(0)\nmain: d0 = dup3(r0, w0, 0)\nmain: open(\"/dev/null\", 0)\n",
        &program);
    step_print(&program, 0, text, sizeof(text));
    assert_string_equal(text, "r0, w0 = pipe2(0)");
    step_print(&program, 1, text, sizeof(text));
    assert_string_equal(text, "d0 = dup3(r0, w0, 0)");
    step_print(&program, 2, text, sizeof(text));
    assert_string_equal(text, "f0 = open(\"/dev/null\", O_RDONLY)");
}

/* A slot called t1 and then an unnamed thread once gave two things one name. */
static void generated_names_keep_clear_of_given_ones(void **state)
{
    static struct program program;

    (void)state;
    parse_program("main: t1 = eventfd(0, 0)\n"
                  "main: pthread_create()\n"
                  "main: e0 = fork()\n"
                  "main: epoll_create1(0)\n"
                  "main: v1 = eventfd(0, 0)\n"
                  "main: eventfd(0, 0)\n"
                  "main: eventfd(0, 0)\n",
                  &program);
    assert_string_equal(program.actors[1].name, "t2");
    assert_string_equal(program.actors[2].name, "e0");
    assert_string_equal(program.slots[1].name, "e1");
    assert_text_round_trip(&program);
}

static void longest_names_and_values_are_kept(void **state)
{
    static struct document document;
    static struct document again;
    static char text[2 * DOCUMENT_COMMENT_MAX];
    char word[DOCUMENT_WORD_MAX + 1];
    size_t length;

    (void)state;
    memset(word, 'x', DOCUMENT_WORD_MAX);
    word[DOCUMENT_WORD_MAX] = '\0';
    int at = snprintf(text, sizeof(text), "name: %s\nexpect %s: %s\n#", word, word, word);
    memset(text + at, 'c', DOCUMENT_COMMENT_MAX - 1);
    snprintf(text + at + DOCUMENT_COMMENT_MAX - 1, 200,
             "\nmain: a23456789012345 = eventfd(0, 0)\n");
    parse_text(text, &document);
    assert_int_equal(strlen(document.name), DOCUMENT_WORD_MAX);
    assert_int_equal(strlen(document.comment), DOCUMENT_COMMENT_MAX);
    assert_string_equal(document.program.slots[0].name, "a23456789012345");
    char *written = document_text(&document, &length);
    parse_text(written, &again);
    assert_documents_equal(&document, &again);
    free(written);
}

/* Whatever a file is called, what is written under that name must parse. */
static void a_files_name_cannot_break_the_header(void **state)
{
    static const char *const names[] = {" x\ny: z",
                                        "\t\x01\x7f",
                                        "",
                                        "  ",
                                        "a\r",
                                        "\n",
                                        "a name of more than one hundred and twenty-seven "
                                        "characters, with blanks at the place where it is cut:    "
                                        "                                       and more"};
    static struct document document;
    static struct document again;
    struct document_error error;
    size_t length;

    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char step[] = "main: eventfd(0, 0)\n";
        assert_int_equal(document_parse(step, strlen(step), names[i], &document, &error), 0);
        char *text = document_text(&document, &length);
        assert_int_equal(document_parse(text, length, "", &again, &error), 0);
        assert_documents_equal(&document, &again);
        free(text);
    }
}

/* Every value that the byte decoder and the generator can choose has a text. */
static void every_value_of_every_argument_is_kept(void **state)
{
    static struct program program;

    (void)state;
    for (unsigned op = 0; op < OPS; op++) {
        for (unsigned arg = 0; arg < op_table[op].nargs; arg++) {
            const struct arg_info *info = &arg_table[op_table[op].args[arg]];
            for (unsigned value = 0; value < info->nvalues; value++) {
                program_init(&program);
                program_append(&program, OP_FORK, 0);
                program_append(&program, OP_PTHREAD_CREATE, 0);
                struct step *step = program_append(&program, (enum op_id)op, 0);
                for (unsigned i = 0; i < op_table[op].nargs; i++) {
                    enum arg_kind kind = op_table[op].args[i];
                    if (arg_table[kind].shape != ARG_SHAPE_ACTOR)
                        continue;
                    step->tags[i] = TAG_ACTOR;
                    step->args[i] = kind == ARG_PROCESS ? 1 : 2;
                }
                if (info->shape != ARG_SHAPE_ACTOR)
                    step->args[arg] = info->values[value];
                assert_checked(&program);
                assert_text_round_trip(&program);
            }
        }
    }
}

/* Every word of every vocabulary parses to its value, alone; so does every bit of an events mask.
 */
static void every_word_is_read(void **state)
{
    static struct program program;
    char text[128];

    (void)state;
    for (const struct arg_word *word = arg_table[ARG_EVENT].words; word->word; word++) {
        snprintf(text, sizeof(text), "main: epoll_ctl(3, ADD, 4, %s)", word->word);
        parse_program(text, &program);
        assert_true(program.steps[0].args[3] == word->value);
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        snprintf(text, sizeof(text), "main: epoll_ctl(3, ADD, 4, %" PRIu32 ")", (uint32_t)1 << bit);
        parse_program(text, &program);
        assert_true(program.steps[0].args[3] == (int64_t)1 << bit);
        assert_text_round_trip(&program);
    }
    parse_program("main: epoll_ctl(3, ADD, 4, 0xffffffff)", &program);
    assert_text_round_trip(&program);
}

static void step_print_never_overflows(void **state)
{
    static struct program program;
    char text[64];
    const char expected[] = "epoll_ctl(3, EPOLL_CTL_ADD, 4, EPOLLIN)";

    (void)state;
    parse_program("main: epoll_ctl(3, ADD, 4, EPOLLIN)", &program);
    for (size_t size = 0; size < sizeof(text); size++) {
        memset(text, '~', sizeof(text));
        assert_int_equal(step_print(&program, 0, text, size), strlen(expected));
        for (size_t i = size; i < sizeof(text); i++)
            assert_int_equal(text[i], '~');
        if (size > 0) {
            size_t shown = size - 1 < strlen(expected) ? size - 1 : strlen(expected);
            assert_memory_equal(text, expected, shown);
            assert_int_equal(text[shown], '\0');
        }
    }
    assert_int_equal(events_print(EPOLLIN | EPOLLET, text, sizeof(text)), 15);
    assert_string_equal(text, "EPOLLIN|EPOLLET");
    assert_int_equal(events_print(0, text, sizeof(text)), 1);
    assert_string_equal(text, "0");
}

static void files_are_read_under_their_names(void **state)
{
    static struct document document;
    struct document_error error;
    char folder[] = "/tmp/epdiff-test-XXXXXX";
    char path[128];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/B2.add.epd", folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("main: eventfd(0, 0)\n", file);
    fclose(file);
    assert_int_equal(document_read(path, &document, &error), 0);
    assert_string_equal(document.name, "B2.add");
    assert_int_equal(document_read(folder, &document, &error), -EISDIR);
    assert_string_equal(error.what, "cannot be read: Is a directory");
    unlink(path);
    assert_int_equal(document_read(path, &document, &error), -ENOENT);
    assert_string_equal(error.what, "cannot be read: No such file or directory");
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_is_written_as_it_was_read),
        cmocka_unit_test(every_header_is_kept),
        cmocka_unit_test(every_step_means_what_it_says),
        cmocka_unit_test(loose_spelling_has_one_written_form),
        cmocka_unit_test(plain_flags_are_written_as_zero),
        cmocka_unit_test(generated_names_keep_clear_of_given_ones),
        cmocka_unit_test(longest_names_and_values_are_kept),
        cmocka_unit_test(a_files_name_cannot_break_the_header),
        cmocka_unit_test(every_value_of_every_argument_is_kept),
        cmocka_unit_test(every_word_is_read),
        cmocka_unit_test(step_print_never_overflows),
        cmocka_unit_test(files_are_read_under_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
