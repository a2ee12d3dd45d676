/* Subjects: their names and what stands behind them. */
#include "fuzz/execute/subject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The shim's policies and backends, as its own tables name them. They meet the tool by these names
 * only. */
static const char *const policies[] = {"naive", "hash", "tls", "transparent", NULL};
static const char *const backends[] = {"syscall", "uring", "module", NULL};

/* The same but for the shim's objects, which the others have in them: the product's, or those that
 * count edges. */
static const char executor_plain[] = "epdiff-exec";
static const char executor_linked[] = "epdiff-exec-shim";
static const char executor_edges[] = "epdiff-exec-edges";

static bool is_linked(const struct subject *subject)
{
    return strcmp(subject->executor, executor_plain) != 0;
}

int subject_home(char *ret_path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", ret_path, size - 1);
    if (length < 0)
        return -errno;
    ret_path[length] = '\0';
    char *slash = strrchr(ret_path, '/');
    if (!slash)
        return -ENOENT;
    *slash = '\0';
    /* Tests are built into a folder of their own below the one that holds the executor. */
    char *folder = strrchr(ret_path, '/');
    if (folder && strcmp(folder, "/tests") == 0)
        *folder = '\0';
    return 0;
}

static bool in_list(const char *const *list, const char *word)
{
    for (; *list; list++) {
        if (strcmp(*list, word) == 0)
            return true;
    }
    return false;
}

static int set_library(struct subject *subject, const char *path, char *ret_why, size_t size)
{
    char real[PATH_MAX];

    if (!realpath(path, real)) {
        snprintf(ret_why, size, "library '%.150s' cannot be used: %s", path, strerror(errno));
        return -EINVAL;
    }
    if (access(real, R_OK) != 0) {
        snprintf(ret_why, size, "library '%.150s' cannot be read: %s", path, strerror(errno));
        return -EINVAL;
    }
    /* ld.so splits LD_PRELOAD at blanks and colons and knows no way to quote them. */
    if (strpbrk(real, " :\t\n")) {
        snprintf(
            ret_why, size,
            "library '%.150s' has a blank or a colon in its path, which LD_PRELOAD cannot hold",
            path);
        return -EINVAL;
    }
    memcpy(subject->library, real, sizeof(real));
    return 0;
}

/* Takes POLICY[+BACKEND] behind `kind` apart. */
static int parse_shim_name(struct subject *subject, const char *kind, const char *name,
                           char *ret_why, size_t size)
{
    size_t policy_length = strcspn(name, "+");
    const char *backend = name[policy_length] ? name + policy_length + 1 : "syscall";

    subject->kind = SUBJECT_SHIM;
    snprintf(subject->policy, sizeof(subject->policy), "%.*s",
             (int)(policy_length > 30 ? 30 : policy_length), name);
    snprintf(subject->backend, sizeof(subject->backend), "%.30s", backend);
    if (!in_list(policies, subject->policy)) {
        snprintf(ret_why, size, "unknown policy '%s', expected naive, hash, tls or transparent",
                 subject->policy);
        return -EINVAL;
    }
    if (!in_list(backends, subject->backend)) {
        snprintf(ret_why, size, "unknown backend '%s', expected syscall, uring or module",
                 subject->backend);
        return -EINVAL;
    }
    snprintf(subject->name, sizeof(subject->name), "%s:%s+%s", kind, subject->policy,
             subject->backend);
    return 0;
}

static int parse_shim(struct subject *subject, const char *name, char *ret_why, size_t size)
{
    char home[PATH_MAX];
    char path[PATH_MAX + 32];

    int err = parse_shim_name(subject, "shim", name, ret_why, size);
    if (err)
        return err;
    err = subject_home(home, sizeof(home));
    if (err) {
        snprintf(ret_why, size, "the tool's own folder cannot be found: %s", strerror(-err));
        return -EINVAL;
    }
    snprintf(path, sizeof(path), "%s/libepbatch.so", home);
    return set_library(subject, path, ret_why, size);
}

/* Puts another copy of our own shim in place of a subject's; `what` is what it is needed for. */
static int use_copy(struct subject *subject, const char *name, const char *what, char *ret_why,
                    size_t size)
{
    char home[PATH_MAX];
    char path[PATH_MAX + 32];

    int err = subject_home(home, sizeof(home));
    if (err) {
        snprintf(ret_why, size, "the tool's own folder cannot be found: %s", strerror(-err));
        return err;
    }
    snprintf(path, sizeof(path), "%s/%s", home, name);
    if (access(path, R_OK) != 0) {
        err = -errno;
        snprintf(ret_why, size, "%s: %.150s: %s", what, path, strerror(-err));
        return err;
    }
    return set_library(subject, path, ret_why, size);
}

bool subject_injects(const struct subject *subject)
{
    return subject->kind != SUBJECT_PRELOAD && !is_linked(subject);
}

int subject_inject(struct subject *subject, const char *inject, char *ret_why, size_t size)
{
    if (subject->kind == SUBJECT_NATIVE || subject->kind == SUBJECT_MODEL)
        return 0;
    if (!subject_injects(subject)) {
        snprintf(ret_why, size,
                 "the program injects faults, which only a preloaded shim can have, and not %.100s",
                 subject->name);
        return -EOPNOTSUPP;
    }
    int err =
        use_copy(subject, "tests/libepbatch-inject.so",
                 "the program injects faults, for which the tests must be built", ret_why, size);
    if (!err)
        snprintf(subject->inject, sizeof(subject->inject), "%s", inject);
    return err;
}

int subject_count_edges(struct subject *subject, const char *path, char *ret_why, size_t size)
{
    if (subject->kind != SUBJECT_SHIM) {
        snprintf(ret_why, size, "%.100s cannot count its edges, expected one of the shims",
                 subject->name);
        return -EOPNOTSUPP;
    }
    if (strlen(path) > SUBJECT_EDGES_MAX) {
        snprintf(ret_why, size, "the path of the edges' file is too long, expected %d characters",
                 SUBJECT_EDGES_MAX);
        return -ENAMETOOLONG;
    }
    int err = 0;
    if (is_linked(subject))
        memcpy(subject->executor, executor_edges, sizeof(executor_edges));
    else
        err =
            use_copy(subject, "libepbatch-edges.so",
                     "edges are counted in a build for engines (--preset engines)", ret_why, size);
    if (!err)
        snprintf(subject->edges, sizeof(subject->edges), "%s", path);
    return err;
}

static int unknown_kind(const char *name, char *ret_why, size_t size)
{
    snprintf(ret_why, size,
             "unknown subject '%.100s', expected native, model, shim:POLICY+BACKEND, "
             "linked:POLICY+BACKEND or preload:PATH",
             name);
    return -EINVAL;
}

int subject_parse(const char *name, struct subject *ret_subject, char *ret_why, size_t size)
{
    struct subject *subject = ret_subject;

    memset(subject, 0, sizeof(*subject));
    memcpy(subject->executor, executor_plain, sizeof(executor_plain));
    if (strcmp(name, "native") == 0) {
        subject->kind = SUBJECT_NATIVE;
        strcpy(subject->name, "native");
        return 0;
    }
    if (strcmp(name, "model") == 0) {
        subject->kind = SUBJECT_MODEL;
        strcpy(subject->name, "model");
        return 0;
    }
    if (strncmp(name, "shim:", 5) == 0)
        return parse_shim(subject, name + 5, ret_why, size);
    if (strncmp(name, "linked:", 7) == 0) {
        memcpy(subject->executor, executor_linked, sizeof(executor_linked));
        return parse_shim_name(subject, "linked", name + 7, ret_why, size);
    }
    if (strncmp(name, "preload:", 8) == 0) {
        subject->kind = SUBJECT_PRELOAD;
        if (snprintf(subject->name, sizeof(subject->name), "%s", name) > SUBJECT_NAME_MAX) {
            snprintf(ret_why, size,
                     "the path of the library is too long, expected %d characters at most",
                     SUBJECT_NAME_MAX);
            return -EINVAL;
        }
        return set_library(subject, name + 8, ret_why, size);
    }
    return unknown_kind(name, ret_why, size);
}

int subject_check_name(const char *name, char *ret_why, size_t size)
{
    struct subject subject;

    if (strcmp(name, "native") == 0 || strcmp(name, "model") == 0)
        return 0;
    if (strncmp(name, "shim:", 5) == 0)
        return parse_shim_name(&subject, "shim", name + 5, ret_why, size);
    if (strncmp(name, "linked:", 7) == 0)
        return parse_shim_name(&subject, "linked", name + 7, ret_why, size);
    if (strncmp(name, "preload:", 8) == 0 && name[8])
        return 0;
    return unknown_kind(name, ret_why, size);
}

bool subject_matches(const struct subject *subject, const char *pattern)
{
    char shim[SUBJECT_NAME_MAX + 1];
    size_t length = strlen(pattern);

    if (strcmp(subject->name, pattern) == 0)
        return true;
    if (subject->kind != SUBJECT_SHIM)
        return false;
    snprintf(shim, sizeof(shim), "shim:%s+%s", subject->policy, subject->backend);
    return strcmp(shim, pattern) == 0 ||
           (strncmp(subject->name, pattern, length) == 0 && subject->name[length] == '+') ||
           (strncmp(shim, pattern, length) == 0 && shim[length] == '+');
}

bool subject_has_limits(const struct subject *subject)
{
    return subject->kind == SUBJECT_SHIM && strcmp(subject->policy, "transparent") == 0;
}

bool subject_is_bypassed(const struct subject *subject, const struct program *program)
{
    if (!subject_has_limits(subject))
        return false;
    for (unsigned i = 0; i < program->nsteps; i++) {
        if (program->steps[i].op == OP_INLINE_CLOSE)
            return true;
    }
    return false;
}

const char *subject_list(unsigned index, char *ret_why, size_t size)
{
    static _Thread_local char name[SUBJECT_NAME_MAX + 1];
    struct subject subject;
    unsigned nbackends = sizeof(backends) / sizeof(backends[0]) - 1;
    unsigned nshims = (sizeof(policies) / sizeof(policies[0]) - 1) * nbackends;

    ret_why[0] = '\0';
    if (index == 0)
        return "native";
    if (--index == 0)
        return "model";
    if (--index < nshims) {
        snprintf(name, sizeof(name), "shim:%s+%s", policies[index / nbackends],
                 backends[index % nbackends]);
        subject_parse(name, &subject, ret_why, size);
        return name;
    }
    static const char *const forms[] = {"linked:POLICY+BACKEND", "preload:PATH"};
    index -= nshims;
    return index < sizeof(forms) / sizeof(forms[0]) ? forms[index] : NULL;
}
