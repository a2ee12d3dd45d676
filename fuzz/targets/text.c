/*
 * Target `text`: any bytes as the text of a program (docs/program-format.md). What is refused is
 * refused with one line, at a line and column of the text; what is accepted is a program that can
 * run, and is written in a form that reads back equal and is written the same again.
 */
#include "fuzz/targets/found.h"
#include "fuzz/targets/round_trip.h"
#include "fuzz/targets/target.h"

#include <string.h>

static unsigned count_lines(const uint8_t *bytes, size_t size)
{
    unsigned lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    return lines;
}

/* Of a line that is there. */
static size_t line_length(const uint8_t *bytes, size_t size, unsigned line)
{
    size_t start = 0;
    size_t end = 0;

    while (end < size && line > 0) {
        if (bytes[end] == '\n' && --line > 0)
            start = end + 1;
        end += line > 0;
    }
    return end - start;
}

static void check_refusal(const uint8_t *bytes, size_t size, const struct document_error *error)
{
    size_t length = strnlen(error->what, sizeof(error->what));

    if (length == 0 || length == sizeof(error->what))
        found("a refusal says nothing, or does not end");
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)error->what[i] < 0x20 && error->what[i] != '\t')
            found("a refusal holds the control character 0x%02x", (unsigned char)error->what[i]);
    }
    if (error->line == 0 && error->column != 0)
        found("a refusal names column %u of no line: %s", error->column, error->what);
    if (error->line == 0)
        return;
    if (error->line > count_lines(bytes, size))
        found("a refusal names line %u of %u: %s", error->line, count_lines(bytes, size),
              error->what);
    size_t columns = line_length(bytes, size, error->line) + 1;
    if (error->column > columns)
        found("a refusal names column %u of %zu: %s", error->column, columns, error->what);
}

static void run(const uint8_t *bytes, size_t size)
{
    static struct document document;
    struct document_error error = {.line = 0};
    /* Memory of its own, without a terminator, so that reading past the end is seen. */
    char *text = malloc(size + (size == 0));

    if (text == NULL)
        found("out of memory for an input of %zu bytes", size);
    if (size > 0)
        memcpy(text, bytes, size);
    if (document_parse(text, size, "input", &document, &error) == 0) {
        check_program(&document.program, "the parser");
        check_text_round_trip(&document);
    } else {
        check_refusal(bytes, size, &error);
    }
    free(text);
}

const struct fuzz_target fuzz_target = {.name = "text", .run = run};
