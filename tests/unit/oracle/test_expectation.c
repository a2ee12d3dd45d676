/*
 * Expectations. What must not happen: a line of a corpus file that holds for another class, hazard
 * or signature than it says, or one that can never hold being accepted.
 */
#include "test.h"

#include <errno.h>
#include <string.h>

static struct verdict verdict_of(enum divergence_class class, enum hazard hazard,
                                 const char *signature)
{
    struct verdict verdict = {.class = class, .hazard = hazard, .culprit = -1};
    strncpy(verdict.signature, signature, sizeof(verdict.signature) - 1);
    return verdict;
}

static void test_matches(void **state)
{
    (void)state;
    struct verdict reuse =
        verdict_of(CLASS_FD_REUSE, HAZARD_B2, "fd-reuse/B2/add-close-eventfd-wait");
    assert_true(verdict_matches(&reuse, "fd-reuse B2"));
    assert_true(verdict_matches(&reuse, "fd-reuse/B2/add-close-eventfd-wait"));
    assert_false(verdict_matches(&reuse, "fd-reuse B1"));
    assert_false(verdict_matches(&reuse, "fd-reuse B"));
    assert_false(verdict_matches(&reuse, "fd B2"));
    assert_false(verdict_matches(&reuse, "fd-table B2"));
    assert_false(verdict_matches(&reuse, "fd-reuse/B2/add-close-eventfd"));
    assert_false(verdict_matches(&reuse, "equal"));
    assert_false(verdict_matches(&reuse, "fd-reuse"));
}

static void test_matches_families(void **state)
{
    (void)state;
    struct verdict lost = verdict_of(CLASS_ERRNO_LOST, HAZARD_C3, "errno-lost/C3/add");
    assert_true(verdict_matches(&lost, "errno C3"));
    assert_true(verdict_matches(&lost, "errno-lost C3"));
    assert_false(verdict_matches(&lost, "errno-late C3"));
    assert_false(verdict_matches(&lost, "readiness C3"));
    struct verdict unexplained = verdict_of(CLASS_WAKEUP_LOST, HAZARD_NONE, "wakeup-lost/-/wait");
    assert_true(verdict_matches(&unexplained, "wakeup -"));
    assert_false(verdict_matches(&unexplained, "wakeup A1"));
}

static void test_matches_equal(void **state)
{
    (void)state;
    struct verdict equal = {.equal = true};
    assert_true(verdict_matches(&equal, "equal"));
    assert_false(verdict_matches(&equal, "errno C3"));
    assert_false(verdict_matches(&equal, "order E1"));
    struct verdict order = verdict_of(CLASS_ORDER, HAZARD_E1, "order/E1/wait");
    assert_false(verdict_matches(&order, "equal"));
    assert_true(verdict_matches(&order, "order E1"));
    order.strict_only = true; /* allowed: the contract does not speak of order */
    assert_true(verdict_matches(&order, "equal"));
    assert_true(verdict_matches(&order, "order E1"));
}

static void test_check(void **state)
{
    (void)state;
    static const char *const sound[] = {
        "equal",
        "fd-reuse B2",
        "errno C3",
        "errno-masked C3",
        "hang -",
        "crash F3",
        "interest A10",
        "hang/-/wait",
        "order/E1/wait",
        "fd-reuse/B2/add-close-eventfd-wait",
        "errno-phantom/C14/close_range",
        "metamorphic/fd-reuse/B2/add-close-eventfd-wait",
    };
    static const char *const faulty[] = {
        "",
        "Equal",
        "equal B2",
        "fd-reuse",
        "fd B2",
        "errno C99",
        "errno- C3",
        "errno C3 ",
        "errno C3 add",
        "errno/C3/add",
        "hang/-/",
        "hang/-",
        "hang//wait",
        "hang/-/wait-",
        "hang/-/-wait",
        "hang/-/a--b",
        "nonsense/B2/add",
        "fd-reuse/b2/add",
        "fd-reuse/B2/ADD",
        "metamorphic",
        "metamorphic/",
        "metamorphic/equal",
        "metamorphic B2",
        "metamorphic/metamorphic/hang/-/wait",
    };
    char why[128];
    for (unsigned i = 0; i < sizeof(sound) / sizeof(sound[0]); i++) {
        strcpy(why, "untouched");
        if (verdict_check_expectation(sound[i], why, sizeof(why)) != 0)
            fail_msg("\"%s\" was refused: %s", sound[i], why);
        assert_string_equal(why, "untouched");
    }
    for (unsigned i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++) {
        memset(why, 0, sizeof(why));
        if (verdict_check_expectation(faulty[i], why, sizeof(why)) != -EINVAL)
            fail_msg("\"%s\" was accepted", faulty[i]);
        assert_true(strlen(why) > 0);
        assert_null(strchr(why, '\n'));
    }
}

/* The mark keeps a verdict on flush points apart from the same one on native. */
static void test_mark(void **state)
{
    static struct verdict verdict = {.class = CLASS_FD_REUSE,
                                     .hazard = HAZARD_B2,
                                     .signature = "fd-reuse/B2/add-close",
                                     .explanation = "The ADD landed elsewhere."};

    (void)state;
    assert_false(signature_is_metamorphic(verdict.signature));
    verdict_mark_metamorphic(&verdict);
    assert_string_equal(verdict.signature, "metamorphic/fd-reuse/B2/add-close");
    assert_true(signature_is_metamorphic(verdict.signature));
    assert_non_null(strstr(verdict.explanation, "lush points"));
    assert_non_null(strstr(verdict.explanation, " The ADD landed elsewhere."));
    assert_true(verdict_matches(&verdict, "metamorphic/fd-reuse/B2/add-close"));
    assert_false(verdict_matches(&verdict, "fd-reuse/B2/add-close"));
    /* A text that fills its room is cut, not written past it. */
    memset(verdict.explanation, 'x', EXPLANATION_MAX);
    verdict.explanation[EXPLANATION_MAX] = '\0';
    strcpy(verdict.signature, "hang/-/wait");
    verdict_mark_metamorphic(&verdict);
    assert_in_range(strlen(verdict.explanation), EXPLANATION_MAX - 200, EXPLANATION_MAX);
}

/* Every name that the tables hold can be expected. */
static void test_check_knows_the_tables(void **state)
{
    (void)state;
    char line[128];
    char why[128];
    for (unsigned class = 0; class < CLASSES; class ++) {
        for (unsigned hazard = 0; hazard < HAZARDS; hazard++) {
            (void)snprintf(line, sizeof(line), "%s %s", class_names[class], hazard_codes[hazard]);
            assert_int_equal(verdict_check_expectation(line, why, sizeof(why)), 0);
            assert_true(strlen(hazard_titles[hazard]) > 0);
        }
    }
}

/* The codes are 13 A, 15 B, 16 C, 11 D, 16 E, 12 F, 5 G, 6 H, 6 I and 8 J, and "-" first. */
static void test_every_hazard_has_its_row(void **state)
{
    (void)state;
    static const struct {
        char letter;
        unsigned count;
    } groups[] = {{'A', 13}, {'B', 15}, {'C', 16}, {'D', 11}, {'E', 16},
                  {'F', 12}, {'G', 5},  {'H', 6},  {'I', 6},  {'J', 8}};
    unsigned row = 1;
    assert_string_equal(hazard_codes[HAZARD_NONE], "-");
    for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        for (unsigned number = 1; number <= groups[i].count; number++, row++) {
            char code[8];
            (void)snprintf(code, sizeof(code), "%c%u", groups[i].letter, number);
            assert_string_equal(hazard_codes[row], code);
        }
    }
    assert_int_equal(row, HAZARDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_matches_families),
        cmocka_unit_test(test_matches_equal),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_mark),
        cmocka_unit_test(test_check_knows_the_tables),
        cmocka_unit_test(test_every_hazard_has_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
