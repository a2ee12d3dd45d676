/* Steps and masks as text. */
#include "fuzz/program/document.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Appends to a bounded buffer and keeps counting past its end, as snprintf does. */
struct printer {
    char *out;
    size_t size;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void put(struct printer *printer, const char *format,
                                                      ...)
{
    va_list arguments;
    size_t room = printer->length < printer->size ? printer->size - printer->length : 0;

    va_start(arguments, format);
    int length = vsnprintf(room ? printer->out + printer->length : NULL, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        printer->length += (size_t)length;
}

static void put_mask(struct printer *printer, const struct arg_word *words, uint64_t value)
{
    bool first = true;

    for (const struct arg_word *word = words; word->word; word++) {
        uint64_t bits = (uint64_t)word->value;
        /* A zero word (O_RDONLY) is said only when nothing else is; words below 0 are not masks. */
        if (word->value <= 0 || (value & bits) != bits)
            continue;
        put(printer, "%s%s", first ? "" : "|", word->word);
        first = false;
        value &= ~bits;
    }
    if (value != 0)
        put(printer, "%s0x%" PRIx64, first ? "" : "|", value);
    else if (first)
        put(printer, "0");
}

static void put_arg(struct printer *printer, const struct program *program, const struct step *step,
                    unsigned index)
{
    const struct arg_info *info = &arg_table[op_table[step->op].args[index]];
    int64_t value = step->args[index];

    if (step->tags[index] == TAG_SLOT) {
        put(printer, "%s", program->slots[value].name);
        return;
    }
    if (step->tags[index] == TAG_ACTOR) {
        put(printer, "%s", program->actors[value].name);
        return;
    }
    for (const struct arg_word *word = info->words; word->word; word++) {
        /* Enumerations have a word for each value; of a mask only what is no bit: NULL, BADPTR,
         * O_RDONLY. */
        if (word->value == value && (info->shape == ARG_SHAPE_ENUM || value <= 0)) {
            put(printer, "%s", word->word);
            return;
        }
    }
    if (info->shape == ARG_SHAPE_MASK && value > 0)
        put_mask(printer, info->words, (uint64_t)value);
    else
        put(printer, "%" PRId64, value);
}

/* Arguments that may be left out are, when they and all behind them have their plain value. */
static unsigned args_to_print(const struct step *step)
{
    const struct op_info *op = &op_table[step->op];
    unsigned count = op->nargs;

    while (count > op->nargs_must &&
           step->args[count - 1] == arg_table[op->args[count - 1]].values[0])
        count--;
    return count;
}

size_t step_print(const struct program *program, unsigned index, char *out, size_t size)
{
    struct printer printer = {.out = out, .size = size};
    const struct step *step = &program->steps[index];
    const struct op_info *op = &op_table[step->op];

    for (unsigned i = 0; i < op->nouts; i++) {
        const char *name = op->outs[i].kind == FILE_ACTOR ? program->actors[step->outs[i]].name
                                                          : program->slots[step->outs[i]].name;
        put(&printer, "%s%s", i ? ", " : "", name);
    }
    put(&printer, "%s%s(", op->nouts ? " = " : "", op->text);
    unsigned nargs = args_to_print(step);
    for (unsigned i = 0; i < nargs; i++) {
        put(&printer, "%s", i ? ", " : "");
        put_arg(&printer, program, step, i);
    }
    put(&printer, ")");
    return printer.length;
}

size_t events_print(uint32_t events, char *out, size_t size)
{
    struct printer printer = {.out = out, .size = size};

    put_mask(&printer, arg_table[ARG_EVENT].words, events);
    return printer.length;
}
