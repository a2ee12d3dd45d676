/*
 * Features of a pair of runs. What they are numbered is nobody's business; what counts is which
 * runs share one and which do not.
 */
#include "fuzz/guide/features.h"
#include "tests/unit/oracle/test.h"

#include <errno.h>
#include <sys/epoll.h>

enum {
    SET_MAX = 512,
};

struct set {
    unsigned count;
    uint64_t features[SET_MAX];
};

static bool holds(const struct set *set, uint64_t feature)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (set->features[i] == feature)
            return true;
    }
    return false;
}

static void put(void *context, uint64_t feature)
{
    struct set *set = context;

    if (holds(set, feature))
        return;
    assert_true(set->count < SET_MAX);
    set->features[set->count++] = feature;
}

/* The features of a scene that is all set, which is freed. */
static struct set take(struct scene *scene)
{
    struct set set = {.count = 0};
    struct verdict verdict;

    scene_evidence(scene);
    scene_witness(scene);
    judge_traces(scene->traces[ON_NATIVE], scene->traces[ON_SUBJECT], &scene->options, &verdict);
    features_collect(scene->traces[ON_NATIVE], scene->traces[ON_SUBJECT], &verdict, put, &set);
    scene_free(scene);
    return set;
}

/* Features of `of` that `without` does not have. */
static unsigned more(const struct set *of, const struct set *without)
{
    unsigned count = 0;

    for (unsigned i = 0; i < of->count; i++)
        count += !holds(without, of->features[i]);
    return count;
}

static void assert_same(const struct set *a, const struct set *b)
{
    assert_int_equal(more(a, b), 0);
    assert_int_equal(more(b, a), 0);
}

static void assert_differ(const struct set *a, const struct set *b)
{
    assert_true(more(a, b) > 0);
    assert_true(more(b, a) > 0);
}

#define OPEN                                                                                       \
    "main: e0 = epoll_create1(0)\n"      /* 1 */                                                   \
    "main: r0, w0 = pipe2(O_NONBLOCK)\n" /* 2 */                                                   \
    "main: r1, w1 = pipe2(O_NONBLOCK)\n" /* 3 */                                                   \
    "main: d0 = dup(r0)\n"               /* 4 */                                                   \
    "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n"

enum {
    THE_ADD = 5,
    AFTER_IT = 6,
};

static struct set of_text(const char *text)
{
    return take(scene_new(text));
}

/* The ADD of OPEN is carried out at the last step. */
static struct set of_deferred(const char *text, int at)
{
    struct scene *scene = scene_new(text);

    scene_defers(scene, THE_ADD, at);
    return take(scene);
}

static void test_equal_runs_have_equal_features(void **state)
{
    (void)state;
    struct set first = of_text(OPEN "main: epoll_wait(e0, 8, 0)\n");
    struct set again = of_text(OPEN "main: epoll_wait(e0, 8, 0)\n");

    assert_true(first.count >= 4);
    assert_same(&first, &again);
}

/* Names and numbers are no facts. */
static void test_other_numbers_are_the_same_facts(void **state)
{
    (void)state;
    struct set first = of_text("main: e0 = epoll_create1(0)\nmain: v0 = eventfd(1, EFD_NONBLOCK)\n"
                               "main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)\n");
    struct set other = of_text("main: v7 = eventfd(1, EFD_NONBLOCK)\nmain: e3 = epoll_create1(0)\n"
                               "main: epoll_ctl(e3, EPOLL_CTL_ADD, v7, EPOLLIN)\n");

    assert_same(&first, &other);
}

static void test_what_is_pending_counts(void **state)
{
    (void)state;
    struct set direct = of_text(OPEN "main: write(w0, 1)\nmain: epoll_wait(e0, 8, 0)\n");
    struct set deferred =
        of_deferred(OPEN "main: write(w0, 1)\nmain: epoll_wait(e0, 8, 0)\n", AFTER_IT + 1);

    assert_differ(&direct, &deferred);
}

/* A deferred ADD across the close of its target, of a duplicate, of the other end, of a stranger.
 */
static void test_relations_are_told_apart(void **state)
{
    (void)state;
    static const char *const texts[] = {
        OPEN "main: close(r0)\nmain: epoll_wait(e0, 8, 0)\n",
        OPEN "main: close(d0)\nmain: epoll_wait(e0, 8, 0)\n",
        OPEN "main: close(w0)\nmain: epoll_wait(e0, 8, 0)\n",
        OPEN "main: close(r1)\nmain: epoll_wait(e0, 8, 0)\n",
        OPEN "main: close(e0)\nmain: epoll_wait(e0, 8, 0)\n",
    };
    struct set sets[5];

    for (unsigned i = 0; i < 5; i++)
        sets[i] = of_deferred(texts[i], AFTER_IT + 1);
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned j = 0; j < 5; j++) {
            if (i != j)
                assert_true(more(&sets[i], &sets[j]) > 0);
        }
    }
}

/* A pending call names a number, which is another file's now: to read that one is something else
 * than to read a stranger. */
static void test_reuse_is_told_apart(void **state)
{
    (void)state;
    struct set reused = of_deferred(OPEN "main: close(r0)\nmain: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                         "main: v1 = eventfd(1, EFD_NONBLOCK)\n"
                                         "main: read(v0, 8)\nmain: epoll_wait(e0, 8, 0)\n",
                                    AFTER_IT + 4);
    struct set stranger = of_deferred(OPEN "main: close(r0)\nmain: v0 = eventfd(1, EFD_NONBLOCK)\n"
                                           "main: v1 = eventfd(1, EFD_NONBLOCK)\n"
                                           "main: read(v1, 8)\nmain: epoll_wait(e0, 8, 0)\n",
                                      AFTER_IT + 4);

    assert_differ(&reused, &stranger);
}

static struct set of_error(int err)
{
    struct scene *scene = scene_new(OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n");

    scene_returns(scene, ON_BOTH, AFTER_IT, err ? -1 : 0, err);
    return take(scene);
}

static void test_errno_is_told_apart(void **state)
{
    (void)state;
    struct set exists = of_error(EEXIST);
    struct set limit = of_error(ENOSPC);
    struct set done = of_error(0);

    assert_differ(&exists, &limit);
    assert_true(more(&exists, &done) > 0);
}

/* A DEL bears no mark; that it was deferred shows all the same, and which of two it was. */
static void test_a_deferred_del_shows(void **state)
{
    (void)state;
    const char *text = OPEN "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"       /* 6 */
                            "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n" /* 7 */
                            "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"       /* 8 */
                            "main: write(w0, 1)\nmain: epoll_wait(e0, 8, 0)\n"; /* 10 */
    struct scene *scene = scene_new(text);
    scene_defers(scene, 8, 10);
    struct set second = take(scene);
    struct set direct = of_text(text);

    assert_true(more(&second, &direct) > 0);
}

/* Which of two DELs of one number was carried out when: the first that is left belongs to the first
 * call. */
static void test_two_dels_are_told_apart(void **state)
{
    (void)state;
    const char *text = OPEN "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"       /* 6 */
                            "main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)\n" /* 7 */
                            "main: epoll_ctl(e0, EPOLL_CTL_DEL, r0, 0)\n"       /* 8 */
                            "main: write(w0, 1)\n"                              /* 9 */
                            "main: epoll_wait(e0, 8, 0)\n";                     /* 10 */
    struct set sets[2];

    for (int i = 0; i < 2; i++) {
        struct scene *scene = scene_new(text);
        scene_defers(scene, 6, 9);
        scene_defers(scene, 7, 9);
        scene_defers(scene, 8, 9 + i);
        sets[i] = take(scene);
    }
    assert_true(more(&sets[1], &sets[0]) > 0);
}

/* What was carried out together. */
static void test_batches_are_told_apart(void **state)
{
    (void)state;
    const char *text = OPEN "main: epoll_ctl(e0, EPOLL_CTL_ADD, r1, EPOLLIN)\n" /* 6 */
                            "main: epoll_wait(e0, 8, 0)\n";
    struct scene *scene = scene_new(text);
    scene_defers(scene, 5, 7);
    scene_defers(scene, 6, 7);
    struct set two = take(scene);
    scene = scene_new(text);
    scene_defers(scene, 6, 7);
    struct set one = take(scene);

    /* Step 6 with the ADD of step 5 pending, and what was pending across it; step 7 with two
     * pending, and the two together. */
    assert_int_equal(more(&two, &one), 4);
}

/* Of a run that did not come to its end only the verdict counts. */
static void test_a_hang_has_only_its_verdict(void **state)
{
    (void)state;
    struct scene *scene = scene_new(OPEN "main: epoll_wait(e0, 8, 0)\n");
    struct trace *subject = scene->traces[ON_SUBJECT];

    subject->end = RUN_HUNG;
    subject->end_step = 5;
    subject->steps[5].state = STEP_HUNG;
    struct set hung = take(scene);
    assert_int_equal(hung.count, 1);
}

static void test_a_truncated_run_has_none(void **state)
{
    (void)state;
    for (int side = ON_NATIVE; side <= ON_SUBJECT; side++) {
        struct scene *scene = scene_new(OPEN "main: epoll_wait(e0, 8, 0)\n");
        struct verdict verdict = {.equal = true};
        struct set set = {.count = 0};

        scene->traces[side]->truncated = true;
        features_collect(scene->traces[ON_NATIVE], scene->traces[ON_SUBJECT], &verdict, put, &set);
        assert_int_equal(set.count, 0);
        scene_free(scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_runs_have_equal_features),
        cmocka_unit_test(test_other_numbers_are_the_same_facts),
        cmocka_unit_test(test_what_is_pending_counts),
        cmocka_unit_test(test_relations_are_told_apart),
        cmocka_unit_test(test_reuse_is_told_apart),
        cmocka_unit_test(test_errno_is_told_apart),
        cmocka_unit_test(test_a_deferred_del_shows),
        cmocka_unit_test(test_two_dels_are_told_apart),
        cmocka_unit_test(test_batches_are_told_apart),
        cmocka_unit_test(test_a_hang_has_only_its_verdict),
        cmocka_unit_test(test_a_truncated_run_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
