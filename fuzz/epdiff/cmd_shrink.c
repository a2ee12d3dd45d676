/* epdiff shrink: the smallest program with the same signature. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/reduce.h"
#include "fuzz/epdiff/show.h"
#include "fuzz/program/parallel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: epdiff shrink FILE --subject S [-o FILE] [--contract C] [--watchdog MS]\n\n"
    "Drops steps, actors and slots of the program and simplifies its arguments while its "
    "divergence under S keeps\n"
    "the same signature. The result is written to stdout, or to the file of -o, with an "
    "expectation line.\n\n"
    "  --subject S    shim:POLICY[+BACKEND] or preload:PATH\n"
    "  -o FILE        where the result goes\n"
    "  --contract C   exact (default) or late-error\n"
    "  --metamorphic  the divergence that 'epdiff run --metamorphic' shows\n"
    "  --watchdog MS  how long an actor may be stuck inside the subject (default 1000)\n\n"
    "exit status: 0 shrunk, 1 the program does not diverge under S, 2 bad usage or malformed "
    "input, 3 the harness\n"
    "could not do its work\n";

struct shrink_command {
    struct cli_options cli;
    const char *output;
    struct document document;
    struct examiner *examiner;
};

static int parse_options(int argc, char **argv, struct shrink_command *command, bool *ret_help)
{
    static const struct option options[] = {{"subject", required_argument, NULL, CLI_SUBJECT},
                                            {"output", required_argument, NULL, 'o'},
                                            {"contract", required_argument, NULL, CLI_CONTRACT},
                                            {"metamorphic", no_argument, NULL, CLI_METAMORPHIC},
                                            {"watchdog", required_argument, NULL, CLI_WATCHDOG},
                                            CLI_HELP,
                                            {NULL, 0, NULL, 0}};
    struct cli_options *cli = &command->cli;
    int option, status = STATUS_OK;

    opterr = 0;
    while (status == STATUS_OK && (option = getopt_long(argc, argv, "ho:", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            command->output = optarg;
            break;
        case 'h':
            *ret_help = true;
            return STATUS_OK;
        default:
            status = cli_take_option("shrink", option, argv, cli);
            break;
        }
    }
    if (status == STATUS_OK && (argc - optind != 1 || cli->nsubjects != 1)) {
        cli_error("shrink", "expected one FILE and one --subject, not %d and %u", argc - optind,
                  cli->nsubjects);
        return STATUS_USAGE;
    }
    return status;
}

/* The smaller program is another one: what the file said of the old one's steps does not hold for
 * it. */
static void describe(struct document *document, const struct verdict *verdict, unsigned before)
{
    char origin[DOCUMENT_WORD_MAX + 1];
    unsigned after = document->program.nsteps;

    snprintf(document->comment, sizeof(document->comment), "%s\n", verdict->explanation);
    snprintf(document->hazard, sizeof(document->hazard), "%s", hazard_codes[verdict->hazard]);
    if (after == before)
        return;
    snprintf(origin, sizeof(origin), "%s", document->origin);
    /* Where it came from is more than how long it was. */
    if (snprintf(document->origin, sizeof(document->origin), "%s%s%u steps shrunk to %u", origin,
                 origin[0] ? ", " : "", before, after) >= (int)sizeof(document->origin))
        memcpy(document->origin, origin, sizeof(origin));
}

static int write_result(struct shrink_command *command, const struct verdict *verdict,
                        unsigned before)
{
    struct document *document = &command->document;

    describe(document, verdict, before);
    document->nexpects = 1;
    snprintf(document->expects[0].subject, sizeof(document->expects[0].subject), "%.*s",
             DOCUMENT_WORD_MAX, command->cli.subjects[0].name);
    snprintf(document->expects[0].verdict, sizeof(document->expects[0].verdict), "%s",
             verdict->signature);
    FILE *out = command->output ? fopen(command->output, "we") : stdout;
    if (!out) {
        cli_error("shrink", "-o %s cannot be written: %s", command->output, strerror(errno));
        return STATUS_HARNESS;
    }
    int err = document_write(document, out);
    if (out != stdout && fclose(out) != 0)
        err = -EIO;
    if (err) {
        cli_error("shrink", "%s cannot be written: %s",
                  command->output ? command->output : "stdout", strerror(-err));
        return STATUS_HARNESS;
    }
    return STATUS_OK;
}

static int shrink(struct shrink_command *command)
{
    struct program *program = &command->document.program;
    struct examination examination;
    char signature[SIGNATURE_MAX + 1];
    char why[EXECUTE_WHY_MAX + 1];
    int cpus[CLI_JOBS_MAX];
    unsigned before = program->nsteps;

    cli_list_cpus(cpus, CLI_JOBS_MAX);
    command->cli.examine.executor.cpu = cpus[0];
    int err =
        examiner_start(command->cli.subjects, 1, &command->cli.examine, &command->examiner, why);
    if (!err)
        err = examiner_inject(command->examiner, 0, command->document.inject, why);
    if (!err)
        err = examine_closely(command->examiner, program, 0, &examination, why);
    if (err)
        return cli_harness_error("shrink", err, why);
    if (examination.result != EXAMINED_DIVERGENT) {
        cli_error("shrink", "the program does not diverge under %s%s, so there is nothing to keep",
                  command->cli.subjects[0].name,
                  examination.result == EXAMINED_UNSTABLE ? " (two native runs of it differ)" : "");
        return STATUS_DIVERGED;
    }
    memcpy(signature, examination.verdict.signature, sizeof(signature));
    err = reduce_program(command->examiner, program, 0, signature, 0, why);
    if (!err)
        err = examine_closely(command->examiner, program, 0, &examination, why);
    if (err)
        return cli_harness_error("shrink", err, why);
    fprintf(stderr, "%s: %u steps shrunk to %u\n", signature, before, program->nsteps);
    return write_result(command, &examination.verdict, before);
}

int command_shrink(int argc, char **argv)
{
    bool help_wanted = false;
    struct shrink_command *command = calloc(1, sizeof(*command));
    if (!command) {
        cli_error("shrink", "out of memory");
        return STATUS_HARNESS;
    }
    int status = parse_options(argc, argv, command, &help_wanted);
    if (status == STATUS_OK && help_wanted) {
        fputs(help, stdout);
    } else if (status == STATUS_OK) {
        status = cli_read_document(argv[optind], &command->document);
        if (status == STATUS_OK && parallel_count(&command->document.program) > 0) {
            cli_error("shrink",
                      "%s has a parallel block, whose runs differ, expected a program "
                      "without: a violation has its smallest witness already",
                      argv[optind]);
            status = STATUS_USAGE;
        }
        cli_catch_interrupts();
        if (status == STATUS_OK)
            status = shrink(command);
    }
    examiner_stop(command->examiner);
    free(command);
    return status;
}
