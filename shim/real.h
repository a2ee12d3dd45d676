/* The functions that the interposers hide: what a caller would reach without the shim. */
#ifndef SHIM_REAL_H
#define SHIM_REAL_H

#include <signal.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <time.h>

struct real_functions {
#define INTERPOSED(type, name, parameters) type(*name) parameters;
#include "shim/interposed.def"
#undef INTERPOSED
};

/*
 * The table to call through. Usable at any time, also before the shim's constructor has run
 * (hazard H3): until then its entries are plain system calls.
 */
const struct real_functions *real_functions(void);

/* Looks the functions up in the libraries after the shim. Called once, by the constructor. */
void real_resolve(void);

#endif
