/* docs/operations.md, from op_table and arg_table. */
#include "fuzz/program/operations_doc.h"

#include "fuzz/program/program.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>

static const char *const group_titles[GROUPS] = {
    [GROUP_CORE] = "Core: in every generated program",
    [GROUP_PWAIT] = "Waits with a signal mask",
    [GROUP_POLL] = "Looking at a descriptor by other means",
    [GROUP_DOORS] = "Other doors to close by",
    [GROUP_DUP] = "Duplicates",
    [GROUP_SOCKETS] = "Sockets",
    [GROUP_FILES] = "Files that epoll refuses",
    [GROUP_FORK] = "Processes",
    [GROUP_THREADS] = "Threads",
    [GROUP_EXEC] = "New programs",
    [GROUP_SIGNALS] = "Signals",
    [GROUP_RIGHTS] = "Descriptors sent over sockets",
    [GROUP_SPECIAL] = "Timers, signals and watches as files",
    [GROUP_TABLE] = "The table of descriptors",
};

/* Argument kinds are constants in C and parameters on the page: EPFD is epfd. */
static void write_kind(enum arg_kind kind, FILE *out)
{
    for (const char *at = arg_table[kind].id; *at; at++)
        fputc(tolower((unsigned char)*at), out);
}

/* "r, w = pipe2(pipe_flags)"; what may be left out stands in brackets. */
static void write_call(const struct op_info *op, FILE *out)
{
    for (unsigned i = 0; i < op->nouts; i++)
        fprintf(out, "%s%c%s", i ? ", " : "", op->outs[i].letter, i + 1 == op->nouts ? " = " : "");
    fprintf(out, "%s(", op->text);
    for (unsigned i = 0; i < op->nargs; i++) {
        fprintf(out, "%s%s", i == op->nargs_must ? "[" : "", i ? ", " : "");
        write_kind(op->args[i], out);
    }
    fprintf(out, "%s)", op->nargs_must < op->nargs ? "]" : "");
}

static void write_blocking(const struct op_info *op, FILE *out)
{
    switch (op->block) {
    case BLOCK_NEVER:
        fputs("never", out);
        break;
    case BLOCK_ALWAYS:
        fputs("until the descriptor is ready", out);
        break;
    case BLOCK_TIMEOUT:
        fputs("if `", out);
        write_kind(op->args[op->block_arg], out);
        fputs(op->args[op->block_arg] == ARG_TIMEOUT ? "` is negative" : "` is NULL", out);
        break;
    case BLOCK_OPTION:
        fputs("unless `", out);
        write_kind(op->args[op->block_arg], out);
        fputs("` has WNOHANG", out);
        break;
    case BLOCK_JOIN:
        fputs("until the thread has ended", out);
        break;
    }
}

static void write_group(enum op_group group, FILE *out)
{
    assert(group_titles[group]);
    fprintf(out, "\n## %s\n\n", group_titles[group]);
    fputs("| call | what it does | sleeps |\n|---|---|---|\n", out);
    for (unsigned i = 0; i < OPS; i++) {
        const struct op_info *op = &op_table[i];
        if (op->group != group)
            continue;
        fputs("| `", out);
        write_call(op, out);
        fprintf(out, "` | %s | ", op->doc);
        write_blocking(op, out);
        fputs(" |\n", out);
    }
}

static void write_words(const struct arg_info *info, FILE *out)
{
    for (const struct arg_word *word = info->words; word->word; word++)
        fprintf(out, "%s`%s`", word == info->words ? "" : ", ", word->word);
}

static void write_arguments(FILE *out)
{
    static const char *const shapes[] = {
        [ARG_SHAPE_FD] = "slot or number", [ARG_SHAPE_ACTOR] = "actor",
        [ARG_SHAPE_ENUM] = "word",         [ARG_SHAPE_MASK] = "words joined by `\\|`",
        [ARG_SHAPE_INT] = "number",
    };

    fputs("\n## Arguments\n\n"
          "Where a word stands a number can stand too, decimal, hexadecimal (`0x10`) or octal "
          "(`010`).\n\n"
          "| argument | what it is | written as | words |\n|---|---|---|---|\n",
          out);
    for (unsigned kind = ARG_NONE + 1; kind < ARG_KINDS; kind++) {
        const struct arg_info *info = &arg_table[kind];
        fputs("| `", out);
        write_kind((enum arg_kind)kind, out);
        fprintf(out, "` | %s | %s | ", info->doc, shapes[info->shape]);
        write_words(info, out);
        fputs(" |\n", out);
    }
}

void operations_write_markdown(FILE *out)
{
    fputs("# Operations\n\n"
          "What a step of a program can do. How steps are written is the matter of "
          "[program-format.md](program-format.md).\n"
          "This page is written from the tables of `fuzz/program` by `epdiff ops`; do not edit "
          "it.\n\n"
          "The names before `=` are slots or actors that the call binds; a generated one begins "
          "with the letter shown.\n"
          "Arguments in brackets may be left out. A call that sleeps does so as a step of its "
          "own: the schedule goes on.\n",
          out);
    for (unsigned group = 0; group < GROUPS; group++)
        write_group((enum op_group)group, out);
    write_arguments(out);
}
