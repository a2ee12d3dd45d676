/*
 * check_output json [KEY...]: every line of stdin is a JSON object; prints the value of KEYs that
 * the last one has.
 * check_output junit: stdin is well-formed XML with one testsuite whose counts are those of its
 * testcases; prints "tests failures skipped".
 */
#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_MAX = 1 << 22,
    DEPTH_MAX = 16,
    NAME_MAX_ = 64,
};

static char text[TEXT_MAX];

__attribute__((noreturn)) static void wrong(const char *what, const char *where)
{
    fprintf(stderr, "check_output: %s at: %.60s\n", what, where);
    exit(1);
}

static int check_json(int nkeys, char **keys)
{
    static char line[TEXT_MAX];
    json_t *last = NULL;

    while (fgets(line, sizeof(line), stdin)) {
        json_error_t error;
        json_decref(last);
        last = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        if (!json_is_object(last))
            wrong(error.text, line);
    }
    if (!last)
        wrong("no line", "");
    for (int i = 0; i < nkeys; i++) {
        json_t *value = json_object_get(last, keys[i]);
        if (!value)
            wrong("no such key", keys[i]);
        char *written = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        printf("%s\n", written);
        free(written);
    }
    json_decref(last);
    return 0;
}

struct xml {
    unsigned depth;
    char open[DEPTH_MAX][NAME_MAX_];
    unsigned suites, cases, failures, skipped;
    unsigned stated[3];
};

static const char *read_name(const char *at, char *ret_name)
{
    size_t length = 0;

    while (isalnum((unsigned char)at[length]) || at[length] == '-' || at[length] == '_')
        length++;
    if (length == 0 || length >= NAME_MAX_)
        wrong("a name was expected", at);
    memcpy(ret_name, at, length);
    ret_name[length] = '\0';
    return at + length;
}

static const char *check_text(const char *at, char end)
{
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#39;"};

    for (; *at && *at != end; at++) {
        bool known = *at != '&';
        for (unsigned i = 0; !known && i < sizeof(entities) / sizeof(entities[0]); i++)
            known = strncmp(at, entities[i], strlen(entities[i])) == 0;
        if (!known || *at == '<' || ((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t'))
            wrong("a character that cannot stand here", at);
    }
    return at;
}

static void note_attribute(struct xml *xml, const char *element, const char *name,
                           const char *value)
{
    static const char *const names[] = {"tests", "failures", "skipped"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(element, "testsuite") == 0 && strcmp(name, names[i]) == 0)
            xml->stated[i] = (unsigned)strtoul(value, NULL, 10);
    }
}

static const char *read_attributes(struct xml *xml, const char *element, const char *at)
{
    char name[NAME_MAX_];

    for (;;) {
        while (isspace((unsigned char)*at))
            at++;
        if (*at == '>' || strncmp(at, "/>", 2) == 0)
            return at;
        at = read_name(at, name);
        if (strncmp(at, "=\"", 2) != 0)
            wrong("a value was expected", at);
        note_attribute(xml, element, name, at + 2);
        at = check_text(at + 2, '"');
        if (*at++ != '"')
            wrong("a value has no end", at);
    }
}

static const char *read_element(struct xml *xml, const char *at)
{
    char name[NAME_MAX_];

    if (at[1] == '/') {
        at = read_name(at + 2, name);
        if (xml->depth == 0 || strcmp(xml->open[--xml->depth], name) != 0 || *at != '>')
            wrong("another end was expected", at);
        return at + 1;
    }
    at = read_name(at + 1, name);
    xml->suites += strcmp(name, "testsuite") == 0;
    xml->cases += strcmp(name, "testcase") == 0;
    xml->failures += strcmp(name, "failure") == 0;
    xml->skipped += strcmp(name, "skipped") == 0;
    at = read_attributes(xml, name, at);
    if (*at == '/')
        return at + 2;
    if (xml->depth == DEPTH_MAX)
        wrong("too deep", at);
    strcpy(xml->open[xml->depth++], name);
    return at + 1;
}

static int check_junit(void)
{
    static const char head[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    struct xml xml = {.depth = 0};

    size_t length = fread(text, 1, sizeof(text) - 1, stdin);
    text[length] = '\0';
    if (strlen(text) != length || strncmp(text, head, strlen(head)) != 0)
        wrong("no XML declaration", text);
    for (const char *at = text + strlen(head); *at;) {
        if (*at == '<')
            at = read_element(&xml, at);
        else
            at = check_text(at, '<');
    }
    if (xml.depth != 0 || xml.suites != 1)
        wrong("it does not end", text + length);
    if (xml.stated[0] != xml.cases || xml.stated[1] != xml.failures || xml.stated[2] != xml.skipped)
        wrong("the counts are not those of the cases", text);
    printf("%u %u %u\n", xml.cases, xml.failures, xml.skipped);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "json") == 0)
        return check_json(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "junit") == 0)
        return check_junit();
    wrong("expected json or junit", "");
}
