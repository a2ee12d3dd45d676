/* The functions that the interposers hide: what a caller would reach without the shim. */
#ifndef SHIM_REAL_H
#define SHIM_REAL_H

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

struct real_functions {
#define INTERPOSED(type, name, parameters) type(*name) parameters;
#include "shim/interposed.def"
#undef INTERPOSED
};

/*
 * The table to call through. Usable at any time, also before the shim's constructor has run
 * (hazard H3): until then its entries are plain system calls, or looked up one by one.
 */
const struct real_functions *real_functions(void);

/* The same with the late ones, for a call that may be the first of all. */
const struct real_functions *real_functions_early(void);

/* Looks the functions up in the libraries after the shim. Called once, by the constructor. */
void real_resolve(void);

#endif
