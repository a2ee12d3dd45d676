/* epdiff fuzz --parallel: random parallel blocks, each run judged by itself. */
#include "fuzz/epdiff/findings.h"
#include "fuzz/epdiff/free_findings.h"
#include "fuzz/epdiff/show.h"
#include "fuzz/epdiff/status.h"
#include "fuzz/epdiff/workers.h"
#include "fuzz/generate/parallel.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATUS_EVERY_MS = 250,
};

#define SEEN "Seen: "

struct free_counters {
    uint64_t programs, runs, violation, unknown, false_empties, overlapping;
    uint64_t unlisted; /* of the violations, those of signatures that are not known */
};

struct campaign {
    const struct free_fuzz *options;
    uint64_t start_ms, status_ms;
    pthread_mutex_t lock; /* of all that follows */
    struct free_counters counters;
    struct free_findings findings;
    int saving; /* the first error of a finding that could not be saved */
};

/* Whether two calls of different actors really were under way at the same time. */
static bool overlaps(const struct trace *trace)
{
    const struct program *program = trace->program;

    for (unsigned a = 0; a < program->nsteps; a++) {
        for (unsigned b = a + 1; b < program->nsteps; b++) {
            const struct trace_step *x = &trace->steps[a];
            const struct trace_step *y = &trace->steps[b];
            if (program->steps[a].block != 0 &&
                program->steps[a].block == program->steps[b].block &&
                program->steps[a].actor != program->steps[b].actor && x->called < y->returned &&
                y->called < x->returned)
                return true;
        }
    }
    return false;
}

static void finding_name(const struct campaign *campaign, const struct free_finding *finding,
                         const char *ending, char *ret_path, size_t size)
{
    char signature[HISTORY_SIGNATURE_MAX + 1];

    snprintf(signature, sizeof(signature), "%s", finding->shown.verdict.signature);
    for (char *at = signature; *at; at++)
        *at = *at == '/' ? '_' : *at;
    findings_subject_folder(&campaign->options->cli->subjects[finding->subject],
                            campaign->options->folder, ret_path, size);
    size_t length = strlen(ret_path);
    snprintf(ret_path + length, size - length, "/%s%s", signature, ending);
}

bool free_read_seen(const char *comment, char *ret_subject, char *ret_signature)
{
    const char *seen = strstr(comment, SEEN);

    if (!seen || (seen != comment && seen[-1] != '\n'))
        return false;
    seen += strlen(SEEN);
    size_t subject = strcspn(seen, " \n");
    size_t signature = seen[subject] == ' ' ? strcspn(seen + subject + 1, " \n") : 0;
    if (subject == 0 || signature == 0)
        return false;
    memcpy(ret_subject, seen, subject);
    ret_subject[subject] = '\0';
    memcpy(ret_signature, seen + subject + 1, signature);
    ret_signature[signature] = '\0';
    return true;
}

static int write_program(const struct campaign *campaign, const struct free_finding *finding,
                         FILE *out)
{
    struct document *document = calloc(1, sizeof(*document));

    if (!document)
        return -ENOMEM;
    document_init(document, "", &finding->program);
    snprintf(document->comment, sizeof(document->comment),
             "Free-running: not every run shows it. The run that did is in the file beside this "
             "one, with the ending\n.history, and is proof by itself.\n" SEEN "%s %s\n",
             campaign->options->cli->subjects[finding->subject].name,
             finding->shown.verdict.signature);
    snprintf(document->origin, sizeof(document->origin),
             "epdiff fuzz --parallel --seed %" PRIu64 ", program %" PRIu64, campaign->options->seed,
             finding->index);
    int err = document_write(document, out);
    free(document);
    return err;
}

static int save_as(const struct campaign *campaign, const struct free_finding *finding,
                   const char *ending, bool history)
{
    char path[PATH_MAX];
    int err = 0;

    finding_name(campaign, finding, ending, path, sizeof(path));
    FILE *out = fopen(path, "we");
    if (!out)
        return -errno;
    if (history)
        fprintf(out, "%s%s\nThe calls, with the stamps of call and return:\n%s",
                finding->shown.verdict.witness,
                finding->model ? "The same program does this natively: the model is wrong.\n" : "",
                finding->shown.history);
    else
        err = write_program(campaign, finding, out);
    if ((ferror(out) || fflush(out) != 0) && !err)
        err = -EIO;
    if (fclose(out) != 0 && !err)
        err = -errno;
    return err;
}

static int save(const struct campaign *campaign, const struct free_finding *finding)
{
    int err = findings_make_folders(&campaign->options->cli->subjects[finding->subject],
                                    campaign->options->folder);

    if (!err)
        err = save_as(campaign, finding, ".epd", false);
    return err ? err : save_as(campaign, finding, ".history", true);
}

/* Keeps a finding, in its files too: a run that is killed loses nothing. Returns 0 or -ENOMEM. */
static int keep(struct campaign *campaign, struct free_finding **fresh)
{
    struct free_finding *changed;

    pthread_mutex_lock(&campaign->lock);
    int err = free_findings_keep(&campaign->findings, fresh, &changed);
    if (!err && changed && !changed->known) {
        int saving = save(campaign, changed);
        campaign->saving = campaign->saving ? campaign->saving : saving;
    }
    pthread_mutex_unlock(&campaign->lock);
    return err;
}

static bool is_known(const struct campaign *campaign, unsigned subject,
                     const struct history_verdict *verdict)
{
    return known_lists(campaign->options->news->known, &campaign->options->cli->subjects[subject],
                       verdict->signature);
}

/*
 * The history is the proof that the subject did what no kernel does, if the model is right. Whether
 * it is wrong about this very program shows when it runs natively.
 */
static int note_violation(struct campaign *campaign, struct worker *worker, unsigned subject,
                          uint64_t index, const struct program *program, const struct trace *trace,
                          const struct history_verdict *verdict, char *ret_why)
{
    struct free_finding *finding = calloc(1, sizeof(*finding));
    struct free_rounds *native = calloc(1, sizeof(*native));
    int err = finding && native ? 0 : -ENOMEM;

    if (err) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
    } else {
        finding->subject = subject;
        finding->index = index;
        finding->program = *program;
        finding->known = is_known(campaign, subject, verdict);
        finding->shown.verdict = *verdict;
        (void)history_print(trace, "  ", finding->shown.history, sizeof(finding->shown.history));
        err = free_rounds(worker->examiner, program, EXAMINE_NATIVE, EXAMINE_CONFIRMATIONS, native,
                          NULL, ret_why);
    }
    if (!err) {
        finding->model = campaign->options->cli->subjects[subject].kind == SUBJECT_NATIVE ||
                         native->counts[LINEAR_VIOLATION] > 0;
        err = keep(campaign, &finding);
        if (err)
            snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
    }
    free(finding);
    free(native);
    return err;
}

static void count(struct campaign *campaign, const struct free_counters *more)
{
    struct free_counters *counters = &campaign->counters;

    pthread_mutex_lock(&campaign->lock);
    counters->programs += more->programs;
    counters->runs += more->runs;
    counters->violation += more->violation;
    counters->unlisted += more->unlisted;
    counters->unknown += more->unknown;
    counters->false_empties += more->false_empties;
    counters->overlapping += more->overlapping;
    uint64_t now = executor_now_ms();
    bool show = now - campaign->status_ms >= STATUS_EVERY_MS;
    if (show)
        campaign->status_ms = now;
    struct free_counters shown = *counters;
    pthread_mutex_unlock(&campaign->lock);
    if (show)
        status_show("fuzz: %" PRIu64 " parallel programs, %" PRIu64 " violations, %" PRIu64
                    " unknown, %" PRIu64 " s",
                    shown.programs, shown.violation, shown.unknown,
                    (now - campaign->start_ms) / 1000);
}

static int fuzz_program(struct campaign *campaign, struct worker *worker, uint64_t index,
                        struct program *program, struct history_verdict *verdict, char *ret_why)
{
    struct free_counters counters = {.programs = 1};
    const struct trace *trace;
    int err = 0;

    generate_parallel(campaign->options->seed, index, program);
    for (unsigned s = 0; !err && s < campaign->options->cli->nsubjects; s++) {
        err = examine_free(worker->examiner, program, (int)s, &trace, verdict, ret_why);
        if (err)
            break;
        counters.runs++;
        counters.overlapping += overlaps(trace);
        counters.violation += verdict->verdict == LINEAR_VIOLATION;
        counters.unknown += verdict->verdict == LINEAR_UNKNOWN;
        counters.false_empties += verdict->false_empties;
        counters.unlisted +=
            verdict->verdict == LINEAR_VIOLATION && !is_known(campaign, s, verdict);
        if (verdict->verdict == LINEAR_VIOLATION)
            err = note_violation(campaign, worker, s, index, program, trace, verdict, ret_why);
    }
    if (!err)
        count(campaign, &counters);
    return err;
}

static int work(struct worker *worker, char *ret_why)
{
    struct campaign *campaign = worker->context;
    const struct free_fuzz *options = campaign->options;
    struct program *program = malloc(sizeof(*program));
    struct history_verdict *verdict = malloc(sizeof(*verdict));
    int err = program && verdict ? 0 : -ENOMEM;

    if (err)
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "out of memory");
    for (uint64_t index = worker->index; !err && !workers_stopping(); index += worker->count) {
        if ((options->runs && index >= options->runs) ||
            (options->deadline_ms && executor_now_ms() >= options->deadline_ms))
            break;
        err = fuzz_program(campaign, worker, index, program, verdict, ret_why);
    }
    free(program);
    free(verdict);
    return err == -EINTR ? 0 : err;
}

static int compare_findings(const void *a, const void *b)
{
    const struct free_finding *x = *(struct free_finding *const *)a;
    const struct free_finding *y = *(struct free_finding *const *)b;

    if (x->subject != y->subject)
        return x->subject < y->subject ? -1 : 1;
    return strcmp(x->shown.verdict.signature, y->shown.verdict.signature);
}

static int show_finding(const struct campaign *campaign, const struct free_finding *finding)
{
    const struct free_fuzz *options = campaign->options;
    const char *subject = options->cli->subjects[finding->subject].name;
    const struct history_verdict *verdict = &finding->shown.verdict;
    char path[PATH_MAX];

    finding_name(campaign, finding, ".epd", path, sizeof(path));
    if (options->cli->json)
        return show_json_line(
            json_pack("{s:s, s:s, s:I, s:I, s:s, s:b, s:s, s:s}", "subject", subject, "file", path,
                      "program", (json_int_t)finding->index, "count", (json_int_t)finding->count,
                      "signature", verdict->signature, "model", finding->model, "witness",
                      verdict->witness, "history", finding->shown.history));
    printf("%s: violation\n%s%s  signature %s, seen in %" PRIu64 " run%s\n  epdiff run %s\n",
           subject, verdict->witness,
           finding->model ? "  It happens natively, too: an error of the model or of the harness.\n"
                          : "",
           verdict->signature, finding->count, finding->count == 1 ? "" : "s", path);
    if (options->verbose)
        printf("%s", finding->shown.history);
    return 0;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

static int show_summary(const struct campaign *campaign)
{
    const struct free_counters *c = &campaign->counters;
    const struct free_fuzz *options = campaign->options;
    double seconds = (double)(executor_now_ms() - campaign->start_ms) / 1000.0;
    char subjects[EXAMINE_SUBJECTS_MAX * (SUBJECT_NAME_MAX + 2)] = "";
    char known[40] = "";

    for (unsigned s = 0; s < options->cli->nsubjects; s++) {
        strcat(subjects, s ? "," : "");
        strcat(subjects, options->cli->subjects[s].name);
    }
    if (options->news->known_path)
        snprintf(known, sizeof(known), " known=%u", free_findings_count_known(&campaign->findings));
    if (options->cli->json) {
        json_t *line =
            json_pack("{s:I, s:I, s:I, s:I, s:i, s:I, s:f, s:f, s:I, s:s}", "programs",
                      (json_int_t)c->programs, "parallel", (json_int_t)c->runs, "violation",
                      (json_int_t)c->violation, "unknown", (json_int_t)c->unknown, "signatures",
                      (int)campaign->findings.count, "false-empty", (json_int_t)c->false_empties,
                      "overlapping", share(c->overlapping, c->runs), "seconds", seconds, "seed",
                      (json_int_t)options->seed, "subjects", subjects);
        if (options->news->known_path)
            json_object_set_new(line, "known",
                                json_integer(free_findings_count_known(&campaign->findings)));
        return show_json_line(line);
    }
    printf("programs=%" PRIu64 " parallel=%" PRIu64 " violation=%" PRIu64 " unknown=%" PRIu64
           " signatures=%u%s false-empty=%" PRIu64 " overlapping=%.2f seconds=%.1f seed=%" PRIu64
           " subjects=%s\n",
           c->programs, c->runs, c->violation, c->unknown, campaign->findings.count, known,
           c->false_empties, share(c->overlapping, c->runs), seconds, options->seed, subjects);
    return 0;
}

static int tell_news(const struct campaign *campaign)
{
    const struct free_fuzz *options = campaign->options;
    const struct free_findings *findings = &campaign->findings;
    struct news *list = calloc(findings->count + 1, sizeof(*list));

    if (!list) {
        cli_error("fuzz", "out of memory");
        return STATUS_HARNESS;
    }
    for (unsigned i = 0; i < findings->count; i++) {
        const struct free_finding *finding = findings->list[i];
        list[i] = (struct news){.subject = finding->subject,
                                .signature = finding->shown.verdict.signature,
                                .text = finding->shown.verdict.witness,
                                .count = finding->count,
                                .known = finding->known};
    }
    int status = news_show_known(options->cli, options->news, list, findings->count);
    int written = news_write_junit(options->cli, options->news, list, findings->count);
    free(list);
    return status == STATUS_OK ? written : status;
}

static int report(struct campaign *campaign)
{
    const struct free_findings *findings = &campaign->findings;
    int status = STATUS_OK;

    if (findings->count > 0)
        qsort(findings->list, findings->count, sizeof(findings->list[0]), compare_findings);
    for (unsigned i = 0; i < findings->count; i++) {
        if (!findings->list[i]->known && show_finding(campaign, findings->list[i]) != 0)
            status = STATUS_HARNESS;
    }
    if (tell_news(campaign) != STATUS_OK)
        status = STATUS_HARNESS;
    if (campaign->saving) {
        cli_error("fuzz", "--out %s: not every finding could be saved: %s",
                  campaign->options->folder, strerror(-campaign->saving));
        status = STATUS_HARNESS;
    }
    if (show_summary(campaign) != 0)
        status = STATUS_HARNESS;
    return status;
}

int free_fuzz(const struct free_fuzz *options)
{
    char why[EXECUTE_WHY_MAX + 1] = "";
    struct campaign *campaign = calloc(1, sizeof(*campaign));

    if (!campaign) {
        cli_error("fuzz", "out of memory");
        return STATUS_HARNESS;
    }
    campaign->options = options;
    campaign->start_ms = executor_now_ms();
    pthread_mutex_init(&campaign->lock, NULL);
    int err = workers_run(options->cli, options->jobs, work, campaign, why);
    status_clear();
    /* Whatever ended the run: what was found so far is kept. */
    int status = report(campaign);
    if (err)
        status = cli_harness_error("fuzz", err, why);
    else if (status == STATUS_OK && campaign->counters.unlisted > 0)
        status = STATUS_DIVERGED;
    free_findings_clear(&campaign->findings);
    pthread_mutex_destroy(&campaign->lock);
    free(campaign);
    return status;
}
