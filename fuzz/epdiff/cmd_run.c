/* epdiff run: one program natively and under each subject, side by side. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/free.h"
#include "fuzz/epdiff/show.h"
#include "fuzz/program/parallel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: epdiff run FILE [--subject S]... [--contract C] [--strict-order] [--metamorphic] "
    "[--rounds N] "
    "[--json]\n\n"
    "Runs the program of FILE natively and under each subject and shows both sides, the first "
    "divergence, its\n"
    "class and hazard, and how often it came again in processes started for it.\n\n"
    "  --subject S       shim:POLICY[+BACKEND], preload:PATH or native; several are allowed. "
    "Without one: those\n"
    "                    that FILE has expectations for\n"
    "  --contract C      exact (default), or late-error: an error may surface at a later call on "
    "the same epoll fd\n"
    "  --strict-order    the order of events counts too\n"
    "  --rounds N        fresh runs of each side to confirm a divergence, or runs of a program "
    "with parallel\n"
    "                    blocks (default 5)\n"
    "  --metamorphic     compare each subject with itself: with flush points between the steps, "
    "and without\n"
    "  --watchdog MS     how long an actor may be stuck inside the subject (default 1000)\n"
    "  --vm[=debug]      in a virtual machine with the kernel module; =debug: with the debug "
    "kernel\n"
    "  --json            the same facts as JSON lines\n\n"
    "exit status: 0 all equal, 1 a divergence, 2 bad usage or malformed input, 3 the harness could "
    "not do its work\n";

struct run_command {
    struct cli_options cli;
    struct document document;
    uint64_t rounds;
    struct examiner *examiner;
    /* Traces of every subject, kept for the table; the examiner's own are overwritten by the next
     * subject. */
    struct trace *references[EXAMINE_SUBJECTS_MAX]; /* native, or the subject's with flush points */
    struct trace *traces[EXAMINE_SUBJECTS_MAX];
    struct examination examinations[EXAMINE_SUBJECTS_MAX];
    unsigned confirmed[EXAMINE_SUBJECTS_MAX];
};

static int parse_options(int argc, char **argv, struct run_command *command, bool *ret_help)
{
    static const struct option options[] = {{"subject", required_argument, NULL, CLI_SUBJECT},
                                            {"contract", required_argument, NULL, CLI_CONTRACT},
                                            {"strict-order", no_argument, NULL, CLI_STRICT_ORDER},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"metamorphic", no_argument, NULL, CLI_METAMORPHIC},
                                            {"watchdog", required_argument, NULL, CLI_WATCHDOG},
                                            {"json", no_argument, NULL, CLI_JSON},
                                            CLI_HELP,
                                            {NULL, 0, NULL, 0}};
    struct cli_options *cli = &command->cli;
    int option, status = STATUS_OK;

    opterr = 0;
    while (status == STATUS_OK && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'r':
            status = cli_parse_number("run", "--rounds", optarg, 1, 1000, &command->rounds);
            break;
        case 'h':
            *ret_help = true;
            return STATUS_OK;
        default:
            status = cli_take_option("run", option, argv, cli);
            break;
        }
    }
    if (status == STATUS_OK && argc - optind != 1) {
        cli_error("run", "expected one FILE, not %d", argc - optind);
        return STATUS_USAGE;
    }
    return status;
}

static int default_subjects(struct run_command *command)
{
    for (unsigned i = 0; i < command->document.nexpects; i++) {
        const char *subject = command->document.expects[i].subject;
        if (strcmp(subject, "native") == 0 || strcmp(subject, "model") == 0)
            continue;
        int status = cli_add_subject("run", &command->cli, subject);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static int examine_subject(struct run_command *command, unsigned index)
{
    struct examination *examination = &command->examinations[index];
    char why[EXECUTE_WHY_MAX + 1];

    int err = examiner_inject(command->examiner, index, command->document.inject, why);
    if (!err)
        err =
            examine_closely(command->examiner, &command->document.program, index, examination, why);
    if (err)
        return cli_harness_error("run", err, why);
    memcpy(command->references[index], examination->native, sizeof(*command->references[index]));
    memcpy(command->traces[index], examination->subject, sizeof(*command->traces[index]));
    if (examination->result != EXAMINED_DIVERGENT)
        return STATUS_OK;
    err = examine_confirm(command->examiner, &command->document.program, index,
                          examination->verdict.signature, (unsigned)command->rounds,
                          &command->confirmed[index], why);
    return err ? cli_harness_error("run", err, why) : STATUS_OK;
}

static void show_subject(const struct run_command *command, unsigned index)
{
    printf("\n");
    show_examination(stdout, command->cli.subjects[index].name, &command->examinations[index],
                     command->cli.examine.metamorphic, command->confirmed[index],
                     (unsigned)command->rounds);
}

static void show_human(const struct run_command *command)
{
    struct show_column columns[EXAMINE_SUBJECTS_MAX + 1];
    const struct program *program = &command->document.program;

    columns[0] = (struct show_column){.name = "native", .trace = command->references[0]};
    for (unsigned i = 0; i < command->cli.nsubjects; i++) {
        struct show_column *column = &columns[command->cli.examine.metamorphic ? 1 : i + 1];
        *column = (struct show_column){.name = command->cli.subjects[i].name,
                                       .trace = command->traces[i],
                                       .verdict = &command->examinations[i].verdict};
        if (!command->cli.examine.metamorphic)
            continue;
        /* Each subject has a measure of its own, so each has a table of its own. */
        columns[0] =
            (struct show_column){.name = "with flush points", .trace = command->references[i]};
        printf("%s", i > 0 ? "\n" : "");
        show_table(stdout, program, columns, 2);
        show_subject(command, i);
    }
    if (command->cli.examine.metamorphic)
        return;
    show_table(stdout, program, columns, command->cli.nsubjects + 1);
    for (unsigned i = 0; i < command->cli.nsubjects; i++)
        show_subject(command, i);
}

static const char *result_name(enum examine_result result)
{
    static const char *const names[] = {"equal", "order", "unstable", "divergent"};
    return names[result];
}

static int show_json(const struct run_command *command)
{
    for (unsigned i = 0; i < command->cli.nsubjects; i++) {
        const struct examination *examination = &command->examinations[i];
        json_t *line = json_pack(
            "{s:s, s:s, s:s, s:o, s:s, s:i, s:i, s:o, s:o}", "program", command->document.name,
            "subject", command->cli.subjects[i].name, "result", result_name(examination->result),
            "verdict", show_verdict_json(&examination->verdict), "model", examination->opinion,
            "reproduced", (int)command->confirmed[i], "rounds", (int)command->rounds,
            command->cli.examine.metamorphic ? "with_flush_points" : "native",
            show_trace_json(command->references[i]), "subject_trace",
            show_trace_json(command->traces[i]));
        if (show_json_line(line) != 0)
            return STATUS_HARNESS;
    }
    return STATUS_OK;
}

static int run_all(struct run_command *command)
{
    char why[EXECUTE_WHY_MAX + 1];
    int cpus[CLI_JOBS_MAX];
    int status = STATUS_OK;

    cli_list_cpus(cpus, CLI_JOBS_MAX);
    command->cli.examine.executor.cpu = cpus[0];
    int err = examiner_start(command->cli.subjects, command->cli.nsubjects, &command->cli.examine,
                             &command->examiner, why);
    if (err)
        return cli_harness_error("run", err, why);
    bool memory = true;
    for (unsigned i = 0; i < command->cli.nsubjects; i++) {
        command->references[i] = trace_new();
        command->traces[i] = trace_new();
        memory &= command->references[i] != NULL && command->traces[i] != NULL;
    }
    if (!memory) {
        cli_error("run", "out of memory");
        return STATUS_HARNESS;
    }
    for (unsigned i = 0; status == STATUS_OK && i < command->cli.nsubjects; i++)
        status = examine_subject(command, i);
    if (status != STATUS_OK)
        return status;
    if (command->cli.json)
        status = show_json(command);
    else
        show_human(command);
    for (unsigned i = 0; status == STATUS_OK && i < command->cli.nsubjects; i++) {
        if (command->examinations[i].result == EXAMINED_DIVERGENT)
            status = STATUS_DIVERGED;
    }
    return status;
}

int command_run(int argc, char **argv)
{
    bool help_wanted = false;
    struct run_command *command = calloc(1, sizeof(*command));
    if (!command) {
        cli_error("run", "out of memory");
        return STATUS_HARNESS;
    }
    command->rounds = EXAMINE_CONFIRMATIONS;
    int status = parse_options(argc, argv, command, &help_wanted);
    if (status == STATUS_OK && help_wanted) {
        fputs(help, stdout);
    } else if (status == STATUS_OK) {
        status = cli_read_document(argv[optind], &command->document);
        if (status == STATUS_OK && command->cli.nsubjects == 0)
            status = default_subjects(command);
        if (status == STATUS_OK && command->cli.nsubjects == 0)
            status = cli_add_subject("run", &command->cli, "native");
        cli_catch_interrupts();
        if (status == STATUS_OK && parallel_count(&command->document.program) > 0)
            status = free_run(&command->cli, &command->document, (unsigned)command->rounds);
        else if (status == STATUS_OK)
            status = run_all(command);
    }
    examiner_stop(command->examiner);
    for (unsigned i = 0; i < EXAMINE_SUBJECTS_MAX; i++) {
        trace_free(command->references[i]);
        trace_free(command->traces[i]);
    }
    free(command);
    return status;
}
