/*
 * compare_runs: medians and ratios of runs that took turns, for benchmarks that are scripts.
 *
 *     printf '%s\n' 'native 100' 'shim 90' 'native 104' 'shim 95' ... | compare_runs
 *
 * A line of the input is a subject and a number. The i-th number of a subject belongs to round i;
 * the first subject is what the others are compared with. See stats.h for the interval.
 */
#include "tests/bench/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUBJECTS_MAX = 16,
    NAME_MAX_LENGTH = 63,
};

static struct subject {
    char name[NAME_MAX_LENGTH + 1];
    double values[BENCH_RUNS_MAX];
    size_t count;
} subjects[SUBJECTS_MAX];
static size_t nsubjects;

__attribute__((noreturn)) static void give_up(const char *why)
{
    fprintf(stderr, "compare_runs: %s\n", why);
    exit(2);
}

static struct subject *find(const char *name)
{
    for (size_t index = 0; index < nsubjects; index++) {
        if (strcmp(subjects[index].name, name) == 0)
            return &subjects[index];
    }
    if (nsubjects == SUBJECTS_MAX)
        give_up("too many subjects");
    strcpy(subjects[nsubjects].name, name);
    return &subjects[nsubjects++];
}

int main(void)
{
    char name[NAME_MAX_LENGTH + 1];
    double value;
    int fields;

    while ((fields = scanf("%63s %lf", name, &value)) == 2) {
        struct subject *subject = find(name);

        if (subject->count == BENCH_RUNS_MAX)
            give_up("too many rounds");
        subject->values[subject->count++] = value;
    }
    if (fields != EOF || nsubjects == 0)
        give_up("a line is a subject and a number");
    printf("%-28s %6s %14s %8s  %s\n", "subject", "rounds", "median", "ratio", "interval");
    for (size_t index = 0; index < nsubjects; index++) {
        struct subject *subject = &subjects[index];

        if (subject->count != subjects[0].count)
            give_up("the subjects have not as many rounds");
    }
    for (size_t index = 0; index < nsubjects; index++) {
        struct subject *subject = &subjects[index];
        struct bench_ratio ratio = bench_ratio(subject->values, subjects[0].values, subject->count);
        double sorted[BENCH_RUNS_MAX];

        memcpy(sorted, subject->values, sizeof(sorted));
        printf("%-28s %6zu %14.6g %8.4f  %.4f .. %.4f (%.1f %%)\n", subject->name, subject->count,
               bench_median(sorted, subject->count), ratio.ratio, ratio.low, ratio.high,
               100 * ratio.confidence);
    }
    return 0;
}
