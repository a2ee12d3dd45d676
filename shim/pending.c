#include "shim/pending.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static int pending_grow(struct pending_list *list)
{
    size_t capacity = list->capacity == 0 ? PENDING_CAPACITY_FIRST : list->capacity * 2;
    struct pending_op *ops;

    if (capacity > SIZE_MAX / sizeof(*ops)) {
        return -ENOMEM;
    }
    ops = realloc(list->ops, capacity * sizeof(*ops));
    if (ops == NULL) {
        return -ENOMEM;
    }
    list->ops = ops;
    list->capacity = capacity;
    return 0;
}

int pending_append(struct pending_list *list, int epfd, int op, int fd,
                   const struct epoll_event *event)
{
    struct pending_op *entry;

    assert(list->length <= list->capacity);
    if (list->length == list->capacity) {
        int result = pending_grow(list);

        if (result < 0) {
            return result;
        }
    }
    entry = &list->ops[list->length];
    *entry = (struct pending_op){.epfd = epfd, .op = op, .fd = fd};
    /* epoll_ctl(2): DEL ignores the event, so programs pass anything there. It is never read. */
    if (event != NULL && op != EPOLL_CTL_DEL) {
        entry->has_event = true;
        entry->event = *event;
    }
    list->length++;
    return 0;
}

void pending_clear(struct pending_list *list)
{
    list->length = 0;
}

void pending_release(struct pending_list *list)
{
    free(list->ops);
    *list = (struct pending_list){0};
}
