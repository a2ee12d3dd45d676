/*
 * A preloaded library that takes dlsym over and uses epoll in it, as an allocator that dlsym calls
 * could: an interposer that asks dlsym on its first call would recurse without end.
 */
#include "tests/unit/shim/early_calls.h"

#include <dlfcn.h>

const struct early_report *early_dlsym_report_get(void);

static struct early_report early_dlsym_report;

void *dlsym(void *restrict handle, const char *restrict name)
{
    static void *(*next)(void *, const char *);

    if (next == NULL) {
        /* The version that dlsym has on x86-64 since the first libc there. */
        next = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    }
    /* RTLD_NEXT is what the shim asks for; the test program asks by another handle. */
    if (handle == RTLD_NEXT) {
        static int depth;

        depth++;
        early_expect(&early_dlsym_report, depth, 1);
        if (depth == 1) {
            early_use(&early_dlsym_report);
        }
        depth--;
    }
    return next(handle, name);
}

const struct early_report *early_dlsym_report_get(void)
{
    return &early_dlsym_report;
}
