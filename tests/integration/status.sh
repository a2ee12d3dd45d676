#!/usr/bin/env bash
# What must not happen: that a command ends with another status than its manual says, or that bad
# usage is answered with anything but one line that says what was expected.
source "$(dirname "$0")/lib.sh"

bad_usage() { # bad_usage PATTERN ARGUMENT...
    local pattern=$1
    shift
    run_tool 2 "$@"
    lines err 1
    lines out 0
    says err "$pattern"
}

cat >good.epd <<'END'
expect native: equal
expect shim:naive: equal

main: e0 = epoll_create1(0)
END
cat >stale.epd <<'END'
expect shim:naive: equal

main: e0 = epoll_create1(0)
main: r0, w0 = pipe2(O_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)
main: close(r0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: epoll_wait(e0, 8, 0)
END

for command in run replay fuzz enumerate gen shrink report known subjects ops; do
    run_tool 0 "$command" -h
    says out "^usage: epdiff $command"
    lines err 0
    bad_usage "^epdiff $command: .*--nonsense.*expected" "$command" --nonsense
done
run_tool 2
says err '^usage: epdiff COMMAND'
run_tool 0 -h
says out '^exit status: 0 '
run_tool 0 --version
says out '^epdiff [0-9]+\.[0-9]+\.[0-9]+$'
bad_usage "unknown command 'nonsense', expected" nonsense

run_tool 0 run good.epd --subject native
run_tool 0 run good.epd
run_tool 1 run stale.epd --subject shim:naive
bad_usage 'expected one FILE, not 0' run
bad_usage 'expected one FILE, not 2' run good.epd stale.epd
bad_usage "unknown subject 'nonsense', expected native" run good.epd --subject nonsense
bad_usage "unknown policy 'nonsense', expected naive" run good.epd --subject shim:nonsense
bad_usage "unknown backend 'nonsense', expected syscall" run good.epd --subject shim:tls+nonsense
bad_usage 'given twice' run good.epd --subject shim:tls --subject shim:tls+syscall
bad_usage 'library .*/nonexistent.so.* No such file' run good.epd --subject preload:/nonexistent.so
bad_usage 'contract .nonsense. is unknown, expected exact' run good.epd --contract nonsense
bad_usage 'expected 1 to 1000' run good.epd --rounds 0
bad_usage 'expected 10 to' run good.epd --watchdog x

run_tool 0 replay good.epd
says out '^2 passed, 0 failed$'
run_tool 1 replay stale.epd
says out '^FAIL stale.epd: shim:naive\+syscall: expected equal, got fd-reuse/B2/'
says out 'reproduces 5 of 5$'
says out '^1 passed, 1 failed$'
run_tool 0 replay stale.epd --subject shim:naive --expect-signature "fd-reuse B2"
run_tool 1 replay good.epd --subject shim:naive --expect-signature "fd-reuse B2"
run_tool 0 replay good.epd stale.epd --subject shim:hash
says out '^0 passed, 0 failed, 2 skipped$'
bad_usage 'expected at least one PATH' replay
mkdir empty
bad_usage 'no .epd file' replay empty
bad_usage 'expect-signature' replay good.epd --expect-signature nonsense
bad_usage 'expected 1 to 64' replay good.epd -j 0

run_tool 0 fuzz --runs 20 --subject native
run_tool 1 fuzz --runs 60 --subject shim:naive --no-shrink --out found
bad_usage 'exclude each other' fuzz --runs 1 --time 1
bad_usage "unexpected argument 'x'" fuzz x
bad_usage 'is no number that fits, expected' fuzz --runs -1
bad_usage 'is no number that fits, expected' fuzz --seed 1x

run_tool 0 gen --seed 1
bad_usage 'is no number that fits' gen --seed x
run_tool 0 shrink stale.epd --subject shim:naive -o small.epd
run_tool 1 shrink good.epd --subject shim:naive
says err 'does not diverge under shim:naive'
bad_usage 'expected one FILE and one --subject' shrink stale.epd
run_tool 3 shrink stale.epd --subject shim:naive -o /nonexistent/small.epd
run_tool 0 subjects
says out '^shim:tls\+syscall +yes$'
run_tool 0 ops
no_processes
