/*
 * Examination: what the tool does with one program. It runs it natively and under the subjects, has
 * the oracle judge, and lets nothing through that is not stable and confirmed.
 *
 * An examiner belongs to one thread and one CPU: it holds a fork server for native and one for each
 * subject.
 */
#ifndef EPDIFF_EPDIFF_EXAMINE_H
#define EPDIFF_EPDIFF_EXAMINE_H

#include "fuzz/epdiff/opinion.h"
#include "fuzz/execute/execute.h"
#include "oracle/history.h"
#include "oracle/judge.h"

enum {
    EXAMINE_SUBJECTS_MAX = 16,
    EXAMINE_CONFIRMATIONS =
        5, /* native and subject runs, interleaved, each in a server of its own */
};

enum {
    EXAMINE_NATIVE = -1, /* instead of the index of a subject */
};

enum examine_result {
    EXAMINED_EQUAL,
    EXAMINED_ORDER, /* only the order of events differs: allowed, counted */
    /* Two native runs differ, or the difference did not come again; or flush points change the
       native run, which is then no measure of anybody. */
    EXAMINED_UNSTABLE,
    EXAMINED_DIVERGENT,
};

struct examine_options {
    struct judge_options judge;
    struct executor_options executor;
    /*
     * What the subject makes of a program is compared with what it makes of the same program with
     * flush points (fuzz/generate/metamorphic.h), not with native. Signatures bear the mark of
     * verdict_mark_metamorphic.
     */
    bool metamorphic;
};

struct examiner;

/* What is known of one program under one subject. The traces belong to the examiner and live until
 * its next use. */
struct examination {
    enum examine_result result;
    struct verdict verdict;
    const struct trace *native; /* metamorphic: the subject's run with flush points, without them */
    const struct trace *subject;
    /* Subject model: it has nothing to say about a part of the program. Subject transparent: the
     * program passes it by, and a quick look says nothing. */
    bool beyond;
    char opinion[OPINION_MAX + 1]; /* examine_closely: what the model says of the native run; empty
                                      if both runs are equal */
};

/*
 * Starts the servers. Returns 0 with a new examiner (free with examiner_stop), or a negative errno
 * with one line in *ret_why (EXECUTE_WHY_MAX + 1 bytes).
 */
int examiner_start(const struct subject *subjects, unsigned nsubjects,
                   const struct examine_options *options, struct examiner **ret_examiner,
                   char *ret_why);
void examiner_stop(struct examiner *examiner);

/* From now on examinations are metamorphic, or are not, whatever the options say. */
void examiner_set_metamorphic(struct examiner *examiner, bool metamorphic);

/*
 * From now on calls of the subject fail as the header `inject:` of a program says, or none does if
 * it is empty. Returns 0 or a negative errno.
 */
int examiner_inject(struct examiner *examiner, unsigned subject, const char *inject, char *ret_why);

/* Runs the program natively once; the quick looks that follow compare with this trace. Returns 0 or
 * a negative errno. */
int examine_native(struct examiner *examiner, const struct program *program,
                   const struct trace **ret_trace, char *ret_why);

/*
 * One subject run against the native trace of examine_native: cheap, and only a first opinion.
 * EXAMINED_DIVERGENT and EXAMINED_ORDER want examine_closely. Returns 0 or a negative errno.
 */
int examine_quick(struct examiner *examiner, const struct program *program, unsigned subject,
                  struct examination *ret_examination, char *ret_why);

/*
 * The A/A gate of a first look: runs the program natively once more, as examine_native does, and
 * compares with its trace, in the order of events too. Returns 0 or a negative errno.
 */
int examine_stability(struct examiner *examiner, const struct program *program, bool *ret_stable,
                      char *ret_why);

/*
 * The A/A gate and a run of each side with evidence: class, hazard, explanation and signature are
 * exact. Returns 0 or a negative errno.
 */
int examine_closely(struct examiner *examiner, const struct program *program, unsigned subject,
                    struct examination *ret_examination, char *ret_why);

/*
 * Confirms a divergence: `rounds` native and subject runs, interleaved, each in a freshly started
 * server. *ret_confirmed is the number of rounds that showed `signature` again, or 0 if two native
 * runs did not agree. Returns 0 or a negative errno.
 */
int examine_confirm(struct examiner *examiner, const struct program *program, unsigned subject,
                    const char *signature, unsigned rounds, unsigned *ret_confirmed, char *ret_why);

/*
 * Runs a program with parallel blocks once, natively (EXAMINE_NATIVE) or under a subject, and
 * judges that run by itself. *ret_trace belongs to the examiner and lives until its next use.
 * Returns 0 or a negative errno.
 */
int examine_free(struct examiner *examiner, const struct program *program, int subject,
                 const struct trace **ret_trace, struct history_verdict *ret_verdict,
                 char *ret_why);

/*
 * How many epoll_ctl calls that changed the native interest list the subject had not carried out
 * when it returned, by the kernel's own lists: adds to *eligible and *deferred. Runs both sides
 * with evidence. Returns 0 or a negative errno.
 */
int examine_deferral(struct examiner *examiner, const struct program *program, unsigned subject,
                     uint64_t *eligible, uint64_t *deferred, char *ret_why);

#endif
