/*
 * The target `program`: bytes are a program of epoll calls, which runs natively and under a
 * subject. What an engine is guided by are the edges of the subject's code and the features of the
 * two runs (fuzz/guide). A divergence that is stable, confirmed in fresh processes and not in the
 * known list ends in abort(), with its signature on stderr.
 *
 * An engine's command line belongs to the engine, so the target is told by its environment.
 *
 * EPDIFF_SUBJECT: what is compared with native (default shim:transparent+syscall; where nothing can
 * be preloaded, the same linked into its executor).
 *
 * EPDIFF_KNOWN: a known list (fuzz/epdiff/known.h). What it lists is passed over.
 *
 * EPDIFF_OUT: a folder. A finding is saved there, as `epdiff fuzz` does it, before the abort, and
 * one that is there already is passed over; so an engine that goes on after an abort meets each
 * signature once.
 *
 * EPDIFF_STATS: a file. Nothing is confirmed, saved or aborted; the file gets a line for each new
 * signature, with the number of the execution, and at the end and now and then a line of pairs.
 *
 * EPDIFF_MUTATE: `fresh`. Mutation makes a new random program and forgets the old one, for
 * comparison.
 */
#include "fuzz/epdiff/examine.h"
#include "fuzz/epdiff/findings.h"
#include "fuzz/epdiff/known.h"
#include "fuzz/generate/generate.h"
#include "fuzz/generate/mutate.h"
#include "fuzz/guide/guide.h"
#include "fuzz/program/bytes.h"
#include "fuzz/targets/found.h"
#include "fuzz/targets/target.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define EPDIFF_TARGET_ASAN
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define EPDIFF_TARGET_ASAN
#endif

enum {
    STATUS_HARNESS = 3,
    STATS_EVERY = 256, /* executions: an engine may end the target by a signal */
};

static_assert((int)GUIDE_COUNTERS == (int)TARGET_COUNTERS, "an engine has as many as the guide");

struct seen {
    char signature[SIGNATURE_MAX + 1];
    UT_hash_handle hh;
};

static struct {
    struct subject subject;
    struct examiner *examiner;
    struct guide *guide; /* only our own shims count their edges; features are of all subjects */
    struct known *known;
    const char *out;
    FILE *stats;
    struct program program;
    struct finding finding;
    /* With `stats`. */
    struct seen *seen;
    uint64_t executions, divergent, unstable, start_ms;
    uint8_t reached[GUIDE_COUNTERS];
} target;

_Noreturn static void give_up(const char *why)
{
    fprintf(stderr, "program: %s\n", why);
    /* Not exit: engines take that for a finding, and run what they have registered. */
    _exit(STATUS_HARNESS);
}

/* --- Start and end --- */

static int start_guide(char *ret_why)
{
    int err = guide_new(&target.guide, ret_why);

    return err ? err
               : subject_count_edges(&target.subject, guide_path(target.guide), ret_why,
                                     TARGET_WHY_MAX + 1);
}

/* Engines keep to one CPU, or do not care: then it is the one that this runs on now. */
static int choose_cpu(void)
{
    int cpu = sched_getcpu();

    return cpu < 0 ? -1 : cpu;
}

static int start(char *ret_why)
{
    struct examine_options options = {.executor.cpu = choose_cpu()};
    const char *subject = getenv("EPDIFF_SUBJECT");
    const char *known = getenv("EPDIFF_KNOWN");
    const char *stats = getenv("EPDIFF_STATS");

    target.out = getenv("EPDIFF_OUT");
    target.start_ms = executor_now_ms();
    int err = subject_parse(subject ? subject : EPDIFF_TARGET_SUBJECT, &target.subject, ret_why,
                            TARGET_WHY_MAX + 1);
    if (!err && known)
        err = known_read(known, &target.known, ret_why);
    if (!err && target_counters() && target.subject.kind == SUBJECT_SHIM)
        err = start_guide(ret_why);
    else if (!err)
        err = guide_new(&target.guide, ret_why);
    if (!err && stats) {
        target.stats = fopen(stats, "we");
        err = target.stats ? 0 : -errno;
        if (err)
            snprintf(ret_why, TARGET_WHY_MAX + 1, "'%s' cannot be written: %s", stats,
                     strerror(-err));
    }
    if (!err && target.out) {
        err = findings_check_folder(target.out);
        if (err)
            snprintf(ret_why, TARGET_WHY_MAX + 1, "findings cannot be saved in '%s': %s",
                     target.out, strerror(-err));
    }
    if (!err)
        err = examiner_start(&target.subject, 1, &options, &target.examiner, ret_why);
    return err;
}

static unsigned count_reached(unsigned from, unsigned to)
{
    unsigned count = 0;

    for (unsigned i = from; i < to; i++)
        count += target.reached[i] != 0;
    return count;
}

static void write_stats(void)
{
    fprintf(target.stats,
            "executions=%" PRIu64 " divergent=%" PRIu64 " unstable=%" PRIu64
            " signatures=%u features=%u edges=%u seconds=%.1f\n",
            target.executions, target.divergent, target.unstable, HASH_COUNT(target.seen),
            count_reached(GUIDE_EDGES, GUIDE_COUNTERS), count_reached(0, GUIDE_EDGES),
            (double)(executor_now_ms() - target.start_ms) / 1000);
    fflush(target.stats);
}

static void stop(void)
{
    if (target.stats) {
        write_stats();
        fclose(target.stats);
        target.stats = NULL;
    }
    examiner_stop(target.examiner);
    target.examiner = NULL;
    guide_free(target.guide);
    target.guide = NULL;
    known_free(target.known);
    target.known = NULL;
}

/* --- Findings --- */

static void note_signature(const char *signature)
{
    struct seen *seen;

    target.divergent++;
    HASH_FIND_STR(target.seen, signature, seen);
    if (seen)
        return;
    seen = calloc(1, sizeof(*seen));
    if (!seen) {
        give_up("out of memory");
        return; /* for cppcheck, which does not know that it never does */
    }
    snprintf(seen->signature, sizeof(seen->signature), "%s", signature);
    HASH_ADD_STR(target.seen, signature, seen);
    fprintf(target.stats, "%" PRIu64 " %s\n", target.executions, signature);
    fflush(target.stats);
}

/* True if it is to be passed over: it is saved already. Otherwise it is saved, where there is a
 * folder for it. */
static bool save(const struct verdict *verdict)
{
    struct finding *finding = &target.finding;
    char path[PATH_MAX];

    if (!target.out)
        return false;
    finding->confirmed = true;
    finding->verdict = *verdict;
    finding->program = target.program;
    finding->index = target.executions;
    int err = finding_path(finding, &target.subject, target.out, path, sizeof(path));
    if (!err && access(path, F_OK) == 0)
        return true;
    if (!err)
        err = finding_save(finding, &target.subject, "a fuzz target", target.out);
    if (err) {
        char why[PATH_MAX + 128];
        snprintf(why, sizeof(why), "a finding cannot be saved in '%s': %s", target.out,
                 strerror(-err));
        give_up(why);
    }
    return false;
}

static void pursue(const struct verdict *verdict)
{
    char why[EXECUTE_WHY_MAX + 1] = "";
    unsigned confirmed;

    if (known_lists(target.known, &target.subject, verdict->signature))
        return;
    int err = examine_confirm(target.examiner, &target.program, 0, verdict->signature,
                              EXAMINE_CONFIRMATIONS, &confirmed, why);
    if (err)
        give_up(why);
    if (confirmed < EXAMINE_CONFIRMATIONS || save(verdict))
        return;
    found("%s: signature %s: %s", target.subject.name, verdict->signature, verdict->explanation);
}

static void look_closely(void)
{
    struct examination examination;
    char why[EXECUTE_WHY_MAX + 1] = "";

    if (examine_closely(target.examiner, &target.program, 0, &examination, why) != 0)
        give_up(why);
    target.unstable += examination.result == EXAMINED_UNSTABLE;
    if (examination.result != EXAMINED_DIVERGENT)
        return;
    struct verdict verdict = examination.verdict;
    if (target.stats)
        note_signature(verdict.signature);
    else
        pursue(&verdict);
}

/* --- One input --- */

static void guide_engine(const struct trace *native, const struct examination *examination)
{
    uint8_t *counters = target_counters();

    if (counters)
        guide_collect(target.guide, native, examination->subject, &examination->verdict, counters);
    if (target.stats)
        guide_collect(target.guide, native, examination->subject, &examination->verdict,
                      target.reached);
}

/*
 * True for a program that says nothing in this build: AddressSanitizer's run-time library takes
 * over the end of a cancelled thread and puts signals off (docs/ci.md).
 */
static bool is_beyond(const struct program *program)
{
#ifdef EPDIFF_TARGET_ASAN
    for (unsigned i = 0; i < program->nsteps; i++) {
        if (program->steps[i].op == OP_PTHREAD_CANCEL || program->steps[i].op == OP_TGKILL)
            return true;
    }
#else
    (void)program;
#endif
    return false;
}

static void run(const uint8_t *bytes, size_t size)
{
    struct examination examination = {.result = EXAMINED_EQUAL};
    char why[EXECUTE_WHY_MAX + 1] = "";
    const struct trace *native;

    program_decode(bytes, size, &target.program);
    if (target.program.nsteps == 0 || is_beyond(&target.program))
        return;
    /* Both runs are in the order of the lines: what runs free is not compared step by step. */
    mutate_flatten(&target.program);
    target.executions++;
    int err = examine_native(target.examiner, &target.program, &native, why);
    guide_clear(target.guide);
    if (!err)
        err = examine_quick(target.examiner, &target.program, 0, &examination, why);
    if (err)
        give_up(why);
    if (target.executions == 1 && target.subject.edges[0] && guide_count_edges(target.guide) == 0)
        give_up("the copy of the shim that counts its edges has counted none");
    guide_engine(native, &examination);
    if (examination.result == EXAMINED_DIVERGENT)
        look_closely();
    if (target.stats && target.executions % STATS_EVERY == 0)
        write_stats();
}

/* --- Mutation --- */

static bool mutates_fresh(void)
{
    const char *how = getenv("EPDIFF_MUTATE");

    if (how && strcmp(how, "fresh") != 0)
        give_up("EPDIFF_MUTATE must be 'fresh', or not be there");
    return how != NULL;
}

static size_t fresh(uint8_t *bytes, size_t size_max, uint64_t seed)
{
    static struct program program;
    size_t length;

    generate_program(seed, 0, &program);
    return program_encode(&program, bytes, size_max, &length) == 0 ? length : 0;
}

static size_t mutate(uint8_t *bytes, size_t size, size_t size_max, uint64_t seed)
{
    return mutates_fresh() ? fresh(bytes, size_max, seed)
                           : mutate_bytes(bytes, size, size_max, seed);
}

static size_t cross(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                    uint8_t *ret_bytes, size_t size_max, uint64_t seed)
{
    return mutates_fresh() ? fresh(ret_bytes, size_max, seed)
                           : cross_bytes(a, a_size, b, b_size, ret_bytes, size_max, seed);
}

const struct fuzz_target fuzz_target = {
    .name = "program",
    .start = start,
    .run = run,
    .stop = stop,
    .mutate = mutate,
    .cross = cross,
};
