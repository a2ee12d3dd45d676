/* epdiff convert: the text form to the byte form that fuzz targets take, and back. */
#include "fuzz/epdiff/cli.h"
#include "fuzz/epdiff/files.h"
#include "fuzz/program/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "usage: epdiff convert FILE\n"
    "       epdiff convert -o DIR PATH...\n\n"
    "Writes the bytes of a program that is text (FILE.epd), and the text of one that is bytes, as "
    "fuzz targets take\n"
    "and engines keep them (any other FILE): to stdout, or to files of the same names in DIR. Of a "
    "folder its .epd\n"
    "files are converted.\n\n"
    "Bytes hold the steps and nothing else: no names, no header lines. Every bytes are a program. "
    "Not every program\n"
    "has bytes, since text can say more: such a one is named on stderr and left out.\n\n"
    "  -o DIR  where files go; it is made unless it is there\n\n"
    "With -o the last line of stdout says how many were converted and how many left out.\n\n"
    "exit status: 0 converted, 2 bad usage, malformed input, or a single FILE that has no bytes, 3 "
    "a file cannot be\n"
    "written\n";

enum {
    /* More than any engine keeps; the decoder ignores what is past a program's limits. */
    INPUT_BYTES_MAX = 1 << 20,
};

struct convert_command {
    const char *folder; /* NULL: stdout */
    unsigned converted, left_out;
    struct document document;
    struct program program;
    uint8_t bytes[INPUT_BYTES_MAX];
};

static bool is_text(const char *path)
{
    size_t length = strlen(path);

    return length > 4 && strcmp(path + length - 4, ".epd") == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* stdout, or the file in the folder that takes what `path` becomes. */
static int open_output(const struct convert_command *command, const char *path, FILE **ret_out)
{
    char name[PATH_MAX];
    const char *base = base_name(path);
    int length = (int)strlen(base);

    *ret_out = stdout;
    if (!command->folder)
        return STATUS_OK;
    int wanted = snprintf(name, sizeof(name), "%s/%.*s%s", command->folder,
                          is_text(path) ? length - 4 : length, base, is_text(path) ? "" : ".epd");
    *ret_out = wanted < (int)sizeof(name) ? fopen(name, "we") : NULL;
    if (*ret_out)
        return STATUS_OK;
    cli_error("convert", "'%s' cannot be written: %s", name,
              strerror(wanted < (int)sizeof(name) ? errno : ENAMETOOLONG));
    return STATUS_HARNESS;
}

static int close_output(const struct convert_command *command, FILE *out, int err)
{
    if (!command->folder ? fflush(out) != 0 : fclose(out) != 0)
        err = -EIO;
    if (!err)
        return STATUS_OK;
    cli_error("convert", "the result cannot be written: %s", strerror(-err));
    return STATUS_HARNESS;
}

static int to_bytes(struct convert_command *command, const char *path)
{
    size_t length;
    FILE *out;

    int status = cli_read_document(path, &command->document);
    if (status != STATUS_OK)
        return status;
    if (program_encode(&command->document.program, command->bytes, sizeof(command->bytes),
                       &length) != 0) {
        fprintf(stderr,
                "%s: no bytes stand for one of its values or for a step by an actor that "
                "has ended, expected a program as the decoder makes it\n",
                path);
        command->left_out++;
        return command->folder ? STATUS_OK : STATUS_USAGE;
    }
    status = open_output(command, path, &out);
    if (status != STATUS_OK)
        return status;
    command->converted++;
    return close_output(command, out, fwrite(command->bytes, 1, length, out) == length ? 0 : -EIO);
}

static int read_bytes(struct convert_command *command, const char *path, size_t *ret_length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t part = fd < 0 ? -1 : 1;

    while (part > 0 && length < sizeof(command->bytes)) {
        part = read(fd, command->bytes + length, sizeof(command->bytes) - length);
        length += part > 0 ? (size_t)part : 0;
    }
    int err = part < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    *ret_length = length;
    return err;
}

static int to_text(struct convert_command *command, const char *path)
{
    size_t length;
    FILE *out;

    int err = read_bytes(command, path, &length);
    if (err) {
        cli_error("convert", "'%s' cannot be read: %s", path, strerror(-err));
        return STATUS_USAGE;
    }
    program_decode(command->bytes, length, &command->program);
    document_init(&command->document, "", &command->program);
    int status = open_output(command, path, &out);
    if (status != STATUS_OK)
        return status;
    command->converted++;
    return close_output(command, out, document_write(&command->document, out));
}

static int convert_all(struct convert_command *command, char **paths, unsigned npaths)
{
    struct file_list list = {0};
    char bad[PATH_MAX];
    int status = STATUS_OK;

    for (unsigned i = 0; i < npaths && status == STATUS_OK; i++) {
        int err = files_collect(&list, paths[i], bad, sizeof(bad));
        if (err) {
            cli_error("convert", "'%s' cannot be read: %s", bad, strerror(-err));
            status = STATUS_USAGE;
        }
    }
    files_sort(&list);
    if (status == STATUS_OK && command->folder && mkdir(command->folder, 0777) != 0 &&
        errno != EEXIST) {
        cli_error("convert", "-o %s cannot be made: %s", command->folder, strerror(errno));
        status = STATUS_HARNESS;
    }
    for (size_t i = 0; i < list.count && status == STATUS_OK; i++)
        status = is_text(list.paths[i]) ? to_bytes(command, list.paths[i])
                                        : to_text(command, list.paths[i]);
    files_free(&list);
    return status;
}

int command_convert(int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, CLI_HELP, {NULL, 0, NULL, 0}};
    struct convert_command *command = calloc(1, sizeof(*command));
    struct stat info;
    int option;

    if (!command) {
        cli_error("convert", "out of memory");
        return STATUS_HARNESS;
    }
    int status = STATUS_OK;
    bool help_wanted = false;
    opterr = 0;
    while (status == STATUS_OK && !help_wanted &&
           (option = getopt_long(argc, argv, "ho:", options, NULL)) != -1) {
        if (option == 'o')
            command->folder = optarg;
        else if (option == 'h')
            help_wanted = true;
        else
            status = cli_bad_option("convert", argv);
    }
    if (status == STATUS_OK && help_wanted) {
        fputs(help, stdout);
    } else if (status == STATUS_OK) {
        bool single =
            argc - optind == 1 && (stat(argv[optind], &info) != 0 || !S_ISDIR(info.st_mode));
        if (optind == argc || (!command->folder && !single)) {
            cli_error("convert", "expected one FILE, or -o DIR and one PATH or more");
            status = STATUS_USAGE;
        } else {
            status = convert_all(command, argv + optind, (unsigned)(argc - optind));
        }
        if (status == STATUS_OK && command->folder)
            printf("converted=%u left_out=%u\n", command->converted, command->left_out);
    }
    free(command);
    return status;
}
