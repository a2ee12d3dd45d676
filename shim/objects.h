/*
 * The data of the program and of the libraries that it was started with: memory that stays where it
 * is, and readable, as long as the process lives. What dlopen brings may go again and is not among
 * it.
 */
#ifndef SHIM_OBJECTS_H
#define SHIM_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>

/* Called once, from the constructor: remembers where the data is. */
void objects_start(void);

/* True if all of these bytes lie in the data of one of them. */
bool objects_hold(const void *bytes, size_t size);

#endif
