/* What the files of the world share: world.c (who names what), world_socket.c (connections and
 * descriptors in flight). */
#ifndef EPDIFF_PROGRAM_WORLD_INSIDE_H
#define EPDIFF_PROGRAM_WORLD_INSIDE_H

#include "fuzz/program/world.h"

/* The outcome of a call that fails. */
static inline struct world_outcome world_fail(int err)
{
    return (struct world_outcome){.ret = -1, .err = err, .fds = {-1, -1}};
}

/* The lowest number from `from` on that is free and allowed, or -1. */
int world_lowest_free(const struct world *world, unsigned actor, int from);

/* Lets a number name a file, in place of what it named. */
void world_install(struct world *world, unsigned actor, int number, int file, bool cloexec);

/* Takes a reference of a file away; with the last one it dies, and what it holds with it. */
void world_drop_reference(struct world *world, int file);

/* What connect and accept4 answer before and behind the search for a free number; 0: they go on. */
int world_connect_error(const struct world *world, const struct step *step);
int world_accept_error(const struct world *world, const struct step *step);

struct world_outcome world_predict_send_fd(const struct world *world, const struct step *step);
struct world_outcome world_predict_recv_fd(const struct world *world, const struct step *step);

/* A step made this socket: its family and kind, and who is at the other end. */
void world_opened_socket(struct world *world, const struct step *step, int file);

/* The step moved bytes between a socket and its peer: what is in flight comes nearer. */
void world_moved_bytes(struct world *world, const struct step *step,
                       const struct world_outcome *outcome);

void world_apply_send_fd(struct world *world, const struct step *step);
void world_apply_recv_fd(struct world *world, const struct step *step,
                         const struct world_outcome *outcome);

/* A file is dead: so is what was on its way to it. */
void world_drop_flights(struct world *world, int dead);

#endif
