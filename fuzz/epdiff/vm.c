#include "fuzz/epdiff/vm.h"

#include "fuzz/epdiff/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What CMake puts beside the tool: a link to ci/vm. */
#define VM_HELPER "epdiff-vm"

enum { VM_ARGUMENTS_MAX = 4096 };

/* The commands that know the option. */
static bool has_option(const char *command)
{
    return strcmp(command, "run") == 0 || strcmp(command, "replay") == 0 ||
           strcmp(command, "fuzz") == 0;
}

static int start(char **arguments, const char *command)
{
    char home[PATH_MAX], path[PATH_MAX + 32];
    int err = subject_home(home, sizeof(home));

    if (err) {
        cli_error(command, "--vm: the tool's own folder cannot be found: %s", strerror(-err));
        return STATUS_HARNESS;
    }
    snprintf(path, sizeof(path), "%s/%s", home, VM_HELPER);
    arguments[0] = path;
    if (setenv("EPDIFF_BUILD", home, 1) == 0)
        execv(path, arguments);
    cli_error(command, "--vm: %s cannot be started: %s", path, strerror(errno));
    return STATUS_HARNESS;
}

int vm_take_over(int argc, char **argv)
{
    static char debug_option[] = "--debug";
    char *arguments[VM_ARGUMENTS_MAX + 4] = {NULL};
    int count = 1;
    bool wanted = false, debug = false;

    if (!has_option(argv[1]))
        return STATUS_OK;
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        wanted |= strcmp(argv[i], "--vm") == 0 || strcmp(argv[i], "--vm=debug") == 0;
        debug |= strcmp(argv[i], "--vm=debug") == 0;
        if (strncmp(argv[i], "--vm=", 5) == 0 && strcmp(argv[i], "--vm=debug") != 0) {
            cli_error(argv[1], "'%s' is unknown, expected --vm or --vm=debug", argv[i]);
            return STATUS_USAGE;
        }
    }
    if (!wanted)
        return STATUS_OK;
    if (argc > VM_ARGUMENTS_MAX) {
        cli_error(argv[1], "--vm: %d arguments are too many, expected %d at most", argc,
                  VM_ARGUMENTS_MAX);
        return STATUS_USAGE;
    }
    if (debug)
        arguments[count++] = debug_option;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--vm", 4) != 0)
            arguments[count++] = argv[i];
    }
    return start(arguments, argv[1]);
}
