#include "oracle/explain.h"
#include "oracle/deeds.h"

#include "fuzz/program/document.h"
#include "oracle/inquiry.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/*
 * The rules, the first that fits wins: from what stands in the results alone, by the identity of
 * numbers, to who could see that an operation was late. A new rule is one entry here and one
 * function.
 */
static explain_rule *const rules[] = {
    explain_end,           explain_handler,     explain_handler_result,
    explain_exec,          explain_process_end, explain_table,
    explain_thread_end,    explain_call_error,  explain_errno_clobbered,
    explain_polluted,      explain_late_error,  explain_failed_call,
    explain_dropped,       explain_handoff,     explain_target_door,
    explain_epfd_door,     explain_fork,        explain_process,
    explain_indirect,      explain_thread,      explain_overtaken,
    explain_failed_repair, explain_exclusive,   explain_readiness,
    explain_numbers,       explain_order,
};

static const struct trace_step *observation_of(const struct inquiry *inquiry, enum side side)
{
    return &inquiry->story->traces[side]->steps[inquiry->observer];
}

static enum op_effect observed_effect(const struct inquiry *inquiry)
{
    return op_table[inquiry_step(inquiry, inquiry->observer)->op].effect;
}

/* True if step k uses the instance of a ctl, by its number or by its file. */
static bool step_uses_instance(const struct inquiry *inquiry, unsigned k, const struct ctl *ctl)
{
    const struct step *step = inquiry_step(inquiry, k);
    int arg = story_fd_arg(step);
    if (arg < 0)
        return false;
    const struct world *world = story_world(inquiry->story, SUBJECT, k);
    unsigned process = story_process(inquiry->story, k);
    int number = world_number(world, step, (unsigned)arg);
    struct file_key file = story_file_of(world, step->actor, number);
    return (number == ctl->epfd && process == ctl->process) ||
           (!file_key_none(file) && file_key_equal(file, ctl->instance));
}

/* True if a later call on the instance fails with the errno under the subject alone. */
static bool error_surfaces(const struct inquiry *inquiry, const struct ctl *ctl)
{
    const struct story *story = inquiry->story;
    int err = inquiry->native_err;
    for (unsigned k = inquiry->observer + 1; k < story->program->nsteps; k++) {
        const struct trace_step *native = &story->traces[NATIVE]->steps[k];
        const struct trace_step *subject = &story->traces[SUBJECT]->steps[k];
        bool natively = native->state == STEP_DONE && native->ret == -1 && native->err == err;
        if (!natively && subject->state == STEP_DONE && subject->ret == -1 && subject->err == err &&
            step_uses_instance(inquiry, k, ctl))
            return true;
    }
    return false;
}

/* True if the call that the actor was in during the step failed with the errno under the subject.
 */
static bool call_failed(const struct story *story, unsigned step, unsigned actor, int err)
{
    for (unsigned k = step + 1; k-- > 0;) {
        const struct trace_step *done = &story->traces[SUBJECT]->steps[k];
        if (story->program->steps[k].actor != actor)
            continue;
        return done->state == STEP_DONE && done->ret == -1 && done->err == err;
    }
    return false;
}

/* The deeds of the call tell what became of its error. */
static enum divergence_class classify_witnessed(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    for (unsigned i = 0; i < story->ndeeds; i++) {
        const struct deed *deed = &story->deeds[i];
        if (deed->ctl != (int)inquiry->observer)
            continue;
        if (deed->repaired && deed->err == 0)
            return CLASS_ERRNO_MASKED;
        if (deed->err == inquiry->native_err && inquiry->difference->kind != DIFFERENCE_UNPAID &&
            call_failed(story, deed->step, deed->actor, deed->err))
            return CLASS_ERRNO_LATE;
        /* Met at once and kept back: no deed tells when it is handed out, the results do. */
        bool kept_back = deed->step == inquiry->observer && deed->err == inquiry->native_err;
        if (kept_back && inquiry->difference->kind != DIFFERENCE_UNPAID) {
            struct ctl ctl;
            story_read_ctl(story, inquiry->observer, &ctl);
            if (error_surfaces(inquiry, &ctl))
                return CLASS_ERRNO_LATE;
        }
    }
    return CLASS_ERRNO_LOST;
}

/*
 * The kernel lists the data of a ctl that natively fails, from step `listed` on. That was a repair
 * (EEXIST turned into a MOD, ENOENT into an ADD), unless the subject's kernel had no reason to
 * refuse it: what an ADD collides with natively can be pending in another process.
 */
static bool was_repaired(const struct inquiry *inquiry, const struct ctl *ctl, unsigned listed)
{
    const struct story *story = inquiry->story;
    if (inquiry->native_err == ENOENT)
        return true;
    if (inquiry->native_err != EEXIST)
        return false;
    int added;
    int registered = story_native_registration(story, inquiry->observer, ctl, &added);
    if (registered < 0 || story_process(story, (unsigned)added) == ctl->process)
        return true;
    for (int meant = added; meant <= registered && listed > 0; meant++) {
        if (story_listed(story, SUBJECT, listed - 1, step_number((unsigned)meant), NULL) != NULL)
            return true;
    }
    return false;
}

/* An errno that natively came at the call: does it come later, was it repaired, or is it gone? */
static enum divergence_class classify_withheld(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    if (story->worlds[NATIVE] == NULL)
        return CLASS_ERRNO_LOST;
    struct ctl ctl;
    story_read_ctl(story, inquiry->observer, &ctl);
    if (story->witnessed)
        return classify_witnessed(inquiry);
    /* An error that was left unpaid did not surface: another of the same kind may have. */
    if (inquiry->difference->kind != DIFFERENCE_UNPAID && error_surfaces(inquiry, &ctl))
        return CLASS_ERRNO_LATE;
    for (unsigned k = inquiry->observer; k < story->program->nsteps; k++) {
        if (story_listed(story, SUBJECT, k, step_number(inquiry->observer), NULL) != NULL)
            return was_repaired(inquiry, &ctl, k) ? CLASS_ERRNO_MASKED : CLASS_ERRNO_LOST;
    }
    return CLASS_ERRNO_LOST;
}

static enum divergence_class classify_values(const struct inquiry *inquiry)
{
    const struct trace_step *native = observation_of(inquiry, NATIVE);
    const struct trace_step *subject = observation_of(inquiry, SUBJECT);
    const struct op_info *op = &op_table[inquiry_step(inquiry, inquiry->observer)->op];
    if (native->err != subject->err)
        return CLASS_ERRNO_WRONG;
    if (op->effect == EFFECT_IO)
        return CLASS_IO;
    if (op->effect == EFFECT_POLL && native->ret == subject->ret)
        return CLASS_READINESS_MASK;
    if (op->effect == EFFECT_POLL)
        return native->ret > subject->ret ? CLASS_READINESS_MISSING : CLASS_READINESS_EXTRA;
    bool numbers = op->nouts > 0 && op->outs[0].kind != FILE_ACTOR;
    return numbers ? CLASS_FD_TABLE : CLASS_PROCESS;
}

static enum divergence_class classify_result(const struct inquiry *inquiry)
{
    bool native_failed = inquiry->native_err != 0;
    bool subject_failed = inquiry->subject_err != 0;
    if (native_failed && subject_failed)
        return CLASS_ERRNO_WRONG;
    if (!native_failed && !subject_failed)
        return classify_values(inquiry);
    if (observed_effect(inquiry) == EFFECT_IO)
        return CLASS_IO;
    if (subject_failed)
        return CLASS_ERRNO_PHANTOM;
    return observed_effect(inquiry) == EFFECT_CTL ? classify_withheld(inquiry) : CLASS_ERRNO_LOST;
}

/* Natively the registration that this data names was modified or removed. */
static bool data_is_stale(const struct inquiry *inquiry, uint64_t data)
{
    const struct story *story = inquiry->story;
    if (story->worlds[NATIVE] == NULL || data < 1 || data > story->program->nsteps)
        return false;
    return story_ended(story, (unsigned)data - 1, inquiry->step) >= 0;
}

static enum divergence_class classify_events(const struct inquiry *inquiry)
{
    const struct event_sets *events = &inquiry->events;
    unsigned masks = 0;
    for (unsigned i = 0; i < events->nextra; i++) {
        bool other_mask = false;
        for (unsigned j = 0; j < events->nmissing && !other_mask; j++)
            other_mask = events->missing[j].data == events->extra[i].data;
        masks += other_mask;
        if (!other_mask && data_is_stale(inquiry, events->extra[i].data))
            return CLASS_READINESS_STALE;
    }
    if (events->nextra > masks)
        return CLASS_READINESS_EXTRA;
    return events->nmissing > masks ? CLASS_READINESS_MISSING : CLASS_READINESS_MASK;
}

static enum divergence_class classify_end(const struct inquiry *inquiry)
{
    const struct trace *subject = inquiry->story->traces[SUBJECT];
    const struct trace *ended =
        subject->end != RUN_COMPLETE ? subject : inquiry->story->traces[NATIVE];
    return ended->end == RUN_HUNG ? CLASS_HANG : CLASS_CRASH;
}

static enum divergence_class classify(const struct inquiry *inquiry)
{
    bool io = inquiry->story->program->nsteps > 0 && observed_effect(inquiry) == EFFECT_IO;
    switch (inquiry->difference->kind) {
    case DIFFERENCE_END:
        return classify_end(inquiry);
    case DIFFERENCE_STATE:
        return observation_of(inquiry, SUBJECT)->state == STEP_HUNG ? CLASS_HANG : CLASS_PROCESS;
    case DIFFERENCE_LOST:
        if (io)
            return CLASS_IO;
        return CLASS_WAKEUP_LOST;
    case DIFFERENCE_EXTRA:
        if (io)
            return CLASS_IO;
        return inquiry->subject_err != 0 ? CLASS_ERRNO_PHANTOM : CLASS_WAKEUP_EXTRA;
    case DIFFERENCE_RESULT:
        return classify_result(inquiry);
    case DIFFERENCE_EVENTS:
        return classify_events(inquiry);
    case DIFFERENCE_LIST:
        return CLASS_INTEREST;
    case DIFFERENCE_PROCESS:
        return CLASS_PROCESS;
    case DIFFERENCE_TABLE:
        return CLASS_FD_TABLE;
    case DIFFERENCE_UNPAID:
        return classify_withheld(inquiry);
    case DIFFERENCE_ORDER:
    case DIFFERENCE_NONE:
        break;
    }
    return CLASS_ORDER;
}

static const char *kind_of_step(const struct step *step)
{
    const struct op_info *op = &op_table[step->op];
    if (op->effect == EFFECT_WAIT)
        return "wait";
    if (op->effect == EFFECT_POLL)
        return "poll";
    if (op->effect != EFFECT_CTL)
        return op->text;
    return step->args[1] == EPOLL_CTL_ADD   ? "add"
           : step->args[1] == EPOLL_CTL_MOD ? "mod"
           : step->args[1] == EPOLL_CTL_DEL ? "del"
                                            : "ctl";
}

/*
 * The signature rests on the cited steps alone, so removing any other step leaves it as it is. A
 * difference that no step shows, in the final tables, is of kind "end".
 */
static void write_signature(const struct inquiry *inquiry)
{
    struct verdict *verdict = inquiry->verdict;
    struct text text;
    text_init(&text, verdict->signature, sizeof(verdict->signature));
    text_append(&text, "%s/%s/", class_names[verdict->class], hazard_codes[verdict->hazard]);
    unsigned kinds = 0;
    for (unsigned k = 0; k < inquiry->story->program->nsteps; k++) {
        if (inquiry->cited[k] && kinds < SIGNATURE_KINDS_MAX)
            text_append(&text, "%s%s", kinds++ > 0 ? "-" : "",
                        kind_of_step(inquiry_step(inquiry, k)));
    }
    if (kinds == 0)
        text_append(&text, "end");
    assert(text.length < sizeof(verdict->signature));
}

void say_step(struct inquiry *inquiry, const char *article, unsigned step)
{
    const struct step *call = inquiry_step(inquiry, step);
    const char *name = op_table[call->op].text;
    if (step_is_ctl_op(call, EPOLL_CTL_ADD))
        name = "ADD";
    else if (step_is_ctl_op(call, EPOLL_CTL_MOD))
        name = "MOD";
    else if (step_is_ctl_op(call, EPOLL_CTL_DEL))
        name = "DEL";
    text_append(&inquiry->text, "%s %s of step %u", article, name, step_number(step));
    inquiry->cited[step] = true;
}

void say_file(struct inquiry *inquiry, const char *article, struct file_key file)
{
    static const char *const names[FILE_KINDS] = {
        [FILE_EPOLL] = "epoll instance",
        [FILE_PIPE_READ] = "read end of a pipe",
        [FILE_PIPE_WRITE] = "write end of a pipe",
        [FILE_SOCKET] = "socket",
        [FILE_EVENTFD] = "eventfd",
        [FILE_PATH] = "file without a poll method",
        [FILE_REGULAR] = "regular file",
        [FILE_FOLDER] = "folder",
        [FILE_LISTENER] = "listening socket",
        [FILE_TIMERFD] = "timerfd",
        [FILE_SIGNALFD] = "signalfd",
        [FILE_INOTIFY] = "inotify instance",
    };
    const char *name = "file";
    if (file.born >= 0) {
        const struct op_info *op = &op_table[inquiry_step(inquiry, (unsigned)file.born)->op];
        enum file_kind kind = op->outs[file.out].kind;
        if (names[kind] != NULL)
            name = names[kind];
    }
    text_append(&inquiry->text, "%s %s", article, name);
}

/* The first event of a set: the others add nothing to an explanation. */
static void say_event(struct inquiry *inquiry, const struct trace_event *event)
{
    char mask[256];
    (void)events_print(event->events, mask, sizeof(mask));
    text_append(&inquiry->text, "%s with the data of step %llu", mask,
                (unsigned long long)event->data);
}

static void say_results(struct inquiry *inquiry)
{
    char native[200];
    char subject[200];
    (void)trace_print_completion(inquiry->story->traces[NATIVE], inquiry->observer, native,
                                 sizeof(native));
    (void)trace_print_completion(inquiry->story->traces[SUBJECT], inquiry->observer, subject,
                                 sizeof(subject));
    if (strcmp(native, subject) == 0)
        text_append(&inquiry->text, " hands out other data than natively");
    else
        text_append(&inquiry->text, " comes to \"%s\" natively and to \"%s\" under the %s", native,
                    subject, inquiry->story->options->computed ? "model" : "subject");
}

static void say_observation(struct inquiry *inquiry)
{
    const struct event_sets *events = &inquiry->events;
    struct text *text = &inquiry->text;
    switch (inquiry->observed) {
    case CLASS_WAKEUP_LOST:
        text_append(text, " sleeps on at step %u, where natively it returns",
                    step_number(inquiry->step));
        return;
    case CLASS_WAKEUP_EXTRA:
        text_append(text, " returns at step %u, where natively it sleeps on",
                    step_number(inquiry->step));
        return;
    case CLASS_ERRNO_PHANTOM:
        text_append(text, " fails with ");
        text_append_errno(text, inquiry->subject_err);
        text_append(text, ", where natively it does not fail");
        return;
    case CLASS_READINESS_MISSING:
    case CLASS_READINESS_EXTRA:
    case CLASS_READINESS_STALE:
    case CLASS_READINESS_MASK:
        if (inquiry->observed == CLASS_READINESS_MISSING && events->nmissing > 0) {
            text_append(text, " misses ");
            say_event(inquiry, &events->missing[0]);
            return;
        }
        if (events->nextra > 0) {
            text_append(text, " reports ");
            say_event(inquiry, &events->extra[0]);
            if (inquiry->astray && events->extra[0].data == step_number((unsigned)inquiry->culprit))
                text_append(text, " for a file that the call never named");
            else
                text_append(text, ", which natively it does not");
            return;
        }
        break;
    default:
        break;
    }
    say_results(inquiry);
}

/* Differences that belong to no call: "the final fd tables differ". */
static bool say_stepless(struct inquiry *inquiry)
{
    const struct difference *difference = inquiry->difference;
    const char *actor = inquiry->story->program->actors[difference->process].name;
    switch (difference->kind) {
    case DIFFERENCE_PROCESS:
        text_append(&inquiry->text, "the process of %s ends otherwise than natively", actor);
        return true;
    case DIFFERENCE_TABLE:
        text_append(&inquiry->text, "the final fd tables differ at number %d of the process of %s",
                    difference->number, actor);
        return true;
    default:
        return false;
    }
}

static const struct trace_snapshot *list_of(const struct inquiry *inquiry, enum side side)
{
    const struct difference *difference = inquiry->difference;
    const struct trace *trace = inquiry->story->traces[side];
    for (unsigned i = 0; i < trace->nsnapshots; i++) {
        const struct trace_snapshot *snapshot = &trace->snapshots[i];
        if (!snapshot->evidence && snapshot->step == (int)difference->step &&
            snapshot->process == difference->process && snapshot->number == difference->number)
            return snapshot;
    }
    return NULL;
}

/* The first item of a side's list that the other side does not have just so. */
static const struct trace_item *find_odd_item(const struct inquiry *inquiry, enum side side)
{
    enum side other = side == NATIVE ? SUBJECT : NATIVE;
    const struct trace_snapshot *list = list_of(inquiry, side);
    const struct trace_snapshot *others = list_of(inquiry, other);
    for (unsigned i = 0; list != NULL && others != NULL && i < list->nitems; i++) {
        const struct trace_item *item = &inquiry->story->traces[side]->items[list->first + i];
        bool found = false;
        for (unsigned k = 0; k < others->nitems; k++) {
            const struct trace_item *same =
                &inquiry->story->traces[other]->items[others->first + k];
            found |= same->number == item->number && same->events == item->events &&
                     same->data == item->data;
        }
        if (!found)
            return item;
    }
    return NULL;
}

static void say_item(struct inquiry *inquiry, const char *side, const struct trace_item *item)
{
    char mask[256];
    if (item == NULL) {
        text_append(&inquiry->text, " %s no such entry", side);
        return;
    }
    /* The kernel adds these two to every mask. */
    (void)events_print(item->events & ~(uint32_t)(EPOLLERR | EPOLLHUP), mask, sizeof(mask));
    text_append(&inquiry->text, " %s number %d with %s and the data of step %llu", side,
                item->number, mask, (unsigned long long)item->data);
}

/* "...: natively number 4 with EPOLLIN|EPOLLET and the data of step 5, under the subject no such
 * entry" */
static void say_odd_items(struct inquiry *inquiry)
{
    const struct trace_item *native = find_odd_item(inquiry, NATIVE);
    const struct trace_item *subject = find_odd_item(inquiry, SUBJECT);
    if (native == NULL && subject == NULL)
        return;
    text_append(&inquiry->text, ":");
    say_item(inquiry, "natively", native);
    text_append(&inquiry->text, ",");
    say_item(inquiry, "under the subject", subject);
}

void say_difference(struct inquiry *inquiry)
{
    if (say_stepless(inquiry))
        return;
    if (inquiry->difference->kind == DIFFERENCE_LIST) {
        text_append(&inquiry->text, "the kernel's interest list of epoll fd %d differs after",
                    inquiry->difference->number);
        say_step(inquiry, " the", inquiry->observer);
        say_odd_items(inquiry);
        return;
    }
    say_step(inquiry, "the", inquiry->observer);
    say_observation(inquiry);
}

void say_consequence(struct inquiry *inquiry)
{
    text_append(&inquiry->text, ", so ");
    say_difference(inquiry);
    text_append(&inquiry->text, ".");
}

static void explain_plainly(struct inquiry *inquiry)
{
    if (inquiry->story->program->nsteps == 0) {
        text_append(&inquiry->text, "The runs of an empty program end differently.");
        return;
    }
    text_append(&inquiry->text, inquiry->story->options->computed
                                    ? "The kernel does not do what the model expects: "
                                    : "No rule says why: ");
    say_difference(inquiry);
    if (inquiry->culprit >= 0 && inquiry->culprit != (int)inquiry->observer) {
        text_append(&inquiry->text, "; it concerns ");
        say_step(inquiry, "the", (unsigned)inquiry->culprit);
    }
    text_append(&inquiry->text, ".");
}

static int failed_with(const struct trace_step *step)
{
    return step->state == STEP_DONE && step->ret == -1 ? step->err : 0;
}

static void open_inquiry(struct inquiry *inquiry)
{
    const struct difference *difference = inquiry->difference;
    inquiry->step = difference->step;
    inquiry->observer = difference->observer;
    inquiry->culprit = INQUIRY_NONE;
    inquiry->victim = INQUIRY_NONE;
    const struct trace_step *native = observation_of(inquiry, NATIVE);
    const struct trace_step *subject = observation_of(inquiry, SUBJECT);
    /* Of a call in which one side sleeps on, only the other side's return is in question, even if
     * it returns later. */
    if (difference->kind != DIFFERENCE_EXTRA)
        inquiry->native_err = failed_with(native);
    if (difference->kind != DIFFERENCE_LOST)
        inquiry->subject_err = failed_with(subject);
    static const struct trace_step nothing;
    if (difference->kind == DIFFERENCE_LOST)
        compare_events(native, &nothing, &inquiry->events);
    else if (difference->kind == DIFFERENCE_EXTRA)
        compare_events(&nothing, subject, &inquiry->events);
    else if (difference->kind == DIFFERENCE_EVENTS)
        compare_events(native, subject, &inquiry->events);
}

void explain_difference(struct story *story, const struct difference *difference,
                        struct verdict *ret_verdict)
{
    struct inquiry inquiry = {.story = story, .difference = difference, .verdict = ret_verdict};
    bool replayed = story_replay(story);
    open_inquiry(&inquiry);
    inquiry.observed = classify(&inquiry);
    ret_verdict->class = inquiry.observed;
    ret_verdict->hazard = HAZARD_NONE;
    text_init(&inquiry.text, ret_verdict->explanation, sizeof(ret_verdict->explanation));
    bool explained = false;
    if (replayed && story->program->nsteps > 0 && !story->options->computed) {
        suspect_find(&inquiry);
        if (inquiry.culprit >= 0 && inquiry.culprit != (int)inquiry.observer && inquiry.astray)
            ret_verdict->class = CLASS_FD_REUSE;
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && !explained; i++)
            explained = rules[i](&inquiry);
    }
    if (!explained)
        explain_plainly(&inquiry);
    ret_verdict->culprit = inquiry.culprit;
    write_signature(&inquiry);
}
