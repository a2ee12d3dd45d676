#!/usr/bin/env bash
# What must not happen: that an operation is in the table and nowhere else. Every one occurs in
# programs of `epdiff gen`, in corpus/regress and in docs/operations.md.
source "$(dirname "$0")/lib.sh"

PROGRAMS=6000
names=$(sed -n 's/^OP([A-Z0-9_]*, "\([a-z0-9_]*\)".*/\1/p' "$SOURCE/fuzz/program/ops.def")
entries=$(grep -c '^OP(' "$SOURCE/fuzz/program/ops.def")
[ "$(wc -w <<<"$names")" -eq "$entries" ] || fail "not every entry of ops.def was read"
[ "$entries" -ge 30 ] || fail "only $entries operations in ops.def"

run_tool 0 gen --seed 5 --count "$PROGRAMS"
mv out generated
cat "$SOURCE"/corpus/regress/*.epd >corpus
missing=
for name in $names; do
    for place in generated corpus; do
        grep -Eq "^[a-z0-9]+: ([a-z0-9, ]+ = )?$name\(" "$place" || missing+=" $name($place)"
    done
    grep -Eq "^#+ .*\`?$name" "$SOURCE/docs/operations.md" || grep -Fq "\`$name" "$SOURCE/docs/operations.md" ||
        grep -Fq "$name(" "$SOURCE/docs/operations.md" || missing+=" $name(docs)"
done
[ -z "$missing" ] || fail "operations that do not occur:$missing"
