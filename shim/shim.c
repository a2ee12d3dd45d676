#include "shim/shim.h"
#include "shim/batch.h"
#include "shim/config.h"
#include "shim/real.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

/* Lowest that is not reserved: first among this library's constructors. */
#define SHIM_CONSTRUCTOR_PRIORITY 101

const struct policy *_Atomic shim_active;

/*
 * The loader gives the order of constructors among libraries: those of libraries that the program
 * itself links usually come before this one. What they do goes straight to the kernel, which is
 * always right (hazard H3).
 */
__attribute__((constructor(SHIM_CONSTRUCTOR_PRIORITY))) static void shim_start(void)
{
    struct config config;

    assert(shim_policy() == NULL);
    config_load(&config);
    real_resolve();
    if (config.backend->start != NULL) {
        const char *why = config.backend->start();

        if (why != NULL) {
            config_refuse_backend(config.backend, why);
        }
    }
    batch_set_backend(config.backend);
    if (config.backend->forked != NULL) {
        /* Without memory for the handler the child would write into its parent's ring, or the like.
         */
        int result = pthread_atfork(NULL, NULL, config.backend->forked);

        assert(result == 0);
        (void)result;
    }
    if (config.policy->start != NULL) {
        config.policy->start();
    }
    atomic_store_explicit(&shim_active, config.policy, memory_order_release);
}
