/* epdiff known: which findings a known list names. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/files.h"
#include "fuzz/epdiff/free.h"
#include "fuzz/epdiff/known.h"
#include "fuzz/epdiff/show.h"
#include "fuzz/program/parallel.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: epdiff known LIST [PATH...] [--json]\n\n"
    "Reads a known list, and says of each divergence that the programs of PATH (files, or every "
    ".epd file of a folder\n"
    "and below) expect whether LIST names it: 'new' or 'known', the subject, the signature, the "
    "number of steps and\n"
    "the file. Nothing is run. Without PATH the list is only checked.\n\n"
    "  --json    a JSON line each, with origin and explanation\n\n"
    "exit status: 0 all of them are known, 1 one is new, 2 bad usage or malformed input\n";

struct known_command {
    struct cli_options cli;
    struct file_list files;
    struct known *known;
    bool fresh, malformed;
};

static int tell_divergence(struct known_command *command, const char *path,
                           const struct document *document, const char *subject_name,
                           const char *signature)
{
    struct subject subject;
    char why[SUBJECT_WHY_MAX + 1];
    unsigned steps = document->program.nsteps;

    if (subject_parse(subject_name, &subject, why, sizeof(why)) != 0) {
        fprintf(stderr, "%s: %s\n", path, why);
        command->malformed = true;
        return STATUS_OK;
    }
    bool known = known_lists(command->known, &subject, signature);
    command->fresh |= !known;
    if (command->cli.json)
        return show_json_line(json_pack("{s:b, s:s, s:s, s:i, s:s, s:s, s:s, s:b}", "known", known,
                                        "subject", subject.name, "signature", signature, "steps",
                                        (int)steps, "file", path, "origin", document->origin,
                                        "explanation", document->comment, "parallel",
                                        parallel_count(&document->program) > 0))
                   ? STATUS_HARNESS
                   : STATUS_OK;
    printf("%-5s %s %s %u %s\n", known ? "known" : "new", subject.name, signature, steps, path);
    return STATUS_OK;
}

static int tell_file(struct known_command *command, const char *path,
                     const struct document *document)
{
    char subject[DOCUMENT_COMMENT_MAX + 1], signature[DOCUMENT_COMMENT_MAX + 1];
    int status = STATUS_OK;

    if (free_read_seen(document->comment, subject, signature))
        return tell_divergence(command, path, document, subject, signature);
    for (unsigned e = 0; status == STATUS_OK && e < document->nexpects; e++) {
        const struct document_expect *expect = &document->expects[e];
        if (strcmp(expect->verdict, "equal") != 0)
            status = tell_divergence(command, path, document, expect->subject, expect->verdict);
    }
    return status;
}

static int tell(struct known_command *command)
{
    struct document *document = malloc(sizeof(*document));
    int status = document ? STATUS_OK : STATUS_HARNESS;

    if (!document)
        cli_error("known", "out of memory");
    for (size_t i = 0; status == STATUS_OK && i < command->files.count; i++) {
        if (cli_read_document(command->files.paths[i], document) == STATUS_OK)
            status = tell_file(command, command->files.paths[i], document);
        else
            command->malformed = true;
    }
    free(document);
    if (status != STATUS_OK)
        return status;
    if (command->malformed)
        return STATUS_USAGE;
    return command->fresh ? STATUS_DIVERGED : STATUS_OK;
}

static int read_list(int argc, char **argv, struct known_command *command)
{
    char why[KNOWN_WHY_MAX + 1], bad[PATH_MAX];

    if (optind == argc) {
        cli_error("known", "expected a LIST");
        return STATUS_USAGE;
    }
    if (known_read(argv[optind], &command->known, why) != 0) {
        fprintf(stderr, "%s\n", why);
        return STATUS_USAGE;
    }
    for (int i = optind + 1; i < argc; i++) {
        int err = files_collect(&command->files, argv[i], bad, sizeof(bad));
        if (err) {
            cli_error("known", "%s: cannot be read: %s", bad, strerror(-err));
            return STATUS_USAGE;
        }
    }
    files_sort(&command->files);
    return STATUS_OK;
}

int command_known(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, CLI_JSON}, CLI_HELP, {NULL, 0, NULL, 0}};
    struct known_command command = {.known = NULL};
    int option, status = STATUS_OK;

    opterr = 0;
    while (status == STATUS_OK && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return STATUS_OK;
        }
        status = cli_take_option("known", option, argv, &command.cli);
    }
    if (status == STATUS_OK)
        status = read_list(argc, argv, &command);
    if (status == STATUS_OK)
        status = tell(&command);
    known_free(command.known);
    files_free(&command.files);
    return status;
}
