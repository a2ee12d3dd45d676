/* epdiff subjects: what this machine can test, and why not the rest. */
#include "fuzz/epdiff/cli.h"

#include <stdio.h>
#include <string.h>

static const char help[] = "usage: epdiff subjects\n\n"
                           "Lists the subjects that can be named with --subject, and for each "
                           "whether it starts on this machine.\n"
                           "preload:PATH stands for any shared library that is to be preloaded: "
                           "your own batching layer.\n";

/* What the model has found out about the running kernel. */
static void print_model(void)
{
    const struct model_facts *facts;
    char text[MODEL_FACTS_LINE_MAX + 1];

    if (opinion_facts(&facts, text, sizeof(text)) != 0) {
        printf("%-24s no: %s\n", "model", text);
        return;
    }
    (void)model_facts_print(facts, text, sizeof(text));
    printf("%-24s yes: %s\n", "model", text);
}

static void print_subject(const char *name, const char *why)
{
    struct subject subject;
    struct executor_options options = {.cpu = -1};
    struct executor *executor;
    char said[EXECUTE_WHY_MAX + 1];

    if (why[0]) {
        printf("%-24s no: %s\n", name, why);
        return;
    }
    if (strcmp(name, "model") == 0) {
        print_model();
        return;
    }
    if (strcmp(name, "linked:POLICY+BACKEND") == 0) {
        printf("%-24s as shim:POLICY+BACKEND, linked into the executor instead of preloaded\n",
               name);
        return;
    }
    if (strcmp(name, "preload:PATH") == 0) {
        printf("%-24s with the path of a shared library\n", name);
        return;
    }
    if (subject_parse(name, &subject, said, sizeof(said)) != 0 ||
        executor_start(&subject, &options, &executor, said) != 0) {
        printf("%-24s no: %s\n", name, said);
        return;
    }
    executor_stop(executor);
    printf("%-24s yes\n", name);
}

int command_subjects(int argc, char **argv)
{
    static const struct option options[] = {CLI_HELP, {NULL, 0, NULL, 0}};
    char why[SUBJECT_WHY_MAX + 1];
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option != 'h')
            return cli_bad_option("subjects", argv);
        fputs(help, stdout);
        return STATUS_OK;
    }
    if (optind < argc) {
        cli_error("subjects", "unexpected argument '%s', expected none", argv[optind]);
        return STATUS_USAGE;
    }
    for (unsigned i = 0;; i++) {
        const char *name = subject_list(i, why, sizeof(why));
        if (!name)
            break;
        print_subject(name, why);
    }
    return STATUS_OK;
}
