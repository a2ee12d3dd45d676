#!/usr/bin/env bash
# sanitize.sh TOOL: plays the corpus under shim:transparent with the shim watched by memcheck,
# helgrind or drd (any build without sanitizers), by thread (the TSan build) or by address (the ASan+UBSan build).
# What must not happen: that the tool reports anything in whose stacks the shim is.
#
# The hand-over of actors stays what it is, invisible to the tools. To them all threads run unordered but for what
# the shim itself does, so it must be correct without the order that the schedule gives; an order that they saw
# would hide a missing lock.
# shellcheck disable=SC2046 # names of programs have no blanks
source "$(dirname "$0")/lib.sh"

tool=$1
here=$(dirname "$EPDIFF")
tests=$SOURCE/tests/integration

# The tool finds everything else beside itself.
mkdir home corpus logs
cp "$EPDIFF" home/epdiff
cp "$here/libepdiff-witness.so" home/
cp "$SHIM" home/libepbatch.so

left_out=0
leave_out() { # leave_out REASON FILE...
    local reason=$1
    shift
    [ $# -eq 0 ] || rm "$@"
    left_out=$((left_out + $#))
    echo "left out: $# programs: $reason"
}
with() { # with PATTERN: the programs that have such an operation
    grep -lE "$1" corpus/*.epd || true
}

ln -s "$SOURCE"/corpus/regress/*.epd corpus/
programs=$(find corpus -name '*.epd' | wc -l)
leave_out "they inject faults into a ring, by a copy of the shim that is not watched" $(with '^inject:')
case $tool in
memcheck | helgrind | drd)
    command -v valgrind >/dev/null || {
        echo "no valgrind on this machine: ci/setup installs it"
        exit 77
    }
    options=(-q --tool="$tool" --fullpath-after= --num-callers=30 --suppressions="$tests/sanitize.supp")
    [ "$tool" = memcheck ] || options=("${options[@]}" "--sim-hints=no-nptl-pthread-stackcache")
    [ "$tool" != drd ] || options=("${options[@]}" "--check-stack-var=no")
    # The native side goes without. One log a server, that all its processes write to: Valgrind would open one a
    # process among the program's own descriptors. The limit is the one that the server sets.
    cat >home/epdiff-exec <<WRAPPER
#!/bin/sh
case \$LD_PRELOAD in
*libepbatch*) ;;
*) exec $here/epdiff-exec "\$@" ;;
esac
ulimit -n 1024
exec valgrind ${options[*]} --log-file=$ROOM/logs/\$\$ $here/epdiff-exec "\$@"
WRAPPER
    chmod +x home/epdiff-exec
    leave_out "Valgrind does not follow /proc/thread-self/exe into a new image" $(with '(execve|posix_spawn|vfork_exec)\(')
    leave_out "Valgrind knows no epoll_pwait2" $(with 'epoll_pwait2\(')
    [ "$tool" = memcheck ] || leave_out "one thread has nobody to race with" $(grep -LE 'pthread_create\(' corpus/*.epd)
    ;;
thread)
    cp "$WATCHED" home/epdiff-exec
    export TSAN_OPTIONS="log_path=$ROOM/logs/log exitcode=0"
    leave_out "the runtime forgets what a cancelled thread's clean-up locks" $(with 'pthread_cancel\(')
    ;;
address)
    cp "$here/epdiff-exec" home/epdiff-exec
    # Those that the tool sets itself, and where the reports go.
    export ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0:handle_segv=0:abort_on_error=1:log_path=$ROOM/logs/log"
    export UBSAN_OPTIONS="halt_on_error=1:abort_on_error=1:print_stacktrace=1:log_path=$ROOM/logs/log"
    leave_out "the runtime takes over the end of a cancelled thread and puts signals off" $(with '(pthread_cancel|tgkill)\(')
    ;;
*)
    fail "no such tool: $tool"
    ;;
esac

status=0
home/epdiff replay corpus --subject shim:transparent+syscall --expect-signature equal -j 1 >out 2>err </dev/null ||
    status=$?
[ $status -le 1 ] || fail "epdiff replay: status $status"
played=$(sed -n 's/^programs=.* checks=\([0-9]*\) .*/\1/p' out)
equal=$(sed -n 's/^programs=.* passed=\([0-9]*\) .*/\1/p' out)
[ "$played" -eq $((programs - left_out)) ] || fail "$played programs played of $programs, $left_out left out"

blank=0
[ "$tool" = thread ] || [ "$tool" = helgrind ] || [ "$tool" = address ] || blank=1
find logs -type f -print0 | xargs -0r awk -v ends_at_blank=$blank -f "$tests/sanitize.awk" >reports
sed -n "s/^$tool //p" "$tests/sanitize.ignore" >ignore
grep -vEf ignore reports >counted || true
echo "$tool: programs=$programs played=$played equal=$equal left-out=$left_out" \
    "reports-with-the-shim=$(wc -l <reports) ignored=$(($(wc -l <reports) - $(wc -l <counted)))"
# What comes out otherwise under the tool is judged by its reports all the same, unless there are many: then the
# programs did not run as they should.
sed -n 's/^FAIL .*\/\([^/]*\.epd\): /differs under the tool: \1: /p' out
if [ -s counted ]; then
    sort counted | uniq -c | sort -rn | head -5 | tr '|' '\n'
    fail "$tool reports $(wc -l <counted) times in the shim"
fi
# A sanitizer's report ends the process, whether or not it came to be written down.
is_silent out 'expected equal, got crash/'
[ $((10 * equal)) -ge $((9 * played)) ] || fail "only $equal of $played programs run as they do without $tool"
