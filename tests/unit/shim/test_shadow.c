/*
 * The account of descriptors must not take one file for another: not after a close that it missed,
 * not when a number was closed by one thread while another was given it, and not when an interest
 * list keeps a file whose number is gone. What it hands out it must take back, for a server opens
 * millions, and where its room ends nothing may break.
 */
static void (*in_between)(void);
#define SHADOW_IN_BETWEEN() (in_between == NULL ? (void)0 : in_between())
#include "shim/shadow.h"
#include "tests/unit/shim/support.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The least room that shadow_start is content with. */
#define LEAST 1024

/* A close that nothing comes between. */
static void closed(int number)
{
    shadow_close_begin(number);
    shadow_close_end(number);
}

static void closed_range(unsigned int first, unsigned int last)
{
    shadow_close_range_begin(first, last);
    shadow_close_range_end();
}

static const struct epoll_event in = {.events = EPOLLIN, .data.u64 = 7};

/* A number is opened that is not open as far as the account knows. */
static struct shadow_file *opened(int number, enum shadow_kind kind)
{
    bool missed = true;
    struct shadow_file *file = shadow_opened(number, kind, shadow_now(), &missed);

    CHECK(!missed);
    return file;
}

static void wait_on(struct shadow_file *file)
{
    bool late = true;

    CHECK(shadow_wait_begin(file->number, &late) == file);
    CHECK(!late);
}

static void wait_over(struct shadow_file *file)
{
    if (shadow_wait_end(file)) {
        shadow_release(file);
    }
}

static void close_six(void)
{
    closed(6);
}

static void close_six_and_open(void)
{
    struct shadow_file *other = opened(9, SHADOW_EPOLL);
    bool missed;

    closed(6);
    shadow_duplicated(other, 6, shadow_now(), &missed);
}

/* A wait that found the number and counts itself in when the file is gone, or another's. */
static void body_late_waits(void)
{
    struct shadow_file *file;
    bool late = false;

    CHECK(shadow_start());
    CHECK(shadow_wait_begin(4, &late) == NULL);
    CHECK(shadow_wait_begin(-1, &late) == NULL);
    file = opened(4, SHADOW_EPOLL);
    closed(4);
    CHECK(shadow_wait_begin(4, &late) == NULL);
    /* It comes behind the release, and may owe one: the memory must not be free twice. */
    CHECK_EQUAL(shadow_count_wait(file, 1), 1);
    CHECK(shadow_wait_end(file));
    shadow_release(file);
    CHECK(opened(4, SHADOW_EPOLL) == file);
    CHECK(opened(5, SHADOW_EPOLL) != file);
    closed(4);
    /* It comes behind the release and leaves in another's life. */
    CHECK_EQUAL(shadow_count_wait(file, 1), 1);
    CHECK(opened(4, SHADOW_PIPE) == file);
    CHECK_EQUAL(file->waiters, 1);
    CHECK(!shadow_wait_end(file));
    CHECK_EQUAL(file->waiters, 0);
    /* One that is in while the number is closed is the one that owes the release. */
    closed(4);
    CHECK(opened(4, SHADOW_EPOLL) == file);
    wait_on(file);
    wait_on(file);
    closed(4);
    CHECK(opened(4, SHADOW_EPOLL) != file);
    CHECK(!shadow_wait_end(file));
    CHECK(shadow_wait_end(file));
    shadow_release(file);
    CHECK(opened(6, SHADOW_EPOLL) == file);

    /* The number is closed, or closed and given to another file, as the wait looks at it. */
    in_between = close_six;
    CHECK(shadow_wait_begin(6, &late) == file);
    CHECK(late);
    CHECK(shadow_wait_end(file)); /* as far as it knows */
    shadow_release(file);
    CHECK(shadow_wait_begin(6, &late) == NULL);
    file = opened(6, SHADOW_EPOLL);
    in_between = close_six_and_open;
    CHECK(shadow_wait_begin(6, &late) == file);
    CHECK(late);
    wait_over(file);
    in_between = NULL;
    CHECK(opened(7, SHADOW_EPOLL) == file);
    CHECK(opened(8, SHADOW_EPOLL) != file);
}

static void test_late_waits(void **state)
{
    (void)state;
    isolate(body_late_waits);
}

/* Waits of one thread, without the lock, against closes of another. */
static pthread_mutex_t race_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool race_over;

static void *wait_all_the_time(void *counter)
{
    while (!race_over) {
        bool late;
        struct shadow_file *file = shadow_wait_begin(4, &late);

        if (file == NULL) {
            continue;
        }
        *(unsigned long *)counter += !late;
        /* What it holds must not become another's. */
        CHECK(late || !file->freed);
        if (shadow_wait_end(file)) {
            (void)pthread_mutex_lock(&race_lock);
            shadow_release(file);
            (void)pthread_mutex_unlock(&race_lock);
        }
    }
    return NULL;
}

static void body_racing_waits(void)
{
    static const int rounds = 1000000;
    unsigned long waits[2] = {0};
    pthread_t threads[2];
    struct shadow_file *file;

    CHECK(shadow_start());
    for (int index = 0; index < 2; index++) {
        CHECK_EQUAL(pthread_create(&threads[index], NULL, wait_all_the_time, &waits[index]), 0);
    }
    for (int round = 0; round < rounds; round++) {
        (void)pthread_mutex_lock(&race_lock);
        CHECK(opened(4, SHADOW_EPOLL) != NULL);
        (void)pthread_mutex_unlock(&race_lock);
        (void)pthread_mutex_lock(&race_lock);
        closed(4);
        (void)pthread_mutex_unlock(&race_lock);
    }
    race_over = true;
    for (int index = 0; index < 2; index++) {
        CHECK_EQUAL(pthread_join(threads[index], NULL), 0);
    }
    /* All are free again, each once: as many as ever were held at a time, and not one for each
     * round. */
    file = opened(0, SHADOW_EPOLL);
    for (int number = 1; number < 8; number++) {
        CHECK(opened(number, SHADOW_EPOLL) != file);
        CHECK_EQUAL(shadow_file(number)->waiters, 0);
        CHECK(labs(shadow_file(number) - file) < 16);
    }
}

static void test_racing_waits(void **state)
{
    (void)state;
    isolate(body_racing_waits);
}

static void body_numbers(void)
{
    struct shadow_file *pipe;
    struct shadow_file *socket;

    CHECK(shadow_start());
    CHECK_EQUAL(shadow_numbers_end(), 0);
    CHECK(shadow_file(5) == NULL);
    CHECK(shadow_file(-1) == NULL);
    CHECK(shadow_number(-1) == NULL);
    CHECK(shadow_number(1 << 30) == NULL);
    CHECK(shadow_file(1 << 30) == NULL);
    pipe = opened(5, SHADOW_PIPE);
    socket = opened(3, SHADOW_SOCKET);
    CHECK(pipe != NULL);
    CHECK(socket != NULL);
    CHECK(pipe != socket);
    CHECK(shadow_file(5) == pipe);
    CHECK(shadow_file(3) == socket);
    CHECK(shadow_file(4) == NULL);
    CHECK_EQUAL(pipe->kind, SHADOW_PIPE);
    CHECK_EQUAL(pipe->number, 5);
    CHECK_EQUAL(pipe->numbers, 1);
    CHECK_EQUAL(shadow_numbers_end(), 6);
    CHECK(shadow_is_last(5));
    CHECK(!shadow_is_last(4));
    closed(5);
    CHECK(shadow_file(5) == NULL);
    CHECK(!shadow_is_last(5));
    CHECK(shadow_file(3) == socket);
    closed(5);
    closed(-1);
    closed(1 << 30);
    /* A number out of the table's range stays unknown. */
    CHECK(opened(1 << 30, SHADOW_PIPE) == NULL);
    CHECK(opened(5, SHADOW_EVENTFD) != NULL);
    CHECK_EQUAL(shadow_file(5)->kind, SHADOW_EVENTFD);
}

/* A close that is on its way to the kernel may be still to come for whoever gets the number now. */
static void body_closing(void)
{
    bool missed;

    CHECK(shadow_start());
    CHECK(opened(4, SHADOW_PIPE) != NULL);
    shadow_close_begin(4);
    shadow_close_begin(4); /* another thread's */
    CHECK(shadow_opened(4, SHADOW_EVENTFD, shadow_now(), &missed) == NULL);
    shadow_close_end(4);
    CHECK(shadow_opened(4, SHADOW_EVENTFD, shadow_now(), &missed) == NULL);
    shadow_close_end(4);
    CHECK(shadow_file(4) == NULL);
    CHECK(shadow_opened(4, SHADOW_EVENTFD, shadow_now(), &missed) != NULL);

    shadow_close_range_begin(100, 200);
    CHECK(shadow_opened(7, SHADOW_EVENTFD, shadow_now(), &missed) == NULL);
    shadow_close_range_end();
    CHECK(shadow_opened(7, SHADOW_EVENTFD, shadow_now(), &missed) != NULL);
}

static void test_closing(void **state)
{
    (void)state;
    isolate(body_closing);
}

static void test_numbers(void **state)
{
    (void)state;
    isolate(body_numbers);
}

static void body_duplicates(void)
{
    bool missed;
    struct shadow_file *file;

    CHECK(shadow_start());
    file = opened(3, SHADOW_PIPE);
    shadow_duplicated(file, 4, shadow_now(), &missed);
    CHECK(!missed);
    CHECK(shadow_file(4) == file);
    CHECK_EQUAL(file->numbers, 2);
    CHECK(file->duplicated);
    CHECK(!shadow_is_last(3));
    closed(3);
    CHECK(shadow_file(3) == NULL);
    CHECK(shadow_file(4) == file);
    CHECK_EQUAL(file->numbers, 1);
    /* Nothing was registered under the number that went. */
    CHECK(!file->ghost);
    /* Another process may have been given the second number, by a call that raced with the dup. */
    CHECK(!shadow_is_last(4));
    /* The last number takes the file with it: its memory is the next one's. */
    closed(4);
    CHECK(opened(9, SHADOW_EVENTFD) == file);
    CHECK(!file->duplicated);
}

static void test_duplicates(void **state)
{
    (void)state;
    isolate(body_duplicates);
}

/* A registered number is closed while the file lives on: what remains registered is a ghost. */
static void body_ghost(void)
{
    bool missed;
    struct shadow_file *instance;
    struct shadow_file *file;

    CHECK(shadow_start());
    instance = opened(3, SHADOW_EPOLL);
    file = opened(4, SHADOW_PIPE);
    CHECK(shadow_item_add(instance, 4, EPOLLIN) != NULL);
    shadow_duplicated(file, 5, shadow_now(), &missed);
    CHECK(!file->ghost);
    closed(4);
    CHECK(file->ghost);
    CHECK(!shadow_is_last(5));
    CHECK(shadow_item(instance, 4) == NULL);
    CHECK(instance->items == NULL);

    /* The same because another process has it. */
    file = opened(6, SHADOW_PIPE);
    CHECK(shadow_is_last(6));
    file->elsewhere = true;
    CHECK(!shadow_is_last(6));
    CHECK(shadow_item_add(instance, 6, EPOLLIN) != NULL);
    shadow_duplicated(file, 7, shadow_now(), &missed);
    closed(7);
    CHECK(!file->ghost);

    /* And because a call sleeps on it: the instance nested and waited on. */
    file = opened(8, SHADOW_EPOLL);
    wait_on(file);
    CHECK(!shadow_is_last(8));
    CHECK(shadow_item_add(instance, 8, EPOLLIN) != NULL);
    closed(8);
    CHECK(file->ghost);
    CHECK(opened(9, SHADOW_PIPE) != file);
    wait_over(file);
    CHECK(opened(10, SHADOW_PIPE) == file);
    CHECK(!file->ghost);
}

static void test_ghost(void **state)
{
    (void)state;
    isolate(body_ghost);
}

/* A list may have a number that was unknown when it was registered. */
static void body_touched(void)
{
    struct shadow_file *file;

    CHECK(shadow_start());
    shadow_number(4)->touched = true;
    file = opened(4, SHADOW_PIPE);
    CHECK(file->ghost);
    /* Its close may leave an entry behind. */
    CHECK(!shadow_is_last(4));
    closed(4);
    CHECK(!opened(4, SHADOW_PIPE)->ghost);
    /* A close that is seen ends the doubt, also of a number that was not known. */
    shadow_number(5)->touched = true;
    closed(5);
    CHECK(!opened(5, SHADOW_PIPE)->ghost);
}

static void test_touched(void **state)
{
    (void)state;
    isolate(body_touched);
}

/* A number that another thread closed between the stamp and the return of the call that made it:
 * whether the new file or the old one was closed cannot be told. */
static void body_creation_races(void)
{
    bool missed = true;
    uint64_t before;
    struct shadow_file *file;

    CHECK(shadow_start());
    before = shadow_now();
    closed(4);
    CHECK(shadow_opened(4, SHADOW_PIPE, before, &missed) == NULL);
    CHECK(!missed);
    CHECK(shadow_file(4) == NULL);
    /* A close of another number says nothing about this one. */
    before = shadow_now();
    closed(9);
    CHECK(shadow_opened(4, SHADOW_PIPE, before, &missed) != NULL);
    closed(4);

    /* The same for a number that dup makes. */
    file = opened(3, SHADOW_PIPE);
    before = shadow_now();
    closed(5);
    shadow_duplicated(file, 5, before, &missed);
    CHECK(shadow_file(5) == NULL);
    CHECK_EQUAL(file->numbers, 1);
    /* There is a second number, known or not. */
    CHECK(file->duplicated);
    CHECK(!shadow_is_last(3));

    /* A range says nothing about which numbers it closed: none that is being made is certain. */
    CHECK(opened(6, SHADOW_PIPE) != NULL);
    CHECK(opened(7, SHADOW_PIPE) != NULL);
    before = shadow_now();
    closed_range(6, ~0u);
    CHECK(shadow_file(6) == NULL);
    CHECK(shadow_file(7) == NULL);
    CHECK(shadow_file(3) == file);
    CHECK(shadow_opened(4000, SHADOW_PIPE, before, &missed) == NULL);
    CHECK(shadow_opened(4000, SHADOW_PIPE, shadow_now(), &missed) != NULL);
    closed_range(3, 3);
    CHECK(shadow_file(3) == NULL);
    CHECK(shadow_file(4000) != NULL);
    closed_range(0, ~0u);
    CHECK(shadow_file(4000) == NULL);
}

static void test_creation_races(void **state)
{
    (void)state;
    isolate(body_creation_races);
}

static void body_missed_close(void)
{
    bool missed = false;
    struct shadow_file *instance;
    struct shadow_file *old;
    struct shadow_file *file;

    CHECK(shadow_start());
    instance = opened(3, SHADOW_EPOLL);
    old = opened(4, SHADOW_PIPE);
    /* Nothing depended on it: no harm was done. */
    CHECK(opened(4, SHADOW_SOCKET) != NULL);
    CHECK_EQUAL(shadow_file(4)->kind, SHADOW_SOCKET);
    CHECK(!shadow_file(4)->ghost);
    /* It was registered. */
    CHECK(shadow_item_add(instance, 4, EPOLLIN) != NULL);
    CHECK(shadow_opened(4, SHADOW_PIPE, shadow_now(), &missed) != NULL);
    CHECK(missed);
    CHECK(shadow_item(instance, 4) == NULL);
    /* It was about to be: the operation would hit what has the number now. */
    CHECK(shadow_op_add(instance, EPOLL_CTL_ADD, 4, &in) != NULL);
    CHECK(shadow_opened(4, SHADOW_PIPE, shadow_now(), &missed) != NULL);
    CHECK(missed);
    CHECK(instance->first == NULL);
    CHECK_EQUAL(instance->npending, 0);
    CHECK(shadow_number(4)->first == NULL);
    /* An instance's own number: what is pending on it would reach its next owner. */
    CHECK(shadow_op_add(instance, EPOLL_CTL_ADD, 4, &in) != NULL);
    CHECK(shadow_item_add(instance, 4, EPOLLIN) != NULL);
    (void)shadow_opened(3, SHADOW_PIPE, shadow_now(), &missed);
    CHECK(shadow_number(4)->first == NULL);
    CHECK(shadow_number(4)->items == NULL);
    /* What keeps the file under a second number is no longer certain. */
    file = opened(8, SHADOW_PIPE);
    shadow_duplicated(file, 9, shadow_now(), &missed);
    (void)shadow_opened(8, SHADOW_EVENTFD, shadow_now(), &missed);
    CHECK(shadow_file(9) == file);
    CHECK(file->ghost);
    (void)old;
}

static void test_missed_close(void **state)
{
    (void)state;
    isolate(body_missed_close);
}

static void body_items(void)
{
    struct shadow_file *first;
    struct shadow_file *second;

    CHECK(shadow_start());
    first = opened(3, SHADOW_EPOLL);
    second = opened(4, SHADOW_EPOLL);
    for (int number = 10; number < 20; number++) {
        CHECK(opened(number, SHADOW_PIPE) != NULL);
        CHECK(shadow_item_add(first, number, EPOLLIN) != NULL);
        CHECK(shadow_item_add(second, number, EPOLLOUT) != NULL);
    }
    for (int number = 10; number < 20; number++) {
        CHECK_EQUAL(shadow_item(first, number)->events, EPOLLIN);
        CHECK_EQUAL(shadow_item(second, number)->events, EPOLLOUT);
    }
    CHECK(shadow_item(first, 9) == NULL);
    CHECK(shadow_item(first, -1) == NULL);
    shadow_item_remove(shadow_item(first, 15));
    CHECK(shadow_item(first, 15) == NULL);
    CHECK(shadow_item(second, 15) != NULL);
    CHECK(shadow_item(first, 14) != NULL);
    /* With a file's only number its items go from all lists. */
    closed(14);
    CHECK(shadow_item(first, 14) == NULL);
    CHECK(shadow_item(second, 14) == NULL);
    shadow_items_forget(first);
    CHECK(first->items == NULL);
    for (int number = 10; number < 20; number++) {
        CHECK(shadow_item(first, number) == NULL);
        CHECK_EQUAL(shadow_item(second, number) != NULL, number != 14);
    }
    /* An instance that goes takes its items from the numbers. */
    closed(4);
    for (int number = 10; number < 20; number++) {
        CHECK(shadow_number(number)->items == NULL);
    }
}

static void test_items(void **state)
{
    (void)state;
    isolate(body_items);
}

/* Checks both chains of a pending list, forwards and backwards. */
static void check_ops(const struct shadow_file *instance, const int *numbers, size_t count)
{
    const struct shadow_op *op = instance->first;
    const struct shadow_op *previous = NULL;

    CHECK_EQUAL(instance->npending, count);
    for (size_t index = 0; index < count; index++) {
        CHECK(op != NULL);
        CHECK_EQUAL(op->number, numbers[index]);
        CHECK(op->previous == previous);
        previous = op;
        op = op->next;
    }
    CHECK(op == NULL);
    CHECK(instance->last == previous);
}

static void body_ops(void)
{
    struct shadow_file *first;
    struct shadow_file *second;
    struct shadow_op *op[6];

    CHECK(shadow_start());
    first = opened(3, SHADOW_EPOLL);
    second = opened(4, SHADOW_EPOLL);
    CHECK(opened(5, SHADOW_PIPE) != NULL);
    CHECK(opened(6, SHADOW_PIPE) != NULL);
    op[0] = shadow_op_add(first, EPOLL_CTL_ADD, 5, &in);
    op[1] = shadow_op_add(second, EPOLL_CTL_ADD, 5, &in);
    op[2] = shadow_op_add(first, EPOLL_CTL_ADD, 6, &in);
    op[3] = shadow_op_add(first, EPOLL_CTL_DEL, 5, NULL);
    op[4] = shadow_op_add(second, EPOLL_CTL_MOD, 5, &in);
    CHECK_EQUAL(op[0]->event.data.u64, 7);
    CHECK_EQUAL(op[3]->event.events, 0);
    CHECK_EQUAL(op[3]->op, EPOLL_CTL_DEL);
    CHECK(op[4]->instance == second);
    check_ops(first, (const int[]){5, 6, 5}, 3);
    check_ops(second, (const int[]){5, 5}, 2);
    CHECK(shadow_number(5)->first == op[0]);
    CHECK(shadow_number(5)->last == op[4]);
    CHECK(op[0]->next_of_number == op[1]);
    CHECK(op[1]->next_of_number == op[3]);
    CHECK(op[4]->previous_of_number == op[3]);
    CHECK(shadow_number(6)->first == op[2]);
    shadow_op_remove(op[3]);
    check_ops(first, (const int[]){5, 6}, 2);
    CHECK(op[1]->next_of_number == op[4]);
    CHECK(op[4]->previous_of_number == op[1]);
    shadow_op_remove(op[0]);
    check_ops(first, (const int[]){6}, 1);
    CHECK(shadow_number(5)->first == op[1]);
    shadow_op_remove(op[4]);
    CHECK(shadow_number(5)->last == op[1]);
    check_ops(second, (const int[]){5}, 1);
    shadow_op_remove(op[1]);
    shadow_op_remove(op[2]);
    check_ops(first, NULL, 0);
    check_ops(second, NULL, 0);
    CHECK(shadow_number(5)->first == NULL);
    CHECK(shadow_number(5)->last == NULL);
}

static void test_ops(void **state)
{
    (void)state;
    isolate(body_ops);
}

static int visits;

static void count_visit(struct shadow_file *file)
{
    CHECK(file->numbers > 0);
    visits++;
}

static void body_each_file(void)
{
    CHECK(shadow_start());
    shadow_each_file(count_visit);
    CHECK_EQUAL(visits, 0);
    CHECK(opened(0, SHADOW_PIPE) != NULL);
    CHECK(opened(7, SHADOW_PIPE) != NULL);
    CHECK(opened(9, SHADOW_EPOLL) != NULL);
    closed(7);
    shadow_each_file(count_visit);
    CHECK_EQUAL(visits, 2);
}

static void test_each_file(void **state)
{
    (void)state;
    isolate(body_each_file);
}

/* Starts with the least room: more address space there is not. */
static void start_small(void)
{
    struct rlimit limit;
    rlim_t unlimited;
    uint64_t pages;
    FILE *file = fopen("/proc/self/statm", "re");

    CHECK(file != NULL);
    CHECK_EQUAL(fscanf(file, "%" SCNu64, &pages), 1);
    CHECK_EQUAL(fclose(file), 0);
    CHECK_EQUAL(getrlimit(RLIMIT_AS, &limit), 0);
    unlimited = limit.rlim_cur;
    limit.rlim_cur = pages * (uint64_t)getpagesize() +
                     2 * LEAST *
                         (sizeof(struct shadow_number) + sizeof(struct shadow_file) +
                          sizeof(struct shadow_item) + sizeof(struct shadow_op));
    CHECK_EQUAL(setrlimit(RLIMIT_AS, &limit), 0);
    CHECK(shadow_start());
    limit.rlim_cur = unlimited; /* a sanitizer needs memory as it goes */
    CHECK_EQUAL(setrlimit(RLIMIT_AS, &limit), 0);
    CHECK(shadow_number(LEAST - 1) != NULL);
    CHECK(shadow_number(LEAST) == NULL);
}

/* A million lives in room for a thousand. */
static void body_memory_is_bounded(void)
{
    struct shadow_file *instance;

    start_small();
    instance = opened(3, SHADOW_EPOLL);
    for (int life = 0; life < 1000000; life++) {
        int number = 10 + life % 100;
        struct shadow_op *op;
        bool missed;

        CHECK(opened(number, SHADOW_SOCKET) != NULL);
        CHECK(shadow_item_add(instance, number, EPOLLIN) != NULL);
        op = shadow_op_add(instance, EPOLL_CTL_ADD, number, &in);
        CHECK(op != NULL);
        if (life % 2 == 0) {
            shadow_op_remove(op);
            shadow_duplicated(shadow_file(number), 200, shadow_now(), &missed);
            closed(number);
            closed(200);
        } else {
            /* A close that was missed must not leak, either. */
            CHECK(shadow_opened(number, SHADOW_PIPE, shadow_now(), &missed) != NULL);
            CHECK(missed);
            closed_range((unsigned int)number, (unsigned int)number);
        }
    }
    for (int life = 0; life < 10000; life++) {
        instance = opened(4, SHADOW_EPOLL);
        CHECK(instance != NULL);
        CHECK(opened(5, SHADOW_PIPE) != NULL);
        CHECK(shadow_item_add(instance, 5, EPOLLIN) != NULL);
        wait_on(instance);
        closed(4);
        wait_over(instance);
        closed(5);
    }
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    isolate(body_memory_is_bounded);
}

static void body_exhaustion(void)
{
    struct shadow_file *first;
    struct shadow_file *second;
    struct shadow_item *item;
    struct shadow_op *op;
    bool missed;
    size_t items = 0;
    size_t ops = 0;

    start_small();
    first = opened(0, SHADOW_EPOLL);
    second = opened(1, SHADOW_EPOLL);
    for (int number = 2; number < LEAST; number++) {
        CHECK(opened(number, SHADOW_PIPE) != NULL);
        items += shadow_item_add(first, number, EPOLLIN) != NULL;
        ops += shadow_op_add(first, EPOLL_CTL_ADD, number, &in) != NULL;
    }
    for (int number = 2; number < LEAST; number++) {
        items += shadow_item_add(second, number, EPOLLIN) != NULL;
        ops += shadow_op_add(second, EPOLL_CTL_ADD, number, &in) != NULL;
    }
    CHECK_EQUAL(items, LEAST);
    CHECK_EQUAL(ops, LEAST);
    CHECK_EQUAL(first->npending + second->npending, LEAST);
    /* What was refused is not half there. */
    CHECK(shadow_item(second, LEAST - 1) == NULL);
    CHECK(shadow_number(LEAST - 1)->last->instance == first);
    /* One back, one more. */
    op = shadow_number(LEAST - 1)->last;
    shadow_op_remove(op);
    CHECK(shadow_op_add(second, EPOLL_CTL_ADD, LEAST - 1, &in) == op);
    CHECK(shadow_op_add(second, EPOLL_CTL_MOD, LEAST - 1, &in) == NULL);
    item = shadow_item(first, LEAST - 1);
    shadow_item_remove(item);
    CHECK(shadow_item_add(second, LEAST - 1, EPOLLIN) == item);
    CHECK(shadow_item_add(first, LEAST - 1, EPOLLIN) == NULL);
    while (first->first != NULL) {
        shadow_op_remove(first->first);
    }
    while (second->first != NULL) {
        shadow_op_remove(second->first);
    }
    for (int number = 2; number < LEAST; number++) {
        closed(number);
    }
    CHECK(first->items == NULL);
    CHECK(second->items == NULL);

    /* Files run out when some have no number any more, but sleepers. */
    for (int number = 2; number < LEAST; number++) {
        struct shadow_file *file = opened(number, SHADOW_EPOLL);

        CHECK(file != NULL);
        wait_on(file);
    }
    closed(2);
    CHECK(opened(2, SHADOW_PIPE) == NULL);
    CHECK(shadow_file(2) == NULL);
    shadow_duplicated(shadow_file(3), 2, shadow_now(), &missed);
    CHECK(shadow_file(2) == shadow_file(3));
}

static void test_exhaustion(void **state)
{
    (void)state;
    isolate(body_exhaustion);
}

/* Without address space nothing is known, and nothing must be asked for again and again. */
static void body_no_room(void)
{
    const struct rlimit none = {.rlim_cur = 1, .rlim_max = RLIM_INFINITY};

    CHECK_EQUAL(setrlimit(RLIMIT_AS, &none), 0);
    CHECK(!shadow_start());
    CHECK(shadow_number(0) == NULL);
    CHECK(shadow_file(0) == NULL);
}

static void test_no_room(void **state)
{
    (void)state;
    isolate(body_no_room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_waits),
        cmocka_unit_test(test_racing_waits),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_ghost),
        cmocka_unit_test(test_touched),
        cmocka_unit_test(test_creation_races),
        cmocka_unit_test(test_missed_close),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_ops),
        cmocka_unit_test(test_each_file),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests_name("shim.shadow", tests, NULL, NULL);
}
