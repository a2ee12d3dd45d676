#include "fuzz/program/inject.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *call;
    const char *word;
} faults[] = {
#define FAULT(call, word, meaning) {#call, #word},
#include "fuzz/program/faults.def"
#undef FAULT
};

enum {
    NFAULTS = sizeof(faults) / sizeof(faults[0]),
    SHOWN_MAX = 40, /* characters of a wrong word that a message quotes */
};

/* A word of letters, digits and '_'. */
struct word {
    const char *text;
    size_t length;
};

static struct word take_word(const char **at)
{
    *at += strspn(*at, " \t");
    struct word word = {.text = *at};
    while (isalnum((unsigned char)**at) || **at == '_')
        (*at)++;
    word.length = (size_t)(*at - word.text);
    return word;
}

static bool word_is(const struct word *word, const char *text)
{
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

static int shown(const struct word *word)
{
    return (int)(word->length > SHOWN_MAX ? SHOWN_MAX : word->length);
}

/* The words that can stand for a call, or for a fault of that call, with commas between. */
static void list_words(const struct word *call, char *out, size_t size)
{
    size_t length = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < NFAULTS && length < size; i++) {
        const char *name = call ? faults[i].word : faults[i].call;
        if (call ? !word_is(call, faults[i].call)
                 : i > 0 && strcmp(faults[i - 1].call, faults[i].call) == 0)
            continue;
        length += (size_t)snprintf(out + length, size - length, "%s%s", length ? ", " : "", name);
    }
}

static int check_call(const struct word *call, char *ret_why, size_t size)
{
    char words[128];

    for (unsigned i = 0; i < NFAULTS; i++) {
        if (word_is(call, faults[i].call))
            return 0;
    }
    list_words(NULL, words, sizeof(words));
    snprintf(ret_why, size, "'%.*s' is no call that can fail, expected one of %s", shown(call),
             call->text, words);
    return -EINVAL;
}

static int check_fault(const struct word *call, const struct word *fault, char *ret_why,
                       size_t size)
{
    char words[128];

    for (unsigned i = 0; i < NFAULTS; i++) {
        if (word_is(call, faults[i].call) && word_is(fault, faults[i].word))
            return 0;
    }
    list_words(call, words, sizeof(words));
    snprintf(ret_why, size, "'%.*s' is no fault of %.*s, expected one of %s", shown(fault),
             fault->text, shown(call), call->text, words);
    return -EINVAL;
}

static int check_number(const struct word *number, char *ret_why, size_t size)
{
    char digits[8] = "";

    if (number->length > 0 && number->length < sizeof(digits))
        memcpy(digits, number->text, number->length);
    if (digits[0] != '\0' && strspn(digits, "0123456789") == number->length) {
        unsigned long value = strtoul(digits, NULL, 10);
        if (value >= 1 && value <= INJECT_NUMBER_MAX)
            return 0;
    }
    snprintf(ret_why, size, "'%.*s' is no number of a call, expected 1 to %d", shown(number),
             number->text, INJECT_NUMBER_MAX);
    return -EINVAL;
}

/* One fault; *at moves behind it, or to what is wrong. */
static int check_one(const char **at, char *ret_why, size_t size)
{
    struct word call = take_word(at);
    struct word fault = {.text = *at};

    int err = check_call(&call, ret_why, size);
    if (err) {
        *at = call.text;
        return err;
    }
    fault = take_word(at);
    err = check_fault(&call, &fault, ret_why, size);
    if (err) {
        *at = fault.text;
        return err;
    }
    if (**at != '@') {
        snprintf(ret_why, size, "expected '@' and the number of the call behind the fault");
        return -EINVAL;
    }
    (*at)++;
    struct word number = {.text = *at};
    while (isalnum((unsigned char)**at))
        (*at)++;
    number.length = (size_t)(*at - number.text);
    err = check_number(&number, ret_why, size);
    if (err)
        *at = number.text;
    return err;
}

int inject_check(const char *text, size_t *ret_at, char *ret_why, size_t size)
{
    const char *at = text;

    while (check_one(&at, ret_why, size) == 0) {
        at += strspn(at, " \t");
        if (*at == '\0')
            return 0;
        if (*at != ',') {
            snprintf(ret_why, size, "unexpected '%.1s', expected ',' or the end of the line", at);
            break;
        }
        at++;
    }
    *ret_at = (size_t)(at - text);
    return -EINVAL;
}
