/* What must not happen: that known signatures leave no room for new ones. */
#include "fuzz/epdiff/free_findings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Returns what the list has of it if that is new. */
static struct free_finding *keep(struct free_findings *findings, unsigned signature, uint64_t index,
                                 bool known)
{
    struct free_finding *fresh = calloc(1, sizeof(*fresh));
    struct free_finding *changed;

    assert_non_null(fresh);
    fresh->subject = 1;
    fresh->index = index;
    fresh->known = known;
    snprintf(fresh->shown.verdict.signature, sizeof(fresh->shown.verdict.signature), "parallel/%u",
             signature);
    assert_int_equal(free_findings_keep(findings, &fresh, &changed), 0);
    free(fresh);
    return changed;
}

static void test_known_ones_take_no_room(void **state)
{
    struct free_findings findings = {0};

    (void)state;
    for (unsigned i = 0; i < 2 * FREE_FINDINGS_MAX; i++)
        assert_non_null(keep(&findings, i, i, true));
    for (unsigned i = 0; i < FREE_FINDINGS_MAX; i++)
        assert_non_null(keep(&findings, 1000 + i, i, false));
    assert_int_equal(findings.count, 3 * FREE_FINDINGS_MAX);
    assert_int_equal(free_findings_count_known(&findings), 2 * FREE_FINDINGS_MAX);
    free_findings_clear(&findings);
}

static void test_new_ones_have_a_limit(void **state)
{
    struct free_findings findings = {0};

    (void)state;
    for (unsigned i = 0; i < FREE_FINDINGS_MAX; i++)
        assert_non_null(keep(&findings, i, i, false));
    assert_null(keep(&findings, 1000, 0, false));
    assert_int_equal(findings.count, FREE_FINDINGS_MAX);
    /* Behind that, too, known ones are counted. */
    assert_non_null(keep(&findings, 1001, 0, true));
    assert_int_equal(free_findings_count_known(&findings), 1);
    free_findings_clear(&findings);
}

static void test_the_first_program_is_kept(void **state)
{
    struct free_findings findings = {0};

    (void)state;
    struct free_finding *finding = keep(&findings, 1, 20, false);
    assert_non_null(finding);
    assert_null(keep(&findings, 1, 30, false));
    assert_ptr_equal(keep(&findings, 1, 10, false), finding);
    assert_int_equal(findings.count, 1);
    assert_int_equal(finding->index, 10);
    assert_int_equal(finding->count, 3);
    free_findings_clear(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_ones_take_no_room),
        cmocka_unit_test(test_new_ones_have_a_limit),
        cmocka_unit_test(test_the_first_program_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
