/* How much a subject deferred, seen from outside: by the kernel's interest lists after each step.
 */
#ifndef EPDIFF_EPDIFF_DEFERRAL_H
#define EPDIFF_EPDIFF_DEFERRAL_H

#include "oracle/trace.h"

/*
 * Adds up over the steps of one program, from runs with evidence: the epoll_ctl calls that are
 * eligible, and those of them that the kernel had not heard of when they returned. Eligible is what
 * a layer could defer without being found out: natively the call succeeds and changes the interest
 * list; it has neither EPOLLEXCLUSIVE nor EPOLLWAKEUP; its target is a pipe, socket, eventfd or
 * timerfd; the instance is in no other instance's list and in no other process, and no actor sleeps
 * in a wait on it. docs/verdicts.md says why.
 */
void deferral_count(const struct trace *native, const struct trace *subject, uint64_t *eligible,
                    uint64_t *deferred);

#endif
