/* Running programs with parallel blocks. */
#include "fuzz/epdiff/free.h"

#include "fuzz/epdiff/show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *free_verdict_name(enum linear_verdict verdict)
{
    static const char *const names[] = {"ok", "violation", "unknown"};
    return names[verdict];
}

int free_rounds(struct examiner *examiner, const struct program *program, int subject,
                unsigned rounds, struct free_rounds *ret_rounds, struct trace *ret_trace,
                char *ret_why)
{
    memset(ret_rounds, 0, sizeof(*ret_rounds));
    for (unsigned round = 0; round < rounds; round++) {
        struct history_verdict verdict;
        const struct trace *trace;
        int err = examine_free(examiner, program, subject, &trace, &verdict, ret_why);
        if (err)
            return err;
        ret_rounds->counts[verdict.verdict]++;
        /* What is worse stays. */
        bool violated = round > 0 && ret_rounds->verdict.verdict == LINEAR_VIOLATION;
        bool worse = verdict.verdict != LINEAR_OK || ret_rounds->verdict.verdict == LINEAR_OK;
        if (violated || !worse)
            continue;
        ret_rounds->verdict = verdict;
        (void)history_print(trace, "  ", ret_rounds->history, sizeof(ret_rounds->history));
        if (ret_trace)
            memcpy(ret_trace, trace, sizeof(*ret_trace));
    }
    return 0;
}

struct free_side {
    const char *name;
    struct free_rounds rounds;
    struct trace *trace;
};

static void show_side(const struct free_side *side, unsigned rounds, bool native)
{
    const struct free_rounds *result = &side->rounds;

    printf("\n%s: %s", side->name, free_verdict_name(result->verdict.verdict));
    switch (result->verdict.verdict) {
    case LINEAR_OK:
        printf(", some order of the calls explains each of %u runs\n", rounds);
        break;
    case LINEAR_UNKNOWN:
        printf(" in %u of %u runs: %s\n", result->counts[LINEAR_UNKNOWN], rounds,
               result->verdict.why);
        break;
    case LINEAR_VIOLATION:
        printf(" in %u of %u runs\n%s  signature %s\n", result->counts[LINEAR_VIOLATION], rounds,
               result->verdict.witness, result->verdict.signature);
        if (native)
            printf("  The kernel is always right: this is an error of the model or of the "
                   "harness.\n");
        break;
    }
}

static int show_side_json(const struct free_side *side, const struct document *document,
                          unsigned rounds)
{
    const struct free_rounds *result = &side->rounds;

    return show_json_line(json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:s, s:o}", "program", document->name,
        "subject", side->name, "result", free_verdict_name(result->verdict.verdict), "rounds",
        (int)rounds, "ok", (int)result->counts[LINEAR_OK], "violation",
        (int)result->counts[LINEAR_VIOLATION], "unknown", (int)result->counts[LINEAR_UNKNOWN],
        "signature", result->verdict.signature, "why", result->verdict.why, "witness",
        result->verdict.witness, "history", result->history, "trace",
        show_trace_json(side->trace)));
}

static int show_sides(const struct cli_options *cli, const struct document *document,
                      const struct free_side *sides, unsigned nsides, unsigned rounds)
{
    struct show_column columns[EXAMINE_SUBJECTS_MAX + 1];
    static const struct verdict no_verdict = {.equal = true};

    for (unsigned i = 0; cli->json && i < nsides; i++) {
        if (show_side_json(&sides[i], document, rounds) != 0)
            return STATUS_HARNESS;
    }
    if (cli->json)
        return STATUS_OK;
    for (unsigned i = 0; i < nsides; i++)
        columns[i] = (struct show_column){
            .name = sides[i].name, .trace = sides[i].trace, .verdict = i ? &no_verdict : NULL};
    show_table(stdout, &document->program, columns, nsides);
    for (unsigned i = 0; i < nsides; i++)
        show_side(&sides[i], rounds, i == 0);
    return STATUS_OK;
}

static int run_sides(struct examiner *examiner, const struct document *document,
                     struct free_side *sides, unsigned nsides, unsigned rounds)
{
    char why[EXECUTE_WHY_MAX + 1];

    for (unsigned i = 0; i < nsides; i++) {
        sides[i].trace = trace_new();
        if (!sides[i].trace) {
            cli_error("run", "out of memory");
            return STATUS_HARNESS;
        }
        int err = i > 0 ? examiner_inject(examiner, i - 1, document->inject, why) : 0;
        if (!err)
            err = free_rounds(examiner, &document->program, (int)i - 1, rounds, &sides[i].rounds,
                              sides[i].trace, why);
        if (err)
            return cli_harness_error("run", err, why);
    }
    return STATUS_OK;
}

int free_check_options(const char *command, const struct cli_options *cli)
{
    const struct judge_options *judge = &cli->examine.judge;

    if (judge->contract != CONTRACT_EXACT || judge->strict_order || cli->examine.metamorphic) {
        cli_error(command, "parallel blocks exclude --contract late-error, --strict-order and "
                           "--metamorphic, expected none of them");
        return STATUS_USAGE;
    }
    for (unsigned i = 0; i < cli->nsubjects; i++) {
        if (cli->subjects[i].kind != SUBJECT_MODEL)
            continue;
        /* Nothing runs under the model: it is what all runs are judged by. */
        cli_error(command, "--subject model: every run of a parallel block is judged by the model, "
                           "expected another subject");
        return STATUS_USAGE;
    }
    return STATUS_OK;
}

int free_run(const struct cli_options *cli, const struct document *document, unsigned rounds)
{
    struct examine_options options = cli->examine;
    struct examiner *examiner;
    char why[EXECUTE_WHY_MAX + 1];
    int cpus[CLI_JOBS_MAX];
    unsigned nsides = cli->nsubjects + 1;

    int status = free_check_options("run", cli);
    if (status != STATUS_OK)
        return status;
    struct free_side *sides = calloc(nsides, sizeof(*sides));
    if (!sides) {
        cli_error("run", "out of memory");
        return STATUS_HARNESS;
    }
    cli_list_cpus(cpus, CLI_JOBS_MAX);
    options.executor.cpu = cpus[0];
    int err = examiner_start(cli->subjects, cli->nsubjects, &options, &examiner, why);
    if (err) {
        free(sides);
        return cli_harness_error("run", err, why);
    }
    for (unsigned i = 0; i < nsides; i++)
        sides[i].name = i ? cli->subjects[i - 1].name : "native";
    status = run_sides(examiner, document, sides, nsides, rounds);
    if (status == STATUS_OK)
        status = show_sides(cli, document, sides, nsides, rounds);
    for (unsigned i = 0; i < nsides; i++) {
        if (status == STATUS_OK && sides[i].rounds.counts[LINEAR_VIOLATION] > 0)
            status = STATUS_DIVERGED;
        trace_free(sides[i].trace);
    }
    examiner_stop(examiner);
    free(sides);
    return status;
}
