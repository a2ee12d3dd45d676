/* Expectations: what a corpus file says that a verdict must be. */
#include "oracle/judge.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Classes that may be named without their detail. Not every '-' divides: fd-reuse and fd-table are
 * no family. */
static const char *const families[] = {"errno", "readiness", "wakeup"};

static bool word_is(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

static bool class_fits(enum divergence_class class, const char *word, size_t length)
{
    const char *name = class_names[class];
    if (word_is(word, length, name))
        return true;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (word_is(word, length, families[i]))
            return strncmp(name, word, length) == 0 && name[length] == '-';
    }
    return false;
}

static bool class_is_known(const char *word, size_t length)
{
    for (unsigned class = 0; class < CLASSES; class ++) {
        if (class_fits((enum divergence_class) class, word, length))
            return true;
    }
    return false;
}

static bool class_is_whole(const char *word, size_t length)
{
    for (unsigned class = 0; class < CLASSES; class ++) {
        if (word_is(word, length, class_names[class]))
            return true;
    }
    return false;
}

static bool hazard_is_known(const char *word, size_t length)
{
    for (unsigned hazard = 0; hazard < HAZARDS; hazard++) {
        if (word_is(word, length, hazard_codes[hazard]))
            return true;
    }
    return false;
}

bool verdict_matches(const struct verdict *verdict, const char *expectation)
{
    if (strcmp(expectation, "equal") == 0)
        return verdict->equal || verdict->strict_only;
    if (verdict->equal)
        return false;
    if (strchr(expectation, '/') != NULL)
        return strcmp(expectation, verdict->signature) == 0;
    size_t class_length = strcspn(expectation, " ");
    const char *hazard = expectation + class_length + strspn(expectation + class_length, " ");
    return class_fits(verdict->class, expectation, class_length) &&
           strcmp(hazard, hazard_codes[verdict->hazard]) == 0;
}

/* The kinds of a signature are a table's and our own words: letters, digits and '_', joined by '-'.
 */
static bool kinds_are_sound(const char *kinds)
{
    if (*kinds == '\0')
        return false;
    for (bool start = true; *kinds != '\0'; kinds++) {
        bool letter =
            (*kinds >= 'a' && *kinds <= 'z') || (*kinds >= '0' && *kinds <= '9') || *kinds == '_';
        if (!letter && (*kinds != '-' || start || kinds[1] == '\0'))
            return false;
        start = *kinds == '-';
    }
    return true;
}

static int refuse(char *ret_why, size_t size, const char *what, const char *word, size_t length)
{
    (void)snprintf(ret_why, size, "%s \"%.*s\"", what, (int)length, word);
    return -EINVAL;
}

bool signature_is_metamorphic(const char *signature)
{
    return strncmp(signature, SIGNATURE_METAMORPHIC, strlen(SIGNATURE_METAMORPHIC)) == 0;
}

void verdict_mark_metamorphic(struct verdict *verdict)
{
    char text[sizeof(verdict->explanation)];

    assert(!verdict->equal && !signature_is_metamorphic(verdict->signature));
    (void)snprintf(text, sizeof(text), "%s%s", SIGNATURE_METAMORPHIC, verdict->signature);
    assert(strlen(text) < sizeof(verdict->signature));
    memcpy(verdict->signature, text, strlen(text) + 1);
    memcpy(text, verdict->explanation, sizeof(text));
    (void)snprintf(verdict->explanation, sizeof(verdict->explanation),
                   "Flush points between the steps change what comes out under the subject; "
                   "\"native\" is the run that has them. %.*s",
                   (int)(sizeof(text) - 200), text);
}

static int check_signature(const char *text, char *ret_why, size_t size)
{
    if (signature_is_metamorphic(text))
        text += strlen(SIGNATURE_METAMORPHIC);
    size_t class_length = strcspn(text, "/");
    const char *hazard = text + class_length + (text[class_length] == '/');
    size_t hazard_length = strcspn(hazard, "/");
    if (!class_is_whole(text, class_length))
        return refuse(ret_why, size, "a signature starts with a whole class, this is none:", text,
                      class_length);
    if (!hazard_is_known(hazard, hazard_length))
        return refuse(ret_why, size, "expected a hazard code or '-', found", hazard, hazard_length);
    const char *kinds = hazard + hazard_length;
    if (*kinds != '/' || !kinds_are_sound(kinds + 1))
        return refuse(ret_why, size, "expected /KIND-KIND… after the hazard, found", kinds,
                      strlen(kinds));
    return 0;
}

int verdict_check_expectation(const char *expectation, char *ret_why, size_t size)
{
    if (strcmp(expectation, "equal") == 0)
        return 0;
    if (strchr(expectation, '/') != NULL)
        return check_signature(expectation, ret_why, size);
    size_t class_length = strcspn(expectation, " ");
    if (!class_is_known(expectation, class_length))
        return refuse(ret_why, size, "expected \"equal\", a class or a signature, found",
                      expectation, class_length);
    const char *hazard = expectation + class_length + strspn(expectation + class_length, " ");
    if (!hazard_is_known(hazard, strlen(hazard)))
        return refuse(ret_why, size, "expected a hazard code or '-' after the class, found", hazard,
                      strlen(hazard));
    return 0;
}
