/* Findings of a fuzzing run. */
#include "fuzz/epdiff/findings.h"

#include "fuzz/program/document.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void findings_init(struct findings *findings)
{
    findings->table = NULL;
    pthread_mutex_init(&findings->lock, NULL);
}

void findings_free(struct findings *findings)
{
    struct finding *finding, *next;

    HASH_ITER(hh, findings->table, finding, next)
    {
        HASH_DEL(findings->table, finding);
        free(finding);
    }
    pthread_mutex_destroy(&findings->lock);
}

static void make_key(char key[SIGNATURE_MAX + 8], unsigned subject, const char *signature)
{
    snprintf(key, SIGNATURE_MAX + 8, "%u %s", subject, signature);
}

static struct finding *find(struct findings *findings, unsigned subject, const char *signature)
{
    char key[SIGNATURE_MAX + 8];
    struct finding *finding;

    make_key(key, subject, signature);
    HASH_FIND_STR(findings->table, key, finding);
    return finding;
}

bool findings_note(struct findings *findings, unsigned subject, uint64_t index,
                   const struct verdict *verdict, bool known)
{
    bool wanted = false;

    pthread_mutex_lock(&findings->lock);
    struct finding *finding = find(findings, subject, verdict->signature);
    if (!finding) {
        finding = calloc(1, sizeof(*finding));
        if (finding) {
            make_key(finding->key, subject, verdict->signature);
            finding->subject = subject;
            finding->index = index;
            finding->known = known;
            finding->verdict = *verdict;
            HASH_ADD_STR(findings->table, key, finding);
            wanted = true;
        }
    } else if (index < finding->index) {
        finding->index = index;
        wanted = true;
    }
    if (finding)
        finding->count++;
    pthread_mutex_unlock(&findings->lock);
    return wanted;
}

void findings_store(struct findings *findings, unsigned subject, uint64_t index,
                    const struct verdict *verdict, bool confirmed, const struct program *program,
                    unsigned original_steps)
{
    pthread_mutex_lock(&findings->lock);
    struct finding *finding = find(findings, subject, verdict->signature);
    if (finding && finding->index == index) {
        if (confirmed) {
            finding->confirmed = true;
            finding->verdict = *verdict;
            finding->program = *program;
            finding->original_steps = original_steps;
        } else if (!finding->confirmed) {
            /* The next program that shows it gets its chance. */
            HASH_DEL(findings->table, finding);
            free(finding);
        }
    }
    pthread_mutex_unlock(&findings->lock);
}

static int compare_findings(const struct finding *a, const struct finding *b)
{
    if (a->subject != b->subject)
        return a->subject < b->subject ? -1 : 1;
    return strcmp(a->verdict.signature, b->verdict.signature);
}

void findings_sort(struct findings *findings)
{
    HASH_SORT(findings->table, compare_findings);
}

unsigned findings_count(struct findings *findings)
{
    pthread_mutex_lock(&findings->lock);
    unsigned count = HASH_COUNT(findings->table);
    pthread_mutex_unlock(&findings->lock);
    return count;
}

unsigned findings_count_confirmed(struct findings *findings)
{
    unsigned count = 0;

    pthread_mutex_lock(&findings->lock);
    for (const struct finding *finding = findings->table; finding; finding = finding->hh.next)
        count += finding->confirmed;
    pthread_mutex_unlock(&findings->lock);
    return count;
}

unsigned findings_count_known(struct findings *findings)
{
    unsigned count = 0;

    pthread_mutex_lock(&findings->lock);
    for (const struct finding *finding = findings->table; finding; finding = finding->hh.next)
        count += finding->confirmed && finding->known;
    pthread_mutex_unlock(&findings->lock);
    return count;
}

/* A name that every file system takes: letters, digits, '-', '+', '.', and '_' for the rest. */
static void append_name(char *path, size_t size, const char *name)
{
    size_t length = strlen(path);

    for (; *name && length + 1 < size; name++) {
        char c = *name;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '+' || c == '.';
        path[length++] = plain ? c : '_';
    }
    path[length] = '\0';
}

static int make_folder(const char *path)
{
    return mkdir(path, 0777) != 0 && errno != EEXIST ? -errno : 0;
}

static void describe(const struct finding *finding, const struct subject *subject,
                     const char *found_by, struct document *document)
{
    char shrunk[64] = "";

    if (finding->original_steps)
        snprintf(shrunk, sizeof(shrunk), ", %u steps shrunk to %u", finding->original_steps,
                 finding->program.nsteps);
    document_init(document, "", &finding->program);
    snprintf(document->comment, sizeof(document->comment), "%s\n", finding->verdict.explanation);
    snprintf(document->hazard, sizeof(document->hazard), "%s",
             hazard_codes[finding->verdict.hazard]);
    snprintf(document->origin, sizeof(document->origin), "%s, program %" PRIu64 "%s", found_by,
             finding->index, shrunk);
    document->nexpects = 1;
    snprintf(document->expects[0].subject, sizeof(document->expects[0].subject), "%.*s",
             DOCUMENT_WORD_MAX, subject->name);
    snprintf(document->expects[0].verdict, sizeof(document->expects[0].verdict), "%s",
             finding->verdict.signature);
}

int findings_check_folder(const char *folder)
{
    char parent[PATH_MAX];
    struct stat status;

    if (stat(folder, &status) == 0) {
        if (!S_ISDIR(status.st_mode))
            return -ENOTDIR;
        return access(folder, W_OK | X_OK) == 0 ? 0 : -errno;
    }
    if (errno != ENOENT || folder[0] == '\0')
        return -errno;
    if (snprintf(parent, sizeof(parent), "%s", folder) >= (int)sizeof(parent))
        return -ENAMETOOLONG;
    return access(dirname(parent), W_OK | X_OK) == 0 ? 0 : -errno;
}

void findings_subject_folder(const struct subject *subject, const char *folder, char *ret_path,
                             size_t size)
{
    snprintf(ret_path, size, "%s/", folder);
    append_name(ret_path, size, subject->name);
}

int findings_make_folders(const struct subject *subject, const char *folder)
{
    char path[PATH_MAX];

    int err = make_folder(folder);
    if (err)
        return err;
    findings_subject_folder(subject, folder, path, sizeof(path));
    return make_folder(path);
}

int finding_path(const struct finding *finding, const struct subject *subject, const char *folder,
                 char *ret_path, size_t size)
{
    char path[PATH_MAX];

    findings_subject_folder(subject, folder, path, sizeof(path));
    size_t length = strlen(path);
    snprintf(path + length, sizeof(path) - length, "/");
    append_name(path, sizeof(path), finding->verdict.signature);
    if (strlen(path) + strlen(".epd") >= size)
        return -ENAMETOOLONG;
    snprintf(ret_path, size, "%s.epd", path);
    return 0;
}

int finding_save(const struct finding *finding, const struct subject *subject, const char *found_by,
                 const char *folder)
{
    char path[PATH_MAX];

    int err = findings_make_folders(subject, folder);
    if (!err)
        err = finding_path(finding, subject, folder, path, sizeof(path));
    if (err)
        return err;
    struct document *document = calloc(1, sizeof(*document));
    if (!document)
        return -ENOMEM;
    describe(finding, subject, found_by, document);
    FILE *out = fopen(path, "we");
    err = out ? document_write(document, out) : -errno;
    if (out && fclose(out) != 0 && !err)
        err = -errno;
    free(document);
    return err;
}

int findings_save_early(struct findings *findings, unsigned subject_index, const char *signature,
                        const struct subject *subject, const char *found_by, const char *folder)
{
    int err = 0;

    pthread_mutex_lock(&findings->lock);
    const struct finding *finding = find(findings, subject_index, signature);
    if (finding && finding->confirmed && !finding->known)
        err = finding_save(finding, subject, found_by, folder);
    pthread_mutex_unlock(&findings->lock);
    return err;
}
