#include "shim/objects.h"

#include <link.h>
#include <stdint.h>

/* More segments than that are not remembered: an event in one of the rest is not read. */
#define SEGMENTS_MOST 128

static struct {
    uintptr_t start;
    size_t size;
} segments[SEGMENTS_MOST];
static size_t segment_count;

static int remember(struct dl_phdr_info *object, size_t size, void *nothing)
{
    (void)size;
    (void)nothing;
    for (size_t index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[index];

        if (header->p_type == PT_LOAD && (header->p_flags & PF_W) != 0 &&
            segment_count < SEGMENTS_MOST) {
            segments[segment_count].start = object->dlpi_addr + header->p_vaddr;
            segments[segment_count].size = header->p_memsz;
            segment_count++;
        }
    }
    return 0;
}

void objects_start(void)
{
    (void)dl_iterate_phdr(remember, NULL);
}

bool objects_hold(const void *bytes, size_t size)
{
    /* The program's own comes first in the loader's list, and it is most often in that. */
    for (size_t index = 0; index < segment_count; index++) {
        size_t offset = (uintptr_t)bytes - segments[index].start;

        if (offset < segments[index].size && segments[index].size - offset >= size) {
            return true;
        }
    }
    return false;
}
