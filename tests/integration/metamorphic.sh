#!/usr/bin/env bash
# What must not happen: that flush points change a native run, or that they show nothing of a layer
# that defers; that what is found so is saved, shown, shrunk or replayed as if it had been found by
# comparison with native.
source "$(dirname "$0")/lib.sh"

cat >woken.epd <<'END'
main: e0 = epoll_create1(0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: t1 = pthread_create()
t1: epoll_wait(e0, 8, -1)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
END
for policy in naive hash tls; do
    run_tool 1 run woken.epd --subject "shim:$policy" --metamorphic --rounds 2
    says out "^step +actor +call +with flush points +shim:$policy"
    says out '^  signature metamorphic/wakeup-lost/A1/[a-z0-9_-]+; reproduces 2 of 2$'
    says out '^  Flush points between the steps change'
done
run_tool 0 run woken.epd --subject native --metamorphic
says out '^native: equal$'
# The size of the table of descriptors shows in select: it must not grow.
printf 'main: select(200, 0)\n' >select.epd
run_tool 0 run select.epd --subject native --metamorphic
says out '^native: equal$'
run_tool 1 run woken.epd --subject shim:tls --metamorphic --rounds 1 --json
says out '"signature":"metamorphic/wakeup-lost/A1/'
says out '"with_flush_points":\['
# Without the option the mark must not be there.
run_tool 1 run woken.epd --subject shim:tls --rounds 1
is_silent out 'metamorphic|Flush points'

# A flush of the program's own: what is pending becomes visible, and nothing is left to differ.
cat >flushed.epd <<'END'
main: e0 = epoll_create1(0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: t1 = pthread_create()
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: flush()
t1: epoll_wait(e0, 8, 0)
END
run_tool 0 run flushed.epd --subject shim:naive --subject shim:hash --subject shim:tls
sed '/flush/d' flushed.epd >pending.epd
run_tool 1 run pending.epd --subject shim:tls --rounds 1

# Natively nothing is ever found, and nothing set aside.
run_tool 0 fuzz --metamorphic --subject native --runs 300 --seed 5 --out native
[ "$(summary out divergent)" = 0 ] && [ "$(summary out unstable)" = 0 ] || fail "native changes"

# The canary is.
run_tool 1 fuzz --metamorphic --subject shim:naive --runs 6 --seed 3 --out found
[ "$(summary out signatures)" -gt 0 ] || fail "nothing was found"
says out '^    epdiff run --metamorphic found/'
file=$(find found -name 'metamorphic_*.epd' | LC_ALL=C sort | sed -n 1p)
[ -n "$file" ] || fail "no finding was saved"
says "$file" '^origin: epdiff fuzz --metamorphic --seed 3, program '
says "$file" '^expect shim:naive\+syscall: metamorphic/'
run_tool 1 run "$file" --metamorphic --rounds 1
grep -qF "signature $(sed -n 's/^expect [^ ]* //p' "$file"); reproduces 1 of 1" out ||
    fail "another signature than the file's"
# Such an expectation is judged so without being asked; a plain one is judged against native.
run_tool 0 replay "$file"
run_tool 0 shrink "$file" --subject shim:naive --metamorphic -o small.epd
says small.epd '^expect shim:naive\+syscall: metamorphic/'

# What files expect is about native.
run_tool 2 replay woken.epd --metamorphic
says err '^epdiff replay: --metamorphic needs --expect-signature'
run_tool 1 replay woken.epd --metamorphic --subject shim:tls --expect-signature equal
says out '^FAIL woken.epd: shim:tls\+syscall: expected equal, got metamorphic/'
run_tool 0 replay woken.epd --metamorphic --subject native --expect-signature equal
run_tool 2 replay woken.epd --expect-signature metamorphic/nonsense/A1/add
says err 'a signature starts with a whole class'
no_processes
