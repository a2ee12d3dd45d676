#!/usr/bin/env bash
# What must not happen: that a printed program is another than the one that runs, does not parse, or
# depends on how many are printed with it.
source "$(dirname "$0")/lib.sh"

run_tool 0 gen --seed 5 --count 300
cp out all
mkdir programs
csplit -s -z -f programs/p -b '%03d.epd' all '/^name: /' '{*}'
[ "$(find programs -name '*.epd' | wc -l)" -eq 300 ] || fail "not 300 programs"
# They parse: replay reads all of them before it runs one; shrink prints what it has parsed.
run_tool 0 replay programs --subject native
says out '^programs=300 checks=300 passed=300 '
for index in 0 1 42 299; do
    run_tool 0 gen --seed 5 --index $index
    sed '/^$/d' programs/p"$(printf %03d $index)".epd >one
    sed '/^$/d' out >other
    cmp one other >&2 || fail "program $index of 300 is not program $index alone"
done
run_tool 0 gen --seed 6
cmp -s out programs/p000.epd && fail "two seeds give one program"
run_tool 0 gen --seed 5 --count 300
cmp out all >&2 || fail "the same command prints something else"
