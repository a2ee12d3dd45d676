/* Rules about what stands in the results alone: errors, crashes, numbers, order. */
#include "oracle/deeds.h"
#include "oracle/inquiry.h"

#include <errno.h>
#include <sys/epoll.h>

static void give(struct inquiry *inquiry, enum hazard hazard)
{
    inquiry->verdict->hazard = hazard;
}

/* True if the call passes a pointer that the kernel refuses: its event or its buffer. */
static bool has_bad_pointer(const struct step *step)
{
    const struct op_info *op = &op_table[step->op];
    for (unsigned i = 0; i < op->nargs; i++) {
        if (op->args[i] == ARG_EVENT &&
            (step->args[i] == EVENT_NULL || step->args[i] == EVENT_BADPTR))
            return true;
        if (op->args[i] == ARG_BUFFER && step->args[i] != BUFFER_GOOD)
            return true;
    }
    return false;
}

/* C2: the layer read through a pointer that the kernel would have refused. F3: stuck in the child
 * of a fork. */
bool explain_end(struct inquiry *inquiry)
{
    if (inquiry->difference->kind != DIFFERENCE_END)
        return false;
    const struct trace *subject = inquiry->story->traces[SUBJECT];
    struct text *text = &inquiry->text;
    if (subject->end == RUN_COMPLETE) {
        text_append(text, "The run of the subject ends well, but natively ");
        say_step(inquiry, "the", inquiry->observer);
        text_append(text, inquiry->verdict->class == CLASS_HANG ? " hangs." : " crashes.");
        return true;
    }
    if (subject->end == RUN_HUNG) {
        bool child = story_process(inquiry->story, inquiry->observer) != 0;
        say_step(inquiry, "The", inquiry->observer);
        text_append(text, " never comes out of the subject");
        if (subject->end_syscall >= 0)
            text_append(text, ": it sleeps in system call %ld, which it did not ask for",
                        subject->end_syscall);
        text_append(text, child ? ". It runs in a forked child." : ".");
        give(inquiry, child ? HAZARD_F3 : HAZARD_NONE);
        return true;
    }
    say_step(inquiry, "The", inquiry->observer);
    if (subject->end_signal == 0) {
        text_append(text, " ends its process under the subject, which it did not ask for.");
        return true;
    }
    text_append(text, " dies of ");
    text_append_signal(text, subject->end_signal);
    if (has_bad_pointer(inquiry_step(inquiry, inquiry->observer))) {
        text_append(text, ": it passes a bad pointer, for which the kernel returns EFAULT, and the "
                          "subject reads through it.");
        give(inquiry, HAZARD_C2);
    } else {
        text_append(text, " under the subject.");
    }
    return true;
}

/* Loops and paths of instances that the kernel refuses, not an argument: EXCLUSIVE on an epoll fd
 * is one. */
static bool nesting_is_refused(const struct inquiry *inquiry)
{
    const struct step *step = inquiry_step(inquiry, inquiry->observer);
    const struct world *world = story_world(inquiry->story, NATIVE, inquiry->observer);
    int instance = world_file_of_arg(world, step, 0);
    int file = world_file_of_arg(world, step, 2);
    if (instance == WORLD_FILE_NONE || file == WORLD_FILE_NONE ||
        world->files[instance].kind != FILE_EPOLL || world->files[file].kind != FILE_EPOLL)
        return false;
    /* To itself: an argument that the kernel refuses before it looks at the operation. */
    if (instance == file)
        return false;
    return step_is_ctl_op(step, EPOLL_CTL_ADD) && step->args[3] >= 0 &&
           ((uint32_t)step->args[3] & EPOLLEXCLUSIVE) == 0;
}

static enum hazard hazard_of_withheld(const struct inquiry *inquiry)
{
    switch (inquiry->native_err) {
    case EFAULT:
        return HAZARD_C2;
    case EEXIST:
    case ENOENT:
    case EPERM:
        return HAZARD_C3;
    case ELOOP:
    case ENOSPC:
        return HAZARD_C6;
    case EINVAL:
        return nesting_is_refused(inquiry) ? HAZARD_C6 : HAZARD_C1;
    default:
        return HAZARD_C1;
    }
}

static void say_withheld(struct inquiry *inquiry, enum hazard hazard)
{
    struct text *text = &inquiry->text;
    say_step(inquiry, "The", inquiry->observer);
    text_append(text, " fails with ");
    text_append_errno(text, inquiry->native_err);
    text_append(text, " natively; the subject returns success");
    switch (hazard) {
    case HAZARD_C2:
        text_append(text, " without having read the event that the call passes");
        break;
    case HAZARD_C3:
        text_append(text, ", and a caller that probes for this error never takes its fallback");
        break;
    case HAZARD_C6:
        text_append(text, " and leaves loops and limits to the time when it carries it out");
        break;
    default:
        text_append(text, " before it knows");
        break;
    }
    switch (inquiry->verdict->class) {
    case CLASS_ERRNO_LATE:
        text_append(text, ". The error surfaces at a later call.");
        break;
    case CLASS_ERRNO_MASKED:
        text_append(text, ". The kernel lists its data all the same: it was carried out as another "
                          "operation.");
        break;
    default:
        text_append(text, ". The error never surfaces.");
        break;
    }
}

/* C1, C2, C3, C6: a ctl fails natively and the subject says that it succeeded. C4: both fail,
 * differently. */
bool explain_call_error(struct inquiry *inquiry)
{
    enum difference_kind kind = inquiry->difference->kind;
    if ((kind != DIFFERENCE_RESULT && kind != DIFFERENCE_UNPAID) || inquiry->native_err == 0 ||
        !step_is_ctl(inquiry_step(inquiry, inquiry->observer)))
        return false;
    inquiry->culprit = (int)inquiry->observer;
    if (inquiry->subject_err != 0) {
        give(inquiry, HAZARD_C4);
        say_step(inquiry, "The", inquiry->observer);
        text_append(&inquiry->text, " fails with ");
        text_append_errno(&inquiry->text, inquiry->native_err);
        text_append(&inquiry->text, " by the kernel's order of checks, and with ");
        text_append_errno(&inquiry->text, inquiry->subject_err);
        text_append(&inquiry->text, " under the subject.");
        return true;
    }
    enum hazard hazard = hazard_of_withheld(inquiry);
    give(inquiry, hazard);
    say_withheld(inquiry, hazard);
    return true;
}

/* C13: a call that succeeds leaves errno changed. */
bool explain_errno_clobbered(struct inquiry *inquiry)
{
    if (inquiry->difference->kind != DIFFERENCE_RESULT || inquiry->native_err != 0 ||
        inquiry->subject_err != 0 || inquiry->verdict->class != CLASS_ERRNO_WRONG)
        return false;
    int native = inquiry->story->traces[NATIVE]->steps[inquiry->observer].err;
    int subject = inquiry->story->traces[SUBJECT]->steps[inquiry->observer].err;
    give(inquiry, HAZARD_C13);
    say_step(inquiry, "The", inquiry->observer);
    text_append(&inquiry->text, " succeeds and leaves errno ");
    if (subject != 0) {
        text_append(&inquiry->text, "at ");
        text_append_errno(&inquiry->text, subject);
        text_append(&inquiry->text, " under the subject; natively ");
    } else {
        text_append(&inquiry->text, "alone under the subject; natively ");
    }
    if (native != 0)
        text_append_errno(&inquiry->text, native);
    else
        text_append(&inquiry->text, "it leaves errno alone");
    text_append(&inquiry->text, ".");
    return true;
}

/* Errors that no epoll call has of itself: they are those of a ring, a device or a non-blocking
 * attempt. */
static bool is_foreign(int err)
{
    return err == ENODEV || err == ENOTTY || err == ENOSYS || err == EAGAIN || err == ECANCELED ||
           err == EBUSY;
}

/* True if a signal was handled when the observer's call came back under the subject. */
static bool was_interrupted(const struct inquiry *inquiry)
{
    const struct trace *trace = inquiry->story->traces[SUBJECT];
    unsigned actor = inquiry_step(inquiry, inquiry->observer)->actor;

    for (unsigned k = inquiry->observer; k <= inquiry->step; k++) {
        const struct step *step = inquiry_step(inquiry, k);
        if (step->op == OP_TGKILL && (unsigned)step->args[0] == actor &&
            trace->steps[k].handled_at == trace->steps[inquiry->observer].completed_at)
            return true;
    }
    return false;
}

/* C14, C15, D7, I1: a call fails under the subject for what the subject did inside it. */
bool explain_polluted(struct inquiry *inquiry)
{
    if (inquiry->observed != CLASS_ERRNO_PHANTOM)
        return false;
    enum op_effect effect = op_table[inquiry_step(inquiry, inquiry->observer)->op].effect;
    bool epoll = effect == EFFECT_CTL || effect == EFFECT_WAIT || effect == EFFECT_POLL;
    const char *why;
    if (epoll && is_foreign(inquiry->subject_err)) {
        give(inquiry, HAZARD_C15);
        why = "an error of the subject's own means, not of the call";
    } else if (epoll && inquiry->subject_err == EINTR && !was_interrupted(inquiry)) {
        give(inquiry, HAZARD_D7);
        why = "though nothing interrupted the call itself";
    } else if (!epoll && (inquiry->subject_err == EMFILE || inquiry->subject_err == ENFILE)) {
        give(inquiry, HAZARD_I1);
        why = "for the subject holds descriptors of its own";
    } else if (!epoll) {
        give(inquiry, HAZARD_C14);
        why = "which is not its own error but that of an operation carried out inside it";
    } else {
        return false;
    }
    say_step(inquiry, "The", inquiry->observer);
    text_append(&inquiry->text, " succeeds natively and fails under the subject with ");
    text_append_errno(&inquiry->text, inquiry->subject_err);
    text_append(&inquiry->text, ", %s.", why);
    return true;
}

/* C1: the error that a ctl owes comes at a call that the contract does not name: one on another
 * instance. */
bool explain_late_error(struct inquiry *inquiry)
{
    if (inquiry->culprit < 0 || !inquiry->flush_failed ||
        story_succeeded(inquiry->story, NATIVE, (unsigned)inquiry->culprit))
        return false;
    give(inquiry, HAZARD_C1);
    text_append(&inquiry->text, "The error of ");
    say_step(inquiry, "the", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " is delivered late and to another call");
    say_consequence(inquiry);
    return true;
}

/*
 * C3, C1: a call that natively fails was carried out all the same, as another operation (a repair)
 * or at a time when nothing stood against it any more. The contract late-error lets the pretended
 * success pass; what it did shows later.
 */
bool explain_failed_call(struct inquiry *inquiry)
{
    if (inquiry->culprit < 0 || !inquiry->story->witnessed ||
        story_succeeded(inquiry->story, NATIVE, (unsigned)inquiry->culprit))
        return false;
    int last = deeds_find_last(inquiry->story, (unsigned)inquiry->culprit, inquiry->step);
    if (last < 0 || inquiry->story->deeds[last].err != 0)
        return false;
    const struct deed *deed = &inquiry->story->deeds[last];
    int err = inquiry->story->traces[NATIVE]->steps[inquiry->culprit].err;
    bool probed = err == EEXIST || err == ENOENT || err == EPERM;
    give(inquiry, deed->repaired || probed ? HAZARD_C3 : HAZARD_C1);
    inquiry->verdict->class = inquiry->observed;
    say_step(inquiry, "The", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, " fails with ");
    text_append_errno(&inquiry->text, err);
    text_append(&inquiry->text, " natively; under the subject it was carried out at step %u%s",
                step_number(deed->step), deed->repaired ? " as another operation" : "");
    say_consequence(inquiry);
    return true;
}

/* An earlier ctl of the culprit's batch that failed in it, unseen. */
struct dropper {
    int step;   /* or INQUIRY_NONE */
    int closer; /* the step that took its number, if that is why it failed, or INQUIRY_NONE */
    bool own;   /* it was on the culprit's own target */
};

/* The step that took its target's number from a ctl that was never carried out, or INQUIRY_NONE. */
static int find_doom(const struct inquiry *inquiry, unsigned ctl_step, const struct ctl *ctl)
{
    const struct story *story = inquiry->story;
    if (story_carried(story, ctl_step) != STORY_NEVER)
        return INQUIRY_NONE;
    for (unsigned k = ctl_step + 1; k < inquiry->step; k++) {
        const struct world *after = story_world(story, SUBJECT, k + 1);
        if (!file_key_equal(story_file_of(after, ctl->actor, ctl->number), ctl->file))
            return (int)k;
    }
    return INQUIRY_NONE;
}

static struct dropper find_dropper(const struct inquiry *inquiry)
{
    const struct story *story = inquiry->story;
    struct dropper dropper = {.step = INQUIRY_NONE, .closer = INQUIRY_NONE};
    for (unsigned k = (unsigned)inquiry->culprit; k-- > 0;) {
        const struct step *step = inquiry_step(inquiry, k);
        if (step->actor != inquiry->ctl.actor)
            continue;
        if (op_table[step->op].effect == EFFECT_WAIT)
            break; /* the batch before */
        if (!step_is_ctl(step) || !story_succeeded(story, SUBJECT, k))
            continue;
        struct ctl failed;
        story_read_ctl(story, k, &failed);
        dropper.closer = INQUIRY_NONE;
        if (story_succeeded(story, NATIVE, k)) {
            dropper.closer = find_doom(inquiry, k, &failed);
            if (dropper.closer < 0)
                continue;
        }
        dropper.step = (int)k;
        dropper.own = failed.number == inquiry->ctl.number &&
                      file_key_equal(failed.instance, inquiry->ctl.instance) &&
                      file_key_equal(failed.file, inquiry->ctl.file);
        break;
    }
    return dropper;
}

static struct dropper witnessed_dropper(const struct inquiry *inquiry)
{
    struct dropper dropper = {.closer = INQUIRY_NONE};
    dropper.step = suspect_dropper(inquiry, &dropper.own);
    return dropper;
}

/* C7: the operation that this one rests on failed unseen. C10: an error before it ended the batch.
 */
bool explain_dropped(struct inquiry *inquiry)
{
    if (inquiry->culprit < 0 || !inquiry->late || inquiry->carried >= 0)
        return false;
    struct dropper dropper =
        inquiry->story->witnessed ? witnessed_dropper(inquiry) : find_dropper(inquiry);
    if (dropper.step < 0)
        return false;
    give(inquiry, dropper.own ? HAZARD_C7 : HAZARD_C10);
    say_step(inquiry, "The", (unsigned)dropper.step);
    text_append(&inquiry->text, " failed unseen in the batch");
    if (dropper.closer >= 0) {
        text_append(&inquiry->text, ", for");
        say_step(inquiry, " the", (unsigned)dropper.closer);
        text_append(&inquiry->text, " had taken its number");
    }
    text_append(&inquiry->text, dropper.own ? ", and " : ", and that ended it before ");
    say_step(inquiry, "the", (unsigned)inquiry->culprit);
    text_append(&inquiry->text, dropper.own ? " rests on it" : " was carried out");
    say_consequence(inquiry);
    return true;
}

/* I1: the program's numbers are not those that it has natively. */
bool explain_numbers(struct inquiry *inquiry)
{
    if (inquiry->observed != CLASS_FD_TABLE)
        return false;
    give(inquiry, HAZARD_I1);
    text_append(&inquiry->text, "The subject takes or keeps a descriptor that natively is free: ");
    say_difference(inquiry);
    text_append(&inquiry->text, ".");
    return true;
}

/* E1: when a registration reached the kernel decides its place in the ready list. */
bool explain_order(struct inquiry *inquiry)
{
    if (inquiry->difference->kind != DIFFERENCE_ORDER)
        return false;
    give(inquiry, HAZARD_E1);
    say_step(inquiry, "The", inquiry->observer);
    text_append(&inquiry->text,
                " hands out the same events as natively in another order: the ready "
                "list is in the order in which the registrations became ready.");
    return true;
}
