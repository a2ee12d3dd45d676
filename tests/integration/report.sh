#!/usr/bin/env bash
# What must not happen: that a finding is missing from a report, or one that does not show again or
# cannot be run here looks like one that does; that a text becomes markup.
source "$(dirname "$0")/lib.sh"

mkdir found found/deeper
cat >found/fails.epd <<'END'
# A <b>bold</b> claim & more.
expect native: equal
expect shim:naive: fd-reuse B2
expect shim:hash: equal

main: e0 = epoll_create1(0)
main: r0, w0 = pipe2(O_NONBLOCK)
main: epoll_ctl(e0, EPOLL_CTL_ADD, r0, EPOLLIN)
main: close(r0)
main: v0 = eventfd(1, EFD_NONBLOCK)
main: epoll_wait(e0, 8, 0)
END
sed 's/fd-reuse B2/errno-lost C1/; /close(r0)/d' found/fails.epd >found/deeper/fixed.epd
printf 'main: nonsense()\n' >found/bad.epd
printf 'expect shim:naive: crash C2\nrequires: module\n\nmain: v0 = eventfd(0, 0)\n' >found/needs.epd
cp "$SOURCE/corpus/regress/A1-add-for-blocked-waiter.epd" flushed.epd
sed -i 's/^expect .*//; s/^hazard: .*/&\nexpect shim:naive: metamorphic\/wakeup-lost\/A1\/wait-add/' flushed.epd
mv flushed.epd found
run_tool 2 report found -o report.html
says err '^found/bad.epd:[0-9]+:[0-9]+: '
says out '^findings=4 files=5$'
# Well-formed but for the declaration and the two void elements, and of its own.
python3 - report.html <<'END'
import re, sys, xml.dom.minidom
text = open(sys.argv[1], encoding="utf-8").read()
text = text.replace("<!DOCTYPE html>\n", "")
text = re.sub(r"<meta ([^>]*)>", r"<meta \1/>", text)
xml.dom.minidom.parseString(text)
assert not re.search(r"(src|href)=|url\(|@import", text), "it needs another file"
END
says report.html '^&gt;   6   main   epoll_wait\(e0, 8, 0\) .*nothing +EPOLLIN from the ADD of step 3$'
says report.html 'signature fd-reuse/B2/add-close-eventfd-wait; reproduces 5 of 5'
says report.html 'A &lt;b&gt;bold&lt;/b&gt; claim &amp; more'
says report.html '<code>epdiff run found/fails.epd</code>'
says report.html 'metamorphic/wakeup-lost/A1/wait-add; reproduces 5 of 5'
says report.html 'epdiff run --metamorphic found/flushed.epd'
[ "$(grep -c 'It does not show again' report.html)" -eq 1 ] || fail "fixed.epd does not say that it is fixed"
if ! [ -e /dev/epoll_batch ]; then
    says report.html 'Not run for this report: .*the kernel module'
fi

# Programs whose actors run free: the recorded run is shown.
run_tool 1 fuzz --parallel --subject shim:naive --runs 4 --out free
number=$(find free -name '*.epd' | wc -l)
run_tool 0 report free -o report.html
says out "^findings=$number files=$number$"
[ "$(grep -c 'No order of calls explains these' report.html)" -eq "$number" ] || fail "histories are missing"

# Nothing is something, too.
mkdir empty
run_tool 0 report empty -o report.html
says report.html '^<p>0 findings, of 0 files'
run_tool 3 report empty -o nonexistent/report.html
says err '^epdiff report: -o nonexistent/report.html cannot be written: No such file'
run_tool 2 report empty
says err 'expected at least one PATH, and -o FILE.html'
run_tool 2 report -o report.html
run_tool 2 report nonexistent -o other.html
says err 'nonexistent: cannot be read'
[ ! -e other.html ] || fail "a report of nothing was begun"
no_processes
