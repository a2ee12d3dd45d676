/*
 * Target `ioctl`: what /dev/epoll_batch refuses before it does anything. The module's own
 * validation (kmod/validate.h) against a second one, which is written from the comments of
 * kmod/epoll_batch.h alone and reads the request as bytes at the offsets of ioctl_layout.c.
 *
 * The first byte chooses the command: a real one, or the next four bytes as they are. The rest is
 * the request; what is missing is 0.
 */
#include "fuzz/targets/found.h"
#include "fuzz/targets/target.h"

#include "kmod/validate.h"

#include <stdbool.h>
#include <string.h>

enum {
    REQUEST_MAX = 72,
    COUNT_AT = 16,
    FLAGS_AT = 20,
    PAD_AT = 68,
};

struct opinion {
    int size;   /* of what is read, or -ENOTTY */
    int result; /* 0, -EINVAL or -ENOTTY */
};

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/*
 * "EINVAL: @count or @flags is out of range, or @pad is not 0"; "at most EPOLL_BATCH_MAX", 1024;
 * flags are EPOLL_BATCH_FIXUPS, 1, and EPOLL_BATCH_STOP, 2.
 */
static struct opinion second_opinion(uint32_t command, const uint8_t request[REQUEST_MAX])
{
    bool sound = read_u32(request + COUNT_AT) <= 1024 && read_u32(request + FLAGS_AT) <= 3;

    switch (command) {
    case 0x8010ebe0u: /* query: reads nothing */
        return (struct opinion){.size = 0, .result = 0};
    case 0x4018ebe1u: /* run */
        return (struct opinion){.size = 24, .result = sound ? 0 : -EINVAL};
    case 0xc048ebe2u: /* wait */
        sound = sound && read_u32(request + PAD_AT) == 0;
        return (struct opinion){.size = 72, .result = sound ? 0 : -EINVAL};
    default:
        return (struct opinion){.size = -ENOTTY, .result = -ENOTTY};
    }
}

static uint32_t choose_command(const uint8_t **bytes, size_t *size)
{
    static const uint32_t commands[] = {EPOLL_BATCH_QUERY, EPOLL_BATCH_RUN, EPOLL_BATCH_WAIT};
    uint8_t raw[4] = {0};

    if (*size == 0)
        return 0;
    unsigned choice = **bytes % 4;
    ++*bytes;
    --*size;
    if (choice < 3)
        return commands[choice];
    size_t length = *size < sizeof(raw) ? *size : sizeof(raw);
    memcpy(raw, *bytes, length);
    *bytes += length;
    *size -= length;
    return read_u32(raw);
}

static void run(const uint8_t *bytes, size_t size)
{
    uint8_t request[REQUEST_MAX] = {0};

    uint32_t command = choose_command(&bytes, &size);
    if (size > 0)
        memcpy(request, bytes, size < sizeof(request) ? size : sizeof(request));
    struct opinion opinion = second_opinion(command, request);
    int read = epb_request_size(command);
    if (read != opinion.size)
        found("command 0x%08x reads %d bytes, expected %d", command, read, opinion.size);
    /* No more than what the module has read, so that looking at more is seen. */
    size_t length = read > 0 ? (size_t)read : 0;
    union epb_request *copy = malloc(length + (length == 0));
    if (copy == NULL)
        found("out of memory");
    memcpy(copy, request, length);
    int result = epb_validate(command, copy);
    if (result != opinion.result)
        found("command 0x%08x with count %u, flags 0x%x, pad %u is %d, expected %d", command,
              read_u32(request + COUNT_AT), read_u32(request + FLAGS_AT),
              read_u32(request + PAD_AT), result, opinion.result);
    if (memcmp(copy, request, length) != 0)
        found("command 0x%08x: the validation changed the request", command);
    free(copy);
}

const struct fuzz_target fuzz_target = {.name = "ioctl", .run = run};
