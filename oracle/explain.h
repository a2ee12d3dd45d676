/* From a difference to a verdict: class, hazard, signature, explanation. */
#ifndef EPDIFF_ORACLE_EXPLAIN_H
#define EPDIFF_ORACLE_EXPLAIN_H

#include "oracle/compare.h"

void explain_difference(struct story *story, const struct difference *difference,
                        struct verdict *ret_verdict);

#endif
