/*
 * Operations on the life of threads and processes: new program images, cancellation, signals,
 * tables of descriptors.
 */
#include "fuzz/execute/ops.h"
#include "fuzz/execute/raw.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* Not /proc/self, which is the main thread: that can have left, and has no image then. */
static const char own_image[] = "/proc/thread-self/exe";

/* What a new image is told on its command line. */
struct image {
    char actor[8];
    char *argv[IMAGE_ARGUMENTS + 1];
};

static void image_prepare(struct image *image, struct wire *wire, unsigned actor)
{
    snprintf(image->actor, sizeof(image->actor), "%u", actor);
    image->argv[0] = (char *)"epdiff-exec";
    image->argv[1] = (char *)IMAGE_WORD;
    image->argv[2] = wire->road;
    image->argv[3] = image->actor;
    image->argv[4] = NULL;
}

void op_run_EXECVE(struct call *call)
{
    static const char *const paths[] = {
        [EXEC_SELF] = own_image, [EXEC_NULL] = "/dev/null", [EXEC_MISSING] = "/nonexistent"};
    struct image image;

    image_prepare(&image, call->wire, call->step->actor);
    /* It comes back only if it fails: the new image says that this step is done. */
    call_returned(call, execve(paths[call->step->args[0]], image.argv, environ));
}

/* The parent's part of the birth of a process. */
static void note_child(struct call *call, pid_t pid)
{
    __atomic_store_n(&call->wire->actors[call->step->outs[0]].pid, pid, __ATOMIC_RELEASE);
}

void op_run_VFORK_EXEC(struct call *call)
{
    struct image image;
    int closed = call_fd(call, 0);

    image_prepare(&image, call->wire, call->step->outs[0]);
    /* As posix_spawn does: the child runs on this thread's stack, and its close is a cancellation
     * point. */
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    errno = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        if (closed >= 0)
            close(closed);
        execve(own_image, image.argv, environ);
        _exit(SERVER_EXIT_HARNESS);
    }
    call_returned(call, pid < 0 ? -1 : 0);
    if (pid > 0)
        note_child(call, pid);
    pthread_setcancelstate(cancel_state, NULL);
}

void op_run_POSIX_SPAWN(struct call *call)
{
    posix_spawn_file_actions_t actions;
    struct image image;
    int closed = call_fd(call, 0);
    pid_t pid = 0;

    image_prepare(&image, call->wire, call->step->outs[0]);
    posix_spawn_file_actions_init(&actions);
    if (closed >= 0)
        posix_spawn_file_actions_addclose(&actions, closed);
    errno = 0;
    int err = posix_spawn(&pid, own_image, &actions, NULL, image.argv, environ);
    call_returned_error(call, err);
    if (!err)
        note_child(call, pid);
    posix_spawn_file_actions_destroy(&actions);
}

void op_run_UNSHARE(struct call *call)
{
    call_returned(call, unshare((int)call->step->args[0]));
}

void op_run_PTHREAD_CANCEL(struct call *call)
{
    pthread_t handle = call_thread(call, (unsigned)call->step->args[0]);

    /* As for pthread_join: a handle of another process, or one that was joined, is none. */
    call_returned_error(call, handle ? pthread_cancel(handle) : ESRCH);
}

void op_run_PTHREAD_SETCANCELTYPE(struct call *call)
{
    call_returned_error(call, pthread_setcanceltype((int)call->step->args[0], NULL));
}

/* What this process does about SIGUSR1. A child that is forked has a copy. */
static struct {
    struct wire *wire;
    int kind;
    int epfd, op, fd;
    int64_t event;
} handler;

/*
 * Runs in an actor that is idle, asleep in a call or in its own tgkill, never in the middle of
 * anything: the schedule has it so.
 */
static void on_signal(int number, siginfo_t *info, void *context)
{
    int err = errno;
    struct wire_actor *self = &handler.wire->actors[actor_self()];
    uint32_t step = __atomic_exchange_n(&self->signalled, 0, __ATOMIC_ACQ_REL);

    (void)number;
    (void)info;
    if (step > 0) {
        struct wire_result *result = &handler.wire->results[step - 1];
        raw_store(&self->handling, 1);
        errno = 0;
        if (handler.kind == HANDLER_CTL)
            result->handler_ret =
                call_epoll_ctl(handler.epfd, handler.op, handler.fd, handler.event, step);
        result->handler_err = errno;
        raw_store(&result->handled, 1);
        raw_store(&self->handling, 0);
    }
    errno = err;
    if (handler.kind == HANDLER_LONGJMP)
        actor_jump(&((const ucontext_t *)context)->uc_sigmask);
}

/* A signal that is ignored is taken off those that wait to be handled. */
static void forget_signals(struct wire *wire, unsigned process)
{
    for (unsigned a = 0; a < wire->program.nactors; a++) {
        if (wire->program.actors[a].process == process)
            raw_store(&wire->actors[a].signalled, 0);
    }
}

void op_run_SIGACTION(struct call *call)
{
    const int64_t *args = call->step->args;
    unsigned process = call->wire->program.actors[call->step->actor].process;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

    handler.wire = call->wire;
    handler.kind = (int)args[0];
    handler.epfd = call_fd(call, 1);
    handler.op = (int)args[2];
    handler.fd = call_fd(call, 3);
    handler.event = args[4];
    if (args[0] == HANDLER_IGNORE)
        action = (struct sigaction){.sa_handler = SIG_IGN};
    call_returned(call, sigaction(SIGUSR1, &action, NULL));
    raw_store(&call->wire->actors[process].handles, args[0] != HANDLER_IGNORE);
    if (args[0] == HANDLER_IGNORE)
        forget_signals(call->wire, process);
}

void op_run_TGKILL(struct call *call)
{
    struct wire *wire = call->wire;
    unsigned actor = (unsigned)call->step->args[0];
    struct wire_actor *target = &wire->actors[actor];
    uint32_t none = 0;

    /* The number of a thread that has ended can be somebody else's by now. */
    if (!raw_load(&target->ready) || raw_load(&target->gone)) {
        errno = ESRCH;
        call_returned(call, -1);
        return;
    }
    /* A second signal while one waits to be handled is lost, as kill(2) has it. */
    if (raw_load(&wire->actors[wire->program.actors[actor].process].handles))
        __atomic_compare_exchange_n(&target->signalled, &none, step_number(call->index), false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    call_returned(call, tgkill(target->pid, target->tid, SIGUSR1));
}
