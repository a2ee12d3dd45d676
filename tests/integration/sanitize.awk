# Reads the logs of one tool and prints the reports in whose stacks the shim is, "|" between their lines, one a line.
# Where a thread was created or a lock first seen says nothing about a report and is left out.
# Valgrind marks each line with a process, for those of one log take turns; the sanitizers write a file a process.

function end_report(who) {
    if (report[who] ~ /[\/ (|]shim\/[a-z_]+\.c/)
        print substr(report[who], 2)
    report[who] = ""
    aside[who] = 0
}

FNR == 1 && NR > 1 {
    for (who in report)
        end_report(who)
}

{
    who = "file"
    line = $0
    if (line ~ /^==[0-9]+== ?/ && line !~ /ERROR: AddressSanitizer/) {
        who = $1
        sub(/^==[0-9]+== ?/, "", line)
    }
    empty = line ~ /^ *$/
    if (line ~ /^(-----|=====)/ || line ~ /(WARNING|ERROR): [A-Za-z]*Sanitizer/ || line ~ /runtime error:/ ||
        (empty && ends_at_blank))
        end_report(who)
    if (line ~ /(Thread .* (was created|created by)|was first observed|[Mm]utex .* created at|Thread-Announcement)/)
        aside[who] = 1
    else if (empty || line !~ /^ *(at|by|#[0-9]+) /)
        aside[who] = 0
    # The program's threads begin in the shim: as the outermost frame it says nothing.
    if (!aside[who] && !empty && line !~ /^(-----|=====|Thread [0-9]+:$)/ && line !~ /^ *(by|#[1-9]).* inside_thread_start/)
        report[who] = report[who] "|" line
}

END {
    for (who in report)
        end_report(who)
}
