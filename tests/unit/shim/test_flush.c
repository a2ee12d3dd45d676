/*
 * epbatch_flush must carry out everything that the calling thread's waits, closes and forks could
 * have to carry out later, on whatever instance, and must not lose the error of an operation.
 * Natively there is no such function, and programs find that out by dlsym.
 */
#include "shim/epbatch.h"

#include "tests/unit/shim/support.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

/* What a program does that knows the shim. */
static int flush(void)
{
    union {
        void *object;
        int (*function)(void);
    } found = {.object = dlsym(RTLD_DEFAULT, "epbatch_flush")};

    CHECK_EQUAL(found.object != NULL, by_policy(0, 1, 1, 1));
    errno = 77;
    return found.object != NULL ? found.function() : 0;
}

static void body_all_instances(void)
{
    int first = epoll_create1(0);
    int second = epoll_create1(0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(add(first, ends[0], 1), 0);
    CHECK_EQUAL(add(second, ends[0], 2), 0);
    CHECK_EQUAL(interest(first, ends[0], NULL), by_policy(1, 0, 0, 0));
    CHECK_EQUAL(flush(), 0);
    CHECK_EQUAL(errno, 77);
    CHECK(interest(first, ends[0], NULL));
    CHECK(interest(second, ends[0], NULL));
    /* Once: nothing is left to be done again, or the ADDs would fail. */
    CHECK_EQUAL(flush(), 0);
}

static void test_all_instances(void **state)
{
    (void)state;
    isolate(body_all_instances);
}

static void body_error(void)
{
    int good = epoll_create1(0);
    int bad = epoll_create1(0);
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(add(bad, ends[0], 1), 0);
    CHECK_EQUAL(add(good, ends[0], 2), 0);
    /* No policy has a fix-up for EBADF. By another road than close, which hash and tls hook. */
    CHECK_EQUAL(add(bad, 200, 3), by_policy(-1, 0, 0, 0));
    int result = flush();
    CHECK_EQUAL(result, by_policy(0, -1, -1, -1));
    CHECK_EQUAL(errno, by_policy(77, EBADF, EBADF, EBADF));
    CHECK(interest(bad, ends[0], NULL));
    CHECK(interest(good, ends[0], NULL));
}

static void test_error(void **state)
{
    (void)state;
    isolate(body_error);
}

static void *flush_in_thread(void *argument)
{
    (void)argument;
    CHECK_EQUAL(flush(), 0);
    return NULL;
}

static void body_other_thread(void)
{
    int epfd = epoll_create1(0);
    pthread_t thread;
    int ends[2];

    ready_pipe(ends);
    CHECK_EQUAL(add(epfd, ends[0], 1), 0);
    CHECK_EQUAL(pthread_create(&thread, NULL, flush_in_thread, NULL), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_EQUAL(interest(epfd, ends[0], NULL), by_policy(1, 1, 1, 0));
    CHECK_EQUAL(flush(), 0);
    CHECK(interest(epfd, ends[0], NULL));
}

static void test_other_thread(void **state)
{
    (void)state;
    isolate(body_other_thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_instances),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_other_thread),
    };

    return cmocka_run_group_tests_name("shim.flush", tests, NULL, NULL);
}
