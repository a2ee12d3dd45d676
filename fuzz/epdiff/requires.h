/* What programs require of the machine: the header `requires:`. */
#ifndef EPDIFF_EPDIFF_REQUIRES_H
#define EPDIFF_EPDIFF_REQUIRES_H

#include <stddef.h>

/*
 * True if the machine has all that the header names. Otherwise false, with one line in *ret_why
 * (size bytes). May start processes; asks once for each thing, so it is for one thread only.
 */
_Bool requires_are_met(const char *requires, char *ret_why, size_t size);

#endif
