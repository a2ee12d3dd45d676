/* The manual of operations, written from the tables: docs/operations.md and `epdiff ops`. */
#ifndef EPDIFF_PROGRAM_OPERATIONS_DOC_H
#define EPDIFF_PROGRAM_OPERATIONS_DOC_H

#include <stdio.h>

/* Writes the whole page. A unit test holds the committed page against it. */
void operations_write_markdown(FILE *out);

#endif
