/*
 * Which edges of the shim's code a run takes, for an engine that is guided by them.
 *
 * The product has none of this. build-engines/libepbatch-edges.so is built from the same sources
 * with -fsanitize-coverage=trace-pc-guard, and with this file, which counts in the file that the
 * environment variable EPBATCH_EDGES names: a byte an edge, up to 255. All processes of a program
 * count in the same one; whoever made it reads and clears it.
 *
 * What runs before the constructors and in an image that cannot open the file (its limit of
 * descriptors is reached, for one) is not counted: the engine sees less, and the shim does the
 * same. That the tool's own server counts is checked by the tool, by what it finds counted.
 */
#include "shim/raw.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EDGES_VARIABLE "EPBATCH_EDGES"
#define EDGES_EXPORT   __attribute__((visibility("default")))

/* A guard that is 0 counts nowhere: its object is not set up yet, or there is no room. */
static uint8_t *edges_counters;
static uint32_t edges_room;

static void map_counters(void)
{
    const char *path = getenv(EDGES_VARIABLE);

    if (path == NULL) {
        return;
    }
    long fd = raw_call(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0, 0, 0);
    if (fd < 0) {
        return;
    }
    long size = raw_call(SYS_lseek, fd, 0, SEEK_END, 0, 0, 0);
    if (size > 0 && size <= UINT32_MAX) {
        long at = raw_call(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at > 0) {
            edges_counters = (uint8_t *)at;
            edges_room = (uint32_t)size;
        }
    }
    (void)raw_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Called by a constructor of each object of the library, with the same range each time. */
EDGES_EXPORT void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop);
EDGES_EXPORT void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop)
{
    if (start == stop || *start != 0) {
        return;
    }
    map_counters();
    for (uint32_t *guard = start; guard < stop; guard++) {
        uint32_t number = (uint32_t)(guard - start) + 1;
        *guard = number <= edges_room ? number : 0;
    }
}

EDGES_EXPORT void __sanitizer_cov_trace_pc_guard(const uint32_t *guard);
EDGES_EXPORT void __sanitizer_cov_trace_pc_guard(const uint32_t *guard)
{
    if (*guard == 0) {
        return;
    }
    uint8_t *counter = &edges_counters[*guard - 1];
    uint8_t count = __atomic_load_n(counter, __ATOMIC_RELAXED);

    if (count < UINT8_MAX) {
        __atomic_store_n(counter, (uint8_t)(count + 1), __ATOMIC_RELAXED);
    }
}
