/* epdiff enumerate: every program of up to N core operations over a small world. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/show.h"
#include "fuzz/epdiff/smallest.h"
#include "fuzz/epdiff/status.h"
#include "fuzz/epdiff/summary.h"
#include "fuzz/epdiff/workers.h"
#include "fuzz/generate/enumerate.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: epdiff enumerate --ops N [--subject S]... [-j N] [--out DIR]\n\n"
    "Runs every program of 1 to N core operations over a small world (two files, two epoll "
    "instances, a duplicate,\n"
    "a second thread, a forked child; docs/enumerate.md), symmetric ones once, each natively and "
    "under every subject.\n"
    "Says beforehand how many there are. At the end it lists the hazards of each subject, each "
    "with its smallest\n"
    "program, confirmed in fresh processes and saved as DIR/SUBJECT/SIGNATURE.epd.\n\n"
    "  --ops N         the bound, 1 to 6; set-up and the last waits do not count\n"
    "  --core          only the core alphabet, one thread\n"
    "  --subject S     shim:POLICY[+BACKEND], preload:PATH or native (A/A); several are allowed "
    "(default: native)\n"
    "  --count         say how many programs there are, and run none\n"
    "  --show INDEX    print the program of that number, and run none\n"
    "  -j N            workers (default: one a CPU); they do not change what is found\n"
    "  --out DIR       where findings go (default findings)\n"
    "  --contract C    exact (default), or late-error: an error may surface at a later call on the "
    "same epoll fd\n"
    "  --strict-order  the order of events counts too\n"
    "  --watchdog MS   how long an actor may be stuck inside the subject (default 1000)\n"
    "  --json          counts, findings and summary as JSON lines\n\n"
    "Ctrl-C ends the run early, with what it has, and says that it is incomplete. A complete run "
    "whose programs are\n"
    "not as many as were counted is an error of the harness.\n"
    "The last line of stdout is one line of pairs, as that of fuzz, with ops= for seed=.\n\n"
    "exit status: 0 nothing diverged, 1 a divergence, 2 bad usage, 3 the harness could not do its "
    "work\n";

enum {
    STATUS_EVERY_MS = 250,
    UNSTABLE_SHOWN_MAX = 8, /* unstable programs that are named */
};

struct enumerate_command {
    struct cli_options cli;
    uint64_t ops, shown; /* shown: what --show asks for */
    bool core, count, show;
    const char *folder;
    char found_by[64]; /* for the origin of findings */
    struct enumeration *enumeration;
    uint64_t start_ms;
    pthread_mutex_t lock; /* of what follows */
    struct enumerate_cursor cursor;
    struct summary_counters counters;
    uint64_t weight, weight_total; /* of the programs run, and of all, for the time left */
    uint64_t status_ms;
    uint64_t unstable[UNSTABLE_SHOWN_MAX]; /* the first ones, as they came */
    struct smallest smallest;
};

static int parse_options(int argc, char **argv, struct enumerate_command *command, bool *ret_help)
{
    static const struct option options[] = {{"ops", required_argument, NULL, 'n'},
                                            {"core", no_argument, NULL, 'C'},
                                            {"count", no_argument, NULL, 'k'},
                                            {"show", required_argument, NULL, 'i'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"subject", required_argument, NULL, CLI_SUBJECT},
                                            {"contract", required_argument, NULL, CLI_CONTRACT},
                                            {"strict-order", no_argument, NULL, CLI_STRICT_ORDER},
                                            {"watchdog", required_argument, NULL, CLI_WATCHDOG},
                                            {"json", no_argument, NULL, CLI_JSON},
                                            CLI_HELP,
                                            {NULL, 0, NULL, 0}};
    int option, status = STATUS_OK;

    opterr = 0;
    while (status == STATUS_OK && (option = getopt_long(argc, argv, "hj:", options, NULL)) != -1) {
        switch (option) {
        case 'n':
            status =
                cli_parse_number("enumerate", "--ops", optarg, 1, ENUMERATE_OPS_MAX, &command->ops);
            break;
        case 'C':
            command->core = true;
            break;
        case 'k':
            command->count = true;
            break;
        case 'i':
            status =
                cli_parse_number("enumerate", "--show", optarg, 0, UINT64_MAX / 2, &command->shown);
            command->show = true;
            break;
        case 'o':
            command->folder = optarg;
            break;
        case 'h':
            *ret_help = true;
            return STATUS_OK;
        default:
            status = cli_take_option("enumerate", option, argv, &command->cli);
            break;
        }
    }
    if (status != STATUS_OK)
        return status;
    if (optind < argc) {
        cli_error("enumerate", "unexpected argument '%s', expected options only", argv[optind]);
        return STATUS_USAGE;
    }
    if (command->ops == 0) {
        cli_error("enumerate", "expected --ops N, the number of core operations, 1 to %d",
                  ENUMERATE_OPS_MAX);
        return STATUS_USAGE;
    }
    if (command->count && command->show) {
        cli_error("enumerate", "--count and --show exclude each other, expected one of them");
        return STATUS_USAGE;
    }
    return STATUS_OK;
}

/* What a program of a world costs, roughly: hand-offs between actors and forks are most of it. */
static uint64_t world_weight(unsigned world)
{
    switch (__builtin_popcount(enumerate_world_actors(world))) {
    case 1:
        return 1;
    case 2:
        return 3;
    default:
        return 4;
    }
}

static void weigh(struct enumerate_command *command)
{
    for (unsigned world = 0; world < ENUMERATE_WORLDS; world++) {
        for (unsigned length = 1; length <= command->ops; length++)
            command->weight_total +=
                command->enumeration->counts[world][length] * world_weight(world);
    }
}

/* The count as JSON: one object a world, the numbers by length. */
static int show_counts_json(const struct enumeration *enumeration)
{
    json_t *all = json_object();

    for (unsigned world = 0; world < ENUMERATE_WORLDS; world++) {
        json_t *counts = json_array();
        for (unsigned length = 1; length <= enumeration->ops; length++)
            json_array_append_new(counts,
                                  json_integer((json_int_t)enumeration->counts[world][length]));
        json_object_set_new(all, enumerate_world_names[world],
                            json_pack("{s:i, s:o}", "operations",
                                      (int)enumeration->nalphabet[world], "programs", counts));
    }
    return show_json_line(
               json_pack("{s:I, s:o}", "count", (json_int_t)enumeration->total, "worlds", all))
               ? STATUS_HARNESS
               : STATUS_OK;
}

/* The count, before anything is run. */
static int show_counts(const struct enumerate_command *command)
{
    const struct enumeration *enumeration = command->enumeration;

    if (command->cli.json)
        return show_counts_json(enumeration);
    printf("%" PRIu64 " programs of up to %u operation%s%s\n\n", enumeration->total,
           enumeration->ops, enumeration->ops == 1 ? "" : "s",
           enumeration->core ? " of the core alphabet" : "");
    printf("  %-30s %10s", "world", "operations");
    for (unsigned length = 1; length <= enumeration->ops; length++)
        printf(" %9s %u", "programs of", length);
    printf("\n");
    for (unsigned world = 0; world < ENUMERATE_WORLDS; world++) {
        if (enumeration->nalphabet[world] == 0)
            continue;
        printf("  %-30s %10u", enumerate_world_names[world], enumeration->nalphabet[world]);
        for (unsigned length = 1; length <= enumeration->ops; length++)
            printf(" %13" PRIu64, enumeration->counts[world][length]);
        printf("\n");
    }
    printf("\n");
    return fflush(stdout) == 0 ? STATUS_OK : STATUS_HARNESS;
}

static int show_program(const struct enumerate_command *command)
{
    const struct enumeration *enumeration = command->enumeration;
    struct enumerate_cursor cursor;
    int status = STATUS_HARNESS;

    if (command->shown >= enumeration->total) {
        cli_error("enumerate",
                  "--show '%" PRIu64 "' is no number that fits, expected 0 to %" PRIu64,
                  command->shown, enumeration->total - 1);
        return STATUS_USAGE;
    }
    struct program *program = malloc(sizeof(*program));
    struct document *document = malloc(sizeof(*document));
    enumeration_seek(enumeration, command->shown, &cursor);
    if (program && document && enumeration_program(enumeration, &cursor, program) == 0) {
        document_init(document, "", program);
        snprintf(document->origin, sizeof(document->origin), "%s, program %" PRIu64,
                 command->found_by, command->shown);
        status = document_write(document, stdout) == 0 ? STATUS_OK : STATUS_HARNESS;
    } else {
        cli_error("enumerate", "out of memory");
    }
    free(program);
    free(document);
    return status;
}

static void show_progress(const struct enumerate_command *command, const struct summary_counters *c,
                          uint64_t weight, uint64_t now)
{
    uint64_t passed = now - command->start_ms;
    double done = (double)weight / (double)command->weight_total;
    double left = done > 0 ? (double)passed / 1000.0 * (1 - done) / done : 0;

    status_show("enumerate: %" PRIu64 " of %" PRIu64 " programs, %.1f %%, %" PRIu64
                " divergent, %" PRIu64 " unstable, %" PRIu64 " s, %.0f s left",
                c->programs, command->enumeration->total, done * 100, c->divergent, c->unstable,
                passed / 1000, left);
}

static void count_program(struct enumerate_command *command, const struct enumerate_cursor *cursor,
                          const struct summary_counters *results)
{
    pthread_mutex_lock(&command->lock);
    uint64_t unstable = command->counters.unstable;
    summary_add(&command->counters, results);
    if (command->counters.unstable > unstable && unstable < UNSTABLE_SHOWN_MAX)
        command->unstable[unstable] = cursor->index;
    command->weight += world_weight(cursor->world);
    uint64_t now = executor_now_ms();
    bool show = now - command->status_ms >= STATUS_EVERY_MS;
    if (show)
        command->status_ms = now;
    struct summary_counters shown = command->counters;
    uint64_t weight = command->weight;
    pthread_mutex_unlock(&command->lock);
    if (show)
        show_progress(command, &shown, weight, now);
}

static bool take_next(struct enumerate_command *command, struct enumerate_cursor *ret_cursor)
{
    pthread_mutex_lock(&command->lock);
    bool more = command->cursor.length <= command->enumeration->ops &&
                enumeration_next(command->enumeration, &command->cursor);
    *ret_cursor = command->cursor;
    pthread_mutex_unlock(&command->lock);
    return more;
}

/* A divergent program and the group that it stands for. */
struct candidate {
    const char *key;
    unsigned subject;
    uint64_t index;
    const struct program *program;
};

/* It comes again every time, or it does not count. */
static int confirm(struct enumerate_command *command, struct worker *worker,
                   const struct candidate *candidate, const struct verdict *verdict,
                   bool *ret_confirmed, char *ret_why)
{
    unsigned confirmed = 0;

    int err = examine_confirm(worker->examiner, candidate->program, candidate->subject,
                              verdict->signature, EXAMINE_CONFIRMATIONS, &confirmed, ret_why);
    if (err)
        return err;
    *ret_confirmed = confirmed == EXAMINE_CONFIRMATIONS;
    if (*ret_confirmed)
        smallest_confirm(&command->smallest, candidate->key, candidate->index, verdict);
    else
        smallest_dismiss(&command->smallest, candidate->key, candidate->index);
    return 0;
}

/* The first program of a group. */
static int look_closely(struct enumerate_command *command, struct worker *worker,
                        const struct candidate *candidate, struct summary_counters *results,
                        char *ret_why)
{
    struct examination examination;
    bool confirmed = true;

    int err = examine_closely(worker->examiner, candidate->program, candidate->subject,
                              &examination, ret_why);
    if (err)
        return err;
    if (examination.result != EXAMINED_DIVERGENT) {
        smallest_dismiss(&command->smallest, candidate->key, candidate->index);
        results->order += examination.result == EXAMINED_ORDER;
        results->unstable += examination.result != EXAMINED_ORDER;
        return 0;
    }
    if (smallest_judge(&command->smallest, candidate->key, candidate->index, &examination.verdict))
        err = confirm(command, worker, candidate, &examination.verdict, &confirmed, ret_why);
    results->divergent += confirmed;
    results->unstable += !confirmed;
    return err;
}

/* The subjects whose quick look was not equal, behind the A/A gate. */
static int judge_subjects(struct enumerate_command *command, struct worker *worker, uint64_t index,
                          const struct program *program, const struct examination *looks,
                          struct summary_counters *results, char *ret_why)
{
    bool stable = true;

    int err = examine_stability(worker->examiner, program, &stable, ret_why);
    if (!err && !stable)
        results->unstable++;
    for (unsigned s = 0; !err && stable && s < command->cli.nsubjects; s++) {
        char key[SMALLEST_KEY_MAX + 1];
        const struct candidate candidate = {key, s, index, program};
        if (looks[s].result == EXAMINED_EQUAL)
            continue;
        if (looks[s].result == EXAMINED_ORDER) {
            results->order++;
            continue;
        }
        smallest_key(s, program, &looks[s].verdict, key);
        if (smallest_note(&command->smallest, key, s, index))
            err = look_closely(command, worker, &candidate, results, ret_why);
        else
            results->divergent++;
    }
    return err;
}

static int run_program(struct enumerate_command *command, struct worker *worker,
                       const struct enumerate_cursor *cursor, struct program *program,
                       char *ret_why)
{
    struct summary_counters results = {0};
    static _Thread_local struct examination looks[EXAMINE_SUBJECTS_MAX];
    const struct trace *native;
    bool suspicious = false;

    int err = enumeration_program(command->enumeration, cursor, program);
    if (err) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        return err;
    }
    err = examine_native(worker->examiner, program, &native, ret_why);
    if (!err)
        summary_measure(native, &results);
    /* All quick looks come first: what follows makes native runs of its own. */
    for (unsigned s = 0; !err && s < command->cli.nsubjects; s++) {
        err = examine_quick(worker->examiner, program, s, &looks[s], ret_why);
        suspicious |= !err && looks[s].result != EXAMINED_EQUAL;
        results.beyond += !err && looks[s].beyond;
    }
    if (!err && suspicious)
        err = judge_subjects(command, worker, cursor->index, program, looks, &results, ret_why);
    for (unsigned s = 0; !err && s < command->cli.nsubjects; s++) {
        if (cursor->index % SUMMARY_DEFERRAL_EVERY == 0)
            err = examine_deferral(worker->examiner, program, s, &results.eligible,
                                   &results.deferred, ret_why);
    }
    if (!err)
        count_program(command, cursor, &results);
    return err;
}

static int enumerate_work(struct worker *worker, char *ret_why)
{
    struct enumerate_command *command = worker->context;
    struct program *program = malloc(sizeof(*program));
    struct enumerate_cursor cursor;
    int err = 0;

    if (!program) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        return -ENOMEM;
    }
    while (!err && !workers_stopping() && take_next(command, &cursor))
        err = run_program(command, worker, &cursor, program, ret_why);
    free(program);
    return err == -EINTR ? 0 : err;
}

static int settle(struct enumerate_command *command, struct worker *worker,
                  const struct smallest_group *group, struct program *program, char *ret_why)
{
    const struct candidate candidate = {group->key, group->subject, group->index, program};
    struct enumerate_cursor cursor;
    struct examination examination;
    bool confirmed;

    enumeration_seek(command->enumeration, group->index, &cursor);
    int err = enumeration_program(command->enumeration, &cursor, program);
    if (err) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        return err;
    }
    /* Its verdict was not kept, for another program stood for the hazard at the time. */
    err = examine_closely(worker->examiner, program, group->subject, &examination, ret_why);
    if (err)
        return err;
    if (examination.result != EXAMINED_DIVERGENT ||
        strcmp(examination.verdict.signature, group->signature->text) != 0) {
        smallest_dismiss(&command->smallest, group->key, group->index);
        return 0;
    }
    return confirm(command, worker, &candidate, &examination.verdict, &confirmed, ret_why);
}

/*
 * Which programs are confirmed on the way depends on which worker is first. The smallest of each
 * hazard does not: where that one has not been confirmed, it is now.
 */
static int settle_work(struct worker *worker, char *ret_why)
{
    struct enumerate_command *command = worker->context;
    struct program *program = malloc(sizeof(*program));
    int err = 0;

    if (!program) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
        return -ENOMEM;
    }
    for (unsigned s = 0; !err && s < command->cli.nsubjects; s++) {
        for (unsigned hazard = 0; !err && hazard < HAZARDS; hazard++) {
            struct smallest_group *group;
            uint64_t count;
            while (!err && (group = smallest_find(&command->smallest, s, hazard, false, &count)) &&
                   !group->confirmed) {
                err = settle(command, worker, group, program, ret_why);
            }
        }
    }
    free(program);
    return err == -EINTR ? 0 : err;
}

static int show_finding(const struct enumerate_command *command, const struct finding *finding,
                        unsigned length)
{
    const struct subject *subject = &command->cli.subjects[finding->subject];
    const struct verdict *verdict = &finding->verdict;
    char path[PATH_MAX];

    if (finding_path(finding, subject, command->folder, path, sizeof(path)) != 0)
        return STATUS_HARNESS;
    if (command->cli.json)
        return show_json_line(json_pack("{s:s, s:s, s:I, s:I, s:i, s:o}", "subject", subject->name,
                                        "file", path, "program", (json_int_t)finding->index,
                                        "count", (json_int_t)finding->count, "ops", (int)length,
                                        "verdict", show_verdict_json(verdict)))
                   ? STATUS_HARNESS
                   : STATUS_OK;
    printf("\n  ");
    show_verdict_title(stdout, verdict);
    printf("\n    %" PRIu64 " program%s; the smallest has %u operation%s:\n", finding->count,
           finding->count == 1 ? "" : "s", length, length == 1 ? "" : "s");
    show_wrapped(stdout, verdict->explanation, 118, "    ");
    printf("    signature %s\n    epdiff run %s\n", verdict->signature, path);
    return STATUS_OK;
}

/* Saves and shows the smallest program of one hazard. */
static int report_group(struct enumerate_command *command, const struct smallest_group *group,
                        uint64_t count)
{
    struct enumerate_cursor cursor;
    struct finding *finding = calloc(1, sizeof(*finding));
    int status = STATUS_HARNESS;

    if (!finding)
        return STATUS_HARNESS;
    enumeration_seek(command->enumeration, group->index, &cursor);
    finding->subject = group->subject;
    finding->index = group->index;
    finding->count = count;
    finding->confirmed = true;
    finding->verdict = *group->verdict;
    int err = enumeration_program(command->enumeration, &cursor, &finding->program);
    if (!err)
        err = finding_save(finding, &command->cli.subjects[group->subject], command->found_by,
                           command->folder);
    if (err)
        cli_error("enumerate", "--out %s: a finding could not be saved: %s", command->folder,
                  strerror(-err));
    if (show_finding(command, finding, cursor.length) == STATUS_OK && !err)
        status = STATUS_OK;
    free(finding);
    return status;
}

static int report_subject(struct enumerate_command *command, unsigned subject)
{
    int status = STATUS_OK;
    unsigned hazards = 0;
    uint64_t count;

    for (unsigned hazard = 0; hazard < HAZARDS; hazard++)
        hazards += smallest_find(&command->smallest, subject, hazard, true, &count) != NULL;
    if (!command->cli.json && hazards)
        printf("%s: %u hazard%s in %u signatures, the smallest program of each\n",
               command->cli.subjects[subject].name, hazards, hazards == 1 ? "" : "s",
               smallest_signatures(&command->smallest, subject));
    for (unsigned hazard = 0; hazard < HAZARDS; hazard++) {
        const struct smallest_group *group =
            smallest_find(&command->smallest, subject, hazard, true, &count);
        if (group && report_group(command, group, count) != STATUS_OK)
            status = STATUS_HARNESS;
    }
    if (!command->cli.json && hazards)
        printf("\n");
    return status;
}

/* Unstable programs are no findings, but somebody will want to look at them. */
static int report_unstable(const struct enumerate_command *command)
{
    uint64_t count = command->counters.unstable;
    json_t *list = json_array();

    for (unsigned i = 0; i < count && i < UNSTABLE_SHOWN_MAX; i++)
        json_array_append_new(list, json_integer((json_int_t)command->unstable[i]));
    if (command->cli.json)
        return show_json_line(json_pack("{s:o}", "unstable", list)) ? STATUS_HARNESS : STATUS_OK;
    if (count)
        printf("unstable, see --show:");
    for (unsigned i = 0; i < count && i < UNSTABLE_SHOWN_MAX; i++)
        printf(" %" PRIu64, command->unstable[i]);
    if (count)
        printf("%s\n\n", count > UNSTABLE_SHOWN_MAX ? " ..." : "");
    json_decref(list);
    return STATUS_OK;
}

/* Counted before, counted while it ran: the two must agree. */
static int check_count(const struct enumerate_command *command)
{
    uint64_t run = command->counters.programs, total = command->enumeration->total;

    if (run == total)
        return STATUS_OK;
    if (cli_interrupted()) {
        fprintf(stderr,
                "epdiff enumerate: incomplete: %" PRIu64 " of %" PRIu64 " programs were run\n", run,
                total);
        return STATUS_OK;
    }
    cli_error("enumerate", "%" PRIu64 " programs were run, but %" PRIu64 " were counted", run,
              total);
    return STATUS_HARNESS;
}

static int enumerate(struct enumerate_command *command)
{
    char why[EXECUTE_WHY_MAX + 1] = "";
    unsigned jobs = command->cli.jobs ? command->cli.jobs : workers_default();
    struct summary_end end = {.key = "ops", .value = command->ops};

    int unfit = findings_check_folder(command->folder);
    if (unfit) {
        cli_error("enumerate", "--out '%s': findings cannot be saved there: %s", command->folder,
                  strerror(-unfit));
        return STATUS_HARNESS;
    }
    int status = show_counts(command);
    command->start_ms = end.start_ms = executor_now_ms();
    weigh(command);
    enumeration_begin(&command->cursor);
    int err = workers_run(&command->cli, jobs, enumerate_work, command, why);
    if (!err && !cli_interrupted())
        err = workers_run(&command->cli, 1, settle_work, command, why);
    status_clear();
    /* Whatever ended the run: what was found so far is kept. */
    for (unsigned s = 0; s < command->cli.nsubjects; s++) {
        end.signatures += smallest_signatures(&command->smallest, s);
        if (report_subject(command, s) != STATUS_OK)
            status = STATUS_HARNESS;
    }
    if (report_unstable(command) != STATUS_OK)
        status = STATUS_HARNESS;
    if (summary_print(&command->cli, &command->counters, &end) != STATUS_OK)
        status = STATUS_HARNESS;
    if (err)
        return cli_harness_error("enumerate", err, why);
    if (check_count(command) != STATUS_OK)
        status = STATUS_HARNESS;
    if (status == STATUS_OK && command->counters.divergent > 0)
        status = STATUS_DIVERGED;
    return status;
}

static int run_command(struct enumerate_command *command)
{
    if (enumeration_new((unsigned)command->ops, command->core, &command->enumeration) != 0) {
        cli_error("enumerate", "out of memory");
        return STATUS_HARNESS;
    }
    snprintf(command->found_by, sizeof(command->found_by), "epdiff enumerate --ops %" PRIu64 "%s",
             command->ops, command->core ? " --core" : "");
    if (command->count)
        return show_counts(command);
    if (command->show)
        return show_program(command);
    cli_catch_interrupts();
    if (command->cli.nsubjects == 0) {
        int status = cli_add_subject("enumerate", &command->cli, "native");
        if (status != STATUS_OK)
            return status;
    }
    return enumerate(command);
}

int command_enumerate(int argc, char **argv)
{
    bool help_wanted = false;
    struct enumerate_command *command = calloc(1, sizeof(*command));
    if (!command) {
        cli_error("enumerate", "out of memory");
        return STATUS_HARNESS;
    }
    command->folder = "findings";
    pthread_mutex_init(&command->lock, NULL);
    smallest_init(&command->smallest);
    int status = parse_options(argc, argv, command, &help_wanted);
    if (status == STATUS_OK && help_wanted)
        fputs(help, stdout);
    else if (status == STATUS_OK)
        status = run_command(command);
    enumeration_free(command->enumeration);
    smallest_free(&command->smallest);
    pthread_mutex_destroy(&command->lock);
    free(command);
    return status;
}
