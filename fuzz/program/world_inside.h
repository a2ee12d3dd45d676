/* What the files of the world share: world.c (who names what), world_socket.c (connections and
 * descriptors in flight). */
#ifndef EPDIFF_PROGRAM_WORLD_INSIDE_H
#define EPDIFF_PROGRAM_WORLD_INSIDE_H

#include "fuzz/program/world.h"

/* Lets a number name a file, in place of what it named. */
void world_install(struct world *world, unsigned actor, int number, int file, bool cloexec);

/* Takes a reference of a file away; with the last one it dies, and what it holds with it. */
void world_drop_reference(struct world *world, int file);

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
