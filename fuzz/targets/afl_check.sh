#!/usr/bin/env bash
# A short run of a target under AFL++, as a test: it starts, makes so many executions from its seeds with its own
# mutations, keeps what is new, is stable, and finds nothing.
#   afl_check.sh EXECUTIONS TARGET MUTATOR SEEDS
set -euo pipefail

room=$(mktemp -d "${TMPDIR:-/tmp}/epdiff-afl-XXXXXX")
trap 'rm -rf "$room"' EXIT
export AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_AFFINITY=1 AFL_FAST_CAL=1
AFL_CUSTOM_MUTATOR_LIBRARY=$3 AFL_CUSTOM_MUTATOR_ONLY=1 \
    afl-fuzz -E "$1" -t 60000 -s 1 -i "$4" -o "$room/out" -- "$2" >"$room/log" 2>&1 || {
    tail -n 20 "$room/log" >&2
    echo "afl_check: afl-fuzz has failed" >&2
    exit 1
}
value() {
    awk -F' *: *' -v key="$1" '$1 == key { print $2 }' "$room/out/default/fuzzer_stats"
}
echo "executions=$(value execs_done) corpus=$(value corpus_count) found=$(value corpus_found) stability=$(value stability)" \
    "crashes=$(value saved_crashes) timeouts=$(value saved_hangs)"
[ "$(value execs_done)" -ge "$1" ] && [ "$(value saved_crashes)" -eq 0 ] && [ "$(value saved_hangs)" -eq 0 ] &&
    [ "$(value corpus_found)" -gt 0 ] && awk -v stability="$(value stability)" 'BEGIN { exit !(stability + 0 >= 95) }'
