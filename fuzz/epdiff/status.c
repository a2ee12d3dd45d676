/* The live status line. */
#include "fuzz/epdiff/status.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool shown;

void status_show(const char *format, ...)
{
    va_list arguments;

    if (!isatty(STDERR_FILENO))
        return;
    pthread_mutex_lock(&lock);
    fputs("\r\033[K", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
    shown = true;
    pthread_mutex_unlock(&lock);
}

void status_clear(void)
{
    pthread_mutex_lock(&lock);
    if (shown)
        fputs("\r\033[K", stderr);
    fflush(stderr);
    shown = false;
    pthread_mutex_unlock(&lock);
}
