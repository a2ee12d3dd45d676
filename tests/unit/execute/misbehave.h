/* The numbers that make libmisbehave.so misbehave when they are closed, read or given to
 * epoll_ctl as its instance. Programs write them
 * as numbers, for text has no other way. */
#ifndef EPDIFF_TESTS_EXECUTE_MISBEHAVE_H
#define EPDIFF_TESTS_EXECUTE_MISBEHAVE_H

enum {
    MISBEHAVE_CRASH = 901, /* writes to an unmapped page */
    MISBEHAVE_ABORT = 902,
    MISBEHAVE_EXIT = 903,     /* ends the process with status 125 */
    MISBEHAVE_SLEEP = 904,    /* sleeps in futex for ever */
    MISBEHAVE_DEADLOCK = 905, /* locks a mutex that it holds */
    MISBEHAVE_SPIN = 906,
    MISBEHAVE_STOP = 907, /* stops the process, as SIGSTOP does */
    MISBEHAVE_WORK = 908, /* takes a while of CPU, then returns */
    MISBEHAVE_NAPS = 909, /* sleeps in short naps for a while, then returns */
    MISBEHAVE_LEAK = 910, /* opens the lowest free number */
    MISBEHAVE_HELPER_SLEEPS = 911,
    MISBEHAVE_HELPER_SPINS = 912,   /* while the caller sleeps for ever */
    MISBEHAVE_HELPER_CRASHES = 913, /* while the caller sleeps for ever */
    MISBEHAVE_THREAD_ENDS = 914,    /* the calling thread alone ends, behind libc's back */
    MISBEHAVE_KILL_SERVER = 915,
    MISBEHAVE_ERRNO = 916, /* succeeds with errno EXFULL */
    /* From now on, in the child of every fork, before fork returns: */
    MISBEHAVE_FORK_HANGS = 917,
    MISBEHAVE_FORK_SPINS = 918,
    MISBEHAVE_FORK_CRASHES = 919,
    MISBEHAVE_DAEMON = 920,  /* leaves a process in a session of its own, then returns */
    MISBEHAVE_SESSION = 921, /* takes the calling process out of its process group, if it can */

    MISBEHAVE_WORK_MS = 150,
};

#endif
