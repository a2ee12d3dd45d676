/* Text in XML and HTML. */
#include "fuzz/epdiff/markup.h"

#include <stddef.h>

/* The length of the UTF-8 sequence of several bytes that begins here, or 0 if there is none (RFC
 * 3629, section 4). */
static size_t sequence_length(const unsigned char *at)
{
    static const struct {
        unsigned char first, last, second_min, second_max;
        size_t length;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
        if (at[0] < forms[f].first || at[0] > forms[f].last)
            continue;
        if (at[1] < forms[f].second_min || at[1] > forms[f].second_max)
            return 0;
        for (size_t i = 2; i < forms[f].length; i++) {
            if (at[i] < 0x80 || at[i] > 0xbf)
                return 0;
        }
        return forms[f].length;
    }
    return 0;
}

static void write_plain(FILE *out, unsigned char c)
{
    if (c == '&')
        fputs("&amp;", out);
    else if (c == '<')
        fputs("&lt;", out);
    else if (c == '>')
        fputs("&gt;", out);
    else if (c == '"')
        fputs("&quot;", out);
    else if (c == '\'')
        fputs("&#39;", out);
    else if ((c >= 0x20 && c != 0x7f) || c == '\t' || c == '\n')
        fputc(c, out);
}

void markup_write_text(FILE *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at) {
        size_t length = *at < 0x80 ? 1 : sequence_length(at);
        if (*at < 0x80)
            write_plain(out, *at);
        else if (length)
            fwrite(at, 1, length, out);
        else
            fputc('?', out);
        at += length ? length : 1;
    }
}
