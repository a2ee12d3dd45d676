/* Comparison: the first place at which two traces differ in a way that the contract does not allow.
 */
#ifndef EPDIFF_ORACLE_COMPARE_H
#define EPDIFF_ORACLE_COMPARE_H

#include "oracle/story.h"

enum difference_kind {
    DIFFERENCE_NONE,
    DIFFERENCE_END,     /* one run crashed or hung here */
    DIFFERENCE_STATE,   /* one had its turn, the other was skipped, ended or never reached */
    DIFFERENCE_LOST,    /* native returned from the call, the subject sleeps in it */
    DIFFERENCE_EXTRA,   /* the other way round */
    DIFFERENCE_RESULT,  /* both returned: value, errno, numbers or bytes differ */
    DIFFERENCE_EVENTS,  /* both waits returned events, and the multisets differ */
    DIFFERENCE_ORDER,   /* the same events in another order */
    DIFFERENCE_LIST,    /* a compared snapshot */
    DIFFERENCE_PROCESS, /* how or when a process ended */
    DIFFERENCE_TABLE,   /* the fd tables at the end */
    DIFFERENCE_UNPAID,  /* contract late-error: an error never surfaced */
};

struct difference {
    enum difference_kind kind;
    unsigned step;     /* during which it showed */
    unsigned observer; /* whose result it is */
    bool room;         /* two full waits: order alone may explain it */
    unsigned process;  /* LIST, PROCESS, TABLE */
    int number;        /* LIST: the epoll fd; TABLE: the number */
};

/* Finds the first difference. `story` need not have been replayed; it is when that is needed. */
void compare_traces(struct story *story, struct difference *ret_difference);

/* Splits two lists of events into what only one side has. Arrays hold PROGRAM_EVENTS_MAX. */
struct event_sets {
    unsigned nmissing, nextra;
    struct trace_event missing[PROGRAM_EVENTS_MAX]; /* native's alone */
    struct trace_event extra[PROGRAM_EVENTS_MAX];   /* the subject's alone */
};

void compare_events(const struct trace_step *native, const struct trace_step *subject,
                    struct event_sets *ret_sets);

#endif
