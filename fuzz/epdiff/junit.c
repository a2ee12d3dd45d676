/* JUnit XML. */
#include "fuzz/epdiff/junit.h"

#include "fuzz/epdiff/markup.h"

#include <errno.h>
#include <stdbool.h>

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
    markup_write_text(out, one->class_name);
    fputs("\" name=\"", out);
    markup_write_text(out, one->name);
    fputs("\">", out);
    if (one->result == JUNIT_FAILED) {
        fputs("<failure message=\"", out);
        markup_write_text(out, one->message);
        fputs("\">", out);
        markup_write_text(out, one->text);
        fputs("</failure>", out);
    } else if (one->result == JUNIT_SKIPPED) {
        fputs("<skipped message=\"", out);
        markup_write_text(out, one->message);
        fputs("\"/>", out);
    }
    if (one->output) {
        fputs("<system-out>", out);
        markup_write_text(out, one->output);
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
