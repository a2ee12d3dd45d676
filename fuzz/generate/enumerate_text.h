/* Bounded enumeration: how calls are filled in, for enumerate.c and enumerate_text.c alone. */
#ifndef EPDIFF_GENERATE_ENUMERATE_TEXT_H
#define EPDIFF_GENERATE_ENUMERATE_TEXT_H

#include "fuzz/generate/enumerate.h"

/*
 * Fills in the letters of a call of enumerate.def: E and F stand for number `epoll` and `file`, 0
 * or 1. Sets what the instance names. False if the call does not have a letter whose choice is 1:
 * the choice 0 gives the same.
 */
bool enumerate_fill_in(const char *call, unsigned epoll, unsigned file,
                       struct enumerate_instance *instance);

bool enumerate_world_watched(enum enumerate_world world);

#endif
