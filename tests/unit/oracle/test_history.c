/*
 * What must not happen: that a run of a parallel block which the kernel could have made is called a
 * violation, or one that it could not is let through. Each history stands here as a table, with the
 * stamps of call and return; most come twice, once with calls that overlap and once without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fuzz/program/document.h"
#include "fuzz/program/parallel.h"
#include "oracle/history.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* A line and what it came to. */
struct call {
    const char *text;
    int64_t ret;
    int err;
    unsigned called, returned;
    unsigned events[2]; /* steps whose registrations a wait handed out, as EPOLLIN or AS */
    uint64_t read;      /* the value that an eventfd handed out; of pipe2: ENDS */
};

/* An event that is another mask, and the numbers of a pipe's ends. */
#define AS(step, mask)       ((unsigned)(mask) << 16 | (step))
#define ENDS(reader, writer) ((uint64_t)(writer) << 32 | (reader))

/* What kernels differ in does not matter to these histories. */
static const struct model_facts facts = {.wait_checks_fd_first = true,
                                         .last_waiter_first = true,
                                         .counts_links_above = true,
                                         .pipe_pages = 16};

static struct document document;
static struct trace *trace;
static struct history_verdict verdict;

static void parse(const struct call *calls, unsigned ncalls)
{
    struct document_error error;
    char text[4096] = "";
    bool open = false;

    for (unsigned i = 0; i < ncalls; i++) {
        bool block = calls[i].called != 0;
        if (block != open)
            strcat(text, block ? "parallel {\n" : "}\n");
        open = block;
        strcat(strcat(text, calls[i].text), "\n");
    }
    if (open)
        strcat(text, "}\n");
    if (document_parse(text, strlen(text), "history", &document, &error) != 0)
        fail_msg("%u:%u: %s in\n%s", error.line, error.column, error.what, text);
}

static void set_step(unsigned index, const struct call *call)
{
    const struct op_info *op = &op_table[document.program.steps[index].op];
    struct trace_step *step = &trace->steps[index];

    step->state = STEP_DONE;
    step->completed_at = (int16_t)index;
    step->ret = call->ret;
    step->err = call->err;
    step->called = call->called;
    step->returned = call->returned;
    if (op->nouts == 1 && op->outs[0].kind != FILE_ACTOR)
        step->fds[0] = (int)call->ret;
    for (unsigned i = 0; i < op->nouts && op->nouts == 2; i++)
        step->fds[i] = (int)(call->read >> (32 * i) & UINT32_MAX);
    if (op->effect == EFFECT_IO && call->read)
        step->digest = XXH3_64bits(&call->read, sizeof(call->read));
    for (unsigned i = 0; i < 2 && op->effect == EFFECT_WAIT && call->events[i]; i++)
        step->events[step->nevents++] =
            (struct trace_event){.events = call->events[i] >> 16 ? call->events[i] >> 16 : EPOLLIN,
                                 .data = call->events[i] & 0xffff};
}

static void judge(const struct call *calls, unsigned ncalls, unsigned nodes_max)
{
    parse(calls, ncalls);
    trace_reset(trace, &document.program);
    for (unsigned i = 0; i < ncalls; i++)
        set_step(i, &calls[i]);
    assert_int_equal(history_judge(trace, &facts, nodes_max, &verdict), 0);
}

static void expect(const struct call *calls, unsigned ncalls, enum linear_verdict wanted)
{
    judge(calls, ncalls, 0);
    if (verdict.verdict != wanted)
        fail_msg("verdict %d, not %d: %s\n%s", verdict.verdict, wanted, verdict.why,
                 verdict.witness);
}

#define EXPECT(calls, wanted) expect(calls, sizeof(calls) / sizeof((calls)[0]), wanted)

#define SET_UP                                                                                     \
    {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},                                           \
        {"main: v0 = eventfd(1, EFD_NONBLOCK)", 4, 0, 0, 0, {0}, 0},                               \
    {                                                                                              \
        "main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0                                          \
    }
#define ADD_V0                                                                                     \
    {                                                                                              \
        "main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 0, 0, {0}, 0                                \
    }

static void add_and_wait(void **state)
{
    static const struct call sees[] = {
        SET_UP,
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 1, 4, {0}, 0},
        {"t1: epoll_wait(e0, 8, 0)", 1, 0, 2, 3, {4}, 0}};
    static const struct call sees_not[] = {
        SET_UP,
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 1, 4, {0}, 0},
        {"t1: epoll_wait(e0, 8, 0)", 0, 0, 2, 3, {0}, 0}};
    static const struct call behind_sees_not[] = {
        SET_UP,
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 1, 2, {0}, 0},
        {"t1: epoll_wait(e0, 8, 0)", 0, 0, 3, 4, {0}, 0}};
    static const struct call before_sees[] = {
        SET_UP,
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 3, 4, {0}, 0},
        {"t1: epoll_wait(e0, 8, 0)", 1, 0, 1, 2, {4}, 0}};

    (void)state;
    EXPECT(sees, LINEAR_OK);
    EXPECT(sees_not, LINEAR_OK);
    EXPECT(behind_sees_not, LINEAR_VIOLATION);
    assert_int_equal(verdict.step, 4);
    assert_non_null(strstr(verdict.signature, "epoll_wait"));
    EXPECT(before_sees, LINEAR_VIOLATION);
}

/* What the block did with somebody's operation shows behind it. */
static void dropped_operation(void **state)
{
    static const struct call done[] = {
        SET_UP,
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 1, 4, {0}, 0},
        {"t1: epoll_ctl(e0, ADD, v0, EPOLLIN)", -1, EEXIST, 2, 3, {0}, 0},
        {"main: epoll_ctl(e0, DEL, v0, 0)", 0, 0, 0, 0, {0}, 0}};
    static const struct call dropped[] = {
        SET_UP,
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 1, 4, {0}, 0},
        {"t1: epoll_ctl(e0, ADD, e0, EPOLLIN)", -1, EINVAL, 2, 3, {0}, 0},
        {"main: epoll_ctl(e0, DEL, v0, 0)", -1, ENOENT, 0, 0, {0}, 0}};

    (void)state;
    EXPECT(done, LINEAR_OK);
    EXPECT(dropped, LINEAR_VIOLATION);
    assert_int_equal(verdict.step, 5);
    assert_non_null(strstr(verdict.witness, "step 4, main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, "
                                            "EPOLLIN) came to 0, between stamps 1 and 4\n"));
    if (!strstr(verdict.witness, "comes to 0, not to -1 ENOENT"))
        fail_msg("%s", verdict.witness);
    assert_null(strstr(verdict.witness, "step 5, t1"));
    assert_non_null(strstr(verdict.signature, "epoll_ctl"));
}

/* close frees the number first; the interest list forgets the file later. */
static void number_before_item(void **state)
{
    static const struct call under_way[] = {
        SET_UP,
        ADD_V0,
        {"t1: close(v0)", 0, 0, 1, 6, {0}, 0},
        {"main: v1 = eventfd(0, EFD_NONBLOCK)", 4, 0, 2, 3, {0}, 0},
        {"main: epoll_wait(e0, 8, 0)", 1, 0, 4, 5, {4}, 0}};
    static const struct call over[] = {SET_UP,
                                       ADD_V0,
                                       {"t1: close(v0)", 0, 0, 1, 3, {0}, 0},
                                       {"main: v1 = eventfd(0, EFD_NONBLOCK)", 4, 0, 2, 4, {0}, 0},
                                       {"main: epoll_wait(e0, 8, 0)", 1, 0, 5, 6, {4}, 0}};

    (void)state;
    EXPECT(under_way, LINEAR_OK);
    EXPECT(over, LINEAR_VIOLATION);
}

/* A call that has the file in its hands keeps it, whoever closes it meanwhile. */
static void file_in_flight(void **state)
{
    static const struct call in_flight[] = {SET_UP,
                                            ADD_V0,
                                            {"t1: close(v0)", 0, 0, 2, 3, {0}, 0},
                                            {"main: write(v0, 8)", 8, 0, 1, 4, {0}, 0}};
    static const struct call too_late[] = {SET_UP,
                                           ADD_V0,
                                           {"t1: close(v0)", 0, 0, 1, 2, {0}, 0},
                                           {"main: write(v0, 8)", 8, 0, 3, 4, {0}, 0}};

    /* The pipe has a writer as long as the write goes on. */
    static const struct call writer_there[] = {
        {"main: r0, w0 = pipe2(O_NONBLOCK)", 0, 0, 0, 0, {0}, ENDS(3, 4)},
        {"main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0},
        {"main: write(w0, 8)", 8, 0, 1, 6, {0}, 0},
        {"t1: close(w0)", 0, 0, 2, 3, {0}, 0},
        {"t1: read(r0, 8)", -1, EAGAIN, 4, 5, {0}, 0}};
    static const struct call writer_gone[] = {
        {"main: r0, w0 = pipe2(O_NONBLOCK)", 0, 0, 0, 0, {0}, ENDS(3, 4)},
        {"main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0},
        {"main: write(w0, 0)", 0, 0, 1, 3, {0}, 0},
        {"t1: close(w0)", 0, 0, 2, 4, {0}, 0},
        {"t1: read(r0, 8)", -1, EAGAIN, 5, 6, {0}, 0}};

    (void)state;
    EXPECT(in_flight, LINEAR_OK);
    EXPECT(too_late, LINEAR_VIOLATION);
    EXPECT(writer_there, LINEAR_OK);
    EXPECT(writer_gone, LINEAR_VIOLATION);
}

/* Rule 27. */
static void falsely_empty(void **state)
{
    static const struct call beside[] = {SET_UP,
                                         ADD_V0,
                                         {"main: epoll_wait(e0, 8, 0)", 1, 0, 1, 4, {4}, 0},
                                         {"t1: epoll_wait(e0, 8, 0)", 0, 0, 2, 3, {0}, 0}};
    static const struct call alone[] = {SET_UP,
                                        ADD_V0,
                                        {"main: epoll_wait(e0, 8, 0)", 1, 0, 1, 2, {4}, 0},
                                        {"t1: epoll_wait(e0, 8, 0)", 0, 0, 3, 4, {0}, 0}};

    (void)state;
    EXPECT(beside, LINEAR_OK);
    assert_int_equal(verdict.false_empties, 1);
    EXPECT(alone, LINEAR_VIOLATION);
}

/* Two reads by one actor, and a wait that polled one file before and the other behind them. */
static void scan_takes_time(void **state)
{
#define TWO                                                                                        \
    SET_UP, {"main: v1 = eventfd(1, EFD_NONBLOCK)", 5, 0, 0, 0, {0}, 0},                           \
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},                             \
    {                                                                                              \
        "main: epoll_ctl(e0, ADD, v1, EPOLLIN)", 0, 0, 0, 0, {0}, 0                                \
    }
    static const struct call during[] = {TWO,
                                         {"main: epoll_wait(e0, 8, 0)", 1, 0, 1, 6, {5}, 0},
                                         {"t1: read(v0, 8)", 8, 0, 2, 3, {0}, 1},
                                         {"t1: read(v1, 8)", 8, 0, 4, 5, {0}, 1}};
    static const struct call before[] = {TWO,
                                         {"main: epoll_wait(e0, 8, 0)", 1, 0, 5, 6, {5}, 0},
                                         {"t1: read(v0, 8)", 8, 0, 1, 2, {0}, 1},
                                         {"t1: read(v1, 8)", 8, 0, 3, 4, {0}, 1}};

    (void)state;
    EXPECT(during, LINEAR_OK);
    EXPECT(before, LINEAR_VIOLATION);
}

/* The callbacks of one write run one after the other, the latest registration first. */
static void wakeup_takes_time(void **state)
{
#define WATCHED                                                                                    \
    {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},                                           \
        {"main: e1 = epoll_create1(0)", 4, 0, 0, 0, {0}, 0},                                       \
        {"main: v0 = eventfd(0, EFD_NONBLOCK)", 5, 0, 0, 0, {0}, 0},                               \
        {"main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0},                                       \
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},                             \
    {                                                                                              \
        "main: epoll_ctl(e1, ADD, v0, EPOLLIN)", 0, 0, 0, 0, {0}, 0                                \
    }
    static const struct call during[] = {WATCHED,
                                         {"t1: write(v0, 8)", 8, 0, 1, 6, {0}, 0},
                                         {"main: epoll_wait(e1, 8, 0)", 1, 0, 2, 3, {6}, 0},
                                         {"main: epoll_wait(e0, 8, 0)", 0, 0, 4, 5, {0}, 0}};
    static const struct call other_order[] = {WATCHED,
                                              {"t1: write(v0, 8)", 8, 0, 1, 6, {0}, 0},
                                              {"main: epoll_wait(e0, 8, 0)", 1, 0, 2, 3, {5}, 0},
                                              {"main: epoll_wait(e1, 8, 0)", 0, 0, 4, 5, {0}, 0}};
    static const struct call behind[] = {WATCHED,
                                         {"t1: write(v0, 8)", 8, 0, 1, 4, {0}, 0},
                                         {"main: epoll_wait(e1, 8, 0)", 1, 0, 2, 3, {6}, 0},
                                         {"main: epoll_wait(e0, 8, 0)", 0, 0, 5, 6, {0}, 0}};

    (void)state;
    EXPECT(during, LINEAR_OK);
    EXPECT(other_order, LINEAR_VIOLATION);
    EXPECT(behind, LINEAR_VIOLATION);
}

/* A number is taken a while before it names anything. */
static void reserved_number(void **state)
{
    static const struct call beside[] = {
        SET_UP,
        {"main: v1 = eventfd(0, EFD_NONBLOCK)", 5, 0, 1, 4, {0}, 0},
        {"t1: d0 = dup2(v0, 5)", -1, EBUSY, 2, 3, {0}, 0}};
    static const struct call behind[] = {
        SET_UP,
        {"main: v1 = eventfd(0, EFD_NONBLOCK)", 5, 0, 1, 2, {0}, 0},
        {"t1: d0 = dup2(v0, 5)", -1, EBUSY, 3, 4, {0}, 0}};
    /* Nobody else gets it. */
    static const struct call same[] = {SET_UP,
                                       {"main: v1 = eventfd(0, EFD_NONBLOCK)", 5, 0, 1, 4, {0}, 0},
                                       {"t1: d0 = dup(v0)", 5, 0, 2, 3, {0}, 0}};

    (void)state;
    EXPECT(beside, LINEAR_OK);
    EXPECT(behind, LINEAR_VIOLATION);
    EXPECT(same, LINEAR_VIOLATION);
}

/* Which file a number names behind a block is not what the order of its lines says. */
static void two_blocks(void **state)
{
    static const struct call calls[] = {SET_UP,
                                        {"main: v1 = eventfd(0, EFD_NONBLOCK)", 5, 0, 0, 0, {0}, 0},
                                        {"main: d0 = dup2(v1, v0)", 4, 0, 3, 4, {0}, 0},
                                        {"t1: close(v0)", 0, 0, 1, 2, {0}, 0},
                                        {"main: read(v1, 8)", -1, EAGAIN, 0, 0, {0}, 0},
                                        {"t1: read(v1, 8)", -1, EAGAIN, 5, 6, {0}, 0},
                                        {"t1: write(v0, 8)", 8, 0, 7, 8, {0}, 0},
                                        {"main: epoll_wait(e0, 8, 0)", 0, 0, 9, 10, {0}, 0}};

    (void)state;
    EXPECT(calls, LINEAR_OK);
}

/* The scan of e1 polls e0, and takes its ready list away for that. */
static void falsely_empty_below(void **state)
{
#define NESTED                                                                                     \
    {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},                                           \
        {"main: e1 = epoll_create1(0)", 4, 0, 0, 0, {0}, 0},                                       \
        {"main: v0 = eventfd(1, EFD_NONBLOCK)", 5, 0, 0, 0, {0}, 0},                               \
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},                             \
        {"main: epoll_ctl(e1, ADD, e0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},                             \
    {                                                                                              \
        "main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0                                          \
    }
    static const struct call beside[] = {NESTED,
                                         {"main: epoll_wait(e1, 8, 0)", 1, 0, 1, 4, {5}, 0},
                                         {"t1: epoll_wait(e0, 8, 0)", 0, 0, 2, 3, {0}, 0}};
    static const struct call behind[] = {NESTED,
                                         {"main: epoll_wait(e1, 8, 0)", 1, 0, 1, 2, {5}, 0},
                                         {"t1: epoll_wait(e0, 8, 0)", 0, 0, 3, 4, {0}, 0}};
    /* The scan of e0 does not look at e1. */
    static const struct call above[] = {NESTED,
                                        {"main: epoll_wait(e0, 8, 0)", 1, 0, 1, 4, {4}, 0},
                                        {"t1: epoll_wait(e1, 8, 0)", 0, 0, 2, 3, {0}, 0}};

    (void)state;
    EXPECT(beside, LINEAR_OK);
    assert_int_equal(verdict.false_empties, 1);
    EXPECT(behind, LINEAR_VIOLATION);
    EXPECT(above, LINEAR_VIOLATION);
}

/* The interest list forgets a file behind the scan, but the scan finds nothing at it. */
static void file_ends_in_scan(void **state)
{
    static const struct call during[] = {TWO,
                                         {"main: epoll_wait(e0, 8, 0)", 1, 0, 1, 6, {5}, 0},
                                         {"t1: read(v0, 8)", 8, 0, 2, 3, {0}, 1},
                                         {"t1: close(v1)", 0, 0, 4, 5, {0}, 0}};
    static const struct call before[] = {TWO,
                                         {"main: epoll_wait(e0, 8, 0)", 2, 0, 3, 6, {5, 6}, 0},
                                         {"t1: close(v1)", 0, 0, 1, 2, {0}, 0},
                                         {"t1: read(v0, 8)", 8, 0, 4, 5, {0}, 1}};

    (void)state;
    EXPECT(during, LINEAR_OK);
    EXPECT(before, LINEAR_VIOLATION);
}

/* A wakeup reaches who watches when it begins, and not when the bytes were moved. */
static void wakeup_reaches_newcomers(void **state)
{
#define EDGE                                                                                       \
    {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},                                           \
        {"main: v0 = eventfd(0, EFD_NONBLOCK)", 4, 0, 0, 0, {0}, 0},                               \
    {                                                                                              \
        "main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0                                          \
    }
    static const struct call during[] = {
        EDGE,
        {"t1: write(v0, 8)", 8, 0, 1, 8, {0}, 0},
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN|EPOLLET)", 0, 0, 2, 3, {0}, 0},
        {"main: epoll_wait(e0, 8, 0)", 1, 0, 4, 5, {5}, 0},
        {"main: epoll_wait(e0, 8, 0)", 1, 0, 6, 7, {5}, 0}};
    static const struct call behind[] = {
        EDGE,
        {"t1: write(v0, 8)", 8, 0, 1, 4, {0}, 0},
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN|EPOLLET)", 0, 0, 2, 3, {0}, 0},
        {"main: epoll_wait(e0, 8, 0)", 1, 0, 5, 6, {5}, 0},
        {"main: epoll_wait(e0, 8, 0)", 1, 0, 7, 8, {5}, 0}};

    (void)state;
    EXPECT(during, LINEAR_OK);
    EXPECT(behind, LINEAR_VIOLATION);
}

/* Found by fuzz --parallel, natively, and called violations at first. */

/* The callbacks of an epoll_ctl on a nested instance run one after the other, too: the wait of
 * step 10 begins between that of step 8's item and that of step 7's. */
static void nested_wakeup_takes_time(void **state)
{
    static const struct call calls[] = {
        {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},
        {"main: e1 = epoll_create1(0)", 4, 0, 0, 0, {0}, 0},
        {"main: v0 = eventfd(1, EFD_NONBLOCK)", 5, 0, 0, 0, {0}, 0},
        {"main: v1 = eventfd(0, EFD_NONBLOCK)", 6, 0, 0, 0, {0}, 0},
        {"main: d0 = dup(e0)", 7, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, v0, EPOLLIN|EPOLLONESHOT)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, d0, EPOLLIN|EPOLLONESHOT)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, e0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},
        {"main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_wait(e1, 8, 0)", 2, 0, 2, 6, {6, 8}, 0},
        {"main: d1 = dup2(v1, d0)", 7, 0, 7, 8, {0}, 0},
        {"main: epoll_wait(e1, 8, 0)", 1, 0, 9, 10, {8}, 0},
        {"t1: epoll_ctl(e0, ADD, v0, EPOLLIN|EPOLLET)", 0, 0, 1, 3, {0}, 0},
        {"t1: epoll_wait(e1, 8, 0)", 2, 0, 4, 5, {7, 8}, 0},
        {"main: epoll_wait(e0, 8, 0)", 1, 0, 0, 0, {13}, 0},
        {"main: epoll_wait(e1, 8, 0)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, MOD, v0, EPOLLIN|EPOLLOUT)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_wait(e1, 8, 0)", 1, 0, 0, 0, {AS(17, EPOLLIN | EPOLLOUT)}, 0}};
    /* The other order of the callbacks, and the wait behind all of them. */
    static const struct call other_order[] = {
        {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},
        {"main: e1 = epoll_create1(0)", 4, 0, 0, 0, {0}, 0},
        {"main: v0 = eventfd(1, EFD_NONBLOCK)", 5, 0, 0, 0, {0}, 0},
        {"main: d0 = dup(e0)", 6, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, d0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, e0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},
        {"main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_wait(e1, 8, 0)", 1, 0, 2, 3, {5}, 0},
        {"t1: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 1, 4, {0}, 0}};
    static const struct call behind[] = {
        {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},
        {"main: e1 = epoll_create1(0)", 4, 0, 0, 0, {0}, 0},
        {"main: v0 = eventfd(1, EFD_NONBLOCK)", 5, 0, 0, 0, {0}, 0},
        {"main: d0 = dup(e0)", 6, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, d0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, e0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},
        {"main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_wait(e1, 8, 0)", 1, 0, 3, 5, {6}, 0},
        {"t1: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 1, 2, {0}, 0},
        {"t1: epoll_wait(e1, 8, 0)", 2, 0, 6, 7, {5, 6}, 0}};

    (void)state;
    EXPECT(calls, LINEAR_OK);
    EXPECT(other_order, LINEAR_VIOLATION);
    EXPECT(behind, LINEAR_VIOLATION);
}

/* The end of a pipe's other side is a wakeup like any other. */
static void last_wakeup_takes_time(void **state)
{
    static const struct call during[] = {
        {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},
        {"main: e1 = epoll_create1(0)", 4, 0, 0, 0, {0}, 0},
        {"main: v1 = eventfd(1, EFD_NONBLOCK)", 5, 0, 0, 0, {0}, 0},
        {"main: r0, w0 = pipe2(O_NONBLOCK)", 0, 0, 0, 0, {0}, ENDS(6, 7)},
        {"main: epoll_ctl(e0, ADD, w0, EPOLLIN|EPOLLONESHOT)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, w0, EPOLLIN|EPOLLET)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, e0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},
        {"main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_wait(e1, 8, 0)", 1, 0, 2, 4, {AS(6, EPOLLERR)}, 0},
        {"t1: d1 = dup2(v1, r0)", 6, 0, 1, 3, {0}, 0},
        {"main: epoll_wait(e0, 8, 0)", 1, 0, 0, 0, {AS(5, EPOLLERR)}, 0},
        {"main: epoll_wait(e1, 8, 0)", 0, 0, 0, 0, {0}, 0}};
    static const struct call behind[] = {
        {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},
        {"main: e1 = epoll_create1(0)", 4, 0, 0, 0, {0}, 0},
        {"main: v1 = eventfd(1, EFD_NONBLOCK)", 5, 0, 0, 0, {0}, 0},
        {"main: r0, w0 = pipe2(O_NONBLOCK)", 0, 0, 0, 0, {0}, ENDS(6, 7)},
        {"main: epoll_ctl(e0, ADD, w0, EPOLLIN|EPOLLONESHOT)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, w0, EPOLLIN|EPOLLET)", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_ctl(e1, ADD, e0, EPOLLIN)", 0, 0, 0, 0, {0}, 0},
        {"main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0},
        {"main: epoll_wait(e1, 8, 0)", 1, 0, 3, 4, {AS(6, EPOLLERR)}, 0},
        {"t1: d1 = dup2(v1, r0)", 6, 0, 1, 2, {0}, 0},
        {"main: epoll_wait(e0, 8, 0)", 1, 0, 0, 0, {AS(5, EPOLLERR)}, 0},
        {"main: epoll_wait(e1, 8, 0)", 0, 0, 0, 0, {0}, 0}};

    (void)state;
    EXPECT(during, LINEAR_OK);
    EXPECT(behind, LINEAR_VIOLATION);
}

/* The writing end of a pipe has the lower number: somebody closed that while the pipe was opened.
 */
static void crossed_pipe(void **state)
{
#define CROSSED(first, second, err)                                                                \
    {"main: e0 = epoll_create1(0)", 3, 0, 0, 0, {0}, 0},                                           \
        {"main: e1 = epoll_create1(0)", 4, 0, 0, 0, {0}, 0},                                       \
        {"main: r0, w0 = pipe2(O_NONBLOCK)", 0, 0, 0, 0, {0}, ENDS(5, 6)},                         \
        {"main: v0 = eventfd(1, EFD_NONBLOCK)", 7, 0, 0, 0, {0}, 0},                               \
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN|EPOLLONESHOT)", 0, 0, 0, 0, {0}, 0},                \
        {"main: epoll_ctl(e1, ADD, r0, EPOLLIN|EPOLLET)", 0, 0, 0, 0, {0}, 0},                     \
        {"main: epoll_ctl(e1, ADD, w0, 0)", 0, 0, 0, 0, {0}, 0},                                   \
        {"main: t1 = pthread_create()", 0, 0, 0, 0, {0}, 0},                                       \
        {"main: t2 = pthread_create()", 0, 0, 0, 0, {0}, 0},                                       \
        {"main: r1, w1 = pipe2(O_NONBLOCK)", 0, 0, 3, 7, {0}, ENDS(first, second)},                \
        {"main: epoll_wait(e0, 8, 0)", 1, 0, 8, 10, {14}, 0},                                      \
        {"main: read(w0, 8)", -1, err, 11, 12, {0}, 0},                                            \
        {"main: epoll_ctl(e1, MOD, v0, EPOLLIN|EPOLLOUT)", -1, ENOENT, 13, 14, {0}, 0},            \
        {"t1: epoll_ctl(e0, MOD, v0, EPOLLIN)", 0, 0, 1, 2, {0}, 0},                               \
        {"t1: epoll_ctl(e0, ADD, w0, EPOLLIN|EPOLLONESHOT)", 0, 0, 4, 5, {0}, 0},                  \
        {"t1: close(w0)", 0, 0, 6, 9, {0}, 0}, {"t2: close(w0)", 0, 0, 15, 16, {0}, 0},            \
        {"t2: write(w0, 8)", -1, EBADF, 17, 18, {0}, 0},                                           \
        {"t2: epoll_ctl(e1, MOD, w0, EPOLLIN)", -1, EBADF, 19, 20, {0}, 0},                        \
        {"t2: write(r0, 8)", -1, EBADF, 21, 22, {0}, 0},                                           \
        {"main: epoll_ctl(e1, MOD, r0, EPOLLOUT)", 0, 0, 0, 0, {0}, 0},                            \
    {                                                                                              \
        "main: epoll_wait(e1, 8, 0)", 1, 0, 0, 0, {AS(21, EPOLLHUP)}, 0                            \
    }
    static const struct call crossed[] = {CROSSED(8, 6, EBADF)};
    static const struct call reader_there[] = {CROSSED(8, 6, EAGAIN)};
    static const struct call skipped[] = {CROSSED(9, 6, EBADF)};

    (void)state;
    EXPECT(crossed, LINEAR_OK);
    EXPECT(reader_there, LINEAR_VIOLATION);
    EXPECT(skipped, LINEAR_VIOLATION);
}

static void no_verdict(void **state)
{
    static const struct call calls[] = {
        SET_UP,
        {"main: epoll_ctl(e0, ADD, v0, EPOLLIN)", 0, 0, 1, 4, {0}, 0},
        {"t1: epoll_wait(e0, 8, 0)", 1, 0, 2, 3, {4}, 0}};

    (void)state;
    judge(calls, sizeof(calls) / sizeof(calls[0]), 4);
    assert_int_equal(verdict.verdict, LINEAR_UNKNOWN);
    assert_string_equal(verdict.why, "the search met its limit");
    trace->end = RUN_CRASHED;
    assert_int_equal(history_judge(trace, &facts, 0, &verdict), 0);
    assert_int_equal(verdict.verdict, LINEAR_UNKNOWN);
    assert_string_equal(verdict.why, "the run did not come to its end");
}

static int set_up(void **state)
{
    (void)state;
    trace = trace_new();
    return trace ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    trace_free(trace);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_and_wait),
        cmocka_unit_test(dropped_operation),
        cmocka_unit_test(number_before_item),
        cmocka_unit_test(file_in_flight),
        cmocka_unit_test(falsely_empty),
        cmocka_unit_test(two_blocks),
        cmocka_unit_test(scan_takes_time),
        cmocka_unit_test(wakeup_takes_time),
        cmocka_unit_test(reserved_number),
        cmocka_unit_test(no_verdict),
        cmocka_unit_test(last_wakeup_takes_time),
        cmocka_unit_test(falsely_empty_below),
        cmocka_unit_test(file_ends_in_scan),
        cmocka_unit_test(wakeup_reaches_newcomers),
        cmocka_unit_test(nested_wakeup_takes_time),
        cmocka_unit_test(crossed_pipe),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
