#include "oracle/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void text_init(struct text *ret_text, char *out, size_t size)
{
    assert(out != NULL || size == 0);
    *ret_text = (struct text){.out = out, .size = size};
    if (size > 0)
        out[0] = '\0';
}

void text_append(struct text *text, const char *format, ...)
{
    bool room = text->length < text->size;
    va_list args;
    va_start(args, format);
    int added = vsnprintf(room ? text->out + text->length : NULL,
                          room ? text->size - text->length : 0, format, args);
    va_end(args);
    assert(added >= 0);
    text->length += (size_t)added;
}

void text_append_errno(struct text *text, int err)
{
    const char *name = strerrorname_np(err);
    if (name != NULL)
        text_append(text, "%s", name);
    else
        text_append(text, "errno %d", err);
}

void text_append_signal(struct text *text, int signal)
{
    const char *name = sigabbrev_np(signal);
    if (name != NULL)
        text_append(text, "SIG%s", name);
    else
        text_append(text, "signal %d", signal);
}
