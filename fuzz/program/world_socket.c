/* Connections between sockets, and descriptions in flight over them. */
#include "fuzz/program/world_inside.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

enum {
    SOCK_TYPE_BITS = 0xf, /* SOCK_TYPE_MASK of include/linux/net.h */
};

static bool is_socket(const struct world *world, int file)
{
    enum file_kind kind = world->files[file].kind;
    return kind == FILE_SOCKET || kind == FILE_LISTENER;
}

/* The oldest connection that waits for accept, or WORLD_FILE_NONE. */
static int oldest_queued(const struct world *world, int listener)
{
    for (unsigned i = 0; i < world->nfiles; i++) {
        if (world->files[i].queued_on == listener)
            return (int)i;
    }
    return WORLD_FILE_NONE;
}

/* The socket that a step acts on, or WORLD_FILE_NONE if it names none. */
static int socket_of(const struct world *world, const struct step *step)
{
    int file = world_file_of_arg(world, step, 0);
    return file != WORLD_FILE_NONE && is_socket(world, file) ? file : WORLD_FILE_NONE;
}

/* The flight whose byte is the next to be read from `to`, or NULL. */
static struct world_flight *next_flight(struct world *world, int to)
{
    for (unsigned i = 0; i < world->nflights; i++) {
        struct world_flight *flight = &world->flights[i];
        if (flight->file != WORLD_FILE_NONE && flight->ahead == 0 &&
            world->files[flight->from].peer == to)
            return flight;
    }
    return NULL;
}

void world_opened_socket(struct world *world, const struct step *step, int file)
{
    struct world_file *opened = &world->files[file];
    int listener = step->op == OP_SOCKETPAIR ? WORLD_FILE_NONE : socket_of(world, step);

    if (step->op == OP_SOCKETPAIR) {
        opened->unix_socket = true;
        opened->messages = (step->args[0] & SOCK_TYPE_BITS) != SOCK_STREAM;
    } else if (step->op == OP_LISTEN) {
        opened->unix_socket = step->args[0] == AF_UNIX;
    } else if (listener != WORLD_FILE_NONE) {
        opened->unix_socket = world->files[listener].unix_socket;
        if (step->op == OP_CONNECT) {
            opened->queued_on = listener;
            return;
        }
        int client = oldest_queued(world, listener);
        if (client == WORLD_FILE_NONE)
            return;
        world->files[client].queued_on = WORLD_FILE_NONE;
        world->files[client].peer = file;
        opened->peer = client;
    }
}

static void land(struct world *world, struct world_flight *flight)
{
    int file = flight->file;

    flight->file = WORLD_FILE_NONE;
    world_drop_reference(world, file);
}

/* `to` has read: what was behind is nearer, what was in between is closed. */
static void consume(struct world *world, int to, unsigned units)
{
    int from = world->files[to].peer;

    if (from == WORLD_FILE_NONE)
        return;
    unsigned *unread = &world->files[from].unread;
    units = units < *unread ? units : *unread;
    *unread -= units;
    for (unsigned i = 0; i < world->nflights; i++) {
        struct world_flight *flight = &world->flights[i];
        if (flight->file == WORLD_FILE_NONE || flight->from != from)
            continue;
        if (flight->ahead < units)
            land(world, flight);
        else
            flight->ahead -= units;
    }
}

void world_moved_bytes(struct world *world, const struct step *step,
                       const struct world_outcome *outcome)
{
    int file = socket_of(world, step);

    if (file == WORLD_FILE_NONE || outcome->ret < 0)
        return;
    unsigned units = world->files[file].messages ? 1 : (unsigned)outcome->ret;
    if (step->op == OP_READ)
        consume(world, file, units);
    else if (step->op == OP_WRITE || step->op == OP_SEND)
        world->files[file].unread += units;
}

void world_apply_send_fd(struct world *world, const struct step *step)
{
    int over = socket_of(world, step);
    int file = world_file_of_arg(world, step, 1);

    if (over == WORLD_FILE_NONE)
        return;
    unsigned ahead = world->files[over].unread++;
    /* Other families take the byte and pass over the descriptor. */
    if (file == WORLD_FILE_NONE || !world->files[over].unix_socket)
        return;
    assert(world->nflights < WORLD_FLIGHTS_MAX);
    world->files[file].refs++;
    world->flights[world->nflights++] =
        (struct world_flight){.file = (int16_t)file, .from = (int16_t)over, .ahead = ahead};
}

void world_apply_recv_fd(struct world *world, const struct step *step,
                         const struct world_outcome *outcome)
{
    int to = socket_of(world, step);
    bool took = outcome->ret >= 0 || outcome->err == EMFILE || outcome->err == ENOMSG;

    if (to == WORLD_FILE_NONE || !took)
        return;
    struct world_flight *flight = next_flight(world, to);
    if (flight && outcome->ret >= 0 && outcome->fds[0] >= 0 && outcome->fds[0] < PROGRAM_FD_LIMIT)
        world_install(world, step->actor, outcome->fds[0], flight->file,
                      step->args[1] & MSG_CMSG_CLOEXEC);
    consume(world, to, 1);
}

void world_drop_flights(struct world *world, int dead)
{
    for (unsigned i = 0; i < world->nflights; i++) {
        struct world_flight *flight = &world->flights[i];
        if (flight->file == WORLD_FILE_NONE)
            continue;
        const struct world_file *from = &world->files[flight->from];
        if (from->peer == dead || from->queued_on == dead)
            land(world, flight);
    }
}
