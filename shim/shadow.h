/*
 * What the shim knows of this process's descriptors: which open file description each number names,
 * and which of them each epoll instance has in its interest list, as the program sees it: with the
 * operations that are pending carried out. It holds what the shim saw happen and nothing else: a
 * number of any other origin is unknown, and stays so until it is closed.
 *
 * All memory is reserved at the start. Nothing here allocates, takes a lock or can fail in the
 * middle; the caller holds the shim's lock (inside.h).
 */
#ifndef SHIM_SHADOW_H
#define SHIM_SHADOW_H

#include "shim/pending.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum shadow_kind {
    SHADOW_UNKNOWN,
    SHADOW_PIPE,
    SHADOW_SOCKET,
    SHADOW_DATAGRAM, /* a socket that is no stream */
    SHADOW_EVENTFD,
    SHADOW_TIMERFD,
    SHADOW_EPOLL,
    SHADOW_OTHER, /* whose poll method is not vouched for */
};

/* Why an instance defers no more. The texts are in shadow_stop_names. */
enum shadow_stop {
    STOP_NOT,
    STOP_NESTED,     /* it is a target of another instance */
    STOP_FOREIGN,    /* it watches a file that is no pipe, socket, eventfd or timerfd */
    STOP_POLLED,     /* poll, select or their kin looked at it */
    STOP_DUPLICATED, /* it has two numbers */
    STOP_FORKED,     /* another process has it, or had it */
    STOP_SENT,       /* it went over a socket */
    STOP_COUNT,
};

extern const char *const shadow_stop_names[STOP_COUNT];

struct shadow_op;
struct shadow_item;

/* An open file description. */
struct shadow_file {
    enum shadow_kind kind;
    unsigned int numbers; /* numbers of this process that name it */
    unsigned int pins;    /* waits on it that are under way */
    bool duplicated;      /* it had two numbers at some time */
    bool elsewhere;       /* another process, or a message, may hold it */
    /* An interest list may have it under a number that no longer names it: what is registered
     * under its numbers is no longer certain. */
    bool ghost;
    /* Of an epoll instance: */
    enum shadow_stop stop;
    unsigned int waiters;
    int number; /* what names it; it has one number as long as it defers */
    size_t npending;
    struct shadow_op *first, *last; /* pending, in the order of the calls */
    struct shadow_item *items;      /* its interest list */
    struct shadow_file *next_free;
};

/* An entry of an interest list. */
struct shadow_item {
    struct shadow_file *instance;
    int number;
    uint32_t events;
    struct shadow_item *next_of_number, **link_of_number;
    struct shadow_item *next_of_instance, **link_of_instance;
};

/* A call that was answered and not carried out yet. */
struct shadow_op {
    struct shadow_file *instance;
    int op;
    int number;
    struct epoll_event event;
    struct shadow_op *next, *previous;                     /* on the same instance */
    struct shadow_op *next_of_number, *previous_of_number; /* on the same target's number */
};

struct shadow_number {
    struct shadow_file *file; /* NULL: unknown */
    struct shadow_item *items;
    struct shadow_op *first, *last; /* pending on it */
    uint64_t closed;                /* shadow_now when it was last closed */
    unsigned int closing;           /* closes of it that are on their way to the kernel */
    bool touched; /* it was unknown when an epoll_ctl named it: lists may have it */
};

/* Reserves the memory. Returns false if there is none: then nothing can be known. */
bool shadow_start(void);

/* A stamp for shadow_opened: take it before the call that makes the number. Needs no lock. */
uint64_t shadow_now(void);

/* The table; shadow_number and shadow_file read it, and nobody else outside shadow.c. */
extern struct shadow_number *shadow_numbers __attribute__((visibility("hidden")));
extern size_t shadow_numbers_size __attribute__((visibility("hidden")));

/* The entry of a number, or NULL if it is out of the table's range. */
static inline struct shadow_number *shadow_number(int number)
{
    return number >= 0 && (size_t)number < shadow_numbers_size ? &shadow_numbers[number] : NULL;
}

/* The file that a number names, or NULL if that is unknown. */
static inline struct shadow_file *shadow_file(int number)
{
    struct shadow_number *entry = shadow_number(number);

    return entry == NULL ? NULL : entry->file;
}

/*
 * The program was given this number for a new file. Returns the file, or NULL if it stays unknown:
 * there is no room, or the number may have been closed again since `before`. *ret_missed says that
 * the number was known as open, so a close passed the shim by; what depended on it is forgotten.
 */
struct shadow_file *shadow_opened(int number, enum shadow_kind kind, uint64_t before,
                                  bool *ret_missed);

/* The same for a second number of a file. */
void shadow_duplicated(struct shadow_file *file, int number, uint64_t before, bool *ret_missed);

/*
 * The number is about to be closed, and nothing is pending on it. From now on it is unknown, until
 * it is opened behind shadow_close_end: of a file that gets the number before, nobody can tell
 * whether this close is still to come.
 */
void shadow_close_begin(int number);
void shadow_close_end(int number);

/* The same for a range: also numbers that are being made in these moments stay unknown. */
void shadow_close_range_begin(unsigned int first, unsigned int last);
void shadow_close_range_end(void);

/* True if closing this number ends its file for certain, save for calls of other threads. */
bool shadow_is_last(int number);

void shadow_pin(struct shadow_file *file);
void shadow_unpin(struct shadow_file *file);

/* The item of the pair, or NULL. */
struct shadow_item *shadow_item(const struct shadow_file *instance, int number);

/* NULL if there is no room. The pair has no item yet. */
struct shadow_item *shadow_item_add(struct shadow_file *instance, int number, uint32_t events);

void shadow_item_remove(struct shadow_item *item);

/* Forgets the interest list of an instance that defers no more. */
void shadow_items_forget(struct shadow_file *instance);

/* Appends a call to the instance's and the number's pending ones. NULL if there is no room. */
struct shadow_op *shadow_op_add(struct shadow_file *instance, int op, int number,
                                const struct epoll_event *event);

/* Takes it out of both lists. */
void shadow_op_remove(struct shadow_op *op);

/* Calls `visit` for every file that a number names. It must not open or close any. */
void shadow_each_file(void (*visit)(struct shadow_file *file));

/* One above the highest number that was ever known. */
int shadow_numbers_end(void);

#endif
