/* The live status line of long commands: rewritten in place on a terminal, absent elsewhere. */
#ifndef EPDIFF_EPDIFF_STATUS_H
#define EPDIFF_EPDIFF_STATUS_H

/* Replaces the status line on stderr, if stderr is a terminal. Safe from any thread. */
__attribute__((format(printf, 1, 2))) void status_show(const char *format, ...);

/* Takes the status line away, so that other output can follow. */
void status_clear(void);

#endif
