#!/usr/bin/env bash
# What must not happen: that a hazard has neither a program in corpus/regress nor, in docs/hazards.md,
# the reason why it can have none; or both; that a page or a program names a code which is none; that
# docs/corpus.md tells of other programs than there are.
source "$(dirname "$0")/lib.sh"

PROGRAMS_MIN=120 # in corpus/regress

def=$SOURCE/oracle/hazards.def
page=$SOURCE/docs/hazards.md
corpus=$SOURCE/corpus/regress
codes() { LC_ALL=C sort -u; }

sed -n 's/^HAZARD(\([A-Z0-9]*\), .*/\1/p' "$def" | codes >known
[ "$(wc -l <known)" -eq "$(grep -c '^HAZARD(' "$def")" ] || fail "not every entry of hazards.def was read"
[ -s known ] || fail "no hazards in hazards.def"
sed -n 's/^hazard: //p' "$corpus"/*.epd | codes >shown
# The first table of each section says what a code means, the last section why it has no program.
row='s/^| \**\([A-J][0-9][0-9]*\)\** |.*/\1/p'
sed '/^## Codes without a program$/,$d' "$page" | sed -n "$row" | codes >told
sed -n '/^## Codes without a program$/,$p' "$page" | sed -n "$row" | codes >excused
[ -s excused ] || fail "docs/hazards.md lists no codes without a program"

differ() { # differ OPTIONS A B WORDS: fails if comm prints any code
    comm "$1" "$2" "$3" >out
    [ ! -s out ] || fail "$4"
}
differ -23 known told "hazards.def has codes that docs/hazards.md does not explain"
differ -13 known told "docs/hazards.md explains codes that hazards.def does not have"
differ -13 known shown "a program is about a code that hazards.def does not have"
differ -13 known excused "docs/hazards.md excuses codes that hazards.def does not have"
differ -12 shown excused "these have a program in corpus/regress, and docs/hazards.md says that they can have none"
codes <<<"$(cat shown excused)" >accounted
differ -23 known accounted "these have no program in corpus/regress, and docs/hazards.md does not say why"

# A program whose name has a code is about that code.
for file in "$corpus"/*.epd; do
    name=$(basename "$file" .epd)
    code=${name%%-*}
    [ "$code" = OK ] || grep -qx "hazard: $code" "$file" || fail "$name is not about $code"
done
[ "$(find "$corpus" -name '*.epd' | wc -l)" -ge $PROGRAMS_MIN ] || fail "fewer than $PROGRAMS_MIN programs"

"$SOURCE/corpus/table.sh" >table
sed -n '/^| program |/,$p' "$SOURCE/docs/corpus.md" >out
cmp out table >&2 || fail "the table of docs/corpus.md is not what corpus/table.sh prints"

# Of a race no corpus file can say what a subject makes of it. naive fails in all orders of the calls.
run_tool 1 run "$corpus/B9-close-races-with-add.epd" --subject shim:naive
says out '^shim:naive\+syscall: violation in 5 of 5 runs'
no_processes
