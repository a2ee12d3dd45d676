/* The model's opinion of native runs. */
#include "fuzz/epdiff/opinion.h"
#include "fuzz/execute/subject.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct model_facts facts;
static int facts_error;
static char facts_why[256];

static void probe(void)
{
    char home[PATH_MAX];
    char path[PATH_MAX + 16];

    facts_error = subject_home(home, sizeof(home));
    if (facts_error) {
        snprintf(facts_why, sizeof(facts_why), "the tool's own folder cannot be found: %s",
                 strerror(-facts_error));
        return;
    }
    snprintf(path, sizeof(path), "%s/epdiff-exec", home);
    facts_error = model_facts_probe(path, &facts, facts_why, sizeof(facts_why));
}

int opinion_facts(const struct model_facts **ret_facts, char *ret_why, size_t size)
{
    pthread_once(&once, probe);
    if (facts_error) {
        snprintf(ret_why, size, "%s", facts_why);
        return facts_error;
    }
    *ret_facts = &facts;
    return 0;
}

int opinion_say(const struct model_facts *known, const struct trace *native, struct trace *scratch,
                char ret_text[OPINION_MAX + 1])
{
    struct model_verdict verdict;
    char expected[160];

    int err = model_follow(known, native, scratch, &verdict);
    if (err)
        return err;
    if (verdict.beyond && verdict.step < native->nsteps) {
        snprintf(ret_text, OPINION_MAX + 1, "The model says nothing from step %u on: %s.",
                 step_number(verdict.step), verdict.beyond);
    } else if (verdict.beyond) {
        snprintf(ret_text, OPINION_MAX + 1, "The model says nothing: %s.", verdict.beyond);
    } else if (verdict.agrees) {
        snprintf(ret_text, OPINION_MAX + 1, "The model agrees with native.");
    } else {
        (void)trace_print_result(scratch, verdict.step, expected, sizeof(expected));
        snprintf(ret_text, OPINION_MAX + 1,
                 "The model does not agree with native at step %u, where it expects: %s.",
                 step_number(verdict.step), expected);
    }
    return 0;
}
