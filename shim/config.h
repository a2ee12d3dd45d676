/* What the environment asks for. */
#ifndef SHIM_CONFIG_H
#define SHIM_CONFIG_H

#include "shim/backend.h"
#include "shim/policy.h"

#include <stdbool.h>
#include <stddef.h>

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

/*
 * Reads a variable that holds names from a list, with commas between them: "none", or all of them
 * when unset. Sets ret_chosen[index] for each of names[0..count). Refuses any other name.
 */
void config_load_list(const char *variable, const char *const *names, size_t count,
                      bool *ret_chosen);

/* Says something in one line on stderr, in the shim's name. */
void config_say(const char *what);

/* Says in one line on stderr that this machine cannot have the backend and why; ends the process.
 */
_Noreturn void config_refuse_backend(const struct backend *backend, const char *why);

#endif
