/* What must hold of every text that was accepted and every program that was decoded. */
#ifndef EPDIFF_TARGETS_ROUND_TRIP_H
#define EPDIFF_TARGETS_ROUND_TRIP_H

#include "fuzz/program/document.h"

/*
 * The document is written as text, read back equal, and written the same again; the program passes
 * program_check. Anything else is a finding, and does not return.
 */
void check_text_round_trip(const struct document *document);

/* The program passes program_check; `maker` made it. */
void check_program(const struct program *program, const char *maker);

#endif
