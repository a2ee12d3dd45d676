/*
 * The library must not export any name but the libc functions that it takes over and its own, which
 * bears its name: another name could take the place of one in the program (hazard H2).
 */
#include "tests/unit/shim/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Written down here once more, so that a new hook is a decision and not an accident. */
static const char *const intended[] = {
    "_Exit",         "_Fork",          "__poll_chk",     "__ppoll_chk",   "__sysv_signal",
    "_exit",         "accept",         "accept4",        "bsd_signal",    "clone",
    "close",         "close_range",    "closedir",       "closefrom",     "connect",
    "dup",           "dup2",           "dup3",           "epbatch_flush", "epoll_create",
    "epoll_create1", "epoll_ctl",      "epoll_pwait",    "epoll_pwait2",  "epoll_wait",
    "eventfd",       "execl",          "execle",         "execlp",        "execv",
    "execve",        "execveat",       "execvp",         "execvpe",       "fclose",
    "fcntl",         "fcntl64",        "fexecve",        "fork",          "freopen",
    "freopen64",     "pclose",         "pipe",           "pipe2",         "poll",
    "popen",         "posix_spawn",    "posix_spawnp",   "ppoll",         "prctl",
    "pselect",       "pthread_create", "quick_exit",     "select",        "sendmmsg",
    "sendmsg",       "setsockopt",     "sigaction",      "siginterrupt",  "signal",
    "sigset",        "socket",         "socketpair",     "ssignal",       "syscall",
    "system",        "sysv_signal",    "timerfd_create", "unshare",       "vfork",
};

#define INTENDED (sizeof(intended) / sizeof(*intended))

static void test_only_intended_names(void **state)
{
    char name[256];
    size_t count = 0;
    FILE *names;

    (void)state;
    names = popen("'" NM "' -D --defined-only -f posix '" EPBATCH_LIBRARY
                  "' | cut -d ' ' -f 1 | LC_ALL=C sort",
                  "r");
    assert_non_null(names);
    while (fgets(name, sizeof(name), names) != NULL) {
        name[strcspn(name, "\n")] = '\0';
        assert_true(count < INTENDED);
        assert_string_equal(name, intended[count]);
        count++;
    }
    assert_int_equal(pclose(names), 0);
    assert_int_equal(count, INTENDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_intended_names),
    };

    return cmocka_run_group_tests_name("shim.exports", tests, NULL, NULL);
}
