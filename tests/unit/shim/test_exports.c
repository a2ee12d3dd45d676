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
    "close",       "epbatch_flush", "epoll_create", "epoll_create1", "epoll_ctl",
    "epoll_pwait", "epoll_pwait2",  "epoll_wait",   "fork",
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
