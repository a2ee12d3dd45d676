/*
 * Signatures: the identity of a finding. What must not happen: a signature that changes with steps
 * that have nothing to do with it, with names, numbers, masks or actors, or two findings of one
 * signature that differ in kind.
 */
#include "test.h"

#include <string.h>
#include <sys/epoll.h>

/* A program line and what it is to the finding. */
struct line {
    char role; /* 'a' the ADD, 'w' the wait, '.' a needed step, 'x' an irrelevant one */
    const char *text;
};

/* Builds the program without the irrelevant lines of which `mask` has no bit, and judges its B2. */
static void expect_stable(const struct line *lines, unsigned count, unsigned mask,
                          const char *signature)
{
    char text[2048] = "";
    unsigned step = 0, add = 0, wait = 0, irrelevant = 0;
    for (unsigned i = 0; i < count; i++) {
        if (lines[i].role == 'x' && (mask & (1u << irrelevant++)) == 0)
            continue;
        step++;
        if (lines[i].role == 'a')
            add = step;
        if (lines[i].role == 'w')
            wait = step;
        strcat(text, lines[i].text);
        strcat(text, "\n");
    }
    struct scene *scene = scene_new(text);
    scene_defers(scene, add, (int)wait);
    scene_event(scene, ON_SUBJECT, wait, EPOLLIN, add);
    scene_conclude(scene, signature);
}

static void test_stable_under_irrelevant_steps(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {'x', "main: v9 = eventfd(0, EFD_NONBLOCK)"},
        {'.', "main: e0 = epoll_create1(0)"},
        {'x', "main: t1 = pthread_create()"},
        {'.', "main: r0, w0 = pipe2(O_NONBLOCK)"},
        {'x', "main: e9 = epoll_create1(0)"},
        {'a', "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)"},
        {'x', "main: write(w0, 1)"},
        {'.', "main: close(r0)"},
        {'x', "main: p1 = fork()"},
        {'.', "main: v0 = eventfd(1, EFD_NONBLOCK)"},
        {'x', "main: close(w0)"},
        {'w', "main: epoll_wait(e0, 8, 0)"},
        {'x', "main: close(e0)"},
    };
    for (unsigned mask = 0; mask < 1u << 7; mask++)
        expect_stable(lines, sizeof(lines) / sizeof(lines[0]), mask,
                      "fd-reuse/B2/add-close-eventfd-wait");
}

/* The same finding by a thread, with other names, numbers, masks and wait. */
static void test_same_under_other_names(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {'.', "main: in, out = pipe2(O_CLOEXEC)"},
        {'.', "main: ep = epoll_create1(EPOLL_CLOEXEC)"},
        {'.', "main: worker = pthread_create()"},
        {'a', "worker: epoll_ctl(ep, EPOLL_CTL_ADD, out, EPOLLIN|EPOLLRDHUP)"},
        {'.', "worker: close(out)"},
        {'.', "worker: ev = eventfd(3, 0)"},
        {'w', "worker: epoll_pwait(ep, 4, 0, NULL)"},
    };
    expect_stable(lines, sizeof(lines) / sizeof(lines[0]), 0, "fd-reuse/B2/add-close-eventfd-wait");
}

/* What the finding rests on does show: another file took the number. */
static void test_differs_by_kind(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {'.', "main: e0 = epoll_create1(0)"},
        {'.', "main: r0, w0 = pipe2(O_NONBLOCK)"},
        {'a', "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)"},
        {'.', "main: close(r0)"},
        {'.', "main: s0, s1 = socketpair(SOCK_STREAM)"},
        {'w', "main: epoll_wait(e0, 8, 0)"},
    };
    expect_stable(lines, sizeof(lines) / sizeof(lines[0]), 0,
                  "fd-reuse/B2/add-close-socketpair-wait");
}

/* Kinds stand in program order: a waiter comes before the operation that should have woken it. */
static void test_program_order(void **state)
{
    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                    "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                    "main: t1 = pthread_create()\n"
                                    "t1: epoll_wait(e0, 8, -1)\n"
                                    "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n");
    scene_event(scene, ON_NATIVE, 4, EPOLLIN, 5);
    scene_wakes(scene, ON_NATIVE, 4, 5);
    scene_sleeps(scene, ON_SUBJECT, 4);
    scene_defers(scene, 5, LATER);
    scene_conclude(scene, "wakeup-lost/A1/wait-add");
}

/* Of several events the registration that came first is blamed, whatever order the kernel hands
 * them out in. */
static void test_same_under_order_of_events(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 2; turn++) {
        struct scene *scene = scene_new("main: e0 = epoll_create1(0)\n"
                                        "main: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                        "main: v1 = eventfd(1, EFD_NONBLOCK)\n"
                                        "main: t1 = pthread_create()\n"
                                        "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n"
                                        "main: epoll_ctl(e0, EPOLL_CTL_ADD, v1, EPOLLIN)\n"
                                        "main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, 0)\n"
                                        "main: epoll_ctl(e0, EPOLL_CTL_MOD, v1, EPOLLOUT)\n"
                                        "t1: epoll_wait(e0, 8, 0)\n");
        scene_defers(scene, 7, LATER);
        scene_defers(scene, 8, LATER);
        scene_event(scene, ON_NATIVE, 9, EPOLLOUT, 8);
        scene_event(scene, ON_SUBJECT, 9, EPOLLIN, turn == 0 ? 5 : 6);
        scene_event(scene, ON_SUBJECT, 9, EPOLLIN, turn == 0 ? 6 : 5);
        scene_conclude(scene, "readiness-stale/A3/del-wait");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stable_under_irrelevant_steps),
        cmocka_unit_test(test_same_under_other_names),
        cmocka_unit_test(test_differs_by_kind),
        cmocka_unit_test(test_program_order),
        cmocka_unit_test(test_same_under_order_of_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
