/*
 * program_encode must never write bytes that decode to other steps, nor a byte past the room: what
 * bytes cannot say is -ERANGE, what does not fit is -ENOSPC.
 */
#include "tests/unit/program/support.h"

#include "fuzz/program/bytes.h"

#include <errno.h>
#include <string.h>

static int encode_text(const char *text, size_t *ret_length)
{
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    static struct program program;

    parse_program(text, &program);
    return program_encode(&program, bytes, sizeof(bytes), ret_length);
}

static void what_bytes_cannot_say_is_refused(void **state)
{
    static const char *const texts[] = {
        "main: close(7)",
        "main: epoll_wait(-1, 5, 0)",
        "main: epoll_wait(-1, 16, 2)",
        "main: epoll_ctl(-1, 5, -1, EPOLLIN)",
        "main: epoll_ctl(-1, ADD, -1, EPOLLMSG)",
        "main: write(-1, 9)",
        "main: exit(2)",
        /* A positive timeout beside a second actor. */
        "main: fork()\nmain: epoll_wait(-1, 16, 1)",
        "main: pthread_create()\nmain: poll(-1, POLLIN, 1)",
        /* Steps by the dead: text may have them, they are skipped. */
        "main: fork()\np1: exit(0)\np1: close(-1)",
        "main: pthread_create()\nt1: pthread_exit()\nt1: close(-1)",
        "main: pthread_create()\nmain: exit(0)\nt1: close(-1)",
    };
    size_t length = 77;

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (encode_text(texts[i], &length) != -ERANGE)
            fail_msg("encoded: %s", texts[i]);
        assert_int_equal(length, 77);
    }
}

static void what_bytes_can_say_is_not_refused(void **state)
{
    size_t length = 0;

    (void)state;
    assert_int_equal(encode_text("main: epoll_wait(-1, 16, 1)\n"
                                 "main: fork()\n"
                                 "p1: pthread_create()\n"
                                 "p1: close(200)\n"
                                 "t1: pthread_exit()\n"
                                 "p1: pthread_join(t1)\n"
                                 "p1: exit(7)\n"
                                 "main: waitpid(p1, WNOHANG)\n",
                                 &length),
                     0);
    /* Two bytes for operation and actor, and one an argument. */
    assert_int_equal(length, 8 * 2 + 4 + 1 + 1 + 1 + 2);
}

static void given_names_are_replaced(void **state)
{
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    static struct program program;
    static struct program again;
    static struct program expected;
    size_t length = 0;

    (void)state;
    parse_program("main: in, out = pipe2(O_NONBLOCK)\nmain: kid = fork()\nkid: close(in)\n",
                  &program);
    parse_program("main: r0, w0 = pipe2(O_NONBLOCK)\nmain: p1 = fork()\np1: close(r0)\n",
                  &expected);
    assert_int_equal(program_encode(&program, bytes, sizeof(bytes), &length), 0);
    program_decode(bytes, length, &again);
    assert_true(program_equal(&again, &expected));
}

static void no_byte_is_written_past_the_room(void **state)
{
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    static uint8_t input[400];
    static struct program program;
    uint64_t random = 1;
    size_t length = 0;

    (void)state;
    random_bytes(&random, input, sizeof(input));
    program_decode(input, sizeof(input), &program);
    assert_int_equal(program_encode(&program, bytes, sizeof(bytes), &length), 0);
    for (size_t room = 0; room < length; room++) {
        size_t untouched = 77;
        memset(bytes, 0x5a, sizeof(bytes));
        assert_int_equal(program_encode(&program, bytes, room, &untouched), -ENOSPC);
        assert_int_equal(untouched, 77);
        for (size_t i = room; i < sizeof(bytes); i++)
            assert_int_equal(bytes[i], 0x5a);
    }
    assert_int_equal(program_encode(&program, bytes, length, &length), 0);
}

/* PROGRAM_BYTES_MAX is room for the longest program: as many blocks as steps allow, and it needs
 * all of the room but what the step that starts the second actor and the end of the last block
 * lack. */
static void the_longest_program_fits(void **state)
{
    static uint8_t bytes[PROGRAM_BYTES_MAX];
    static struct program program;
    size_t length = 0;

    (void)state;
    program_init(&program);
    assert_non_null(program_append(&program, OP_PTHREAD_CREATE, 0));
    assert_non_null(program_append(&program, OP_EPOLL_PWAIT2, 0));
    while (program_append(&program, OP_EPOLL_PWAIT, program.nsteps % 2)) {
        program.steps[program.nsteps - 1].args[0] = -1;
        program.steps[program.nsteps - 1].block = (uint8_t)((program.nsteps - 1) / 2);
    }
    program.steps[1].args[0] = -1;
    assert_checked(&program);
    assert_int_equal(program_encode(&program, bytes, sizeof(bytes), &length), 0);
    assert_int_equal(length, PROGRAM_BYTES_MAX - PROGRAM_ARGS_MAX - 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_bytes_cannot_say_is_refused),
        cmocka_unit_test(what_bytes_can_say_is_not_refused),
        cmocka_unit_test(given_names_are_replaced),
        cmocka_unit_test(no_byte_is_written_past_the_room),
        cmocka_unit_test(the_longest_program_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
