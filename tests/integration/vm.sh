#!/usr/bin/env bash
# The option --vm, and what ci/vm does before it boots anything; ci/kmod boots. What must not happen: that a command
# with --vm runs on this machine, that an argument is lost on the way, or that a machine that cannot have the module
# runs a program that requires it.
source "$(dirname "$0")/lib.sh"

tool=$EPDIFF
mkdir bin
cp "$tool" "$(dirname "$tool")"/{epdiff-exec,libepbatch.so,libepdiff-witness.so} bin
printf 'main: v0 = eventfd(0, 0)\n' >one.epd

# Without the helper nothing is run at all.
EPDIFF=$ROOM/bin/epdiff
run_tool 3 run one.epd --vm
says err "^epdiff run: --vm: $ROOM/bin/epdiff-vm cannot be started: No such file or directory$"
lines out 0

# The helper gets every other argument, in order, and its status is the command's.
cat >bin/epdiff-vm <<'END'
#!/bin/sh
echo "build $EPDIFF_BUILD"
for argument; do echo "<$argument>"; done
exit 42
END
chmod +x bin/epdiff-vm
run_tool 42 replay one.epd --vm --subject 'shim:tls+module' -j 2
says out "^build $ROOM/bin$"
[ "$(grep '^<' out | tr -d '\n')" = '<replay><one.epd><--subject><shim:tls+module><-j><2>' ] || fail "arguments"
run_tool 42 fuzz --vm=debug --runs 1
[ "$(grep '^<' out | tr -d '\n')" = '<--debug><fuzz><--runs><1>' ] || fail "arguments of --vm=debug"
run_tool 2 run one.epd --vm=fast
says err "^epdiff run: '--vm=fast' is unknown, expected --vm or --vm=debug$"
# Other commands have no such option.
run_tool 2 gen --seed 1 --vm
EPDIFF=$tool
[ "$(readlink "$(dirname "$tool")/epdiff-vm")" = "$SOURCE/ci/vm" ] || fail "the tool's helper is not ci/vm"

# ci/vm itself: bad usage is told before anything is fetched or booted.
vm() { # vm STATUS ARGUMENT...
    local expected=$1 status=0
    shift
    "$SOURCE/ci/vm" "$@" >out 2>err </dev/null || status=$?
    [ $status -eq "$expected" ] || fail "ci/vm $*: status $status, expected $expected"
}
vm 2
says err '^usage: ci/vm '
vm 2 --fast run one.epd
vm 2 --limit soon run one.epd
says err "^ci/vm: --limit 'soon' is no number of seconds$"
vm 2 --log
says err '^usage: ci/vm '

# A machine without the module says so, and skips what requires it.
if [ -e /dev/epoll_batch ]; then
    echo "skipped the rest: this machine has the module"
    exit 0
fi
run_tool 0 subjects
why='EPBATCH_BACKEND is "module", but there is no /dev/epoll_batch: the kernel module epoll_batch is not loaded'
says out "^shim:tls\\+module +no: .*$why"
run_tool 3 run one.epd --subject shim:tls+module
says err "$why"
printf 'requires: module\nexpect native: equal\n\nmain: v0 = eventfd(0, 0)\n' >needs.epd
run_tool 0 replay needs.epd -v
says out "^skip needs.epd: native: requires module: .*$why"
