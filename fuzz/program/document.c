/* The text form of programs: the parser. */
#include "fuzz/program/document.h"

#include "fuzz/program/inject.h"
#include "fuzz/program/parallel.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_INJECT = 1 << 30,
};

/* One line being read. `at` and `end` are offsets into it; columns are offsets from 1. */
struct line {
    const char *text;
    size_t at;
    size_t end;
    unsigned number;
};

struct parser {
    struct document *document;
    struct document_error *error;
    size_t comment_length;
    unsigned headers_seen; /* bits by the index in parse_header, and HEADER_INJECT */
    unsigned blocks;       /* parallel blocks so far */
    unsigned block_line;   /* where the one that is open began, 0: none is */
};

struct token {
    const char *text;
    size_t length;
    size_t column; /* from 0 */
};

__attribute__((format(printf, 4, 5))) static int
refuse(struct parser *parser, const struct line *line, size_t column, const char *format, ...)
{
    va_list arguments;

    parser->error->line = line ? line->number : 0;
    parser->error->column = line ? (unsigned)column + 1 : 0;
    va_start(arguments, format);
    vsnprintf(parser->error->what, sizeof(parser->error->what), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static void skip_blanks(struct line *line)
{
    while (line->at < line->end && (line->text[line->at] == ' ' || line->text[line->at] == '\t'))
        line->at++;
}

/* What a line can hold: anything but control characters. */
static bool is_plain(char c)
{
    return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

static bool is_name_character(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* A name, a number, a quoted path, or one punctuation character; length 0 at the end of the line.
 */
static struct token next_token(struct line *line)
{
    skip_blanks(line);
    struct token token = {.text = line->text + line->at, .length = 0, .column = line->at};
    if (line->at == line->end || line->text[line->at] == '#') {
        line->at = line->end;
        return token;
    }
    size_t start = line->at;
    if (line->text[line->at] == '"') {
        line->at++;
        while (line->at < line->end && line->text[line->at] != '"')
            line->at++;
        line->at += line->at < line->end;
    } else if (is_name_character(line->text[line->at]) ||
               (line->text[line->at] == '-' && line->at + 1 < line->end &&
                isdigit((unsigned char)line->text[line->at + 1]))) {
        line->at++;
        while (line->at < line->end && is_name_character(line->text[line->at]))
            line->at++;
    } else {
        line->at++;
    }
    token.length = line->at - start;
    return token;
}

static struct token peek_token(const struct line *line)
{
    struct line copy = *line;
    return next_token(&copy);
}

static bool token_is(const struct token *token, const char *text)
{
    return token->length == strlen(text) && memcmp(token->text, text, token->length) == 0;
}

/* How much of a token error messages quote: enough to recognise it, never a whole line. */
static int shown(const struct token *token)
{
    return (int)(token->length > 40 ? 40 : token->length);
}

static int expect_character(struct parser *parser, struct line *line, const char *character,
                            const char *where)
{
    struct token token = next_token(line);

    if (token_is(&token, character))
        return 0;
    if (token.length == 0)
        return refuse(parser, line, token.column, "the line ends, expected '%s' %s", character,
                      where);
    return refuse(parser, line, token.column, "unexpected '%.*s', expected '%s' %s", shown(&token),
                  token.text, character, where);
}

static int parse_number(const struct token *token, int64_t *ret_value)
{
    char digits[32];
    char *end;

    if (token->length == 0 || token->length >= sizeof(digits))
        return -EINVAL;
    memcpy(digits, token->text, token->length);
    digits[token->length] = '\0';
    if (!isdigit((unsigned char)digits[0]) && digits[0] != '-')
        return -EINVAL;
    errno = 0;
    long long value = strtoll(digits, &end, 0);
    if (*end != '\0' || errno == ERANGE)
        return -EINVAL;
    *ret_value = value;
    return 0;
}

static const struct arg_word *find_word(const struct arg_info *info, const struct token *token)
{
    for (const struct arg_word *word = info->words; word->word; word++) {
        if (token_is(token, word->word))
            return word;
    }
    return NULL;
}

static int parse_fd(struct parser *parser, struct line *line, const struct token *token,
                    struct step *step, unsigned index, unsigned slots_bound)
{
    const struct program *program = &parser->document->program;
    int64_t value;

    if (parse_number(token, &value) == 0) {
        if (value < INT_MIN || value > INT_MAX)
            return refuse(parser, line, token->column,
                          "descriptor %.*s is out of range, expected an int", shown(token),
                          token->text);
        step->tags[index] = TAG_INT;
        step->args[index] = value;
        return 0;
    }
    int slot = program_find_slot(program, token->text, token->length);
    if (slot < 0 || (unsigned)slot >= slots_bound)
        return refuse(parser, line, token->column,
                      "'%.*s' is no slot that an earlier step binds, expected a slot or a number",
                      shown(token), token->text);
    step->tags[index] = TAG_SLOT;
    step->args[index] = slot;
    return 0;
}

static int parse_actor_arg(struct parser *parser, struct line *line, const struct token *token,
                           struct step *step, unsigned index, enum arg_kind kind)
{
    const struct program *program = &parser->document->program;
    int actor = program_find_actor(program, token->text, token->length);

    if (actor < 0 || !program_actor_fits(program, (unsigned)actor, kind))
        return refuse(parser, line, token->column,
                      "'%.*s' is no actor that %s has bound, expected one", shown(token),
                      token->text,
                      kind == ARG_PROCESS  ? "fork, vfork_exec or posix_spawn"
                      : kind == ARG_THREAD ? "pthread_create"
                                           : "a step before");
    step->tags[index] = TAG_ACTOR;
    step->args[index] = actor;
    return 0;
}

static int parse_mask(struct parser *parser, struct line *line, struct token token,
                      const struct arg_info *info, int64_t *ret_value)
{
    int64_t value = 0;

    for (;;) {
        const struct arg_word *word = find_word(info, &token);
        int64_t term;
        if (token.length == 0)
            return refuse(parser, line, token.column, "the line ends, expected %s", info->doc);
        if (word)
            term = word->value;
        else if (parse_number(&token, &term) != 0 || term < 0)
            return refuse(parser, line, token.column, "unknown word '%.*s', expected %s",
                          shown(&token), token.text, info->doc);
        struct token next = peek_token(line);
        bool more = token_is(&next, "|");
        if (term < 0) {
            /* NULL and BADPTR are whole arguments, not bits. */
            if (more || value != 0)
                return refuse(parser, line, token.column, "'%.*s' cannot be joined by '|'",
                              shown(&token), token.text);
            *ret_value = term;
            return 0;
        }
        value |= term;
        if (!more) {
            *ret_value = value;
            return 0;
        }
        next_token(line);
        token = next_token(line);
    }
}

static int parse_value(struct parser *parser, struct line *line, const struct token *token,
                       const struct arg_info *info, int64_t *ret_value)
{
    const struct arg_word *word = find_word(info, token);

    if (info->shape == ARG_SHAPE_MASK)
        return parse_mask(parser, line, *token, info, ret_value);
    if (info->shape == ARG_SHAPE_ENUM && word) {
        *ret_value = word->value;
        return 0;
    }
    if (parse_number(token, ret_value) == 0)
        return 0;
    return refuse(parser, line, token->column, "unexpected '%.*s', expected %s", shown(token),
                  token->text, info->doc);
}

static int parse_arg(struct parser *parser, struct line *line, struct step *step, unsigned index,
                     unsigned slots_bound)
{
    const struct program *program = &parser->document->program;
    enum arg_kind kind = op_table[step->op].args[index];
    const struct arg_info *info = &arg_table[kind];
    struct token token = next_token(line);
    int err;

    if (token.length == 0)
        return refuse(parser, line, token.column, "the line ends, expected %s", info->doc);
    if (info->shape == ARG_SHAPE_FD)
        err = parse_fd(parser, line, &token, step, index, slots_bound);
    else if (info->shape == ARG_SHAPE_ACTOR)
        err = parse_actor_arg(parser, line, &token, step, index, kind);
    else
        err = parse_value(parser, line, &token, info, &step->args[index]);
    if (err)
        return err;
    const char *why = step_check_arg(program, step, index, slots_bound, program->nactors);
    if (why)
        return refuse(parser, line, token.column, "%s, expected %s", why, info->doc);
    return 0;
}

static int parse_args(struct parser *parser, struct line *line, struct step *step,
                      unsigned slots_bound)
{
    const struct op_info *op = &op_table[step->op];
    struct token token = peek_token(line);
    unsigned count = 0;

    while (!token_is(&token, ")")) {
        int err = 0;
        if (count > 0)
            err = expect_character(parser, line, ",", "or ')' between arguments");
        if (!err && count == op->nargs)
            return refuse(parser, line, token.column, "too many arguments, %s takes %u", op->text,
                          op->nargs);
        if (!err)
            err = parse_arg(parser, line, step, count, slots_bound);
        if (err)
            return err;
        count++;
        token = peek_token(line);
    }
    if (count < op->nargs_must)
        return refuse(parser, line, token.column, "too few arguments, %s takes %u: the next is %s",
                      op->text, op->nargs_must, arg_table[op->args[count]].doc);
    return 0;
}

/* The names before '=': at most PROGRAM_OUTS_MAX of them. */
struct out_names {
    unsigned count;
    struct token names[PROGRAM_OUTS_MAX];
};

static bool line_binds(const struct line *line)
{
    struct line copy = *line;
    for (struct token token = next_token(&copy); token.length; token = next_token(&copy)) {
        if (token_is(&token, "="))
            return true;
        if (token_is(&token, "("))
            return false;
    }
    return false;
}

static int parse_outs(struct parser *parser, struct line *line, struct out_names *ret_outs)
{
    const struct program *program = &parser->document->program;

    ret_outs->count = 0;
    if (!line_binds(line))
        return 0;
    for (;;) {
        struct token token = next_token(line);
        if (token.length == 0 || isdigit((unsigned char)token.text[0]) ||
            !is_name_character(token.text[0]))
            return refuse(parser, line, token.column, "unexpected '%.*s', expected a name to bind",
                          shown(&token), token.text);
        if (token.length > PROGRAM_NAME_MAX)
            return refuse(parser, line, token.column,
                          "name is too long, expected %d characters at most", PROGRAM_NAME_MAX);
        if (name_is_reserved(token.text, token.length))
            return refuse(parser, line, token.column, "'%.*s' is a reserved word, expected a name",
                          shown(&token), token.text);
        bool twice = ret_outs->count == 1 && ret_outs->names[0].length == token.length &&
                     memcmp(ret_outs->names[0].text, token.text, token.length) == 0;
        if (twice || program_find_slot(program, token.text, token.length) >= 0 ||
            program_find_actor(program, token.text, token.length) >= 0)
            return refuse(parser, line, token.column,
                          "'%.*s' is bound already, expected a new name", shown(&token),
                          token.text);
        if (ret_outs->count == PROGRAM_OUTS_MAX)
            return refuse(parser, line, token.column, "too many results, expected %d at most",
                          PROGRAM_OUTS_MAX);
        ret_outs->names[ret_outs->count++] = token;
        struct token next = next_token(line);
        if (token_is(&next, "="))
            return 0;
        if (!token_is(&next, ","))
            return refuse(parser, line, next.column, "unexpected '%.*s', expected ',' or '='",
                          shown(&next), next.text);
    }
}

static int append_named(struct parser *parser, struct line *line, const struct token *op_token,
                        int op, unsigned actor, const struct out_names *outs,
                        struct step **ret_step)
{
    struct program *program = &parser->document->program;
    const struct op_info *info = &op_table[op];

    /* Results may be left unnamed; they are bound under a generated name all the same. */
    if (outs->count != 0 && outs->count != info->nouts)
        return refuse(parser, line, op_token->column, "%s binds %u results, not %u", info->text,
                      info->nouts, outs->count);
    struct step *step = program_append(program, (enum op_id)op, actor);
    if (!step)
        return refuse(parser, line, op_token->column,
                      "the program is too long, expected at most %d steps, %d slots and %d actors",
                      PROGRAM_STEPS_MAX, PROGRAM_SLOTS_MAX, PROGRAM_ACTORS_MAX);
    for (unsigned i = 0; i < outs->count; i++) {
        char *name = info->outs[i].kind == FILE_ACTOR ? program->actors[step->outs[i]].name
                                                      : program->slots[step->outs[i]].name;
        memset(name, 0, PROGRAM_NAME_MAX + 1);
        memcpy(name, outs->names[i].text, outs->names[i].length);
    }
    step->line = line->number;
    step->block = parser->block_line ? (uint8_t)parser->blocks : 0;
    *ret_step = step;
    return 0;
}

/* What stands in a parallel block is refused at its own line. */
static int check_in_block(struct parser *parser, struct line *line, const struct token *op_token,
                          const struct step *step)
{
    const struct program *program = &parser->document->program;

    if (step->block == 0)
        return 0;
    const char *why = parallel_check_step(step);
    if (why)
        return refuse(parser, line, op_token->column,
                      "%s, expected one that docs/parallel.md lists", why);
    for (unsigned i = 0; i < op_table[step->op].nargs; i++) {
        if (parallel_slot_is_foreign(program, step, i))
            return refuse(parser, line, op_token->column,
                          "'%s' is bound in this parallel block by another actor, expected a slot "
                          "from before the block or the actor's own",
                          program->slots[step->args[i]].name);
    }
    return 0;
}

static int expect_end_of_line(struct parser *parser, struct line *line)
{
    struct token rest = next_token(line);

    if (rest.length == 0)
        return 0;
    return refuse(parser, line, rest.column, "unexpected '%.*s', expected the end of the line",
                  shown(&rest), rest.text);
}

/* "parallel {" */
static int open_block(struct parser *parser, struct line *line, const struct token *word)
{
    int err = expect_character(parser, line, "{", "after 'parallel'");

    if (!err)
        err = expect_end_of_line(parser, line);
    if (err)
        return err;
    if (parser->block_line)
        return refuse(parser, line, word->column,
                      "a parallel block in the parallel block of line %u, expected '}' before it",
                      parser->block_line);
    parser->block_line = line->number;
    parser->blocks++;
    return 0;
}

/* "}" */
static int close_block(struct parser *parser, struct line *line, const struct token *word)
{
    const struct program *program = &parser->document->program;
    bool two = false;

    if (!parser->block_line)
        return refuse(parser, line, word->column,
                      "unexpected '}', expected it only behind 'parallel {'");
    for (unsigned i = 0; i < program->nsteps; i++) {
        const struct step *step = &program->steps[i];
        two |= step->block == parser->blocks &&
               step->actor != program->steps[program->nsteps - 1].actor;
    }
    if (!two)
        return refuse(parser, line, word->column,
                      "the parallel block of line %u has fewer than two actors, expected two",
                      parser->block_line);
    parser->block_line = 0;
    return expect_end_of_line(parser, line);
}

static int parse_step(struct parser *parser, struct line *line, const struct token *actor_token)
{
    struct program *program = &parser->document->program;
    unsigned slots_bound = program->nslots;
    struct out_names outs;
    struct step *step = NULL;

    int actor = program_find_actor(program, actor_token->text, actor_token->length);
    if (actor < 0)
        return refuse(
            parser, line, actor_token->column,
            "'%.*s' is neither a header nor an actor, expected main or one that an earlier "
            "step binds",
            shown(actor_token), actor_token->text);
    int err = parse_outs(parser, line, &outs);
    if (err)
        return err;
    struct token op_token = next_token(line);
    int op = op_find(op_token.text, op_token.length);
    if (op_token.length == 0)
        return refuse(parser, line, op_token.column,
                      "the line ends, expected an operation of docs/operations.md");
    if (op < 0)
        return refuse(parser, line, op_token.column,
                      "unknown operation '%.*s', expected one of "
                      "docs/operations.md",
                      shown(&op_token), op_token.text);
    err = expect_character(parser, line, "(", "after the operation");
    if (!err)
        err = append_named(parser, line, &op_token, op, (unsigned)actor, &outs, &step);
    if (!err)
        err = parse_args(parser, line, step, slots_bound);
    if (!err)
        err = expect_character(parser, line, ")", "at the end of the call");
    if (!err)
        err = check_in_block(parser, line, &op_token, step);
    if (err)
        return err;
    return expect_end_of_line(parser, line);
}

/* Copies the rest of the line, blanks trimmed, into a header's room. */
static int take_rest(struct parser *parser, struct line *line, char room[DOCUMENT_WORD_MAX + 1])
{
    skip_blanks(line);
    size_t end = line->end;
    while (end > line->at && isspace((unsigned char)line->text[end - 1]))
        end--;
    size_t length = end - line->at;
    if (length == 0)
        return refuse(parser, line, line->at, "the header is empty, expected a value");
    if (length > DOCUMENT_WORD_MAX)
        return refuse(parser, line, line->at,
                      "the value is too long, expected %d characters at most", DOCUMENT_WORD_MAX);
    memcpy(room, line->text + line->at, length);
    room[length] = '\0';
    line->at = line->end;
    return 0;
}

static int parse_expect(struct parser *parser, struct line *line, const struct token *word)
{
    struct document *document = parser->document;

    if (document->nexpects == DOCUMENT_EXPECTS_MAX)
        return refuse(parser, line, word->column, "too many expectations, expected %d at most",
                      DOCUMENT_EXPECTS_MAX);
    struct document_expect *expect = &document->expects[document->nexpects];
    skip_blanks(line);
    size_t start = line->at;
    /* A subject's name holds a colon itself (shim:naive): the one that ends it has a blank behind
     * it. */
    while (line->at < line->end &&
           !(line->text[line->at] == ':' &&
             (line->at + 1 == line->end || isspace((unsigned char)line->text[line->at + 1]))))
        line->at++;
    size_t length = line->at - start;
    if (line->at == line->end || length == 0 || length > DOCUMENT_WORD_MAX)
        return refuse(parser, line, start,
                      "malformed expectation, expected 'expect SUBJECT: VERDICT'");
    memset(expect, 0, sizeof(*expect));
    memcpy(expect->subject, line->text + start, length);
    expect->line = line->number;
    line->at++;
    int err = take_rest(parser, line, expect->verdict);
    if (err)
        return err;
    for (unsigned i = 0; i < document->nexpects; i++) {
        if (strcmp(document->expects[i].subject, expect->subject) == 0)
            return refuse(parser, line, start, "a second expectation for %s, expected one",
                          expect->subject);
    }
    document->nexpects++;
    return 0;
}

/* Headers of one word: each at most once, so that no line silently undoes another. */
static int parse_word_header(struct parser *parser, struct line *line, const struct token *word,
                             char room[DOCUMENT_WORD_MAX + 1], unsigned bit)
{
    if (parser->headers_seen & bit)
        return refuse(parser, line, word->column, "a second header '%.*s', expected one",
                      shown(word), word->text);
    parser->headers_seen |= bit;
    int err = expect_character(parser, line, ":", "after the header's name");
    return err ? err : take_rest(parser, line, room);
}

/* "inject: CALL FAULT@NUMBER, ...": checked here, for its words mean something. */
static int parse_inject(struct parser *parser, struct line *line, const struct token *word)
{
    char *room = parser->document->inject;
    char why[DOCUMENT_ERROR_MAX + 1];
    struct line value = *line;
    size_t at;

    int err = parse_word_header(parser, line, word, room, HEADER_INJECT);
    if (err || inject_check(room, &at, why, sizeof(why)) == 0)
        return err;
    (void)next_token(&value); /* the colon */
    skip_blanks(&value);
    return refuse(parser, line, value.at + at, "%s", why);
}

static int parse_header(struct parser *parser, struct line *line, const struct token *word,
                        bool *ret_is_header)
{
    struct document *document = parser->document;
    const struct {
        const char *word;
        char *room;
    } headers[] = {{"name", document->name},
                   {"hazard", document->hazard},
                   {"origin", document->origin},
                   {"requires", document->requires}};

    *ret_is_header = true;
    if (document->program.nsteps > 0 && name_is_reserved(word->text, word->length))
        return refuse(parser, line, word->column,
                      "the header '%.*s' stands behind the first step, "
                      "expected it before",
                      shown(word), word->text);
    if (token_is(word, "expect"))
        return parse_expect(parser, line, word);
    if (token_is(word, "inject"))
        return parse_inject(parser, line, word);
    for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (token_is(word, headers[i].word))
            return parse_word_header(parser, line, word, headers[i].room, 1u << i);
    }
    *ret_is_header = false;
    return 0;
}

static int keep_comment(struct parser *parser, const struct line *line)
{
    struct document *document = parser->document;
    size_t start = line->at + 1;

    if (document->program.nsteps > 0)
        return 0;
    if (start < line->end && line->text[start] == ' ')
        start++;
    size_t length = line->end - start;
    if (parser->comment_length + length + 1 > DOCUMENT_COMMENT_MAX)
        return refuse(parser, line, line->at, "the comment is too long, expected %d bytes at most",
                      DOCUMENT_COMMENT_MAX);
    memcpy(document->comment + parser->comment_length, line->text + start, length);
    parser->comment_length += length;
    document->comment[parser->comment_length++] = '\n';
    return 0;
}

static int parse_line(struct parser *parser, struct line *line)
{
    bool is_header;

    for (size_t i = 0; i < line->end; i++) {
        if (!is_plain(line->text[i]))
            return refuse(parser, line, i, "control character 0x%02x, expected plain text",
                          (unsigned char)line->text[i]);
    }
    skip_blanks(line);
    if (line->at == line->end)
        return 0;
    if (line->text[line->at] == '#')
        return keep_comment(parser, line);
    struct token word = next_token(line);
    if (token_is(&word, "parallel"))
        return open_block(parser, line, &word);
    if (token_is(&word, "}"))
        return close_block(parser, line, &word);
    int err = parse_header(parser, line, &word, &is_header);
    if (err || is_header)
        return err;
    if (!is_name_character(word.text[0]))
        return refuse(parser, line, word.column, "unexpected '%.*s', expected 'ACTOR: call(...)'",
                      shown(&word), word.text);
    err = expect_character(parser, line, ":", "after the actor");
    return err ? err : parse_step(parser, line, &word);
}

/* A name that comes from a file's name may hold anything; it must fit into a header line. */
static void set_name(struct document *document, const char *name)
{
    name += strspn(name, " \t");
    size_t length = strnlen(name, DOCUMENT_WORD_MAX);

    while (length > 0 && isspace((unsigned char)name[length - 1]))
        length--;
    memset(document->name, 0, sizeof(document->name));
    for (size_t i = 0; i < length; i++)
        document->name[i] = is_plain(name[i]) ? name[i] : '_';
}

void document_init(struct document *ret_document, const char *name, const struct program *program)
{
    memset(ret_document, 0, sizeof(*ret_document));
    set_name(ret_document, name);
    ret_document->program = *program;
}

/* The last gate. Whatever the parser let through by mistake ends here, not in an executor. */
static int check_whole(struct parser *parser)
{
    const struct program *program = &parser->document->program;
    char why[DOCUMENT_ERROR_MAX + 1];
    unsigned step;

    if (program_check(program, &step, why, sizeof(why)) == 0)
        return 0;
    refuse(parser, NULL, 0, "%s, expected a program that can run", why);
    parser->error->line = step < program->nsteps ? program->steps[step].line : 0;
    return -EINVAL;
}

static int parse_into(struct parser *parser, const char *text, size_t length)
{
    unsigned number = 0;

    for (size_t at = 0; at < length;) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t end = newline ? (size_t)(newline - text) : length;
        number++;
        struct line line = {.text = text + at, .at = 0, .end = end - at, .number = number};
        if (line.end > 0 && line.text[line.end - 1] == '\r')
            line.end--;
        int err = parse_line(parser, &line);
        if (err)
            return err;
        at = end + 1;
    }
    if (parser->block_line) {
        refuse(parser, NULL, 0, "the parallel block is not closed, expected '}' behind it");
        parser->error->line = parser->block_line;
        return -EINVAL;
    }
    if (parser->document->program.nsteps == 0)
        return refuse(parser, NULL, 0, "the program has no steps, expected at least one");
    return check_whole(parser);
}

int document_parse(const char *text, size_t length, const char *name, struct document *ret_document,
                   struct document_error *ret_error)
{
    if (length > DOCUMENT_BYTES_MAX) {
        *ret_error = (struct document_error){.line = 0};
        snprintf(ret_error->what, sizeof(ret_error->what),
                 "the text is too long, expected %d bytes at most", DOCUMENT_BYTES_MAX);
        return -EINVAL;
    }
    struct document *document = calloc(1, sizeof(*document));
    struct parser parser = {.document = document, .error = ret_error};
    if (!document) {
        *ret_error = (struct document_error){.what = "out of memory"};
        return -ENOMEM;
    }
    program_init(&document->program);
    set_name(document, name);
    int err = parse_into(&parser, text, length);
    if (!err)
        *ret_document = *document;
    free(document);
    return err;
}
