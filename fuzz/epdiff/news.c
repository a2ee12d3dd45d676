/* What a fuzzing run has to tell beside its new findings. */
#include "fuzz/epdiff/news.h"

#include "fuzz/epdiff/junit.h"
#include "fuzz/epdiff/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int news_start(struct news_options *options)
{
    char why[KNOWN_WHY_MAX + 1];

    if (options->known_path && known_read(options->known_path, &options->known, why) != 0) {
        fprintf(stderr, "%s\n", why);
        return STATUS_USAGE;
    }
    int err = options->junit ? junit_check(options->junit) : 0;
    if (err) {
        cli_error("fuzz", "--junit %s cannot be written: %s", options->junit, strerror(-err));
        return STATUS_HARNESS;
    }
    return STATUS_OK;
}

static int show_known_json(const struct cli_options *cli, const struct news *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!list[i].known)
            continue;
        json_t *line = json_pack("{s:s, s:s, s:I}", "subject", cli->subjects[list[i].subject].name,
                                 "known", list[i].signature, "count", (json_int_t)list[i].count);
        if (show_json_line(line) != 0)
            return STATUS_HARNESS;
    }
    return STATUS_OK;
}

/* "SUBJECT SIGNATURE (N), ..." of those that are known or are not, or NULL without memory. The
 * caller frees it. */
static char *list_known(const struct cli_options *cli, const struct news *list, size_t count)
{
    char *text = NULL;
    size_t size;
    const char *comma = "";
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (!list[i].known)
            continue;
        fprintf(out, "%s%s %s (%" PRIu64 ")", comma, cli->subjects[list[i].subject].name,
                list[i].signature, list[i].count);
        comma = ", ";
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

int news_show_known(const struct cli_options *cli, const struct news_options *options,
                    const struct news *list, size_t count)
{
    size_t met = 0;

    if (!options->known_path)
        return STATUS_OK;
    if (cli->json)
        return show_known_json(cli, list, count);
    for (size_t i = 0; i < count; i++)
        met += list[i].known;
    if (met == 0) {
        printf("No signature that %s lists was met.\n", options->known_path);
        return STATUS_OK;
    }
    char *text = list_known(cli, list, count);
    if (!text) {
        cli_error("fuzz", "out of memory");
        return STATUS_HARNESS;
    }
    printf("%zu signature%s that %s lists %s met, with the number of programs:\n", met,
           met == 1 ? "" : "s", options->known_path, met == 1 ? "was" : "were");
    show_wrapped(stdout, text, 118, "  ");
    free(text);
    return STATUS_OK;
}

/* The new, or the known findings of one subject, one under the other. The caller frees it. NULL if
 * there are none, or no memory. */
static char *tell(const struct news *list, size_t count, unsigned subject, bool known,
                  size_t *ret_told)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    *ret_told = 0;
    for (size_t i = 0; out && i < count; i++) {
        if (list[i].subject != subject || list[i].known != known)
            continue;
        if (known)
            fprintf(out, "known: %s, seen in %" PRIu64 "\n", list[i].signature, list[i].count);
        else
            fprintf(out, "%s, seen in %" PRIu64 "\n%s\n", list[i].signature, list[i].count,
                    list[i].text);
        (*ret_told)++;
    }
    if (out && fclose(out) == 0 && *ret_told > 0)
        return text;
    free(text);
    return NULL;
}

static void add_subject(FILE *out, const struct cli_options *cli, unsigned subject,
                        const struct news *list, size_t count)
{
    size_t fresh, old;
    char message[64];
    char *text = tell(list, count, subject, false, &fresh);
    char *output = tell(list, count, subject, true, &old);

    snprintf(message, sizeof(message), "%zu new signature%s", fresh, fresh == 1 ? "" : "s");
    const struct junit_case one = {.class_name = "epdiff fuzz",
                                   .name = cli->subjects[subject].name,
                                   .result = fresh ? JUNIT_FAILED : JUNIT_PASSED,
                                   .message = message,
                                   .text = text ? text : "",
                                   .output = output};
    junit_add(out, &one);
    free(text);
    free(output);
}

int news_write_junit(const struct cli_options *cli, const struct news_options *options,
                     const struct news *list, size_t count)
{
    bool failed[EXAMINE_SUBJECTS_MAX] = {false};
    struct junit_counts counts = {.cases = cli->nsubjects};

    if (!options->junit)
        return STATUS_OK;
    for (size_t i = 0; i < count; i++)
        failed[list[i].subject] |= !list[i].known;
    for (unsigned s = 0; s < cli->nsubjects; s++)
        counts.failed += failed[s];
    FILE *out = junit_begin(options->junit, "epdiff fuzz", &counts);
    for (unsigned s = 0; out && s < cli->nsubjects; s++)
        add_subject(out, cli, s, list, count);
    if (out && junit_end(out) == 0)
        return STATUS_OK;
    cli_error("fuzz", "--junit %s cannot be written: %s", options->junit, strerror(errno));
    return STATUS_HARNESS;
}
