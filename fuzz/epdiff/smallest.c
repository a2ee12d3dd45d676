/* The smallest program of each hazard. */
#include "fuzz/epdiff/smallest.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void smallest_init(struct smallest *smallest)
{
    smallest->table = NULL;
    pthread_mutex_init(&smallest->lock, NULL);
}

void smallest_free(struct smallest *smallest)
{
    struct smallest_group *group, *next;

    HASH_ITER(hh, smallest->table, group, next)
    {
        HASH_DEL(smallest->table, group);
        free(group);
    }
    pthread_mutex_destroy(&smallest->lock);
}

void smallest_key(unsigned subject, const struct program *program, const struct verdict *quick,
                  char ret_key[SMALLEST_KEY_MAX + 1])
{
    uint64_t effects = 0;

    for (unsigned i = 0; i < program->nsteps; i++)
        effects |= UINT64_C(1) << op_table[program->steps[i].op].effect;
    snprintf(ret_key, SMALLEST_KEY_MAX + 1, "%u %" PRIx64 " %s", subject, effects,
             quick->signature);
}

static struct smallest_group *find(const struct smallest *smallest, const char *key)
{
    struct smallest_group *group;

    HASH_FIND_STR(smallest->table, key, group);
    return group;
}

static struct smallest_group *add(struct smallest *smallest, const char *key, unsigned subject)
{
    struct smallest_group *group = calloc(1, sizeof(*group));

    if (!group)
        return NULL;
    snprintf(group->key, sizeof(group->key), "%s", key);
    group->subject = subject;
    HASH_ADD_STR(smallest->table, key, group);
    return group;
}

bool smallest_note(struct smallest *smallest, const char *key, unsigned subject, uint64_t index)
{
    bool wanted = false;

    pthread_mutex_lock(&smallest->lock);
    struct smallest_group *group = find(smallest, key);
    if (!group)
        group = add(smallest, key, subject);
    if (group) {
        group->count++;
        wanted = !group->judged || index < group->index;
    }
    pthread_mutex_unlock(&smallest->lock);
    return wanted;
}

static struct smallest_group *find_hazard(const struct smallest *smallest, unsigned subject,
                                          enum hazard hazard, bool confirmed)
{
    struct smallest_group *found = NULL;

    for (struct smallest_group *group = smallest->table; group; group = group->hh.next) {
        if (group->subject != subject || !group->judged || group->verdict.hazard != hazard)
            continue;
        if ((group->confirmed || !confirmed) && (!found || group->index < found->index))
            found = group;
    }
    return found;
}

bool smallest_judge(struct smallest *smallest, const char *key, uint64_t index,
                    const struct verdict *close)
{
    bool wanted = false;

    pthread_mutex_lock(&smallest->lock);
    struct smallest_group *group = find(smallest, key);
    if (group && (!group->judged || index < group->index)) {
        const struct smallest_group *best =
            find_hazard(smallest, group->subject, close->hazard, true);
        wanted = !best || index < best->index;
        group->judged = true;
        group->confirmed = false;
        group->index = index;
        group->verdict = *close;
    }
    pthread_mutex_unlock(&smallest->lock);
    return wanted;
}

void smallest_confirm(struct smallest *smallest, const char *key, uint64_t index)
{
    pthread_mutex_lock(&smallest->lock);
    struct smallest_group *group = find(smallest, key);
    if (group && group->judged && group->index == index)
        group->confirmed = true;
    pthread_mutex_unlock(&smallest->lock);
}

void smallest_dismiss(struct smallest *smallest, const char *key, uint64_t index)
{
    pthread_mutex_lock(&smallest->lock);
    struct smallest_group *group = find(smallest, key);
    if (group) {
        assert(group->count > 0);
        group->count--;
        if (group->judged && group->index == index)
            group->judged = group->confirmed = false;
    }
    pthread_mutex_unlock(&smallest->lock);
}

struct smallest_group *smallest_find(const struct smallest *smallest, unsigned subject,
                                     enum hazard hazard, bool confirmed, uint64_t *ret_count)
{
    uint64_t count = 0;

    for (const struct smallest_group *group = smallest->table; group; group = group->hh.next) {
        if (group->subject == subject && group->judged && group->verdict.hazard == hazard)
            count += group->count;
    }
    *ret_count = count;
    return find_hazard(smallest, subject, hazard, confirmed);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

unsigned smallest_signatures(const struct smallest *smallest, unsigned subject)
{
    const char **all = calloc(HASH_COUNT(smallest->table) + 1, sizeof(*all));
    unsigned count = 0, different = 0;

    if (!all)
        return 0;
    for (const struct smallest_group *group = smallest->table; group; group = group->hh.next) {
        if (group->subject == subject && group->judged)
            all[count++] = group->verdict.signature;
    }
    qsort(all, count, sizeof(*all), compare_texts);
    for (unsigned i = 0; i < count; i++)
        different += i == 0 || strcmp(all[i], all[i - 1]) != 0;
    free(all);
    return different;
}
