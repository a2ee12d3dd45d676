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
says err 'injects faults, which only the shims can have, and not preload:'
run_tool 0 replay visible.epd --subject "preload:$FAULTY" --expect-signature equal -v
says out '^skip .*injects faults, which only the shims can have$'
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

for policy in naive hash tls; do
    run_tool 0 replay "${ours[@]}" --subject "shim:$policy+uring" --subject "shim:$policy+syscall"
    says out "^$((2 * ${#ours[@]})) passed, 0 failed\$"
    # Which program diverges depends on the policy, not on the backend. What a divergence is traced to may: of
    # io_uring's operations nobody keeps a record, and the oracle has to reason from less.
    for backend in syscall uring; do
        status=0
        "$EPDIFF" replay "$corpus" --subject "shim:$policy+$backend" --json >out 2>err || status=$?
        [ $status -le 1 ] || fail "replay under shim:$policy+$backend: status $status"
        sed -n 's/.*"program":"\([^"]*\)".*"got":"equal[ "].*/\1 equal/p
                s/.*"program":"\([^"]*\)".*"result":"skipped".*/\1 skipped/p' out >equal.$backend
    done
    [ -s equal.uring ] || fail "no program is equal under shim:$policy+uring"
    diff equal.syscall equal.uring >out || fail "programs that diverge under one backend of $policy alone"
done
no_processes
