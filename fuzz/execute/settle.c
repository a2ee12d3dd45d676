/*
 * When is a step over? Quiescence, as observed from outside.
 *
 * A step of a run in which nobody else is inside a call is over when its actor says so. Otherwise
 * two consecutive, equal passes over every live task decide, both started after the actor reported
 * done (or was seen asleep in its own call): one pass was early in a third of the runs of a program
 * with two cascading level-triggered waiters. In a pass the state of a task is read before its done
 * counter, so that a task which finishes in between is looked at again.
 */
#include "fuzz/execute/raw.h"
#include "fuzz/execute/run.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

enum {
    SETTLE_YIELDS = 3,
};

/* A thread that has just been started and has not said yet which task it is. Its process's main
 * thread cannot stand for it, for that may have left; it is seen among the helpers. */
static bool anonymous(const struct run *run, unsigned actor)
{
    return run_process(run, actor) != actor &&
           __atomic_load_n(&run->wire->actors[actor].tid, __ATOMIC_ACQUIRE) == 0;
}

bool run_watch_actor(struct run *run, unsigned actor)
{
    struct run_actor *self = &run->actors[actor];
    const struct wire_actor *wired = &run->wire->actors[actor];
    pid_t pid = __atomic_load_n(&wired->pid, __ATOMIC_ACQUIRE);

    if (task_watch_is_open(&self->watch))
        return true;
    /* Until a process's main actor has announced itself, all that is known is its pid, which is its
     * tid too. */
    assert(!anonymous(run, actor));
    pid_t tid = wired->tid ? wired->tid : pid;
    int err = pid > 0 ? task_watch_open(&self->watch, pid, tid) : -ESRCH;
    if (err && err != -ESRCH && err != -ENOENT)
        run->error = err;
    return err == 0;
}

void run_end_actor(struct run *run, unsigned actor)
{
    run->actors[actor].phase = PHASE_ENDED;
    raw_store(&run->wire->actors[actor].gone, 1);
}

static bool is_done(const struct run *run, unsigned actor)
{
    return raw_load(&run->wire->actors[actor].done) == run->actors[actor].order;
}

/* Adds up what a process has in tasks that are no actors: a subject's own threads, io_uring's
 * workers. */
static void sample_helpers(const struct run *run, unsigned process, struct task_sample *ret_sum)
{
    pid_t pid = run->wire->actors[process].pid;
    pid_t tids[PROGRAM_ACTORS_MAX + EXECUTOR_HELPERS_MAX];
    unsigned count = process_list_threads(pid, tids, PROGRAM_ACTORS_MAX + EXECUTOR_HELPERS_MAX);

    memset(ret_sum, 0, sizeof(*ret_sum));
    ret_sum->state = TASK_SLEEPING;
    for (unsigned i = 0; i < count; i++) {
        struct task_watch watch;
        struct task_sample sample;
        bool actor = false;
        for (unsigned a = 0; a < run->program->nactors; a++)
            actor |= run->wire->actors[a].tid == tids[i];
        if (actor || task_watch_open(&watch, pid, tids[i]) != 0)
            continue;
        task_read_sample(&watch, &sample);
        task_watch_close(&watch);
        if (sample.state == TASK_RUNNING)
            ret_sum->state = TASK_RUNNING;
        ret_sum->run_ns += sample.run_ns;
        ret_sum->wait_ns += sample.wait_ns;
        ret_sum->slices += sample.slices;
        ret_sum->threads++;
    }
}

/* True for the main thread of a process, which stays as a zombie when it leaves: after execve that
 * is who called it. */
static bool is_leader(const struct run *run, unsigned actor)
{
    return run->wire->actors[actor].tid == run->wire->actors[actor].pid;
}

static unsigned known_threads(const struct run *run, unsigned process)
{
    unsigned count = 0;

    for (unsigned a = 0; a < run->program->nactors; a++)
        count += run->actors[a].phase == PHASE_ENDED && run_process(run, a) == process &&
                 is_leader(run, a);
    for (unsigned a = 0; a < run->program->nactors; a++)
        count += run_actor_live(run, a) && run_process(run, a) == process && !anonymous(run, a);
    return count;
}

static void take_pass(struct run *run, struct run_pass *ret_pass)
{
    memset(ret_pass, 0, sizeof(*ret_pass));
    ret_pass->ended = -1;
    for (unsigned a = 0; a < run->program->nactors; a++) {
        struct task_sample *sample = &ret_pass->samples[a];
        if (!run_actor_live(run, a))
            continue;
        if (anonymous(run, a))
            sample->state = TASK_SLEEPING;
        else if (!run_watch_actor(run, a))
            sample->state = TASK_ENDED;
        else
            task_read_sample(&run->actors[a].watch, sample);
        ret_pass->done[a] = raw_load(&run->wire->actors[a].done);
        unsigned process = run_process(run, a);
        bool may_end = run->actors[a].mortal || run->execing == (int)process;
        if (sample->state == TASK_ENDED && !may_end && ret_pass->ended < 0)
            ret_pass->ended = (int)a;
        /* A thread that was cancelled is on its way until it is released: its files are open. */
        ret_pass->running |=
            sample->state == TASK_RUNNING || (sample->state == TASK_ENDED && run->actors[a].mortal);
        if (sample->threads > known_threads(run, process) &&
            ret_pass->helpers[process].threads == 0) {
            sample_helpers(run, process, &ret_pass->helpers[process]);
            ret_pass->running |= ret_pass->helpers[process].state == TASK_RUNNING;
        }
    }
}

/* The step of its order that a busy actor is in, by what it says itself. */
static unsigned step_in_progress(const struct run *run, unsigned actor)
{
    uint32_t current = raw_load(&run->wire->actors[actor].current);

    return current > 0 ? current - 1 : run->actors[actor].step;
}

/* True if a busy actor sleeps in a call that its own step makes, and not somewhere inside the
 * subject. */
static bool in_own_call(const struct run *run, unsigned actor, long *ret_number)
{
    const struct step *step = &run->program->steps[step_in_progress(run, actor)];
    const struct op_info *op = &op_table[step->op];
    const struct wire_actor *wired = &run->wire->actors[actor];
    uint64_t argument;

    *ret_number = -1;
    if (raw_load(&wired->handling))
        return false;
    if (task_read_syscall(&run->actors[actor].watch, ret_number, &argument) != 0)
        return false;
    if (!step_may_block(step)) /* a sleep that ends by itself is waited for */
        return false;
    if (op->block == BLOCK_JOIN)
        return *ret_number == SYS_futex && argument >= wired->join_low &&
               argument < wired->join_high;
    return op_sleeps_in(op, *ret_number);
}

/* True if an actor waits for an order, or sleeps in the call of its step. */
static bool at_rest(const struct run *run, unsigned actor, long *ret_number)
{
    *ret_number = -1;
    if (run->actors[actor].phase == PHASE_BUSY && !is_done(run, actor))
        return in_own_call(run, actor, ret_number);
    if (!run_actor_live(run, actor) || !raw_load(&run->wire->actors[actor].handling))
        return true;
    uint64_t argument;
    (void)task_read_syscall(&run->actors[actor].watch, ret_number, &argument);
    return false; /* inside a handler, which sleeps nowhere but inside the subject */
}

/* Whose doing it is that something happened to a process: that of the actor whose turn it is, if it
 * is of this process, for which of several threads is seen first is chance. */
static unsigned blame_in(const struct run *run, unsigned process)
{
    return run_process(run, run->turn) == process ? run->turn : process;
}

static void end_run(struct run *run, enum run_end how, unsigned actor, long number)
{
    uint32_t current = raw_load(&run->wire->actors[actor].current);

    run->trace->end = (uint8_t)how;
    run->trace->end_actor = (uint8_t)actor;
    run->trace->end_syscall = number;
    /* An order can hold several steps; the actor itself says in which one it was. */
    if (current > 0 && run->trace->end_step < (int)current - 1)
        run->trace->end_step = (int16_t)(current - 1);
}

/* True, with the run ended, if a task has used the watchdog's time of CPU in one step. */
static bool check_spinning(struct run *run, const struct run_pass *pass, uint64_t limit_ns)
{
    for (unsigned a = 0; a < run->program->nactors; a++) {
        uint32_t current = raw_load(&run->wire->actors[a].current);
        const struct task_sample *sample = &pass->samples[a];
        const struct task_sample *helpers = &pass->helpers[a];
        /* Each step of an order has the time for itself. */
        if (!run->stall_armed || run->stall_run_ns[a] == 0 || run->stall_current[a] != current)
            run->stall_run_ns[a] = sample->run_ns;
        if (!run->stall_armed || run->stall_helper_ns[a] == 0)
            run->stall_helper_ns[a] = helpers->run_ns;
        run->stall_current[a] = current;
        if (run->actors[a].phase == PHASE_BUSY && sample->state == TASK_RUNNING &&
            sample->run_ns > run->stall_run_ns[a] + limit_ns) {
            end_run(run, RUN_HUNG, a, -1);
            return true;
        }
        if (helpers->state == TASK_RUNNING &&
            helpers->run_ns > run->stall_helper_ns[a] + limit_ns) {
            end_run(run, RUN_HUNG, blame_in(run, a), -1);
            return true;
        }
    }
    return false;
}

/*
 * The watchdog. Load on the machine must not fire it, so it does not look at the clock alone: a run
 * hangs when nothing of it has moved for the watchdog's time although no task is runnable, or when
 * one task has used that much CPU.
 */
static void check_stall(struct run *run, const struct run_pass *pass)
{
    uint64_t limit_ms = run->executor->options.watchdog_ms;
    uint64_t now = executor_seen_ms();

    if (check_spinning(run, pass, limit_ms * 1000000))
        return;
    if (!run->stall_armed || pass->running || memcmp(pass, &run->stall_pass, sizeof(*pass)) != 0) {
        run->stall_armed = true;
        run->stall_since_ms = now;
        run->stall_pass = *pass;
        return;
    }
    if (now - run->stall_since_ms <= limit_ms)
        return;
    for (unsigned a = 0; a < run->program->nactors; a++) {
        long number;
        if (!at_rest(run, a, &number)) {
            end_run(run, RUN_HUNG, a, number);
            return;
        }
    }
}

static bool process_gone(struct run *run, unsigned process)
{
    unsigned threads;

    /* The main thread's entry stays, as a zombie, until the process is reaped; a last thread beside
     * it is none. */
    return task_read_state(&run->actors[process].watch, &threads) == TASK_ENDED && threads <= 1;
}

static void mark_process_ended(struct run *run, unsigned process, unsigned step)
{
    run->process_ended[process] = true;
    run->trace->processes[process].ended_at = (int16_t)step;
    for (unsigned a = 0; a < run->program->nactors; a++) {
        if (run_actor_live(run, a) && run_process(run, a) == process)
            run_end_actor(run, a);
    }
}

/* Marks the threads that a cancellation has ended, once they are released. */
static void note_cancelled(struct run *run)
{
    for (unsigned a = 0; a < run->program->nactors; a++) {
        unsigned threads;
        if (!run_actor_live(run, a) || !run->actors[a].mortal ||
            task_read_state(&run->actors[a].watch, &threads) != TASK_ENDED)
            continue;
        /* As in settle_end; the child of a cancelled thread is a main thread. */
        unsigned process = run_process(run, a);
        bool gone = process_gone(run, process);
        if (threads > 0 && !is_leader(run, a) && !gone)
            continue;
        run->trace->cancelled_at[a] = (int16_t)run->now;
        run_end_actor(run, a);
        if (gone)
            mark_process_ended(run, process, run->now);
    }
}

/* A process that ends while nobody asked it to. */
static void crash(struct run *run, unsigned actor)
{
    end_run(run, RUN_CRASHED, blame_in(run, run_process(run, actor)), -1);
}

/* One round of waiting: sleeps until the bell or a while, then sees whether who is waited for can
 * still come. */
static int wait_a_while(struct run *run, uint32_t bell)
{
    struct run_pass pass;

    executor_wait_bell(run->executor, bell, EXECUTOR_POLL_MS);
    if (raw_load(&run->wire->bell) != bell && !raw_load(&run->wire->root_ended))
        return 0;
    if (executor_interrupted())
        return -EINTR;
    take_pass(run, &pass);
    if (pass.ended >= 0)
        crash(run, (unsigned)pass.ended);
    else
        check_stall(run, &pass);
    return 0;
}

/* Waits for an actor that nobody can wake and that cannot sleep in its own call. */
static int settle_done(struct run *run, unsigned actor)
{
    while (run->trace->end == RUN_COMPLETE) {
        uint32_t bell = raw_load(&run->wire->bell);
        if (is_done(run, actor))
            return 0;
        int err = wait_a_while(run, bell);
        if (err)
            return err;
    }
    return 0;
}

/* Waits for an actor that the step has started, or for the run's first one. */
static int settle_birth(struct run *run, unsigned actor)
{
    struct wire_actor *wired = &run->wire->actors[actor];

    /* From here on it is looked after like the others: it may crash or hang before it is ready. */
    run->actors[actor].phase = PHASE_BUSY;
    run->actors[actor].step = run->program->actors[actor].born;
    run->actors[actor].order = UINT32_MAX;
    unsigned parent = run->program->actors[actor].parent;
    run->actors[actor].table =
        run_process(run, actor) == actor ? (uint8_t)run->ntables++ : run->actors[parent].table;
    while (run->trace->end == RUN_COMPLETE) {
        uint32_t bell = raw_load(&run->wire->bell);
        if (raw_load(&wired->ready))
            break;
        int err = wait_a_while(run, bell);
        if (err)
            return err;
    }
    if (run->trace->end == RUN_COMPLETE) {
        run->actors[actor].phase = PHASE_IDLE;
        run->actors[actor].order = 0;
        /* fork copies the thread, with the cancellation that it has not obeyed yet. */
        const struct program_actor *born = &run->program->actors[actor];
        run->actors[actor].mortal = run->actors[born->parent].mortal && actor > 0 &&
                                    run->program->steps[born->born].op == OP_FORK;
        if (run->actors[actor].mortal)
            (void)run_watch_actor(run, actor);
    }
    return 0;
}

/* Waits for a step that ends its own thread or process. */
static int settle_end(struct run *run, unsigned actor, unsigned step)
{
    unsigned process = run_process(run, actor);
    bool whole = op_table[run->program->steps[step].op].effect == EFFECT_EXIT;

    for (;;) {
        struct run_pass pass;
        unsigned threads;
        bool gone = task_read_state(&run->actors[actor].watch, &threads) == TASK_ENDED;
        /* Until it is released its process counts it, and a process whose last thread it was could
         * not be told from one that lives on. The main thread stays as a zombie. */
        gone &= threads == 0 || is_leader(run, actor);
        if (process_gone(run, process)) {
            mark_process_ended(run, process, step);
            return 0;
        }
        if (gone && !whole) {
            run_end_actor(run, actor);
            return 0;
        }
        if (executor_interrupted())
            return -EINTR;
        take_pass(run, &pass);
        check_stall(run, &pass);
        if (run->trace->end != RUN_COMPLETE)
            return 0;
        sched_yield();
    }
}

/* The process is in another image, or not even that if execve failed. */
static void finish_exec(struct run *run, unsigned actor, unsigned step)
{
    run->execing = -1;
    if (run->wire->results[step].ret != 0)
        return;
    for (unsigned a = 0; a < run->program->nactors; a++) {
        if (a == actor || run_process(run, a) != run_process(run, actor))
            continue;
        if (run_actor_live(run, a))
            run_end_actor(run, a);
        run->wire->actors[a].tid = 0; /* the main thread's is this actor's now */
    }
    /* It is the main thread now, by whatever tid it was known, and the process has its table. */
    run->actors[run_process(run, actor)].table = run->actors[actor].table;
    task_watch_close(&run->actors[actor].watch);
    run->actors[actor].mortal = false;
    (void)run_watch_actor(run, actor);
}

/*
 * Waits for a new image to say that the step is done, or for the old one to say that there is none.
 * The thread that calls execve becomes the main thread, whose /proc files show the one that was
 * before until then: only two looks tell that the process is gone.
 */
static int settle_exec(struct run *run, unsigned actor, unsigned step)
{
    unsigned process = run_process(run, actor);
    pid_t pid = run->wire->actors[process].pid;

    run->execing = (int)process;
    while (run->trace->end == RUN_COMPLETE) {
        struct run_pass pass;
        uint32_t bell = raw_load(&run->wire->bell);
        if (is_done(run, actor))
            break;
        executor_wait_bell(run->executor, bell, EXECUTOR_POLL_MS);
        if (executor_interrupted())
            return -EINTR;
        if (process_gone(run, process) && process_gone(run, process) && !is_done(run, actor)) {
            crash(run, actor);
            break;
        }
        take_pass(run, &pass);
        if (pass.ended >= 0) {
            crash(run, (unsigned)pass.ended);
        } else if (pass.samples[actor].state == TASK_ENDED) {
            task_watch_close(&run->actors[actor].watch);
            (void)task_watch_open(&run->actors[actor].watch, pid, pid);
        } else {
            check_stall(run, &pass);
        }
    }
    finish_exec(run, actor, step);
    return 0;
}

static bool busy_all_blocked(const struct run *run)
{
    for (unsigned a = 0; a < run->program->nactors; a++) {
        long number;
        if (!at_rest(run, a, &number))
            return false;
    }
    return true;
}

/*
 * Two consecutive equal passes, in which nothing is runnable and every actor that has not finished
 * its step sleeps in its own call. `pass` is looked at first, so that whoever is known to be at
 * rest costs two passes and no more.
 */
static int settle_quiescent(struct run *run)
{
    struct run_pass first, second;

    while (run->trace->end == RUN_COMPLETE) {
        uint32_t bell = raw_load(&run->wire->bell);
        if (executor_interrupted())
            return -EINTR;
        note_cancelled(run);
        take_pass(run, &first);
        if (!first.running && first.ended < 0) {
            take_pass(run, &second);
            if (memcmp(&first, &second, sizeof(first)) == 0) {
                if (busy_all_blocked(run))
                    return 0;
                /* Asleep inside the subject. */
                executor_wait_bell(run->executor, bell, EXECUTOR_POLL_MS);
            }
        }
        if (first.ended >= 0)
            crash(run, (unsigned)first.ended);
        else
            check_stall(run, &first);
        sched_yield();
    }
    return 0;
}

/*
 * Nobody else is inside a call, so the step is over as soon as its actor is done, and most steps
 * that could sleep do not: yielding the CPU that both share lets such a one finish. What is not
 * done then is looked at closely.
 */
static bool done_after_yield(const struct run *run, unsigned actor)
{
    for (unsigned i = 0; i < SETTLE_YIELDS; i++) {
        sched_yield();
        if (is_done(run, actor))
            return true;
    }
    return false;
}

static bool anyone_else_busy(const struct run *run, unsigned actor)
{
    for (unsigned a = 0; a < run->program->nactors; a++) {
        if (a != actor && run->actors[a].phase == PHASE_BUSY)
            return true;
    }
    return false;
}

static bool may_block(const struct run *run, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        if (step_may_block(&run->program->steps[i]))
            return true;
    }
    return false;
}

/* The actor sleeps in one step of its order: it shall not go on to the next when it wakes. */
static void take_back(struct run *run, unsigned actor, unsigned *last)
{
    unsigned asleep_in = step_in_progress(run, actor);

    assert(asleep_in <= *last);
    raw_store(&run->wire->actors[actor].last, asleep_in);
    run->actors[actor].step = asleep_in;
    *last = asleep_in;
}

int run_settle(struct run *run, unsigned first, unsigned *last)
{
    unsigned actor = run->program->steps[*last].actor;
    enum op_effect effect = op_table[run->program->steps[*last].op].effect;
    int err;

    assert(run->program->steps[first].actor == actor);
    run->stall_armed = false;
    run->turn = actor;
    run->now = *last;
    if (effect == EFFECT_EXIT || effect == EFFECT_THREAD_EXIT) {
        err = settle_end(run, actor, *last);
    } else if (effect == EFFECT_EXEC) {
        err = settle_exec(run, actor, *last);
    } else if (run->actors[actor].mortal) {
        err = settle_quiescent(run);
    } else if (may_block(run, first, *last)) {
        bool alone = !anyone_else_busy(run, actor);
        err = alone && done_after_yield(run, actor) ? 0 : settle_quiescent(run);
    } else {
        err = settle_done(run, actor);
    }
    if (err || run->trace->end != RUN_COMPLETE)
        return err;
    if (run->actors[actor].phase == PHASE_BUSY && !is_done(run, actor))
        take_back(run, actor, last);
    const struct step *step = &run->program->steps[*last];
    effect = op_table[step->op].effect;
    bool births = effect == EFFECT_FORK || effect == EFFECT_THREAD || effect == EFFECT_SPAWN;
    if (births && run->wire->results[*last].ret == 0) {
        err = settle_birth(run, step->outs[0]);
        if (err || run->trace->end != RUN_COMPLETE)
            return err;
    }
    if (run->actors[actor].phase == PHASE_BUSY && is_done(run, actor))
        run->actors[actor].phase = PHASE_IDLE;
    /* Someone sleeps in a call: only two passes tell whether the step has woken it. A signal wakes
     * also who waits for orders. */
    bool wakes = effect == EFFECT_SIGNAL || effect == EFFECT_CANCEL;
    return wakes || anyone_else_busy(run, actor) ? settle_quiescent(run) : 0;
}

int run_settle_block(struct run *run, const bool members[PROGRAM_ACTORS_MAX])
{
    bool others = false;
    int err = 0;

    run->stall_armed = false;
    for (unsigned a = 0; !err && a < run->program->nactors; a++) {
        if (!members[a])
            continue;
        run->turn = a;
        err = settle_done(run, a);
    }
    if (err || run->trace->end != RUN_COMPLETE)
        return err;
    for (unsigned a = 0; a < run->program->nactors; a++) {
        if (members[a])
            run->actors[a].phase = PHASE_IDLE;
        else
            others |= run->actors[a].phase == PHASE_BUSY;
    }
    return others ? settle_quiescent(run) : 0;
}

int run_settle_root(struct run *run)
{
    struct wire *wire = run->wire;
    uint64_t deadline = executor_seen_ms() + run->executor->options.start_ms;

    run->stall_armed = false;
    run->turn = 0;
    /* The server says who the first process is, or that there is none. */
    while (__atomic_load_n(&wire->actors[0].pid, __ATOMIC_ACQUIRE) == 0) {
        uint32_t bell = raw_load(&wire->bell);
        if (raw_load(&wire->finished) == run->request)
            return -ECHILD;
        if (__atomic_load_n(&wire->actors[0].pid, __ATOMIC_ACQUIRE) != 0)
            break;
        if (executor_server_ended(run->executor)) {
            end_run(run, RUN_CRASHED, 0, -1);
            break;
        }
        if (executor_interrupted())
            return -EINTR;
        if (executor_seen_ms() > deadline)
            return -ETIMEDOUT; /* stuck in what the subject does before a fork */
        executor_wait_bell(run->executor, bell, EXECUTOR_POLL_MS);
    }
    int err = settle_birth(run, 0);
    if (!err && run->trace->end != RUN_COMPLETE)
        run->trace->end_step = 0;
    return err;
}
