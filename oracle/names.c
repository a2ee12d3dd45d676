/* The names of classes and hazards, from their tables. */
#include "oracle/judge.h"

const char *const class_names[CLASSES] = {
#define CLASS(id, name, doc) [CLASS_##id] = (name),
#include "oracle/classes.def"
#undef CLASS
};

const char *const hazard_codes[HAZARDS] = {
    [HAZARD_NONE] = "-",
#define HAZARD(code, title) [HAZARD_##code] = #code,
#include "oracle/hazards.def"
#undef HAZARD
};

const char *const hazard_titles[HAZARDS] = {
    [HAZARD_NONE] = "no rule explains it",
#define HAZARD(code, title) [HAZARD_##code] = (title),
#include "oracle/hazards.def"
#undef HAZARD
};
