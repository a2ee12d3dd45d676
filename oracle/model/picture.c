/* What a state looks like from outside: interest lists and descriptor tables. */
#include "oracle/model/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_table(const struct model *model, unsigned a, unsigned b)
{
    const struct model_actor *left = &model->actors[a];
    const struct model_actor *right = &model->actors[b];

    return left->born && right->born && left->process == right->process && left->tag == right->tag;
}

/* The actor by whom the trace knows the table of one: the first of its process that has it, alive
 * or not. */
static unsigned table_owner(const struct model *model, unsigned actor)
{
    unsigned owner = 0;

    while (!same_table(model, owner, actor))
        owner++;
    return owner;
}

/* /proc shows a table by a thread that lives and has it. */
static const struct model_table *table_of(const struct model *model, unsigned owner)
{
    for (unsigned i = 0; i < model->program->nactors; i++) {
        if (model->actors[i].alive && same_table(model, i, owner))
            return &model->tables[model->actors[i].table];
    }
    return NULL;
}

static int compare_items(const void *left, const void *right)
{
    const struct trace_item *a = left;
    const struct trace_item *b = right;

    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->data < b->data ? -1 : a->data > b->data;
}

/* Rule 36. */
static void append_list(const struct model *model, unsigned step, unsigned owner, int number,
                        struct trace *trace)
{
    const struct model_table *table = table_of(model, owner);

    if (!table || number < 0 || number >= PROGRAM_FD_LIMIT || table->files[number] < 0)
        return;
    for (unsigned i = trace->nsnapshots; i > 0; i--) {
        const struct trace_snapshot *earlier = &trace->snapshots[i - 1];
        if (earlier->step != (int)step)
            break;
        if (earlier->process == owner && earlier->number == number)
            return;
    }
    if (trace->nsnapshots == TRACE_SNAPSHOTS_MAX ||
        trace->nitems + model->nitems > TRACE_ITEMS_MAX) {
        trace->truncated = true;
        return;
    }
    struct trace_snapshot *snapshot = &trace->snapshots[trace->nsnapshots++];
    *snapshot = (struct trace_snapshot){.step = (int16_t)step,
                                        .process = (uint8_t)owner,
                                        .number = number,
                                        .first = (uint16_t)trace->nitems};
    for (unsigned i = 0; i < model->nitems; i++) {
        const struct model_item *item = &model->items[i];
        if (item->instance == table->files[number])
            trace->items[trace->nitems++] = (struct trace_item){
                .number = item->number, .events = item->events, .data = (uint64_t)item->data};
    }
    snapshot->nitems = (uint16_t)(trace->nitems - snapshot->first);
    qsort(&trace->items[snapshot->first], snapshot->nitems, sizeof(trace->items[0]), compare_items);
}

static bool read_behind(const struct model *model, unsigned step, const struct model_report *report,
                        unsigned waited)
{
    const struct model_actor *actor = &model->actors[model->program->steps[waited].actor];

    if (op_table[model->program->steps[waited].op].effect != EFFECT_WAIT)
        return false;
    for (unsigned i = 0; i < report->nreturns; i++) {
        if (report->returns[i].step == waited)
            return true;
    }
    return waited == step && report->fate == MODEL_ASLEEP && actor->sleep != SLEEP_NONE &&
           actor->step == (int)waited;
}

/* True if a step behind `waited` has got its epoll fd's number for something else. */
static bool number_was_taken(const struct model *model, unsigned waited, unsigned step, int number)
{
    for (unsigned k = waited + 1; k <= step; k++) {
        const struct step *opener = &model->program->steps[k];
        const struct op_info *op = &op_table[opener->op];
        for (unsigned o = 0; o < op->nouts; o++) {
            if (op->outs[o].kind != FILE_ACTOR && model->slots[opener->outs[o]] == number)
                return true;
        }
    }
    return false;
}

void model_picture_lists(const struct model *model, unsigned step,
                         const struct model_report *report, struct trace *trace)
{
    for (unsigned i = 0; i <= step; i++) {
        const struct step *waited = &model->program->steps[i];
        if (!read_behind(model, step, report, i))
            continue;
        int number =
            waited->tags[0] == TAG_SLOT ? model->slots[waited->args[0]] : (int)waited->args[0];
        if (!number_was_taken(model, i, step, number))
            append_list(model, step, table_owner(model, waited->actor), number, trace);
    }
}

/* What tells the /proc link targets of two files apart. */
struct target {
    int kind;
    int file;
};

static struct target target_of(const struct model *model, int file)
{
    const struct model_file *state = &model->files[file];

    switch (state->kind) {
    case FILE_PIPE_READ:
    case FILE_PIPE_WRITE:
        return (struct target){FILE_PIPE_READ, state->peer < file ? state->peer : file};
    case FILE_PATH:
        return (struct target){FILE_PATH, state->executable};
    default:
        return (struct target){state->kind, model_kind_of(model, file)->shares_target ? 0 : file};
    }
}

static void append_number(const struct model *model, unsigned owner, int number, int file,
                          struct target *targets, struct trace *trace)
{
    const struct model_kind *kind = model_kind_of(model, file);

    if (trace->nfds == TRACE_FDS_MAX) {
        trace->truncated = true;
        return;
    }
    struct trace_fd *fd = &trace->fds[trace->nfds];
    const char *what = kind->what                      ? kind->what
                       : model->files[file].executable ? "file"
                                                       : "/dev/null";
    memset(fd, 0, sizeof(*fd));
    fd->process = (uint8_t)owner;
    fd->number = number;
    snprintf(fd->what, sizeof(fd->what), "%s", what);
    targets[trace->nfds] = target_of(model, file);
    fd->identity = (uint16_t)trace->nfds;
    for (unsigned i = 0; i < trace->nfds; i++) {
        if (targets[i].kind == targets[trace->nfds].kind &&
            targets[i].file == targets[trace->nfds].file) {
            fd->identity = trace->fds[i].identity;
            break;
        }
    }
    trace->nfds++;
}

void model_picture_tables(const struct model *model, struct trace *trace)
{
    struct target targets[TRACE_FDS_MAX];

    for (unsigned p = 0; p < model->program->nactors; p++) {
        if (!model->actors[p].born || table_owner(model, p) != p)
            continue;
        const struct model_table *table = table_of(model, p);
        if (!table)
            continue;
        for (int number = 0; number < PROGRAM_FD_LIMIT; number++) {
            if (table->files[number] >= 0)
                append_number(model, p, number, table->files[number], targets, trace);
        }
    }
}
