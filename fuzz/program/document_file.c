/* The text form of programs: files, and the writer. */
#include "fuzz/program/document.h"
#include "fuzz/program/parallel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_whole(const char *path, char **ret_text, size_t *ret_length)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    char *text = malloc(DOCUMENT_BYTES_MAX + 1);
    int err = text ? 0 : -ENOMEM;
    size_t length = 0;
    if (!err) {
        length = fread(text, 1, DOCUMENT_BYTES_MAX + 1, file);
        if (ferror(file))
            err = errno ? -errno : -EIO;
        else if (length > DOCUMENT_BYTES_MAX)
            err = -EFBIG;
    }
    fclose(file);
    if (err) {
        free(text);
        return err;
    }
    *ret_text = text;
    *ret_length = length;
    return 0;
}

int document_read(const char *path, struct document *ret_document, struct document_error *ret_error)
{
    char *text = NULL;
    size_t length = 0;

    int err = read_whole(path, &text, &length);
    if (err) {
        *ret_error = (struct document_error){.line = 0};
        snprintf(ret_error->what, sizeof(ret_error->what), "cannot be read: %s", strerror(-err));
        return err;
    }
    const char *slash = strrchr(path, '/');
    char name[DOCUMENT_WORD_MAX + 1];
    snprintf(name, sizeof(name), "%s", slash ? slash + 1 : path);
    char *ending = strrchr(name, '.');
    if (ending && ending != name)
        *ending = '\0';
    err = document_parse(text, length, name, ret_document, ret_error);
    free(text);
    return err;
}

static void write_comment(const struct document *document, FILE *out)
{
    const char *at = document->comment;

    while (*at) {
        const char *end = strchr(at, '\n');
        size_t length = end ? (size_t)(end - at) : strlen(at);
        fprintf(out, length ? "# %.*s\n" : "#%.*s\n", (int)length, at);
        at += length + (end != NULL);
    }
}

int document_write(const struct document *document, FILE *out)
{
    const struct program *program = &document->program;
    char text[1024];

    write_comment(document, out);
    if (document->name[0])
        fprintf(out, "name: %s\n", document->name);
    if (document->hazard[0])
        fprintf(out, "hazard: %s\n", document->hazard);
    if (document->origin[0])
        fprintf(out, "origin: %s\n", document->origin);
    if (document->requires[0])
        fprintf(out, "requires: %s\n", document->requires);
    if (document->inject[0])
        fprintf(out, "inject: %s\n", document->inject);
    for (unsigned i = 0; i < document->nexpects; i++)
        fprintf(out, "expect %s: %s\n", document->expects[i].subject, document->expects[i].verdict);
    fprintf(out, "\n");
    for (unsigned i = 0; i < program->nsteps; i++) {
        unsigned block = program->steps[i].block;
        if (block && (i == 0 || program->steps[i - 1].block != block))
            fprintf(out, "parallel {\n");
        step_print(program, i, text, sizeof(text));
        fprintf(out, "%s: %s\n", program->actors[program->steps[i].actor].name, text);
        if (block && parallel_end(program, i) == i + 1)
            fprintf(out, "}\n");
    }
    return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
