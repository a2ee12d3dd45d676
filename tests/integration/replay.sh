#!/usr/bin/env bash
# What must not happen: that a program of the corpus fails its expectation, or that three replays
# do not print the same bytes; that JUnit and JSON forms tell something else than the text.
source "$(dirname "$0")/lib.sh"

corpus=corpus/regress
if [[ ${SANITIZED:-} != *address* ]]; then
    ln -s "$SOURCE/corpus" corpus
else
    # AddressSanitizer's runtime takes over the end of a cancelled thread and puts signals off: programs
    # with either are left out under it.
    mkdir -p corpus/regress
    grep -LE 'pthread_cancel\(|tgkill\(' "$SOURCE"/corpus/regress/*.epd | xargs -I{} ln -s {} corpus/regress/
fi
for turn in 1 2 3; do
    run_tool 0 replay $corpus --junit junit.xml -v
    mv out out.$turn
    mv junit.xml junit.$turn
done
cmp out.1 out.2 && cmp out.2 out.3 || fail "replays differ"
cmp junit.1 junit.2 && cmp junit.2 junit.3 || fail "JUnit files differ"
checks=$(sed -n 's/^programs=.* checks=\([0-9]*\) .*/\1/p' out.1)
failed=$(sed -n 's/^programs=.* failed=\([0-9]*\) .*/\1/p' out.1)
skipped=$(sed -n 's/^programs=.* skipped=\([0-9]*\) .*/\1/p' out.1)
counts=$("$CHECK_OUTPUT" junit <junit.1) || fail "JUnit is not well-formed"
[ "$counts" = "$checks $failed $skipped" ] || fail "JUnit counts $counts, not $checks $failed $skipped"
programs=$(find -L $corpus -name '*.epd' | wc -l)
says out.1 "^programs=$programs "

run_tool 0 replay $corpus --json --subject native
# Every line is an object, one a check, and the last is the summary.
[ "$("$CHECK_OUTPUT" json checks <out)" = "$programs" ] || fail "the last line of --json is no summary"
[ "$(grep -c '"result":' out)" -eq "$programs" ] || fail "not one line a check"
no_processes
