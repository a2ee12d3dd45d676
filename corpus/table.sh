#!/bin/sh
# Prints the table of docs/corpus.md from the programs themselves: their first line, and what they
# expect of each policy. Usage: corpus/table.sh, from anywhere.
set -eu
cd "$(dirname "$0")/regress"

echo '| program | what it shows | naive | hash | tls | transparent |'
echo '|---|---|---|---|---|---|'
# The order is the same on every machine, with A10 behind A8.
for file in $(ls *.epd | LC_ALL=C sort -V); do
    awk -v name="${file%.epd}" '
        NR == 1 { title = substr($0, 3); gsub(/\|/, "\\|", title) }
        /^expect shim:/ { policy = $2; sub(/^shim:/, "", policy); sub(/:$/, "", policy)
                          verdict[policy] = $3 ($4 == "" ? "" : " " $4) }
        END { printf "| %s | %s | %s | %s | %s | %s |\n", name, title, verdict["naive"],
                     verdict["hash"], verdict["tls"], verdict["transparent"] }' "$file"
done
