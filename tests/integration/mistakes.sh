#!/usr/bin/env bash
# What must not happen: that the model is wrong and nobody notices. Every seeded mistake
# (oracle/model/mistakes.def) is found by `fuzz --subject model`, within a number of programs that
# takes a few seconds; without a mistake the same programs agree.
source "$(dirname "$0")/lib.sh"

RUNS=30000
names=$(sed -n 's/^MODEL_MISTAKE([A-Z_]*, "\([a-z-]*\)".*/\1/p' "$SOURCE/oracle/model/mistakes.def")
[ "$(wc -w <<<"$names")" -ge 20 ] || fail "fewer than 20 seeded mistakes"

EPDIFF=$MISTAKEN
run_tool 0 fuzz --subject model --runs "$RUNS" --seed 1 --no-shrink
says out '^programs=30000 divergent=0 signatures=0 '
for name in $names; do
    export EPDIFF_MODEL_MISTAKE=$name
    run_tool 1 fuzz --subject model --runs "$RUNS" --seed 1 --no-shrink --stop-at 1
    says out ' divergent=[1-9]'
done

# A selector that nothing answers to would make every line above a test of the model without mistakes.
export EPDIFF_MODEL_MISTAKE=nonsense
run_tool 2 fuzz --subject model --runs 1
says err "unknown mistake 'nonsense'"
