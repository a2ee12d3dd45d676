/* Text in XML and HTML. */
#ifndef EPDIFF_EPDIFF_MARKUP_H
#define EPDIFF_EPDIFF_MARKUP_H

#include <stdio.h>

/*
 * Writes text so that it is nothing but text there, in content and in quoted attributes. Control
 * characters other than tab and newline are left out, for XML has no way to write them; bytes that
 * are no UTF-8 become '?'.
 */
void markup_write_text(FILE *out, const char *text);

#endif
