#include "shim/inside.h"
#include "shim/real.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIGNALS 65

/* SA_RESTORER of asm/signal.h, which libc sets and does not name. */
#define KERNEL_SA_RESTORER 0x04000000

/* Of the main thread's stack that much is looked at: a coroutine's lies elsewhere. */
#define MAIN_STACK_MOST ((size_t)64 << 20)

/* Where the kernel put the end of the main thread's stack; the dynamic loader exports it. */
extern void *__libc_stack_end;

struct self {
    /* Volatile: a handler on the same thread looks at them. */
    volatile bool inside;
    volatile bool vforked;  /* this thread is a vfork's child for the time being */
    volatile int postponed; /* the signal that came while inside, 0: none */
    siginfo_t info;
    sigset_t mask; /* to be restored when it is sent again */
    int cancel_type;
    bool shared;    /* there were other threads when it came inside: it holds the lock */
    bool is_thread; /* started by pthread_create under the shim; its stack: */
    const char *stack_end;
    size_t stack_size;
};

static _Thread_local struct self self;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_ulong reentries;
static atomic_bool had_threads;
static size_t main_stack_size;

/* What the program asked for. Written under the lock, read by handlers: a signal that comes while
 * its action changes gets the old or the new one, as from the kernel. */
static struct {
    _Atomic(void (*)(int, siginfo_t *, void *)) handler; /* NULL: SIG_DFL or SIG_IGN, no handler */
    atomic_bool reset;                                   /* SA_RESETHAND */
    struct sigaction action;
} actions[SIGNALS];

/*
 * Sends the signal that came while inside once more, to this thread, and lets signals in. It is
 * delivered by the time sigprocmask returns, in a place where the thread is outside.
 */
static void deliver_postponed(void)
{
    int number = self.postponed;

    self.postponed = 0;
    /* A process may send itself anything; the record says who sent it and why. */
    (void)real_functions()->syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), number, &self.info);
    (void)pthread_sigmask(SIG_SETMASK, &self.mask, NULL);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    void (*handler)(int, siginfo_t *, void *);

    if (self.inside) {
        ucontext_t *interrupted = context;

        self.postponed = number;
        self.info = *info;
        self.mask = interrupted->uc_sigmask;
        /* Nothing else gets in until the thread leaves: there is room for one. */
        sigfillset(&interrupted->uc_sigmask);
        return;
    }
    handler = atomic_load(&actions[number].handler);
    if (handler == NULL) {
        return; /* its action was changed after the kernel had chosen this one */
    }
    if (atomic_load(&actions[number].reset)) {
        /* As the kernel does it: the flags and the mask stay. */
        struct sigaction none = actions[number].action;

        none.sa_handler = SIG_DFL;
        atomic_store(&actions[number].handler, NULL);
        actions[number].action = none;
        (void)real_functions()->sigaction(number, &none, NULL);
    }
    handler(number, info, context);
}

static bool is_handler(const struct sigaction *action)
{
    /* Whatever SA_SIGINFO says: the kernel looks at the one word that the two kinds share. */
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

/* What the kernel is told: the program's action with the shim in front of its handler. */
static struct sigaction in_front(const struct sigaction *action)
{
    struct sigaction result = *action;

    if (is_handler(action)) {
        result.sa_sigaction = on_signal;
        /* The shim resets the handler itself, for a signal may come twice to be handled once. */
        result.sa_flags = (action->sa_flags | SA_SIGINFO) & ~(int)SA_RESETHAND;
    }
    return result;
}

/* The program's view of what the kernel has. */
static struct sigaction as_told(int number, const struct sigaction *kernel)
{
    struct sigaction result = *kernel;

    if (is_handler(kernel) && kernel->sa_sigaction == on_signal) {
        const struct sigaction *told = &actions[number].action;

        result.sa_sigaction = told->sa_sigaction;
        result.sa_mask = told->sa_mask;
        /* libc shows a flag of its own. */
        result.sa_flags = told->sa_flags | (kernel->sa_flags & KERNEL_SA_RESTORER);
    }
    return result;
}

int inside_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction before = {0};
    struct sigaction kernel;
    struct sigaction told;
    bool entered;
    int result;

    if (number <= 0 || number >= SIGNALS || (action == NULL && old == NULL)) {
        return real_functions()->sigaction(number, action, old) == 0 ? 0 : -errno;
    }
    if (self.vforked) {
        /* Its actions are its own, but not its memory. It is on its way to another program. */
        result = real_functions()->sigaction(number, action, &before) == 0 ? 0 : -errno;
        if (result == 0 && old != NULL) {
            *old = as_told(number, &before);
        }
        return result;
    }
    /* The program's pointers are read and written outside: they may be wild. */
    if (action != NULL) {
        told = *action;
        kernel = in_front(&told);
    }
    entered = inside_enter();
    result = real_functions()->sigaction(number, action != NULL ? &kernel : NULL, &before) == 0
                 ? 0
                 : -errno;
    if (result == 0) {
        before = as_told(number, &before);
        if (action != NULL) {
            actions[number].action = told;
            atomic_store(&actions[number].reset, (told.sa_flags & (int)SA_RESETHAND) != 0);
            atomic_store(&actions[number].handler, is_handler(&told) ? told.sa_sigaction : NULL);
        }
    }
    if (entered) {
        inside_leave();
    }
    if (result == 0 && old != NULL) {
        *old = before;
    }
    return result;
}

void inside_start(void)
{
    struct rlimit limit;

    main_stack_size = MAIN_STACK_MOST;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < MAIN_STACK_MOST) {
        main_stack_size = (size_t)limit.rlim_cur;
    }
    for (int number = 1; number < SIGNALS; number++) {
        struct sigaction action;

        if (real_functions()->sigaction(number, NULL, &action) == 0 && is_handler(&action)) {
            (void)inside_sigaction(number, &action, NULL);
        }
    }
}

bool inside_enter(void)
{
    if (self.vforked) {
        return false;
    }
    if (self.inside) {
        atomic_fetch_add_explicit(&reentries, 1, memory_order_relaxed);
        return false;
    }
    self.inside = true;
    atomic_signal_fence(memory_order_seq_cst);
    /* The only thread has nobody to keep out, and a second one does not begin while it is inside:
     * nothing here starts any, and no handler runs. */
    self.shared = !__libc_single_threaded;
    if (self.shared) {
        /* libc itself makes a thread asynchronously cancellable around calls that sleep, and a
         * handler that leaves one by siglongjmp leaves it so. */
        (void)pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &self.cancel_type);
        (void)pthread_mutex_lock(&lock);
    }
    return true;
}

/* Everything but the lock. A handler may run, and come inside itself, from the second line on. */
static void leave(void)
{
    bool cancel_restored = self.shared && self.cancel_type != PTHREAD_CANCEL_DEFERRED;

    atomic_signal_fence(memory_order_seq_cst);
    self.inside = false;
    atomic_signal_fence(memory_order_seq_cst);
    if (cancel_restored) {
        (void)pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    }
    if (self.postponed != 0) {
        deliver_postponed();
    }
}

void inside_leave(void)
{
    assert(self.inside);
    if (self.shared) {
        (void)pthread_mutex_unlock(&lock);
    }
    leave();
}

unsigned long inside_reentries(void)
{
    return atomic_load_explicit(&reentries, memory_order_relaxed);
}

void inside_after_fork(bool child)
{
    if (child && self.postponed != 0) {
        /* A signal that came before the fork is the parent's alone, as one that is pending is. */
        self.postponed = 0;
        (void)pthread_sigmask(SIG_SETMASK, &self.mask, NULL);
    }
    inside_leave();
}

void inside_vfork(bool begin)
{
    self.vforked = begin;
}

bool inside_vforked(void)
{
    return self.vforked;
}

bool inside_single(void)
{
    if (!__libc_single_threaded) {
        atomic_store_explicit(&had_threads, true, memory_order_relaxed);
    }
    return !atomic_load_explicit(&had_threads, memory_order_relaxed);
}

/*
 * A stack is readable from the stack pointer to its end. The main thread's is known from the
 * loader, a thread's from its start. One that is neither (sigaltstack, a coroutine) is not known.
 */
bool inside_readable(const void *bytes, size_t size)
{
    const char *here = __builtin_frame_address(0);
    const char *start = bytes;
    const char *end = self.is_thread ? self.stack_end : __libc_stack_end;
    size_t most = self.is_thread ? self.stack_size : main_stack_size;

    return end != NULL && here < end && (size_t)(end - here) <= most && start >= here &&
           start < end && (size_t)(end - start) >= size;
}

void inside_stack_size(const pthread_attr_t *attributes, size_t *ret_size)
{
    pthread_attr_t defaults;

    *ret_size = 0;
    if (attributes != NULL) {
        (void)pthread_attr_getstacksize(attributes, ret_size);
    } else if (pthread_getattr_default_np(&defaults) == 0) {
        (void)pthread_attr_getstacksize(&defaults, ret_size);
        (void)pthread_attr_destroy(&defaults);
    }
}

void *inside_thread_start(void *thread)
{
    struct inside_thread own = *(struct inside_thread *)thread;

    free(thread);
    atomic_store_explicit(&had_threads, true, memory_order_relaxed);
    self.is_thread = true;
    self.stack_end = __builtin_frame_address(0);
    self.stack_size = own.stack_size;
    return own.start(own.argument);
}
