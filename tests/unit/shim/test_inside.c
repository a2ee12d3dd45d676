/*
 * No handler of the program may run while its thread is inside: it would wait for its own thread's
 * lock (G1), or leave it held (G2). None may be lost, run twice, or see by its arguments or its
 * mask that it was postponed. Nor may a cancellation act there (D5). And only what lies in the
 * caller's own stack may be taken for readable.
 */
#include "shim/inside.h"
#include "shim/real.h"
#include "tests/unit/shim/support.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* The test program is not under the shim: it calls inside_sigaction where a program would call
 * sigaction. */
const struct real_functions *real_functions(void)
{
    static const struct real_functions real = {.sigaction = sigaction, .syscall = syscall};

    return &real;
}

#define RUNS_MAX 8

/* What the handlers saw. */
static volatile int runs;
static struct run {
    int number;
    siginfo_t info;
    sigset_t mask;     /* while it ran */
    sigset_t returned; /* that it returns to */
} seen[RUNS_MAX];
static volatile bool inside; /* what the thread is, as far as it knows itself */

static void handler(int number, siginfo_t *info, void *context)
{
    struct run *run = &seen[runs];

    CHECK(!inside);
    CHECK(runs < RUNS_MAX);
    run->number = number;
    run->info = *info;
    run->returned = ((ucontext_t *)context)->uc_sigmask;
    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, NULL, &run->mask), 0);
    runs++;
    /* A handler may do what the program may. */
    CHECK(inside_enter());
    inside_leave();
}

static void enter(void)
{
    CHECK(inside_enter());
    inside = true;
}

static void leave(void)
{
    inside = false;
    inside_leave();
}

static void handle(int number, int flags, int also_masked)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

    sigemptyset(&action.sa_mask);
    if (also_masked != 0) {
        sigaddset(&action.sa_mask, also_masked);
    }
    CHECK_EQUAL(inside_sigaction(number, &action, NULL), 0);
}

/* The lock is free: another thread gets it. */
static void *thread_enters(void *unused)
{
    CHECK(inside_enter());
    inside_leave();
    return unused;
}

static void check_lock_free(void)
{
    pthread_t thread;

    CHECK_EQUAL(pthread_create(&thread, NULL, thread_enters, NULL), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void check_mask(const sigset_t *mask, int first, int second)
{
    for (int number = 1; number < SIGRTMAX; number++) {
        if (number == 32 || number == 33) {
            continue; /* libc's own */
        }
        CHECK_EQUAL(sigismember(mask, number) == 1, number == first || number == second);
    }
}

static void check_mask_now(int first, int second)
{
    sigset_t mask;

    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    check_mask(&mask, first, second);
}

static void queue(int number, int value)
{
    CHECK_EQUAL(sigqueue(getpid(), number, (union sigval){.sival_int = value}), 0);
}

static void body_outside(void)
{
    handle(SIGUSR1, 0, SIGUSR2);
    queue(SIGUSR1, 5);
    CHECK_EQUAL(runs, 1);
    CHECK_EQUAL(seen[0].number, SIGUSR1);
    CHECK_EQUAL(seen[0].info.si_value.sival_int, 5);
    check_mask(&seen[0].mask, SIGUSR1, SIGUSR2);
    check_mask_now(0, 0);
}

static void test_outside(void **state)
{
    (void)state;
    isolate(body_outside);
}

static void body_postponed(void)
{
    sigset_t blocked;

    handle(SIGUSR1, 0, SIGUSR2);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    enter();
    queue(SIGUSR1, 42);
    CHECK_EQUAL(runs, 0);
    leave();
    CHECK_EQUAL(runs, 1);
    CHECK_EQUAL(seen[0].number, SIGUSR1);
    CHECK_EQUAL(seen[0].info.si_signo, SIGUSR1);
    CHECK_EQUAL(seen[0].info.si_code, SI_QUEUE);
    CHECK_EQUAL(seen[0].info.si_pid, getpid());
    CHECK_EQUAL(seen[0].info.si_uid, getuid());
    CHECK_EQUAL(seen[0].info.si_value.sival_int, 42);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGUSR2);
    CHECK_EQUAL(memcmp(&seen[0].mask, &blocked, 8), 0);
    check_mask(&seen[0].returned, SIGHUP, 0);
    check_mask_now(SIGHUP, 0);
    enter();
    leave();
    CHECK_EQUAL(runs, 1);
    /* And again: there is nothing left of the first. */
    enter();
    CHECK_EQUAL(pthread_kill(pthread_self(), SIGUSR1), 0);
    CHECK_EQUAL(runs, 1);
    leave();
    CHECK_EQUAL(runs, 2);
    CHECK_EQUAL(seen[1].info.si_code, SI_TKILL);
    enter();
    CHECK_EQUAL(raise(SIGUSR1), 0);
    leave();
    CHECK_EQUAL(runs, 3);
    check_mask_now(SIGHUP, 0);
}

static void test_postponed(void **state)
{
    (void)state;
    isolate(body_postponed);
}

/* While one waits the others do, too. */
static void body_several(void)
{
    bool found[3] = {false};

    handle(SIGUSR1, 0, 0);
    handle(SIGUSR2, SA_NODEFER, 0);
    handle(SIGRTMIN, 0, 0);
    enter();
    queue(SIGUSR2, 1);
    queue(SIGUSR1, 2);
    queue(SIGRTMIN, 3);
    CHECK_EQUAL(runs, 0);
    leave();
    CHECK_EQUAL(runs, 3);
    for (int index = 0; index < 3; index++) {
        int value = seen[index].info.si_value.sival_int;

        CHECK(value >= 1 && value <= 3);
        CHECK(!found[value - 1]);
        found[value - 1] = true;
        CHECK_EQUAL(seen[index].number, value == 1 ? SIGUSR2 : value == 2 ? SIGUSR1 : SIGRTMIN);
    }
    check_mask_now(0, 0);
}

static void test_several(void **state)
{
    (void)state;
    isolate(body_several);
}

/* Queued signals of one number come in the order in which they were sent. */
static void body_queue(void)
{
    handle(SIGRTMIN, 0, 0);
    enter();
    for (int value = 0; value < 5; value++) {
        queue(SIGRTMIN, value);
    }
    CHECK_EQUAL(runs, 0);
    leave();
    CHECK_EQUAL(runs, 5);
    for (int index = 0; index < 5; index++) {
        CHECK_EQUAL(seen[index].info.si_value.sival_int, index);
    }
}

static void test_queue(void **state)
{
    (void)state;
    isolate(body_queue);
}

static void one_argument(int number)
{
    CHECK(!inside);
    CHECK_EQUAL(number, SIGUSR1);
    runs++;
}

static void body_told(void)
{
    struct sigaction action = {.sa_handler = one_argument, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction old;

    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGHUP);
    memset(&old, 0xff, sizeof(old));
    CHECK_EQUAL(inside_sigaction(SIGUSR1, &action, &old), 0);
    CHECK(old.sa_handler == SIG_DFL);
    CHECK_EQUAL(inside_sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == one_argument);
    CHECK_EQUAL(old.sa_flags & ~0x04000000, SA_RESTART);
    CHECK_EQUAL(sigismember(&old.sa_mask, SIGHUP), 1);
    CHECK_EQUAL(sigismember(&old.sa_mask, SIGUSR1), 0);
    enter();
    CHECK_EQUAL(raise(SIGUSR1), 0);
    leave();
    CHECK_EQUAL(runs, 1);
    /* What was told can be given back. */
    CHECK_EQUAL(inside_sigaction(SIGUSR1, &ignore, &old), 0);
    CHECK(old.sa_handler == one_argument);
    CHECK_EQUAL(raise(SIGUSR1), 0);
    CHECK_EQUAL(runs, 1);
    CHECK_EQUAL(inside_sigaction(SIGUSR1, &old, &action), 0);
    CHECK(action.sa_handler == SIG_IGN);
    CHECK_EQUAL(raise(SIGUSR1), 0);
    CHECK_EQUAL(runs, 2);
    handle(SIGUSR2, SA_RESETHAND | SA_NODEFER, 0);
    CHECK_EQUAL(inside_sigaction(SIGUSR2, NULL, &old), 0);
    CHECK(old.sa_sigaction == handler);
    CHECK_EQUAL((unsigned int)old.sa_flags & ~0x04000000u, SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
    CHECK_EQUAL(inside_sigaction(SIGKILL, &action, NULL), -EINVAL);
    CHECK_EQUAL(inside_sigaction(0, &action, NULL), -EINVAL);
    CHECK_EQUAL(inside_sigaction(65, NULL, &old), -EINVAL);
    CHECK_EQUAL(inside_sigaction(SIGUSR1, NULL, NULL), 0);
    check_lock_free();
}

static void test_told(void **state)
{
    (void)state;
    isolate(body_told);
}

/* A handler that was there before the shim's constructor ran. */
static void body_started_late(void)
{
    struct sigaction action = {.sa_handler = one_argument};
    struct sigaction old;

    CHECK_EQUAL(sigaction(SIGUSR1, &action, NULL), 0);
    inside_start();
    enter();
    CHECK_EQUAL(raise(SIGUSR1), 0);
    CHECK_EQUAL(runs, 0);
    leave();
    CHECK_EQUAL(runs, 1);
    CHECK_EQUAL(inside_sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == one_argument);
    CHECK_EQUAL(inside_sigaction(SIGUSR2, NULL, &old), 0);
    CHECK(old.sa_handler == SIG_DFL);
}

static void test_started_late(void **state)
{
    (void)state;
    isolate(body_started_late);
}

static void body_reset(void)
{
    struct sigaction old;
    int status;
    pid_t child;

    handle(SIGUSR1, (int)SA_RESETHAND, 0);
    enter();
    queue(SIGUSR1, 1);
    CHECK_EQUAL(runs, 0);
    leave();
    /* It came to the shim twice; the program's handler must have run all the same. */
    CHECK_EQUAL(runs, 1);
    CHECK_EQUAL(inside_sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == SIG_DFL);
    /* The kernel resets the handler alone. */
    CHECK_EQUAL((unsigned int)old.sa_flags & ~0x04000000u, SA_SIGINFO | SA_RESETHAND);
    child = fork();
    if (child == 0) {
        (void)raise(SIGUSR1);
        _exit(0);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK_EQUAL(WTERMSIG(status), SIGUSR1);
    CHECK_EQUAL(runs, 1);
}

static void test_reset(void **state)
{
    (void)state;
    isolate(body_reset);
}

/* SA_SIGINFO does not make a handler of what is none: a program that puts the default action back
 * often leaves its flags as they were, and then means to die. */
static void body_no_handler(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN, .sa_flags = SA_SIGINFO};
    struct sigaction old;
    int status;
    pid_t child;

    handle(SIGUSR1, 0, 0);
    CHECK_EQUAL(inside_sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQUAL(inside_sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == SIG_IGN);
    CHECK_EQUAL(raise(SIGUSR1), 0);
    action.sa_handler = SIG_DFL;
    CHECK_EQUAL(inside_sigaction(SIGUSR1, &action, NULL), 0);
    child = fork();
    if (child == 0) {
        (void)raise(SIGUSR1);
        _exit(0);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK_EQUAL(runs, 0);
}

static void test_no_handler(void **state)
{
    (void)state;
    isolate(body_no_handler);
}

static sigjmp_buf jump;

static void handler_jumps(int number)
{
    CHECK(!inside);
    siglongjmp(jump, number);
}

static void body_jump(void)
{
    struct sigaction action = {.sa_handler = handler_jumps};

    CHECK_EQUAL(inside_sigaction(SIGUSR1, &action, NULL), 0);
    for (volatile int round = 0; round < 3; round++) {
        if (sigsetjmp(jump, 1) == 0) {
            enter();
            CHECK_EQUAL(raise(SIGUSR1), 0);
            leave();
            CHECK(false); /* the handler does not return */
        }
        check_mask_now(0, 0);
        check_lock_free();
        enter();
        leave();
    }
}

static void test_jump(void **state)
{
    (void)state;
    isolate(body_jump);
}

static void body_reentry(void)
{
    enter();
    CHECK_EQUAL(inside_reentries(), 0);
    CHECK(!inside_enter());
    CHECK(!inside_enter());
    CHECK_EQUAL(inside_reentries(), 2);
    leave();
    check_lock_free();
}

static void test_reentry(void **state)
{
    (void)state;
    isolate(body_reentry);
}

static atomic_int phase;

static void *thread_cancelled_inside(void *unused)
{
    int type;

    CHECK_EQUAL(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    CHECK(inside_enter());
    phase = 1;
    while (phase != 2) {
        sched_yield();
    }
    for (int spin = 0; spin < 1000; spin++) {
        sched_yield();
    }
    phase = 3;
    inside_leave();
    CHECK_EQUAL(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type), 0);
    phase = 4;
    return unused;
}

static _Atomic int entering_tid;

static void *thread_waits_outside(void *unused)
{
    entering_tid = gettid();
    CHECK(inside_enter());
    phase = 1;
    inside_leave();
    return unused;
}

static void *thread_ends(void *unused)
{
    return unused;
}

static void body_one_at_a_time(void)
{
    pthread_t thread;

    /* A process that never had a second thread does without the lock. */
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_ends, NULL), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    enter();
    CHECK_EQUAL(pthread_create(&thread, NULL, thread_waits_outside, NULL), 0);
    while (entering_tid == 0) {
        sched_yield();
    }
    await_thread_in(entering_tid, SYS_futex);
    CHECK_EQUAL(phase, 0);
    leave();
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_EQUAL(phase, 1);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    isolate(body_one_at_a_time);
}

static void body_cancellation(void)
{
    pthread_t thread;
    void *result;

    CHECK_EQUAL(pthread_create(&thread, NULL, thread_cancelled_inside, NULL), 0);
    while (phase != 1) {
        sched_yield();
    }
    CHECK_EQUAL(pthread_cancel(thread), 0);
    phase = 2;
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    /* It got as far as to the end of the section, and no farther. */
    CHECK_EQUAL(phase, 3);
    enter();
    leave();
}

static void test_cancellation(void **state)
{
    (void)state;
    isolate(body_cancellation);
}

/* The kind of cancellation that a thread has is its own again. */
static void *thread_keeps_types(void *unused)
{
    int type;

    CHECK(inside_enter());
    inside_leave();
    CHECK_EQUAL(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type), 0);
    CHECK_EQUAL(type, PTHREAD_CANCEL_DEFERRED);
    CHECK(inside_enter());
    inside_leave();
    CHECK_EQUAL(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type), 0);
    CHECK_EQUAL(type, PTHREAD_CANCEL_ASYNCHRONOUS);
    return unused;
}

static void body_cancel_types(void)
{
    pthread_t thread;

    CHECK_EQUAL(pthread_create(&thread, NULL, thread_keeps_types, NULL), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void test_cancel_types(void **state)
{
    (void)state;
    isolate(body_cancel_types);
}

/* What can be read. */

static const char *const far_away = (const char *)-1;
static char static_bytes[16];

static __attribute__((noinline)) void check_stack(const char *above_end)
{
    char bytes[16] = {0};
    char *heap = malloc(16);

    CHECK(heap != NULL);
    CHECK(inside_readable(bytes, sizeof(bytes)));
    CHECK(inside_readable(bytes, 1));
    CHECK(!inside_readable(heap, 16));
    CHECK(!inside_readable(static_bytes, 16));
    CHECK(!inside_readable(NULL, 16));
    CHECK(!inside_readable((const char *)8, 16));
    CHECK(!inside_readable(far_away, 16));
    CHECK(!inside_readable(far_away - 15, 16));
    /* Below the stack pointer: nothing is promised there. */
    CHECK(!inside_readable((const void *)((uintptr_t)bytes - 65536), 16));
    CHECK(!inside_readable(above_end, 16));
    CHECK(!inside_readable(above_end - 8, 16));
    CHECK(!inside_readable(bytes, (size_t)(above_end - bytes) + 1));
    CHECK(!inside_readable(bytes, SIZE_MAX));
    free(heap);
}

static void check_no_stack(void)
{
    char bytes[16] = {0};

    CHECK(!inside_readable(bytes, sizeof(bytes)));
}

extern void *__libc_stack_end;

static void *thread_checks_stack(void *argument)
{
    pthread_attr_t attributes;
    void *start;
    size_t size;

    CHECK_EQUAL(pthread_getattr_np(pthread_self(), &attributes), 0);
    CHECK_EQUAL(pthread_attr_getstack(&attributes, &start, &size), 0);
    CHECK_EQUAL(pthread_attr_destroy(&attributes), 0);
    check_stack((char *)start + size);
    /* Another thread's stack may be gone by the time the kernel looks. */
    CHECK(!inside_readable(argument, 16));
    return NULL;
}

/* As the shim's pthread_create does it. */
static pthread_t start_thread(const pthread_attr_t *attributes, void *(*start)(void *), void *of)
{
    struct inside_thread *own = malloc(sizeof(*own));
    pthread_t thread;

    CHECK(own != NULL);
    *own = (struct inside_thread){.start = start, .argument = of};
    inside_stack_size(attributes, &own->stack_size);
    CHECK(own->stack_size > 0);
    CHECK_EQUAL(pthread_create(&thread, attributes, inside_thread_start, own), 0);
    return thread;
}

static void handler_on_other_stack(int number)
{
    (void)number;
    check_no_stack();
    runs++;
}

static void handler_on_own_stack(int number)
{
    char bytes[16] = {0};

    (void)number;
    CHECK(inside_readable(bytes, sizeof(bytes)));
    runs++;
}

static void check_alternate_stack(void)
{
    struct sigaction action = {.sa_handler = handler_on_other_stack, .sa_flags = SA_ONSTACK};
    stack_t stack = {.ss_size = 1 << 17};

    stack.ss_sp =
        mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack.ss_sp != MAP_FAILED);
    CHECK_EQUAL(sigaltstack(&stack, NULL), 0);
    runs = 0;
    CHECK_EQUAL(inside_sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQUAL(raise(SIGUSR1), 0);
    CHECK_EQUAL(runs, 1);
    action = (struct sigaction){.sa_handler = handler_on_own_stack};
    CHECK_EQUAL(inside_sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQUAL(raise(SIGUSR1), 0);
    CHECK_EQUAL(runs, 2);
}

static void *thread_checks_alternate_stack(void *unused)
{
    check_alternate_stack();
    return unused;
}

static ucontext_t coroutine_caller;

static void coroutine(void)
{
    check_no_stack();
    runs++;
}

static void body_readable(void)
{
    static char coroutine_stack[1 << 17];
    ucontext_t context;
    char bytes[16] = {0};
    pthread_attr_t attributes;

    inside_start();
    check_stack(__libc_stack_end);
    CHECK_EQUAL(pthread_join(start_thread(NULL, thread_checks_stack, bytes), NULL), 0);
    CHECK_EQUAL(pthread_attr_init(&attributes), 0);
    CHECK_EQUAL(pthread_attr_setstacksize(&attributes, 1 << 18), 0);
    CHECK_EQUAL(pthread_join(start_thread(&attributes, thread_checks_stack, bytes), NULL), 0);
    check_alternate_stack();
    CHECK_EQUAL(pthread_join(start_thread(NULL, thread_checks_alternate_stack, NULL), NULL), 0);
    CHECK_EQUAL(getcontext(&context), 0);
    context.uc_stack.ss_sp = coroutine_stack;
    context.uc_stack.ss_size = sizeof(coroutine_stack);
    context.uc_link = &coroutine_caller;
    makecontext(&context, coroutine, 0);
    runs = 0;
    CHECK_EQUAL(swapcontext(&coroutine_caller, &context), 0);
    CHECK_EQUAL(runs, 1);
}

static void test_readable(void **state)
{
    (void)state;
    isolate(body_readable);
}

/* Processes. */

static void expect_child(pid_t child)
{
    int status;

    CHECK(child > 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
}

static void body_fork(void)
{
    pid_t child;

    enter();
    child = fork();
    inside = false;
    inside_after_fork(child == 0);
    enter();
    leave();
    check_lock_free();
    if (child == 0) {
        _exit(0);
    }
    expect_child(child);
}

static void test_fork(void **state)
{
    (void)state;
    isolate(body_fork);
}

/* A signal that came before the fork was the parent's: the child has none pending (fork(2)). */
static void body_fork_after_signal(void)
{
    pid_t child;

    handle(SIGUSR1, 0, 0);
    enter();
    queue(SIGUSR1, 1);
    child = fork();
    inside = false;
    inside_after_fork(child == 0);
    CHECK_EQUAL(runs, child == 0 ? 0 : 1);
    check_mask_now(0, 0);
    enter();
    leave();
    CHECK_EQUAL(runs, child == 0 ? 0 : 1);
    if (child == 0) {
        _exit(0);
    }
    expect_child(child);
}

static void test_fork_after_signal(void **state)
{
    (void)state;
    isolate(body_fork_after_signal);
}

/* A vfork's child has its parent's memory: it must keep out of it. */
static void body_vfork(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    struct sigaction old;
    pid_t child;

    handle(SIGUSR1, 0, 0);
    inside_vfork(true);
    child = vfork();
    if (child == 0) {
        bool enters = inside_enter();
        /* Its actions are its own; what it is told is what the program asked for. */
        int result = inside_sigaction(SIGUSR1, &action, &old);

        _exit(enters || result != 0 || old.sa_sigaction != handler);
    }
    inside_vfork(false);
    expect_child(child);
    CHECK_EQUAL(inside_reentries(), 0);
    CHECK_EQUAL(inside_sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_sigaction == handler);
    enter();
    CHECK_EQUAL(raise(SIGUSR1), 0);
    leave();
    CHECK_EQUAL(runs, 1);
}

static void test_vfork(void **state)
{
    (void)state;
    isolate(body_vfork);
}

static void *idle(void *nothing)
{
    return nothing;
}

static void body_single(void)
{
    CHECK(inside_single());
    /* Once is for ever: the thread may have left something behind. */
    CHECK_EQUAL(pthread_join(start_thread(NULL, idle, NULL), NULL), 0);
    CHECK(!inside_single());
}

static void test_single(void **state)
{
    (void)state;
    isolate(body_single);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outside),       cmocka_unit_test(test_postponed),
        cmocka_unit_test(test_several),       cmocka_unit_test(test_queue),
        cmocka_unit_test(test_told),          cmocka_unit_test(test_started_late),
        cmocka_unit_test(test_reset),         cmocka_unit_test(test_no_handler),
        cmocka_unit_test(test_jump),          cmocka_unit_test(test_reentry),
        cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_cancellation),
        cmocka_unit_test(test_cancel_types),  cmocka_unit_test(test_readable),
        cmocka_unit_test(test_fork),          cmocka_unit_test(test_fork_after_signal),
        cmocka_unit_test(test_vfork),         cmocka_unit_test(test_single),
    };

    return cmocka_run_group_tests_name("shim.inside", tests, NULL, NULL);
}
