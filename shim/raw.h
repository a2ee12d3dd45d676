/*
 * A system call by an instruction of its own: the function syscall is one of those that the shim
 * takes over, and a program may take over any of libc's.
 */
#ifndef SHIM_RAW_H
#define SHIM_RAW_H

/* Returns what the kernel returns: a negative errno on failure. errno is left alone. */
static inline long raw_call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    /* cppcheck-suppress constStatement */
    register long r10 __asm__("r10") = d;
    /* cppcheck-suppress constStatement */
    register long r8 __asm__("r8") = e;
    /* cppcheck-suppress constStatement */
    register long r9 __asm__("r9") = f;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#endif
