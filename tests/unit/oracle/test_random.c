/*
 * Random programs with random differences. What must not happen: a crash or failed assertion of the
 * judge, a trace that differs from itself, a verdict at any other step than the first one that was
 * changed, or a verdict with a part left out. The seed is fixed: every run is the same.
 */
#include "test.h"

#include "fuzz/program/bytes.h"

#include <errno.h>
#include <string.h>

enum {
    PROGRAMS = 1500,
    BYTES_MAX = 160,
};

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static unsigned random_below(unsigned bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % bound;
}

static struct scene *random_scene(void)
{
    uint8_t bytes[BYTES_MAX];
    size_t length = 1 + random_below(BYTES_MAX);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)random_below(256);
    struct program program;
    program_decode(bytes, length, &program);
    return scene_of_program(&program);
}

/* Changes what a step came to under the subject. Returns false if the step has nothing to change.
 */
static bool change_step(struct scene *scene, unsigned k)
{
    static const int errors[] = {EBADF, EEXIST, ENOENT, EPERM, EINVAL, ELOOP, ENOTTY, EMFILE};
    struct trace_step *done = &scene->traces[1]->steps[k];
    enum op_effect effect = op_table[scene->document.program.steps[k].op].effect;
    unsigned step = step_number(k);
    if (done->state != STEP_DONE)
        return false;
    switch (random_below(5)) {
    case 0:
        done->ret = -1;
        done->err = errors[random_below(8)] + 1000 * (done->err != 0);
        return true;
    case 1:
        done->err = done->err == EIO ? ENXIO : EIO;
        return true;
    case 2:
        done->state = random_below(2) ? STEP_BLOCKED : STEP_SKIPPED;
        return true;
    case 3:
        if (effect != EFFECT_WAIT || done->ret == -1)
            return false;
        for (unsigned n = 1 + random_below(3); n > 0; n--)
            scene_event(scene, ON_SUBJECT, step, 1u << random_below(5),
                        random_below(scene->document.program.nsteps + 2));
        return true;
    default:
        if (effect != EFFECT_CTL || done->ret != -1)
            return false;
        scene_defers(scene, step, LATER);
        return true;
    }
}

static void defer_some(struct scene *scene, unsigned until)
{
    for (unsigned k = 0; k < until && scene->nruns < SCENE_RUNS_MAX; k++) {
        const struct trace_step *native = &scene->traces[0]->steps[k];
        if (scene->document.program.steps[k].op != OP_EPOLL_CTL || native->state != STEP_DONE ||
            native->ret != 0 || random_below(2))
            continue;
        unsigned at = step_number(k) + random_below(6);
        scene_defers(scene, step_number(k), at > scene->document.program.nsteps ? LATER : (int)at);
    }
}

static void judge(struct scene *scene)
{
    memset(&scene->verdict, 0x5a, sizeof(scene->verdict));
    judge_traces(scene->traces[0], scene->traces[1], &scene->options, &scene->verdict);
}

static void expect_whole(const struct scene *scene)
{
    const struct verdict *verdict = &scene->verdict;
    char why[128];
    assert_false(verdict->equal);
    if (verdict_check_expectation(verdict->signature, why, sizeof(why)) != 0)
        fail_msg("%s: %s", verdict->signature, why);
    assert_true(verdict_matches(verdict, verdict->signature));
    assert_true(strlen(verdict->explanation) > 0);
    assert_null(strchr(verdict->explanation, '\n'));
    assert_true(verdict->observer <= verdict->step);
    assert_true(verdict->culprit <= (int)verdict->step);
}

static void test_random_differences(void **state)
{
    (void)state;
    unsigned changed = 0;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        struct scene *scene = random_scene();
        unsigned nsteps = scene->document.program.nsteps;
        judge(scene);
        assert_true(scene->verdict.equal);
        unsigned first = nsteps;
        for (unsigned k = 0; k < nsteps; k++) {
            if (random_below(8) == 0 && change_step(scene, k) && first == nsteps)
                first = k;
        }
        if (random_below(2)) {
            defer_some(scene, first);
            scene_evidence(scene);
        }
        judge(scene);
        if (first == nsteps) {
            assert_true(scene->verdict.equal);
        } else {
            assert_int_equal(scene->verdict.step, first);
            expect_whole(scene);
            changed++;
        }
        scene->options.contract = CONTRACT_LATE_ERROR;
        judge(scene);
        if (!scene->verdict.equal)
            expect_whole(scene);
        scene_free(scene);
    }
    assert_true(changed > PROGRAMS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
