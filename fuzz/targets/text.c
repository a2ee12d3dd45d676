/*
 * Target `text`: any bytes as the text of a program (docs/program-format.md). What is refused is
 * refused with one line, at a line and column of the text; what is accepted is a program that can
 * run, and is written in a form that reads back equal and is written the same again.
 */
#include "fuzz/targets/found.h"
#include "fuzz/targets/target.h"

#include "fuzz/program/document.h"

#include <string.h>

static const char stranger[] = "never set";

struct text {
    char *bytes;
    size_t length;
};

static struct text write_text(const struct document *document)
{
    struct text text = {.bytes = NULL};
    FILE *out = open_memstream(&text.bytes, &text.length);

    if (out == NULL || document_write(document, out) != 0 || fclose(out) != 0)
        found("the text form cannot be written to memory");
    return text;
}

static unsigned count_lines(const uint8_t *bytes, size_t size)
{
    unsigned lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    return lines;
}

static size_t line_length(const uint8_t *bytes, size_t size, unsigned line)
{
    size_t at = 0;

    for (unsigned number = 1; number < line; number++) {
        const uint8_t *newline = memchr(bytes + at, '\n', size - at);
        at = (size_t)(newline - bytes) + 1;
    }
    const uint8_t *end = memchr(bytes + at, '\n', size - at);
    return end != NULL ? (size_t)(end - bytes) - at : size - at;
}

static void check_refusal(const uint8_t *bytes, size_t size, const struct document_error *error)
{
    size_t length = strnlen(error->what, sizeof(error->what));

    if (length == 0 || length == sizeof(error->what))
        found("a refusal says nothing, or does not end");
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)error->what[i] < 0x20 && error->what[i] != '\t')
            found("a refusal holds the control character 0x%02x: %s", error->what[i], error->what);
    }
    if (error->line == 0 && error->column != 0)
        found("a refusal names column %u of no line: %s", error->column, error->what);
    if (error->line == 0)
        return;
    if (error->line > count_lines(bytes, size))
        found("a refusal names line %u of %u: %s", error->line, count_lines(bytes, size),
              error->what);
    if (error->column > line_length(bytes, size, error->line) + 1)
        found("a refusal names column %u of %zu: %s", error->column,
              line_length(bytes, size, error->line), error->what);
}

static const char *first_difference(const struct document *a, const struct document *b)
{
    if (strcmp(a->name, b->name) != 0)
        return "name";
    if (strcmp(a->hazard, b->hazard) != 0)
        return "hazard";
    if (strcmp(a->origin, b->origin) != 0)
        return "origin";
    if (strcmp(a->requires, b->requires) != 0)
        return "requires";
    if (strcmp(a->inject, b->inject) != 0)
        return "inject";
    if (strcmp(a->comment, b->comment) != 0)
        return "comment";
    if (a->nexpects != b->nexpects)
        return "number of expectations";
    for (unsigned i = 0; i < a->nexpects; i++) {
        if (strcmp(a->expects[i].subject, b->expects[i].subject) != 0 ||
            strcmp(a->expects[i].verdict, b->expects[i].verdict) != 0)
            return "expectation";
    }
    return program_equal(&a->program, &b->program) ? NULL : "program";
}

static void check_document(const struct document *document)
{
    static struct document again;
    struct document_error error = {.line = 0};
    char why[128] = "";
    unsigned step = 0;

    if (program_check(&document->program, &step, why, sizeof(why)) != 0)
        found("the parser made a program that cannot run: step %u: %s", step_number(step), why);
    struct text text = write_text(document);
    if (document_parse(text.bytes, text.length, stranger, &again, &error) != 0)
        found("what was written is refused: %u:%u: %s", error.line, error.column, error.what);
    const char *difference = first_difference(document, &again);
    if (difference != NULL)
        found("what was written comes back with another %s", difference);
    struct text second = write_text(&again);
    if (text.length != second.length || memcmp(text.bytes, second.bytes, text.length) != 0)
        found("what was written is written differently when it has been read");
    free(second.bytes);
    free(text.bytes);
}

static void run(const uint8_t *bytes, size_t size)
{
    static struct document document;
    struct document_error error = {.line = 0};
    /* Memory of its own, without a terminator, so that reading past the end is seen. */
    char *text = malloc(size + (size == 0));

    if (text == NULL)
        found("out of memory for an input of %zu bytes", size);
    memcpy(text, bytes, size);
    if (document_parse(text, size, "input", &document, &error) == 0)
        check_document(&document);
    else
        check_refusal(bytes, size, &error);
    free(text);
}

const struct fuzz_target fuzz_target = {.name = "text", .run = run};
