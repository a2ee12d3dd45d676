#!/usr/bin/env bash
# What must not happen: that a library which wraps every call and changes nothing, or native itself,
# is found to diverge.
source "$(dirname "$0")/lib.sh"

# runs [SUBJECT]: fewer when sanitizers slow everything down.
runs=${EPDIFF_TEST_RUNS:-5000}
run_tool 0 fuzz --subject "preload:$FAULTY" --subject native --runs "$runs" --seed 11
says out " divergent=0 "
[ "$(summary out programs)" -eq "$runs" ] || fail "not $runs programs"
awk -v unstable="$(summary out unstable)" -v runs="$runs" \
    'BEGIN { exit unstable * 1000 > runs }' || fail "too many unstable programs"
no_processes
