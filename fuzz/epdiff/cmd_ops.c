/* epdiff ops: the table of operations. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/program/operations_doc.h"

#include <stdio.h>

static const char help[] = "usage: epdiff ops\n\n"
                           "Prints the operations that programs are made of, with their arguments, "
                           "as docs/operations.md has them.\n";

int command_ops(int argc, char **argv)
{
    static const struct option options[] = {CLI_HELP, {NULL, 0, NULL, 0}};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option != 'h')
            return cli_bad_option("ops", argv);
        fputs(help, stdout);
        return STATUS_OK;
    }
    if (optind < argc) {
        cli_error("ops", "unexpected argument '%s', expected none", argv[optind]);
        return STATUS_USAGE;
    }
    operations_write_markdown(stdout);
    return STATUS_OK;
}
