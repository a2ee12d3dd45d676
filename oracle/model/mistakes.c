/* Seeded errors: which one is on. Only in test builds. */
#include "oracle/model/mistakes.h"

#ifdef EPDIFF_MODEL_MISTAKES

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const model_mistake_names[MISTAKES] = {
    [MISTAKE_NONE] = "none",
#define MODEL_MISTAKE(id, name, doc) [MISTAKE_##id] = (name),
#include "oracle/model/mistakes.def"
#undef MODEL_MISTAKE
};

static enum model_mistake chosen;

static void choose(void)
{
    const char *name = getenv("EPDIFF_MODEL_MISTAKE");

    for (unsigned i = 0; name && i < MISTAKES; i++) {
        if (strcmp(name, model_mistake_names[i]) == 0) {
            chosen = (enum model_mistake)i;
            return;
        }
    }
    if (!name)
        return;
    fprintf(stderr,
            "epdiff: EPDIFF_MODEL_MISTAKE: unknown mistake '%s', expected a name of "
            "oracle/model/mistakes.def\n",
            name);
    exit(2);
}

enum model_mistake model_mistake(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, choose);
    return chosen;
}

#endif
