#include "tests/kmod/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int device_open(void)
{
    int device = open(EPOLL_BATCH_DEVICE, O_RDWR | O_CLOEXEC);

    if (device < 0) {
        printf("skipped: " EPOLL_BATCH_DEVICE ": %s; ci/vm has a machine with the module\n",
               strerror(errno));
        exit(DEVICE_SKIPPED);
    }
    return device;
}

int device_run(int device, const struct epoll_batch_op *ops, int *results, unsigned int count,
               unsigned int flags)
{
    struct epoll_batch_run run = {
        .ops = (uintptr_t)ops, .results = (uintptr_t)results, .count = count, .flags = flags};
    int result = ioctl(device, EPOLL_BATCH_RUN, &run);

    return result < 0 ? -errno : result;
}

int device_wait(int device, struct epoll_batch_wait *wait)
{
    int result = ioctl(device, EPOLL_BATCH_WAIT, wait);

    return result < 0 ? -errno : result;
}

struct epoll_batch_op device_op(int epfd, int op, int fd, unsigned int events)
{
    return (struct epoll_batch_op){
        .epfd = epfd, .op = op, .fd = fd, .events = events, .data = (uint32_t)fd};
}

int device_plain(const struct epoll_batch_op *op)
{
    struct epoll_event event = {.events = op->events, .data.u64 = op->data};

    return epoll_ctl(op->epfd, op->op, op->fd, &event) == 0 ? 0 : -errno;
}

static int write_word(const char *path, const char *word)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written;

    if (fd < 0) {
        return -errno;
    }
    written = write(fd, word, strlen(word));
    close(fd);
    return written < 0 ? -errno : 0;
}

/* Opened before anything is made to fail. */
static __thread int faults = -1;

int faults_arm(unsigned int nth)
{
    /* Allocations that may sleep are spared otherwise, and the module makes no others. A line of
     * the log for each fault would hide the lines that matter. */
    static const struct {
        const char *path, *word;
    } settings[] = {
        {"/sys/kernel/debug/failslab/ignore-gfp-wait", "N"},
        {"/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N"},
        {"/sys/kernel/debug/fail_page_alloc/min-order", "0"},
        {"/sys/kernel/debug/failslab/verbose", "0"},
        {"/sys/kernel/debug/fail_page_alloc/verbose", "0"},
        {"/sys/kernel/debug/fail_usercopy/verbose", "0"},
    };
    char word[16];

    if (faults < 0) {
        for (size_t index = 0; index < sizeof(settings) / sizeof(settings[0]); index++) {
            int err = write_word(settings[index].path, settings[index].word);

            if (err) {
                return err;
            }
        }
        faults = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
        if (faults < 0) {
            return -errno;
        }
    }
    snprintf(word, sizeof(word), "%u", nth);
    /* This call can be the one that fails, if the last one did not. */
    while (pwrite(faults, word, strlen(word), 0) < 0) {
        if (errno != EFAULT && errno != ENOMEM) {
            return -errno;
        }
    }
    return 0;
}

int faults_made(void)
{
    char word[16] = "";

    /* One that has not been made yet is made here. */
    return pread(faults, word, sizeof(word) - 1, 0) > 0 && strtol(word, NULL, 10) == 0;
}
