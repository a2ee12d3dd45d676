/* Every limit of a program, in one place. A program that would pass one is refused, never cut. */
#ifndef EPDIFF_PROGRAM_LIMITS_H
#define EPDIFF_PROGRAM_LIMITS_H

enum {
    PROGRAM_STEPS_MAX = 256, /* steps of one program */
    PROGRAM_SLOTS_MAX = 128, /* descriptors that a program can name */
    PROGRAM_ACTORS_MAX = 16, /* threads of all processes, main included */
    PROGRAM_ARGS_MAX = 5,    /* arguments of one operation */
    PROGRAM_OUTS_MAX = 2,    /* slots that one operation binds */
    PROGRAM_NAME_MAX = 15,   /* characters of a slot's or an actor's name */
    PROGRAM_EVENTS_MAX = 64, /* events that one wait can hand out, in a buffer and in a trace */
    /* EP_MAX_EVENTS of fs/eventpoll.c: beyond it a wait is EINVAL and hands out nothing. */
    PROGRAM_EVENTS_EINVAL = 178956970,
    PROGRAM_IO_MAX = 65536,   /* bytes that one read or write can move */
    PROGRAM_FD_LIMIT = 256,   /* RLIMIT_NOFILE of the processes that run a program */
    GENERATE_THREADS_MAX = 4, /* threads per generated program, main included */
    GENERATE_PROCESSES_MAX = 3,
    DOCUMENT_EXPECTS_MAX = 16, /* expectation lines of one text file */
    DOCUMENT_BYTES_MAX = 1 << 20,
};

#endif
