#!/usr/bin/env bash
# A very small night with the built tool. What must not happen: that a finding is new although it is listed, or known
# although nobody listed it; that a night does not find what is there.
source "$(dirname "$0")/lib.sh"

night() { # night STATUS ARGUMENT...
    local expected=$1 status=0
    shift
    EPDIFF_BUILD=$(dirname "$EPDIFF") EPDIFF_TEST_MARK=$ROOM python3 "$SOURCE/ci/night" --hours 0.01 --seed 5 \
        --parts native,fuzz --subject shim:hash+syscall "$@" >out 2>err </dev/null || status=$?
    [ $status -eq "$expected" ] || fail "ci/night $*: status $status, expected $expected"
    no_processes
}

: >empty.txt
night 1 --known empty.txt --out first
says first/summary.md '^# [0-9]+ new findings$'
says first/summary.md '^\| canary \| .* \| ok \| '
says first/summary.md '^\| native \| .* \| ok \| programs=[1-9][0-9]*, divergent=0'
says first/summary.md '^\| fuzz \| .* \| ok \| programs=[1-9]'
run_tool 1 known empty.txt first/new
new=$(wc -l <out)
[ "$new" -gt 0 ] || fail "nothing is new"
"$CHECK_OUTPUT" junit <first/junit.xml >out || fail "JUnit is not well-formed"
[ "$(grep -c '<section' first/report.html)" -eq "$new" ] || fail "the report does not have all $new"
# They are shrunk, and every one shows itself again.
grep -L 'shrunk to' first/new/*/*.epd >left || true
[ ! -s left ] || fail "not shrunk: $(cat left)"
run_tool 0 replay first/new

# What is not listed stays new, however often it was found.
night 1 --known empty.txt --out second
run_tool 1 known empty.txt second/new
[ "$(wc -l <out)" -gt 0 ] || fail "found before is not listed"

# What is listed is not new.
printf 'shim:hash * # the first full design, faithful with its holes\n' >known.txt
night 0 --known known.txt --out third
says third/summary.md '^# Nothing new$'
says third/summary.md '^Known, by the list: '
[ ! -e third/new ] || fail "known ones are among the new"

printf 'shim:hash *\n' >bad.txt
night 2 --known bad.txt --out fourth
says out '^.*bad.txt:1:12: expected .# . and the reason'
night 2 --known empty.txt --out first
says err 'holds a night already, expected --resume or another folder;'
