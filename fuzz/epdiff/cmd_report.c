/* epdiff report: findings for people, as one HTML file. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/files.h"
#include "fuzz/epdiff/markup.h"
#include "fuzz/epdiff/requires.h"
#include "fuzz/epdiff/show.h"
#include "fuzz/epdiff/status.h"
#include "fuzz/program/parallel.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: epdiff report PATH... -o FILE.html [--rounds N] [--watchdog MS]\n\n"
    "Findings for people: every program of PATH (files, or every .epd file of a folder and below) "
    "that expects a\n"
    "divergence is run again, and shown with the runs side by side, what went wrong and why, and "
    "its text. What\n"
    "does not show again, or cannot be run here, is there, too, and says so. One HTML file that "
    "needs no other.\n\n"
    "  -o, --output FILE  where the report goes\n"
    "  --rounds N         fresh runs of each side to confirm a divergence (default 5)\n"
    "  --watchdog MS      how long an actor may be stuck inside the subject (default 1000)\n\n"
    "exit status: 0 the report is written, whatever is in it; 2 bad usage or malformed input, 3 "
    "the harness could\n"
    "not do its work\n";

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>epdiff: findings</title>\n<style>\n"
    "body { font: 16px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 "
    "1em; color: #1b1b1b; background: #fff }\n"
    "pre { font: 13px/1.4 ui-monospace, monospace; background: #f4f4f2; padding: .8em; "
    "overflow-x: auto; border-radius: 4px }\n"
    "code { font: 14px ui-monospace, monospace }\n"
    "table { border-collapse: collapse } td, th { text-align: left; padding: .2em 1em .2em 0; "
    "vertical-align: top }\n"
    "section { border-top: 1px solid #ccc; margin-top: 2em }\n"
    ".gone { color: #9a5b00 }\n"
    "@media (prefers-color-scheme: dark) { body { color: #e6e6e6; background: #1c1c1e } "
    "pre { background: #2a2a2d } .gone { color: #ffb454 } a { color: #8ab4ff } }\n"
    "</style>\n</head>\n<body>\n";

struct report_command {
    struct cli_options cli;
    struct file_list files;
    const char *output;
    uint64_t rounds;
    unsigned shown, left_out; /* findings; files that expect no divergence */
    bool malformed;
};

static int parse_options(int argc, char **argv, struct report_command *command, bool *ret_help)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"watchdog", required_argument, NULL, CLI_WATCHDOG},
                                            CLI_HELP,
                                            {NULL, 0, NULL, 0}};
    int option, status = STATUS_OK;

    opterr = 0;
    while (status == STATUS_OK && (option = getopt_long(argc, argv, "ho:", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            command->output = optarg;
            break;
        case 'r':
            status = cli_parse_number("report", "--rounds", optarg, 1, 1000, &command->rounds);
            break;
        case 'h':
            *ret_help = true;
            return STATUS_OK;
        default:
            status = cli_take_option("report", option, argv, &command->cli);
            break;
        }
    }
    if (status == STATUS_OK && (optind == argc || !command->output)) {
        cli_error("report", "expected at least one PATH, and -o FILE.html");
        return STATUS_USAGE;
    }
    return status;
}

static int collect_files(int argc, char **argv, struct report_command *command)
{
    char bad[PATH_MAX];

    for (int i = optind; i < argc; i++) {
        int err = files_collect(&command->files, argv[i], bad, sizeof(bad));
        if (err) {
            cli_error("report", "%s: cannot be read: %s", bad, strerror(-err));
            return STATUS_USAGE;
        }
    }
    files_sort(&command->files);
    return STATUS_OK;
}

/* Writes what a printf would write, as text. */
__attribute__((format(printf, 2, 3))) static void write_text(FILE *out, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    markup_write_text(out, text);
    free(text);
}

/* What could not be looked at again; the words of the finding itself have to do. */
static void write_comment(FILE *out, const struct document *document, const char *why)
{
    fputs("<p class=\"gone\">", out);
    write_text(out, "Not run for this report: %s", why);
    fputs("</p>\n<p>", out);
    write_text(out, "%s", document->comment);
    fputs("</p>\n", out);
}

/* The recorded run of a program whose actors run free: the file beside it. */
static void write_history(FILE *out, const char *path)
{
    char beside[PATH_MAX], line[4096];

    snprintf(beside, sizeof(beside), "%.*s.history", (int)(strlen(path) - strlen(".epd")), path);
    FILE *in = fopen(beside, "re");
    if (!in) {
        fputs("<p class=\"gone\">", out);
        write_text(out, "Its recorded run, %s, cannot be read: %s", beside, strerror(errno));
        fputs("</p>\n", out);
        return;
    }
    fputs("<p>Its actors run free, so not every run shows it. The run that did, which is proof by "
          "itself:</p>\n<pre>",
          out);
    while (fgets(line, sizeof(line), in))
        markup_write_text(out, line);
    fputs("</pre>\n", out);
    fclose(in);
}

static void write_table(FILE *out, const struct report_command *command,
                        const struct document *document, const struct subject *subject,
                        const struct examination *examination, unsigned confirmed, bool metamorphic)
{
    const struct show_column columns[] = {
        {.name = metamorphic ? "with flush points" : "native", .trace = examination->native},
        {.name = subject->name, .trace = examination->subject, .verdict = &examination->verdict}};
    char *text = NULL;
    size_t size;

    FILE *table = open_memstream(&text, &size);
    if (!table)
        return;
    show_table(table, &document->program, columns, 2);
    fputc('\n', table);
    show_examination(table, subject->name, examination, metamorphic, confirmed,
                     (unsigned)command->rounds);
    if (fclose(table) == 0) {
        fputs("<pre>", out);
        markup_write_text(out, text);
        fputs("</pre>\n", out);
    }
    free(text);
}

/* Runs the finding again. Returns 0, -EINTR, or another negative errno with one line in *ret_why.
 */
static int write_runs(FILE *out, const struct report_command *command,
                      const struct document *document, const struct document_expect *expect,
                      char *ret_why)
{
    bool metamorphic = signature_is_metamorphic(expect->verdict);
    struct examine_options options = command->cli.examine;
    struct examination examination;
    struct examiner *examiner = NULL;
    struct subject subject;
    unsigned confirmed = 0;
    int cpus[CLI_JOBS_MAX];

    if (!requires_are_met(document->requires, ret_why, EXECUTE_WHY_MAX + 1))
        return -EOPNOTSUPP;
    int err = subject_parse(expect->subject, &subject, ret_why, EXECUTE_WHY_MAX + 1);
    if (err)
        return err;
    cli_list_cpus(cpus, CLI_JOBS_MAX);
    options.executor.cpu = cpus[0];
    options.metamorphic = metamorphic;
    options.judge.strict_order = strncmp(expect->verdict, "order/", strlen("order/")) == 0;
    err = examiner_start(&subject, 1, &options, &examiner, ret_why);
    if (!err)
        err = examiner_inject(examiner, 0, document->inject, ret_why);
    if (!err)
        err = examine_closely(examiner, &document->program, 0, &examination, ret_why);
    /* The traces are the examiner's until its next use, so the confirmation has one of its own. */
    struct examiner *second = NULL;
    if (!err && examination.result == EXAMINED_DIVERGENT)
        err = examiner_start(&subject, 1, &options, &second, ret_why);
    if (!err && second)
        err = examiner_inject(second, 0, document->inject, ret_why);
    if (!err && second)
        err = examine_confirm(second, &document->program, 0, examination.verdict.signature,
                              (unsigned)command->rounds, &confirmed, ret_why);
    if (!err && examination.result != EXAMINED_DIVERGENT)
        fputs("<p class=\"gone\">It does not show again.</p>\n", out);
    if (!err)
        write_table(out, command, document, &subject, &examination, confirmed, metamorphic);
    examiner_stop(second);
    examiner_stop(examiner);
    return err;
}

static void write_program(FILE *out, const struct document *document)
{
    char *text = NULL;
    size_t size;

    FILE *file = open_memstream(&text, &size);
    if (!file)
        return;
    int err = document_write(document, file);
    if (fclose(file) == 0 && !err) {
        fputs("<details><summary>The program</summary>\n<pre>", out);
        markup_write_text(out, text);
        fputs("</pre></details>\n", out);
    }
    free(text);
}

/* One finding. Returns 0 or -EINTR. */
static int write_finding(FILE *out, struct report_command *command, const char *path,
                         const struct document *document, const struct document_expect *expect)
{
    char why[EXECUTE_WHY_MAX + 1] = "";
    bool free_running = parallel_count(&document->program) > 0;
    int err = 0;

    command->shown++;
    fprintf(out, "<section id=\"finding-%u\">\n<h2><code>", command->shown);
    write_text(out, "%s", expect ? expect->verdict : document->name);
    fputs("</code></h2>\n<p>", out);
    if (expect)
        write_text(out, "Subject %s. ", expect->subject);
    fputs("<code>", out);
    write_text(out, "epdiff run%s %s",
               expect && signature_is_metamorphic(expect->verdict) ? " --metamorphic" : "", path);
    fputs("</code></p>\n", out);
    if (free_running)
        write_history(out, path);
    else
        err = write_runs(out, command, document, expect, why);
    if (err)
        write_comment(out, document, err == -EINTR ? "interrupted" : why);
    write_program(out, document);
    fputs("</section>\n", out);
    return err == -EINTR ? err : 0;
}

/* Every divergence that the file expects. Returns 0 or -EINTR. */
static int write_file(FILE *out, struct report_command *command, const char *path,
                      const struct document *document)
{
    bool any = false;
    int err = 0;

    /* Without an expectation, what runs free is a finding: it has none, for it need not come. */
    if (document->nexpects == 0 && parallel_count(&document->program) > 0)
        return write_finding(out, command, path, document, NULL);
    for (unsigned e = 0; !err && e < document->nexpects; e++) {
        if (strcmp(document->expects[e].verdict, "equal") == 0)
            continue;
        any = true;
        err = write_finding(out, command, path, document, &document->expects[e]);
    }
    command->left_out += !any;
    return err;
}

static int write_report(FILE *out, struct report_command *command)
{
    struct document *document = malloc(sizeof(*document));
    int err = 0;

    if (!document) {
        cli_error("report", "out of memory");
        return STATUS_HARNESS;
    }
    fputs(head, out);
    fputs("<h1>epdiff: findings</h1>\n<p>Each was run again for this report. <code>&gt;</code> "
          "marks the first step that differs; what follows it is consequence.</p>\n",
          out);
    for (size_t i = 0; !err && i < command->files.count; i++) {
        const char *path = command->files.paths[i];
        status_show("report: %zu of %zu, %s", i + 1, command->files.count, path);
        if (cli_interrupted())
            err = -EINTR;
        else if (cli_read_document(path, document) == STATUS_OK)
            err = write_file(out, command, path, document);
        else
            command->malformed = true;
    }
    status_clear();
    free(document);
    fprintf(out,
            "<p>%u finding%s, of %zu file%s; %u expect%s no divergence.%s</p>\n</body>\n</html>\n",
            command->shown, command->shown == 1 ? "" : "s", command->files.count,
            command->files.count == 1 ? "" : "s", command->left_out,
            command->left_out == 1 ? "s" : "", err ? " Interrupted: this is not all of it." : "");
    return err ? cli_harness_error("report", err, "") : STATUS_OK;
}

static int report(struct report_command *command)
{
    FILE *out = fopen(command->output, "we");

    if (!out) {
        cli_error("report", "-o %s cannot be written: %s", command->output, strerror(errno));
        return STATUS_HARNESS;
    }
    cli_catch_interrupts();
    int status = write_report(out, command);
    bool bad = ferror(out);
    if (fclose(out) != 0 || bad) {
        cli_error("report", "-o %s cannot be written: %s", command->output, strerror(errno));
        return STATUS_HARNESS;
    }
    printf("findings=%u files=%zu\n", command->shown, command->files.count);
    return status == STATUS_OK && command->malformed ? STATUS_USAGE : status;
}

int command_report(int argc, char **argv)
{
    struct report_command command = {.rounds = EXAMINE_CONFIRMATIONS};
    bool help_wanted = false;

    int status = parse_options(argc, argv, &command, &help_wanted);
    if (status == STATUS_OK && help_wanted) {
        fputs(help, stdout);
    } else if (status == STATUS_OK) {
        status = collect_files(argc, argv, &command);
        if (status == STATUS_OK)
            status = report(&command);
    }
    files_free(&command.files);
    return status;
}
