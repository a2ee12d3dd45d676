/* Programs, traces and verdicts for people and for other programs. */
#include "fuzz/epdiff/show.h"
#include "fuzz/program/document.h"

#include <errno.h>
#include <string.h>

enum {
    CELL_MAX = 400,
    RESULT_WIDTH_MAX = 44,
    CALL_WIDTH_MAX = 60,
};

struct layout {
    unsigned actor, call;
    unsigned results[EXAMINE_SUBJECTS_MAX + 1];
};

static void widen(unsigned *width, size_t length, unsigned max)
{
    if (length > max)
        length = max;
    if (length > *width)
        *width = (unsigned)length;
}

static bool returns_here(const struct trace *trace, unsigned start, unsigned at)
{
    return trace->steps[start].blocked && trace->steps[start].completed_at == (int)at &&
           start != at;
}

static void completion_call(const struct program *program, unsigned start, char *text, size_t size)
{
    snprintf(text, size, "... %s of step %u returns", op_table[program->steps[start].op].text,
             step_number(start));
}

static void completion_result(const struct trace *trace, unsigned start, unsigned at, char *text,
                              size_t size)
{
    const struct trace_step *step = &trace->steps[start];

    if (returns_here(trace, start, at))
        trace_print_completion(trace, start, text, size);
    else if (step->blocked && (step->completed_at == TRACE_NEVER || step->completed_at > (int)at))
        snprintf(text, size, "still asleep");
    else
        snprintf(text, size, "-");
}

static void measure_layout(const struct program *program, const struct show_column *columns,
                           unsigned ncolumns, struct layout *ret_layout)
{
    char text[CELL_MAX];

    *ret_layout = (struct layout){.actor = 5, .call = 4};
    for (unsigned c = 0; c < ncolumns; c++)
        widen(&ret_layout->results[c], strlen(columns[c].name), RESULT_WIDTH_MAX);
    for (unsigned i = 0; i < program->nsteps; i++) {
        widen(&ret_layout->actor, strlen(program->actors[program->steps[i].actor].name),
              PROGRAM_NAME_MAX);
        widen(&ret_layout->call, step_print(program, i, text, sizeof(text)), CALL_WIDTH_MAX);
        for (unsigned c = 0; c < ncolumns; c++) {
            widen(&ret_layout->results[c],
                  trace_print_result(columns[c].trace, i, text, sizeof(text)), RESULT_WIDTH_MAX);
            if (columns[c].trace->steps[i].blocked) {
                completion_call(program, i, text, sizeof(text));
                widen(&ret_layout->call, strlen(text), CALL_WIDTH_MAX);
                widen(&ret_layout->results[c],
                      trace_print_completion(columns[c].trace, i, text, sizeof(text)),
                      RESULT_WIDTH_MAX);
            }
        }
    }
}

static void print_cell(FILE *out, const char *text, unsigned width, bool last)
{
    if (last)
        fprintf(out, "%s\n", text);
    else
        fprintf(out, "%-*s  ", (int)width, text);
}

static bool diverges_at(const struct show_column *columns, unsigned ncolumns, unsigned step)
{
    for (unsigned c = 1; c < ncolumns; c++) {
        if (!columns[c].verdict->equal && columns[c].verdict->step == step)
            return true;
    }
    return false;
}

static void print_completions(FILE *out, const struct program *program,
                              const struct show_column *columns, unsigned ncolumns, unsigned at,
                              const struct layout *layout)
{
    char text[CELL_MAX];

    for (unsigned start = 0; start < at; start++) {
        bool any = false;
        for (unsigned c = 0; c < ncolumns; c++)
            any |= returns_here(columns[c].trace, start, at);
        if (!any)
            continue;
        bool marked = false;
        for (unsigned c = 1; c < ncolumns; c++)
            marked |= !columns[c].verdict->equal && columns[c].verdict->step == at &&
                      columns[c].verdict->observer == start;
        fprintf(out, "%c       ", marked ? '>' : ' ');
        print_cell(out, program->actors[program->steps[start].actor].name, layout->actor, false);
        completion_call(program, start, text, sizeof(text));
        print_cell(out, text, layout->call, false);
        for (unsigned c = 0; c < ncolumns; c++) {
            completion_result(columns[c].trace, start, at, text, sizeof(text));
            print_cell(out, text, layout->results[c], c + 1 == ncolumns);
        }
    }
}

void show_table(FILE *out, const struct program *program, const struct show_column *columns,
                unsigned ncolumns)
{
    struct layout layout;
    char text[CELL_MAX];

    measure_layout(program, columns, ncolumns, &layout);
    fprintf(out, "step    ");
    print_cell(out, "actor", layout.actor, false);
    print_cell(out, "call", layout.call, false);
    for (unsigned c = 0; c < ncolumns; c++)
        print_cell(out, columns[c].name, layout.results[c], c + 1 == ncolumns);
    for (unsigned i = 0; i < program->nsteps; i++) {
        fprintf(out, "%c %3u   ", diverges_at(columns, ncolumns, i) ? '>' : ' ', step_number(i));
        print_cell(out, program->actors[program->steps[i].actor].name, layout.actor, false);
        step_print(program, i, text, sizeof(text));
        print_cell(out, text, layout.call, false);
        for (unsigned c = 0; c < ncolumns; c++) {
            trace_print_result(columns[c].trace, i, text, sizeof(text));
            print_cell(out, text, layout.results[c], c + 1 == ncolumns);
        }
        print_completions(out, program, columns, ncolumns, i, &layout);
    }
}

void show_wrapped(FILE *out, const char *text, unsigned width, const char *indent)
{
    while (*text) {
        size_t length = strlen(text);
        size_t room = width - strlen(indent);
        if (length > room) {
            length = room;
            while (length > 0 && text[length] != ' ')
                length--;
            if (length == 0)
                length = strcspn(text, " ");
        }
        fprintf(out, "%s%.*s\n", indent, (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
}

void show_verdict_title(FILE *out, const struct verdict *verdict)
{
    if (verdict->hazard == HAZARD_NONE)
        fprintf(out, "%s, no known hazard", class_names[verdict->class]);
    else
        fprintf(out, "%s, hazard %s (%s)", class_names[verdict->class],
                hazard_codes[verdict->hazard], hazard_titles[verdict->hazard]);
}

void show_examination(FILE *out, const char *name, const struct examination *examination,
                      bool metamorphic, unsigned confirmed, unsigned rounds)
{
    const struct verdict *verdict = &examination->verdict;

    fprintf(out, "%s: ", name);
    switch (examination->result) {
    case EXAMINED_EQUAL:
        fprintf(out, "equal%s\n",
                examination->beyond ? " as far as the model knows what happens" : "");
        break;
    case EXAMINED_ORDER:
        fprintf(out,
                "only the order of events differs, from step %u on: allowed, for batching cannot "
                "keep it\n",
                step_number(verdict->step));
        break;
    case EXAMINED_UNSTABLE:
        fprintf(out, "no verdict, two native runs of this program differ from each other%s\n",
                metamorphic ? ", or flush points change them" : "");
        fprintf(out, "  One of them: %s\n", examination->opinion);
        break;
    case EXAMINED_DIVERGENT:
        show_verdict_title(out, verdict);
        fprintf(out, "\n");
        show_wrapped(out, verdict->explanation, 118, "  ");
        if (examination->opinion[0])
            fprintf(out, "  %s\n", examination->opinion);
        fprintf(out, "  signature %s; reproduces %u of %u\n", verdict->signature, confirmed,
                rounds);
        break;
    }
}

static const char *const state_names[] = {
    [STEP_NOT_REACHED] = "not-reached", [STEP_SKIPPED] = "skipped", [STEP_DONE] = "done",
    [STEP_BLOCKED] = "blocked",         [STEP_DIED] = "died",       [STEP_HUNG] = "hung",
};

json_t *show_trace_json(const struct trace *trace)
{
    json_t *steps = json_array();
    char text[CELL_MAX];

    for (unsigned i = 0; i < trace->nsteps; i++) {
        const struct trace_step *step = &trace->steps[i];
        step_print(trace->program, i, text, sizeof(text));
        json_t *object = json_pack(
            "{s:i, s:s, s:s, s:s, s:I, s:i}", "step", (int)step_number(i), "actor",
            trace->program->actors[trace->program->steps[i].actor].name, "call", text, "state",
            state_names[step->state], "ret", (json_int_t)step->ret, "errno", step->err);
        if (step->blocked && step->completed_at != TRACE_NEVER)
            json_object_set_new(object, "returned_at", json_integer(step->completed_at + 1));
        if (step->nevents) {
            json_t *events = json_array();
            for (unsigned e = 0; e < step->nevents; e++)
                json_array_append_new(events, json_pack("{s:I, s:I}", "events",
                                                        (json_int_t)step->events[e].events, "data",
                                                        (json_int_t)step->events[e].data));
            json_object_set_new(object, "events", events);
        }
        json_array_append_new(steps, object);
    }
    return steps;
}

json_t *show_verdict_json(const struct verdict *verdict)
{
    if (verdict->equal)
        return json_pack("{s:b}", "equal", 1);
    return json_pack("{s:b, s:s, s:s, s:i, s:s, s:s}", "equal", 0, "class",
                     class_names[verdict->class], "hazard", hazard_codes[verdict->hazard], "step",
                     (int)step_number(verdict->step), "signature", verdict->signature,
                     "explanation", verdict->explanation);
}

int show_json_line(json_t *value)
{
    int err = json_dumpf(value, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);

    json_decref(value);
    return err || putchar('\n') == EOF ? -EIO : 0;
}
