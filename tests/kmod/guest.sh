#!/bin/busybox sh
# The module's tests inside ci/vm's machine; ends with 1 if one fails.
#   guest.sh TEST VECTORS CALLS [ROUNDS [GAIN]]: one of the test programs, with its path; the number of random
#   vectors, of the storm's calls (0: no storm), and the benchmark's arguments.
folder=${1%/*}
for test in test_module test_backend; do
    # cmocka's status is the number of tests that failed. What hangs is ended by the shell, as CTest does it elsewhere;
    # the debug kernel needs a few seconds.
    status=0
    timeout -s KILL 300 "$folder/kmod_$test" >/tests.out 2>&1 || status=$?
    if [ $status -ne 0 ]; then
        cat /tests.out
        [ $status -ne 137 ] || echo "kmod_$test hangs in the test that is named last"
        exit 1
    fi
    echo "$test: $(grep 'test(s) run' /tests.out)"
    grep -E '^skipped|faults made' /tests.out
done
"$folder/kmod_vectors" "$2" || exit 1
[ "$3" -eq 0 ] || "$folder/kmod_storm" "$3" || exit 1
if [ $# -gt 3 ]; then
    "$folder/kmod_bench_module" "$4" ${5:+"$5"} || exit 1
fi
