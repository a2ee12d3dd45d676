/* The known list. */
#include "fuzz/epdiff/known.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH_SHOWN_MAX = 200, /* of the list's own path, in a message */
    WORD_SHOWN_MAX = 60,
};

static const char blanks[] = " \t";

struct entry {
    char *subject;
    char *signature; /* without the '*' */
    bool prefix;
};

struct known {
    size_t count;
    struct entry *entries;
};

/* One line, and where it stands, for messages. */
struct line {
    const char *path;
    unsigned number;
    char *text;
    char *ret_why;
};

static int refuse(const struct line *line, const char *at, const char *what)
{
    snprintf(line->ret_why, KNOWN_WHY_MAX + 1, "%.*s:%u:%zu: %s", PATH_SHOWN_MAX, line->path,
             line->number, (size_t)(at - line->text) + 1, what);
    return -EINVAL;
}

static int check_subject(const struct line *line, const char *subject)
{
    char why[SUBJECT_WHY_MAX + 1];

    return subject_check_name(subject, why, sizeof(why)) == 0 ? 0 : refuse(line, subject, why);
}

/* Signatures are made of letters, digits, '-', '_' and '/', and hazards that nobody named of '-'.
 */
static int check_signature(const struct line *line, const char *signature)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/";
    char what[SUBJECT_WHY_MAX + 1];
    size_t good = strspn(signature, allowed);

    if (signature[good] == '\0' || (signature[good] == '*' && signature[good + 1] == '\0'))
        return 0;
    snprintf(what, sizeof(what),
             "'%.*s' is no signature, expected one like errno-lost/C1/add-wait, or the beginning "
             "of one and a '*' as its last character",
             WORD_SHOWN_MAX, signature);
    return refuse(line, signature + good, what);
}

static int check_reason(const struct line *line, const char *rest)
{
    const char *reason = rest + strspn(rest, blanks);

    if (reason[0] != '#')
        return refuse(line, reason, "expected '# ' and the reason for which this is known");
    reason++;
    reason += strspn(reason, blanks);
    return reason[0] ? 0 : refuse(line, reason, "expected a reason behind '#'");
}

static int keep(struct known *known, const struct line *line, const char *subject,
                const char *signature)
{
    size_t length = strlen(signature);
    bool prefix = signature[length - 1] == '*';

    for (size_t i = 0; i < known->count; i++) {
        const struct entry *entry = &known->entries[i];
        if (entry->prefix == prefix && strcmp(entry->subject, subject) == 0 &&
            strlen(entry->signature) == length - prefix &&
            strncmp(entry->signature, signature, length - prefix) == 0)
            return refuse(line, signature, "this signature is listed twice, expected it once");
    }
    struct entry *entries = realloc(known->entries, (known->count + 1) * sizeof(*known->entries));
    if (!entries)
        return -ENOMEM;
    known->entries = entries;
    struct entry *entry = &entries[known->count];
    *entry = (struct entry){.subject = strdup(subject),
                            .signature = strndup(signature, length - prefix),
                            .prefix = prefix};
    known->count++;
    return entry->subject && entry->signature ? 0 : -ENOMEM;
}

/* Ends the word at `at` and returns what follows it, which may be empty. */
static char *end_word(char *at)
{
    char *end = at + strcspn(at, blanks);

    if (*end)
        *end++ = '\0';
    return end;
}

static int read_line(struct known *known, const struct line *line)
{
    char *subject = line->text + strspn(line->text, blanks);

    if (subject[0] == '\0' || subject[0] == '#')
        return 0;
    char *rest = end_word(subject);
    int err = check_subject(line, subject);
    if (err)
        return err;
    char *signature = rest + strspn(rest, blanks);
    if (signature[0] == '\0' || signature[0] == '#')
        return refuse(line, signature, "expected a signature behind the subject");
    rest = end_word(signature);
    err = check_signature(line, signature);
    if (!err)
        err = check_reason(line, rest);
    return err ? err : keep(known, line, subject, signature);
}

static int check_characters(const struct line *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line->text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return refuse(line, line->text + i, "a control character, expected text");
    }
    return 0;
}

static int read_lines(struct known *known, const char *path, FILE *in, char *ret_why)
{
    struct line line = {.path = path, .ret_why = ret_why};
    size_t room = 0;
    ssize_t length;
    int err = 0;

    while (!err && (length = getline(&line.text, &room, in)) >= 0) {
        line.number++;
        if (length > 0 && line.text[length - 1] == '\n')
            line.text[--length] = '\0';
        err = check_characters(&line, (size_t)length);
        if (!err)
            err = read_line(known, &line);
    }
    if (!err && !feof(in))
        err = -(errno ? errno : EIO);
    free(line.text);
    return err;
}

int known_read(const char *path, struct known **ret_known, char *ret_why)
{
    struct known *known = calloc(1, sizeof(*known));
    FILE *in = known ? fopen(path, "re") : NULL;
    int err = known ? (in ? 0 : -errno) : -ENOMEM;

    if (!err)
        err = read_lines(known, path, in, ret_why);
    if (in)
        fclose(in);
    if (!err) {
        *ret_known = known;
        return 0;
    }
    if (err != -EINVAL)
        snprintf(ret_why, KNOWN_WHY_MAX + 1, "%.*s: cannot be read: %s", PATH_SHOWN_MAX, path,
                 strerror(-err));
    known_free(known);
    return err;
}

bool known_lists(const struct known *known, const struct subject *subject, const char *signature)
{
    for (size_t i = 0; known && i < known->count; i++) {
        const struct entry *entry = &known->entries[i];
        if (!subject_matches(subject, entry->subject))
            continue;
        if (entry->prefix ? strncmp(signature, entry->signature, strlen(entry->signature)) == 0
                          : strcmp(signature, entry->signature) == 0)
            return true;
    }
    return false;
}

void known_free(struct known *known)
{
    if (!known)
        return;
    for (size_t i = 0; i < known->count; i++) {
        free(known->entries[i].subject);
        free(known->entries[i].signature);
    }
    free(known->entries);
    free(known);
}
