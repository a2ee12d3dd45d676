/*
 * A malformed text must never be taken for a program, and nobody must have to guess what is wrong:
 * every refusal names line, column, what it found and what it expected, and leaves the result
 * alone.
 */
#include "tests/unit/program/support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three steps to stand on; what is wrong comes in line 4. */
#define GOOD                                                                                       \
    "main: e0 = epoll_create1(0)\n"                                                                \
    "main: r0, w0 = pipe2(0)\n"                                                                    \
    "main: p1 = fork()\n"

struct refusal {
    const char *text;
    unsigned line;
    unsigned column;
    const char *what;
};

static void assert_refused_bytes(const char *text, size_t length, unsigned line, unsigned column,
                                 const char *what)
{
    static struct document document;
    static struct document untouched;
    struct document_error error;

    memset(&document, 0x5a, sizeof(document));
    memset(&untouched, 0x5a, sizeof(untouched));
    memset(&error, 0x5a, sizeof(error));
    if (document_parse(text, length, "test", &document, &error) != -EINVAL)
        fail_msg("taken for a program: %.*s", (int)length, text);
    if (error.line != line || error.column != column || strcmp(error.what, what) != 0)
        fail_msg("said   %u:%u: %s\nwanted %u:%u: %s\nof %.*s", error.line, error.column,
                 error.what, line, column, what, (int)length, text);
    assert_memory_equal(&document, &untouched, sizeof(document));
}

static void assert_refused(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_refused_bytes(refusals[i].text, strlen(refusals[i].text), refusals[i].line,
                             refusals[i].column, refusals[i].what);
}

#define ASSERT_REFUSED(refusals) assert_refused(refusals, sizeof(refusals) / sizeof(refusals[0]))

static void unknown_words(void **state)
{
    static const struct refusal refusals[] = {
        {GOOD "bob: close(r0)", 4, 1,
         "'bob' is neither a header nor an actor, expected main or one that an earlier step binds"},
        {GOOD "parallel: 2", 4, 9, "unexpected ':', expected '{' after 'parallel'"},
        {"parallel: 2", 1, 9, "unexpected ':', expected '{' after 'parallel'"},
        {GOOD "main: fly(r0)", 4, 7, "unknown operation 'fly', expected one of docs/operations.md"},
        {GOOD "main: 7(r0)", 4, 7, "unknown operation '7', expected one of docs/operations.md"},
        {GOOD "main:", 4, 6, "the line ends, expected an operation of docs/operations.md"},
        {GOOD "main: close(x9)", 4, 13,
         "'x9' is no slot that an earlier step binds, expected a slot or a number"},
        {GOOD "main: close(p1)", 4, 13,
         "'p1' is no slot that an earlier step binds, expected a slot or a number"},
        {GOOD "main: d0 = dup(d0)", 4, 16,
         "'d0' is no slot that an earlier step binds, expected a slot or a number"},
        {GOOD "main: waitpid(e0, 0)", 4, 15,
         "'e0' is no actor that fork, vfork_exec or posix_spawn has bound, expected one"},
        {GOOD "main: waitpid(main, 0)", 4, 15,
         "'main' is no actor that fork, vfork_exec or posix_spawn has bound, expected one"},
        {GOOD "main: pthread_join(p1)", 4, 20,
         "'p1' is no actor that pthread_create has bound, expected one"},
        {GOOD "main: epoll_ctl(e0, ADD, r0, EPOLLFOO)", 4, 30,
         "unknown word 'EPOLLFOO', expected the events mask, or NULL or BADPTR as the event "
         "pointer"},
        {GOOD "main: epoll_ctl(e0, PUT, r0, 0)", 4, 21,
         "unexpected 'PUT', expected EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, or a number for "
         "a bad one"},
        {GOOD "main: epoll_wait(e0, many, 0)", 4, 22,
         "unexpected 'many', expected how many events to take, 64 at most, or over 178956970, "
         "which fails"},
        {GOOD "main: open(\"/etc/passwd\", 0)", 4, 12,
         "unexpected '\"/etc/passwd\"', expected \"/dev/null\" or \"/proc/self/exe\""},
        {GOOD "main: open(\"/dev/null, 0)", 4, 12,
         "unexpected '\"/dev/null, 0)', expected \"/dev/null\" or \"/proc/self/exe\""},
        {GOOD "main: epoll_ctl(e0, ADD, r0, EPOLLIN|NULL)", 4, 38,
         "'NULL' cannot be joined by '|'"},
        {GOOD "main: epoll_ctl(e0, ADD, r0, BADPTR|1)", 4, 30, "'BADPTR' cannot be joined by '|'"},
    };
    (void)state;
    ASSERT_REFUSED(refusals);
}

#define BLOCK GOOD "parallel {\n"

static void parallel_blocks(void **state)
{
    static const struct refusal refusals[] = {
        {BLOCK "main: close(e0)\np1: close(e0)", 4, 0,
         "the parallel block is not closed, expected '}' behind it"},
        {BLOCK "parallel {", 5, 1,
         "a parallel block in the parallel block of line 4, expected '}' before it"},
        {GOOD "}", 4, 1, "unexpected '}', expected it only behind 'parallel {'"},
        {BLOCK "}", 5, 1, "the parallel block of line 4 has fewer than two actors, expected two"},
        {BLOCK "main: close(e0)\nmain: close(e0)\n}", 7, 1,
         "the parallel block of line 4 has fewer than two actors, expected two"},
        {GOOD "parallel", 4, 9, "the line ends, expected '{' after 'parallel'"},
        {GOOD "parallel { main: close(e0)", 4, 12,
         "unexpected 'main', expected the end of the line"},
        {GOOD "parallel {\nmain: close(e0)\np1: close(e0)\n} }", 7, 3,
         "unexpected '}', expected the end of the line"},
        {BLOCK "main: fork()", 5, 7,
         "the operation cannot stand in a parallel block, expected one that docs/parallel.md "
         "lists"},
        {BLOCK "main: epoll_wait(e0, 8, -1)", 5, 7,
         "a wait in a parallel block has a timeout, expected one that docs/parallel.md lists"},
        {BLOCK "main: epoll_wait(e0, 8, 1)", 5, 7,
         "a wait in a parallel block has a timeout, expected one that docs/parallel.md lists"},
        {BLOCK "main: eventfd(0, 0)", 5, 7,
         "a parallel block opens a descriptor that can block, expected one that docs/parallel.md "
         "lists"},
        {BLOCK "main: v9 = eventfd(0, EFD_NONBLOCK)\np1: close(v9)", 6, 5,
         "'v9' is bound in this parallel block by another actor, expected a slot from before the "
         "block or the actor's own"},
        {BLOCK "main: close(e0)\np1: close(e0)\n}", 5, 0,
         "a descriptor that can block is opened before a parallel block, expected a program that "
         "can run"},
    };
    (void)state;
    ASSERT_REFUSED(refusals);
}

static void punctuation(void **state)
{
    static const struct refusal refusals[] = {
        {GOOD "main close(r0)", 4, 6, "unexpected 'close', expected ':' after the actor"},
        {GOOD "main", 4, 5, "the line ends, expected ':' after the actor"},
        {GOOD "= close(r0)", 4, 1, "unexpected '=', expected 'ACTOR: call(...)'"},
        {GOOD "\xff\xfe", 4, 1, "unexpected '\xff', expected 'ACTOR: call(...)'"},
        {GOOD "main: close r0)", 4, 13, "unexpected 'r0', expected '(' after the operation"},
        {GOOD "main: close", 4, 12, "the line ends, expected '(' after the operation"},
        {GOOD "main: close(r0", 4, 15, "the line ends, expected ',' or ')' between arguments"},
        {GOOD "main: close(r0 w0)", 4, 16,
         "unexpected 'w0', expected ',' or ')' between arguments"},
        {GOOD "main: close(r0) w0", 4, 17, "unexpected 'w0', expected the end of the line"},
        {GOOD "main: close(r0))", 4, 16, "unexpected ')', expected the end of the line"},
        {GOOD "main: close(", 4, 13, "the line ends, expected any descriptor: a slot, or a number"},
        {GOOD "main: epoll_wait(e0, ", 4, 22,
         "the line ends, expected how many events to take, 64 at most, or over 178956970, which "
         "fails"},
        {GOOD "main: epoll_wait(e0,, 0)", 4, 21,
         "unexpected ',', expected how many events to take, 64 at most, or over 178956970, which "
         "fails"},
        {GOOD "main: epoll_wait(e0, 1, ) # x", 4, 25,
         "unexpected ')', expected milliseconds, -1 for ever"},
        {GOOD "main: epoll_ctl(e0, ADD, r0, EPOLLIN|", 4, 38,
         "the line ends, expected the events mask, or NULL or BADPTR as the event pointer"},
        {GOOD "main: epoll_ctl(e0, ADD, r0, EPOLLIN|)", 4, 38,
         "unknown word ')', expected the events mask, or NULL or BADPTR as the event pointer"},
    };
    (void)state;
    ASSERT_REFUSED(refusals);
}

static void counts_of_arguments(void **state)
{
    static const struct refusal refusals[] = {
        {GOOD "main: close(r0, w0)", 4, 15, "too many arguments, close takes 1"},
        {GOOD "main: fork(1)", 4, 12, "too many arguments, fork takes 0"},
        {GOOD "main: epoll_wait(e0, 1, 0, NULL, 5)", 4, 32,
         "too many arguments, epoll_wait takes 4"},
        {GOOD "main: close()", 4, 13,
         "too few arguments, close takes 1: the next is any descriptor: a slot, or a number"},
        {GOOD "main: epoll_wait(e0, 1)", 4, 23,
         "too few arguments, epoll_wait takes 3: the next is milliseconds, -1 for ever"},
    };
    (void)state;
    ASSERT_REFUSED(refusals);
}

static void names_that_cannot_be_bound(void **state)
{
    static const struct refusal refusals[] = {
        {GOOD "main: r0 = eventfd(0, 0)", 4, 7, "'r0' is bound already, expected a new name"},
        {GOOD "main: p1 = eventfd(0, 0)", 4, 7, "'p1' is bound already, expected a new name"},
        {GOOD "main: main = fork()", 4, 7, "'main' is bound already, expected a new name"},
        {GOOD "main: a, a = pipe2(0)", 4, 10, "'a' is bound already, expected a new name"},
        {GOOD "main: expect = fork()", 4, 7, "'expect' is a reserved word, expected a name"},
        {GOOD "main: name = eventfd(0, 0)", 4, 7, "'name' is a reserved word, expected a name"},
        {GOOD "main: a234567890123456 = eventfd(0, 0)", 4, 7,
         "name is too long, expected 15 characters at most"},
        {GOOD "main: 3 = eventfd(0, 0)", 4, 7, "unexpected '3', expected a name to bind"},
        {GOOD "main: -3 = eventfd(0, 0)", 4, 7, "unexpected '-3', expected a name to bind"},
        {GOOD "main: = eventfd(0, 0)", 4, 7, "unexpected '=', expected a name to bind"},
        {GOOD "main: a, = pipe2(0)", 4, 10, "unexpected '=', expected a name to bind"},
        {GOOD "main: a b = pipe2(0)", 4, 9, "unexpected 'b', expected ',' or '='"},
        {GOOD "main: a, b, c = pipe2(0)", 4, 13, "too many results, expected 2 at most"},
        {GOOD "main: a = pipe2(0)", 4, 11, "pipe2 binds 2 results, not 1"},
        {GOOD "main: a, b = eventfd(0, 0)", 4, 14, "eventfd binds 1 results, not 2"},
        {GOOD "main: a = close(r0)", 4, 11, "close binds 0 results, not 1"},
    };
    (void)state;
    ASSERT_REFUSED(refusals);
}

static void values_out_of_range(void **state)
{
    static const struct refusal refusals[] = {
        {GOOD "main: close(2147483648)", 4, 13,
         "descriptor 2147483648 is out of range, expected an int"},
        {GOOD "main: close(-2147483649)", 4, 13,
         "descriptor -2147483649 is out of range, expected an int"},
        {GOOD "main: close(99999999999999999999)", 4, 13,
         "'99999999999999999999' is no slot that an earlier step binds, expected a slot or a "
         "number"},
        {GOOD "main: read(r0, 65537)", 4, 16,
         "a byte count is out of range, expected a number of bytes, 65536 at most"},
        {GOOD "main: read(r0, -1)", 4, 16,
         "a byte count is out of range, expected a number of bytes, 65536 at most"},
        {GOOD "main: epoll_wait(e0, 65, 0)", 4, 22,
         "more events than there is room for, expected how many events to take, 64 at most, or "
         "over 178956970, which fails"},
        {GOOD "main: epoll_wait(e0, 2147483648, 0)", 4, 22,
         "a number is out of range, expected how many events to take, 64 at most, or over "
         "178956970, which fails"},
        {GOOD "main: epoll_wait(e0, 08, 0)", 4, 22,
         "unexpected '08', expected how many events to take, 64 at most, or over 178956970, which "
         "fails"},
        {GOOD "main: epoll_ctl(e0, ADD, r0, 0x100000000)", 4, 30,
         "an events mask is out of range, expected the events mask, or NULL or BADPTR as the event "
         "pointer"},
        {GOOD "main: epoll_ctl(e0, ADD, r0, -1)", 4, 30,
         "unknown word '-1', expected the events mask, or NULL or BADPTR as the event pointer"},
        {GOOD "main: pipe2(0x80000000)", 4, 13,
         "a number is out of range, expected 0, O_NONBLOCK, O_CLOEXEC"},
        {GOOD "main: syscall(57, r0)", 4, 15,
         "an argument is not in its vocabulary, expected SYS_close"},
        {GOOD "main: fcntl(r0, 1, 0)", 4, 17,
         "an argument is not in its vocabulary, expected F_DUPFD or F_DUPFD_CLOEXEC"},
        {GOOD "main: epoll_pwait2(e0, 8, -4, NULL)", 4, 27,
         "a timespec is out of range, expected milliseconds, NULL for ever, BADTS (a second of 2e9 "
         "ns) or BADPTR"},
    };
    (void)state;
    ASSERT_REFUSED(refusals);
}

static void headers(void **state)
{
    static const struct refusal refusals[] = {
        {GOOD "name: x", 4, 1,
         "the header 'name' stands behind the first step, expected it before"},
        {GOOD "  expect native: equal", 4, 3,
         "the header 'expect' stands behind the first step, expected it before"},
        {"name x\n" GOOD, 1, 6, "unexpected 'x', expected ':' after the header's name"},
        {"name:  \n" GOOD, 1, 8, "the header is empty, expected a value"},
        {"name: a\norigin: b\nname: c\n" GOOD, 3, 1, "a second header 'name', expected one"},
        {"expect native\n" GOOD, 1, 8, "malformed expectation, expected 'expect SUBJECT: VERDICT'"},
        {"expect native:equal\n" GOOD, 1, 8,
         "malformed expectation, expected 'expect SUBJECT: VERDICT'"},
        {"expect : equal\n" GOOD, 1, 8,
         "malformed expectation, expected 'expect SUBJECT: VERDICT'"},
        {"expect native: \n" GOOD, 1, 16, "the header is empty, expected a value"},
        {"expect native: equal\nexpect native: errno\n" GOOD, 2, 8,
         "a second expectation for native, expected one"},
    };
    (void)state;
    ASSERT_REFUSED(refusals);
}

#define CALLS "io_uring_enter, io_uring_setup, epoll_ctl"

static void faults(void **state)
{
    static const struct refusal refusals[] = {
        {"inject:\n" GOOD, 1, 8, "the header is empty, expected a value"},
        {"inject: close EINTR@1\n" GOOD, 1, 9,
         "'close' is no call that can fail, expected one of " CALLS},
        {"  inject:  io_uring_enter  EFUN@1\n" GOOD, 1, 28,
         "'EFUN' is no fault of io_uring_enter, expected one of EINTR, LATE_EINTR, SHORT, "
         "OVERFLOW, "
         "SECCOMP, EAGAIN, EBUSY, ENOMEM, ENODEV, EPERM, ENOSYS"},
        {"inject: epoll_ctl EINTR@1\n" GOOD, 1, 19,
         "'EINTR' is no fault of epoll_ctl, expected one of ENOMEM, ENOSPC"},
        {"inject: io_uring_enter EINTR\n" GOOD, 1, 29,
         "expected '@' and the number of the call behind the fault"},
        {"inject: io_uring_enter EINTR@0\n" GOOD, 1, 30,
         "'0' is no number of a call, expected 1 to 999"},
        {"inject: io_uring_enter EINTR@1000\n" GOOD, 1, 30,
         "'1000' is no number of a call, expected 1 to 999"},
        {"inject: io_uring_enter EINTR@2x\n" GOOD, 1, 30,
         "'2x' is no number of a call, expected 1 to 999"},
        {"inject: io_uring_enter EINTR@99999999999999999999\n" GOOD, 1, 30,
         "'99999999999999999999' is no number of a call, expected 1 to 999"},
        {"inject: io_uring_enter EINTR@1 EBUSY@2\n" GOOD, 1, 32,
         "unexpected 'E', expected ',' or the end of the line"},
        {"inject: io_uring_enter EINTR@1,\n" GOOD, 1, 32,
         "'' is no call that can fail, expected one of " CALLS},
        {"inject: epoll_ctl ENOMEM@1\ninject: epoll_ctl ENOMEM@2\n" GOOD, 2, 1,
         "a second header 'inject', expected one"},
        {GOOD "inject: epoll_ctl ENOMEM@1", 4, 1,
         "the header 'inject' stands behind the first step, expected it before"},
        {"inject: epoll_ctl ENOMEM@1,epoll_ctl ENOMEM@2,epoll_ctl ENOMEM@3,epoll_ctl "
         "ENOMEM@4,epoll_ctl ENOMEM@5,epoll_ctl ENOMEM@6,epoll_ctl ENOMEM@7,epoll_ctl E@8\n" GOOD,
         1, 152, "'E' is no fault of epoll_ctl, expected one of ENOMEM, ENOSPC"},
    };

    (void)state;
    ASSERT_REFUSED(refusals);
}

static void texts_that_are_no_programs(void **state)
{
    static const struct refusal refusals[] = {
        {"", 0, 0, "the program has no steps, expected at least one"},
        {"\n\n# only words\nname: x\n", 0, 0, "the program has no steps, expected at least one"},
        {GOOD "main: close(\x01r0)", 4, 13, "control character 0x01, expected plain text"},
        {GOOD "# \x7f", 4, 3, "control character 0x7f, expected plain text"},
        {"name: a\x1b[2J\n" GOOD, 1, 8, "control character 0x1b, expected plain text"},
        {GOOD "main: close(r0)\r\r\n", 4, 16, "control character 0x0d, expected plain text"},
        {"main: fork()\rmain: fork()\n", 1, 13, "control character 0x0d, expected plain text"},
    };
    static const char nul[] = GOOD "main: close(r0)\0\n";

    (void)state;
    ASSERT_REFUSED(refusals);
    assert_refused_bytes(nul, sizeof(nul) - 1, 4, 16,
                         "control character 0x00, expected plain text");
    assert_refused_bytes("\0", 1, 1, 1, "control character 0x00, expected plain text");
}

/* `count` times `line`, then `last`. The caller frees it. */
static char *repeat(const char *line, unsigned count, const char *last)
{
    char *text = malloc(strlen(line) * count + strlen(last) + 1);
    char *at = text;

    assert_non_null(text);
    for (unsigned i = 0; i < count; i++)
        at = stpcpy(at, line);
    strcpy(at, last);
    return text;
}

/* `limit` lines are a program; one more is refused at the line and column of the operation. */
static void assert_limit(const char *line, unsigned limit, unsigned column, const char *what)
{
    static struct document document;
    char *fits = repeat(line, limit, "");
    char *passes = repeat(line, limit + 1, "");

    parse_text(fits, &document);
    assert_int_equal(document.program.nsteps, limit);
    assert_refused_bytes(passes, strlen(passes), limit + 1, column, what);
    free(fits);
    free(passes);
}

static void limits_are_reached_and_never_passed(void **state)
{
    static const char too_long[] =
        "the program is too long, expected at most 256 steps, 128 slots and 16 actors";

    (void)state;
    assert_limit("main: close(0)\n", PROGRAM_STEPS_MAX, 7, too_long);
    assert_limit("main: eventfd(0, 0)\n", PROGRAM_SLOTS_MAX, 7, too_long);
    assert_limit("main: pipe2(0)\n", PROGRAM_SLOTS_MAX / 2, 7, too_long);
    assert_limit("main: fork()\n", PROGRAM_ACTORS_MAX - 1, 7, too_long);
}

static void too_long_headers(void **state)
{
    static char text[2 * DOCUMENT_WORD_MAX];
    static char expectations[DOCUMENT_EXPECTS_MAX * 32 + 64];
    int at = snprintf(text, sizeof(text), "origin: ");
    int end = 0;

    (void)state;
    memset(text + at, 'x', DOCUMENT_WORD_MAX + 1);
    strcpy(text + at + DOCUMENT_WORD_MAX + 1, "\n");
    assert_refused_bytes(text, strlen(text), 1, 9,
                         "the value is too long, expected 159 characters at most");
    for (unsigned i = 0; i <= DOCUMENT_EXPECTS_MAX; i++)
        end += snprintf(expectations + end, sizeof(expectations) - (size_t)end,
                        "expect s%u: equal\n", i);
    assert_refused_bytes(expectations, strlen(expectations), DOCUMENT_EXPECTS_MAX + 1, 1,
                         "too many expectations, expected 16 at most");
}

static void a_line_as_long_as_a_file_is_quoted_in_part(void **state)
{
    char *text = repeat("x", DOCUMENT_BYTES_MAX - 1, "");

    (void)state;
    assert_refused_bytes(text, strlen(text), 1, DOCUMENT_BYTES_MAX,
                         "the line ends, expected ':' after the actor");
    memcpy(text, "main: ", 6);
    assert_refused_bytes(text, strlen(text), 1, 7,
                         "unknown operation 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', expected "
                         "one of docs/operations.md");
    free(text);
}

static void a_text_past_the_limit_is_not_read(void **state)
{
    char *fits = repeat("#\n", DOCUMENT_BYTES_MAX / 2, "");
    char *passes = repeat("#\n", DOCUMENT_BYTES_MAX / 2, "#");

    (void)state;
    assert_refused_bytes(passes, strlen(passes), 0, 0,
                         "the text is too long, expected 1048576 bytes at most");
    /* Lines without text count against the comment: a file of nothing else is refused there. */
    assert_refused_bytes(fits, strlen(fits), DOCUMENT_COMMENT_MAX + 1, 1,
                         "the comment is too long, expected 4095 bytes at most");
    free(fits);
    free(passes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_words),
        cmocka_unit_test(parallel_blocks),
        cmocka_unit_test(punctuation),
        cmocka_unit_test(counts_of_arguments),
        cmocka_unit_test(names_that_cannot_be_bound),
        cmocka_unit_test(values_out_of_range),
        cmocka_unit_test(headers),
        cmocka_unit_test(faults),
        cmocka_unit_test(texts_that_are_no_programs),
        cmocka_unit_test(limits_are_reached_and_never_passed),
        cmocka_unit_test(too_long_headers),
        cmocka_unit_test(a_line_as_long_as_a_file_is_quoted_in_part),
        cmocka_unit_test(a_text_past_the_limit_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
