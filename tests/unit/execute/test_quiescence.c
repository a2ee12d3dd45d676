/*
 * What must not happen: that a step is taken for over while what it woke still moves. Waiters that
 * wake each other in a cascade are where one look is too early: an event that is still on its way
 * would be written down at a later step, or not at all, in some runs and not in others.
 */
#include "tests/unit/execute/support.h"

#include <string.h>

enum {
    REPETITIONS = 2000,
};

/* Two level-triggered waiters: the write wakes one, which on its way out wakes the other. */
static const struct expected cascade[] = {
    {"main: e0 = epoll_create1(0)", "3"},
    {"main: v0 = eventfd(0, EFD_NONBLOCK)", "4"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
    {"main: t1 = pthread_create()", "0"},
    {"main: t2 = pthread_create()", "0"},
    {"t2: epoll_wait(e0, 8, -1)", "blocks until 8: 1: 1@3"},
    {"t1: epoll_wait(e0, 8, -1)", "blocks until 8: 1: 1@3"},
    {"main: write(v0, 8)", "8"},
    {"main: close(v0)", "0"},
};

/*
 * Level-triggered waiters: the write wakes one, which on its way out wakes the next. Who has slept
 * longest is woken first, so the wakeups run against the order in which a pass looks at the actors:
 * where they meet, one pass can find the ones still asleep and the others asleep again.
 */
static const struct expected wave[] = {
    {"main: e0 = epoll_create1(0)", "3"},
    {"main: v0 = eventfd(0, EFD_NONBLOCK)", "4"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
    {"main: t1 = pthread_create()", "0"},
    {"main: t2 = pthread_create()", "0"},
    {"main: t3 = pthread_create()", "0"},
    {"main: t4 = pthread_create()", "0"},
    {"main: t5 = pthread_create()", "0"},
    {"main: t6 = pthread_create()", "0"},
    {"main: t7 = pthread_create()", "0"},
    {"main: t8 = pthread_create()", "0"},
    {"t8: epoll_wait(e0, 8, -1)", "blocks until 20: 1: 1@3"},
    {"t7: epoll_wait(e0, 8, -1)", "blocks until 20: 1: 1@3"},
    {"t6: epoll_wait(e0, 8, -1)", "blocks until 20: 1: 1@3"},
    {"t5: epoll_wait(e0, 8, -1)", "blocks until 20: 1: 1@3"},
    {"t4: epoll_wait(e0, 8, -1)", "blocks until 20: 1: 1@3"},
    {"t3: epoll_wait(e0, 8, -1)", "blocks until 20: 1: 1@3"},
    {"t2: epoll_wait(e0, 8, -1)", "blocks until 20: 1: 1@3"},
    {"t1: epoll_wait(e0, 8, -1)", "blocks until 20: 1: 1@3"},
    {"main: write(v0, 8)", "8"},
    {"main: close(v0)", "0"},
};

/* Three in a row, in two processes, behind a nested instance. */
static const struct expected long_cascade[] = {
    {"main: e0 = epoll_create1(0)", "3"},
    {"main: e1 = epoll_create1(0)", "4"},
    {"main: v0 = eventfd(0, EFD_NONBLOCK)", "5"},
    {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
    {"main: epoll_ctl(e1, EPOLL_CTL_ADD, e0, EPOLLIN)", "0"},
    {"main: t1 = pthread_create()", "0"},
    {"main: p1 = fork()", "0"},
    {"p1: t2 = pthread_create()", "0"},
    {"t2: epoll_wait(e1, 8, -1)", "blocks until 12: 1: 1@5"},
    {"p1: epoll_wait(e1, 8, -1)", "blocks until 12: 1: 1@5"},
    {"t1: epoll_wait(e1, 8, -1)", "blocks until 12: 1: 1@5"},
    {"main: write(v0, 8)", "8"},
    {"main: read(v0, 8)", "8"},
};

static void repeat(struct executor *executor, const struct expected *lines, unsigned nlines,
                   unsigned repetitions)
{
    char first[TEST_TRACE_MAX];

    for (unsigned i = 0; i < repetitions; i++) {
        const char *text = trace_text(expect(executor, lines, nlines));
        if (i == 0)
            strcpy(first, text);
        if (strcmp(first, text) != 0)
            fail_msg("repetition %u differs:\n%s\nfrom\n%s", i, text, first);
    }
}

#define REPEAT(executor, lines, repetitions)                                                       \
    repeat(executor, lines, sizeof(lines) / sizeof((lines)[0]), repetitions)

static void test_cascade(void **state)
{
    struct executor *executor = start("native", 0);

    (void)state;
    REPEAT(executor, cascade, TRIALS(REPETITIONS));
    executor_stop(executor);
}

/* On two CPUs the controller looks while the waiters really move. */
static void test_cascade_unpinned(void **state)
{
    struct executor *executor = start_unpinned("native", 0);

    (void)state;
    REPEAT(executor, cascade, TRIALS(REPETITIONS / 4));
    executor_stop(executor);
}

static void test_wave(void **state)
{
    struct executor *executor = start_unpinned("native", 0);

    (void)state;
    REPEAT(executor, wave, TRIALS(REPETITIONS / 8));
    executor_stop(executor);
}

static void test_long_cascade(void **state)
{
    struct executor *executor = start_unpinned("native", 0);

    (void)state;
    REPEAT(executor, long_cascade, TRIALS(REPETITIONS / 4));
    executor_stop(executor);
}

/* A subject's own sleeping thread is neither waited for nor taken for an actor. */
static void test_helper_at_rest(void **state)
{
    static const struct expected lines[] = {
        {"main: close(911)", "0"},
        {"main: e0 = epoll_create1(0)", "3"},
        {"main: v0 = eventfd(0, EFD_NONBLOCK)", "4"},
        {"main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)", "0"},
        {"main: t1 = pthread_create()", "0"},
        {"t1: epoll_wait(e0, 8, -1)", "blocks until 7: 1: 1@4"},
        {"main: write(v0, 8)", "8"},
        {"t1: pthread_exit()", "ends"},
        {"main: pthread_join(t1)", "0"},
    };
    struct executor *executor = start_unpinned(MISBEHAVE, 0);

    (void)state;
    REPEAT(executor, lines, TRIALS(200));
    executor_stop(executor);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cascade),        cmocka_unit_test(test_cascade_unpinned),
        cmocka_unit_test(test_wave),           cmocka_unit_test(test_long_cascade),
        cmocka_unit_test(test_helper_at_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
