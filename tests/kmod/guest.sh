#!/bin/busybox sh
# The module's tests inside ci/vm's machine; ends with the status of the first that fails.
#   guest.sh FOLDER VECTORS CALLS [ROUNDS GAIN]: the number of random vectors, of the storm's calls (0: no storm), and
#   the benchmark's arguments.
folder=$1
for test in test_module test_backend; do
    "$folder/kmod_$test" >/tests.out 2>&1
    status=$?
    if [ $status -ne 0 ]; then
        cat /tests.out
        exit $status
    fi
    echo "$test: $(grep 'test(s) run' /tests.out)"
    grep -E '^skipped|faults made' /tests.out
done
"$folder/kmod_vectors" "$2" || exit
[ "$3" -eq 0 ] || "$folder/kmod_storm" "$3" || exit
if [ $# -gt 3 ]; then
    "$folder/kmod_bench_module" "$4" "$5" || exit
fi
