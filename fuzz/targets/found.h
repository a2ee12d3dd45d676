/* How a target says what it found wrong. */
#ifndef EPDIFF_TARGETS_FOUND_H
#define EPDIFF_TARGETS_FOUND_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* One line on stderr, and the end that engines take for a finding. */
__attribute__((format(printf, 1, 2))) _Noreturn static inline void found(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

#endif
