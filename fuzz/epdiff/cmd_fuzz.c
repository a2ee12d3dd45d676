/* epdiff fuzz: generate, compare, confirm, shrink, save. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/findings.h"
#include "fuzz/epdiff/free.h"
#include "fuzz/epdiff/kinds.h"
#include "fuzz/epdiff/news.h"
#include "fuzz/epdiff/reduce.h"
#include "fuzz/epdiff/show.h"
#include "fuzz/epdiff/status.h"
#include "fuzz/epdiff/summary.h"
#include "fuzz/epdiff/workers.h"
#include "fuzz/generate/generate.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: epdiff fuzz [--subject S]... [--time SEC | --runs N] [--seed N] [-j N] [--out DIR] "
    "[--parallel]\n\n"
    "Generates programs, runs each natively and under every subject, and reports the signatures of "
    "divergences:\n"
    "each confirmed in fresh processes, shrunk, and saved as DIR/SUBJECT/SIGNATURE.epd.\n\n"
    "  --subject S     shim:POLICY[+BACKEND], preload:PATH or native (A/A); several are allowed "
    "(default: native)\n"
    "  --time SEC      stop after so many seconds (default 60)\n"
    "  --runs N        stop after so many programs; the same seed and number give the same "
    "programs and findings\n"
    "  --stop-at N     stop as soon as N signatures that are not known are confirmed, whatever "
    "--time and --runs say\n"
    "  --seed N        the seed (default 1)\n"
    "  -j N            workers (default: one a CPU)\n"
    "  --out DIR       where findings go (default findings)\n"
    "  --parallel      programs with parallel blocks: their actors run free, and a run is a "
    "violation when no\n"
    "                  order of its calls explains it; excludes --no-shrink, --stop-at,\n"
    "                  --contract, --strict-order and --metamorphic\n"
    "  --known FILE    a list of signatures that are known, each with a reason: those are counted "
    "and named, but\n"
    "                  not reported, not saved, and no reason for status 1\n"
    "  --junit FILE    the results as JUnit XML too, a testcase a subject\n"
    "  --no-shrink     save findings as they were found\n"
    "  --contract C    exact (default), or late-error: an error may surface at a later call on the "
    "same epoll fd\n"
    "  --strict-order  the order of events counts too\n"
    "  --metamorphic   compare each subject with itself, not with native: with flush points "
    "between "
    "the steps, and\n"
    "                  without\n"
    "  --watchdog MS   how long an actor may be stuck inside the subject (default 1000)\n"
    "  --vm[=debug]    in a virtual machine with the kernel module; =debug: with the debug "
    "kernel\n"
    "  -v, --verbose   every finding in full; without it, one of each kind: of each class and "
    "hazard\n"
    "  --json          findings and summary as JSON lines\n\n"
    "Ctrl-C ends the run early, with what it has.\n"
    "The last line of stdout is one line of pairs: programs run; divergent, unstable and "
    "order-only ones; the\n"
    "fractions with more than one thread, more than one process, a blocked wait that was woken, "
    "nested instances;\n"
    "and the share of epoll_ctl calls that the subjects deferred (measured on every 64th "
    "program).\n"
    "With --parallel: programs, runs (parallel), violations, runs that the search could not "
    "decide (unknown).\n\n"
    "exit status: 0 nothing diverged but what is known, 1 a divergence, 2 bad usage, 3 the harness "
    "could not do its "
    "work\n";

enum {
    STATUS_EVERY_MS = 250,
};

struct fuzz_command {
    struct cli_options cli;
    uint64_t seconds, runs, seed; /* runs 0: until the time is over */
    uint64_t stop_at;             /* signatures; 0: no end by them */
    const char *folder;
    char found_by[64]; /* for the origin of findings */
    bool shrink, verbose, parallel;
    uint64_t start_ms, deadline_ms;
    pthread_mutex_t lock; /* of the counters */
    struct summary_counters counters;
    uint64_t status_ms;
    struct findings findings;
    struct news_options news;
};

static int check_parallel(const struct fuzz_command *command)
{
    if (!command->shrink || command->stop_at) {
        cli_error("fuzz", "--parallel excludes --no-shrink and --stop-at, expected none of them");
        return STATUS_USAGE;
    }
    return free_check_options("fuzz", &command->cli);
}

static int parse_options(int argc, char **argv, struct fuzz_command *command, bool *ret_help)
{
    static const struct option options[] = {{"subject", required_argument, NULL, CLI_SUBJECT},
                                            {"time", required_argument, NULL, 't'},
                                            {"runs", required_argument, NULL, 'r'},
                                            {"stop-at", required_argument, NULL, 'a'},
                                            {"seed", required_argument, NULL, 'S'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"known", required_argument, NULL, 'k'},
                                            {"junit", required_argument, NULL, 'u'},
                                            {"no-shrink", no_argument, NULL, 'n'},
                                            {"parallel", no_argument, NULL, 'p'},
                                            {"contract", required_argument, NULL, CLI_CONTRACT},
                                            {"strict-order", no_argument, NULL, CLI_STRICT_ORDER},
                                            {"metamorphic", no_argument, NULL, CLI_METAMORPHIC},
                                            {"watchdog", required_argument, NULL, CLI_WATCHDOG},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"json", no_argument, NULL, CLI_JSON},
                                            CLI_HELP,
                                            {NULL, 0, NULL, 0}};
    struct cli_options *cli = &command->cli;
    bool timed = false;
    int option, status = STATUS_OK;

    opterr = 0;
    while (status == STATUS_OK && (option = getopt_long(argc, argv, "hvj:", options, NULL)) != -1) {
        switch (option) {
        case 't':
            status = cli_parse_number("fuzz", "--time", optarg, 1, 30 * 86400, &command->seconds);
            timed = true;
            break;
        case 'r':
            status = cli_parse_number("fuzz", "--runs", optarg, 1, UINT64_MAX / 2, &command->runs);
            break;
        case 'a':
            status =
                cli_parse_number("fuzz", "--stop-at", optarg, 1, UINT32_MAX, &command->stop_at);
            break;
        case 'S':
            status = cli_parse_number("fuzz", "--seed", optarg, 0, UINT64_MAX, &command->seed);
            break;
        case 'o':
            command->folder = optarg;
            break;
        case 'k':
            command->news.known_path = optarg;
            break;
        case 'u':
            command->news.junit = optarg;
            break;
        case 'n':
            command->shrink = false;
            break;
        case 'p':
            command->parallel = true;
            break;
        case 'v':
            command->verbose = true;
            break;
        case 'h':
            *ret_help = true;
            return STATUS_OK;
        default:
            status = cli_take_option("fuzz", option, argv, cli);
            break;
        }
    }
    if (status == STATUS_OK && timed && command->runs) {
        cli_error("fuzz", "--time and --runs exclude each other, expected one of them");
        return STATUS_USAGE;
    }
    if (status == STATUS_OK && command->parallel)
        status = check_parallel(command);
    if (status == STATUS_OK && optind < argc) {
        cli_error("fuzz", "unexpected argument '%s', expected options only", argv[optind]);
        return STATUS_USAGE;
    }
    return status;
}

static bool time_is_over(const struct fuzz_command *command)
{
    return command->deadline_ms && executor_now_ms() >= command->deadline_ms;
}

static void count_program(struct fuzz_command *command, const struct summary_counters *results)
{
    struct summary_counters *counters = &command->counters;

    pthread_mutex_lock(&command->lock);
    summary_add(counters, results);
    uint64_t now = executor_now_ms();
    bool show = now - command->status_ms >= STATUS_EVERY_MS;
    if (show)
        command->status_ms = now;
    struct summary_counters shown = *counters;
    pthread_mutex_unlock(&command->lock);
    if (show)
        status_show("fuzz: %" PRIu64 " programs, %" PRIu64 " divergent, %" PRIu64
                    " unstable, %" PRIu64 " order, %u signatures, %" PRIu64 " s",
                    shown.programs, shown.divergent, shown.unstable, shown.order,
                    findings_count(&command->findings), (now - command->start_ms) / 1000);
}

static bool is_known(const struct fuzz_command *command, unsigned subject,
                     const struct verdict *verdict)
{
    return known_lists(command->news.known, &command->cli.subjects[subject], verdict->signature);
}

/* Keeps a finding, in its file too: a run that is killed loses nothing. That a file cannot be
 * written is said at the end, when all are written again. */
static void keep(struct fuzz_command *command, unsigned subject, uint64_t index,
                 const struct verdict *verdict, bool confirmed, const struct program *program,
                 unsigned original_steps)
{
    findings_store(&command->findings, subject, index, verdict, confirmed, program, original_steps);
    (void)findings_save_early(&command->findings, subject, verdict->signature,
                              &command->cli.subjects[subject], command->found_by, command->folder);
}

/* Confirms and shrinks the first program of a signature, and keeps what comes of it. */
static int pursue(struct fuzz_command *command, struct worker *worker, unsigned subject,
                  uint64_t index, const struct program *program, const struct verdict *verdict,
                  bool *ret_confirmed, char *ret_why)
{
    struct examination examination;
    unsigned confirmed = 0;

    int err = examine_confirm(worker->examiner, program, subject, verdict->signature,
                              EXAMINE_CONFIRMATIONS, &confirmed, ret_why);
    if (err)
        return err;
    *ret_confirmed = confirmed == EXAMINE_CONFIRMATIONS;
    struct program *small = malloc(sizeof(*small));
    if (!small) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        return -ENOMEM;
    }
    *small = *program;
    /* What is confirmed is kept at once: an interruption during the shrinking costs nothing but
     * size. */
    keep(command, subject, index, verdict, *ret_confirmed, small, program->nsteps);
    if (*ret_confirmed && command->shrink && !is_known(command, subject, verdict)) {
        err = reduce_program(worker->examiner, small, subject, verdict->signature,
                             command->deadline_ms, ret_why);
        if (!err)
            err = examine_closely(worker->examiner, small, subject, &examination, ret_why);
        if (!err && examination.result == EXAMINED_DIVERGENT &&
            strcmp(examination.verdict.signature, verdict->signature) == 0)
            keep(command, subject, index, &examination.verdict, true, small, program->nsteps);
    }
    free(small);
    return err;
}

/* A subject whose quick look was not equal. */
static int look_closely(struct fuzz_command *command, struct worker *worker, unsigned subject,
                        uint64_t index, const struct program *program,
                        struct summary_counters *results, char *ret_why)
{
    struct examination examination;
    bool confirmed = true;

    int err = examine_closely(worker->examiner, program, subject, &examination, ret_why);
    if (err)
        return err;
    if (examination.result == EXAMINED_ORDER) {
        results->order++;
        return 0;
    }
    if (examination.result != EXAMINED_DIVERGENT) {
        results->unstable++;
        return 0;
    }
    struct verdict verdict = examination.verdict;
    bool known = is_known(command, subject, &verdict);
    if (findings_note(&command->findings, subject, index, &verdict, known))
        err = pursue(command, worker, subject, index, program, &verdict, &confirmed, ret_why);
    results->divergent += confirmed;
    results->unlisted += confirmed && !known;
    results->unstable += !confirmed;
    return err;
}

static int fuzz_program(struct fuzz_command *command, struct worker *worker, uint64_t index,
                        struct program *program, char *ret_why)
{
    struct summary_counters results = {0};
    bool suspicious[EXAMINE_SUBJECTS_MAX] = {false};
    const struct trace *native;

    generate_program(command->seed, index, program);
    int err = examine_native(worker->examiner, program, &native, ret_why);
    if (!err)
        summary_measure(native, &results);
    /* All quick looks come first: a close look, and shrinking more so, makes native runs of its
     * own. */
    for (unsigned s = 0; !err && s < command->cli.nsubjects; s++) {
        struct examination examination = {.result = EXAMINED_EQUAL};
        err = examine_quick(worker->examiner, program, s, &examination, ret_why);
        suspicious[s] = examination.result != EXAMINED_EQUAL;
        results.beyond += examination.beyond;
    }
    for (unsigned s = 0; !err && s < command->cli.nsubjects; s++) {
        if (suspicious[s])
            err = look_closely(command, worker, s, index, program, &results, ret_why);
        if (!err && index % SUMMARY_DEFERRAL_EVERY == 0)
            err = examine_deferral(worker->examiner, program, s, &results.eligible,
                                   &results.deferred, ret_why);
    }
    if (!err)
        count_program(command, &results);
    return err;
}

static bool has_enough(struct fuzz_command *command)
{
    return command->stop_at && findings_count_confirmed(&command->findings) -
                                       findings_count_known(&command->findings) >=
                                   command->stop_at;
}

static int fuzz_work(struct worker *worker, char *ret_why)
{
    struct fuzz_command *command = worker->context;
    struct program *program = malloc(sizeof(*program));
    int err = 0;

    if (!program) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        return -ENOMEM;
    }
    for (uint64_t index = worker->index; !err && !workers_stopping(); index += worker->count) {
        if ((command->runs && index >= command->runs) || time_is_over(command) ||
            has_enough(command))
            break;
        err = fuzz_program(command, worker, index, program, ret_why);
    }
    free(program);
    return err == -EINTR ? 0 : err;
}

/* One finding: in full, or as a JSON line. */
static int show_finding(const struct fuzz_command *command, const struct finding *finding)
{
    const struct subject *subject = &command->cli.subjects[finding->subject];
    char path[PATH_MAX];

    if (finding_path(finding, subject, command->folder, path, sizeof(path)) != 0)
        return STATUS_HARNESS;
    if (command->cli.json)
        return show_json_line(json_pack("{s:s, s:s, s:I, s:I, s:i, s:o}", "subject", subject->name,
                                        "file", path, "program", (json_int_t)finding->index,
                                        "count", (json_int_t)finding->count, "steps",
                                        (int)finding->program.nsteps, "verdict",
                                        show_verdict_json(&finding->verdict)))
                   ? STATUS_HARNESS
                   : STATUS_OK;
    printf("%s: ", subject->name);
    show_verdict_title(stdout, &finding->verdict);
    printf("\n");
    show_wrapped(stdout, finding->verdict.explanation, 118, "  ");
    printf("  signature %s, seen in %" PRIu64
           " program%s, %u steps shrunk to %u\n  epdiff run %s%s\n",
           finding->verdict.signature, finding->count, finding->count == 1 ? "" : "s",
           finding->original_steps, finding->program.nsteps,
           command->cli.examine.metamorphic ? "--metamorphic " : "", path);
    return STATUS_OK;
}

static int tell_news(struct fuzz_command *command)
{
    size_t count = 0;
    struct news *list = calloc((size_t)findings_count(&command->findings) + 1, sizeof(*list));

    if (!list) {
        cli_error("fuzz", "out of memory");
        return STATUS_HARNESS;
    }
    for (const struct finding *finding = command->findings.table; finding;
         finding = finding->hh.next) {
        if (!finding->confirmed)
            continue;
        list[count] = (struct news){.subject = finding->subject,
                                    .signature = finding->verdict.signature,
                                    .text = finding->verdict.explanation,
                                    .count = finding->count,
                                    .known = finding->known};
        count++;
    }
    int status = news_show_known(&command->cli, &command->news, list, count);
    if (news_write_junit(&command->cli, &command->news, list, count) != STATUS_OK)
        status = STATUS_HARNESS;
    free(list);
    return status;
}

/* Saves all findings and shows them: each one, or one of each kind. */
static int report_findings(struct fuzz_command *command)
{
    int status = STATUS_OK;
    int saving = 0;

    findings_sort(&command->findings);
    for (const struct finding *finding = command->findings.table; finding;
         finding = finding->hh.next) {
        if (!finding->confirmed || finding->known)
            continue;
        int err = finding_save(finding, &command->cli.subjects[finding->subject], command->found_by,
                               command->folder);
        saving = saving ? saving : err;
    }
    for (const struct finding *finding = command->findings.table;
         finding && (command->cli.json || command->verbose); finding = finding->hh.next) {
        if (finding->confirmed && !finding->known && show_finding(command, finding) != STATUS_OK)
            status = STATUS_HARNESS;
    }
    if (!command->cli.json && !command->verbose &&
        kinds_show(&command->findings, command->cli.subjects, command->cli.nsubjects,
                   command->folder) != 0) {
        cli_error("fuzz", "out of memory");
        status = STATUS_HARNESS;
    }
    if (saving) {
        cli_error("fuzz", "--out %s: not every finding could be saved: %s", command->folder,
                  strerror(-saving));
        status = STATUS_HARNESS;
    }
    if (tell_news(command) != STATUS_OK)
        status = STATUS_HARNESS;
    return status;
}

static int fuzz(struct fuzz_command *command)
{
    char why[EXECUTE_WHY_MAX + 1] = "";
    unsigned jobs = command->cli.jobs ? command->cli.jobs : workers_default();

    int unfit = findings_check_folder(command->folder);
    if (unfit) {
        cli_error("fuzz", "--out '%s': findings cannot be saved there: %s", command->folder,
                  strerror(-unfit));
        return STATUS_HARNESS;
    }
    snprintf(command->found_by, sizeof(command->found_by), "epdiff fuzz%s --seed %" PRIu64,
             command->cli.examine.metamorphic ? " --metamorphic" : "", command->seed);
    command->start_ms = executor_now_ms();
    if (!command->runs)
        command->deadline_ms = command->start_ms + command->seconds * 1000;
    if (command->parallel) {
        struct free_fuzz options = {.cli = &command->cli,
                                    .jobs = jobs,
                                    .runs = command->runs,
                                    .seed = command->seed,
                                    .deadline_ms = command->deadline_ms,
                                    .folder = command->folder,
                                    .news = &command->news,
                                    .verbose = command->verbose};
        return free_fuzz(&options);
    }
    int err = workers_run(&command->cli, jobs, fuzz_work, command, why);
    status_clear();
    /* Whatever ended the run: what was found so far is kept. */
    int status = report_findings(command);
    const struct summary_end end = {.signatures = findings_count_confirmed(&command->findings),
                                    .listing = command->news.known_path != NULL,
                                    .known = findings_count_known(&command->findings),
                                    .start_ms = command->start_ms,
                                    .key = "seed",
                                    .value = command->seed};
    if (summary_print(&command->cli, &command->counters, &end) != STATUS_OK)
        status = STATUS_HARNESS;
    if (err)
        return cli_harness_error("fuzz", err, why);
    if (status == STATUS_OK && command->counters.unlisted > 0)
        status = STATUS_DIVERGED;
    return status;
}

int command_fuzz(int argc, char **argv)
{
    bool help_wanted = false;
    struct fuzz_command *command = calloc(1, sizeof(*command));
    if (!command) {
        cli_error("fuzz", "out of memory");
        return STATUS_HARNESS;
    }
    command->seconds = 60;
    command->seed = 1;
    command->folder = "findings";
    command->shrink = true;
    pthread_mutex_init(&command->lock, NULL);
    findings_init(&command->findings);
    int status = parse_options(argc, argv, command, &help_wanted);
    if (status == STATUS_OK && help_wanted) {
        fputs(help, stdout);
    } else if (status == STATUS_OK) {
        cli_catch_interrupts();
        if (command->cli.nsubjects == 0)
            status = cli_add_subject("fuzz", &command->cli, "native");
        if (status == STATUS_OK)
            status = news_start(&command->news);
        if (status == STATUS_OK)
            status = fuzz(command);
    }
    known_free(command->news.known);
    findings_free(&command->findings);
    pthread_mutex_destroy(&command->lock);
    free(command);
    return status;
}
