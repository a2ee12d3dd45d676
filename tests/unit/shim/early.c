/* A library that the test program links, and that uses epoll and fork in its constructor. */
#include "tests/unit/shim/early_calls.h"

#include <sys/types.h>
#include <sys/wait.h>

const struct early_report *early_report_get(void);

static struct early_report early_report;

__attribute__((constructor)) static void early_start(void)
{
    int status = -1;
    pid_t child;

    early_use(&early_report);
    child = fork();
    if (child == 0) {
        _exit(5);
    }
    early_expect(&early_report, waitpid(child, &status, 0) == child, 1);
    early_expect(&early_report, WIFEXITED(status) ? WEXITSTATUS(status) : -1, 5);
}

const struct early_report *early_report_get(void)
{
    return &early_report;
}
