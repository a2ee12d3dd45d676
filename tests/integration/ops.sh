#!/usr/bin/env bash
# What must not happen: that the page of operations tells of others than the tool knows.
source "$(dirname "$0")/lib.sh"

run_tool 0 ops
says out 'epoll_ctl\(epfd, ctl_op, fd, event\)'
page=$SOURCE/docs/operations.md
[ ! -f "$page" ] || cmp out "$page" >&2 || fail "docs/operations.md is not what 'epdiff ops' prints"
