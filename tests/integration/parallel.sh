#!/usr/bin/env bash
# What must not happen: that a native run of a parallel block is a violation, that more than one in a
# hundred is left undecided, or that a library which drops one operation in a thousand is let
# through.
source "$(dirname "$0")/lib.sh"

# Fewer runs when sanitizers slow everything down.
runs=${EPDIFF_TEST_RUNS:-2000}
run_tool 0 fuzz --parallel --subject native --runs "$runs" --seed 7
says out " violation=0 "
[ "$(summary out programs)" -eq "$runs" ] || fail "not $runs programs"
[ "$(($(summary out unknown) * 100))" -lt "$runs" ] || fail "too many unknown runs"
# How many calls meet is the machine's affair: on a busy one few do. It is said.
says out ' overlapping=[01]\.[0-9]+ '
[ ! -e findings ] || fail "findings without a violation"

# Two of its calls in three hundred programs are dropped, and more; one worker, for one counter.
run_tool 1 fuzz --parallel --subject "preload:$DROPPING" --runs 1000 --seed 7 -j 1 --out found
[ "$(summary out violation)" -ge 1 ] || fail "no violation"
says out "No order of calls explains these"
says out "signature parallel/.*epoll_ctl"
is_silent out "It happens natively"
file=$(find found -name '*.epd' | sort | sed -n 1p)
[ -s "${file%.epd}.history" ] || fail "no history beside $file"
says "${file%.epd}.history" "No order of calls explains these"
says "${file%.epd}.history" "^  [0-9]*-[0-9]* .*: .* -> "
says "$file" "^parallel {"

# It is a program again, and natively there is nothing wrong with it.
run_tool 0 run "$file"
says out "^native: ok, some order of the calls explains each of 5 runs"
run_tool 0 replay "$file"
says out "^1 passed, 0 failed"
run_tool 0 run "$file" --json
"$CHECK_OUTPUT" json result rounds violation <out >values || fail "--json does not parse"

# The same programs, printed.
run_tool 0 gen --parallel --seed 7 --count 3
says out "^parallel {"

# What has no meaning here is refused.
run_tool 2 fuzz --parallel --no-shrink --runs 1
run_tool 2 fuzz --parallel --strict-order --runs 1
run_tool 2 fuzz --parallel --subject model --runs 1
run_tool 2 run "$file" --subject model
run_tool 2 shrink "$file" --subject native
no_processes
