# shellcheck shell=bash
# What the integration tests share. Each test is a script that CTest starts with EPDIFF (the tool),
# CHECK_OUTPUT, FAULTY (libfaulty.so) and SOURCE (the repository) in its environment. It runs in a
# folder of its own, which is removed at its end.
set -euo pipefail

TEST=$(basename "$0" .sh)
ROOM=$(mktemp -d "${TMPDIR:-/tmp}/epdiff-$TEST-XXXXXX")
trap 'rm -rf "$ROOM"' EXIT
trap 'echo "FAIL: $0, line $LINENO" >&2' ERR
cd "$ROOM"

fail() {
    printf 'FAIL: %s\n' "$*" >&2
    for name in out err; do
        [ -f "$name" ] && sed "s/^/  $name: /" "$name" | head -60 >&2
    done
    exit 1
}

# run_tool STATUS ARGUMENT...: runs the tool, output in the files out and err. The mark in its
# environment is how what it leaves behind is found.
run_tool() {
    local expected=$1 status=0
    shift
    EPDIFF_TEST_MARK=$ROOM "$EPDIFF" "$@" >out 2>err </dev/null || status=$?
    [ "$status" -eq "$expected" ] || fail "epdiff $*: status $status, expected $expected"
}

says() { # says FILE PATTERN: some line of it matches
    grep -Eq -- "$2" "$1" || fail "$1 does not say '$2'"
}

is_silent() { # is_silent FILE PATTERN: no line of it matches
    ! grep -Eq -- "$2" "$1" || fail "$1 says '$2'"
}

lines() { # lines FILE NUMBER
    [ "$(wc -l <"$1")" -eq "$2" ] || fail "$1 has $(wc -l <"$1") lines, expected $2"
}

# The value of a pair of the summary line.
summary() { # summary FILE KEY
    sed -n "\$s/.*\\b$2=\\([^ ]*\\).*/\\1/p" "$1"
}

processes() { # processes of this test's tools, at any distance
    grep -lF "EPDIFF_TEST_MARK=$ROOM" /proc/[0-9]*/environ 2>/dev/null | wc -l || true
}

# Killed processes need a moment to be gone; the clock is only there to end a test that fails.
no_processes() {
    local deadline=$((SECONDS + 20))
    while [ "$(processes)" -ne 0 ]; do
        [ $SECONDS -lt $deadline ] || fail "$(processes) processes are left"
    done
}
