# shellcheck shell=bash
# The parts of ci/vm. SOURCE is the repository, BUILD what is to be run, CACHE what is kept from run to run, ROOM what
# is not; `with` the files that --with names.

VM_QEMU='' # its process id while it runs
VM_IMAGE='' # the kernel to boot
VM_HEADERS='' # what modules are built against
# What a kernel says that found something wrong in itself.
VM_COMPLAINT='BUG:|BUG at|WARNING:|KASAN|UBSAN|INFO: (possible|task|rcu|trying|lockdep|suspicious)|possible (circular|recursive)|inconsistent lock|suspicious RCU|lock held when|Oops|general protection|sleeping function|scheduling while atomic|unable to handle|stack guard|list_(add|del) corruption|ODEBUG|soft lockup|rcu_.*stall|refcount_t|use-after-free|Kernel panic'

vm_fail() { # vm_fail STATUS WORDS
    echo "ci/vm: $2" >&2
    exit "$1"
}

# Whatever the way out, nothing is left behind.
vm_clear() {
    local status=$?
    trap '' INT TERM HUP
    if [ -n "$VM_QEMU" ]; then
        kill -KILL "$VM_QEMU" 2>/dev/null || true
        wait "$VM_QEMU" 2>/dev/null || true
    fi
    rm -rf "$ROOM"
    exit $status
}

# Downloads a package and unpacks it into a folder. Nothing is installed: this machine boots another kernel.
vm_unpack() { # vm_unpack PACKAGE VERSION FOLDER
    mkdir -p "$ROOM/debs"
    (cd "$ROOM/debs" && apt-get download -qq "$1=$2" 2>"$ROOM/apt.log") ||
        vm_fail 3 "$1 $2 could not be downloaded: $(head -1 "$ROOM/apt.log")"
    dpkg-deb -x "$ROOM"/debs/*.deb "$3"
    rm -r "$ROOM/debs"
}

# The package that a package depends on whose name begins so.
vm_depends() { # vm_depends PACKAGE PREFIX
    apt-cache depends "$1" | awk -v prefix="$2" '$1 == "Depends:" && index($2, prefix) == 1 { print $2; exit }'
}

vm_version() { # vm_version PACKAGE
    apt-cache policy "$1" | awk '/Candidate:/ { print $2 }'
}

vm_get_cloud_kernel() {
    local image version folder
    image=$(vm_depends linux-image-cloud-amd64 linux-image-)
    if [ -z "$image" ]; then
        # Offline, or without lists: what the cache has will do.
        folder=$(ls -d "$CACHE"/cloud-* 2>/dev/null | grep -v '\.part$' | sort -V | tail -1)
        [ -n "$folder" ] || vm_fail 3 "apt knows no linux-image-cloud-amd64; expected Debian 12's sources.list and apt-get update"
    else
        version=$(vm_version "$image")
        folder=$CACHE/cloud-$version
    fi
    if [ ! -d "$folder" ]; then
        mkdir -p "$CACHE"
        exec 8>"$CACHE/cloud.lock"
        flock 8
    fi
    if [ ! -d "$folder" ]; then
        local name=${image#linux-image-} part=$folder.part headers
        headers=linux-headers-$name
        rm -rf "$part"
        mkdir -p "$part"
        for package in "$image" "$headers" "${headers%-cloud-amd64}-common" linux-kbuild-6.1; do
            vm_unpack "$package" "$version" "$part"
        done
        # It names the folder that an installation would have.
        sed -i "s,^include /usr/src/,include $folder/usr/src/," "$part/usr/src/$headers/Makefile"
        rm -rf "$part/lib"
        mv "$part" "$folder"
    fi
    VM_IMAGE=$(echo "$folder"/boot/vmlinuz-*)
    VM_HEADERS=$(echo "$folder"/usr/src/linux-headers-*-cloud-amd64)
}

vm_get_kernel() { # vm_get_kernel cloud|debug
    if [ "$1" = debug ]; then
        VM_HEADERS=$("$SOURCE/ci/debug-kernel") || exit 3
        VM_IMAGE=$VM_HEADERS/arch/x86/boot/bzImage
    else
        vm_get_cloud_kernel
    fi
}

# Builds the module if its source or the kernel has changed, and prints its path.
vm_build_module() { # vm_build_module KERNEL DEFECTS
    local sources=("$SOURCE"/kmod/{epoll_batch.c,epoll_batch.h,validate.h,defects.h,Makefile}) key folder
    key=$( (cat "${sources[@]}"; echo "$VM_HEADERS $2") | sha256sum | cut -c1-16)
    folder=$BUILD/vm/module-$key
    mkdir -p "$BUILD/vm"
    exec 7>"$BUILD/vm/lock"
    flock 7
    if [ ! -e "$folder/.done" ]; then
        mkdir -p "$folder"
        cp "${sources[@]}" "$folder"
        make -C "$folder" KDIR="$VM_HEADERS" ${2:+DEFECTS=1} >"$folder/build.log" 2>&1 ||
            vm_fail 3 "the module does not build: $(grep -m1 -E 'error|Error' "$folder/build.log" || echo "see $folder/build.log")"
        touch "$folder/.done"
    fi
    exec 7>&-
    echo "$folder/epoll_batch.ko"
}

# Copies a file or folder to the same path in the image.
vm_copy_in() {
    local path
    path=$(realpath -s "$1")
    mkdir -p "$ROOM/root$(dirname "$path")"
    cp -RL "$path" "$ROOM/root$(dirname "$path")/"
}

# Copies a program or library and the libraries that it needs.
vm_copy_binary() {
    local library
    vm_copy_in "$1"
    for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
        [ -e "$ROOM/root$library" ] || vm_copy_in "$library"
    done
}

# Notes a path whose content is to be brought back.
vm_bring_back() {
    local path
    path=$(realpath -sm "$1")
    echo "$path" >>"$ROOM/root/vm/back"
    [ ! -d "$(dirname "$path")" ] || mkdir -p "$ROOM/root$(dirname "$path")"
}

# Copies the files that arguments name, and notes what is to be brought back.
vm_copy_arguments() {
    local argument previous='' path
    # Where `fuzz` puts what it finds if nobody says otherwise.
    vm_bring_back findings
    for argument in "$@"; do
        path=${argument#preload:}
        case $previous in
        --out | --junit | -o)
            vm_bring_back "$argument"
            previous=$argument
            continue
            ;;
        esac
        case $argument in --out=* | --junit=*) vm_bring_back "${argument#*=}" ;; esac
        if [ "$path" != "$argument" ] && [ -f "$path" ]; then
            vm_copy_binary "$path"
        elif [ -e "$path" ] && [ "$path" != / ] && [[ $path == */* || -f $path || -d $path ]]; then
            vm_copy_in "$path"
        fi
        previous=$argument
    done
}

vm_make_image() { # vm_make_image KERNEL MODULE DEFECT PROGRAM COMMAND ARGUMENT...
    local kernel=$1 module=$2 defect=$3 program=$4 root=$ROOM/root file
    shift 4
    mkdir -p "$root"/{bin,dev,proc,sys,tmp,vm}
    chmod 1777 "$root/tmp"
    cp /bin/busybox "$root/bin/busybox"
    cp "$SOURCE/ci/vm-init" "$root/init"
    : >"$root/vm/back"
    if [ "$module" = yes ]; then
        file=$(vm_build_module "$kernel" "$defect")
        cp "$file" "$root/vm/epoll_batch.ko"
        echo "${defect:+defect=$defect}" >"$root/vm/parameters"
    fi
    for file in epdiff epdiff-exec libepbatch.so libepdiff-witness.so tests/libepbatch-inject.so; do
        [ -e "$BUILD/$file" ] && vm_copy_binary "$BUILD/$file"
    done
    for file in "${with[@]}"; do
        [ -e "$file" ] || vm_fail 2 "--with $file: there is no such file"
        if [ -f "$file" ] && [ -x "$file" ]; then vm_copy_binary "$file"; else vm_copy_in "$file"; fi
    done
    mkdir -p "$root$PWD"
    if [ "$program" = yes ]; then
        [ -x "$1" ] || vm_fail 2 "$1: there is no such program"
        vm_copy_binary "$1"
    else
        set -- "$BUILD/epdiff" "$@"
    fi
    vm_copy_arguments "${@:2}"
    {
        printf 'cd %q\n' "$PWD"
        printf 'exec'
        printf ' %q' "$@"
        printf '\n'
    } >"$root/vm/command"
    (cd "$root" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1) >"$ROOM/image.gz"
}

# Boots an image whose end is its own affair. The machine's first serial line is the kernel's log; the next ones the
# command's output, its errors, and what it leaves.
vm_start() { # vm_start ACCEL CPUS BOOT IMAGE PREFIX
    local index=0 lines=() name
    for name in log out err back; do
        : >>"$ROOM/$5$name"
        lines+=(-chardev "file,id=line$index,path=$ROOM/$5$name" -serial "chardev:line$index")
        index=$((index + 1))
    done
    qemu-system-x86_64 -accel "$1" -cpu max -smp "$2" -m 1024 -nodefaults -display none -no-reboot \
        -kernel "$VM_IMAGE" -initrd "$4" -append "console=ttyS0,115200 panic=-1 $3" "${lines[@]}" \
        </dev/null >"$ROOM/$5qemu" 2>&1 &
    VM_QEMU=$!
}

# Waits for the machine's end; false if it did not come in time, or had to be brought about.
vm_await() { # vm_await SECONDS [LOG]
    local deadline=$((SECONDS + $1)) complained=no
    while kill -0 "$VM_QEMU" 2>/dev/null; do
        if [ -n "${2-}" ] && [ $complained = no ] && grep -qaE "$VM_COMPLAINT" "$2"; then
            # The rest of the report is a matter of moments.
            complained=yes deadline=$((SECONDS + 2))
        fi
        if [ $SECONDS -ge $deadline ]; then
            kill -KILL "$VM_QEMU"
            wait "$VM_QEMU" 2>/dev/null || true
            VM_QEMU=''
            return 1
        fi
        read -rt 0.2 <>"$ROOM/never" || true
    done
    wait "$VM_QEMU" || true
    VM_QEMU=''
}

# Hardware virtualisation is used where a boot by it has come to its end, once since this machine's own boot. Where it
# is there but does not work, a machine hangs: TCG needs 3 s for this, KVM less than one.
vm_choose_accel() {
    local noted
    noted=$CACHE/accel-$(cat /proc/sys/kernel/random/boot_id)
    if [ ! -w /dev/kvm ]; then
        echo tcg
        return
    fi
    if [ ! -e "$noted" ]; then
        rm -f "$CACHE"/accel-*
        mkdir -p "$ROOM/probe/bin"
        cp /bin/busybox "$ROOM/probe/bin/"
        printf '#!/bin/busybox sh\n/bin/busybox reboot -f\n' >"$ROOM/probe/init"
        chmod +x "$ROOM/probe/init"
        (cd "$ROOM/probe" && find . | cpio -o -H newc --quiet | gzip -1) >"$ROOM/probe.gz"
        vm_start kvm 2 "" "$ROOM/probe.gz" probe-
        if vm_await 5 && grep -q 'reboot: ' "$ROOM/probe-log"; then echo kvm; else echo tcg; fi >"$noted"
    fi
    cat "$noted"
}

vm_boot() { # vm_boot LIMIT CPUS BOOT FIRST
    local accel followers=() watched=''
    [ "$4" = no ] || watched=$ROOM/log
    mkfifo "$ROOM/never"
    vm_choose_accel >"$ROOM/accel"
    accel=$(cat "$ROOM/accel")
    vm_start "$accel" "$2" "$3" "$ROOM/image.gz" ''
    # What the command says is seen while it says it.
    tail -c +1 -f --pid="$VM_QEMU" -s 0.2 "$ROOM/out" 2>/dev/null &
    followers+=($!)
    tail -c +1 -f --pid="$VM_QEMU" -s 0.2 "$ROOM/err" >&2 2>/dev/null &
    followers+=($!)
    VM_ENDED=yes
    vm_await "$1" "$watched" || VM_ENDED=no
    wait "${followers[@]}" || true
}

# Judges what came back. Does not return.
vm_finish() { # vm_finish LOG
    local status path
    [ -z "$1" ] || cp "$ROOM/log" "$1"
    if grep -aE "$VM_COMPLAINT" "$ROOM/log" >"$ROOM/complaints"; then
        echo "ci/vm: the kernel complained, $(wc -l <"$ROOM/complaints") lines:" >&2
        head -20 "$ROOM/complaints" | tr -d '\r' | sed 's/^/  /' >&2
    fi
    mkdir -p "$ROOM/got"
    [ $VM_ENDED = yes ] || echo "ci/vm: the machine did not come to its end and was stopped" >&2
    if ! tar -xf "$ROOM/back" -C "$ROOM/got" 2>/dev/null || [ ! -s "$ROOM/got/vm/status" ]; then
        [ -s "$ROOM/complaints" ] && exit 1
        echo "ci/vm: the machine ended before its command; the last lines of the kernel's log, and QEMU:" >&2
        { tail -5 "$ROOM/log" | tr -d '\r'; cat "$ROOM/qemu"; } | sed 's/^/  /' >&2
        exit 3
    fi
    while read -r path; do
        [ -e "$ROOM/got$path" ] || continue
        mkdir -p "$(dirname "$path")"
        cp -R "$ROOM/got$path" "$(dirname "$path")/"
    done <"$ROOM/root/vm/back"
    status=$(cat "$ROOM/got/vm/status")
    [ -s "$ROOM/complaints" ] && [ "$status" -eq 0 ] && status=1
    exit "$status"
}
