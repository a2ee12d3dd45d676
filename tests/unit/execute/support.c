#include "tests/unit/execute/support.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    GONE_MS = 20000, /* a killed process is gone by then on any machine that is not broken */
};

static int first_cpu(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((unsigned)cpu, &set))
            return cpu;
    }
    return -1;
}

static struct executor *start_on(const char *name, int cpu, unsigned watchdog_ms)
{
    struct executor_options options = {.cpu = cpu, .watchdog_ms = watchdog_ms};
    struct subject subject;
    struct executor *executor = NULL;
    char why[EXECUTE_WHY_MAX + 1] = "";

    if (subject_parse(name, &subject, why, sizeof(why)) != 0)
        fail_msg("%s: %s", name, why);
    if (executor_start(&subject, &options, &executor, why) != 0)
        fail_msg("%s: %s", name, why);
    return executor;
}

struct executor *start(const char *subject, unsigned watchdog_ms)
{
    return start_on(subject, first_cpu(), watchdog_ms);
}

struct executor *start_unpinned(const char *subject, unsigned watchdog_ms)
{
    return start_on(subject, -1, watchdog_ms);
}

int try_start(const char *name, unsigned start_ms, char *ret_why)
{
    struct executor_options options = {.cpu = -1, .start_ms = start_ms};
    struct subject subject;
    struct executor *executor = NULL;

    ret_why[0] = '\0';
    int err = subject_parse(name, &subject, ret_why, EXECUTE_WHY_MAX + 1);
    if (!err)
        err = executor_start(&subject, &options, &executor, ret_why);
    if (!err)
        executor_stop(executor);
    else
        assert_null(executor);
    return err;
}

void parse(const char *text, struct program *ret_program)
{
    static struct document document;
    struct document_error error;

    if (document_parse(text, strlen(text), "test", &document, &error) != 0)
        fail_msg("line %u, column %u: %s\n%s", error.line, error.column, error.what, text);
    *ret_program = document.program;
}

static struct trace *shared_trace(void)
{
    static struct trace *trace;

    if (!trace)
        trace = trace_new();
    assert_non_null(trace);
    return trace;
}

const struct trace *run(struct executor *executor, const char *text, unsigned flags)
{
    static struct program program;
    char why[EXECUTE_WHY_MAX + 1] = "";

    parse(text, &program);
    if (executor_run(executor, &program, flags, shared_trace(), why) != 0)
        fail_msg("%s", why);
    assert_false(shared_trace()->truncated);
    return shared_trace();
}

const struct trace *expect(struct executor *executor, const struct expected *lines, unsigned nlines)
{
    static char text[TEST_TRACE_MAX];
    size_t length = 0;

    for (unsigned i = 0; i < nlines; i++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s\n", lines[i].call);
        assert_true(length < sizeof(text));
    }
    const struct trace *trace = run(executor, text, 0);
    assert_int_equal(trace->nsteps, nlines);
    for (unsigned i = 0; i < nlines; i++) {
        if (lines[i].result && strcmp(trace_line(trace, i), lines[i].result) != 0)
            fail_msg("%s: step %u, %s: expected '%s', got '%s'; all:\n%s",
                     executor_subject(executor)->name, step_number(i), lines[i].call,
                     lines[i].result, trace_line(trace, i), trace_text(trace));
    }
    return trace;
}

/* What a call returned with. Returns the length of the text. */
static size_t print_returned(const struct trace *trace, unsigned index, char *text, size_t size)
{
    const struct op_info *op = &op_table[trace->program->steps[index].op];
    const struct trace_step *step = &trace->steps[index];
    const char *error = strerrorname_np(step->err);
    size_t length = 0;

    if (step->ret == -1)
        return (size_t)snprintf(text, size, "-1 %s", error ? error : "?");
    if (step->ret == TRACE_JUMPED)
        length += (size_t)snprintf(text, size, "jumped");
    else if (op->nouts == 2)
        length += (size_t)snprintf(text, size, "%d, %d", step->fds[0], step->fds[1]);
    else
        length += (size_t)snprintf(text, size, "%lld", (long long)step->ret);
    if (op->nouts == 1 && op->outs[0].kind != FILE_ACTOR)
        assert_int_equal(step->ret, step->fds[0]);
    for (unsigned i = 0; i < step->nevents; i++)
        length +=
            (size_t)snprintf(text + length, size - length, "%s%x@%llx", i ? " " : ": ",
                             step->events[i].events, (unsigned long long)step->events[i].data);
    if (op->effect == EFFECT_POLL && step->ret >= 0)
        length += (size_t)snprintf(text + length, size - length, ", revents %llx",
                                   (unsigned long long)step->digest);
    if (step->err)
        length += (size_t)snprintf(text + length, size - length, ", errno %s", error);
    if (step->handled_at != TRACE_NEVER)
        length += (size_t)snprintf(text + length, size - length, ", handled in %u: %d %s",
                                   step_number((unsigned)step->handled_at), step->handler_ret,
                                   strerrorname_np(step->handler_err));
    return length;
}

const char *trace_line(const struct trace *trace, unsigned index)
{
    static char lines[4][TEST_LINE_MAX];
    static unsigned next;
    static const char *const states[] = {
        [STEP_NOT_REACHED] = "not reached",
        [STEP_SKIPPED] = "skipped",
        [STEP_BLOCKED] = "blocks",
        [STEP_DIED] = "ends",
        [STEP_HUNG] = "hangs",
    };
    const struct trace_step *step = &trace->steps[index];
    char *line = lines[next++ % 4];
    size_t length = 0;

    if (step->state != STEP_DONE) {
        snprintf(line, TEST_LINE_MAX, "%s", states[step->state]);
        return line;
    }
    if (step->blocked)
        length = (size_t)snprintf(line, TEST_LINE_MAX,
                                  "blocks until %u: ", step_number((unsigned)step->completed_at));
    else
        assert_int_equal(step->completed_at, index);
    length += print_returned(trace, index, line + length, TEST_LINE_MAX - length);
    assert_true(length < TEST_LINE_MAX);
    return line;
}

struct writer {
    char *text;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *writer, const char *format,
                                                      ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(writer->text + writer->length, TEST_TRACE_MAX - writer->length, format,
                           arguments);
    va_end(arguments);
    writer->length += (size_t)length;
    assert_true(writer->length < TEST_TRACE_MAX);
}

static void put_snapshots(struct writer *writer, const struct trace *trace)
{
    for (unsigned i = 0; i < trace->nsnapshots; i++) {
        const struct trace_snapshot *snapshot = &trace->snapshots[i];
        put(writer, "list after %u, process %u, %d%s:", step_number((unsigned)snapshot->step),
            snapshot->process, snapshot->number, snapshot->evidence ? " (evidence)" : "");
        for (unsigned k = 0; k < snapshot->nitems; k++) {
            const struct trace_item *item = &trace->items[snapshot->first + k];
            put(writer, " %d:%x@%llx", item->number, item->events, (unsigned long long)item->data);
        }
        put(writer, "\n");
    }
}

const char *trace_text(const struct trace *trace)
{
    static char texts[2][TEST_TRACE_MAX];
    static unsigned next;
    struct writer writer = {.text = texts[next++ % 2]};

    for (unsigned i = 0; i < trace->nsteps; i++)
        put(&writer, "%u %s digest %llx\n", step_number(i), trace_line(trace, i),
            (unsigned long long)trace->steps[i].digest);
    put_snapshots(&writer, trace);
    for (unsigned p = 0; p < trace->program->nactors; p++) {
        const struct trace_process *process = &trace->processes[p];
        if (process->state != PROCESS_UNBORN)
            put(&writer, "process %u: state %u reaped %d status %d ended at %d\n", p,
                process->state, process->reaped, process->status, process->ended_at);
        if (trace->cancelled_at[p] != TRACE_NEVER)
            put(&writer, "actor %u cancelled in %u\n", p,
                step_number((unsigned)trace->cancelled_at[p]));
    }
    for (unsigned i = 0; i < trace->nfds; i++)
        put(&writer, "fd %d of process %u: %s, file %u\n", trace->fds[i].number,
            trace->fds[i].process, trace->fds[i].what, trace->fds[i].identity);
    put(&writer, "end %u at %d by %u, signal %d, call %ld\n", trace->end, trace->end_step,
        trace->end_actor, trace->end_signal, trace->end_syscall);
    return writer.text;
}

void assert_usable(struct executor *executor)
{
    static const struct expected lines[] = {
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(1, EFD_NONBLOCK)", "4"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 5: 1: 1@5"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: p1 = fork()", "0"},
        {"p1: _exit(7)", "ends"},
        {"main: waitpid(p1, 0)", "7"},
    };

    const struct trace *trace = EXPECT(executor, lines);
    assert_int_equal(trace->end, RUN_COMPLETE);
}

const char *open_descriptors(void)
{
    static char lines[2][4096];
    static unsigned next;
    char *line = lines[next++ % 2];
    size_t length = 0;

    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    line[0] = '\0';
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (isdigit((unsigned char)entry->d_name[0]) && atoi(entry->d_name) != dirfd(folder))
            length +=
                (size_t)snprintf(line + length, sizeof(lines[0]) - length, "%s ", entry->d_name);
        assert_true(length < sizeof(lines[0]));
    }
    closedir(folder);
    return line;
}

static bool holds_text(const char *path, const char *wanted)
{
    static char text[1 << 16];
    size_t length = 0;

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    for (ssize_t got = 1; got > 0 && length < sizeof(text);) {
        got = read(fd, text + length, sizeof(text) - length);
        length += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    return memmem(text, length, wanted, strlen(wanted)) != NULL;
}

/* Whoever descends from this process has EPDIFF_TEST_MARK in the environment that it started
 * with: orphans too, whose parent is somebody else by now. */
unsigned count_processes(void)
{
    char mark[64], path[300];
    unsigned count = 0;

    snprintf(mark, sizeof(mark), "EPDIFF_TEST_MARK=%d", getpid());
    DIR *folder = opendir("/proc");
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid())
            continue;
        snprintf(path, sizeof(path), "/proc/%s/environ", entry->d_name);
        count += holds_text(path, mark);
    }
    closedir(folder);
    /* The environment of a zombie cannot be read; but a zombie has a parent, and that is us. */
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
        count++;
    return count;
}

void assert_no_processes(void)
{
    struct timespec pause = {.tv_nsec = 1000000};

    for (unsigned waited_ms = 0; count_processes() > 0; waited_ms++) {
        if (waited_ms > GONE_MS)
            fail_msg("%u processes are left", count_processes());
        nanosleep(&pause, NULL);
    }
}

__attribute__((constructor)) static void set_mark(void)
{
    char mark[16];

    snprintf(mark, sizeof(mark), "%d", getpid());
    setenv("EPDIFF_TEST_MARK", mark, 1);
}
