#!/usr/bin/env bash
# What must not happen: that a malformed program runs, is cut or is guessed at; that the message
# does not say where it is wrong and what was expected; that one bad file hides the good ones.
source "$(dirname "$0")/lib.sh"

refused() { # refused PLACE PATTERN TEXT
    printf '%s\n' "$3" >bad.epd
    for command in "run bad.epd --subject native" "replay bad.epd" \
        "shrink bad.epd --subject shim:naive"; do
        # shellcheck disable=SC2086
        run_tool 2 $command
        says err "^bad.epd:$1: .*$2"
    done
}

refused 1:7 "expected" 'main: nonsense()'
refused 2:16 "" 'main: v0 = eventfd(0, 0)
main: d0 = dup(v1)'
refused 1:1 "" 'p1: v0 = eventfd(0, 0)'
refused "[0-9]+:[0-9]+" "" 'main v0 = eventfd(0, 0)'
refused "[0-9]+:[0-9]+" "" 'main: v0 = eventfd(0, 0'
refused "[0-9]+:[0-9]+" "" "$(printf 'main: close(\001)')"

printf 'main: v0 = eventfd(0, 0)\nexpect native: nonsense\n' >bad.epd
run_tool 2 replay bad.epd
says err '^bad.epd:[0-9]+:[0-9]+: '

# The good ones are run all the same.
printf 'main: nonsense()\n' >bad.epd
printf 'main: v0 = eventfd(0, 0)\n' >good.epd
run_tool 2 replay bad.epd good.epd
says err '^bad.epd:1:7: '
says out '^1 passed, 0 failed$'

# What cannot be read at all.
run_tool 2 run nonexistent.epd
says err '^nonexistent.epd: .*No such file'
run_tool 2 replay nonexistent
says err 'nonexistent.*No such file'
mkdir folder.epd
run_tool 2 run folder.epd
says err '^folder.epd: '
head -c 2000000 /dev/zero >long.epd
run_tool 2 run long.epd
says err '^long.epd: '
head -c 5000 /dev/urandom >noise.epd
run_tool 2 run noise.epd
says err '^noise.epd'
: >empty.epd
run_tool 2 run empty.epd
says err '^empty.epd'
if [ "$(id -u)" -ne 0 ]; then
    chmod 000 good.epd
    run_tool 2 run good.epd
    says err 'Permission denied'
fi
