/* What the interposers have in common. */
#ifndef SHIM_INTERPOSE_H
#define SHIM_INTERPOSE_H

#include "shim/policy.h"
#include "shim/real.h"
#include "shim/shim.h"

#include <errno.h>
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

/* The function that the interposer hides. LATE: one that may have to be looked up first. */
#define REAL(name) (real_functions()->name)
#define LATE(name) (real_functions_early()->name)

/* True if the policy hooks this. */
#define HOOKS(hook) (shim_policy() != NULL && shim_policy()->hook)

/*
 * Calls a hook, if the policy has it. A hook never changes errno: a call that succeeds leaves errno
 * as the real call alone would have, and one that fails leaves its own error (hazards C13, C14).
 */
#define CALL_HOOK(hook, ...)                                                                       \
    do {                                                                                           \
        const struct policy *hooking = shim_policy();                                              \
                                                                                                   \
        if (hooking != NULL && hooking->hook != NULL) {                                            \
            int errno_before = errno;                                                              \
                                                                                                   \
            hooking->hook(__VA_ARGS__);                                                            \
            errno = errno_before;                                                                  \
        }                                                                                          \
    } while (0)

/* As CALL_HOOK, of a hook that says whether its counterpart is owed; `owed` is a bool. */
#define CALL_OWING(owed, hook, ...)                                                                \
    do {                                                                                           \
        const struct policy *hooking = shim_policy();                                              \
                                                                                                   \
        owed = false;                                                                              \
        if (hooking != NULL && hooking->hook != NULL) {                                            \
            int errno_before = errno;                                                              \
                                                                                                   \
            owed = hooking->hook(__VA_ARGS__);                                                     \
            errno = errno_before;                                                                  \
        }                                                                                          \
    } while (0)

/* A stamp for interpose_opened, taken before the call. */
static inline uint64_t interpose_before_open(void)
{
    const struct policy *policy = shim_policy();

    return policy != NULL && policy->before_open != NULL ? policy->before_open() : 0;
}

/* The call has returned fd, or -1: passes it on. */
static inline int interpose_opened(int fd, enum shadow_kind kind, uint64_t stamp)
{
    if (fd >= 0) {
        CALL_HOOK(opened, fd, kind, stamp);
    }
    return fd;
}

/* What goes before the calls that have a name and a number, in interpose_fd.c and
 * interpose_look.c. */
enum shadow_kind interpose_socket_kind(int domain, int type);
int interpose_opened_pair(int result, const int fds[2], enum shadow_kind kind, uint64_t stamp);
bool interpose_before_close_range(unsigned int first, unsigned int last, int flags);
uint64_t interpose_before_replace(int fd, int over, bool *ret_owed);
int interpose_replaced(int fd, int over, int result, uint64_t stamp, bool owed);
int interpose_duplicated(int from, int result, uint64_t stamp);
void interpose_look_at(const struct pollfd *fds, nfds_t count);
void interpose_look_at_sets(int count, const fd_set *reads, const fd_set *writes,
                            const fd_set *excepts);
void interpose_send_away(const struct msghdr *message);

#endif
