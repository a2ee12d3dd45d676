#!/usr/bin/env bash
# What must not happen: that JUnit XML is malformed or miscounts when checks fail or are skipped,
# and when names hold what XML must escape.
source "$(dirname "$0")/lib.sh"

mkdir 'a<b>&"c"'
cat >'a<b>&"c"/fails.epd' <<'END'
expect shim:naive: equal
expect shim:tls: equal

main: e0 = epoll_create1(0)
main: r0, w0 = pipe2(O_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)
main: close(r0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: epoll_wait(e0, 8, 0)
END
printf 'requires: module\nexpect native: equal\n\nmain: v0 = eventfd(0, 0)\n' >needs.epd
run_tool 1 replay . --junit junit.xml --json
counts=$("$CHECK_OUTPUT" junit <junit.xml) || fail "JUnit is not well-formed"
# Two programs under native, naive and tls; the second is skipped for all.
[ "$counts" = "6 1 3" ] || fail "JUnit counts $counts, expected 6 1 3"
"$CHECK_OUTPUT" json checks <out >values || fail "a line of --json does not parse"
[ "$(cat values)" -eq 6 ] || fail "--json counts $(cat values) checks"
says junit.xml 'name="./a&lt;b&gt;&amp;&quot;c&quot;/fails.epd"'
