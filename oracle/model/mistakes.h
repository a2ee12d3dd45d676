/*
 * Seeded errors of the model, one of which a test build can switch on: the proof that a wrong model
 * is noticed. In every other build MISTAKE(ID) is false.
 */
#ifndef EPDIFF_ORACLE_MODEL_MISTAKES_H
#define EPDIFF_ORACLE_MODEL_MISTAKES_H

#include <stdbool.h>

enum model_mistake {
    MISTAKE_NONE,
#define MODEL_MISTAKE(id, name, doc) MISTAKE_##id,
#include "oracle/model/mistakes.def"
#undef MODEL_MISTAKE
    MISTAKES,
};

#ifdef EPDIFF_MODEL_MISTAKES

/* The one that the environment variable EPDIFF_MODEL_MISTAKE names, read once. An unknown name ends
 * the program with a message and status 2. */
enum model_mistake model_mistake(void);

extern const char *const model_mistake_names[MISTAKES];

#define MISTAKE(id) (model_mistake() == MISTAKE_##id)

#else

#define MISTAKE(id) false

#endif

#endif
