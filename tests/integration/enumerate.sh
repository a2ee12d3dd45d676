#!/usr/bin/env bash
# What must not happen: that the number of workers changes what an enumeration finds; that it runs
# another number of programs than it said beforehand; that it misses a hazard that has a program of
# two operations; that a saved program does not show its hazard again, or an interrupted run passes
# for a complete one.
source "$(dirname "$0")/lib.sh"

without_time() {
    sed 's/ seconds=[^ ]*//; s/found\.[0-9]/found/' "$1"
}

for jobs in 1 2; do
    run_tool 1 enumerate --ops 2 --subject shim:hash --subject shim:tls -j $jobs --out found.$jobs
    mv out out.$jobs
    is_silent err .
done
[ "$(without_time out.1)" = "$(without_time out.2)" ] || fail "-j 1 and -j 2 differ:
$(diff <(without_time out.1) <(without_time out.2))"
diff -r found.1 found.2 >err || fail "findings differ"

# As many as it said, and as many as it says when nothing is run.
run_tool 0 enumerate --ops 2 --count
counted=$(sed -n '1s/^\([0-9]*\) programs of up to 2 operations$/\1/p' out)
[ "$counted" -gt 1000 ] || fail "no count"
says out.1 "^$counted programs of up to 2 operations"
[ "$(summary out.1 programs)" -eq "$counted" ] || fail "not $counted programs"
[ "$(summary out.1 unstable)" -eq 0 ] || fail "unstable ones"
[ "$(summary out.1 ops)" -eq 2 ] || fail "no ops="

# What docs/shim.md says of the two policies, as far as two operations show it.
has() { # has SUBJECT CODE...
    local subject=$1
    shift
    for code; do
        compgen -G "found.1/shim_$subject*/*_${code}_*.epd" >/dev/null || fail "$subject: no $code"
    done
}
has hash A1 A4 A7 A10 B3 B7 C1 C2 C3
has tls A1 A3 A4 A7 A10 B3 B7 B8 C1 C2 C3 C6
! compgen -G "found.1/shim_hash*/*_B8_*.epd" >/dev/null || fail "hash has no B8"

# Each shows again what its name says; one of each hazard.
run_tool 0 replay found.1
says out '^[1-9][0-9]* passed, 0 failed'
[ "$(find found.1 -name '*.epd' | wc -l)" -eq "$(grep -c '^    epdiff run ' out.1)" ] ||
    fail "a finding is not saved"

# Its origin names the program.
file=$(find found.1 -name '*A4*.epd' | sort | sed -n 1p)
index=$(sed -n 's/^origin: epdiff enumerate --ops 2, program \([0-9]*\)$/\1/p' "$file")
run_tool 0 enumerate --ops 2 --show "$index"
cmp <(grep -E '^(main|t1|p1): ' out) <(grep -E '^(main|t1|p1): ' "$file") >&2 ||
    fail "$file is not program $index"

# A correct layer, of any size: nothing.
run_tool 0 enumerate --ops 1 --subject native
[ "$(summary out divergent)" -eq 0 ] || fail "native diverges from itself"

# Programs for programs.
run_tool 1 enumerate --ops 1 --subject shim:hash --json --out found.json
"$CHECK_OUTPUT" json programs divergent ops <out >values || fail "--json does not parse"
[ "$(sed -n 1p values)" -eq "$(sed -n '1s/^{"count":\([0-9]*\),.*/\1/p' out)" ] ||
    fail "--json says $(cat values)"

refused() { # refused PATTERN ARGUMENT...
    local pattern=$1
    shift
    run_tool 2 enumerate "$@"
    lines err 1
    says err "^epdiff enumerate: .*$pattern"
}
refused 'expected --ops N' --subject shim:hash
refused 'is no number that fits, expected 1 to 6' --ops 0
refused 'is no number that fits, expected 1 to 6' --ops 7
refused 'is no number that fits, expected 0 to' --ops 1 --show 1000000
refused 'exclude each other' --ops 1 --show 0 --count
refused "unexpected argument 'x'" --ops 1 x
refused 'cannot make sense' --ops 1 --seed 3
run_tool 3 enumerate --ops 1 --subject shim:hash --out /nonexistent/found
says err "^epdiff enumerate: --out '/nonexistent/found': findings cannot be saved there"
is_silent out '^programs='

# Interrupted: what it has, and that it is not all.
EPDIFF_TEST_MARK=$ROOM "$EPDIFF" enumerate --ops 4 --subject shim:hash --out found.cut \
    >out 2>err </dev/null &
tool=$!
deadline=$((SECONDS + 60))
# It has made programs for a while: some of its CPU time is used.
while [ "$(awk '{ print $14 + $15 }' /proc/$tool/stat)" -lt 60 ]; do
    [ $SECONDS -lt $deadline ] || fail "enumerate does not begin"
done
kill -INT $tool
status=0
wait $tool || status=$?
[ $status -eq 1 ] || fail "status $status after an interruption, expected 1"
says err '^epdiff enumerate: incomplete: [0-9]+ of [0-9]+ programs were run$'
[ "$(summary out programs)" -gt 0 ] || fail "no summary"
[ "$(find found.cut -name '*.epd' | wc -l)" -eq "$(grep -c '^    epdiff run ' out)" ] ||
    fail "findings are lost"
[ "$(grep -c '^    epdiff run ' out)" -gt 0 ] || fail "nothing was found"
no_processes
