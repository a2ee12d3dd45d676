/* What a constructor that runs before main saw of the interposed functions. */
#ifndef TESTS_UNIT_SHIM_EARLY_H
#define TESTS_UNIT_SHIM_EARLY_H

#include <stdbool.h>

struct early_report {
    int runs;           /* how often the calls were made */
    int failures;       /* results that no policy allows */
    bool seen_deferred; /* an ADD that the kernel did not know after the call */
};

#endif
