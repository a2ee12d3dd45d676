#!/usr/bin/env bash
# What must not happen: that the target `program` passes over a divergence which nobody knows, or ends at one that is
# known or saved; that it is silent about what it cannot do.
source "$(dirname "$0")/lib.sh"

target=$(dirname "$EPDIFF")/replay-program
corpus=$SOURCE/corpus/regress

# The inputs: one at which naive is wrong, one at which nobody is.
"$EPDIFF" convert "$corpus/B2-add-close-eventfd.epd" >wrong
"$EPDIFF" convert "$corpus/OK-last-mod-wins.epd" >right
signature=fd-reuse/B2/add-close-eventfd-wait
saved=found/shim_naive+syscall/fd-reuse_B2_add-close-eventfd-wait.epd

run_target() { # run_target STATUS FILE...: with what the environment says
    local expected=$1 status=0
    shift
    EPDIFF_TEST_MARK=$ROOM "$target" "$@" >out 2>err </dev/null || status=$?
    [ "$status" -eq "$expected" ] || fail "replay-program $*: status $status, expected $expected"
}
ABORTED=134

export EPDIFF_SUBJECT=shim:naive
run_target $ABORTED right wrong
says err "^shim:naive\\+syscall: signature $signature: "
says err 'input wrong$'
run_target 0 right
says out '^1 passed$'
EPDIFF_SUBJECT=shim:transparent run_target 0 right wrong

# Saved once, then passed over; another subject's is another finding.
export EPDIFF_OUT=found
run_target $ABORTED wrong
says "$saved" "^expect shim:naive\\+syscall: $signature\$"
run_target 0 wrong right
rm "$saved"
run_target $ABORTED wrong
unset EPDIFF_OUT

printf 'shim:naive %s # the first idea\n' "$signature" >known
EPDIFF_KNOWN=known run_target 0 wrong
printf 'shim:hash %s # another subject\n' "$signature" >known
EPDIFF_KNOWN=known run_target $ABORTED wrong

# Only counted.
EPDIFF_STATS=stats EPDIFF_OUT=none run_target 0 right wrong wrong
says stats "^2 $signature\$"
[ "$(grep -c "$signature" stats)" -eq 1 ] || fail "a signature is told twice"
says stats '^executions=3 divergent=2 unstable=0 signatures=1 features=[1-9][0-9]* '
[ ! -e none ] || fail "something was saved"

# What cannot be done.
EPDIFF_SUBJECT=shim:nobody run_target 3 right
says err "unknown policy 'nobody'"
EPDIFF_KNOWN=nowhere run_target 3 right
says err '^program: nowhere: cannot be read: No such file'
EPDIFF_STATS=nowhere/stats run_target 3 right
says err "'nowhere/stats' cannot be written: No such file"
EPDIFF_OUT=right run_target 3 right
says err "findings cannot be saved in 'right': Not a directory"
no_processes
