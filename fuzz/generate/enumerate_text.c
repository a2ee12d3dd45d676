/* Bounded enumeration: the text of calls and programs. */
#include "fuzz/generate/enumerate_text.h"

#include "fuzz/program/document.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_MAX = 4095, /* characters of one program: some 30 lines */
};

static void mention(uint8_t *list, unsigned *count, unsigned number)
{
    assert(*count < ENUMERATE_MENTIONS_MAX);
    list[(*count)++] = (uint8_t)number;
}

/* Takes a letter of its own for what it stands for. Returns the slot's name, NULL if it is none. */
static const char *fill_in_letter(char letter, unsigned epoll, unsigned file,
                                  struct enumerate_instance *instance)
{
    static const char *const epolls[] = {"e0", "e1"}, *const files[] = {"v0", "v1"};
    static const char *const epoll_duplicates[] = {"c0", "c1"}, *const duplicates[] = {"d0", "d1"};

    switch (letter) {
    case 'E':
        mention(instance->instances, &instance->ninstances, epoll);
        return epolls[epoll];
    case 'I':
        mention(instance->instances, &instance->ninstances, !epoll);
        return epolls[!epoll];
    case 'F':
        mention(instance->files, &instance->nfiles, file);
        return files[file];
    case 'G':
        mention(instance->files, &instance->nfiles, !file);
        return files[!file];
    case 'C':
        mention(instance->instances, &instance->ninstances, epoll);
        instance->duplicate = epoll ? ENUMERATE_C1 : ENUMERATE_C0;
        return epoll_duplicates[epoll];
    case 'D':
        mention(instance->files, &instance->nfiles, file);
        instance->duplicate = file ? ENUMERATE_D1 : ENUMERATE_D0;
        return duplicates[file];
    default:
        return NULL;
    }
}

static bool is_word_character(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The operation of "p1 = fork()" or "close(e0)". */
static enum op_id find_op(const char *call)
{
    const char *equals = strstr(call, " = ");
    const char *name = equals ? equals + strlen(" = ") : call;
    int op = op_find(name, strcspn(name, "("));

    assert(op >= 0);
    return (enum op_id)op;
}

bool enumerate_fill_in(const char *call, unsigned epoll, unsigned file,
                       struct enumerate_instance *instance)
{
    size_t length = 0;

    for (const char *at = call; *at;) {
        size_t word = 0;
        while (is_word_character(at[word]))
            word++;
        const char *name = word == 1 ? fill_in_letter(*at, epoll, file, instance) : NULL;
        size_t source = word ? word : 1;
        size_t written = name ? strlen(name) : source;
        assert(length + written <= ENUMERATE_CALL_MAX);
        memcpy(instance->call + length, name ? name : at, written);
        length += written;
        instance->names_child |= word == 2 && strncmp(at, "p1", 2) == 0;
        at += source;
    }
    instance->call[length] = '\0';
    instance->op = find_op(call);
    instance->names_child &= op_table[instance->op].effect != EFFECT_FORK;
    instance->tells_threads = op_table[instance->op].effect == EFFECT_CANCEL ||
                              op_table[instance->op].effect == EFFECT_JOIN;
    return (epoll == 0 || instance->ninstances > 0) && (file == 0 || instance->nfiles > 0);
}

struct text {
    size_t length;
    char room[TEXT_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length =
        vsnprintf(text->room + text->length, sizeof(text->room) - text->length, format, arguments);
    va_end(arguments);
    assert(length >= 0 && text->length + (size_t)length <= TEXT_MAX);
    text->length += (size_t)length;
}

static const char *const actor_names[ENUMERATE_ACTORS] = {"main", "t1", "p1"};

static const char *actor_name(unsigned actor)
{
    unsigned number = 0;

    while (actor != 1U << number)
        number++;
    assert(number < ENUMERATE_ACTORS);
    return actor_names[number];
}

/* Opens what the program names; in a watched world registers it, and looks once, so that nothing is
 * pending when the core operations begin. */
static void say_setup(struct text *text, enum enumerate_world world,
                      const struct enumerate_state *end, unsigned ninstances)
{
    static const char *const duplicates[ENUMERATE_DUPLICATES] = {
        [ENUMERATE_D0] = "d0 = dup(v0)",
        [ENUMERATE_D1] = "d1 = dup(v1)",
        [ENUMERATE_C0] = "c0 = dup(e0)",
        [ENUMERATE_C1] = "c1 = dup(e1)",
    };
    bool watched = enumerate_world_watched(world);

    for (unsigned e = 0; e < ninstances; e++)
        say(text, "main: e%u = epoll_create1(0)\n", e);
    for (unsigned v = 0; v < end->files; v++)
        say(text, "main: v%u = eventfd(%d, EFD_NONBLOCK)\n", v, watched ? 0 : 1);
    if (end->duplicate)
        say(text, "main: %s\n", duplicates[end->duplicate]);
    for (unsigned e = 0; watched && e < ninstances; e++) {
        for (unsigned v = 0; v < end->files; v++)
            say(text, "main: epoll_ctl(e%u, EPOLL_CTL_ADD, v%u, EPOLLIN)\n", e, v);
        say(text, "main: epoll_wait(e%u, 8, 0)\n", e);
    }
    if (enumerate_world_actors(world) & ENUMERATE_THREAD)
        say(text, "main: t1 = pthread_create()\n");
}

/* Everyone who is left looks at every instance, with room for everything. */
static void say_drain(struct text *text, enum enumerate_world world,
                      const struct enumerate_state *end, unsigned ninstances)
{
    unsigned left = enumerate_world_actors(world) & ~(unsigned)end->ended;

    for (unsigned actor = 0; actor < ENUMERATE_ACTORS; actor++) {
        if (!(left & (1U << actor)))
            continue;
        for (unsigned e = 0; e < ninstances; e++)
            say(text, "%s: epoll_wait(e%u, 8, 0)\n", actor_names[actor], e);
        if (end->duplicate == ENUMERATE_C0 || end->duplicate == ENUMERATE_C1)
            say(text, "%s: epoll_wait(c%d, 8, 0)\n", actor_names[actor],
                end->duplicate == ENUMERATE_C1);
    }
}

int enumeration_program(const struct enumeration *enumeration,
                        const struct enumerate_cursor *cursor, struct program *ret_program)
{
    const struct enumerate_state *end = &cursor->states[cursor->length];
    /* A watched world has an instance that watches, named or not. */
    unsigned ninstances = end->instances ? end->instances : 1;
    struct document_error error;
    struct text text = {.length = 0};

    assert(cursor->length >= 1 && cursor->length <= enumeration->ops);
    say_setup(&text, cursor->world, end, ninstances);
    for (unsigned i = 0; i < cursor->length; i++) {
        unsigned place = enumeration->alphabet[cursor->world][cursor->chosen[i]];
        const struct enumerate_instance *instance = &enumeration->instances[place];
        say(&text, "%s: %s\n", actor_name(instance->actor), instance->call);
    }
    say_drain(&text, cursor->world, end, ninstances);
    struct document *document = malloc(sizeof(*document));
    if (!document)
        return -ENOMEM;
    int err = document_parse(text.room, text.length, "", document, &error);
    /* The tables hold nothing that is no program. */
    assert(err == 0);
    *ret_program = document->program;
    free(document);
    return 0;
}
