#include "tests/unit/program/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t random_next(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15u;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

unsigned random_below(uint64_t *state, unsigned bound)
{
    assert_true(bound > 0);
    return (unsigned)(random_next(state) % bound);
}

void random_bytes(uint64_t *state, uint8_t *ret_bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ret_bytes[i] = (uint8_t)random_next(state);
}

void parse_text(const char *text, struct document *ret_document)
{
    struct document_error error;

    if (document_parse(text, strlen(text), "test", ret_document, &error) != 0)
        fail_msg("%u:%u: %s in:\n%s", error.line, error.column, error.what, text);
}

void parse_program(const char *text, struct program *ret_program)
{
    static struct document document;

    parse_text(text, &document);
    *ret_program = document.program;
}

char *document_text(const struct document *document, size_t *ret_length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_length);

    assert_non_null(out);
    assert_int_equal(document_write(document, out), 0);
    fclose(out);
    return text;
}

void assert_checked(const struct program *program)
{
    char why[128] = "";
    unsigned step = 0;

    if (program_check(program, &step, why, sizeof(why)) != 0)
        fail_program(program, step < program->nsteps ? step : 0, "program_check: %s", why);
}

void assert_text_round_trip(const struct program *program)
{
    static struct document document;
    static struct document again;
    struct document_error error;
    size_t length;

    document_init(&document, "test", program);
    char *text = document_text(&document, &length);
    if (document_parse(text, length, "test", &again, &error) != 0)
        fail_msg("%u:%u: %s in:\n%s", error.line, error.column, error.what, text);
    if (!program_equal(program, &again.program))
        fail_msg("comes back different:\n%s", text);
    free(text);
}

_Noreturn void fail_program(const struct program *program, unsigned step, const char *format, ...)
{
    char message[256];
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    for (unsigned i = 0; i < program->nsteps && i <= step; i++) {
        step_print(program, i, text, sizeof(text));
        print_error("%3u  %s: %s\n", step_number(i), program->actors[program->steps[i].actor].name,
                    text);
    }
    fail_msg("step %u: %s", step_number(step), message);
    abort();
}
