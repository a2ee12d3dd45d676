/* What the commands share: exit statuses, options, files, subjects, CPUs. */
#ifndef EPDIFF_EPDIFF_CLI_H
#define EPDIFF_EPDIFF_CLI_H

#include "fuzz/epdiff/examine.h"
#include "fuzz/program/document.h"

#include <getopt.h>
#include <stdint.h>

/* The exit status of every command. */
enum {
    STATUS_OK = 0,       /* nothing diverged, or every expectation held */
    STATUS_DIVERGED = 1, /* a divergence, or a failed expectation */
    STATUS_USAGE = 2,    /* bad usage or malformed input */
    STATUS_HARNESS = 3,  /* the harness could not do its work */
};

enum {
    CLI_JOBS_MAX = 64,
    CLI_WATCHDOG_MS_MAX = 600000,
};

/* What getopt_long returns for the options that cli_take_option knows. */
enum {
    CLI_SUBJECT = 's',
    CLI_CONTRACT = 'c',
    CLI_STRICT_ORDER = 'O',
    CLI_WATCHDOG = 'w',
    CLI_JOBS = 'j',
    CLI_JSON = 'J',
    CLI_METAMORPHIC = 'M',
};

/* The option that every command has. */
#define CLI_HELP                                                                                   \
    {                                                                                              \
        "help", no_argument, NULL, 'h'                                                             \
    }

/* Options that many commands share. */
struct cli_options {
    unsigned nsubjects;
    struct subject subjects[EXAMINE_SUBJECTS_MAX];
    struct examine_options examine;
    bool json;
    unsigned jobs; /* 0: not given */
};

/* Prints "epdiff COMMAND: ..." as one line to stderr. */
__attribute__((format(printf, 2, 3))) void cli_error(const char *command, const char *format, ...);

/* The line for an option that getopt_long refused; returns STATUS_USAGE. */
int cli_bad_option(const char *command, char **argv);

/* Takes an option that several commands share, as getopt_long has just returned it. Returns
 * STATUS_OK or, after a message, STATUS_USAGE: also for one that getopt_long refused. */
int cli_take_option(const char *command, int option, char **argv, struct cli_options *options);

/* Adds a subject by name. Returns STATUS_OK or, after a message, STATUS_USAGE. */
int cli_add_subject(const char *command, struct cli_options *options, const char *name);

/* Parses a whole decimal number between min and max. Returns STATUS_OK or, after a message,
 * STATUS_USAGE. */
int cli_parse_number(const char *command, const char *option, const char *text, uint64_t min,
                     uint64_t max, uint64_t *ret_value);

/* Reads a program file. Returns STATUS_OK or, after "FILE:LINE:COLUMN: ...", STATUS_USAGE. */
int cli_read_document(const char *path, struct document *ret_document);

/* The CPUs that this process may use: their numbers in order. Returns how many, at least 1. */
unsigned cli_list_cpus(int *ret_cpus, unsigned max);

/* The status for an error of the examiner, after a message. -EINTR is a Ctrl-C. */
int cli_harness_error(const char *command, int err, const char *why);

/* From now on SIGINT, SIGTERM and SIGHUP end runs instead of the tool; a second one ends the tool
 * at once. */
void cli_catch_interrupts(void);
bool cli_interrupted(void);

/* One function a command. */
#define COMMAND(name, arguments, summary) int command_##name(int argc, char **argv);
#include "fuzz/epdiff/commands.def"
#undef COMMAND

#endif
