#!/usr/bin/env bash
# What must not happen: that the tool goes on, or ends well, when it cannot do its work: without its
# executor, with a library that is none or that refuses, with no room for descriptors, with an
# output that cannot be written.
source "$(dirname "$0")/lib.sh"

printf 'main: v0 = eventfd(0, 0)\nmain: t1 = pthread_create()\nt1: read(v0, 8)\n' >good.epd

refuses() { # refuses PATTERN ARGUMENT...
    local pattern=$1
    shift
    run_tool 3 "$@"
    says err "^epdiff [a-z]+: .*$pattern"
    [ "$(grep -c '^epdiff' err)" -eq 1 ] || fail "more than one line"
}

real=$EPDIFF
mkdir alone
cp "$real" alone/
EPDIFF=$ROOM/alone/epdiff
refuses 'no executor: .*/alone/epdiff-exec: No such file' run good.epd --subject native
refuses 'no executor' replay good.epd
refuses 'no executor' fuzz --runs 1
run_tool 0 gen --seed 1
run_tool 0 subjects
says out '^native +no: no executor'
cp "$(dirname "$real")/epdiff-exec" alone/
refuses 'no witness library' run good.epd --subject native
EPDIFF=$real

printf 'no library\n' >none.so
refuses 'subject preload:none.so does not start: .*none.so' run good.epd --subject preload:none.so
refuses 'does not start' replay good.epd --subject preload:none.so
refuses 'does not start' fuzz --runs 1 --subject preload:none.so
# A library that loads and takes over nothing would pass every test.
refuses 'takes over none of the epoll calls' run good.epd --subject "preload:$(gcc -print-file-name=libm.so.6)"
export EPDIFF_FAULT=nonsense
refuses 'does not start: faulty: EPDIFF_FAULT=nonsense is unknown' \
    run good.epd --subject "preload:$FAULTY"
unset EPDIFF_FAULT
cp "$FAULTY" 'a blank.so'
run_tool 2 run good.epd --subject 'preload:a blank.so'
says err 'blank'

# Room for the tool's own files, but not for watching many actors.
{
    echo 'main: v0 = eventfd(0, 0)'
    for i in 1 2 3 4 5 6; do
        printf 'main: t%d = pthread_create()\nt%d: read(v0, 8)\n' $i $i
    done
} >many.epd
(
    ulimit -Sn 16
    refuses 'cannot be watched: Too many open files' run many.epd --subject native
)

full() { # full ARGUMENT...
    local status=0
    EPDIFF_TEST_MARK=$ROOM "$EPDIFF" "$@" >/dev/full 2>err || status=$?
    [ $status -eq 3 ] || fail "epdiff $* >/dev/full: status $status, expected 3"
    says err 'standard output cannot be written|cannot be written'
}
full run good.epd --subject native
full replay good.epd
full replay good.epd --json
full fuzz --runs 5
full fuzz --runs 5 --json
full gen --seed 1 --count 100
full ops
full subjects
run_tool 3 replay good.epd --junit /nonexistent/junit.xml
says err 'junit'
run_tool 3 fuzz --runs 60 --subject shim:naive --no-shrink --out /nonexistent/found
says err 'cannot be saved'
no_processes
