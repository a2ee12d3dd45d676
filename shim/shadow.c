#include "shim/shadow.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

/* Room at best: as many numbers as fs.nr_open has by default. Untouched room costs nothing. */
#define NUMBERS_MOST (1u << 20)
#define OPS_MOST     (1u << 16)
/* Where address space is short (RLIMIT_AS, overcommit), less is asked for, down to this. */
#define NUMBERS_LEAST (1u << 10)

const char *const shadow_stop_names[STOP_COUNT] = {
    [STOP_NOT] = "-",         [STOP_NESTED] = "nested",  [STOP_FOREIGN] = "foreign",
    [STOP_POLLED] = "polled", [STOP_DUPLICATED] = "dup", [STOP_FORKED] = "forked",
    [STOP_SENT] = "sent",
};

struct shadow_number *shadow_numbers;
size_t shadow_numbers_size;
static int numbers_end;
static _Atomic uint64_t now;  /* read without the lock */
static uint64_t closed_range; /* when a range was last closed */
static unsigned int closing_ranges;

/* A pool hands out from its fresh end what was never used, and first what was given back. */
static struct {
    struct shadow_file *room, *free;
    size_t size, fresh;
} files;
static struct {
    struct shadow_item *room, *free; /* linked by next_of_number */
    size_t size, fresh;
} items;
static struct {
    struct shadow_op *room, *free; /* linked by next */
    size_t size, fresh;
} ops;

static void *reserve(size_t size)
{
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return room == MAP_FAILED ? NULL : room;
}

static void give_up(void *room, size_t size)
{
    if (room != NULL) {
        (void)munmap(room, size);
    }
}

static bool reserve_all(size_t count)
{
    size_t nops = count < OPS_MOST ? count : OPS_MOST;

    shadow_numbers = reserve(count * sizeof(*shadow_numbers));
    files.room = reserve(count * sizeof(*files.room));
    items.room = reserve(count * sizeof(*items.room));
    ops.room = reserve(nops * sizeof(*ops.room));
    if (shadow_numbers != NULL && files.room != NULL && items.room != NULL && ops.room != NULL) {
        shadow_numbers_size = files.size = items.size = count;
        ops.size = nops;
        return true;
    }
    give_up(shadow_numbers, count * sizeof(*shadow_numbers));
    give_up(files.room, count * sizeof(*files.room));
    give_up(items.room, count * sizeof(*items.room));
    give_up(ops.room, nops * sizeof(*ops.room));
    return false;
}

bool shadow_start(void)
{
    for (size_t count = NUMBERS_MOST; count >= NUMBERS_LEAST; count /= 4) {
        if (reserve_all(count)) {
            return true;
        }
    }
    return false;
}

uint64_t shadow_now(void)
{
    return now;
}

static void file_release(struct shadow_file *file)
{
    if (file->numbers > 0 || file->pins > 0) {
        return;
    }
    assert(file->first == NULL);
    shadow_items_forget(file);
    file->next_free = files.free;
    files.free = file;
}

static struct shadow_file *file_new(enum shadow_kind kind)
{
    struct shadow_file *file = files.free;

    if (file != NULL) {
        files.free = file->next_free;
    } else if (files.fresh < files.size) {
        file = &files.room[files.fresh++];
    } else {
        return NULL;
    }
    *file = (struct shadow_file){.kind = kind};
    return file;
}

/* Forgets what a number was. */
static void number_forget(struct shadow_number *entry)
{
    struct shadow_file *file = entry->file;

    assert(entry->first == NULL);
    while (entry->items != NULL) {
        /* Another number or another process may keep the file, and with it the entry. */
        if (file->numbers > 1 || file->elsewhere || file->pins > 0) {
            file->ghost = true;
        }
        shadow_item_remove(entry->items);
    }
    entry->file = NULL;
    entry->touched = false;
    file->numbers--;
    file_release(file);
}

/* A close of this number was missed: forgets what is pending on it, too. */
static void number_lost(struct shadow_number *entry)
{
    while (entry->first != NULL) {
        shadow_op_remove(entry->first);
    }
    if (entry->file->kind == SHADOW_EPOLL) {
        while (entry->file->first != NULL) {
            shadow_op_remove(entry->file->first);
        }
    }
    entry->file->ghost = true;
    number_forget(entry);
}

/* True if the entry can be given a file now: in range, and not closed since `before`. */
static bool number_claim(struct shadow_number *entry, uint64_t before, bool *ret_missed)
{
    *ret_missed = false;
    if (entry == NULL) {
        return false;
    }
    if (entry->file != NULL) {
        *ret_missed = entry->items != NULL || entry->first != NULL;
        number_lost(entry);
    }
    return entry->closed <= before && entry->closing == 0 && closed_range <= before &&
           closing_ranges == 0;
}

static void number_bind(struct shadow_number *entry, struct shadow_file *file)
{
    int number = (int)(entry - shadow_numbers);

    entry->file = file;
    file->numbers++;
    file->number = number;
    if (entry->touched) {
        file->ghost = true;
    }
    if (number >= numbers_end) {
        numbers_end = number + 1;
    }
}

struct shadow_file *shadow_opened(int number, enum shadow_kind kind, uint64_t before,
                                  bool *ret_missed)
{
    struct shadow_number *entry = shadow_number(number);
    struct shadow_file *file;

    if (!number_claim(entry, before, ret_missed)) {
        return NULL;
    }
    file = file_new(kind);
    if (file != NULL) {
        number_bind(entry, file);
    }
    return file;
}

void shadow_duplicated(struct shadow_file *file, int number, uint64_t before, bool *ret_missed)
{
    struct shadow_number *entry = shadow_number(number);

    file->duplicated = true;
    if (!number_claim(entry, before, ret_missed)) {
        return;
    }
    number_bind(entry, file);
}

void shadow_close_begin(int number)
{
    struct shadow_number *entry = shadow_number(number);

    if (entry == NULL) {
        return;
    }
    entry->closed = ++now;
    entry->closing++;
    entry->touched = false;
    if (entry->file != NULL) {
        number_forget(entry);
    }
}

void shadow_close_end(int number)
{
    struct shadow_number *entry = shadow_number(number);

    if (entry != NULL) {
        assert(entry->closing > 0);
        entry->closing--;
    }
}

void shadow_close_range_begin(unsigned int first, unsigned int last)
{
    for (unsigned int number = first; number <= last && number < (unsigned int)numbers_end;
         number++) {
        shadow_close_begin((int)number);
        shadow_close_end((int)number);
    }
    closed_range = ++now;
    closing_ranges++;
}

void shadow_close_range_end(void)
{
    assert(closing_ranges > 0);
    closing_ranges--;
}

bool shadow_is_last(int number)
{
    const struct shadow_file *file = shadow_file(number);

    return file != NULL && file->numbers == 1 && !file->duplicated && !file->elsewhere &&
           file->pins == 0 && !file->ghost;
}

void shadow_pin(struct shadow_file *file)
{
    file->pins++;
}

void shadow_unpin(struct shadow_file *file)
{
    assert(file->pins > 0);
    file->pins--;
    file_release(file);
}

struct shadow_item *shadow_item(const struct shadow_file *instance, int number)
{
    struct shadow_number *entry = shadow_number(number);

    if (entry == NULL) {
        return NULL;
    }
    for (struct shadow_item *item = entry->items; item != NULL; item = item->next_of_number) {
        if (item->instance == instance) {
            return item;
        }
    }
    return NULL;
}

struct shadow_item *shadow_item_add(struct shadow_file *instance, int number, uint32_t events)
{
    struct shadow_number *entry = shadow_number(number);
    struct shadow_item *item = items.free;

    assert(entry != NULL);
    if (item != NULL) {
        items.free = item->next_of_number;
    } else if (items.fresh < items.size) {
        item = &items.room[items.fresh++];
    } else {
        return NULL;
    }
    *item = (struct shadow_item){.instance = instance, .number = number, .events = events};
    item->next_of_number = entry->items;
    item->link_of_number = &entry->items;
    if (item->next_of_number != NULL) {
        item->next_of_number->link_of_number = &item->next_of_number;
    }
    entry->items = item;
    item->next_of_instance = instance->items;
    item->link_of_instance = &instance->items;
    if (item->next_of_instance != NULL) {
        item->next_of_instance->link_of_instance = &item->next_of_instance;
    }
    instance->items = item;
    return item;
}

void shadow_item_remove(struct shadow_item *item)
{
    *item->link_of_number = item->next_of_number;
    if (item->next_of_number != NULL) {
        item->next_of_number->link_of_number = item->link_of_number;
    }
    *item->link_of_instance = item->next_of_instance;
    if (item->next_of_instance != NULL) {
        item->next_of_instance->link_of_instance = item->link_of_instance;
    }
    item->next_of_number = items.free;
    items.free = item;
}

void shadow_items_forget(struct shadow_file *instance)
{
    while (instance->items != NULL) {
        shadow_item_remove(instance->items);
    }
}

struct shadow_op *shadow_op_add(struct shadow_file *instance, int op, int number,
                                const struct epoll_event *event)
{
    struct shadow_number *entry = shadow_number(number);
    struct shadow_op *added = ops.free;

    assert(entry != NULL);
    if (added != NULL) {
        ops.free = added->next;
    } else if (ops.fresh < ops.size) {
        added = &ops.room[ops.fresh++];
    } else {
        return NULL;
    }
    *added = (struct shadow_op){.instance = instance, .op = op, .number = number};
    if (event != NULL) {
        added->event = *event;
    }
    added->previous = instance->last;
    *(instance->last == NULL ? &instance->first : &instance->last->next) = added;
    instance->last = added;
    instance->npending++;
    added->previous_of_number = entry->last;
    *(entry->last == NULL ? &entry->first : &entry->last->next_of_number) = added;
    entry->last = added;
    return added;
}

void shadow_op_remove(struct shadow_op *op)
{
    struct shadow_file *instance = op->instance;
    struct shadow_number *entry = shadow_number(op->number);

    *(op->previous == NULL ? &instance->first : &op->previous->next) = op->next;
    *(op->next == NULL ? &instance->last : &op->next->previous) = op->previous;
    instance->npending--;
    *(op->previous_of_number == NULL ? &entry->first : &op->previous_of_number->next_of_number) =
        op->next_of_number;
    *(op->next_of_number == NULL ? &entry->last : &op->next_of_number->previous_of_number) =
        op->previous_of_number;
    op->next = ops.free;
    ops.free = op;
}

void shadow_each_file(void (*visit)(struct shadow_file *file))
{
    for (int number = 0; number < numbers_end; number++) {
        if (shadow_numbers[number].file != NULL) {
            visit(shadow_numbers[number].file);
        }
    }
}

int shadow_numbers_end(void)
{
    return numbers_end;
}
