#!/bin/bash
# bench_shim runs all cases and prints a line for each figure of each subject. Its figures are not looked at.
set -euo pipefail

bench=$1
compare_runs=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

fail()
{
    echo "bench_shim: $*" >&2
    exit 1
}

"$bench" --rounds 1 --operations 200 --json >"$out/json" 2>"$out/err" || fail "it ended with $?: $(cat "$out/err")"
subjects='native tls+syscall tls+uring transparent+syscall transparent+uring'
for case in $("$bench" --list | cut -d ' ' -f 1); do
    case $case in
        latency) figures='wait wait-worst close-target close-target-worst close-instance close-instance-worst' ;;
        calls*) figures='ctl-add ctl-mod ctl-direct wait close' ;;
        echo*) figures='wall cpu' ;;
        *) figures='wall cpu calls' ;;
    esac
    for figure in $figures; do
        for subject in $subjects; do
            grep -q "^bench_shim: $subject is left out" "$out/err" && continue
            lines=$(grep -cF "{\"case\":\"$case\",\"figure\":\"$figure\",\"subject\":\"$subject\"," "$out/json" || true)
            [ "$lines" = 1 ] || fail "$lines lines of $case $figure $subject"
        done
    done
done
"$bench" --rounds 2 --operations 200 --only churn-8 >"$out/table" || fail "--only: it ended with $?"
grep -q '^churn-8 .*transparent+syscall' "$out/table" || fail "the table lacks a line"
! grep -q '^churn-1 ' "$out/table" || fail "--only runs another case"
if "$bench" --only nothing >"$out/table" 2>&1; then
    fail "an unknown case is run"
fi
if "$bench" --rounds 1 --operations 200 --only churn-8 --before "$out/none.so" >"$out/table" 2>&1; then
    fail "a library that is not there is measured"
fi

# Nine pairs: the interval leaves out one on each side, and is worth 96.1 %.
for round in 1 2 3 4 5 6 7 8 9; do
    echo "base 10"
    echo "other 1$round"
done | "$compare_runs" >"$out/compare"
grep -Eq '^other +9 +15 +1\.5000 +1\.2000 \.\. 1\.8000 \(96\.1 %\)$' "$out/compare" || fail "$(cat "$out/compare")"
