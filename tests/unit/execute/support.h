/*
 * What the tests of fuzz/execute share: a table of calls with what each must come to, a text form
 * of whole traces, and a search for what a run has left behind.
 */
#ifndef EPDIFF_TESTS_EXECUTE_SUPPORT_H
#define EPDIFF_TESTS_EXECUTE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fuzz/execute/execute.h"
#include "fuzz/program/document.h"

/* Under AddressSanitizer the executor is an order of magnitude slower; tests make a tenth of the
 * trials. */
#ifdef __SANITIZE_ADDRESS__
#define TRIALS(count) ((count) / 10)
#else
#define TRIALS(count) (count)
#endif

/* The library that misbehaves on request (misbehave.c), as a subject. */
#define MISBEHAVE "preload:" EPDIFF_TEST_MISBEHAVE

enum {
    TEST_LINE_MAX = 256,
    TEST_TRACE_MAX = 1 << 16,
    TEST_WATCHDOG_MS = 300, /* for subjects that are meant to hang */
};

/* One call of a program and what it must come to, as trace_line says it; NULL: anything. */
struct expected {
    const char *call;
    const char *result;
};

/* Starts an executor; fails the test with the reason if that does not work. watchdog_ms 0: the
 * default. The second form is not pinned to the CPU of the first form. */
struct executor *start(const char *subject, unsigned watchdog_ms);
struct executor *start_unpinned(const char *subject, unsigned watchdog_ms);

/* Tries to start one; returns what executor_start does, and an executor that starts is ended. */
int try_start(const char *subject, unsigned start_ms, char *ret_why);

/* Parses text that must parse. */
void parse(const char *text, struct program *ret_program);

/* Runs text as a program; fails the test unless the executor did its work. The trace is the next
 * call's to overwrite. */
const struct trace *run(struct executor *executor, const char *text, unsigned flags);

/* Runs the calls of a table and fails the test unless each came to what the table says. */
const struct trace *expect(struct executor *executor, const struct expected *lines,
                           unsigned nlines);
#define EXPECT(executor, lines) expect(executor, lines, sizeof(lines) / sizeof((lines)[0]))

/*
 * What a step came to: "3, 4", "-1 ENOENT", "0", "1: 1@5" (events as MASK@DATA in hexadecimal),
 * "0, errno EINVAL", "revents 1"; "blocks" and "blocks until 7: ..." for a step that slept;
 * "skipped", "ends", "hangs", "not reached".
 */
const char *trace_line(const struct trace *trace, unsigned step);

/* The whole of a trace that is compared: steps, processes, flush points, fd tables, end. */
const char *trace_text(const struct trace *trace);

/* Fails the test unless a program that does ordinary things still runs as it should. */
void assert_usable(struct executor *executor);

/* Numbers of the open descriptors of this process, as one line. */
const char *open_descriptors(void);

/* How many processes that this test started, at any distance, are there, zombies included. */
unsigned count_processes(void);

/* Fails the test if there are such processes and they do not end within the time that a killed
 * process needs to be gone. */
void assert_no_processes(void);

#endif
