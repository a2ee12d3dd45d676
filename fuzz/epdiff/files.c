/* Program files. */
#include "fuzz/epdiff/files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FOLDER_DEPTH_MAX = 16,
};

static int add_file(struct file_list *list, const char *path)
{
    char **paths = realloc(list->paths, (list->count + 1) * sizeof(*paths));
    if (!paths)
        return -ENOMEM;
    list->paths = paths;
    paths[list->count] = strdup(path);
    if (!paths[list->count])
        return -ENOMEM;
    list->count++;
    return 0;
}

static int collect(struct file_list *list, const char *path, unsigned depth, char *ret_bad,
                   size_t size);

static int collect_folder(struct file_list *list, const char *path, unsigned depth, char *ret_bad,
                          size_t size)
{
    char below[PATH_MAX];
    int err = 0;

    DIR *folder = opendir(path);
    if (!folder) {
        snprintf(ret_bad, size, "%s", path);
        return -errno;
    }
    for (struct dirent *entry = readdir(folder); !err && entry; entry = readdir(folder)) {
        size_t length = strlen(entry->d_name);
        bool program = length > 4 && strcmp(entry->d_name + length - 4, ".epd") == 0;
        if (entry->d_name[0] == '.' || (!program && entry->d_type == DT_REG))
            continue;
        if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= (int)sizeof(below)) {
            snprintf(ret_bad, size, "%s", path);
            err = -ENAMETOOLONG;
        } else if (program || entry->d_type == DT_DIR) {
            err = collect(list, below, depth + 1, ret_bad, size);
        }
    }
    closedir(folder);
    return err;
}

static int collect(struct file_list *list, const char *path, unsigned depth, char *ret_bad,
                   size_t size)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        snprintf(ret_bad, size, "%s", path);
        return -errno;
    }
    if (!S_ISDIR(status.st_mode))
        return add_file(list, path);
    if (depth > FOLDER_DEPTH_MAX) {
        snprintf(ret_bad, size, "%s", path);
        return -ELOOP;
    }
    return collect_folder(list, path, depth, ret_bad, size);
}

int files_collect(struct file_list *list, const char *path, char *ret_bad, size_t size)
{
    char trimmed[PATH_MAX];
    size_t length = strlen(path);

    /* "corpus/" and "corpus" name the same files. */
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length >= sizeof(trimmed)) {
        snprintf(ret_bad, size, "%s", path);
        return -ENAMETOOLONG;
    }
    memcpy(trimmed, path, length);
    trimmed[length] = '\0';
    return collect(list, trimmed, 0, ret_bad, size);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void files_sort(struct file_list *list)
{
    size_t kept = 0;

    if (list->count == 0)
        return;
    qsort(list->paths, list->count, sizeof(list->paths[0]), compare_paths);
    for (size_t i = 1; i < list->count; i++) {
        if (strcmp(list->paths[i], list->paths[kept]) == 0)
            free(list->paths[i]);
        else
            list->paths[++kept] = list->paths[i];
    }
    list->count = kept + 1;
}

void files_free(struct file_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct file_list){.count = 0};
}
