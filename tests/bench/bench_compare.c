/*
 * bench_compare: how many comparisons a second one core makes. A comparison is one generated
 * program run natively and under one subject, both executed, and the two traces judged.
 *
 *     bench_compare [SUBJECT [ROUNDS [PROGRAMS]]]      (shim:tls+syscall, 9 rounds, 400 programs)
 *
 * All mixtures take turns in every round, and the medians over the rounds are printed, so that
 * what else the machine does falls on all of them. `wall` counts the clock, `cpu` only the time
 * that the controller and the program's processes were on a CPU: what an idle core would give.
 */
#include "fuzz/execute/execute.h"
#include "fuzz/execute/observe.h"
#include "fuzz/generate/generate.h"
#include "oracle/judge.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS_MAX = 101,
    PROGRAMS_MAX = 20000,
    SERVERS = 2,
};

enum mixture {
    MIXTURE_PLAIN,   /* one thread */
    MIXTURE_PROCESS, /* one process, threads or not */
    MIXTURE_DEFAULT, /* as `epdiff fuzz` makes them */
    MIXTURES,
};

static const char *const mixture_names[MIXTURES] = {"single-thread", "single-process", "default"};

/* What one round of one mixture took, in seconds of one comparison. */
struct measure {
    double wall, cpu, controller_user, controller_system, program, judging;
    double switches; /* of the controller */
};

struct bench {
    struct executor *executors[SERVERS];
    int server_pids[SERVERS];
    struct trace *traces[SERVERS];
    unsigned nrounds, nprograms;
    struct program *programs[MIXTURES];
    struct measure measures[MIXTURES][ROUNDS_MAX];
    unsigned long different[MIXTURES];
};

static double now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

__attribute__((noreturn)) static void give_up(const char *why)
{
    fprintf(stderr, "bench_compare: %s\n", why);
    exit(3);
}

static bool fits(enum mixture mixture, const struct program *program)
{
    struct generate_mix mix;

    generate_measure(program, &mix);
    if (mixture == MIXTURE_PLAIN)
        return !mix.processes && !mix.threads;
    return mixture == MIXTURE_DEFAULT || !mix.processes;
}

static void generate(struct bench *bench)
{
    for (enum mixture m = 0; m < MIXTURES; m++) {
        bench->programs[m] = calloc(bench->nprograms, sizeof(struct program));
        if (!bench->programs[m])
            give_up("out of memory");
        unsigned count = 0;
        for (uint64_t index = 0; count < bench->nprograms; index++) {
            generate_program(1, index, &bench->programs[m][count]);
            count += fits(m, &bench->programs[m][count]);
        }
    }
}

/* CPU time of a server and of all that it has reaped, in seconds; by ticks of the clock. */
static double server_time(int pid)
{
    char path[64], text[1024];
    unsigned long ticks[4] = {0};

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(text, sizeof(text), file))
        give_up("a fork server is gone");
    fclose(file);
    const char *at = strrchr(text, ')');
    if (!at || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                      &ticks[0], &ticks[1], &ticks[2], &ticks[3]) != 4)
        give_up("/proc tells nothing");
    return (double)(ticks[0] + ticks[1] + ticks[2] + ticks[3]) / (double)sysconf(_SC_CLK_TCK);
}

static double program_time(const struct bench *bench)
{
    double time = 0;

    for (unsigned s = 0; s < SERVERS; s++)
        time += server_time(bench->server_pids[s]);
    return time;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Returns the time that judging took. */
static double compare(struct bench *bench, const struct program *program, unsigned long *different)
{
    struct judge_options options = {.contract = CONTRACT_EXACT};
    struct verdict verdict;
    char why[EXECUTE_WHY_MAX + 1];

    for (unsigned s = 0; s < SERVERS; s++) {
        /* As the first look of `epdiff fuzz` does: the native side may use a process again. */
        unsigned flags = s == 0 ? EXECUTE_SHARED : 0;
        if (executor_run(bench->executors[s], program, flags, bench->traces[s], why) != 0)
            give_up(why);
    }
    double start = now(CLOCK_THREAD_CPUTIME_ID);
    judge_traces(bench->traces[0], bench->traces[1], &options, &verdict);
    *different += !verdict.equal;
    return now(CLOCK_THREAD_CPUTIME_ID) - start;
}

static void measure(struct bench *bench, enum mixture mixture, unsigned round)
{
    struct measure *result = &bench->measures[mixture][round];
    struct rusage before, after;
    double judging = 0;

    getrusage(RUSAGE_SELF, &before);
    double program = program_time(bench);
    double wall = now(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < bench->nprograms; i++)
        judging += compare(bench, &bench->programs[mixture][i], &bench->different[mixture]);
    wall = now(CLOCK_MONOTONIC) - wall;
    program = program_time(bench) - program;
    getrusage(RUSAGE_SELF, &after);
    double count = bench->nprograms;
    double user = seconds(after.ru_utime) - seconds(before.ru_utime);
    double system = seconds(after.ru_stime) - seconds(before.ru_stime);
    *result = (struct measure){.wall = wall / count,
                               .cpu = (user + system + program) / count,
                               .controller_user = user / count,
                               .controller_system = system / count,
                               .program = program / count,
                               .judging = judging / count,
                               .switches = (double)(after.ru_nvcsw - before.ru_nvcsw) / count};
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Median over the rounds of the member at `offset`. */
static double median(const struct bench *bench, enum mixture mixture, size_t offset)
{
    double values[ROUNDS_MAX];

    for (unsigned i = 0; i < bench->nrounds; i++)
        memcpy(&values[i], (const char *)&bench->measures[mixture][i] + offset, sizeof(double));
    qsort(values, bench->nrounds, sizeof(double), compare_doubles);
    return values[bench->nrounds / 2];
}
#define MEDIAN(member) median(bench, m, offsetof(struct measure, member))

static void report(const struct bench *bench)
{
    printf("%-15s %7s %7s %8s %8s %8s %8s %8s %9s %9s\n", "comparisons/s", "wall", "cpu", "us each",
           "user", "system", "program", "judging", "switches", "different");
    for (enum mixture m = 0; m < MIXTURES; m++)
        printf("%-15s %7.0f %7.0f %8.1f %8.1f %8.1f %8.1f %8.1f %9.1f %9lu\n", mixture_names[m],
               1 / MEDIAN(wall), 1 / MEDIAN(cpu), MEDIAN(cpu) * 1e6, MEDIAN(controller_user) * 1e6,
               MEDIAN(controller_system) * 1e6, MEDIAN(program) * 1e6, MEDIAN(judging) * 1e6,
               MEDIAN(switches), bench->different[m] / bench->nrounds);
}

static int last_cpu(void)
{
    cpu_set_t set;
    int last = -1;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        give_up("no CPU");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        last = CPU_ISSET((unsigned)cpu, &set) ? cpu : last;
    return last;
}

/* The pids of this process's children that are no known server yet. */
static int new_child(const struct bench *bench, unsigned known)
{
    char path[64];
    int pid, found = 0;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    FILE *file = fopen(path, "re");
    if (!file)
        give_up("/proc tells nothing of children");
    while (fscanf(file, "%d", &pid) == 1) {
        bool old = false;
        for (unsigned i = 0; i < known; i++)
            old |= bench->server_pids[i] == pid;
        found = old ? found : pid;
    }
    fclose(file);
    return found;
}

static void start_servers(struct bench *bench, const char *subject_name)
{
    const char *const names[SERVERS] = {"native", subject_name};
    struct executor_options options = {.cpu = last_cpu()};
    struct subject subject;
    char why[EXECUTE_WHY_MAX + 1];

    for (unsigned s = 0; s < SERVERS; s++) {
        if (subject_parse(names[s], &subject, why, sizeof(why)) != 0 ||
            executor_start(&subject, &options, &bench->executors[s], why) != 0)
            give_up(why);
        bench->server_pids[s] = new_child(bench, s);
        bench->traces[s] = trace_new();
        if (!bench->traces[s])
            give_up("out of memory");
    }
    printf("native against %s, everything on CPU %d, medians of %u rounds of %u programs\n",
           executor_subject(bench->executors[1])->name, options.cpu, bench->nrounds,
           bench->nprograms);
}

static unsigned number(int argc, char **argv, int index, unsigned otherwise, unsigned max)
{
    unsigned long value = argc > index ? strtoul(argv[index], NULL, 10) : otherwise;

    return value < 1 ? 1 : value > max ? max : (unsigned)value;
}

int main(int argc, char **argv)
{
    static struct bench bench;

    bench.nrounds = number(argc, argv, 2, 9, ROUNDS_MAX);
    bench.nprograms = number(argc, argv, 3, 400, PROGRAMS_MAX);
    start_servers(&bench, argc > 1 ? argv[1] : "shim:tls+syscall");
    generate(&bench);
    for (unsigned round = 0; round < bench.nrounds; round++) {
        for (enum mixture m = 0; m < MIXTURES; m++)
            measure(&bench, m, round);
    }
    report(&bench);
    for (unsigned s = 0; s < SERVERS; s++) {
        executor_stop(bench.executors[s]);
        trace_free(bench.traces[s]);
    }
    for (enum mixture m = 0; m < MIXTURES; m++)
        free(bench.programs[m]);
    return 0;
}
