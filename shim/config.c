#include "shim/config.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The longest refusal; a longer value is cut. One write, so that it stays one line. */
#define CONFIG_LINE_MAX  512
#define CONFIG_VALUE_MAX 128

#define POLICY(name) &policy_##name,
static const struct policy *const config_policies[] = {
#include "shim/policies.def"
};
#undef POLICY

#define POLICY(name) " " #name
static const char config_policy_names[] =
#include "shim/policies.def"
    ;
#undef POLICY

#define BACKEND(name) &backend_##name,
static const struct backend *const config_backends[] = {
#include "shim/backends.def"
};
#undef BACKEND

#define BACKEND(name) " " #name
static const char config_backend_names[] =
#include "shim/backends.def"
    ;
#undef BACKEND

static const char config_backend_default[] = "syscall";

/* Writes the line, cut and cleaned, and ends the process. length is what snprintf returned. */
static _Noreturn void config_end(char *line, int length)
{
    ssize_t written;

    assert(length > 0 && length < CONFIG_LINE_MAX);
    for (int index = 0; index < length; index++) {
        if (iscntrl((unsigned char)line[index])) {
            line[index] = '?';
        }
    }
    line[length] = '\n';
    /* Nothing is left to do if stderr is closed; the exit status still tells. */
    written = write(STDERR_FILENO, line, (size_t)length + 1);
    (void)written;
    _exit(CONFIG_EXIT_REFUSED);
}

_Noreturn void config_refuse_backend(const struct backend *backend, const char *why)
{
    char line[CONFIG_LINE_MAX];
    int length = snprintf(line, sizeof(line), "libepbatch: EPBATCH_BACKEND is \"%s\", but %.*s",
                          backend->name, CONFIG_LINE_MAX / 2, why);

    config_end(line, length);
}

/* names is a list with a space before each. */
static _Noreturn void config_refuse(const char *variable, const char *value, const char *names)
{
    char line[CONFIG_LINE_MAX];
    int length;

    if (value == NULL) {
        length = snprintf(line, sizeof(line), "libepbatch: %s is not set; it must be one of:%s",
                          variable, names);
    } else {
        length = snprintf(line, sizeof(line),
                          "libepbatch: %s is \"%.*s\", which is unknown; it must be one of:%s",
                          variable, CONFIG_VALUE_MAX, value, names);
    }
    config_end(line, length);
}

static const struct policy *config_find_policy(const char *name)
{
    for (size_t index = 0; index < sizeof(config_policies) / sizeof(*config_policies); index++) {
        if (strcmp(config_policies[index]->name, name) == 0) {
            return config_policies[index];
        }
    }
    return NULL;
}

static const struct backend *config_find_backend(const char *name)
{
    for (size_t index = 0; index < sizeof(config_backends) / sizeof(*config_backends); index++) {
        if (strcmp(config_backends[index]->name, name) == 0) {
            return config_backends[index];
        }
    }
    return NULL;
}

static bool config_choose(const char *word, size_t length, const char *const *names, size_t count,
                          bool *ret_chosen)
{
    for (size_t index = 0; index < count; index++) {
        if (strlen(names[index]) == length && memcmp(names[index], word, length) == 0) {
            ret_chosen[index] = true;
            return true;
        }
    }
    return false;
}

void config_load_list(const char *variable, const char *const *names, size_t count,
                      bool *ret_chosen)
{
    const char *value = getenv(variable);
    char known[CONFIG_LINE_MAX / 2] = " none";

    for (size_t index = 0; index < count; index++) {
        ret_chosen[index] = value == NULL;
        assert(strlen(known) + strlen(names[index]) + 2 < sizeof(known));
        strcat(strcat(known, " "), names[index]);
    }
    if (value == NULL || strcmp(value, "none") == 0) {
        return;
    }
    for (const char *word = value;; word++) {
        size_t length = strcspn(word, ",");

        if (!config_choose(word, length, names, count, ret_chosen)) {
            config_refuse(variable, value, known);
        }
        word += length;
        if (*word == '\0') {
            return;
        }
    }
}

void config_say(const char *what)
{
    char line[CONFIG_LINE_MAX];
    int length = snprintf(line, sizeof(line), "libepbatch: %s\n", what);
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);

    (void)written;
}

void config_load(struct config *ret_config)
{
    const char *policy_name = getenv("EPBATCH_POLICY");
    const char *backend_name = getenv("EPBATCH_BACKEND");
    struct config config = {0};

    if (policy_name != NULL) {
        config.policy = config_find_policy(policy_name);
    }
    if (config.policy == NULL) {
        config_refuse("EPBATCH_POLICY", policy_name, config_policy_names);
    }
    if (backend_name == NULL) {
        backend_name = config_backend_default;
    }
    config.backend = config_find_backend(backend_name);
    if (config.backend == NULL) {
        config_refuse("EPBATCH_BACKEND", backend_name, config_backend_names);
    }
    *ret_config = config;
}
