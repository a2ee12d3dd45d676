/*
 * What must not happen: that a finding counts as known which nobody listed, for this subject, with
 * a reason; that a listed one is reported again; that a list with a mistake in it is half read.
 */
#include "fuzz/epdiff/known.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/epdiff-known-XXXXXX";

static void write_list(const char *text, size_t length)
{
    FILE *out = fopen(path, "we");

    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, length, out), length);
    assert_int_equal(fclose(out), 0);
}

static struct known *read_list(const char *text)
{
    struct known *known = NULL;
    char why[KNOWN_WHY_MAX + 1] = "";

    write_list(text, strlen(text));
    if (known_read(path, &known, why) != 0)
        fail_msg("%s", why);
    return known;
}

static bool lists(const struct known *known, const char *name, const char *signature)
{
    struct subject subject = {.kind =
                                  strncmp(name, "shim:", 5) == 0 ? SUBJECT_SHIM : SUBJECT_PRELOAD};

    snprintf(subject.name, sizeof(subject.name), "%s", name);
    return known_lists(known, &subject, signature);
}

/* The list is refused, at this place and with these words. */
static void refused_bytes(const char *text, size_t length, const char *place, const char *words)
{
    struct known *known = NULL;
    char why[KNOWN_WHY_MAX + 1] = "", expected[128];

    write_list(text, length);
    assert_int_equal(known_read(path, &known, why), -EINVAL);
    assert_null(known);
    snprintf(expected, sizeof(expected), "%s:%s: ", path, place);
    if (strncmp(why, expected, strlen(expected)) != 0 || !strstr(why, words) || strchr(why, '\n'))
        fail_msg("'%s' does not begin with '%s' or does not say '%s'", why, expected, words);
}

static void refused(const char *text, const char *place, const char *words)
{
    refused_bytes(text, strlen(text), place, words);
}

static void a_subject_speaks_of_its_backends(void **state)
{
    (void)state;
    struct known *known = read_list("# comment\n"
                                    "\n"
                                    "shim:hash errno-lost/C1/add # the post says so\n"
                                    "\tshim:tls+uring  order/-/wait\t#x\n"
                                    "preload:/opt/lib#1.so crash/C2/add # a # in the path\n");

    assert_true(lists(known, "shim:hash+syscall", "errno-lost/C1/add"));
    assert_true(lists(known, "shim:hash+uring", "errno-lost/C1/add"));
    assert_false(lists(known, "shim:tls+syscall", "errno-lost/C1/add"));
    assert_true(lists(known, "shim:tls+uring", "order/-/wait"));
    assert_false(lists(known, "shim:tls+syscall", "order/-/wait"));
    assert_true(lists(known, "preload:/opt/lib#1.so", "crash/C2/add"));
    assert_false(lists(known, "preload:/opt/lib", "crash/C2/add"));
    known_free(known);
}

static void without_a_star_all_of_it_counts(void **state)
{
    (void)state;
    struct known *known = read_list("shim:hash errno-lost/C1/add # reason\n"
                                    "shim:tls errno-lost/C1/* # all of these\n"
                                    "shim:naive * # the first idea");

    assert_false(lists(known, "shim:hash+syscall", "errno-lost/C1/add-wait"));
    assert_false(lists(known, "shim:hash+syscall", "errno-lost/C1/ad"));
    assert_false(lists(known, "shim:hash+syscall", "metamorphic/errno-lost/C1/add"));
    assert_true(lists(known, "shim:tls+syscall", "errno-lost/C1/add-wait"));
    assert_true(lists(known, "shim:tls+syscall", "errno-lost/C1/"));
    assert_false(lists(known, "shim:tls+syscall", "errno-lost/C10/add"));
    assert_true(lists(known, "shim:naive+module", "anything"));
    known_free(known);
}

static void an_empty_list_names_nothing(void **state)
{
    (void)state;
    char why[KNOWN_WHY_MAX + 1] = "";
    struct known *known = read_list("");

    assert_false(lists(known, "shim:hash+syscall", "errno-lost/C1/add"));
    known_free(known);
    known = read_list("# nothing\n   \n");
    assert_false(lists(known, "shim:hash+syscall", ""));
    known_free(known);
    assert_int_equal(known_read("/dev/null", &known, why), 0);
    assert_false(lists(known, "shim:hash+syscall", "errno-lost/C1/add"));
    known_free(known);
    assert_false(lists(NULL, "shim:hash+syscall", "errno-lost/C1/add"));
}

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    refused("shim:hash a/A1/b\n", "1:17", "expected '# ' and the reason");
    refused("shim:hash a/A1/b # \t \n", "1:22", "expected a reason behind '#'");
    refused("# fine\nshim:hash a/A1/b reason\n", "2:18", "expected '# ' and the reason");
    refused("\nshim:hash\n", "2:10", "expected a signature");
    refused("shim:hash # reason\n", "1:11", "expected a signature");
    refused("  shim:hahs a/A1/b # reason\n", "1:3", "unknown policy 'hahs', expected naive");
    refused("shim:hash+rocket a/A1/b # reason\n", "1:1", "unknown backend 'rocket'");
    refused("hash a/A1/b # reason\n", "1:1", "unknown subject 'hash', expected native");
    refused("preload: a/A1/b # reason\n", "1:1", "unknown subject");
    refused("shim:hash a*/b # reason\n", "1:12", "is no signature");
    refused("shim:hash a/A1/b# reason\n", "1:17", "is no signature");
    refused("shim:hash a/A1/b # one\nshim:hash a/A1/b # two\n", "2:11", "listed twice");
    refused("shim:hash a/A1/b # one\r\n", "1:23", "a control character");
    refused_bytes("shim:hash a\0 # one\n", 19, "1:12", "a control character");
}

static void a_prefix_is_no_double(void **state)
{
    (void)state;
    known_free(read_list("shim:hash a/A1/b # one\nshim:hash a/A1/b* # two\n"
                         "shim:hash+uring a/A1/b # three\n"));
}

static void what_cannot_be_read_is_said(void **state)
{
    (void)state;
    struct known *known = NULL;
    char why[KNOWN_WHY_MAX + 1] = "";

    assert_int_equal(known_read("/nonexistent/known.txt", &known, why), -ENOENT);
    assert_string_equal(why, "/nonexistent/known.txt: cannot be read: No such file or directory");
    assert_int_equal(known_read("/", &known, why), -EISDIR);
    assert_null(known);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subject_speaks_of_its_backends),
        cmocka_unit_test(without_a_star_all_of_it_counts),
        cmocka_unit_test(an_empty_list_names_nothing),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(a_prefix_is_no_double),
        cmocka_unit_test(what_cannot_be_read_is_said),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
