/* epdiff gen: prints generated programs. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/generate/generate.h"
#include "fuzz/generate/parallel.h"

#include <inttypes.h>
#include <stdio.h>

static const char help[] =
    "usage: epdiff gen --seed N [--index N] [--count N] [--parallel]\n\n"
    "Prints the programs that 'epdiff fuzz --seed N' runs, in text form.\n\n"
    "  --seed N    the seed (default 1)\n"
    "  --index N   the first program to print (default 0); a finding names seed and index as its "
    "origin\n"
    "  --count N   how many (default 1); several are separated by a comment line each\n"
    "  --parallel  those of 'epdiff fuzz --parallel'\n";

static int print_program(uint64_t seed, uint64_t index, bool parallel)
{
    static struct program program;
    static struct document document;
    char name[64];

    if (parallel)
        generate_parallel(seed, index, &program);
    else
        generate_program(seed, index, &program);
    snprintf(name, sizeof(name), "seed-%" PRIu64 "-program-%" PRIu64, seed, index);
    document_init(&document, name, &program);
    snprintf(document.origin, sizeof(document.origin),
             "epdiff gen --seed %" PRIu64 " --index %" PRIu64 "%s", seed, index,
             parallel ? " --parallel" : "");
    return document_write(&document, stdout) == 0 ? STATUS_OK : STATUS_HARNESS;
}

int command_gen(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"index", required_argument, NULL, 'i'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"parallel", no_argument, NULL, 'p'},
                                            CLI_HELP,
                                            {NULL, 0, NULL, 0}};
    uint64_t seed = 1, index = 0, count = 1;
    bool parallel = false;
    int option, status = STATUS_OK;

    opterr = 0;
    while (status == STATUS_OK && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            status = cli_parse_number("gen", "--seed", optarg, 0, UINT64_MAX, &seed);
            break;
        case 'i':
            status = cli_parse_number("gen", "--index", optarg, 0, UINT64_MAX / 2, &index);
            break;
        case 'c':
            status = cli_parse_number("gen", "--count", optarg, 1, UINT32_MAX, &count);
            break;
        case 'p':
            parallel = true;
            break;
        case 'h':
            fputs(help, stdout);
            return STATUS_OK;
        default:
            return cli_bad_option("gen", argv);
        }
    }
    if (status == STATUS_OK && optind < argc) {
        cli_error("gen", "unexpected argument '%s', expected options only", argv[optind]);
        return STATUS_USAGE;
    }
    for (uint64_t i = 0; status == STATUS_OK && i < count; i++) {
        if (i > 0)
            printf("\n");
        status = print_program(seed, index + i, parallel);
    }
    return status;
}
