/*
 * Runs the descriptor operations of a program on the running kernel, in lockstep: one real process
 * per process of the program, each step done before the next one starts. The processes wait on
 * semaphores in shared memory, so that no descriptor but the program's own is open in them.
 */
#ifndef EPDIFF_TESTS_PROGRAM_KERNEL_H
#define EPDIFF_TESTS_PROGRAM_KERNEL_H

#include "fuzz/program/world.h"

/* One entry of an interest list, as /proc/PID/fdinfo shows it. */
struct kernel_item {
    int number;
    uint32_t events;
    uint64_t data;
};

struct kernel;

/* Starts main on the canonical fd table: 0, 1 and 2 on /dev/null. Fails the test if it cannot. */
struct kernel *kernel_start(const struct program *program);

/* Runs one step by the process of its actor and hands out what the kernel answered. */
void kernel_step(struct kernel *kernel, unsigned step, struct world_outcome *ret_outcome);

/* Reads the interest list behind `number` of a process. Returns how many entries it has. */
unsigned kernel_interest(struct kernel *kernel, unsigned process, int number,
                         struct kernel_item ret_items[WORLD_ITEMS_MAX]);

/* Says which numbers a process has open. */
void kernel_open_numbers(struct kernel *kernel, unsigned process, bool ret_open[PROGRAM_FD_LIMIT]);

/* Whether execve(2) would close `number` of a process, by its fdinfo file. */
bool kernel_cloexec(struct kernel *kernel, unsigned process, int number);

/* Ends every process and reaps it. */
void kernel_stop(struct kernel *kernel);

/* A teardown of cmocka: the same for the run that a failed test left behind. */
int kernel_teardown(void **state);

/* False on kernels that limit nesting only below the target (5.10 and 6.6). */
bool kernel_counts_links_above(void);

#endif
