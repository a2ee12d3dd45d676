#include "tests/bench/trace.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

bool trace_me(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_ctl, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        return false;
    /* The parent sets its options while the child stands still. */
    if (raise(SIGSTOP) != 0)
        return false;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* The signal to go on with. */
static int judge_stop(pid_t pid, int status, unsigned long *calls, bool *started)
{
    int event = status >> 16;
    int number = WSTOPSIG(status);

    if (!*started) {
        const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;

        *started = true;
        (void)ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)options);
        return 0;
    }
    *calls += event == PTRACE_EVENT_SECCOMP;
    /* A new thread begins with a stop; exec ends with a trap. */
    return event != 0 || number == SIGSTOP || number == SIGTRAP ? 0 : number;
}

int trace_wait(pid_t pid, unsigned long *ret_calls)
{
    bool started = false;
    int status;

    *ret_calls = 0;
    for (;;) {
        pid_t who = waitpid(-1, &status, __WALL);

        if (who < 0 && errno == EINTR)
            continue;
        if (who < 0)
            return -1;
        if (WIFSTOPPED(status)) {
            int number = judge_stop(who, status, ret_calls, &started);

            (void)ptrace(PTRACE_CONT, who, NULL, (void *)(long)number);
        } else if (who == pid) {
            return status;
        }
    }
}
