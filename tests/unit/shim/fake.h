/*
 * A stand-in for the kernel's epoll_ctl, for tests that link single files of the shim: it defines
 * the table of real_functions(), records each call, and answers from a script. Included once a
 * program.
 */
#ifndef TESTS_UNIT_SHIM_FAKE_H
#define TESTS_UNIT_SHIM_FAKE_H

#include "shim/real.h"
#include "tests/unit/shim/cmocka_all.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define FAKE_CALLS_MAX 64

struct fake_call {
    int epfd;
    int op;
    int fd;
    bool has_event;
    struct epoll_event event;
};

/* The calls so far. */
static struct fake_call fake_calls[FAKE_CALLS_MAX];
static int fake_calls_made;

/* The errno with which call number k fails; 0 lets it succeed. */
static int fake_answers[FAKE_CALLS_MAX];

/* The signature is the real one: struct real_functions asks for it. */
/* cppcheck-suppress constParameter */
static int fake_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    struct fake_call *call = &fake_calls[fake_calls_made];

    assert_true(fake_calls_made < FAKE_CALLS_MAX);
    *call = (struct fake_call){.epfd = epfd, .op = op, .fd = fd, .has_event = event != NULL};
    if (event != NULL) {
        call->event = *event;
    }
    if (fake_answers[fake_calls_made++] != 0) {
        errno = fake_answers[fake_calls_made - 1];
        return -1;
    }
    return 0;
}

static const struct real_functions fake_functions = {.epoll_ctl = fake_epoll_ctl};
const struct real_functions *_Atomic real_current = &fake_functions;

/* A cmocka setup function. */
static int fake_reset(void **state)
{
    (void)state;
    memset(fake_calls, 0, sizeof(fake_calls));
    memset(fake_answers, 0, sizeof(fake_answers));
    fake_calls_made = 0;
    return 0;
}

static void assert_call(int index, int epfd, int op, int fd)
{
    assert_true(index < fake_calls_made);
    assert_int_equal(fake_calls[index].epfd, epfd);
    assert_int_equal(fake_calls[index].op, op);
    assert_int_equal(fake_calls[index].fd, fd);
}

#endif
