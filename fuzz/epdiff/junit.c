/* JUnit XML. */
#include "fuzz/epdiff/junit.h"

#include <errno.h>
#include <stdbool.h>

static void write_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            fputs("&amp;", out);
        else if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else if (c >= 0x20 || c == '\t' || c == '\n')
            fputc(c, out);
    }
}

int junit_check(const char *path)
{
    FILE *out = fopen(path, "we");

    if (!out)
        return -errno;
    return fclose(out) == 0 ? 0 : -errno;
}

FILE *junit_begin(const char *path, const char *suite, const struct junit_counts *counts)
{
    FILE *out = fopen(path, "we");

    if (!out)
        return NULL;
    fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    fprintf(out, "<testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\">\n", suite,
            counts->cases, counts->failed, counts->skipped);
    return out;
}

void junit_add(FILE *out, const struct junit_case *one)
{
    fputs("  <testcase classname=\"", out);
    write_escaped(out, one->class_name);
    fputs("\" name=\"", out);
    write_escaped(out, one->name);
    fputs("\">", out);
    if (one->result == JUNIT_FAILED) {
        fputs("<failure message=\"", out);
        write_escaped(out, one->message);
        fputs("\">", out);
        write_escaped(out, one->text);
        fputs("</failure>", out);
    } else if (one->result == JUNIT_SKIPPED) {
        fputs("<skipped message=\"", out);
        write_escaped(out, one->message);
        fputs("\"/>", out);
    }
    if (one->output) {
        fputs("<system-out>", out);
        write_escaped(out, one->output);
        fputs("</system-out>", out);
    }
    fputs("</testcase>\n", out);
}

int junit_end(FILE *out)
{
    fprintf(out, "</testsuite>\n");
    bool bad = ferror(out);
    return fclose(out) != 0 || bad ? -1 : 0;
}
