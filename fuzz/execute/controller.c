/*
 * One run: forces the schedule in program order and writes the trace.
 *
 * Steps of one actor that follow each other are given as one order while nobody else is inside a
 * call: nothing could be observed between them, and nobody could be woken. An order ends behind a
 * step that starts somebody, or behind which something is looked at. If its actor falls asleep on
 * the way, the rest of the order is taken back: nobody but the controller can have it woken.
 * Everything else is one step an order.
 *
 * A parallel block is one order for each of its actors, and one turn.
 */
#include "fuzz/execute/raw.h"
#include "fuzz/execute/run.h"
#include "fuzz/program/parallel.h"

#include <assert.h>
#include <errno.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static void prepare_wire(struct run *run)
{
    struct wire *wire = run->wire;
    const struct program *program = run->program;

    memset(wire->slots, -1, sizeof(wire->slots));
    /* The first actor of a process that is used again goes on counting its orders. */
    struct wire_actor first = wire->actors[0];
    memset(wire->actors, 0, sizeof(wire->actors));
    if (run->executor->warm)
        wire->actors[0] = first;
    memcpy(&wire->program, program, offsetof(struct program, steps));
    memcpy(wire->program.steps, program->steps, program->nsteps * sizeof(program->steps[0]));
    for (unsigned i = 0; i < program->nsteps; i++) {
        memset(&wire->results[i], 0, sizeof(wire->results[i]));
        memset(wire->results[i].fds, -1, sizeof(wire->results[i].fds));
    }
    wire->fork_error = 0;
    /* It speaks of the request, which goes on where a process is used again. */
    if (!run->executor->warm)
        wire->root_ended = 0;
    wire->nreaped = 0;
    wire->ncarried = 0;
    wire->nevents = 0;
    wire->stamp = 0;
    wire->disturb = run->executor->runs++;
    wire->now = 0;
}

/* Where in an order of several steps a step can stand. */
enum place {
    PLACE_ANYWHERE,
    PLACE_LAST,
    PLACE_ALONE,
};

/* True if the step gives its thread a table of its own, should others have it too. */
static bool unshares_table(const struct step *step)
{
    if (op_table[step->op].effect == EFFECT_CLOSE_RANGE)
        return step->args[2] & CLOSE_RANGE_UNSHARE;
    return step->op == OP_UNSHARE && (step->args[0] & CLONE_FILES);
}

static enum place step_place(const struct step *step)
{
    if (unshares_table(step))
        return PLACE_LAST; /* who is born after it has that table, who was before has not */
    switch (op_table[step->op].effect) {
    case EFFECT_EXIT:
    case EFFECT_THREAD_EXIT:
    case EFFECT_EXEC:
        return PLACE_ALONE; /* an end before it would be taken for its own */
    case EFFECT_FORK:
    case EFFECT_THREAD:
    case EFFECT_SPAWN:
    case EFFECT_SIGNAL: /* what its handler does comes before the next step */
    case EFFECT_CANCEL:
    case EFFECT_WAITPID:
    case EFFECT_JOIN:
    case EFFECT_WAIT: /* a flush point: the interest list is read behind it */
        return PLACE_LAST;
    default:
        return PLACE_ANYWHERE;
    }
}

static bool anyone_busy(const struct run *run)
{
    for (unsigned a = 0; a < run->program->nactors; a++) {
        if (run->actors[a].phase == PHASE_BUSY)
            return true;
    }
    return false;
}

/* The last step of the order that begins with step `first`. */
static unsigned order_end(const struct run *run, unsigned first)
{
    const struct program *program = run->program;
    unsigned last = first;

    if ((run->flags & EXECUTE_EVIDENCE) || anyone_busy(run) ||
        run->actors[program->steps[first].actor].mortal)
        return first;
    while (step_place(&program->steps[last]) == PLACE_ANYWHERE && last + 1 < program->nsteps &&
           program->steps[last + 1].actor == program->steps[first].actor &&
           program->steps[last + 1].block == 0 &&
           step_place(&program->steps[last + 1]) != PLACE_ALONE)
        last++;
    return last;
}

/* The target of a cancellation can end now or in any later step. */
static void expect_end(struct run *run, unsigned actor)
{
    if (!run_actor_live(run, actor))
        return;
    run->actors[actor].mortal = true;
    run_watch_actor(run, actor);
    run_watch_actor(run, run_process(run, actor));
}

static void give_order(struct run *run, unsigned first, unsigned last)
{
    unsigned actor = run->program->steps[first].actor;
    struct wire_actor *wired = &run->wire->actors[actor];
    struct run_actor *self = &run->actors[actor];
    enum op_effect effect = op_table[run->program->steps[first].op].effect;

    /* Whoever is about to end is watched from before: afterwards there is nothing left to open. */
    if (effect == EFFECT_EXIT || effect == EFFECT_THREAD_EXIT || effect == EFFECT_EXEC) {
        run_watch_actor(run, actor);
        run_watch_actor(run, run_process(run, actor));
    }
    if (op_table[run->program->steps[last].op].effect == EFFECT_CANCEL)
        expect_end(run, (unsigned)run->program->steps[last].args[0]);
    self->tid = wired->tid;
    raw_store(&run->wire->now, last);
    wired->first = first;
    wired->last = last;
    self->step = last;
    self->phase = PHASE_BUSY;
    self->order = wired->order + 1;
    raw_bump(&wired->order);
}

static void copy_result(struct run *run, unsigned index, unsigned completed_at)
{
    const struct wire_result *from = &run->wire->results[index];
    struct trace_step *to = &run->trace->steps[index];

    to->state = STEP_DONE;
    to->completed_at = (int16_t)completed_at;
    to->ret = from->ret;
    to->err = from->err;
    memcpy(to->fds, from->fds, sizeof(to->fds));
    to->called = from->called;
    to->returned = from->came_back;
    to->digest = from->digest;
    to->nevents = from->nevents;
    memcpy(to->events, &run->wire->events[from->first_event],
           from->nevents * sizeof(to->events[0]));
}

/* A parent that waited for a child has seen its end: the trace knows it as reaped, and how it
 * ended. */
static void note_reaped(struct run *run, unsigned index)
{
    const struct step *step = &run->program->steps[index];
    const struct trace_step *result = &run->trace->steps[index];

    /* One that sleeps, or was cancelled, has reaped nobody. */
    if (op_table[step->op].effect != EFFECT_WAITPID || result->state != STEP_DONE ||
        result->ret < 0 || result->ret == TRACE_STILL_ALIVE)
        return;
    struct trace_process *process = &run->trace->processes[step->args[0]];
    process->reaped = true;
    process->state = result->ret >= 256 ? PROCESS_SIGNALED : PROCESS_EXITED;
    process->status = (int)(result->ret >= 256 ? result->ret - 256 : result->ret);
}

static bool same_table(const struct run *run, unsigned a, unsigned b)
{
    return run_process(run, a) == run_process(run, b) &&
           run->actors[a].table == run->actors[b].table;
}

/* The actor by whom the trace knows a table: the main one of its process, if that has it. */
static unsigned table_owner(const struct run *run, unsigned actor)
{
    unsigned owner = run_process(run, actor);

    for (unsigned a = 0; a < run->program->nactors && !same_table(run, owner, actor); a++) {
        if (run->actors[a].phase != PHASE_UNBORN)
            owner = a;
    }
    return owner;
}

/* A task by which /proc shows a table: a main thread that has left shows none, though its process
 * lives on in other threads. 0: the table is gone. */
static pid_t find_task(const struct run *run, unsigned owner)
{
    for (unsigned a = 0; a < run->program->nactors; a++) {
        if (run_actor_live(run, a) && same_table(run, a, owner))
            return run->wire->actors[a].tid;
    }
    bool main_actor = run_process(run, owner) == owner && !run->process_ended[owner];
    return main_actor && run->actors[owner].phase != PHASE_UNBORN ? run->wire->actors[owner].pid
                                                                  : 0;
}

/* A thread that has called unshare(2) goes on with a table of its own. */
static void note_table(struct run *run, unsigned index)
{
    const struct step *step = &run->program->steps[index];
    const struct trace_step *done = &run->trace->steps[index];

    for (unsigned a = 0; unshares_table(step) && done->ret == 0 && a < run->program->nactors; a++) {
        if (a == step->actor || !run_actor_live(run, a) || !same_table(run, a, step->actor))
            continue;
        run->actors[step->actor].table = (uint8_t)run->ntables++;
        return;
    }
}

/* The results of handlers that have run. */
static void copy_handled(struct run *run, unsigned last)
{
    for (unsigned i = 0; i <= last; i++) {
        const struct wire_result *from = &run->wire->results[i];
        struct trace_step *to = &run->trace->steps[i];
        if (op_table[run->program->steps[i].op].effect != EFFECT_SIGNAL ||
            to->handled_at != TRACE_NEVER || !raw_load(&from->handled))
            continue;
        to->handled_at = (int16_t)last;
        to->handler_ret = from->handler_ret;
        to->handler_err = from->handler_err;
    }
}

/* Whose task made a call: by the tids of now, or by those before an execve. */
static uint8_t carrier(const struct run *run, int32_t tid)
{
    for (unsigned a = 0; a < run->program->nactors; a++) {
        if (run_actor_live(run, a) && run->wire->actors[a].tid == tid)
            return (uint8_t)a;
    }
    for (unsigned a = 0; a < run->program->nactors; a++) {
        if (run->actors[a].tid == tid || run->wire->actors[a].tid == tid)
            return (uint8_t)a;
    }
    return TRACE_ACTOR_UNKNOWN;
}

static void copy_carried(struct run *run)
{
    struct trace *trace = run->trace;
    const struct wire *wire = run->wire;
    uint32_t count = raw_load(&wire->ncarried);

    for (; run->ncarried < count && run->ncarried < TRACE_CARRIED_MAX; run->ncarried++) {
        struct trace_carried *to = &trace->carried[run->ncarried];
        *to = wire->carried[run->ncarried].call;
        to->actor = carrier(run, wire->carried[run->ncarried].tid);
    }
    trace->ncarried = run->ncarried;
}

static void note_error(struct run *run, int err)
{
    run->error = run->error ? run->error : err;
}

static void snapshot_wait(struct run *run, unsigned index, unsigned now)
{
    const struct step *step = &run->program->steps[index];
    unsigned owner = table_owner(run, step->actor);
    pid_t task = find_task(run, owner);
    int number = step->tags[0] == TAG_SLOT ? run->wire->slots[step->args[0]] : (int)step->args[0];

    if (op_table[step->op].effect != EFFECT_WAIT || task == 0)
        return;
    /* Two waits on one epoll fd can end in the same step: one look is enough. */
    for (unsigned i = run->trace->nsnapshots; i > 0; i--) {
        const struct trace_snapshot *snapshot = &run->trace->snapshots[i - 1];
        if (snapshot->step != (int)now)
            break;
        if (!snapshot->evidence && snapshot->process == owner && snapshot->number == number)
            return;
    }
    note_error(run, observe_interest(run->trace, &run->lists, now, owner, task, number, false));
}

/* Writes down what the order brought about: its own steps, and those that it woke or ended. */
static void collect(struct run *run, unsigned first, unsigned last)
{
    struct trace *trace = run->trace;

    for (unsigned i = first; i <= last; i++) {
        trace->steps[i].state = STEP_NOT_REACHED;
        if (raw_load(&run->wire->results[i].returned))
            copy_result(run, i, i);
        note_table(run, i);
    }
    copy_handled(run, last);
    copy_carried(run);
    for (unsigned a = 0; a < run->program->nactors; a++) {
        struct run_actor *actor = &run->actors[a];
        struct trace_step *step = &trace->steps[actor->step];
        bool given = raw_load(&run->wire->actors[a].order) > 0;
        /* Who is woken by a crash is woken too late: how far it came is chance. */
        if (trace->end == RUN_COMPLETE && actor->phase == PHASE_BUSY &&
            raw_load(&run->wire->actors[a].done) == actor->order)
            actor->phase = PHASE_IDLE;
        if (actor->phase == PHASE_BUSY && trace->end == RUN_COMPLETE) {
            step->state = STEP_BLOCKED;
            step->blocked = true;
        } else if (actor->phase == PHASE_ENDED && given && step->state != STEP_DONE) {
            step->state = STEP_DIED;
        } else if (actor->phase == PHASE_IDLE && actor->step < first &&
                   step->state == STEP_BLOCKED) {
            copy_result(run, actor->step, last);
            note_reaped(run, actor->step);
        }
    }
    note_reaped(run, last);
}

/* True if a step behind `index` has got its epoll fd's number for something else. */
static bool number_was_taken(const struct run *run, unsigned index, unsigned last)
{
    const struct step *step = &run->program->steps[index];
    int number = step->tags[0] == TAG_SLOT ? run->wire->slots[step->args[0]] : (int)step->args[0];

    for (unsigned k = index + 1; k <= last; k++) {
        const struct op_info *op = &op_table[run->program->steps[k].op];
        for (unsigned o = 0; o < op->nouts; o++) {
            if (op->outs[o].kind != FILE_ACTOR && run->trace->steps[k].state == STEP_DONE &&
                run->trace->steps[k].fds[o] == number)
                return true;
        }
    }
    return false;
}

static void take_snapshots(struct run *run, unsigned last)
{
    if (run->trace->end != RUN_COMPLETE)
        return;
    for (unsigned i = 0; i <= last; i++) {
        const struct trace_step *step = &run->trace->steps[i];
        bool fell_asleep = i == last && step->state == STEP_BLOCKED;
        if (!fell_asleep && (step->state != STEP_DONE || step->completed_at != (int)last))
            continue;
        /* A wait that slept may find its number with another instance, on which nobody waits: that
         * is no flush point. */
        if (op_table[run->program->steps[i].op].effect == EFFECT_WAIT &&
            !number_was_taken(run, i, last))
            snapshot_wait(run, i, last);
    }
    if (!(run->flags & EXECUTE_EVIDENCE))
        return;
    for (unsigned a = 0; a < run->program->nactors; a++) {
        pid_t task = find_task(run, a);
        if (run->actors[a].phase != PHASE_UNBORN && table_owner(run, a) == a && task != 0)
            note_error(run, observe_all_interest(run->trace, &run->lists, last, a, task));
    }
}

/* One order for every actor of the block that can take one. Returns how many there are. */
static unsigned give_block(struct run *run, unsigned first, unsigned last, bool *ret_members)
{
    struct wire *wire = run->wire;
    unsigned count = 0;

    memset(ret_members, 0, PROGRAM_ACTORS_MAX * sizeof(*ret_members));
    for (unsigned i = first; i <= last; i++) {
        unsigned a = run->program->steps[i].actor;
        if (run->actors[a].phase == PHASE_IDLE && !ret_members[a]) {
            ret_members[a] = true;
            count++;
        }
    }
    wire->arrived = 0;
    raw_store(&wire->awaited, count);
    raw_store(&wire->now, last);
    for (unsigned a = 0; a < run->program->nactors; a++) {
        struct run_actor *self = &run->actors[a];
        if (!ret_members[a])
            continue;
        wire->actors[a].first = first;
        wire->actors[a].last = last;
        self->step = last;
        self->phase = PHASE_BUSY;
        self->order = wire->actors[a].order + 1;
        raw_bump(&wire->actors[a].order);
    }
    return count;
}

static void note_skipped(struct run *run, const bool *members, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        if (!members[run->program->steps[i].actor])
            run->trace->steps[i].state = STEP_SKIPPED;
    }
}

/* The turn of a parallel block. Returns 0, also when the run came to its end, or -EINTR. */
static int run_block(struct run *run, unsigned first, unsigned last)
{
    bool members[PROGRAM_ACTORS_MAX];

    if (give_block(run, first, last, members) > 0) {
        int err = run_settle_block(run, members);
        if (err)
            return err;
    }
    if (run->trace->end != RUN_COMPLETE && run->trace->end_step < 0)
        run->trace->end_step = (int16_t)last;
    collect(run, first, last);
    note_skipped(run, members, first, last);
    take_snapshots(run, last);
    return 0;
}

/* Gives every step its turn. Returns 0, also when the run came to an early end, or -EINTR. */
static int run_steps(struct run *run)
{
    for (unsigned first = 0; first < run->program->nsteps;) {
        unsigned actor = run->program->steps[first].actor;
        if (run->program->steps[first].block) {
            unsigned end = parallel_end(run->program, first);
            int err = run_block(run, first, end - 1);
            if (err || run->trace->end != RUN_COMPLETE)
                return err;
            first = end;
            continue;
        }
        if (run->actors[actor].phase != PHASE_IDLE) {
            run->trace->steps[first].state = STEP_SKIPPED;
            first++;
            continue;
        }
        unsigned last = order_end(run, first);
        give_order(run, first, last);
        int err = run_settle(run, first, &last);
        if (err)
            return err;
        if (run->trace->end != RUN_COMPLETE && run->trace->end_step < 0)
            run->trace->end_step = (int16_t)last;
        collect(run, first, last);
        take_snapshots(run, last);
        if (run->trace->end != RUN_COMPLETE)
            return 0;
        first = last + 1;
    }
    return 0;
}

static void observe_end(struct run *run)
{
    struct trace *trace = run->trace;

    for (unsigned a = 0; a < run->program->nactors; a++) {
        pid_t task = find_task(run, a);
        if (run->actors[a].phase == PHASE_UNBORN || run->process_ended[run_process(run, a)])
            continue;
        trace->processes[run_process(run, a)].state = PROCESS_ALIVE;
        if (trace->end == RUN_COMPLETE && table_owner(run, a) == a && task != 0)
            note_error(run, observe_fd_table(trace, a, task));
    }
    if (trace->end == RUN_COMPLETE)
        return;
    unsigned step = (unsigned)trace->end_step;
    trace->steps[step].state = trace->end == RUN_HUNG ? STEP_HUNG : STEP_DIED;
}

/*
 * Kills what is left and waits until the server has reaped it. A thread that has been killed needs
 * a CPU to end, and one that came out of a parallel block can have it on a single CPU only: on a
 * machine with much else to do that takes its time, and says nothing of whether it can be killed.
 */
static int clear_away(struct run *run, char *ret_why)
{
    struct wire *wire = run->wire;
    struct executor *executor = run->executor;
    char states[256] = "";
    uint64_t begun = executor_seen_ms();
    uint64_t look = begun + EXECUTOR_LOOK_MS;
    uint64_t deadline = begun + EXECUTOR_KILL_MS;

    /* The server sleeps on `over` only once it has said that somebody has ended: the exchange keeps
     * the store before the load. */
    __atomic_exchange_n(&wire->over, run->request, __ATOMIC_SEQ_CST);
    if (raw_load(&wire->root_ended))
        raw_futex_wake(&wire->over);
    /* The root stays a zombie until the server has seen `over`, so its number still means this
     * process group. */
    if (wire->actors[0].pid > 0)
        kill(-wire->actors[0].pid, SIGKILL);
    for (;;) {
        uint32_t bell = raw_load(&wire->bell);
        if (raw_load(&wire->finished) == run->request)
            return 0;
        executor_wait_bell(executor, bell, EXECUTOR_POLL_MS);
        if (raw_load(&wire->bell) != bell)
            continue;
        /* Somebody may have ended behind the look at root_ended above, or before this run began. */
        raw_futex_wake(&wire->over);
        if (executor_server_ended(executor)) {
            snprintf(ret_why, EXECUTE_WHY_MAX + 1, "the fork server of %.100s has died",
                     executor->subject.name);
            return -ECHILD;
        }
        uint64_t now = executor_seen_ms();
        if (now > look) {
            look = now + EXECUTOR_LOOK_MS;
            bool goes_on =
                family_is_runnable(executor->server, wire->actors[0].pid, states, sizeof(states));
            if (goes_on && now < begun + EXECUTOR_STARVED_MS)
                deadline = now + EXECUTOR_KILL_MS;
        }
        if (now > deadline) {
            snprintf(ret_why, EXECUTE_WHY_MAX + 1,
                     "a process of a program cannot be killed; states of processes: %.200s",
                     states);
            return -ETIMEDOUT;
        }
        /* Until `finished`, the root is at least a zombie of the server, so its pid is still this
         * process group's. */
        if (wire->actors[0].pid > 0)
            kill(-wire->actors[0].pid, SIGKILL);
    }
}

/* How processes ended, from what the server reaped. Those that the end of the run killed were
 * alive. */
static void note_statuses(struct run *run)
{
    struct trace *trace = run->trace;

    for (unsigned p = 0; p < run->program->nactors; p++) {
        struct trace_process *process = &trace->processes[p];
        bool crashed = trace->end == RUN_CRASHED && run_process(run, trace->end_actor) == p;
        if (run_process(run, p) != p || process->reaped || (!run->process_ended[p] && !crashed))
            continue;
        for (unsigned i = 0; i < run->wire->nreaped; i++) {
            const struct wire_reaped *reaped = &run->wire->reaped[i];
            if (reaped->pid != run->wire->actors[p].pid)
                continue;
            process->state = WIFSIGNALED(reaped->status) ? PROCESS_SIGNALED : PROCESS_EXITED;
            process->status = WIFSIGNALED(reaped->status) ? WTERMSIG(reaped->status)
                                                          : WEXITSTATUS(reaped->status);
        }
        if (crashed)
            trace->end_signal = process->state == PROCESS_SIGNALED ? process->status : 0;
    }
}

static int start_root(struct run *run, char *ret_why)
{
    struct wire *wire = run->wire;

    run->request = wire->request + 1;
    raw_store(&wire->request, run->request);
    raw_futex_wake(&wire->request);
    int err = run_settle_root(run);
    if (err == -ECHILD) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "no process can be forked for a program: %s",
                 strerror(wire->fork_error));
        return wire->fork_error ? -wire->fork_error : -ECHILD;
    }
    if (err == -ETIMEDOUT)
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "the fork server of %.100s is stuck before a fork",
                 run->executor->subject.name);
    return err;
}

static void close_watches(struct run *run)
{
    for (unsigned a = 0; a < PROGRAM_ACTORS_MAX; a++) {
        if (task_watch_is_open(&run->actors[a].watch))
            task_watch_close(&run->actors[a].watch);
    }
    list_watches_close(&run->lists);
}

/* The process that a run before has left waits for orders. */
static void take_over_root(struct run *run)
{
    run->request = run->wire->request;
    run->actors[0].phase = PHASE_IDLE;
    run->actors[0].table = (uint8_t)run->ntables++;
    run->executor->warm = false;
}

/* Ends the process that shared runs have left, before a run that wants one of its own. */
static int end_warm(struct executor *executor, char *ret_why)
{
    struct run run = {
        .executor = executor, .wire = executor->wire, .request = executor->wire->request};

    executor->warm = false;
    return clear_away(&run, ret_why);
}

/* True if the run ended so that its process can be used again: one process, and nobody inside a
 * call. */
static bool leaves_process(const struct run *run)
{
    bool leaves = (run->flags & EXECUTE_SHARED) && run->trace->end == RUN_COMPLETE &&
                  run->actors[0].phase == PHASE_IDLE &&
                  parallel_count(run->program) == 0; /* its threads have left their CPU */

    for (unsigned a = 0; a < run->program->nactors; a++)
        leaves &= run_process(run, a) == 0 && run->actors[a].phase != PHASE_BUSY;
    for (unsigned i = 0; i < run->program->nsteps; i++)
        leaves &= op_table[run->program->steps[i].op].effect < EFFECT_UNSHARE;
    /* The numbers below the program's own are not opened anew. */
    for (unsigned i = 0; i < 3 && leaves; i++) {
        const struct trace_fd *fd = &run->trace->fds[i];
        leaves = i < run->trace->nfds && fd->number == (int)i && strcmp(fd->what, "/dev/null") == 0;
    }
    return leaves;
}

static void give_plain_order(struct run *run, unsigned actor, uint32_t order)
{
    struct wire_actor *wired = &run->wire->actors[actor];

    wired->first = order;
    wired->last = 0;
    raw_bump(&wired->order);
}

/* Has the process made ready for the next program. Returns false if it does not answer: then it is
 * to be ended. */
static bool reset_process(struct run *run)
{
    struct wire_actor *root = &run->wire->actors[0];
    uint64_t deadline = executor_seen_ms() + EXECUTOR_START_MS;

    for (unsigned a = 1; a < run->program->nactors; a++) {
        if (run->actors[a].phase == PHASE_IDLE)
            give_plain_order(run, a, WIRE_ORDER_QUIT);
    }
    give_plain_order(run, 0, WIRE_ORDER_RESET);
    for (;;) {
        uint32_t bell = raw_load(&run->wire->bell);
        if (raw_load(&root->done) == raw_load(&root->order))
            return true;
        if (raw_load(&run->wire->root_ended) || executor_interrupted() ||
            executor_seen_ms() > deadline)
            return false;
        executor_wait_bell(run->executor, bell, EXECUTOR_POLL_MS);
    }
}

static int run_whole(struct run *run, char *ret_why)
{
    int err = 0;

    if (run->executor->warm)
        take_over_root(run);
    else
        err = start_root(run, ret_why);
    if (err && err != -EINTR)
        return err; /* nothing was started */
    if (!err && run->trace->end == RUN_COMPLETE)
        err = run_steps(run);
    if (!err)
        observe_end(run);
    run->executor->warm = !err && !run->error && leaves_process(run) && reset_process(run);
    int cleared = run->executor->warm ? 0 : clear_away(run, ret_why);
    if (cleared)
        return cleared;
    if (!err && run->error) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "the program's processes cannot be watched: %s",
                 strerror(-run->error));
        return run->error;
    }
    if (!err) {
        note_statuses(run);
        copy_carried(run);
    }
    return err;
}

int executor_run(struct executor *executor, const struct program *program, unsigned flags,
                 struct trace *ret_trace, char *ret_why)
{
    struct run run = {.executor = executor,
                      .wire = executor->wire,
                      .program = program,
                      .trace = ret_trace,
                      .execing = -1,
                      .flags = flags};

    assert(program->nsteps > 0 && program->nactors > 0);
    for (unsigned a = 0; a < PROGRAM_ACTORS_MAX; a++)
        run.actors[a].watch = (struct task_watch){-1, -1, -1};
    list_watches_init(&run.lists);
    trace_reset(ret_trace, program);
    if (executor_interrupted()) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "interrupted");
        return -EINTR;
    }
    if (executor_server_ended(executor)) {
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "the fork server of %.100s has died",
                 executor->subject.name);
        return -ECHILD;
    }
    /* A process that has ended since cannot be used again. */
    if (executor->warm && (!(flags & EXECUTE_SHARED) || raw_load(&executor->wire->root_ended))) {
        int err = end_warm(executor, ret_why);
        if (err)
            return err;
    }
    prepare_wire(&run);
    int err = run_whole(&run, ret_why);
    close_watches(&run);
    if (err == -EINTR)
        snprintf(ret_why, EXECUTE_WHY_MAX + 1, "interrupted");
    return err;
}
