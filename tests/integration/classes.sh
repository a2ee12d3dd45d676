#!/usr/bin/env bash
# What must not happen: that a fault of a subject is missed or given to another class; that a
# subject without fault, or native itself, is accused of anything.
source "$(dirname "$0")/lib.sh"

subject=preload:$FAULTY

head='main: e0 = epoll_create1(0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: v1 = eventfd(1, EFD_NONBLOCK)'

cat >plain.epd <<END
$head
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v1, EPOLLIN)
main: epoll_wait(e0, 8, 0)
END
cat >fails.epd <<END
$head
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: epoll_ctl(e0, EPOLL_CTL_DEL, v1, NULL)
main: epoll_ctl(e0, EPOLL_CTL_MOD, v0, EPOLLIN)
main: epoll_wait(e0, 8, 0)
END
cat >exists.epd <<END
$head
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLOUT)
main: epoll_wait(e0, 8, 0)
END
cat >changes.epd <<END
$head
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: epoll_ctl(e0, EPOLL_CTL_MOD, v0, EPOLLIN)
main: epoll_wait(e0, 8, 0)
END
cat >sleeps.epd <<END
main: e0 = epoll_create1(0)
main: v0 = eventfd(0, EFD_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: t1 = pthread_create()
t1: epoll_wait(e0, 8, -1)
main: write(v0, 8)
END
cat >idle.epd <<'END'
main: e0 = epoll_create1(0)
main: v0 = eventfd(0, EFD_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: epoll_wait(e0, 8, 0)
END
cat >removes.epd <<END
$head
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: epoll_ctl(e0, EPOLL_CTL_DEL, v0, NULL)
main: epoll_wait(e0, 8, 0)
END
cat >reuses.epd <<END
main: e0 = epoll_create1(0)
main: r0, w0 = pipe2(O_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)
main: close(r0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: epoll_wait(e0, 8, 0)
END
cat >writes.epd <<END
main: r0, w0 = pipe2(O_NONBLOCK)
main: write(w0, 4096)
main: read(r0, 4096)
END
cat >forks.epd <<END
main: e0 = epoll_create1(0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, v0, EPOLLIN)
main: p1 = fork()
p1: epoll_wait(e0, 8, 0)
main: epoll_wait(e0, 8, 0)
END

# Not one of them has anything to say about a subject that does what native does.
for file in *.epd; do
    for silent in native "$subject"; do
        run_tool 0 run "$file" --subject "$silent" --strict-order
        says out ': equal$'
    done
done

fires() { # fires FAULT CLASS FILE
    export EPDIFF_FAULT=$1
    run_tool 1 run "$3" --subject "$subject" --rounds 3 --watchdog 300
    unset EPDIFF_FAULT
    says out "^  signature $2/[^ ]*; reproduces 3 of 3$"
    # The other side is as it was.
    run_tool 0 run "$3" --subject native
}

fires errno-lost errno-lost fails.epd
fires errno-late errno-late fails.epd
fires errno-masked errno-masked exists.epd
fires errno-phantom errno-phantom changes.epd
fires errno-wrong errno-wrong fails.epd
fires errno-clobbered errno-wrong changes.epd
fires missing readiness-missing plain.epd
fires extra readiness-extra idle.epd
fires stale readiness-stale changes.epd
fires mask readiness-mask plain.epd
fires wakeup-lost wakeup-lost sleeps.epd
fires wakeup-extra wakeup-extra sleeps.epd
fires interest interest plain.epd
fires late-add fd-reuse reuses.epd
fires leak fd-table plain.epd
fires short-write io writes.epd
fires hang hang removes.epd
fires crash crash removes.epd

# The order of events is allowed to differ, unless one asks.
export EPDIFF_FAULT=order
run_tool 0 run plain.epd --subject "$subject"
says out 'only the order of events differs'
run_tool 1 run plain.epd --subject "$subject" --strict-order
says out '^  signature order/'
unset EPDIFF_FAULT

# An operation done in two processes.
run_tool 1 run forks.epd --subject shim:naive
says out '^  signature process/'
run_tool 0 run forks.epd --subject shim:tls
no_processes
