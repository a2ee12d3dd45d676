#!/usr/bin/env bash
# What must not happen: that a shim which is linked into the executor comes to other verdicts than the one that is
# preloaded, down to the signature, over the corpus; that it needs a library to preload, or runs without its witness.
source "$(dirname "$0")/lib.sh"

verdicts() { # verdicts KIND OUTPUT: every program's signature, of shim:* or linked:*
    run_tool 0 replay corpus --subject "$1:naive+syscall" --subject "$1:transparent+syscall" --json
    sed -n "s/^{\"program\":\"\([^\"]*\)\",\"subject\":\"$1:\([^\"]*\)\",.*\"got\":\"\([^\"]*\)\".*/\1 \2 \3/p" out |
        sort >"$2"
}

mkdir corpus
ln -s "$SOURCE"/corpus/regress/*.epd corpus/
grep -l '^inject:' corpus/*.epd | xargs rm # by a copy of the shim that is preloaded
verdicts shim preloaded
verdicts linked linked
[ "$(grep -c / preloaded)" -gt 300 ] || fail "only $(grep -c / preloaded) verdicts to compare"
diff preloaded linked >out || fail "other verdicts when linked"

# One that does fail tells that these programs do not simply pass.
grep -q 'naive+syscall fd-reuse/B2/' linked || fail "naive is not caught when linked"

# It needs its executor and the witness beside the tool, and no libepbatch.so.
cp "$EPDIFF" "$(dirname "$EPDIFF")"/epdiff-exec{,-shim} .
run_status=0
./epdiff run corpus/B2-add-close-eventfd.epd --subject linked:naive >out 2>err || run_status=$?
[ $run_status -eq 3 ] || fail "status $run_status without a witness, expected 3"
says err 'no witness library'
cp "$(dirname "$EPDIFF")/libepdiff-witness.so" .
run_status=0
./epdiff run corpus/B2-add-close-eventfd.epd --subject linked:naive >out 2>err || run_status=$?
[ $run_status -eq 1 ] || fail "status $run_status, expected 1 with no libepbatch.so around"
says out 'signature fd-reuse/B2/add-close-eventfd-wait'
rm epdiff-exec-shim
run_status=0
./epdiff run corpus/B2-add-close-eventfd.epd --subject linked:naive >out 2>err || run_status=$?
[ $run_status -eq 3 ] || fail "status $run_status without an executor, expected 3"
says err 'no executor: .*/epdiff-exec-shim'

run_tool 2 run corpus/B2-add-close-eventfd.epd --subject linked:nothing
says err "unknown policy 'nothing'"
no_processes
