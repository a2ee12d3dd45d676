/*
 * System calls by inline assembly, for the harness's own needs inside the program's processes. A
 * subject that interposes libc functions, syscall(2) included, must not see the harness, nor the
 * harness run through the subject.
 */
#ifndef EPDIFF_EXECUTE_RAW_H
#define EPDIFF_EXECUTE_RAW_H

#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef __x86_64__
#error "the executor knows only the system call convention of x86-64"
#endif

/* Returns what the kernel returns: a negative errno on failure. errno is left alone. */
static inline long raw_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long raw_syscall3(long number, long a, long b, long c)
{
    return raw_syscall6(number, a, b, c, 0, 0, 0);
}

/* Sleeps while *word == value, at most `timeout` (relative; NULL for ever). The word is shared
 * between processes. */
static inline void raw_futex_wait(const uint32_t *word, uint32_t value,
                                  const struct timespec *timeout)
{
    raw_syscall6(SYS_futex, (long)word, FUTEX_WAIT, (long)value, (long)timeout, 0, 0);
}

static inline void raw_futex_wake(const uint32_t *word)
{
    raw_syscall3(SYS_futex, (long)word, FUTEX_WAKE, INT32_MAX);
}

/* Adds one to a shared word and wakes who sleeps on it. */
static inline void raw_bump(uint32_t *word)
{
    __atomic_add_fetch(word, 1, __ATOMIC_ACQ_REL);
    raw_futex_wake(word);
}

static inline uint32_t raw_load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void raw_store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

#endif
