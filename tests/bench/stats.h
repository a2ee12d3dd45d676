/*
 * What a benchmark says of runs that took turns: medians, and the ratio of one subject to another
 * with a confidence interval.
 *
 * Round r of the one is paired with round r of the other, so what else the machine did in that
 * round is in both. The interval is that of the sign test: between the k-th smallest and the k-th
 * largest of the n ratios, which holds the true median whatever the ratios' distribution is, as
 * often as a binomial(n, 1/2) is in [k, n - k]. It has no random numbers in it.
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

#define BENCH_CONFIDENCE 0.95
#define BENCH_RUNS_MAX   1001

struct bench_ratio {
    double ratio; /* median of the ratios of the pairs */
    double low, high;
    double confidence; /* what the interval has; less than BENCH_CONFIDENCE below 6 pairs */
};

/* Both sort the values in place. count > 0. */
double bench_median(double *values, size_t count);
double bench_max(double *values, size_t count);

/* values[i] / base[i] for i < count; 0 < count <= BENCH_RUNS_MAX. */
struct bench_ratio bench_ratio(const double *values, const double *base, size_t count);

#endif
