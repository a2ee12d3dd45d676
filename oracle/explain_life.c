/*
 * Rules about what happens to threads and processes while an operation is pending: new program
 * images, ends of threads, tables of descriptors, handlers of signals.
 */
#include "oracle/deeds.h"
#include "oracle/inquiry.h"

#include <errno.h>
#include <sys/epoll.h>

/* The subject held the operation back, and no step of the run carried it out. */
static bool culprit_is_lost(const struct inquiry *inquiry)
{
    return inquiry->culprit >= 0 && inquiry->late && !inquiry->flush_failed &&
           inquiry->carried == STORY_NEVER;
}

/* The step in (culprit, observer's) at which the process of the culprit got another image. */
static int find_exec(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;

    for (unsigned k = (unsigned)inquiry->culprit + 1; k <= inquiry->step; k++) {
        if (op_table[inquiry_step(inquiry, k)->op].effect == EFFECT_EXEC &&
            story_process(story, k) == inquiry->ctl.process && story_succeeded(story, SUBJECT, k))
            return (int)k;
    }
    return INQUIRY_NONE;
}

/* F4: execve drops what is pending, the instance lives on. */
bool explain_exec(struct inquiry *inquiry)
{
    int exec = culprit_is_lost(inquiry) ? find_exec(inquiry) : INQUIRY_NONE;

    if (exec < 0)
        return false;
    inquiry->verdict->hazard = HAZARD_F4;
    inquiry->verdict->class = CLASS_PROCESS;
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " was pending when");
    say_step(inquiry, " the", (unsigned)exec);
    text_append(&inquiry->text, " did away with the memory of its process, and is never done");
    say_consequence(inquiry);
    return true;
}

/* The step in (culprit, observer's] at which the process of the culprit ended by its own will. */
static int find_process_end(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;

    for (unsigned k = (unsigned)inquiry->culprit + 1; k <= inquiry->step; k++) {
        if (op_table[inquiry_step(inquiry, k)->op].effect == EFFECT_EXIT &&
            story_process(story, k) == inquiry->ctl.process &&
            story->traces[SUBJECT]->steps[k].state == STEP_DIED)
            return (int)k;
    }
    return INQUIRY_NONE;
}

/* F6: the end of a process drops what is pending, the instance lives on in another. */
bool explain_process_end(struct inquiry *inquiry)
{
    int end = culprit_is_lost(inquiry) ? find_process_end(inquiry) : INQUIRY_NONE;

    if (end < 0)
        return false;
    inquiry->verdict->hazard = HAZARD_F6;
    inquiry->verdict->class = CLASS_PROCESS;
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " was pending when");
    say_step(inquiry, " the", (unsigned)end);
    text_append(&inquiry->text,
                " ended its process, and is never done, though %s shares the "
                "instance",
                inquiry_actor(inquiry, inquiry->observer));
    say_consequence(inquiry);
    return true;
}

/* The step at which the thread of the culprit ended, while its process lived on. */
static int find_thread_end(const struct inquiry *inquiry)
{
    const struct trace *trace = inquiry->story->traces[SUBJECT];

    for (unsigned k = (unsigned)inquiry->culprit + 1; k <= inquiry->step; k++) {
        const struct step *step = inquiry_step(inquiry, k);
        bool leaves = op_table[step->op].effect == EFFECT_THREAD_EXIT &&
                      step->actor == inquiry->ctl.actor && trace->steps[k].state == STEP_DIED;
        if (leaves || trace->cancelled_at[inquiry->ctl.actor] == (int)k)
            return (int)k;
    }
    return INQUIRY_NONE;
}

/*
 * F5: a list that ends with its thread. One that outlives it would have been flushed by a wait on
 * the instance: any other look says nothing about that.
 */
bool explain_thread_end(struct inquiry *inquiry)
{
    const struct step *observer = inquiry_step(inquiry, inquiry->observer);
    int end = culprit_is_lost(inquiry) && op_table[observer->op].effect == EFFECT_WAIT
                  ? find_thread_end(inquiry)
                  : INQUIRY_NONE;

    if (end < 0 || (unsigned)end > inquiry->observer)
        return false;
    inquiry->verdict->hazard = HAZARD_F5;
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " was pending in %s when that thread ended in",
                inquiry_actor(inquiry, (unsigned)inquiry->culprit));
    say_step(inquiry, " the", (unsigned)end);
    text_append(&inquiry->text, ", and is never done");
    say_consequence(inquiry);
    return true;
}

/* A11: carried out by a thread of the process that has another table. */
bool explain_table(struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    int index = inquiry->culprit >= 0 && inquiry->late && story->witnessed
                    ? deeds_find(story, (unsigned)inquiry->culprit)
                    : DEED_NONE;

    if (index < 0)
        return false;
    const struct deed *deed = &story->deeds[index];
    const struct world *world = story_world(story, SUBJECT, deed->step);
    if (deed->actor == TRACE_ACTOR_UNKNOWN || deed->process != inquiry->ctl.process ||
        world->actor_tables[deed->actor] == world->actor_tables[inquiry->ctl.actor] ||
        (file_key_equal(deed->file, inquiry->ctl.file) &&
         file_key_equal(deed->instance, inquiry->ctl.instance)))
        return false;
    inquiry->verdict->hazard = HAZARD_A11;
    if (deed->err == 0)
        inquiry->verdict->class = CLASS_FD_REUSE;
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " by %s was carried out at step %u by %s, whose table has",
                inquiry_actor(inquiry, (unsigned)inquiry->culprit), step_number(deed->step),
                story->program->actors[deed->actor].name);
    if (file_key_none(deed->file))
        text_append(&inquiry->text, " nothing at number %d", deed->number);
    else
        say_file(inquiry, " another file at that number, the", deed->file);
    say_consequence(inquiry);
    return true;
}

/* The handler that a tgkill has natively run, if it called epoll_ctl with success. */
static const struct world_handler *handler_of(const struct inquiry *inquiry, unsigned sent)
{
    const struct story *story = inquiry->story;
    const struct trace_step *done = &story->traces[NATIVE]->steps[sent];
    const struct step *step = inquiry_step(inquiry, sent);

    if (op_table[step->op].effect != EFFECT_SIGNAL || done->handled_at == TRACE_NEVER ||
        done->handler_ret != 0)
        return NULL;
    const struct world *world = story_world(story, NATIVE, (unsigned)done->handled_at);
    unsigned process = story->program->actors[step->args[0]].process;
    const struct world_handler *handler = &world->processes[process].handler;
    return handler->kind == HANDLER_CTL ? handler : NULL;
}

static bool holds_data(const struct trace_event *events, unsigned count, uint64_t data)
{
    for (unsigned i = 0; i < count; i++) {
        if (events[i].data == data)
            return true;
    }
    return false;
}

static bool list_has(const struct inquiry *inquiry, enum side side, uint64_t data)
{
    return story_listed(inquiry->story, side, inquiry->step, data, NULL) != NULL;
}

/* True if the handler's DEL natively ended the registration of this data. */
static bool handler_ended(const struct inquiry *inquiry, unsigned sent, uint64_t data)
{
    const struct story *story = inquiry->story;
    unsigned at = (unsigned)story->traces[NATIVE]->steps[sent].handled_at;
    const struct world *before = story_world(story, NATIVE, at);
    const struct world *after = story_world(story, NATIVE, at + 1);

    for (unsigned i = 0; i < before->nitems; i++) {
        if (before->items[i].live && !after->items[i].live &&
            step_number((unsigned)before->items[i].registered) == data)
            return true;
    }
    return false;
}

/* True if the subject lacks what the handler's epoll_ctl natively did. */
static bool lacks_handler(const struct inquiry *inquiry, unsigned sent,
                          const struct world_handler *handler)
{
    const struct story *story = inquiry->story;
    uint64_t data = step_number(sent);

    if (handler->op != EPOLL_CTL_DEL) {
        const struct trace_step *native = &story->traces[NATIVE]->steps[inquiry->observer];
        bool reported =
            holds_data(native->events, native->nevents, data) ||
            (inquiry->difference->kind == DIFFERENCE_LIST && list_has(inquiry, NATIVE, data));
        return reported && !list_has(inquiry, SUBJECT, data);
    }
    for (uint64_t other = 1; other <= inquiry->step + 1; other++) {
        bool shown = holds_data(inquiry->events.extra, inquiry->events.nextra, other) ||
                     (inquiry->difference->kind == DIFFERENCE_LIST &&
                      list_has(inquiry, SUBJECT, other) && !list_has(inquiry, NATIVE, other));
        if (shown && handler_ended(inquiry, sent, other))
            return true;
    }
    return false;
}

/* True if the signal natively ended a wait of the actor that it was sent to. */
static bool interrupted_wait(const struct inquiry *inquiry, unsigned sent)
{
    const struct trace *trace = inquiry->story->traces[NATIVE];
    unsigned target = (unsigned)inquiry_step(inquiry, sent)->args[0];

    for (unsigned k = 0; k <= sent; k++) {
        const struct step *step = inquiry_step(inquiry, k);
        if (step->actor == target && op_table[step->op].effect == EFFECT_WAIT &&
            trace->steps[k].blocked && trace->steps[k].err == EINTR &&
            trace->steps[k].completed_at == trace->steps[sent].handled_at)
            return true;
    }
    return false;
}

/* D3: what a handler did inside a wait is pending when that is over. A1, A3, A4: it is pending
 * while another thread looks. */
static enum hazard hazard_of_handler(const struct inquiry *inquiry, unsigned sent,
                                     const struct world_handler *handler)
{
    if (interrupted_wait(inquiry, sent))
        return HAZARD_D3;
    if (inquiry_step(inquiry, inquiry->observer)->actor ==
        (unsigned)inquiry_step(inquiry, sent)->args[0])
        return HAZARD_NONE;
    return handler->op == EPOLL_CTL_ADD   ? HAZARD_A1
           : handler->op == EPOLL_CTL_DEL ? HAZARD_A3
                                          : HAZARD_A4;
}

/* D3 and its kin: the operation that is missing is that of a handler. */
bool explain_handler(struct inquiry *inquiry)
{
    for (unsigned sent = inquiry->step + 1; sent-- > 0;) {
        const struct world_handler *handler = handler_of(inquiry, sent);
        if (handler == NULL || !lacks_handler(inquiry, sent, handler))
            continue;
        inquiry->verdict->hazard = hazard_of_handler(inquiry, sent, handler);
        text_append(&inquiry->text, "The epoll_ctl of the handler that");
        say_step(inquiry, " the", sent);
        text_append(
            &inquiry->text, " ran in %s is pending%s",
            inquiry->story->program->actors[inquiry_step(inquiry, sent)->args[0]].name,
            interrupted_wait(inquiry, sent) ? ", though the wait that it interrupted is over" : "");
        say_consequence(inquiry);
        return true;
    }
    return false;
}

/* C1: the handler itself got another answer. */
bool explain_handler_result(struct inquiry *inquiry)
{
    const struct trace_step *native = &inquiry->story->traces[NATIVE]->steps[inquiry->observer];
    const struct trace_step *subject = &inquiry->story->traces[SUBJECT]->steps[inquiry->observer];

    if (inquiry->difference->kind != DIFFERENCE_RESULT || native->handled_at == TRACE_NEVER ||
        native->handled_at != subject->handled_at || native->ret != subject->ret ||
        native->handler_ret == 0 || subject->handler_ret != 0)
        return false;
    inquiry->verdict->hazard = HAZARD_C1;
    inquiry->verdict->class = CLASS_ERRNO_LOST;
    text_append(&inquiry->text, "The epoll_ctl of the handler fails natively; the subject returns "
                                "success to it before it knows");
    say_consequence(inquiry);
    inquiry->cited[inquiry->observer] = true;
    return true;
}
