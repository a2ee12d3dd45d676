/*
 * No text may crash the parser, make it read past its end, or come out as a program that
 * program_check refuses or that cannot be written and read back. Good texts are damaged at random;
 * the sanitized build is where this bites.
 */
#include "tests/unit/program/support.h"

#include "fuzz/program/bytes.h"

#include <stdlib.h>
#include <string.h>

enum {
    TEXT_MAX = 1 << 14,
};

/* What a text is damaged with: pieces that mean something to the parser. */
static const char *const pieces[] = {
    "main",
    "main: ",
    "p1",
    "t1",
    "e0",
    "r0",
    "=",
    "(",
    ")",
    ",",
    "|",
    ":",
    "#",
    "\"",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\t",
    "-",
    "-1",
    "0x",
    "09",
    "99999",
    "BADPTR",
    "NULL",
    "EPOLLIN",
    "name:",
    "expect ",
    "expect a: ",
    "hazard",
    "origin: ",
    "fork",
    "close(",
    "pipe2(",
    "\xff",
    "\x01",
    "\"/dev/null\"",
    "18446744073709551616",
    "a_name_that_is_too_long",
};

static size_t insert(char *text, size_t length, size_t at, const char *piece, size_t piece_length)
{
    if (length + piece_length > TEXT_MAX)
        return length;
    memmove(text + at + piece_length, text + at, length - at);
    memcpy(text + at, piece, piece_length);
    return length + piece_length;
}

static size_t damage(uint64_t *random, char *text, size_t length)
{
    size_t at = random_below(random, (unsigned)length + 1);
    size_t room = length - at;
    size_t cut = random_below(random, 20);
    const char *piece = pieces[random_below(random, sizeof(pieces) / sizeof(pieces[0]))];
    char copy[256];

    switch (random_below(random, 4)) {
    case 0:
        cut = cut < room ? cut : room;
        memmove(text + at, text + at + cut, room - cut);
        return length - cut;
    case 1:
        if (room > 0)
            text[at] = (char)random_next(random);
        return length;
    case 2:
        return insert(text, length, at, piece, strlen(piece));
    default:
        cut = random_below(random, sizeof(copy));
        cut = cut < room ? cut : room;
        memcpy(copy, text + at, cut);
        return insert(text, length, random_below(random, (unsigned)length + 1), copy, cut);
    }
}

/* The text is copied to the end of its own block, so that one byte too far is caught. */
static bool parse_and_check(const char *text, size_t length)
{
    static struct document document;
    struct document_error error = {.line = 77};
    char *exact = malloc(length + (length == 0));

    assert_non_null(exact);
    memcpy(exact, text, length);
    int err = document_parse(exact, length, "test", &document, &error);
    free(exact);
    if (err) {
        assert_true(error.what[0] != '\0');
        assert_non_null(memchr(error.what, '\0', sizeof(error.what)));
        return false;
    }
    assert_checked(&document.program);
    char *written = document_text(&document, &length);
    static struct document again;
    if (document_parse(written, length, "test", &again, &error) != 0)
        fail_msg("%u:%u: %s in:\n%s", error.line, error.column, error.what, written);
    assert_true(program_equal(&document.program, &again.program));
    assert_string_equal(document.comment, again.comment);
    assert_string_equal(document.name, again.name);
    free(written);
    return true;
}

static void damaged_texts(void **state)
{
    static uint8_t bytes[512];
    static struct document document;
    static struct program program;
    static char text[TEXT_MAX];
    uint64_t random = 1;
    unsigned parsed = 0;
    unsigned trials = TRIALS(100000);

    (void)state;
    for (unsigned i = 0; i < trials; i++) {
        size_t length = 0;
        random_bytes(&random, bytes, sizeof(bytes));
        program_decode(bytes, random_below(&random, 64), &program);
        document_init(&document, "test", &program);
        char *whole = document_text(&document, &length);
        length = length < TEXT_MAX ? length : TEXT_MAX;
        memcpy(text, whole, length);
        free(whole);
        for (unsigned damages = 1 + random_below(&random, 4); damages > 0; damages--)
            length = damage(&random, text, length);
        parsed += parse_and_check(text, length);
    }
    /* Both ends of the parser were reached. */
    assert_true(parsed > trials / 50 && parsed < trials - trials / 4);
}

static void random_texts(void **state)
{
    static char text[300];
    uint64_t random = 2;

    (void)state;
    for (unsigned i = 0; i < TRIALS(100000); i++) {
        size_t length = random_below(&random, sizeof(text));
        random_bytes(&random, (uint8_t *)text, length);
        if (i % 2 == 0) {
            for (size_t at = 0; at < length; at++)
                text[at] = (char)(' ' + (uint8_t)text[at] % 95);
        }
        (void)parse_and_check(text, length);
    }
}

/* Nothing but pieces: the grammar's own words in any order. */
static void shuffled_words(void **state)
{
    static char text[TEXT_MAX];
    uint64_t random = 3;

    (void)state;
    for (unsigned i = 0; i < TRIALS(100000); i++) {
        size_t length = 0;
        for (unsigned words = random_below(&random, 30); words > 0; words--) {
            const char *piece = pieces[random_below(&random, sizeof(pieces) / sizeof(pieces[0]))];
            length = insert(text, length, length, piece, strlen(piece));
        }
        (void)parse_and_check(text, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_texts),
        cmocka_unit_test(random_texts),
        cmocka_unit_test(shuffled_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
