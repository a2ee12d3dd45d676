#!/bin/sh
# In the tool's place, for test_night.py: says what the files beside it say. What it is asked goes to the file `asked`.
here=$(dirname "$0")
echo "$@" >>"$here/asked"
command=$1
shift
out='' subject='' output='' last=''
for argument; do
    case $last in
    --out) out=$argument ;;
    --subject) subject=$argument ;;
    -o) output=$argument ;;
    esac
    last=$argument
done
case $command in
subjects)
    echo 'native                   yes'
    echo 'shim:hash+syscall        yes'
    echo 'shim:hash+uring          no: nobody knows'
    ;;
known)
    grep -q malformed "$1" && {
        echo "$1:1:1: malformed"
        exit 2
    }
    [ $# -eq 1 ] || {
        case $2 in
        *.epd) sed -n "1{s|\"file\": \"[^\"]*|\"file\": \"$2|; s/steps\": 9/steps\": 3/; s/It is/Now it is/; p}" "$here/findings" ;;
        *) cat "$here/findings" ;;
        esac
        exit 1
    }
    ;;
fuzz)
    [ ! -e "$here/no-canary" ] || exit 0
    mkdir -p "$out/naive"
    : >"$out/naive/caught.epd"
    exit 1
    ;;
replay)
    [ ! -e "$here/interrupts" ] || {
        kill -INT $PPID
        exec sleep 1000
    }
    ! grep -qs "^$1\$" "$here/gone"
    ;;
shrink)
    sed 's/long/short/' "$1" >"$output"
    echo "a/B1/c: 9 steps shrunk to 3" >&2
    ;;
report) echo report >"$output" ;;
esac
