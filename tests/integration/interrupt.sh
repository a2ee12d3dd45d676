#!/usr/bin/env bash
# What must not happen: that an interrupted run loses its findings or its summary, does not end, or
# leaves processes behind, whatever ends it.
source "$(dirname "$0")/lib.sh"

start_fuzz() { # start_fuzz ARGUMENT...: returns when it has workers
    EPDIFF_TEST_MARK=$ROOM "$EPDIFF" fuzz --time 600 --out found "$@" >out 2>err </dev/null &
    tool=$!
    local deadline=$((SECONDS + 60))
    # Tool, two servers, a program: it is at work.
    while [ "$(processes)" -lt 4 ]; do
        [ $SECONDS -lt $deadline ] || fail "fuzz does not begin"
    done
}

milliseconds() {
    date +%s%3N
}

await() { # await STATUS...: waits for the tool and checks its status
    local status=0
    wait $tool || status=$?
    for expected; do
        [ $status -ne "$expected" ] || return 0
    done
    fail "status $status, expected one of $*"
}

# Waits until the tool itself has used some CPU: it has made programs, and is confirming or shrinking
# what the first of them showed.
let_work() {
    local deadline=$((SECONDS + 100))
    while [ "$(awk '{ print $14 + $15 }' /proc/$tool/stat)" -lt "$1" ]; do
        [ $SECONDS -lt $deadline ] || fail "fuzz does not go on"
    done
}

# A job of a script that runs in the background ignores SIGINT; the tool's own handler undoes that.
for signal in INT TERM; do
    rm -rf found
    start_fuzz --subject shim:naive
    let_work 40
    before=$(milliseconds)
    kill -$signal $tool
    await 0 1
    [ $(($(milliseconds) - before)) -lt 2000 ] || fail "SIG$signal took over 2 s"
    [ "$(tail -1 out | grep -c '^programs=[0-9]* divergent=')" -eq 1 ] || fail "no summary line"
    [ "$(find found -name '*.epd' 2>/dev/null | wc -l)" -eq "$(summary out signatures)" ] ||
        fail "findings are lost"
    [ "$(summary out signatures)" -gt 0 ] || fail "nothing was found"
    run_tool 0 replay found --subject shim:naive
    no_processes
done

start_fuzz --subject native
kill -INT $tool
kill -INT $tool 2>/dev/null || true
await 0 3
no_processes

start_fuzz --subject shim:tls
kill -KILL $tool
await 137
no_processes

# A subject that hangs, with a watchdog that is far away.
printf 'main: e0 = epoll_create1(0)\nmain: v0 = eventfd(0, 0)\n' >hang.epd
printf 'main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, NULL)\n' >>hang.epd
EPDIFF_FAULT=hang EPDIFF_TEST_MARK=$ROOM "$EPDIFF" replay hang.epd --watchdog 600000 \
    --subject "preload:$FAULTY" --expect-signature equal >out 2>err </dev/null &
tool=$!
deadline=$((SECONDS + 60))
while [ "$(processes)" -lt 4 ]; do
    [ $SECONDS -lt $deadline ] || fail "replay does not begin"
done
before=$(milliseconds)
kill -INT $tool
await 3
[ $(($(milliseconds) - before)) -lt 2000 ] || fail "SIGINT took over 2 s"
says err 'interrupted'
says out '^0 passed, 0 failed'
no_processes
