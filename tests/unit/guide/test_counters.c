/* The counters that an engine is guided by: what the shim's processes count, and what is made of
 * it. */
#include "fuzz/guide/guide.h"
#include "tests/unit/oracle/test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Counts as another process would: through the path. */
static void count_edge(const struct guide *guide, off_t edge, uint8_t count)
{
    int fd = open(guide_path(guide), O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), GUIDE_EDGES);
    assert_int_equal(pwrite(fd, &count, 1, edge), 1);
    assert_int_equal(close(fd), 0);
}

static void test_edges_are_shared_and_cleared(void **state)
{
    char why[GUIDE_WHY_MAX + 1] = "";
    struct guide *guide;

    (void)state;
    assert_int_equal(guide_new(&guide, why), 0);
    assert_int_equal(guide_count_edges(guide), 0);
    count_edge(guide, 0, 1);
    count_edge(guide, GUIDE_EDGES - 1, 9);
    assert_int_equal(guide_count_edges(guide), 2);
    guide_clear(guide);
    assert_int_equal(guide_count_edges(guide), 0);
    guide_free(guide);
    guide_free(NULL);
}

static void test_counters_add_up(void **state)
{
    static uint8_t counters[GUIDE_COUNTERS];
    char why[GUIDE_WHY_MAX + 1] = "";
    struct verdict verdict = {.equal = true};
    unsigned features = 0;
    struct guide *guide;

    (void)state;
    struct scene *scene = scene_new("main: e0 = epoll_create1(0)\nmain: epoll_wait(e0, 8, 0)\n");
    assert_int_equal(guide_new(&guide, why), 0);
    memset(counters, 0, sizeof(counters));
    count_edge(guide, 3, 200);
    for (unsigned round = 0; round < 2; round++)
        guide_collect(guide, scene->traces[ON_NATIVE], scene->traces[ON_SUBJECT], &verdict,
                      counters);
    /* An edge counts how often, up to what a byte holds; a feature is there or not. */
    assert_int_equal(counters[3], 255);
    assert_int_equal(counters[2], 0);
    for (unsigned i = GUIDE_EDGES; i < GUIDE_COUNTERS; i++) {
        assert_true(counters[i] <= 1);
        features += counters[i];
    }
    assert_in_range(features, 2, 8);
    guide_free(guide);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges_are_shared_and_cleared),
        cmocka_unit_test(test_counters_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
