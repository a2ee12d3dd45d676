/* Text and back. */
#include "fuzz/targets/round_trip.h"

#include "fuzz/targets/found.h"

#include <string.h>

/* Given to the parser as the name to fall back on: no document that was written needs it. */
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

static const char *first_difference(const struct document *a, const struct document *b)
{
    const struct {
        const char *word, *a, *b;
    } words[] = {{"name", a->name, b->name},       {"hazard", a->hazard, b->hazard},
                 {"origin", a->origin, b->origin}, {"requires", a->requires, b->requires},
                 {"inject", a->inject, b->inject}, {"comment", a->comment, b->comment}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].a, words[i].b) != 0)
            return words[i].word;
    }
    if (a->nexpects != b->nexpects)
        return "number of expectations";
    for (unsigned i = 0; i < a->nexpects; i++) {
        if (strcmp(a->expects[i].subject, b->expects[i].subject) != 0 ||
            strcmp(a->expects[i].verdict, b->expects[i].verdict) != 0)
            return "expectation";
    }
    return program_equal(&a->program, &b->program) ? NULL : "program";
}

void check_program(const struct program *program, const char *maker)
{
    char why[128] = "";
    unsigned step = 0;

    if (program_check(program, &step, why, sizeof(why)) != 0)
        found("%s made a program that cannot run: step %u: %s", maker, step_number(step), why);
}

void check_text_round_trip(const struct document *document)
{
    static struct document again;
    struct document_error error = {.line = 0};

    struct text text = write_text(document);
    if (document_parse(text.bytes, text.length, stranger, &again, &error) != 0)
        found("what was written is refused: %u:%u: %s", error.line, error.column, error.what);
    const char *difference = first_difference(document, &again);
    if (difference != NULL)
        found("what was written comes back with another %s", difference);
    struct text second = write_text(&again);
    if (text.length != second.length || memcmp(text.bytes, second.bytes, text.length) != 0)
        found("what was written is written differently once it has been read");
    free(second.bytes);
    free(text.bytes);
}
