/* Findings for people, by kind. */
#include "fuzz/epdiff/kinds.h"

#include "fuzz/epdiff/show.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What findings of one class and one hazard have in common. */
struct kind {
    uint64_t programs; /* that showed one of its signatures */
    unsigned signatures;
    const struct finding *example; /* the one with the smallest program */
};

struct kinds {
    unsigned count, signatures;
    struct kind *list;
};

static bool is_of_kind(const struct finding *finding, const struct kind *kind)
{
    return finding->verdict.class == kind->example->verdict.class &&
           finding->verdict.hazard == kind->example->verdict.hazard;
}

static void add(struct kinds *kinds, const struct finding *finding)
{
    unsigned i = 0;

    while (i < kinds->count && !is_of_kind(finding, &kinds->list[i]))
        i++;
    struct kind *kind = &kinds->list[i];
    if (i == kinds->count) {
        *kind = (struct kind){.example = finding};
        kinds->count++;
    }
    kind->programs += finding->count;
    kind->signatures++;
    kinds->signatures++;
    if (finding->program.nsteps < kind->example->program.nsteps)
        kind->example = finding;
}

static int compare_kinds(const void *a, const void *b)
{
    const struct kind *x = a, *y = b;

    if (x->programs != y->programs)
        return x->programs > y->programs ? -1 : 1;
    return strcmp(x->example->verdict.signature, y->example->verdict.signature);
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void show_kind(const struct kind *kind, const struct subject *subject, const char *folder)
{
    char path[PATH_MAX];

    printf("\n  ");
    show_verdict_title(stdout, &kind->example->verdict);
    printf("\n    %" PRIu64 " program%s, %u signature%s; the smallest:\n", kind->programs,
           plural(kind->programs), kind->signatures, plural(kind->signatures));
    show_wrapped(stdout, kind->example->verdict.explanation, 118, "    ");
    if (finding_path(kind->example, subject, folder, path, sizeof(path)) == 0)
        printf("    epdiff run %s%s\n",
               signature_is_metamorphic(kind->example->verdict.signature) ? "--metamorphic " : "",
               path);
}

/* The rarer kinds: "interest A5 (3), crash C2 (1)", in as many lines as it takes. */
static void show_others(const struct kinds *kinds)
{
    enum { NAME_MAX_EACH = 64 };
    size_t size = (size_t)kinds->count * NAME_MAX_EACH;
    char *text = calloc(1, size + 1);

    if (!text)
        return;
    for (unsigned i = KINDS_SHOWN_MAX; i < kinds->count; i++) {
        const struct verdict *verdict = &kinds->list[i].example->verdict;
        size_t length = strlen(text);
        snprintf(text + length, size - length, "%s%s %s (%" PRIu64 ")", length ? ", " : "",
                 class_names[verdict->class], hazard_codes[verdict->hazard],
                 kinds->list[i].programs);
    }
    printf("\n  and, with the number of programs:\n");
    show_wrapped(stdout, text, 118, "    ");
    free(text);
}

static void show_subject(const struct kinds *kinds, const struct subject *subject,
                         const char *folder)
{
    printf("%s: %u kind%s of divergence in %u signature%s, the most frequent first\n",
           subject->name, kinds->count, plural(kinds->count), kinds->signatures,
           plural(kinds->signatures));
    for (unsigned i = 0; i < kinds->count && i < KINDS_SHOWN_MAX; i++)
        show_kind(&kinds->list[i], subject, folder);
    if (kinds->count > KINDS_SHOWN_MAX)
        show_others(kinds);
    printf("\n");
}

int kinds_show(const struct findings *findings, const struct subject *subjects, unsigned nsubjects,
               const char *folder)
{
    struct kinds kinds = {.list = calloc((size_t)CLASSES * HAZARDS, sizeof(*kinds.list))};

    if (!kinds.list)
        return -ENOMEM;
    for (unsigned s = 0; s < nsubjects; s++) {
        kinds.count = kinds.signatures = 0;
        for (const struct finding *finding = findings->table; finding; finding = finding->hh.next) {
            if (finding->confirmed && !finding->known && finding->subject == s)
                add(&kinds, finding);
        }
        qsort(kinds.list, kinds.count, sizeof(*kinds.list), compare_kinds);
        if (kinds.count)
            show_subject(&kinds, &subjects[s], folder);
    }
    free(kinds.list);
    return 0;
}
