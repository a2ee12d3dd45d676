#!/usr/bin/env bash
# What must not happen: that a program is another one behind a conversion and back, that one which has no bytes gets
# some, that bytes of any kind are refused, or that a file which is not wanted is written.
source "$(dirname "$0")/lib.sh"

# The corpus to bytes, to text, to bytes: what comes back is the same, byte for byte.
run_tool 0 convert -o bytes "$SOURCE/corpus/regress"
programs=$(find "$SOURCE/corpus/regress" -name '*.epd' | wc -l)
converted=$(summary out converted)
left_out=$(summary out left_out)
[ $((converted + left_out)) -eq "$programs" ] || fail "$converted and $left_out of $programs programs"
[ "$(find bytes -type f | wc -l)" -eq "$converted" ] || fail "not as many files as programs"
lines err "$left_out"
# A program for which no byte stands is one that says more than bytes: a number of its own choice, an event of two masks.
[ "$left_out" -le $((programs / 20)) ] || fail "$left_out of $programs programs have no bytes"
run_tool 0 convert -o text bytes/*
[ "$(summary out converted)" -eq "$converted" ] && [ "$(summary out left_out)" -eq 0 ] || fail "text of bytes is left out"
run_tool 0 convert -o again text
diff -r bytes again >&2 || fail "bytes changed on the way"

# The text of bytes does what the text that they came from does.
for name in B2-add-close-eventfd A1-add-for-blocked-waiter; do
    run_tool 1 run "$SOURCE/corpus/regress/$name.epd" --subject shim:naive --json
    sed -n 's/.*"signature":"\([^"]*\)".*/\1/p' out >before
    run_tool 1 run "text/$name.epd" --subject shim:naive --json
    sed -n 's/.*"signature":"\([^"]*\)".*/\1/p' out >after
    cmp before after >&2 || fail "$name diverges otherwise"
done

# Any bytes are a program, none are the empty one; a single file goes to stdout.
head -c 3000 "$EPDIFF" >junk
run_tool 0 convert junk
says out '^main: '
: >empty
run_tool 0 convert empty
is_silent out '^main'

# What cannot be done is said, and nothing is written.
run_tool 2 convert
says err 'expected one FILE, or -o DIR and one PATH or more$'
run_tool 2 convert junk empty
run_tool 2 convert nowhere
says err "'nowhere' cannot be read: No such file"
printf 'main: e0 = epoll_create9(0)\n' >wrong.epd
run_tool 2 convert -o made wrong.epd
says err '^wrong.epd:1:'
[ -z "$(ls made)" ] || fail "a malformed program became bytes"
printf 'main: t1 = pthread_create()\nt1: pthread_exit()\nt1: close(0)\n' >ended.epd
run_tool 2 convert ended.epd
says err '^ended.epd: no bytes stand for'
[ ! -s out ] || fail "a program without bytes has some"
run_tool 3 convert -o junk bytes/B2-add-close-eventfd
says err "cannot be written: Not a directory"
