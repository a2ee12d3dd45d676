/*
 * bench_shim: what the shim costs and saves. docs/bench.md says how to run and read it.
 *
 *     bench_shim [--rounds N] [--operations N] [--only NAME] [--json] [--list]
 *                [--shim LIBRARY] [--before LIBRARY]
 *
 * Each case is run natively and under each subject; the subjects take turns in every round, so that
 * what else the machine does falls on all of them. A run is a process of its own (workload.c). In
 * the end each subject is run once more under a tracer that counts its system calls.
 */
#include "tests/bench/stats.h"
#include "tests/bench/trace.h"
#include "tests/bench/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS_MAX = BENCH_RUNS_MAX,
    FIGURES_MAX = 8,
    SUBJECTS_MAX = 8,
    OUTPUT_MAX = 4096,
};

static const struct subject {
    const char *name;
    const char *policy, *backend; /* NULL: natively */
    bool before;                  /* under the library that --before names */
} subjects[] = {
    {"native", NULL, NULL, false},
    {"tls+syscall", "tls", "syscall", false},
    {"tls+uring", "tls", "uring", false},
    {"transparent+syscall", "transparent", "syscall", false},
    {"transparent+uring", "transparent", "uring", false},
    {"before+syscall", "transparent", "syscall", true},
    {"before+uring", "transparent", "uring", true},
};
#define NSUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static const struct bench_case {
    const char *name, *workload;
    long every;
    unsigned threads;
    double share;     /* of --operations */
    bool calls;       /* are counted */
    const char *base; /* the case of one thread that its saving is compared with */
    const char *what;
} cases[] = {
    {"churn-1", "churn", 1, 1, 1, true, NULL, "connections come and go, a wait every call"},
    {"churn-8", "churn", 8, 1, 1, true, NULL, "the same, a wait every 8 calls"},
    {"churn-64", "churn", 64, 1, 1, true, NULL, "the same, a wait every 64 calls"},
    {"own-1", "own", 16, 1, 1, true, NULL, "an instance a thread, a wait every 16 calls"},
    {"own-2", "own", 16, 2, 1, true, "own-1", "the same, 2 threads"},
    {"own-4", "own", 16, 4, 1, true, "own-1", "the same, 4 threads"},
    {"own-8", "own", 16, 8, 1, true, "own-1", "the same, 8 threads"},
    {"shared-1", "shared", 16, 1, 1, true, NULL, "one instance, a wait every 16 calls of a thread"},
    {"shared-2", "shared", 16, 2, 1, true, "shared-1", "the same, 2 threads"},
    {"shared-4", "shared", 16, 4, 1, true, "shared-1", "the same, 4 threads"},
    {"shared-8", "shared", 16, 8, 1, true, "shared-1", "the same, 8 threads"},
    {"quiet-1", "quiet", 16, 1, 1, true, NULL, "as shared, but nobody calls while one waits"},
    {"quiet-2", "quiet", 16, 2, 1, true, "quiet-1", "the same, 2 threads"},
    {"quiet-4", "quiet", 16, 4, 1, true, "quiet-1", "the same, 4 threads"},
    {"quiet-8", "quiet", 16, 8, 1, true, "quiet-1", "the same, 8 threads"},
    {"echo", "echo", 0, 1, 2, false, NULL, "keep-alive requests over socketpairs"},
    {"echo-threads", "echo", 0, 2, 2, false, NULL, "the same with a second thread, idle"},
    {"echo-tcp", "echo-tcp", 0, 1, 1, false, NULL, "the same over TCP, one thread"},
    {"latency", "latency", 0, 1, 0.5, false, NULL, "behind a flush of all that is pending"},
    {"calls", "calls", 0, 1, 1, false, NULL, "single calls"},
    {"calls-threads", "calls", 0, 2, 1, false, NULL, "the same with a second thread, idle"},
};
#define NCASES (sizeof(cases) / sizeof(cases[0]))

struct figure {
    char name[32];
    double value;
};

struct run {
    struct figure figures[FIGURES_MAX];
    size_t nfigures;
    long operations; /* epoll_ctl calls of the program; 0: they are not what counts */
    long stated;     /* calls for them, as EPBATCH_STATS has it; -1: it does not say */
};

struct options {
    unsigned rounds;
    long operations;
    const char *only;
    const char *library, *before;
    bool json;
};

/* Of the case at hand, by subject and round. */
static struct run runs[SUBJECTS_MAX][ROUNDS_MAX];
/* What each case saved, for its base. */
static double saved[NCASES][SUBJECTS_MAX];
/* Subjects that this machine cannot have. */
static bool absent[SUBJECTS_MAX];
static char self[PATH_MAX];
static char stats_path[] = "/tmp/bench_shim.XXXXXX";

__attribute__((noreturn)) static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "bench_shim: %s: %s\n", what, why);
    (void)unlink(stats_path);
    exit(3);
}

static bool takes_part(const struct options *options, size_t subject)
{
    return !absent[subject] && (!subjects[subject].before || options->before != NULL);
}

_Noreturn static void play(const struct options *options, const struct bench_case *bench_case,
                           const struct subject *subject, bool traced, int output)
{
    char operations[32], every[32], threads[32];

    snprintf(operations, sizeof(operations), "%ld",
             (long)((double)options->operations * bench_case->share) + 1);
    snprintf(every, sizeof(every), "%ld", bench_case->every);
    snprintf(threads, sizeof(threads), "%u", bench_case->threads);
    unsetenv("LD_PRELOAD");
    unsetenv("EPBATCH_ELIDE");
    if (subject->policy != NULL) {
        setenv("LD_PRELOAD", subject->before ? options->before : options->library, 1);
        setenv("EPBATCH_POLICY", subject->policy, 1);
        setenv("EPBATCH_BACKEND", subject->backend, 1);
        setenv("EPBATCH_STATS", stats_path, 1);
    }
    if (dup2(output, STDOUT_FILENO) < 0 || (traced && !trace_me()))
        _exit(127);
    execl(self, self, "--workload", bench_case->workload, operations, every, threads, (char *)NULL);
    _exit(127);
}

static void read_figures(int fd, struct run *run)
{
    char text[OUTPUT_MAX + 1];
    ssize_t length = 0, more;

    while ((more = read(fd, text + length, (size_t)(OUTPUT_MAX - length))) > 0)
        length += more;
    text[length] = '\0';
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        struct figure figure;

        if (sscanf(line, "%31s %lf", figure.name, &figure.value) != 2)
            continue;
        if (strcmp(figure.name, "operations") == 0)
            run->operations = (long)figure.value;
        else if (strcmp(figure.name, "requests") != 0 && run->nfigures < FIGURES_MAX)
            run->figures[run->nfigures++] = figure;
    }
}

/* Calls made at once and, of the flushes, each operation or each batch. */
static long stated_calls(const struct subject *subject)
{
    char text[OUTPUT_MAX + 1];
    unsigned long calls = 0, operations, batches;
    FILE *file = fopen(stats_path, "r");
    bool found = file != NULL && fgets(text, sizeof(text), file) != NULL;

    if (file != NULL)
        fclose(file);
    if (truncate(stats_path, 0) != 0)
        give_up(stats_path, strerror(errno));
    if (!found || strcmp(subject->policy, "transparent") != 0)
        return -1;
    for (char *word = strtok(text, " \n"); word != NULL; word = strtok(NULL, " \n")) {
        if (sscanf(word, "direct=%lu", &operations) == 1)
            calls += operations;
        else if (sscanf(word, "flush-%*[a-z-]=%lu/%lu", &operations, &batches) == 2)
            calls += strcmp(subject->backend, "uring") == 0 ? batches : operations;
    }
    return (long)calls;
}

/* Returns false if the run failed. `ret_calls`: counts its system calls; NULL: does not. */
static bool run(const struct options *options, const struct bench_case *bench_case,
                const struct subject *subject, struct run *ret_run, unsigned long *ret_calls)
{
    int output[2], status;

    *ret_run = (struct run){.stated = -1};
    if (pipe2(output, O_CLOEXEC) != 0)
        give_up("pipe", strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        give_up("fork", strerror(errno));
    if (pid == 0)
        play(options, bench_case, subject, ret_calls != NULL, output[1]);
    close(output[1]);
    if (ret_calls != NULL)
        status = trace_wait(pid, ret_calls);
    else if (waitpid(pid, &status, 0) != pid)
        give_up("waitpid", strerror(errno));
    read_figures(output[0], ret_run);
    close(output[0]);
    if (subject->policy != NULL)
        ret_run->stated = stated_calls(subject);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A backend that the shim refuses here is left out. */
static void probe(const struct options *options)
{
    static const struct bench_case nothing = {.workload = "churn", .every = 1, .threads = 1};
    struct run ignored;

    for (size_t subject = 0; subject < NSUBJECTS; subject++) {
        absent[subject] = takes_part(options, subject) &&
                          !run(options, &nothing, &subjects[subject], &ignored, NULL);
        /* The loader goes on without a library that it cannot load. */
        if (!absent[subject] && subjects[subject].policy != NULL && takes_part(options, subject) &&
            strcmp(subjects[subject].policy, "transparent") == 0 && ignored.stated < 0)
            give_up(subjects[subject].name, "the library was not loaded");
        if (absent[subject])
            fprintf(stderr, "bench_shim: %s is left out\n", subjects[subject].name);
    }
    if (absent[0])
        give_up("native", "a run failed");
}

static void collect(const struct options *options, size_t subject, size_t figure, double *values)
{
    for (unsigned round = 0; round < options->rounds; round++)
        values[round] = runs[subject][round].figures[figure].value;
}

static void print_figure(const struct options *options, const struct bench_case *bench_case,
                         size_t figure)
{
    const char *name = runs[0][0].figures[figure].name;
    const char *unit = strcmp(bench_case->workload, "latency") == 0 ? "us" : "ns";
    double base[ROUNDS_MAX], values[ROUNDS_MAX];

    collect(options, 0, figure, base);
    for (size_t subject = 0; subject < NSUBJECTS; subject++) {
        if (!takes_part(options, subject))
            continue;
        collect(options, subject, figure, values);
        struct bench_ratio ratio = bench_ratio(values, base, options->rounds);
        double median = bench_median(values, options->rounds);
        double most = bench_max(values, options->rounds);
        if (options->json)
            printf("{\"case\":\"%s\",\"figure\":\"%s\",\"subject\":\"%s\",\"median\":%.3f,"
                   "\"max\":%.3f,\"unit\":\"%s\",\"ratio\":%.5f,\"low\":%.5f,\"high\":%.5f,"
                   "\"confidence\":%.4f,\"rounds\":%u}\n",
                   bench_case->name, name, subjects[subject].name, median, most, unit, ratio.ratio,
                   ratio.low, ratio.high, ratio.confidence, options->rounds);
        else
            printf("%-13s %-20s %-20s %11.1f %11.1f %s %8.4f  [%.4f, %.4f] %.3f %u\n",
                   bench_case->name, name, subjects[subject].name, median, most, unit, ratio.ratio,
                   ratio.low, ratio.high, ratio.confidence, options->rounds);
    }
}

static double median_stated(const struct options *options, size_t subject)
{
    double values[ROUNDS_MAX];

    for (unsigned round = 0; round < options->rounds; round++)
        values[round] =
            (double)runs[subject][round].stated /
            (double)(runs[subject][round].operations > 0 ? runs[subject][round].operations : 1);
    return bench_median(values, options->rounds);
}

/* The saving of a subject in the base case; 0: there is none, or it was not run. */
static double base_saving(const struct bench_case *bench_case, size_t subject)
{
    for (size_t index = 0; bench_case->base != NULL && index < NCASES; index++) {
        if (strcmp(cases[index].name, bench_case->base) == 0)
            return saved[index][subject];
    }
    return 0;
}

/* By 1000 epoll_ctl calls of the program. */
static void print_calls(const struct options *options, const struct bench_case *bench_case)
{
    for (size_t subject = 0; subject < NSUBJECTS; subject++) {
        char counted_text[32] = "-", stated_text[32] = "-", share_text[32] = "-";
        unsigned long calls;
        struct run traced;

        if (!takes_part(options, subject))
            continue;
        bool counted =
            run(options, bench_case, &subjects[subject], &traced, &calls) && traced.operations > 0;
        double rate = counted ? (double)calls / (double)traced.operations : 1;
        if (counted)
            snprintf(counted_text, sizeof(counted_text), "%.1f", 1000 * rate);
        if (runs[subject][0].stated >= 0) {
            /* The tracer stops threads at these very calls; the rounds were left alone. */
            rate = median_stated(options, subject);
            snprintf(stated_text, sizeof(stated_text), "%.1f", 1000 * rate);
        }
        saved[bench_case - cases][subject] = 1 - rate;
        double base = base_saving(bench_case, subject);
        if (base > 0.001)
            snprintf(share_text, sizeof(share_text), "%.1f", 100 * (1 - rate) / base);
        if (options->json)
            printf("{\"case\":\"%s\",\"figure\":\"calls\",\"subject\":\"%s\",\"traced\":\"%s\","
                   "\"stated\":\"%s\",\"saved_per_1000\":%.1f,\"share_of_one_thread\":\"%s\"}\n",
                   bench_case->name, subjects[subject].name, counted_text, stated_text,
                   1000 * (1 - rate), share_text);
        else
            printf("%-13s %-20s %-20s traced %s stated %s saved %.1f of 1000, %s %% of one "
                   "thread's\n",
                   bench_case->name, "calls", subjects[subject].name, counted_text, stated_text,
                   1000 * (1 - rate), share_text);
    }
}

static void measure(const struct options *options, const struct bench_case *bench_case)
{
    if (!options->json)
        printf("\n# %s: %s\n", bench_case->name, bench_case->what);
    for (unsigned round = 0; round < options->rounds; round++) {
        for (size_t index = 0; index < NSUBJECTS; index++) {
            /* Nobody always comes first. */
            size_t subject = (index + round) % NSUBJECTS;

            if (takes_part(options, subject) &&
                !run(options, bench_case, &subjects[subject], &runs[subject][round], NULL))
                give_up(bench_case->name, subjects[subject].name);
        }
    }
    for (size_t figure = 0; figure < runs[0][0].nfigures; figure++)
        print_figure(options, bench_case, figure);
    if (bench_case->calls)
        print_calls(options, bench_case);
}

static bool is_chosen(const struct options *options, const struct bench_case *bench_case)
{
    const char *only = options->only;

    return only == NULL || strcmp(only, bench_case->name) == 0 ||
           strcmp(only, bench_case->workload) == 0;
}

__attribute__((noreturn)) static void usage(void)
{
    fprintf(stderr, "usage: bench_shim [--rounds N] [--operations N] [--only CASE] [--json] "
                    "[--list] [--shim LIBRARY] [--before LIBRARY]\n");
    exit(2);
}

static void list(void)
{
    for (size_t index = 0; index < NCASES; index++)
        printf("%-13s %s\n", cases[index].name, cases[index].what);
    exit(0);
}

static long number(const char *option, const char *text, long most)
{
    char *end = NULL;
    long value = text == NULL ? 0 : strtol(text, &end, 10);

    if (text == NULL)
        usage();
    if (value < 1 || value > most || *end != '\0') {
        fprintf(stderr, "bench_shim: %s is \"%s\", expected 1 to %ld\n", option, text, most);
        exit(2);
    }
    return value;
}

static void parse(char **arguments, struct options *options)
{
    for (char **at = arguments + 1; *at != NULL; at++) {
        if (strcmp(*at, "--json") == 0)
            options->json = true;
        else if (strcmp(*at, "--list") == 0)
            list();
        else if (at[1] == NULL)
            usage();
        else if (strcmp(*at, "--rounds") == 0)
            options->rounds = (unsigned)number("--rounds", *++at, ROUNDS_MAX);
        else if (strcmp(*at, "--operations") == 0)
            options->operations = number("--operations", *++at, LONG_MAX / 4);
        else if (strcmp(*at, "--only") == 0)
            options->only = *++at;
        else if (strcmp(*at, "--shim") == 0)
            options->library = *++at;
        else if (strcmp(*at, "--before") == 0)
            options->before = *++at;
        else
            usage();
    }
}

int main(int argc, char **argv)
{
    static char library[PATH_MAX + 32];
    struct options options = {.rounds = 21, .operations = 20000, .library = library};
    char folder[PATH_MAX];
    bool any = false;

    if (argc == 6 && strcmp(argv[1], "--workload") == 0)
        return workload_main(argv + 2);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        give_up("/proc/self/exe", strerror(errno));
    strcpy(folder, self);
    snprintf(library, sizeof(library), "%s/../libepbatch.so", dirname(folder));
    parse(argv, &options);
    int fd = mkstemp(stats_path);
    if (fd < 0)
        give_up(stats_path, strerror(errno));
    close(fd);
    probe(&options);
    if (!options.json)
        printf("%u rounds, %ld operations; ns (latency: us) of an operation; ratio to native: "
               "median of the rounds' ratios and its interval by the sign test\n"
               "%-13s %-20s %-20s %11s %11s %2s %8s  [interval] confidence rounds\n",
               options.rounds, options.operations, "case", "figure", "subject", "median", "max", "",
               "ratio");
    for (size_t index = 0; index < NCASES; index++) {
        if (is_chosen(&options, &cases[index])) {
            any = true;
            measure(&options, &cases[index]);
        }
    }
    (void)unlink(stats_path);
    if (!any)
        usage();
    return 0;
}
