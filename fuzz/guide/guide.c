/* The counters that an engine is guided by. */
#include "fuzz/guide/guide.h"
#include "fuzz/guide/features.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guide {
    int fd;
    uint8_t *edges; /* GUIDE_EDGES, shared */
    char path[64];
};

int guide_new(struct guide **ret_guide, char *ret_why)
{
    struct guide *guide = calloc(1, sizeof(*guide));

    if (!guide) {
        snprintf(ret_why, GUIDE_WHY_MAX + 1, "out of memory");
        return -ENOMEM;
    }
    guide->fd = memfd_create("epdiff-edges", MFD_CLOEXEC);
    if (guide->fd >= 0 && ftruncate(guide->fd, GUIDE_EDGES) == 0)
        guide->edges = mmap(NULL, GUIDE_EDGES, PROT_READ | PROT_WRITE, MAP_SHARED, guide->fd, 0);
    if (!guide->edges || guide->edges == MAP_FAILED) {
        int err = -errno;
        snprintf(ret_why, GUIDE_WHY_MAX + 1, "no memory to share with the shim: %s",
                 strerror(-err));
        guide->edges = NULL;
        guide_free(guide);
        return err;
    }
    snprintf(guide->path, sizeof(guide->path), "/proc/%d/fd/%d", (int)getpid(), guide->fd);
    *ret_guide = guide;
    return 0;
}

void guide_free(struct guide *guide)
{
    if (!guide)
        return;
    if (guide->edges)
        munmap(guide->edges, GUIDE_EDGES);
    if (guide->fd >= 0)
        close(guide->fd);
    free(guide);
}

const char *guide_path(const struct guide *guide)
{
    return guide->path;
}

void guide_clear(struct guide *guide)
{
    memset(guide->edges, 0, GUIDE_EDGES);
}

static void count_feature(void *context, uint64_t feature)
{
    uint8_t *features = context;

    features[feature % GUIDE_FEATURES] = 1;
}

void guide_collect(const struct guide *guide, const struct trace *native,
                   const struct trace *subject, const struct verdict *verdict,
                   uint8_t counters[GUIDE_COUNTERS])
{
    for (unsigned i = 0; i < GUIDE_EDGES; i++) {
        unsigned sum = counters[i] + guide->edges[i];
        counters[i] = (uint8_t)(sum < UINT8_MAX ? sum : UINT8_MAX);
    }
    features_collect(native, subject, verdict, count_feature, counters + GUIDE_EDGES);
}

unsigned guide_count_edges(const struct guide *guide)
{
    unsigned count = 0;

    for (unsigned i = 0; i < GUIDE_EDGES; i++)
        count += guide->edges[i] != 0;
    return count;
}
