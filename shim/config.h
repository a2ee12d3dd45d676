/* What the environment asks for. */
#ifndef SHIM_CONFIG_H
#define SHIM_CONFIG_H

#include "shim/backend.h"
#include "shim/policy.h"

/* The exit status of a refusal: the shim does not know how to do what it was asked for. */
#define CONFIG_EXIT_REFUSED 125

struct config {
    const struct policy *policy;
    const struct backend *backend;
};

/*
 * Reads EPBATCH_POLICY, which must be set, and EPBATCH_BACKEND, which is `syscall` when unset.
 * With an unset, empty or unknown value it says so in one line on stderr and ends the process:
 * a run under another policy than the one named would be worse than none.
 */
void config_load(struct config *ret_config);

/* Says in one line on stderr that this machine cannot have the backend and why; ends the process.
 */
_Noreturn void config_refuse_backend(const struct backend *backend, const char *why);

#endif
