#include "tests/bench/stats.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    assert(count > 0);
    qsort(values, count, sizeof(double), compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double bench_max(double *values, size_t count)
{
    assert(count > 0);
    qsort(values, count, sizeof(double), compare_doubles);
    return values[count - 1];
}

/* The chance that a binomial(n, 1/2) is exactly k. */
static double binomial(size_t n, size_t k)
{
    double chance = -(double)n * log(2);

    for (size_t index = 0; index < k; index++)
        chance += log((double)(n - index)) - log((double)(index + 1));
    return exp(chance);
}

/* How many values to leave out on each side; what the interval between them is worth. */
static size_t interval(size_t count, double *ret_confidence)
{
    size_t out = 0;
    double tail = binomial(count, 0);

    while (out + 1 <= (count - 1) / 2 &&
           2 * (tail + binomial(count, out + 1)) <= 1 - BENCH_CONFIDENCE) {
        out++;
        tail += binomial(count, out);
    }
    *ret_confidence = 1 - 2 * tail;
    return out;
}

struct bench_ratio bench_ratio(const double *values, const double *base, size_t count)
{
    double ratios[BENCH_RUNS_MAX];
    struct bench_ratio result;

    assert(count > 0 && count <= BENCH_RUNS_MAX);
    for (size_t index = 0; index < count; index++)
        ratios[index] = values[index] / base[index];
    result.ratio = bench_median(ratios, count);
    size_t out = interval(count, &result.confidence);
    result.low = ratios[out];
    result.high = ratios[count - 1 - out];
    return result;
}
