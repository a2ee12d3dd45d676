/*
 * A target without an engine: runs files through it, so that every committed input is a test.
 * Status 0 behind `N passed`, 2 for arguments and inputs that cannot be used, 3 if the target does
 * not start. What the target finds ends in abort(), and the input's name is said before that.
 */
#include "fuzz/targets/target.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STATUS_USAGE = 2,
    STATUS_HARNESS = 3,
    FOLDER_DEPTH_MAX = 16,
    INPUT_BYTES_MAX = 1 << 24,
};

/* Read by the handler below: a whole line, ready to be written. */
static char running_line[PATH_MAX + 64];
static size_t running_length;

static uint8_t *room;

/* A sanitizer's report must end like any other finding. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__tsan_default_options(void)
{
    return "abort_on_error=1";
}

static void say_input(int signal_number)
{
    ssize_t written = write(STDERR_FILENO, running_line, running_length);

    (void)written;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

uint8_t *target_counters(void)
{
    return NULL;
}

static void catch_ends(void)
{
    static const int ends[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = say_input};
    struct sigaction before;

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        /* A sanitizer that has its own handler says more, and aborts behind it. */
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(ends[i], &action, NULL);
    }
}

static _Noreturn void refuse(const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path, why);
    exit(STATUS_USAGE);
}

static unsigned run_file(const char *path)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        refuse(path, strerror(errno));
    size_t size = fread(room, 1, INPUT_BYTES_MAX + 1, file);
    if (ferror(file))
        refuse(path, "cannot be read");
    fclose(file);
    if (size > INPUT_BYTES_MAX)
        refuse(path, "is longer than 16 MiB, expected an input");
    int length =
        snprintf(running_line, sizeof(running_line), "%s: input %s\n", fuzz_target.name, path);
    running_length =
        (size_t)length < sizeof(running_line) ? (size_t)length : sizeof(running_line) - 1;
    fuzz_target.run(room, size);
    running_length = 0;
    return 1;
}

static unsigned run_path(const char *path, unsigned depth);

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static unsigned run_folder(const char *path, unsigned depth)
{
    struct dirent **entries;
    char below[PATH_MAX];
    unsigned ran = 0;

    if (depth > FOLDER_DEPTH_MAX)
        refuse(path, "is too deep a folder");
    int count = scandir(path, &entries, is_shown, alphasort);
    if (count < 0)
        refuse(path, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name) >= (int)sizeof(below))
            refuse(path, "holds a path that is too long");
        free(entries[i]);
        ran += run_path(below, depth + 1);
    }
    free(entries);
    return ran;
}

static unsigned run_path(const char *path, unsigned depth)
{
    struct stat status;

    if (stat(path, &status) != 0)
        refuse(path, strerror(errno));
    if (S_ISREG(status.st_mode))
        return run_file(path);
    if (!S_ISDIR(status.st_mode))
        refuse(path, "is neither a file nor a folder");
    unsigned ran = run_folder(path, depth);
    if (ran == 0 && depth == 0)
        refuse(path, "holds no files, expected inputs");
    return ran;
}

static void start(void)
{
    char why[TARGET_WHY_MAX + 1] = "";

    room = malloc(INPUT_BYTES_MAX + 1);
    if (room == NULL) {
        fprintf(stderr, "%s: out of memory\n", fuzz_target.name);
        exit(STATUS_HARNESS);
    }
    if (fuzz_target.start != NULL && fuzz_target.start(why) != 0) {
        fprintf(stderr, "%s: %s\n", fuzz_target.name, why);
        exit(STATUS_HARNESS);
    }
    /* At any exit, for the target may have processes. */
    if (fuzz_target.stop != NULL && atexit(fuzz_target.stop) != 0) {
        fuzz_target.stop();
        exit(STATUS_HARNESS);
    }
}

static void print_usage(FILE *out, const char *program)
{
    fprintf(out,
            "usage: %s PATH...\n"
            "Runs files, and the files of folders and the folders below, through the target %s\n"
            "and prints how many passed. Hidden files are left out. The first one that does not\n"
            "pass is named on stderr and ends the program by SIGABRT.\n",
            program, fuzz_target.name);
}

int main(int argc, char **argv)
{
    unsigned passed = 0;
    int option;

    while ((option = getopt(argc, argv, "h")) != -1) {
        if (option != 'h') {
            print_usage(stderr, argv[0]);
            return STATUS_USAGE;
        }
        print_usage(stdout, argv[0]);
        return 0;
    }
    if (optind == argc) {
        print_usage(stderr, argv[0]);
        return STATUS_USAGE;
    }
    start();
    catch_ends();
    for (int i = optind; i < argc; i++)
        passed += run_path(argv[i], 0);
    printf("%u passed\n", passed);
    free(room);
    return fflush(stdout) != 0 ? STATUS_HARNESS : 0;
}
