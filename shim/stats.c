#include "shim/stats.h"
#include "shim/inside.h"
#include "shim/real.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct stats stats;

static const char *const flush_names[FLUSH_COUNT] = {
#define FLUSH(identifier, name) name,
    STATS_FLUSHES(FLUSH)
#undef FLUSH
};

static const char *const rule_names[RULE_COUNT] = {
#define RULE(identifier, name) name,
    STATS_RULES(RULE)
#undef RULE
};

/* Where the report goes: NULL: nowhere, "1": stderr. Points into the environment's own memory,
 * which a program may reuse: so it is a copy. */
static char *stats_where;
static atomic_bool written;

/* The report is put together on the stack: at the end of a process the heap may be broken. */
struct report {
    char text[4096];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void say(struct report *report, const char *format,
                                                      ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(report->text + report->length, sizeof(report->text) - report->length, format,
                       arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof(report->text) - report->length) {
        report->length += (size_t)length;
    }
}

void stats_start(void)
{
    const char *where = getenv("EPBATCH_STATS");

    if (where != NULL && where[0] != '\0' && strcmp(where, "0") != 0) {
        stats_where = strdup(where);
    }
}

void stats_batch(enum stats_flush why, size_t count)
{
    size_t size = 0;

    while (size < STATS_SIZES - 1 && ((size_t)1 << size) < count) {
        size++;
    }
    stats.sizes[size]++;
    stats.flushes[why]++;
    stats.flushed[why] += count;
}

static void say_all(struct report *report)
{
    say(report, "epbatch pid=%ld seen=%lu deferred=%lu direct=%lu waiting=%lu", (long)getpid(),
        stats.seen, stats.deferred, stats.direct, stats.waiting);
    for (int rule = 0; rule < RULE_COUNT; rule++) {
        say(report, " elided-%s=%lu", rule_names[rule], stats.elided[rule]);
    }
    for (int why = 0; why < FLUSH_COUNT; why++) {
        if (stats.flushes[why] > 0) {
            say(report, " flush-%s=%lu/%lu", flush_names[why], stats.flushed[why],
                stats.flushes[why]);
        }
    }
    say(report, " sizes=");
    for (int size = 0; size < STATS_SIZES; size++) {
        say(report, "%s%lu", size == 0 ? "" : ",", stats.sizes[size]);
    }
    say(report, " instances=%lu", stats.instances);
    for (int why = STOP_NOT + 1; why < STOP_COUNT; why++) {
        if (stats.stopped[why] > 0) {
            say(report, " stopped-%s=%lu", shadow_stop_names[why], stats.stopped[why]);
        }
    }
    say(report, " bypasses=%lu reentries=%lu missed-closes=%lu faults=%lu\n", stats.bypasses,
        inside_reentries(), stats.missed, stats.faults);
}

void stats_write(void)
{
    struct report report = {.length = 0};
    int fd = STDERR_FILENO;
    ssize_t done;

    /* The counts that a vfork's child sees are its parent's, who still has to tell them. */
    if (stats_where == NULL || inside_vforked() || atomic_exchange(&written, true)) {
        return;
    }
    say_all(&report);
    /* By system calls of its own: the shim has nothing to learn from them. */
    if (strcmp(stats_where, "1") != 0) {
        fd = (int)real_functions()->syscall(SYS_openat, AT_FDCWD, stats_where,
                                            O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    }
    /* One write: processes that end together do not mix their lines. */
    done = write(fd, report.text, report.length);
    (void)done;
    if (fd > STDERR_FILENO) {
        (void)real_functions()->syscall(SYS_close, fd);
    }
}
