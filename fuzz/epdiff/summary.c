/* What fuzz and enumerate count, and the line of pairs that they end with. */
#include "fuzz/epdiff/summary.h"

#include "fuzz/epdiff/show.h"
#include "fuzz/generate/generate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool was_woken(const struct trace *trace)
{
    for (unsigned i = 0; i < trace->nsteps; i++) {
        enum op_effect effect = op_table[trace->program->steps[i].op].effect;
        if ((effect == EFFECT_WAIT || effect == EFFECT_POLL) && trace->steps[i].blocked &&
            trace->steps[i].completed_at != TRACE_NEVER)
            return true;
    }
    return false;
}

void summary_measure(const struct trace *native, struct summary_counters *counters)
{
    struct generate_mix mix;

    generate_measure(native->program, &mix);
    counters->threads = mix.threads;
    counters->processes = mix.processes;
    counters->nested = mix.nested;
    counters->woken = was_woken(native);
}

void summary_add(struct summary_counters *counters, const struct summary_counters *program)
{
    counters->programs++;
    counters->threads += program->threads;
    counters->processes += program->processes;
    counters->nested += program->nested;
    counters->woken += program->woken;
    counters->divergent += program->divergent > 0;
    counters->unlisted += program->unlisted > 0;
    counters->unstable += program->divergent == 0 && program->unstable > 0;
    counters->order += program->divergent == 0 && program->unstable == 0 && program->order > 0;
    counters->beyond += program->beyond > 0;
    counters->eligible += program->eligible;
    counters->deferred += program->deferred;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

int summary_print(const struct cli_options *options, const struct summary_counters *counters,
                  const struct summary_end *end)
{
    const struct summary_counters *c = counters;
    double seconds = (double)(executor_now_ms() - end->start_ms) / 1000.0;
    char subjects[EXAMINE_SUBJECTS_MAX * (SUBJECT_NAME_MAX + 2)] = "";
    char beyond[40] = "", known[40] = "";
    bool limited = false;

    for (unsigned s = 0; s < options->nsubjects; s++) {
        limited |=
            options->subjects[s].kind == SUBJECT_MODEL || subject_has_limits(&options->subjects[s]);
        strcat(subjects, s ? "," : "");
        strcat(subjects, options->subjects[s].name);
    }
    /* Who promises nothing keeps every promise. */
    if (limited)
        snprintf(beyond, sizeof(beyond), " beyond=%" PRIu64, c->beyond);
    if (end->listing)
        snprintf(known, sizeof(known), " known=%u", end->known);
    if (options->json) {
        json_t *line =
            json_pack("{s:I, s:I, s:i, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:s}",
                      "programs", (json_int_t)c->programs, "divergent", (json_int_t)c->divergent,
                      "signatures", (int)end->signatures, "unstable", (json_int_t)c->unstable,
                      "order", (json_int_t)c->order, "beyond", (json_int_t)c->beyond, "threads",
                      share(c->threads, c->programs), "procs", share(c->processes, c->programs),
                      "woken", share(c->woken, c->programs), "nested",
                      share(c->nested, c->programs), "deferred", share(c->deferred, c->eligible),
                      "seconds", seconds, end->key, (json_int_t)end->value, "subjects", subjects);
        if (end->listing)
            json_object_set_new(line, "known", json_integer(end->known));
        return show_json_line(line) ? STATUS_HARNESS : STATUS_OK;
    }
    printf("programs=%" PRIu64 " divergent=%" PRIu64 " signatures=%u%s unstable=%" PRIu64
           " order=%" PRIu64 "%s threads=%.2f procs=%.2f woken=%.2f nested=%.2f deferred=%.2f"
           " seconds=%.1f %s=%" PRIu64 " subjects=%s\n",
           c->programs, c->divergent, end->signatures, known, c->unstable, c->order, beyond,
           share(c->threads, c->programs), share(c->processes, c->programs),
           share(c->woken, c->programs), share(c->nested, c->programs),
           share(c->deferred, c->eligible), seconds, end->key, end->value, subjects);
    return STATUS_OK;
}
