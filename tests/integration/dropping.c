/*
 * libdropping.so: makes every call that a program makes, but for one in a thousand of the epoll_ctl
 * calls that add or delete: it says that those were done, and does not make them. Which one it is
 * depends on a counter that all processes of a fork server share, so the N-th call is dropped
 * whoever makes it, and on nothing else.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    EVERY = 1000,
};

static uint64_t *calls; /* that would have succeeded, so far */

__attribute__((constructor)) static void start(void)
{
    calls = mmap(NULL, sizeof(*calls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (calls == MAP_FAILED)
        abort();
}

EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    static int (*next)(int, int, int, struct epoll_event *);

    if (!next)
        next = (int (*)(int, int, int, struct epoll_event *))dlsym(RTLD_NEXT, "epoll_ctl");
    if ((op == EPOLL_CTL_ADD || op == EPOLL_CTL_DEL) &&
        __atomic_add_fetch(calls, 1, __ATOMIC_RELAXED) % EVERY == 0)
        return 0;
    return next(epfd, op, fd, event);
}
