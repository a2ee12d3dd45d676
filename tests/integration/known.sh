#!/usr/bin/env bash
# What must not happen: that `fuzz --known` reports what is listed, or is silent about what is not;
# that what it counts as known is nowhere to be seen; that a list with a mistake in it is used.
source "$(dirname "$0")/lib.sh"

fuzz=(fuzz --subject shim:naive --subject shim:hash --runs 24 --seed 7 --no-shrink)

# Without a list: what there is, and no pair of a list.
run_tool 1 "${fuzz[@]}" --out all --junit all.xml
is_silent out 'known'
all=$(summary out signatures)
[ "$(find all -name '*.epd' | wc -l)" -eq "$all" ] || fail "not one file a signature"
counts=$("$CHECK_OUTPUT" junit <all.xml) || fail "JUnit is not well-formed"
[ "$counts" = "2 2 0" ] || fail "JUnit counts $counts, expected 2 2 0"

# An empty list changes nothing but the pair.
sed 's/ seconds=[^ ]*//' out >expected
: >empty.txt
run_tool 1 "${fuzz[@]}" --out all --known empty.txt
says out '^No signature that empty.txt lists was met.$'
sed '/^No signature/d; $s/ known=0//; s/ seconds=[^ ]*//' out | cmp - expected >&2 || fail "an empty list changes the report"

# One signature of one subject: gone from the report and from the folder, nothing else is.
file=$(find all/shim_naive+syscall -name '*.epd' | sort | sed -n 1p)
signature=$(sed -n 's/^expect shim:naive+syscall: //p' "$file")
printf '# a list\nshim:naive %s # the first idea\n' "$signature" >one.txt
run_tool 1 "${fuzz[@]}" --out one --known one.txt -v
[ "$(summary out known)" -eq 1 ] || fail "not one known signature"
[ "$(summary out signatures)" -eq "$all" ] || fail "known ones are no longer counted"
says out '^1 signature that one.txt lists was met, with the number of programs:$'
says out "^  shim:naive\\+syscall $signature \\([0-9]+\\)$"
is_silent out "^  signature $signature,.*shim:naive"
diff -r all one >err && fail "the known finding was saved"
[ "$(cat err)" = "Only in $(dirname "$file"): $(basename "$file")" ] || fail "other findings are missing, too"

# Everything is listed: that is status 0, and JUnit passes and still names them.
printf 'shim:naive * # the first idea\nshim:hash * # the second\n' >everything.txt
run_tool 0 "${fuzz[@]}" --out none --known everything.txt --junit known.xml
[ "$(summary out known)" -eq "$all" ] || fail "not all are known"
[ ! -e none ] || fail "known findings were saved"
counts=$("$CHECK_OUTPUT" junit <known.xml) || fail "JUnit is not well-formed"
[ "$counts" = "2 0 0" ] || fail "JUnit counts $counts, expected 2 0 0"
says known.xml "known: $signature, seen in"
run_tool 0 "${fuzz[@]}" --out none --known everything.txt --json
"$CHECK_OUTPUT" json signatures known <out >values || fail "--json does not parse"
[ "$(sort -u values)" = "$all" ] || fail "--json says $(cat values)"
says out "\"known\":\"$signature\""
is_silent out '"verdict"'

# One subject's are known, the other's are not.
printf 'shim:naive * # the first idea\n' >naive.txt
run_tool 1 "${fuzz[@]}" --out half --known naive.txt --junit half.xml
[ "$(ls half)" = shim_hash+syscall ] || fail "saved: $(ls half)"
[ "$("$CHECK_OUTPUT" junit <half.xml)" = "2 1 0" ] || fail "JUnit counts"
says half.xml 'name="shim:naive\+syscall"><system-out>known: '
# Known ones are not enough to stop.
run_tool 0 fuzz --subject shim:naive --runs 24 --seed 7 --stop-at 1 --known naive.txt
[ "$(summary out programs)" -eq 24 ] || fail "a known finding ended the run"

# Programs whose actors run free.
run_tool 1 fuzz --parallel --subject shim:naive --runs 4 --out free --junit free.xml
[ "$("$CHECK_OUTPUT" junit <free.xml)" = "1 1 0" ] || fail "JUnit counts of --parallel"
run_tool 0 fuzz --parallel --subject shim:naive --runs 4 --out none --known naive.txt --junit free.xml
[ "$(summary out known)" -eq "$(summary out signatures)" ] || fail "not all of --parallel are known"
[ "$(summary out known)" -gt 0 ] || fail "none of --parallel is known"
[ "$("$CHECK_OUTPUT" junit <free.xml)" = "1 0 0" ] || fail "JUnit counts of --parallel"
[ ! -e none ] || fail "known findings of --parallel were saved"

# Which of these files does a list name? Nothing is run for it, and one line is one divergence.
run_tool 1 known empty.txt all free
lines out $((all + $(find free -name '*.epd' | wc -l)))
is_silent out '^known'
says out "^new   shim:naive\\+syscall $signature [0-9]+ ${file//+/\\+}$"
says out '^new   shim:naive\+syscall parallel/[a-z0-9_-]+ [0-9]+ free/shim_naive\+syscall/parallel_'
run_tool 1 known naive.txt all free
says out "^known shim:naive\\+syscall $signature [0-9]+ ${file//+/\\+}$"
[ "$(grep -c '^new ' out)" -eq "$(find all/shim_hash+syscall -name '*.epd' | wc -l)" ] || fail "hash is new, and only hash"
run_tool 0 known everything.txt all free
is_silent out '^new'
run_tool 1 known one.txt all --json
"$CHECK_OUTPUT" json known subject signature steps file origin explanation parallel <out >values || fail "--json does not parse"
[ "$(grep -c '"known":true' out)" -eq 1 ] || fail "not one is known"
run_tool 0 known one.txt
lines out 0
run_tool 2 known
says err 'expected a LIST'
run_tool 2 known one.txt nonexistent

# Mistakes are told before anything runs.
printf 'shim:naive a/A1/b\n' >bad.txt
run_tool 2 "${fuzz[@]}" --known bad.txt
says err '^bad.txt:1:18: expected .# . and the reason'
lines err 1
lines out 0
run_tool 2 known bad.txt
says err '^bad.txt:1:18: expected .# . and the reason'
run_tool 2 "${fuzz[@]}" --known nonexistent.txt
says err '^nonexistent.txt: cannot be read: No such file'
run_tool 3 "${fuzz[@]}" --junit nonexistent/junit.xml
says err '^epdiff fuzz: --junit nonexistent/junit.xml cannot be written: No such file'
lines out 0
no_processes
