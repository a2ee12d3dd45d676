#include "fuzz/epdiff/free_findings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROOM_FIRST = 16,
};

static struct free_finding *find(const struct free_findings *findings, unsigned subject,
                                 const char *signature)
{
    for (unsigned i = 0; i < findings->count; i++) {
        struct free_finding *finding = findings->list[i];
        if (finding->subject == subject && strcmp(finding->shown.verdict.signature, signature) == 0)
            return finding;
    }
    return NULL;
}

static int append(struct free_findings *findings, struct free_finding *finding)
{
    if (findings->count == findings->room) {
        unsigned room = findings->room ? 2 * findings->room : ROOM_FIRST;
        struct free_finding **list = realloc(findings->list, room * sizeof(struct free_finding *));
        if (!list)
            return -ENOMEM;
        findings->list = list;
        findings->room = room;
    }
    findings->list[findings->count++] = finding;
    findings->news += !finding->known;
    return 0;
}

int free_findings_keep(struct free_findings *findings, struct free_finding **fresh,
                       struct free_finding **ret_changed)
{
    struct free_finding *there =
        find(findings, (*fresh)->subject, (*fresh)->shown.verdict.signature);

    *ret_changed = NULL;
    if (there) {
        uint64_t count = there->count + 1;
        if ((*fresh)->index < there->index) {
            *there = **fresh;
            *ret_changed = there;
        }
        there->count = count;
        return 0;
    }
    if (!(*fresh)->known && findings->news == FREE_FINDINGS_MAX)
        return 0;
    int err = append(findings, *fresh);
    if (err)
        return err;
    (*fresh)->count = 1;
    *ret_changed = *fresh;
    *fresh = NULL;
    return 0;
}

unsigned free_findings_count_known(const struct free_findings *findings)
{
    return findings->count - findings->news;
}

void free_findings_clear(struct free_findings *findings)
{
    for (unsigned i = 0; i < findings->count; i++)
        free(findings->list[i]);
    free(findings->list);
    memset(findings, 0, sizeof(*findings));
}
