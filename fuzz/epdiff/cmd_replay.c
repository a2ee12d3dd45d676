/* epdiff replay: programs against their expectations. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/files.h"
#include "fuzz/epdiff/replay.h"
#include "fuzz/epdiff/requires.h"
#include "fuzz/epdiff/show.h"
#include "fuzz/epdiff/status.h"
#include "fuzz/epdiff/workers.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: epdiff replay PATH... [--subject S]... [-j N] [--junit FILE] [--json] [-v]\n\n"
    "Runs programs (files, or every .epd file of a folder and below) and compares each verdict "
    "with the\n"
    "expectation that the file states for the subject.\n\n"
    "  --subject S            only these subjects; a file that expects nothing of one is skipped "
    "for it. Without\n"
    "                         any: every subject that some file names\n"
    "  --expect-signature S   instead of the files' own expectations: this verdict, for every file "
    "and subject\n"
    "  --contract C           exact (default) or late-error\n"
    "  --metamorphic          compare each subject with itself, with and without flush points; "
    "only "
    "with\n"
    "                         --expect-signature. A file whose expectation begins with "
    "metamorphic/ "
    "is always\n"
    "                         judged so\n"
    "  --watchdog MS          how long an actor may be stuck inside the subject (default 1000)\n"
    "  --vm[=debug]           in a virtual machine with the kernel module; =debug: with the debug "
    "kernel\n"
    "  -j N                   workers (default: one a CPU)\n"
    "  --junit FILE           the results as JUnit XML too\n"
    "  --json                 one JSON line a check instead of text\n"
    "  -v                     a line for each check that holds, too\n\n"
    "exit status: 0 every expectation held, 1 one failed, 2 bad usage or malformed input, 3 the "
    "harness could not\n"
    "do its work\n";

struct replay_command {
    struct cli_options cli;
    struct file_list files;
    struct replay replay;
    const char *junit;
    const char *signature;
    bool verbose;
    bool malformed;
};

static int parse_options(int argc, char **argv, struct replay_command *command, bool *ret_help)
{
    static const struct option options[] = {{"subject", required_argument, NULL, CLI_SUBJECT},
                                            {"expect-signature", required_argument, NULL, 'e'},
                                            {"contract", required_argument, NULL, CLI_CONTRACT},
                                            {"metamorphic", no_argument, NULL, CLI_METAMORPHIC},
                                            {"watchdog", required_argument, NULL, CLI_WATCHDOG},
                                            {"junit", required_argument, NULL, 'u'},
                                            {"json", no_argument, NULL, CLI_JSON},
                                            CLI_HELP,
                                            {NULL, 0, NULL, 0}};
    struct cli_options *cli = &command->cli;
    char why[256];
    int option, status = STATUS_OK;

    opterr = 0;
    while (status == STATUS_OK && (option = getopt_long(argc, argv, "hj:v", options, NULL)) != -1) {
        switch (option) {
        case 'e':
            command->signature = optarg;
            if (verdict_check_expectation(optarg, why, sizeof(why)) != 0) {
                cli_error("replay", "--expect-signature %s: %s", optarg, why);
                status = STATUS_USAGE;
            }
            break;
        case 'u':
            command->junit = optarg;
            break;
        case 'v':
            command->verbose = true;
            break;
        case 'h':
            *ret_help = true;
            return STATUS_OK;
        default:
            status = cli_take_option("replay", option, argv, cli);
            break;
        }
    }
    if (status == STATUS_OK && cli->examine.metamorphic && !command->signature) {
        cli_error("replay", "--metamorphic needs --expect-signature: what files expect is about "
                            "comparisons with native");
        return STATUS_USAGE;
    }
    if (status == STATUS_OK && optind == argc) {
        cli_error("replay", "expected at least one PATH");
        return STATUS_USAGE;
    }
    return status;
}

static int collect_files(int argc, char **argv, struct replay_command *command)
{
    char bad[PATH_MAX];

    for (int i = optind; i < argc; i++) {
        int err = files_collect(&command->files, argv[i], bad, sizeof(bad));
        if (err) {
            cli_error("replay", "%s: cannot be read: %s", bad, strerror(-err));
            return STATUS_USAGE;
        }
    }
    files_sort(&command->files);
    if (command->files.count == 0) {
        cli_error("replay", "there is no .epd file in what was given");
        return STATUS_USAGE;
    }
    return STATUS_OK;
}

/* Reads every file; a malformed one is named and left out, and the status remembers it. */
static int read_documents(struct replay_command *command)
{
    struct replay *replay = &command->replay;

    replay->programs = calloc(command->files.count, sizeof(*replay->programs));
    if (!replay->programs) {
        cli_error("replay", "out of memory");
        return STATUS_HARNESS;
    }
    for (size_t i = 0; i < command->files.count; i++) {
        struct replay_program *program = &replay->programs[replay->nprograms];
        program->path = command->files.paths[i];
        program->document = malloc(sizeof(*program->document));
        if (!program->document) {
            cli_error("replay", "out of memory");
            return STATUS_HARNESS;
        }
        if (cli_read_document(program->path, program->document) == STATUS_OK) {
            replay->nprograms++;
            continue;
        }
        free(program->document);
        program->document = NULL;
        command->malformed = true;
    }
    return STATUS_OK;
}

static int check_expectations(struct replay_command *command)
{
    char why[256];

    for (size_t i = 0; i < command->replay.nprograms; i++) {
        const struct replay_program *program = &command->replay.programs[i];
        for (unsigned e = 0; e < program->document->nexpects; e++) {
            const struct document_expect *expect = &program->document->expects[e];
            if (verdict_check_expectation(expect->verdict, why, sizeof(why)) == 0)
                continue;
            fprintf(stderr, "%s:%u:1: %s\n", program->path, expect->line, why);
            command->malformed = true;
            return STATUS_USAGE;
        }
    }
    return STATUS_OK;
}

/* Without --subject: native, and whatever the files that can run here expect something of. */
static int default_subjects(struct replay_command *command)
{
    struct cli_options *cli = &command->cli;
    int status = cli_add_subject("replay", cli, "native");

    for (size_t i = 0; status == STATUS_OK && i < command->replay.nprograms; i++) {
        const struct document *document = command->replay.programs[i].document;
        char why[EXECUTE_WHY_MAX + 1];
        if (!requires_are_met(document->requires, why, sizeof(why)))
            continue;
        for (unsigned e = 0; status == STATUS_OK && e < document->nexpects; e++) {
            bool known = false;
            for (unsigned s = 0; s < cli->nsubjects; s++)
                known |= subject_matches(&cli->subjects[s], document->expects[e].subject);
            if (!known)
                status = cli_add_subject("replay", cli, document->expects[e].subject);
        }
    }
    return status;
}

static void print_failure(const struct replay_check *check)
{
    printf("FAIL %s: %s: expected %s, got %s\n", check->program->path, check->subject->name,
           check->expected, check->got);
    if (check->explanation[0])
        show_wrapped(stdout, check->explanation, 118, "     ");
}

static int print_checks(const struct replay_command *command)
{
    static const char *const names[] = {"not-run", "passed", "failed", "skipped"};

    for (size_t i = 0; i < command->replay.nchecks; i++) {
        const struct replay_check *check = &command->replay.checks[i];
        if (command->cli.json) {
            json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "program",
                                     check->program->path, "subject", check->subject->name,
                                     "result", names[check->result], "expected", check->expected,
                                     "got", check->got, "explanation", check->explanation);
            if (show_json_line(line) != 0)
                return STATUS_HARNESS;
        } else if (check->result == REPLAY_FAILED) {
            print_failure(check);
        } else if (command->verbose && check->result == REPLAY_PASSED) {
            printf("ok   %s: %s: %s\n", check->program->path, check->subject->name, check->got);
        } else if (command->verbose && check->result == REPLAY_SKIPPED) {
            printf("skip %s: %s: %s\n", check->program->path, check->subject->name, check->got);
        }
    }
    return STATUS_OK;
}

static int print_summary(const struct replay_command *command)
{
    size_t counts[4] = {0};

    for (size_t i = 0; i < command->replay.nchecks; i++)
        counts[command->replay.checks[i].result]++;
    if (command->cli.json)
        return show_json_line(json_pack(
                   "{s:I, s:I, s:I, s:I, s:I}", "programs", (json_int_t)command->replay.nprograms,
                   "checks", (json_int_t)command->replay.nchecks, "passed",
                   (json_int_t)counts[REPLAY_PASSED], "failed", (json_int_t)counts[REPLAY_FAILED],
                   "skipped", (json_int_t)counts[REPLAY_SKIPPED]))
                   ? STATUS_HARNESS
                   : STATUS_OK;
    printf("programs=%zu checks=%zu passed=%zu failed=%zu skipped=%zu subjects=",
           command->replay.nprograms, command->replay.nchecks, counts[REPLAY_PASSED],
           counts[REPLAY_FAILED], counts[REPLAY_SKIPPED]);
    for (unsigned s = 0; s < command->cli.nsubjects; s++)
        printf("%s%s", s ? "," : "", command->cli.subjects[s].name);
    printf("\n%zu passed, %zu failed", counts[REPLAY_PASSED], counts[REPLAY_FAILED]);
    if (counts[REPLAY_SKIPPED])
        printf(", %zu skipped", counts[REPLAY_SKIPPED]);
    printf("\n");
    return STATUS_OK;
}

static int run_checks(struct replay_command *command)
{
    struct replay *replay = &command->replay;
    char why[EXECUTE_WHY_MAX + 1] = "";
    unsigned jobs = command->cli.jobs ? command->cli.jobs : workers_default();

    cli_catch_interrupts();
    if (jobs > replay->nchecks)
        jobs = replay->nchecks ? (unsigned)replay->nchecks : 1;
    int err = workers_run(&command->cli, jobs, replay_work, replay, why);
    status_clear();
    int status = err ? cli_harness_error("replay", err, why) : STATUS_OK;
    if (status == STATUS_OK && cli_interrupted())
        status = cli_harness_error("replay", -EINTR, "");
    int printed = print_checks(command);
    if (command->junit && replay_write_junit(replay, command->junit) != 0) {
        cli_error("replay", "--junit %s cannot be written: %s", command->junit, strerror(errno));
        printed = STATUS_HARNESS;
    }
    if (print_summary(command) != STATUS_OK)
        printed = STATUS_HARNESS;
    if (status == STATUS_OK)
        status = printed;
    for (size_t i = 0; status == STATUS_OK && i < replay->nchecks; i++) {
        if (replay->checks[i].result == REPLAY_FAILED)
            status = STATUS_DIVERGED;
    }
    return status == STATUS_OK && command->malformed ? STATUS_USAGE : status;
}

static int replay(int argc, char **argv, struct replay_command *command)
{
    int status = collect_files(argc, argv, command);
    if (status == STATUS_OK)
        status = read_documents(command);
    if (status == STATUS_OK)
        status = check_expectations(command);
    if (status == STATUS_OK && command->cli.nsubjects == 0)
        status = default_subjects(command);
    if (status == STATUS_OK &&
        replay_plan(&command->replay, &command->cli, command->signature) != 0) {
        cli_error("replay", "out of memory");
        status = STATUS_HARNESS;
    }
    return status == STATUS_OK ? run_checks(command) : status;
}

int command_replay(int argc, char **argv)
{
    bool help_wanted = false;
    struct replay_command *command = calloc(1, sizeof(*command));
    if (!command) {
        cli_error("replay", "out of memory");
        return STATUS_HARNESS;
    }
    int status = parse_options(argc, argv, command, &help_wanted);
    if (status == STATUS_OK && help_wanted) {
        fputs(help, stdout);
    } else if (status == STATUS_OK) {
        status = replay(argc, argv, command);
    }
    replay_free(&command->replay);
    files_free(&command->files);
    free(command);
    return status;
}
