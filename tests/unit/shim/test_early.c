/*
 * A call that comes before the shim's constructor must not crash, recurse, or be deferred: from
 * the constructor of a library that the program links, or from within dlsym while the shim looks
 * its own functions up (hazard H3).
 */
#include "tests/unit/shim/early.h"
#include "tests/unit/shim/support.h"

#include <dlfcn.h>
#include <stdlib.h>

const struct early_report *early_report_get(void);

static void test_constructor(void **state)
{
    const struct early_report *report = early_report_get();

    (void)state;
    (void)by_policy(0, 0, 0, 0); /* checks that the shim is there */
    assert_int_equal(report->runs, 1);
    assert_int_equal(report->failures, 0);
    assert_false(report->seen_deferred);
}

enum {
    FUNCTIONS = 0
#define INTERPOSED(type, name, parameters) +1
#include "shim/interposed.def"
#undef INTERPOSED
};

static void test_within_dlsym(void **state)
{
    const struct early_report *(*get)(void);
    const struct early_report *report;

    (void)state;
    if (getenv("EARLY_DLSYM") == NULL) {
        skip();
    }
    get = (const struct early_report *(*)(void))dlsym(RTLD_DEFAULT, "early_dlsym_report_get");
    assert_non_null(get);
    report = get();
    /* Once for each function, and before that for the constructor's fork. */
    assert_int_equal(report->runs, FUNCTIONS + 1);
    assert_int_equal(report->failures, 0);
    assert_false(report->seen_deferred);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constructor),
        cmocka_unit_test(test_within_dlsym),
    };

    return cmocka_run_group_tests_name("shim.early", tests, NULL, NULL);
}
