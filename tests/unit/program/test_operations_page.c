/*
 * docs/operations.md must never say anything else than the tables. When this fails, write the page
 * again: the failure says how.
 */
#include "tests/unit/program/support.h"

#include "fuzz/program/operations_doc.h"
#include "fuzz/program/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *generated_page(size_t *ret_length)
{
    char *page = NULL;
    FILE *out = open_memstream(&page, ret_length);

    assert_non_null(out);
    operations_write_markdown(out);
    fclose(out);
    return page;
}

static void the_committed_page_is_the_generated_one(void **state)
{
    size_t length = 0;
    char *page = generated_page(&length);
    char *committed = malloc(length + 2);
    FILE *file = fopen(EPDIFF_OPERATIONS_PAGE, "re");

    (void)state;
    if (!file)
        fail_msg("%s: %s", EPDIFF_OPERATIONS_PAGE, strerror(errno));
    assert_non_null(committed);
    size_t read = fread(committed, 1, length + 1, file);
    fclose(file);
    if (read != length || memcmp(page, committed, length) != 0)
        fail_msg("docs/operations.md is out of date; write it again with: %s --write",
                 program_invocation_name);
    free(committed);
    free(page);
}

static void every_operation_and_argument_is_on_the_page(void **state)
{
    size_t length = 0;
    char *page = generated_page(&length);

    (void)state;
    for (unsigned op = 0; op < OPS; op++) {
        char call[64];
        snprintf(call, sizeof(call), "%s(", op_table[op].text);
        assert_non_null(strstr(page, call));
        assert_non_null(strstr(page, op_table[op].doc));
    }
    for (unsigned kind = ARG_NONE + 1; kind < ARG_KINDS; kind++)
        assert_non_null(strstr(page, arg_table[kind].doc));
    free(page);
}

static int write_page(void)
{
    FILE *file = fopen(EPDIFF_OPERATIONS_PAGE, "we");

    if (!file) {
        perror(EPDIFF_OPERATIONS_PAGE);
        return EXIT_FAILURE;
    }
    operations_write_markdown(file);
    return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_committed_page_is_the_generated_one),
        cmocka_unit_test(every_operation_and_argument_is_on_the_page),
    };

    if (argc > 1 && strcmp(argv[1], "--write") == 0)
        return write_page();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
