/* The shim as a whole: which policy rules in this process. */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include "shim/policy.h"

/* The policy, or NULL until the constructor has run: then every call goes straight on. */
const struct policy *shim_policy(void);

#endif
