/*
 * The calls of early.c and early_dlsym.c, each with its own copy: two libraries must not share a
 * name by accident. Only functions that neither allocate nor call dlsym.
 */
#ifndef TESTS_UNIT_SHIM_EARLY_CALLS_H
#define TESTS_UNIT_SHIM_EARLY_CALLS_H

#include "tests/unit/shim/early.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Counts a result that is not the expected one. */
static void early_expect(struct early_report *report, int actual, int expected)
{
    if (actual != expected) {
        report->failures++;
    }
}

static void early_use(struct early_report *report)
{
    const struct timespec no_time = {0};
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    int first = epoll_create(1);
    int second = epoll_create1(EPOLL_CLOEXEC);
    int target = eventfd(1, EFD_NONBLOCK);

    report->runs++;
    errno = ELIBBAD;
    early_expect(report, epoll_ctl(first, EPOLL_CTL_ADD, target, &event), 0);
    early_expect(report, errno, ELIBBAD);
    early_expect(report, epoll_wait(first, &event, 1, 0), 1);
    early_expect(report, epoll_pwait(first, &event, 1, 0, NULL), 1);
    early_expect(report, epoll_pwait2(first, &event, 1, &no_time, NULL), 1);
    early_expect(report, event.data.u64 == 1, 1);
    early_expect(report, epoll_ctl(second, EPOLL_CTL_ADD, target, &event), 0);
    /* Nothing to delete: the kernel says so at once, a policy would answer 0. */
    if (epoll_ctl(second, EPOLL_CTL_DEL, first, NULL) == 0) {
        report->seen_deferred = true;
    }
    early_expect(report, close(target), 0);
    early_expect(report, close(second), 0);
    early_expect(report, close(first), 0);
    early_expect(report, close(first), -1);
}

#endif
