/* Program files: folders are searched for files that end in .epd. */
#ifndef EPDIFF_EPDIFF_FILES_H
#define EPDIFF_EPDIFF_FILES_H

#include <stddef.h>

struct file_list {
    size_t count;
    char **paths; /* sorted, each once */
};

/*
 * Adds a file as it is, or all .epd files of a folder and the folders below it. Returns 0, or a
 * negative errno if the path cannot be read; *ret_bad (size bytes) then names what could not.
 */
int files_collect(struct file_list *list, const char *path, char *ret_bad, size_t size);

/* Sorts and drops doubles. Call once after collecting. */
void files_sort(struct file_list *list);

void files_free(struct file_list *list);

#endif
