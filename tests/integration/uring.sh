#!/usr/bin/env bash
# What must not happen: that a subject which this machine cannot have runs as another one, or fails without
# saying why; that a program diverges under one backend and not under the other; that a fault which the
# backend can mend leaves a trace, or one is asked for and not made.
source "$(dirname "$0")/lib.sh"

corpus=$SOURCE/corpus/regress
ours=("$corpus"/OK-uring-*.epd "$corpus"/B2-add-close-eventfd-ring-refused.epd)

# A machine without io_uring.
tool=$EPDIFF
cat >without <<END
#!/bin/sh
exec "$WITHOUT_IO_URING" "$tool" "\$@"
END
chmod +x without
EPDIFF=$ROOM/without
run_tool 0 subjects
says out '^shim:tls\+syscall +yes$'
why='EPBATCH_BACKEND is "uring", but io_uring_setup fails with ENOSYS: '
says out "^shim:tls\\+uring +no: .*$why"
run_tool 3 run "$corpus/OK-last-mod-wins.epd" --subject shim:tls+uring
says err "^epdiff run: subject shim:tls\\+uring does not start: .*$why"
run_tool 3 replay "$corpus/OK-last-mod-wins.epd" --subject shim:tls+uring
says err "$why"
run_tool 3 fuzz --runs 1 --subject shim:tls+uring
says err "$why"
run_tool 0 replay "${ours[@]}" -v
says out "^skip .*OK-uring-.*: native: requires io_uring: .*$why"
says out "^0 passed, 0 failed, ${#ours[@]} skipped\$"
EPDIFF=$tool

# Faults are seen to be made: this one cannot be mended.
cat >visible.epd <<'END'
inject: epoll_ctl ENOMEM@1
main: e0 = epoll_create1(0)
main: v0 = eventfd(1, 0)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: epoll_wait(e0, 8, 0)
END
run_tool 1 run visible.epd --subject native --subject shim:hash+syscall
says out '^native: equal$'
says out '^shim:hash\+syscall: errno-phantom'
says out 'fails with ENOMEM, where natively it does not fail'
sed 's/@1/@2/' visible.epd >later.epd
run_tool 0 run later.epd --subject shim:hash+syscall
# One program's faults are not the next one's.
sed 's/^inject.*/expect shim:hash: equal/' visible.epd | tee first.epd >third.epd
sed '1i expect shim:hash: errno-phantom -' visible.epd | tee second.epd >zlast.epd
run_tool 0 replay -j1 first.epd second.epd third.epd zlast.epd
says out '^8 passed, 0 failed$'

# They are kept when a program is written.
run_tool 0 shrink visible.epd --subject shim:hash+syscall
says out '^inject: epoll_ctl ENOMEM@1$'

# Who can have none.
run_tool 3 run visible.epd --subject "preload:$FAULTY"
says err 'injects faults, which only a preloaded shim can have, and not preload:'
run_tool 0 replay visible.epd --subject "preload:$FAULTY" --expect-signature equal -v
says out '^skip .*injects faults, which only preloaded shims can have$'
mkdir bin
cp "$tool" "$(dirname "$tool")"/{epdiff-exec,libepbatch.so,libepdiff-witness.so} bin
EPDIFF=$ROOM/bin/epdiff
for command in run replay; do
    run_tool 3 $command second.epd --subject shim:hash+syscall
    says err 'injects faults, for which the tests must be built: .*/bin/tests/libepbatch-inject.so: No such file'
done
EPDIFF=$tool

run_tool 0 subjects
if ! grep -q '^shim:hash+uring *yes$' out; then
    sed -n 's/^shim:hash+uring *no: /skipped the rest: /p' out
    exit 0
fi

# What a divergence is traced to must not depend on the backend, which tells the witness what it did.
run_tool 0 replay "$corpus" --subject shim:naive+uring --subject shim:hash+uring --subject shim:tls+uring \
    --subject shim:transparent+uring
says out ' failed=0 '

# What a program is told of each call, whether it failed and how, is the same under one backend and the other. What a
# wait sees is not compared here: under the seed's policies it can be a race between a flush and a thread that the flush
# wakes. Nor are free-running programs, which have no one outcome.
compared=0
for policy in naive hash tls transparent; do
    for program in "$corpus"/*.epd; do
        ! grep -q '^parallel' "$program" || continue
        status=0
        "$EPDIFF" run "$program" --subject "shim:$policy+syscall" --subject "shim:$policy+uring" --json >out 2>err ||
            status=$?
        [ $status -le 1 ] || fail "run of $program under shim:$policy: status $status"
        sed -n 's/.*"subject_trace"://p' out >traces
        [ "$(wc -l <traces)" -eq 2 ] || fail "no two traces of $program under shim:$policy"
        head -n 1 traces | grep -o '"step":[0-9]*\|"errno":[0-9]*' >errnos.syscall
        tail -n 1 traces | grep -o '"step":[0-9]*\|"errno":[0-9]*' >errnos.uring
        diff errnos.syscall errnos.uring >out || fail "$program under shim:$policy: the backends differ"
        compared=$((compared + 1))
    done
done
[ $compared -gt 800 ] || fail "only $compared pairs of runs were compared"
no_processes
