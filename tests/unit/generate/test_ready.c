/*
 * What must not happen: that the model, as the generator asks it, lets a wait sleep that the kernel
 * would answer at once, or the other way round, in the common cases; that it misses who is woken;
 * that a step whose outcome the kernel leaves to chance goes through as certain.
 */
#include "fuzz/generate/ready.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

/* A program that is carried out while it is written. */
static struct program program;
static struct ready ready;
static struct ready_result last;

static int begin(void **state)
{
    (void)state;
    program_init(&program);
    ready_init(&ready, &program);
    return 0;
}

struct value {
    enum arg_tag tag;
    int64_t value;
};
#define S(slot)   ((struct value){TAG_SLOT, (slot)})
#define N(number) ((struct value){TAG_INT, (number)})

static unsigned run(unsigned actor, enum op_id op, unsigned count, const struct value *values)
{
    struct step *step = program_append(&program, op, actor);

    assert_non_null(step);
    for (unsigned i = 0; i < count; i++) {
        step->tags[i] = (uint8_t)values[i].tag;
        step->args[i] = values[i].value;
    }
    ready_step(&ready, program.nsteps - 1u, &last);
    return step->outs[0];
}
#define RUN(actor, op, ...)                                                                        \
    run((actor), OP_##op, sizeof((struct value[]){__VA_ARGS__}) / sizeof(struct value),            \
        (struct value[]){__VA_ARGS__})

static unsigned events(unsigned actor, unsigned epfd)
{
    RUN(actor, EPOLL_WAIT, S(epfd), N(16), N(0));
    return last.events;
}

static unsigned instance(void)
{
    return RUN(0, EPOLL_CREATE1, N(0));
}

static unsigned counter(int64_t initial)
{
    return RUN(0, EVENTFD, N(initial), N(EFD_NONBLOCK));
}

static void ctl(unsigned actor, unsigned epfd, int64_t op, unsigned slot, uint32_t mask)
{
    RUN(actor, EPOLL_CTL, S(epfd), N(op), S(slot), N(mask));
}

static unsigned thread(void)
{
    return run(0, OP_PTHREAD_CREATE, 0, NULL);
}

static void test_level_stays_edge_and_oneshot_go(void **state)
{
    unsigned e = instance();
    unsigned v = counter(1);

    (void)state;
    assert_int_equal(events(0, e), 0);
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_int_equal(events(0, e), 1);
    assert_int_equal(events(0, e), 1);
    ctl(0, e, EPOLL_CTL_MOD, v, EPOLLIN | (uint32_t)EPOLLET);
    assert_int_equal(events(0, e), 1);
    assert_int_equal(events(0, e), 0);
    RUN(0, WRITE, S(v), N(8));
    assert_int_equal(events(0, e), 1);
    ctl(0, e, EPOLL_CTL_MOD, v, EPOLLIN | EPOLLONESHOT);
    assert_int_equal(events(0, e), 1);
    RUN(0, WRITE, S(v), N(8));
    assert_int_equal(events(0, e), 0);
    ctl(0, e, EPOLL_CTL_MOD, v, EPOLLIN);
    RUN(0, READ, S(v), N(8));
    assert_int_equal(events(0, e), 0);
}

static void test_failures(void **state)
{
    unsigned e = instance();
    unsigned v = counter(0);

    (void)state;
    ctl(0, e, EPOLL_CTL_MOD, v, EPOLLIN);
    assert_true(last.failed);
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_false(last.failed);
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_true(last.failed);
    RUN(0, READ, S(v), N(8)); /* EAGAIN */
    assert_true(last.failed);
    RUN(0, EPOLL_WAIT, S(e), N(0), N(0));
    assert_true(last.failed);
    RUN(0, READ, S(v), N(1)); /* EINVAL */
    assert_true(last.failed);
}

static void test_pipe_fills_and_hangs_up(void **state)
{
    unsigned e = instance();
    unsigned r = RUN(0, PIPE2, N(O_NONBLOCK));
    unsigned w = r + 1;

    (void)state;
    ctl(0, e, EPOLL_CTL_ADD, w, EPOLLOUT);
    assert_int_equal(events(0, e), 1);
    RUN(0, WRITE, S(w), N(65536));
    assert_int_equal(events(0, e), 0);
    RUN(0, READ, S(r), N(8)); /* the first page is not free yet */
    assert_int_equal(events(0, e), 0);
    RUN(0, READ, S(r), N(65536));
    assert_int_equal(events(0, e), 1);
    /* Small writes share a page: seventeen do not fill sixteen pages. */
    for (unsigned i = 0; i < 17; i++)
        RUN(0, WRITE, S(w), N(8));
    assert_int_equal(events(0, e), 1);
    RUN(0, READ, S(r), N(4096));
    ctl(0, e, EPOLL_CTL_DEL, w, 0);
    ctl(0, e, EPOLL_CTL_ADD, r, EPOLLIN);
    assert_int_equal(events(0, e), 0);
    RUN(0, CLOSE, S(w));
    assert_int_equal(events(0, e), 1);
}

static void test_socket_shutdown_and_close(void **state)
{
    unsigned e = instance();
    unsigned s = RUN(0, SOCKETPAIR, N(SOCK_STREAM | SOCK_NONBLOCK));

    (void)state;
    ctl(0, e, EPOLL_CTL_ADD, s, EPOLLRDHUP);
    assert_int_equal(events(0, e), 0);
    RUN(0, SHUTDOWN, S(s + 1), N(SHUT_WR));
    assert_int_equal(events(0, e), 1);
    RUN(0, WRITE, S(s), N(8));
    assert_false(last.failed);
    RUN(0, CLOSE, S(s + 1));
    RUN(0, WRITE, S(s), N(8)); /* EPIPE */
    assert_true(last.failed);
}

static void test_close_forgets_unless_duplicated(void **state)
{
    unsigned e = instance();
    unsigned v = counter(1);

    (void)state;
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    unsigned d = RUN(0, DUP, S(v));
    RUN(0, CLOSE, S(v));
    assert_int_equal(events(0, e), 1);
    RUN(0, CLOSE, S(d));
    assert_int_equal(events(0, e), 0);
}

static void test_nested_instance(void **state)
{
    unsigned outer = instance();
    unsigned inner = instance();
    unsigned v = counter(1);

    (void)state;
    ctl(0, outer, EPOLL_CTL_ADD, inner, EPOLLIN);
    assert_int_equal(events(0, outer), 0);
    ctl(0, inner, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_int_equal(events(0, outer), 1);
    RUN(0, READ, S(v), N(8));
    assert_int_equal(events(0, outer), 0);
}

static void test_sleeper_is_woken(void **state)
{
    unsigned e = instance();
    unsigned v = counter(0);
    unsigned t = thread();

    (void)state;
    RUN(t, EPOLL_WAIT, S(e), N(16), N(-1));
    assert_true(last.sleeps);
    assert_false(ready_actor_free(&ready, t));
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_int_equal(last.woken, 0);
    RUN(0, WRITE, S(v), N(8));
    assert_int_equal(last.woken, 1);
    assert_false(last.racy);
    assert_true(ready_actor_free(&ready, t));
    assert_int_equal(ready.woken, 1);
}

static void test_reader_joiner_and_poller_are_woken(void **state)
{
    unsigned e = instance();
    unsigned r = RUN(0, PIPE2, N(0));
    unsigned v = counter(1);
    unsigned reader = thread();
    unsigned poller = thread();
    unsigned joiner = thread();

    (void)state;
    RUN(reader, READ, S(r), N(8));
    assert_true(last.sleeps);
    RUN(poller, POLL, S(e), N(EPOLLIN), N(-1));
    assert_true(last.sleeps);
    RUN(joiner, PTHREAD_JOIN, ((struct value){TAG_ACTOR, reader}));
    assert_true(last.sleeps);
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_int_equal(last.woken, 1);
    RUN(0, WRITE, S(r + 1), N(8));
    assert_int_equal(last.woken, 1);
    run(reader, OP_PTHREAD_EXIT, 0, NULL);
    assert_int_equal(last.woken, 1);
    assert_true(ready_actor_free(&ready, joiner));
}

static void test_sleeper_holds_its_instance(void **state)
{
    unsigned e = instance();
    unsigned v = counter(0);
    unsigned t = thread();

    (void)state;
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    RUN(t, EPOLL_WAIT, S(e), N(16), N(-1));
    RUN(0, CLOSE, S(e));
    assert_false(ready_actor_free(&ready, t));
    RUN(0, WRITE, S(v), N(8));
    assert_int_equal(last.woken, 1);
}

static void test_fork_shares_and_exit_releases(void **state)
{
    unsigned e = instance();
    unsigned p = run(0, OP_FORK, 0, NULL);
    unsigned v = RUN(p, EVENTFD, N(1), N(EFD_NONBLOCK));

    (void)state;
    ctl(p, e, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_int_equal(events(0, e), 1);
    RUN(p, EXIT, N(0));
    assert_false(ready_actor_free(&ready, p));
    assert_int_equal(events(0, e), 0);
    RUN(0, WAITPID, ((struct value){TAG_ACTOR, p}), N(0));
    assert_false(last.sleeps);
}

static void test_two_sleepers_on_one_instance_are_told(void **state)
{
    unsigned e = instance();
    unsigned v = counter(0);
    unsigned a = thread();
    unsigned b = thread();

    (void)state;
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    RUN(a, EPOLL_WAIT, S(e), N(16), N(-1));
    assert_false(last.shared || last.racy);
    RUN(b, EPOLL_WAIT, S(e), N(16), N(-1));
    assert_true(last.shared);
    assert_false(last.racy);
    /* Level-triggered: the one who is woken leaves the event for the other. */
    RUN(0, WRITE, S(v), N(8));
    assert_int_equal(last.woken, 2);
    assert_false(last.racy);
}

/* Two callbacks wake both, and who runs first takes both edges. */
static void test_two_sleepers_of_two_edges_are_racy(void **state)
{
    unsigned e = instance();
    unsigned v = counter(0);
    unsigned d = RUN(0, DUP, S(v));
    unsigned a = thread();
    unsigned b = thread();

    (void)state;
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN | (uint32_t)EPOLLET);
    ctl(0, e, EPOLL_CTL_ADD, d, EPOLLIN | (uint32_t)EPOLLET);
    RUN(a, EPOLL_WAIT, S(e), N(16), N(-1));
    RUN(b, EPOLL_WAIT, S(e), N(16), N(-1));
    RUN(0, WRITE, S(v), N(8));
    assert_true(last.racy);
}

/* Who waits on the inner instance may take the edge before who waits on the outer one looks. */
static void test_sleepers_connected_by_nesting_are_racy(void **state)
{
    unsigned outer = instance();
    unsigned inner = instance();
    unsigned v = counter(0);
    unsigned a = thread();
    unsigned b = thread();

    (void)state;
    ctl(0, inner, EPOLL_CTL_ADD, v, EPOLLIN | (uint32_t)EPOLLET);
    ctl(0, outer, EPOLL_CTL_ADD, inner, EPOLLIN);
    RUN(a, EPOLL_WAIT, S(outer), N(16), N(-1));
    RUN(b, EPOLL_WAIT, S(inner), N(16), N(-1));
    assert_false(last.racy);
    RUN(0, WRITE, S(v), N(8));
    assert_true(last.racy);
}

static void test_reader_and_waiter_of_one_pipe_are_racy(void **state)
{
    unsigned e = instance();
    unsigned r = RUN(0, PIPE2, N(0));
    unsigned a = thread();
    unsigned b = thread();

    (void)state;
    ctl(0, e, EPOLL_CTL_ADD, r, EPOLLIN);
    RUN(a, EPOLL_WAIT, S(e), N(16), N(-1));
    RUN(b, READ, S(r), N(8));
    assert_false(last.racy);
    RUN(0, WRITE, S(r + 1), N(8));
    assert_true(last.racy);
}

static void test_one_end_in_one_call_is_certain(void **state)
{
    unsigned e = instance();
    unsigned r = RUN(0, PIPE2, N(O_NONBLOCK));
    unsigned q = RUN(0, PIPE2, N(O_NONBLOCK));
    unsigned t = thread();

    (void)state;
    ctl(0, e, EPOLL_CTL_ADD, r, EPOLLIN);
    ctl(0, e, EPOLL_CTL_ADD, q, EPOLLIN);
    RUN(0, CLOSE, S(r));
    RUN(t, EPOLL_WAIT, S(e), N(16), N(-1));
    assert_false(last.racy);
    RUN(0, CLOSE, S(q + 1)); /* one wakeup */
    assert_false(last.racy);
    assert_int_equal(last.woken, 1);
}

/* One call, two wakeups of the sleeper: it may run in between. */
static void test_two_ends_in_one_call_are_racy(void **state)
{
    unsigned e = instance();
    unsigned r = RUN(0, PIPE2, N(O_NONBLOCK));
    unsigned q = RUN(0, PIPE2, N(O_NONBLOCK));
    unsigned last_end = RUN(0, DUP, S(r + 1));
    unsigned t = thread();

    (void)state;
    ctl(0, e, EPOLL_CTL_ADD, r, EPOLLIN);
    ctl(0, e, EPOLL_CTL_ADD, q, EPOLLIN);
    RUN(0, CLOSE, S(r + 1));
    RUN(t, EPOLL_WAIT, S(e), N(16), N(-1));
    RUN(0, CLOSE_RANGE, S(q + 1), S(last_end), N(0));
    assert_true(last.racy);
}

static void test_exclusive_takes_the_wakeup(void **state)
{
    unsigned first = instance();
    unsigned second = instance();
    unsigned v = counter(0);
    unsigned a = thread();
    unsigned b = thread();

    (void)state;
    ctl(0, first, EPOLL_CTL_ADD, v, EPOLLIN | EPOLLEXCLUSIVE);
    ctl(0, second, EPOLL_CTL_ADD, v, EPOLLIN | EPOLLEXCLUSIVE);
    RUN(a, EPOLL_WAIT, S(second), N(16), N(-1));
    RUN(b, EPOLL_WAIT, S(first), N(16), N(-1));
    RUN(0, WRITE, S(v), N(8));
    assert_int_equal(last.woken, 1);
    assert_true(ready_actor_free(&ready, b));
    assert_false(ready_actor_free(&ready, a));
}

/* Polling an instance takes what is no longer ready off its list: a later MOD then wakes again. */
static void test_polled_instance_forgets_what_is_not_ready(void **state)
{
    unsigned outer = instance();
    unsigned inner = instance();
    unsigned v = counter(1);
    unsigned t = thread();

    (void)state;
    ctl(0, inner, EPOLL_CTL_ADD, v, EPOLLIN);
    RUN(0, READ, S(v), N(8));
    ctl(0, outer, EPOLL_CTL_ADD, inner, EPOLLIN);
    RUN(t, EPOLL_WAIT, S(outer), N(16), N(-1));
    assert_true(last.sleeps);
    ctl(0, inner, EPOLL_CTL_MOD, v, EPOLLIN | EPOLLOUT);
    assert_int_equal(last.woken, 1);
}

static void test_bad_buffer_keeps_the_event(void **state)
{
    unsigned e = instance();
    unsigned v = counter(1);
    unsigned t = thread();

    (void)state;
    RUN(t, EPOLL_WAIT, S(e), N(16), N(-1), N(BUFFER_NULL));
    assert_true(last.sleeps);
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN | EPOLLONESHOT);
    assert_int_equal(last.woken, 1);
    RUN(0, EPOLL_WAIT, S(e), N(16), N(0), N(BUFFER_BADPTR));
    assert_true(last.failed);
    assert_int_equal(events(0, e), 1);
    assert_int_equal(events(0, e), 0);
}

static void test_main_thread_that_ends_last_ends_the_process(void **state)
{
    unsigned e = instance();
    unsigned p = run(0, OP_FORK, 0, NULL);
    unsigned v = RUN(p, EVENTFD, N(1), N(EFD_NONBLOCK));

    (void)state;
    ctl(p, e, EPOLL_CTL_ADD, v, EPOLLIN);
    run(p, OP_PTHREAD_EXIT, 0, NULL);
    assert_int_equal(events(0, e), 0);
    RUN(0, WAITPID, ((struct value){TAG_ACTOR, p}), N(0));
    assert_false(last.sleeps || last.failed);
    RUN(0, WAITPID, ((struct value){TAG_ACTOR, p}), N(0)); /* ECHILD */
    assert_true(last.failed);
}

static void test_deep_nesting_is_refused(void **state)
{
    unsigned e[6];

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        e[i] = instance();
    for (unsigned i = 0; i < 3; i++) {
        ctl(0, e[i], EPOLL_CTL_ADD, e[i + 1], EPOLLIN);
        assert_false(last.racy || last.failed);
    }
    ctl(0, e[3], EPOLL_CTL_ADD, e[4], EPOLLIN);
    assert_false(last.failed);
    ctl(0, e[4], EPOLL_CTL_ADD, e[5], EPOLLIN);
    assert_true(last.failed);
}

/* A copy that is short of something would bring back a step that was taken back. */
static void test_copy_is_complete(void **state)
{
    static struct ready copy;
    unsigned e = instance();
    unsigned v = counter(1);
    unsigned t = thread();

    (void)state;
    ready_copy(&copy, &ready, program.nactors, program.nslots);
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_int_equal(ready_count(&ready, world_file_of(&copy.world, 0, 3)), 1);
    ready_copy(&ready, &copy, program.nactors, program.nslots);
    program.nsteps--;
    RUN(t, EPOLL_WAIT, S(e), N(16), N(-1));
    assert_true(last.sleeps);
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_int_equal(last.woken, 1);
    ready_copy(&copy, &ready, program.nactors, program.nslots);
    ctl(0, e, EPOLL_CTL_DEL, v, 0);
    ready_copy(&ready, &copy, program.nactors, program.nslots);
    program.nsteps--;
    ctl(0, e, EPOLL_CTL_ADD, v, EPOLLIN);
    assert_true(last.failed);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_level_stays_edge_and_oneshot_go),
        TEST(test_failures),
        TEST(test_pipe_fills_and_hangs_up),
        TEST(test_socket_shutdown_and_close),
        TEST(test_close_forgets_unless_duplicated),
        TEST(test_nested_instance),
        TEST(test_sleeper_is_woken),
        TEST(test_reader_joiner_and_poller_are_woken),
        TEST(test_sleeper_holds_its_instance),
        TEST(test_fork_shares_and_exit_releases),
        TEST(test_two_sleepers_on_one_instance_are_told),
        TEST(test_sleepers_connected_by_nesting_are_racy),
        TEST(test_reader_and_waiter_of_one_pipe_are_racy),
        TEST(test_one_end_in_one_call_is_certain),
        TEST(test_two_ends_in_one_call_are_racy),
        TEST(test_two_sleepers_of_two_edges_are_racy),
        TEST(test_exclusive_takes_the_wakeup),
        TEST(test_polled_instance_forgets_what_is_not_ready),
        TEST(test_bad_buffer_keeps_the_event),
        TEST(test_main_thread_that_ends_last_ends_the_process),
        TEST(test_deep_nesting_is_refused),
        TEST(test_copy_is_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
