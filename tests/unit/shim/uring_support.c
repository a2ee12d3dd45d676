#include "tests/unit/shim/uring_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static struct backend_counters seen;

int uring_missing(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        const char *why = backend_uring.start();

        if (why != NULL) {
            printf("skipped: this machine cannot have the backend uring: %s\n", why);
            fflush(stdout);
        }
        _exit(why == NULL ? 0 : SKIPPED);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

void start_uring(void)
{
    const char *why = backend_uring.start();

    if (why != NULL) {
        dprintf(STDERR_FILENO, "start: %s\n", why);
    }
    CHECK(why == NULL);
    backend_read_counters(&seen);
}

struct backend_counters counted(void)
{
    struct backend_counters now;
    struct backend_counters since = {0};

    backend_read_counters(&now);
    since.calls = now.calls - seen.calls;
    since.operations = now.operations - seen.operations;
    for (size_t why = 0; why < FALLBACK_KINDS; why++) {
        since.fallbacks[why] = now.fallbacks[why] - seen.fallbacks[why];
    }
    seen = now;
    return since;
}

uint64_t fallbacks(const struct backend_counters *counters)
{
    uint64_t sum = 0;

    for (size_t why = 0; why < FALLBACK_KINDS; why++) {
        sum += counters->fallbacks[why];
    }
    return sum;
}

struct pending_op operation(int epfd, int op, int fd, uint32_t events)
{
    struct pending_op made = {.epfd = epfd, .op = op, .fd = fd, .has_event = op != EPOLL_CTL_DEL};

    if (made.has_event) {
        made.event = (struct epoll_event){.events = events, .data.u64 = (uint64_t)fd};
    }
    return made;
}

void read_list(int epfd, char *ret_text, size_t size)
{
    char path[64];
    size_t length = 0;
    ssize_t got;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epfd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    while ((got = read(fd, ret_text + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    CHECK_EQUAL(got, 0);
    CHECK(length < size - 1);
    ret_text[length] = '\0';
    CHECK_EQUAL(close(fd), 0);
    /* The lines before the list tell the instance's own inode. */
    if (strstr(ret_text, "tfd:") != NULL) {
        memmove(ret_text, strstr(ret_text, "tfd:"), strlen(strstr(ret_text, "tfd:")) + 1);
    } else {
        ret_text[0] = '\0';
    }
}

int list_length(int epfd)
{
    static char text[1 << 18];
    int count = 0;

    read_list(epfd, text, sizeof(text));
    for (const char *at = strstr(text, "tfd:"); at != NULL; at = strstr(at + 1, "tfd:")) {
        count++;
    }
    return count;
}

/* Entries of a /proc folder that the test accepts. */
static int count_entries(const char *path, bool (*accept)(const char *name))
{
    DIR *folder = opendir(path);
    int count = 0;

    CHECK(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.' && accept(entry->d_name);
    }
    CHECK_EQUAL(closedir(folder), 0);
    return count;
}

static bool accept_any(const char *name)
{
    return name[0] != '\0';
}

int count_descriptors(void)
{
    return count_entries("/proc/self/fd", accept_any) - 1; /* the folder's own */
}

static bool accept_worker(const char *name)
{
    char path[300];
    char text[64] = "";
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%s/comm", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    CHECK(read(fd, text, sizeof(text) - 1) >= 0);
    CHECK_EQUAL(close(fd), 0);
    return strncmp(text, "iou-wrk", 7) == 0;
}

int count_workers(void)
{
    return count_entries("/proc/self/task", accept_worker);
}

static int open_userfaultfd(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    if (uffd >= 0) {
        CHECK_EQUAL(ioctl(uffd, UFFDIO_API, &api), 0);
    }
    return uffd;
}

bool can_hold(void)
{
    int uffd = open_userfaultfd();

    return uffd >= 0 && close(uffd) == 0;
}

static void *holder_wait(void *argument)
{
    const struct holder *holder = argument;

    CHECK_EQUAL(epoll_wait(holder->epfd, holder->page, 1, -1), 1);
    return NULL;
}

void hold(struct holder *holder, int epfd)
{
    struct uffdio_register registration = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    struct uffd_msg message;

    holder->epfd = epfd;
    holder->uffd = open_userfaultfd();
    CHECK(holder->uffd >= 0);
    holder->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(holder->page != MAP_FAILED);
    registration.range = (struct uffdio_range){(uintptr_t)holder->page, PAGE};
    CHECK_EQUAL(ioctl(holder->uffd, UFFDIO_REGISTER, &registration), 0);
    holder->ready = eventfd(1, EFD_CLOEXEC);
    CHECK_EQUAL(add(epfd, holder->ready, 0), 0);
    CHECK_EQUAL(pthread_create(&holder->thread, NULL, holder_wait, holder), 0);
    CHECK_EQUAL(read(holder->uffd, &message, sizeof(message)), sizeof(message));
    CHECK_EQUAL(message.event, UFFD_EVENT_PAGEFAULT);
}

void let_go(struct holder *holder)
{
    struct uffdio_zeropage zero = {.range = {(uintptr_t)holder->page, PAGE}};

    CHECK_EQUAL(ioctl(holder->uffd, UFFDIO_ZEROPAGE, &zero), 0);
}

void end_holding(struct holder *holder)
{
    CHECK_EQUAL(pthread_join(holder->thread, NULL), 0);
    CHECK_EQUAL(epoll_ctl(holder->epfd, EPOLL_CTL_DEL, holder->ready, NULL), 0);
    CHECK_EQUAL(close(holder->ready), 0);
    CHECK_EQUAL(close(holder->uffd), 0);
    CHECK_EQUAL(munmap(holder->page, PAGE), 0);
}
