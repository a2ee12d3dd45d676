/* What must not happen: that a name or an explanation becomes markup, or makes a file that no XML
 * reader takes. */
#include "fuzz/epdiff/markup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void becomes(const char *text, const char *expected)
{
    char *written = NULL;
    size_t size;
    FILE *out = open_memstream(&written, &size);

    assert_non_null(out);
    markup_write_text(out, text);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(written, expected);
    free(written);
}

static void markup_is_text(void **state)
{
    (void)state;
    becomes("a<b>&\"c\"'", "a&lt;b&gt;&amp;&quot;c&quot;&#39;");
    becomes("]]>", "]]&gt;");
    becomes("", "");
    becomes("a\tb\nc", "a\tb\nc");
}

static void what_xml_cannot_hold_is_left_out(void **state)
{
    (void)state;
    becomes("a\001\033[1m\r\177b", "a[1mb");
}

static void only_utf8_stays(void **state)
{
    (void)state;
    becomes("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9b", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9b");
    becomes("\xff \xc3 \xc0\x80", "? ? ??"); /* no lead, no end, overlong */
    becomes("\xed\xa0\x80", "???");          /* a surrogate */
    becomes("\xf4\x90\x80\x80", "????");     /* above U+10FFFF */
    becomes("\xe2\x82", "??");               /* cut off */
    becomes("\xe2<", "?&lt;");               /* a lead in front of markup */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_is_text),
        cmocka_unit_test(what_xml_cannot_hold_is_left_out),
        cmocka_unit_test(only_utf8_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
