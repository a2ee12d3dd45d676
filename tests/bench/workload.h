/* What bench_shim measures: it runs itself with one of these workloads, natively or under the shim,
 * and reads what the run writes to its standard output: a figure a line, a name and a number. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

/* arguments: NAME OPERATIONS EVERY THREADS. Returns the exit status. */
int workload_main(char **arguments);

#endif
