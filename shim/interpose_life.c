/* Where processes begin, end or become another program, and threads and signal handlers begin. */
#include "shim/inside.h"
#include "shim/interpose.h"
#include "shim/stats.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

EXPORT pid_t _Fork(void)
{
    pid_t pid;

    CALL_HOOK(before_bare_fork);
    pid = LATE(_Fork)();
    CALL_HOOK(after_bare_fork, pid == 0);
    return pid;
}

/*
 * vfork returns twice on one stack, so no C function can stand around it. The return address is
 * kept in a register that both returns have, as libc's own does.
 */
long interpose_vfork_begin(void);
pid_t interpose_vfork_end(long result);
pid_t (*interpose_vfork_real(void))(void);

/* Returns false if the policy leaves vfork alone. */
__attribute__((visibility("hidden"))) long interpose_vfork_begin(void)
{
    if (!HOOKS(inside)) {
        return 0;
    }
    CALL_HOOK(before, CHANGE_SPAWN);
    /* The child has this thread's memory, thread-local storage included: to the shim it is no one.
     */
    inside_vfork(true);
    return 1;
}

__attribute__((visibility("hidden"))) pid_t (*interpose_vfork_real(void))(void)
{
    return LATE(vfork);
}

/* In the parent alone. */
__attribute__((visibility("hidden"))) pid_t interpose_vfork_end(long result)
{
    inside_vfork(false);
    CALL_HOOK(after, CHANGE_SPAWN);
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return (pid_t)result;
}

__asm__(".text\n"
        ".globl vfork\n"
        ".type vfork, @function\n"
        "vfork:\n"
        ".cfi_startproc\n"
        "    subq $8, %rsp\n"
        ".cfi_adjust_cfa_offset 8\n"
        "    call interpose_vfork_begin\n"
        "    testq %rax, %rax\n"
        "    jnz 1f\n"
        "    call interpose_vfork_real\n"
        "    addq $8, %rsp\n"
        ".cfi_adjust_cfa_offset -8\n"
        "    jmp *%rax\n"
        "1:\n"
        ".cfi_adjust_cfa_offset 8\n"
        "    addq $8, %rsp\n"
        ".cfi_adjust_cfa_offset -8\n"
        "    popq %rsi\n"
        ".cfi_adjust_cfa_offset -8\n"
        ".cfi_register %rip, %rsi\n"
        "    movl $58, %eax\n" /* __NR_vfork */
        "    syscall\n"
        "    pushq %rsi\n"
        ".cfi_adjust_cfa_offset 8\n"
        ".cfi_rel_offset %rip, 0\n"
        "    testq %rax, %rax\n"
        "    jnz 2f\n"
        "    ret\n"
        "2:\n"
        "    movq %rax, %rdi\n"
        "    jmp interpose_vfork_end\n"
        ".cfi_endproc\n"
        ".size vfork, .-vfork\n");

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const arguments[],
                       char *const environment[])
{
    int result;

    CALL_HOOK(before, CHANGE_SPAWN);
    result = LATE(posix_spawn)(pid, path, actions, attributes, arguments, environment);
    CALL_HOOK(after, CHANGE_SPAWN);
    return result;
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const arguments[],
                        char *const environment[])
{
    int result;

    CALL_HOOK(before, CHANGE_SPAWN);
    result = LATE(posix_spawnp)(pid, file, actions, attributes, arguments, environment);
    CALL_HOOK(after, CHANGE_SPAWN);
    return result;
}

EXPORT int system(const char *command)
{
    int result;

    CALL_HOOK(before, CHANGE_SPAWN);
    result = LATE(system)(command);
    CALL_HOOK(after, CHANGE_SPAWN);
    return result;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
    FILE *result;

    CALL_HOOK(before, CHANGE_SPAWN);
    result = LATE(popen)(command, mode);
    CALL_HOOK(after, CHANGE_SPAWN);
    return result;
}

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    int result;

    CALL_HOOK(before, CHANGE_EXEC);
    result = LATE(execve)(path, arguments, environment);
    CALL_HOOK(after, CHANGE_EXEC);
    return result;
}

EXPORT int execv(const char *path, char *const arguments[])
{
    int result;

    CALL_HOOK(before, CHANGE_EXEC);
    result = LATE(execv)(path, arguments);
    CALL_HOOK(after, CHANGE_EXEC);
    return result;
}

EXPORT int execvp(const char *file, char *const arguments[])
{
    int result;

    CALL_HOOK(before, CHANGE_EXEC);
    result = LATE(execvp)(file, arguments);
    CALL_HOOK(after, CHANGE_EXEC);
    return result;
}

EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    int result;

    CALL_HOOK(before, CHANGE_EXEC);
    result = LATE(execvpe)(file, arguments, environment);
    CALL_HOOK(after, CHANGE_EXEC);
    return result;
}

EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    int result;

    CALL_HOOK(before, CHANGE_EXEC);
    result = LATE(fexecve)(fd, arguments, environment);
    CALL_HOOK(after, CHANGE_EXEC);
    return result;
}

EXPORT int execveat(int dirfd, const char *path, char *const arguments[], char *const environment[],
                    int flags)
{
    int result;

    CALL_HOOK(before, CHANGE_EXEC);
    result = LATE(execveat)(dirfd, path, arguments, environment, flags);
    CALL_HOOK(after, CHANGE_EXEC);
    return result;
}

/* How many arguments follow, NULL not counted. */
static size_t count_arguments(va_list arguments)
{
    size_t count = 0;

    while (va_arg(arguments, char *) != NULL) {
        count++;
    }
    return count;
}

/* libc declares that the first argument is not NULL; a program can pass it nevertheless. */
static bool is_null(const char *argument)
{
    __asm__("" : "+r"(argument));
    return argument == NULL;
}

/* Declares `vector`, the arguments as an array, and leaves `rest` behind their NULL. The stack has
 * room: they are there already. */
#define COLLECT_ARGUMENTS(first)                                                                   \
    va_list rest;                                                                                  \
    size_t count;                                                                                  \
                                                                                                   \
    va_start(rest, first);                                                                         \
    count = is_null(first) ? 0 : count_arguments(rest) + 1;                                        \
    va_end(rest);                                                                                  \
    char **vector = __builtin_alloca((count + 1) * sizeof(char *));                                \
                                                                                                   \
    vector[0] = (char *)(first);                                                                   \
    va_start(rest, first);                                                                         \
    for (size_t index = 1; index <= count; index++) {                                              \
        vector[index] = va_arg(rest, char *);                                                      \
    }

EXPORT int execl(const char *path, const char *argument, ...)
{
    int result;

    COLLECT_ARGUMENTS(argument)
    CALL_HOOK(before, CHANGE_EXEC);
    result = LATE(execv)(path, vector);
    CALL_HOOK(after, CHANGE_EXEC);
    va_end(rest);
    return result;
}

EXPORT int execlp(const char *file, const char *argument, ...)
{
    int result;

    COLLECT_ARGUMENTS(argument)
    CALL_HOOK(before, CHANGE_EXEC);
    result = LATE(execvp)(file, vector);
    CALL_HOOK(after, CHANGE_EXEC);
    va_end(rest);
    return result;
}

EXPORT int execle(const char *path, const char *argument, ...)
{
    char *const *environment;
    int result;

    COLLECT_ARGUMENTS(argument)
    environment = va_arg(rest, char *const *);
    CALL_HOOK(before, CHANGE_EXEC);
    result = LATE(execve)(path, vector, environment);
    CALL_HOOK(after, CHANGE_EXEC);
    va_end(rest);
    return result;
}

EXPORT int unshare(int flags)
{
    if ((flags & CLONE_FILES) != 0) {
        CALL_HOOK(before, CHANGE_SPLIT);
    }
    return LATE(unshare)(flags);
}

/* A child or thread of this kind may share the table, the memory, both or neither, and runs none of
 * libc's handlers. Three arguments may follow; they are read from the caller's stack in any case.
 */
EXPORT __attribute__((no_sanitize_address)) int clone(int (*start)(void *), void *stack, int flags,
                                                      void *argument, ...)
{
    va_list arguments;
    void *third;
    void *fourth;
    void *fifth;

    va_start(arguments, argument);
    third = va_arg(arguments, void *);
    fourth = va_arg(arguments, void *);
    fifth = va_arg(arguments, void *);
    va_end(arguments);
    CALL_HOOK(before, CHANGE_SPLIT);
    return LATE(clone)(start, stack, flags, argument, third, fourth, fifth);
}

/* A filter can forbid the calls that a flush makes (F9). */
EXPORT __attribute__((no_sanitize_address)) int prctl(int option, ...)
{
    va_list arguments;
    unsigned long values[4];

    va_start(arguments, option);
    for (size_t index = 0; index < 4; index++) {
        values[index] = va_arg(arguments, unsigned long);
    }
    va_end(arguments);
    if (option == PR_SET_SECCOMP) {
        CALL_HOOK(before, CHANGE_SPLIT);
    }
    return LATE(prctl)(option, values[0], values[1], values[2], values[3]);
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument)
{
    struct inside_thread *own;
    int result;

    if (!HOOKS(inside)) {
        return LATE(pthread_create)(thread, attributes, start, argument);
    }
    own = malloc(sizeof(*own));
    if (own == NULL) {
        return EAGAIN;
    }
    *own = (struct inside_thread){.start = start, .argument = argument};
    inside_stack_size(attributes, &own->stack_size);
    result = LATE(pthread_create)(thread, attributes, inside_thread_start, own);
    if (result != 0) {
        free(own);
    }
    return result;
}

EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    int result;

    if (!HOOKS(inside)) {
        return LATE(sigaction)(number, action, old);
    }
    int saved_errno = errno;

    result = inside_sigaction(number, action, old);
    errno = result < 0 ? -result : saved_errno;
    return result < 0 ? -1 : 0;
}

/* The older calls, which libc makes out of sigaction without the caller's being able to take that
 * over. */
static sighandler_t set_handler(int number, sighandler_t handler, int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    struct sigaction old;

    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    sigemptyset(&action.sa_mask);
    if ((flags & (int)SA_RESETHAND) == 0) {
        sigaddset(&action.sa_mask, number);
    }
    return sigaction(number, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

/* What siginterrupt(3) asked for: these signals interrupt calls. */
static sigset_t interrupting;

static sighandler_t set_bsd_handler(int number, sighandler_t handler)
{
    bool interrupts = number > 0 && number < NSIG && sigismember(&interrupting, number) == 1;

    return set_handler(number, handler, interrupts ? 0 : SA_RESTART);
}

EXPORT sighandler_t signal(int number, sighandler_t handler)
{
    return HOOKS(inside) ? set_bsd_handler(number, handler) : LATE(signal)(number, handler);
}

EXPORT sighandler_t bsd_signal(int number, sighandler_t handler);
EXPORT sighandler_t bsd_signal(int number, sighandler_t handler)
{
    return HOOKS(inside) ? set_bsd_handler(number, handler) : LATE(bsd_signal)(number, handler);
}

EXPORT sighandler_t ssignal(int number, sighandler_t handler)
{
    return HOOKS(inside) ? set_bsd_handler(number, handler) : LATE(ssignal)(number, handler);
}

#define SYSV_FLAGS ((int)(SA_RESETHAND | SA_NODEFER))

EXPORT sighandler_t __sysv_signal(int number, sighandler_t handler)
{
    return HOOKS(inside) ? set_handler(number, handler, SYSV_FLAGS)
                         : LATE(__sysv_signal)(number, handler);
}

EXPORT sighandler_t sysv_signal(int number, sighandler_t handler)
{
    return HOOKS(inside) ? set_handler(number, handler, SYSV_FLAGS)
                         : LATE(sysv_signal)(number, handler);
}

/* sigset of System V: SIG_HOLD blocks the signal, anything else lets it in. */
EXPORT sighandler_t sigset(int number, sighandler_t disposition)
{
    struct sigaction now;
    sigset_t set;
    sigset_t before;
    sighandler_t old;

    if (!HOOKS(inside)) {
        return LATE(sigset)(number, disposition);
    }
    sigemptyset(&set);
    if (sigaddset(&set, number) < 0 || sigaction(number, NULL, &now) < 0) {
        return SIG_ERR;
    }
    old = now.sa_handler;
    if (disposition == SIG_HOLD) {
        (void)pthread_sigmask(SIG_BLOCK, &set, &before);
        return sigismember(&before, number) == 1 ? SIG_HOLD : old;
    }
    struct sigaction action = {.sa_handler = disposition};

    if (sigaction(number, &action, NULL) < 0) {
        return SIG_ERR;
    }
    (void)pthread_sigmask(SIG_UNBLOCK, &set, &before);
    return sigismember(&before, number) == 1 ? SIG_HOLD : old;
}

EXPORT int siginterrupt(int number, int interrupt)
{
    struct sigaction action;

    if (!HOOKS(inside)) {
        return LATE(siginterrupt)(number, interrupt);
    }
    if (sigaction(number, NULL, &action) < 0) {
        return -1;
    }
    if (interrupt != 0) {
        sigaddset(&interrupting, number);
        action.sa_flags &= ~SA_RESTART;
    } else {
        sigdelset(&interrupting, number);
        action.sa_flags |= SA_RESTART;
    }
    return sigaction(number, &action, NULL);
}

/* An end that runs no destructors. */
EXPORT _Noreturn void _exit(int status)
{
    stats_write();
    LATE(_exit)(status);
    __builtin_unreachable();
}

EXPORT _Noreturn void _Exit(int status)
{
    stats_write();
    LATE(_Exit)(status);
    __builtin_unreachable();
}

EXPORT _Noreturn void quick_exit(int status)
{
    stats_write();
    LATE(quick_exit)(status);
    __builtin_unreachable();
}

__attribute__((destructor)) static void end(void)
{
    stats_write();
}
