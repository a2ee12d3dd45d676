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
    smallest->signatures = NULL;
    memset(smallest->confirmed, 0xff, sizeof(smallest->confirmed));
    pthread_mutex_init(&smallest->lock, NULL);
}

void smallest_free(struct smallest *smallest)
{
    struct smallest_group *group, *next;
    struct smallest_signature *signature, *other;

    HASH_ITER(hh, smallest->table, group, next)
    {
        HASH_DEL(smallest->table, group);
        free(group->verdict);
        free(group);
    }
    HASH_ITER(hh, smallest->signatures, signature, other)
    {
        HASH_DEL(smallest->signatures, signature);
        free(signature);
    }
    pthread_mutex_destroy(&smallest->lock);
}

/* FNV-1a, one value at a time. */
static uint64_t hash(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * UINT64_C(1099511628211);
}

/* Which kinds of operations one actor makes. */
static uint64_t hash_effects(const struct program *program)
{
    uint64_t effects = 0;

    for (unsigned i = 0; i < program->nsteps; i++)
        effects |= UINT64_C(1) << op_table[program->steps[i].op].effect;
    return effects;
}

/*
 * Who does what kind of thing to which descriptor: whether two actors meet at one file, and in
 * which order, is what many hazards are about, and the signature does not have it.
 */
static uint64_t hash_meetings(const struct program *program)
{
    uint64_t sum = UINT64_C(14695981039346656037);

    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *step = &program->steps[i];
        const struct op_info *op = &op_table[step->op];
        sum = hash(hash(sum, step->actor), op->effect);
        for (unsigned arg = 0; arg < op->nargs; arg++) {
            if (op->args[arg] == ARG_CTL_OP || step->tags[arg] == TAG_SLOT)
                sum = hash(sum, (uint64_t)step->args[arg]);
        }
    }
    return sum;
}

void smallest_key(unsigned subject, const struct program *program, const struct verdict *quick,
                  char ret_key[SMALLEST_KEY_MAX + 1])
{
    uint64_t sum = program->nactors > 1 ? hash_meetings(program) : hash_effects(program);

    snprintf(ret_key, SMALLEST_KEY_MAX + 1, "%u %" PRIx64 " %s", subject, sum, quick->signature);
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

static const struct smallest_signature *find_signature(struct smallest *smallest, const char *text)
{
    struct smallest_signature *signature;

    HASH_FIND_STR(smallest->signatures, text, signature);
    if (!signature && (signature = calloc(1, sizeof(*signature)))) {
        snprintf(signature->text, sizeof(signature->text), "%s", text);
        HASH_ADD_STR(smallest->signatures, text, signature);
    }
    return signature;
}

bool smallest_judge(struct smallest *smallest, const char *key, uint64_t index,
                    const struct verdict *close)
{
    bool wanted = false;

    pthread_mutex_lock(&smallest->lock);
    struct smallest_group *group = find(smallest, key);
    const struct smallest_signature *signature = find_signature(smallest, close->signature);
    if (group && signature && (!group->judged || index < group->index)) {
        wanted = index < smallest->confirmed[group->subject][close->hazard];
        group->judged = true;
        group->confirmed = false;
        group->index = index;
        group->hazard = close->hazard;
        group->signature = signature;
    }
    pthread_mutex_unlock(&smallest->lock);
    return wanted;
}

void smallest_confirm(struct smallest *smallest, const char *key, uint64_t index,
                      const struct verdict *close)
{
    pthread_mutex_lock(&smallest->lock);
    struct smallest_group *group = find(smallest, key);
    if (group && group->judged && group->index == index) {
        uint64_t *lowest = &smallest->confirmed[group->subject][close->hazard];
        if (!group->verdict)
            group->verdict = malloc(sizeof(*group->verdict));
        if (group->verdict) {
            *group->verdict = *close;
            group->confirmed = true;
            *lowest = index < *lowest ? index : *lowest;
        }
    }
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
    struct smallest_group *found = NULL;

    *ret_count = 0;
    for (struct smallest_group *group = smallest->table; group; group = group->hh.next) {
        if (group->subject != subject || !group->judged || group->hazard != hazard)
            continue;
        *ret_count += group->count;
        if ((group->confirmed || !confirmed) && (!found || group->index < found->index))
            found = group;
    }
    return found;
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
            all[count++] = group->signature->text;
    }
    qsort(all, count, sizeof(*all), compare_texts);
    for (unsigned i = 0; i < count; i++)
        different += i == 0 || strcmp(all[i], all[i - 1]) != 0;
    free(all);
    return different;
}
