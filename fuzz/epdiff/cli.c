/* What the commands share. */
#include "fuzz/epdiff/cli.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_error(const char *command, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "epdiff%s%s: ", command[0] ? " " : "", command);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int cli_bad_option(const char *command, char **argv)
{
    const char *word = optind > 0 ? argv[optind - 1] : "";

    cli_error(command, "cannot make sense of '%s'; expected the options of 'epdiff %s -h'", word,
              command);
    return STATUS_USAGE;
}

int cli_add_subject(const char *command, struct cli_options *options, const char *name)
{
    char why[SUBJECT_WHY_MAX + 1];

    if (options->nsubjects == EXAMINE_SUBJECTS_MAX) {
        cli_error(command, "too many subjects, expected %d at most", EXAMINE_SUBJECTS_MAX);
        return STATUS_USAGE;
    }
    if (subject_parse(name, &options->subjects[options->nsubjects], why, sizeof(why)) != 0) {
        cli_error(command, "--subject %s: %s", name, why);
        return STATUS_USAGE;
    }
    for (unsigned i = 0; i < options->nsubjects; i++) {
        if (strcmp(options->subjects[i].name, options->subjects[options->nsubjects].name) == 0) {
            cli_error(command, "--subject %s is given twice", name);
            return STATUS_USAGE;
        }
    }
    options->nsubjects++;
    return STATUS_OK;
}

int cli_parse_number(const char *command, const char *option, const char *text, uint64_t min,
                     uint64_t max, uint64_t *ret_value)
{
    char *end;

    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno == ERANGE || value < min ||
        value > max) {
        cli_error(command, "%s '%s' is no number that fits, expected %llu to %llu", option, text,
                  (unsigned long long)min, (unsigned long long)max);
        return STATUS_USAGE;
    }
    *ret_value = value;
    return STATUS_OK;
}

static int parse_contract(const char *command, const char *text, struct judge_options *ret_judge)
{
    if (strcmp(text, "exact") == 0) {
        ret_judge->contract = CONTRACT_EXACT;
    } else if (strcmp(text, "late-error") == 0) {
        ret_judge->contract = CONTRACT_LATE_ERROR;
    } else {
        cli_error(command, "--contract '%s' is unknown, expected exact or late-error", text);
        return STATUS_USAGE;
    }
    return STATUS_OK;
}

int cli_take_option(const char *command, int option, char **argv, struct cli_options *options)
{
    uint64_t number = 0;
    int status = STATUS_OK;

    switch (option) {
    case CLI_SUBJECT:
        return cli_add_subject(command, options, optarg);
    case CLI_CONTRACT:
        return parse_contract(command, optarg, &options->examine.judge);
    case CLI_STRICT_ORDER:
        options->examine.judge.strict_order = true;
        return STATUS_OK;
    case CLI_WATCHDOG:
        status = cli_parse_number(command, "--watchdog", optarg, 10, CLI_WATCHDOG_MS_MAX, &number);
        options->examine.executor.watchdog_ms = (unsigned)number;
        return status;
    case CLI_JOBS:
        status = cli_parse_number(command, "-j", optarg, 1, CLI_JOBS_MAX, &number);
        options->jobs = (unsigned)number;
        return status;
    case CLI_METAMORPHIC:
        options->examine.metamorphic = true;
        return STATUS_OK;
    case CLI_JSON:
        options->json = true;
        return STATUS_OK;
    default:
        return cli_bad_option(command, argv);
    }
}

int cli_read_document(const char *path, struct document *ret_document)
{
    struct document_error error;

    if (document_read(path, ret_document, &error) == 0)
        return STATUS_OK;
    if (error.line)
        fprintf(stderr, "%s:%u:%u: %s\n", path, error.line, error.column, error.what);
    else
        fprintf(stderr, "%s: %s\n", path, error.what);
    return STATUS_USAGE;
}

unsigned cli_list_cpus(int *ret_cpus, unsigned max)
{
    cpu_set_t set;
    unsigned count = 0;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE && count < max; cpu++) {
            if (CPU_ISSET((unsigned)cpu, &set))
                ret_cpus[count++] = cpu;
        }
    }
    if (count == 0)
        ret_cpus[count++] = -1; /* unknown: not pinned */
    return count;
}

int cli_harness_error(const char *command, int err, const char *why)
{
    if (err == -EINTR)
        cli_error(command, "interrupted");
    else
        cli_error(command, "%s", why);
    return STATUS_HARNESS;
}

static atomic_uint signals_seen; /* the workers look at it, too */

static void on_interrupt(int signal)
{
    (void)signal;
    if (signals_seen++ > 0)
        _exit(STATUS_HARNESS); /* the servers notice that the tool is gone and clear away */
    executor_interrupt();
}

void cli_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};

    struct sigaction hangup;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* Under nohup(1) it stays ignored. */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
}

bool cli_interrupted(void)
{
    return signals_seen > 0;
}
