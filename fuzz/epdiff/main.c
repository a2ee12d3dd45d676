/* epdiff: finds out whether a layer that batches epoll_ctl still behaves like epoll. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/vm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    const char *arguments;
    const char *summary;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
#define COMMAND(command_name, command_arguments, command_summary)                                  \
    {.name = #command_name,                                                                        \
     .arguments = (command_arguments),                                                             \
     .summary = (command_summary),                                                                 \
     .run = command_##command_name},
#include "fuzz/epdiff/commands.def"
#undef COMMAND
};

static void print_help(FILE *out)
{
    fprintf(out, "epdiff: does a layer that batches epoll_ctl still behave like epoll?\n\n"
                 "usage: epdiff COMMAND ...    (epdiff COMMAND -h: its manual)\n\n");
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  %-8s %-42s %s\n", commands[i].name, commands[i].arguments,
                commands[i].summary);
    fprintf(
        out,
        "\nexit status: 0 nothing diverged or every expectation held, 1 a divergence or a failed\n"
        "expectation, 2 bad usage or malformed input, 3 the harness could not do its work\n");
}

/*
 * Descriptors 0 to 2 are never free, or a file of ours would get such a number and with it what is
 * meant for stdout. One that was closed cannot be written to, so that writing still fails.
 */
static void keep_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    keep_standard_descriptors();
    /* A file that may not grow is an error like a full disk, not a reason to die. */
    signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return STATUS_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("epdiff %s\n", EPDIFF_VERSION);
        return STATUS_OK;
    }
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        int status = vm_take_over(argc, argv);
        if (status == STATUS_OK)
            status = commands[i].run(argc - 1, argv + 1);
        if (fflush(stdout) != 0 || ferror(stdout)) {
            cli_error(argv[1], "standard output cannot be written");
            return STATUS_HARNESS;
        }
        return status;
    }
    cli_error("", "unknown command '%s', expected one of those that 'epdiff -h' lists", argv[1]);
    return STATUS_USAGE;
}
