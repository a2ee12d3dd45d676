#!/usr/bin/env bash
# What must not happen: that the table does not show both sides of every step, that the marker
# stands elsewhere than at the divergence, that people and programs are told different things.
source "$(dirname "$0")/lib.sh"

cat >stale.epd <<'END'
main: e0 = epoll_create1(0)
main: r0, w0 = pipe2(O_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)
main: close(r0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: epoll_wait(e0, 8, 0)
END
run_tool 1 run stale.epd --subject shim:naive+syscall --subject shim:tls
says out '^step +actor +call +native +shim:naive\+syscall +shim:tls\+syscall$'
says out '^ +1   main   e0 = epoll_create1\(0\) +3 +3 +3$'
says out '^ +2   main   r0, w0 = pipe2\(O_NONBLOCK\) +4, 5 +4, 5 +4, 5$'
says out '^> +6   main   epoll_wait\(e0, 8, 0\) +nothing +EPOLLIN from the ADD of step 3 +nothing$'
[ "$(grep -c '^>' out)" -eq 1 ] || fail "more than one marker"
says out '^shim:naive\+syscall: fd-reuse, hazard B2'
says out '^  signature fd-reuse/B2/[a-z0-9-]+; reproduces 5 of 5$'
says out '^shim:tls\+syscall: equal$'

run_tool 1 run stale.epd --subject shim:naive --rounds 2
says out 'reproduces 2 of 2$'

# A wait that returns later has a row where it returns.
cat >woken.epd <<'END'
main: e0 = epoll_create1(0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: t1 = pthread_create()
t1: epoll_wait(e0, 8, -1)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
END
run_tool 1 run woken.epd --subject shim:naive
says out '^ +4   t1     epoll_wait\(e0, 8, -1\) +blocks +blocks$'
says out '^> +t1     ... epoll_wait of step 4 returns +EPOLLIN from the ADD of step 5 +still asleep'

run_tool 1 run stale.epd --subject shim:naive --subject shim:tls --json
lines out 2
"$CHECK_OUTPUT" json <out >/dev/null || fail "a line of --json does not parse"
head -1 out | "$CHECK_OUTPUT" json result reproduced rounds >values
[ "$(tr '\n' ' ' <values)" = '"divergent" 5 5 ' ] || fail "--json says $(cat values)"
tail -1 out | "$CHECK_OUTPUT" json result >values
[ "$(cat values)" = '"equal"' ] || fail "--json says $(cat values)"
no_processes

# A wrong repair under the contract that lets errors come late: it is not the pretended success that
# differs first but what the repair did, and the verdict still names the call that natively fails.
cat >repair.epd <<'END'
main: e0 = epoll_create1(0)
main: r0, w0 = pipe2(O_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, w0, EPOLLOUT)
main: epoll_ctl(e0, EPOLL_CTL_ADD, w0, EPOLLIN)
main: epoll_wait(e0, 8, 0)
END
run_tool 1 run repair.epd --subject shim:hash --contract late-error
says out 'The ADD of step 4 fails with EEXIST natively; under the subject it was carried out at step 5'
says out 'signature readiness-missing/C3/add-wait; reproduces 5 of 5'
run_tool 1 run repair.epd --subject shim:hash
says out 'signature errno-masked/C3/add; reproduces 5 of 5'
