#!/usr/bin/env bash
# What must not happen: that the same seed and number of runs give other programs, counts or
# findings, whatever the number of workers; that a saved finding does not show its divergence again.
source "$(dirname "$0")/lib.sh"

counts() {
    sed -n '$s/ seconds=[^ ]*//p' "$1"
}

runs=200
for jobs in 1 2; do
    run_tool 1 fuzz --subject shim:naive --subject shim:tls --runs $runs --seed 7 -j $jobs \
        --no-shrink --out found.$jobs
    mv out out.$jobs
done
[ "$(summary out.1 programs)" -eq $runs ] || fail "not $runs programs"
[ "$(counts out.1)" = "$(counts out.2)" ] || fail "$(counts out.1)
is not $(counts out.2)"
diff -r found.1 found.2 >err || fail "findings differ"
[ "$(find found.1 -name '*.epd' | wc -l)" -eq "$(summary out.1 signatures)" ] ||
    fail "not one file a signature"

# Each says itself what it shows, and under which subject.
run_tool 0 replay found.1
says out '^[1-9][0-9]* passed, 0 failed'
passed=$(summary out.1 signatures)
# Native is a check of every file, too.
says out "passed=$((2 * passed)) "

# Its origin names the program that it was found in.
file=$(find found.1 -name '*.epd' | sort | sed -n 1p)
index=$(sed -n 's/^origin: .*--seed 7, program \([0-9]*\),.*/\1/p' "$file")
run_tool 0 gen --seed 7 --index "$index"
grep '^[a-z][0-9a-z]*: ' out | grep -v '^\(name\|origin\|hazard\)' >generated
grep '^[a-z][0-9a-z]*: ' "$file" | grep -v '^\(name\|origin\|hazard\)' >saved
cmp generated saved >&2 || fail "$file is not program $index of seed 7"

# Programs for programs.
run_tool 1 fuzz --subject shim:naive --runs 60 --no-shrink --json --out found.json
"$CHECK_OUTPUT" json programs divergent signatures seed <out >values || fail "--json does not parse"
[ "$(sed -n 1p values)" -eq 60 ] || fail "--json says $(cat values)"
no_processes
