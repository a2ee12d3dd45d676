/* The shim as a whole: which policy rules in this process. */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include "shim/policy.h"

#include <stdatomic.h>

/* Atomic, because the constructor of another library may have started threads already. */
extern const struct policy *_Atomic shim_active __attribute__((visibility("hidden")));

/* The policy, or NULL until the constructor has run: then every call goes straight on. Inline, for
 * every call that the shim takes over begins with it. */
static inline const struct policy *shim_policy(void)
{
    return atomic_load_explicit(&shim_active, memory_order_acquire);
}

#endif
