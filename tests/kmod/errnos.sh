#!/bin/busybox sh
# What a program is told of each call, whether it failed and how, is the same under all three backends: the rule of
# tests/integration/uring.sh, inside ci/vm's machine, where the third one is. Ends with 1 if two differ.
#   errnos.sh TOOL CORPUS POLICY...: build/epdiff, the folder of programs, and the shim's policies.
# What a wait sees is not compared, for the seed's policies race there, nor are programs that run free.
tool=$1
corpus=$2
shift 2
compared=0
for policy in "$@"; do
    for program in "$corpus"/*.epd; do
        ! grep -q '^parallel' "$program" || continue
        status=0
        "$tool" run "$program" --subject "shim:$policy+syscall" --subject "shim:$policy+uring" \
            --subject "shim:$policy+module" --json >/tmp/out 2>/tmp/err || status=$?
        sed -n 's/.*"subject_trace"://p' /tmp/out >/tmp/traces
        if [ $status -gt 1 ] || [ "$(wc -l </tmp/traces)" -ne 3 ]; then
            echo "$program under shim:$policy: status $status" >&2
            cat /tmp/err >&2
            exit 1
        fi
        for line in 1 2 3; do
            sed -n "${line}p" /tmp/traces | grep -o '"step":[0-9]*\|"errno":[0-9]*' >/tmp/errnos.$line
        done
        # A program has a step, and every step an errno.
        if ! grep -q errno /tmp/errnos.1; then
            echo "$program under shim:$policy: no errno is told of" >&2
            exit 1
        fi
        for line in 2 3; do
            if ! diff /tmp/errnos.1 /tmp/errnos.$line; then
                echo "$program under shim:$policy: backend $line differs from the first" >&2
                exit 1
            fi
            compared=$((compared + 1))
        done
    done
done
echo "errnos: $compared pairs of runs are equal"
[ $compared -gt 0 ]
