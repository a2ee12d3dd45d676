#!/usr/bin/env bash
# What must not happen: that the model contradicts the kernel on the corpus or on random programs,
# that its opinion is missing where a subject diverges, or that what it knows of the kernel is not said.
source "$(dirname "$0")/lib.sh"

run_tool 0 replay "$SOURCE/corpus/regress" --subject model
says out '^[0-9]+ passed, 0 failed'
# Programs with a parallel block are none of its: every run of one is judged by it anyway.
blocks=$(grep -l '^parallel {' "$SOURCE"/corpus/regress/*.epd | wc -l)
says out " skipped=$blocks "

run_tool 0 fuzz --subject model --runs 3000 --seed 11
says out '^programs=3000 divergent=0 signatures=0 unstable=[0-9] order=0 beyond=0 .* subjects=model$'

run_tool 0 subjects
says out '^model +yes: of several waiters the (last|first) to sleep is woken first'

cat >late.epd <<'END'
main: e0 = epoll_create1(0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: epoll_wait(e0, 8, 0)
END
run_tool 1 run late.epd --subject shim:naive
says out 'The model agrees with native\.'

# What the model does not follow it says, and is silent about: no verdict of its own.
printf 'main: r0, w0 = pipe2(O_DIRECT)\nmain: write(w0, 8)\n' >packets.epd
sed -i 's/O_DIRECT/16384/' packets.epd
run_tool 0 run packets.epd --subject model
says out '^model: equal as far as the model knows what happens'
