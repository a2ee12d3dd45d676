#include "shim/batch.h"
#include "shim/real.h"

#include <assert.h>
#include <errno.h>

static const struct backend *batch_backend;

void batch_set_backend(const struct backend *backend)
{
    assert(backend != NULL);
    assert(backend->execute != NULL);
    batch_backend = backend;
}

int batch_ctl_direct(int epfd, int op, int fd, struct epoll_event *event)
{
    return real_functions()->epoll_ctl(epfd, op, fd, event) == 0 ? 0 : -errno;
}

int batch_execute(struct pending_op *ops, size_t count, unsigned int flags)
{
    assert(batch_backend != NULL);
    return batch_backend->execute(ops, count, flags);
}

int batch_flush(struct pending_list *list, unsigned int flags)
{
    int result;

    if (list->length == 0) {
        return 0;
    }
    result = batch_execute(list->ops, list->length, flags);
    assert(result <= 0);
    pending_clear(list);
    return result;
}

int batch_defer(struct pending_list *list, int epfd, int op, int fd, struct epoll_event *event,
                unsigned int flags)
{
    if (pending_append(list, epfd, op, fd, event) == 0) {
        return 0;
    }
    (void)batch_flush(list, flags);
    return batch_ctl_direct(epfd, op, fd, event);
}
