#!/usr/bin/env bash
# What must not happen: that shrinking makes a program longer, changes its signature, or leaves what
# the divergence does not need; that what it writes does not parse back or hold.
source "$(dirname "$0")/lib.sh"

cat >long.epd <<'END'
main: e0 = epoll_create1(0)
main: e1 = epoll_create1(0)
main: t1 = pthread_create()
main: v1 = eventfd(1, EFD_NONBLOCK)
main: r0, w0 = pipe2(O_NONBLOCK)
main: d0 = dup(v1)
main: epoll_ctl(e1, EPOLL_CTL_ADD, v1, EPOLLIN)
main: epoll_wait(e1, 8, 0)
main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)
t1: read(v1, 8)
main: close(r0)
main: v0 = eventfd(1, EFD_NONBLOCK)
t1: pthread_exit()
main: epoll_wait(e0, 8, 0)
main: close(d0)
END
run_tool 1 run long.epd --subject shim:naive --json
before=$(sed -n 's/.*"signature":"\([^"]*\)".*/\1/p' out)
run_tool 0 shrink long.epd --subject shim:naive -o small.epd
says err ': 15 steps shrunk to [1-6]$'
run_tool 0 shrink long.epd --subject shim:naive
cmp out small.epd >&2 || fail "-o and stdout differ"
run_tool 1 run small.epd --subject shim:naive --json
after=$(sed -n 's/.*"signature":"\([^"]*\)".*/\1/p' out)
[ -n "$before" ] && [ "$before" = "$after" ] || fail "signature $before became $after"
run_tool 0 replay small.epd
# What it says of the steps is about the new ones.
grep '^# ' small.epd | grep -o 'step [0-9]*' | grep -o '[0-9]*' >steps
[ -s steps ] || fail "no explanation"
while read -r step; do
    [ "$step" -le 6 ] || fail "it speaks of step $step"
done <steps
says small.epd '^origin: 15 steps shrunk to [1-6]$'
# What is small stays as it is.
run_tool 0 shrink small.epd --subject shim:naive -o smaller.epd
cmp small.epd smaller.epd >&2 || fail "a shrunk program shrinks again"

# fuzz shrinks what it saves.
run_tool 1 fuzz --subject shim:naive --runs 60 --seed 3 --out found
run_tool 0 replay found --subject shim:naive
find found -name '*.epd' -exec sed -n 's/.*, \([0-9]*\) steps shrunk to \([0-9]*\).*/\1 \2/p' {} + >sizes
awk '$2 > $1 || $2 > 20 { exit 1 }' sizes || fail "a finding stayed long: $(cat sizes)"
no_processes
