#!/bin/bash -eu
# What OSS-Fuzz and ClusterFuzzLite run to build: docs/targets.md. By their rules: $CC and $CXX with $CFLAGS and
# $CXXFLAGS, the engine is $LIB_FUZZING_ENGINE, and what is in $OUT is all that there is later. The working folder is the
# repository. The targets and where their inputs are come from fuzz/targets/CMakeLists.txt.

configure() { # configure FOLDER OPTION...
    local folder=$1
    shift
    cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
        -DEPDIFF_TESTS=OFF -DEPDIFF_STRICT=OFF "$@"
}

# What runs inside a program under test is not instrumented: AddressSanitizer takes over the end of a cancelled thread
# and puts signals off, and both are what is tested. The shim is linked in, for nothing can be preloaded.
plain() { # plain FLAG...: without sanitizers and coverage
    local flag
    for flag in "$@"; do
        case $flag in
        -fsanitize* | -fno-sanitize* | -fprofile* | -fcoverage* | -stdlib=*) ;;
        *) printf '%s ' "$flag" ;;
        esac
    done
}
# shellcheck disable=SC2086 # flags are words
CFLAGS=$(plain $CFLAGS) CXXFLAGS='' LDFLAGS='' configure "$WORK/executors" -DEPDIFF_ENGINES=ON \
    -DCMAKE_EXE_LINKER_FLAGS=-static-libgcc
executors=(epdiff-exec epdiff-exec-shim epdiff-exec-edges libepdiff-witness.so)
cmake --build "$WORK/executors" --target "${executors[@]}"
for file in "${executors[@]}"; do
    cp "$WORK/executors/$file" "$OUT/"
done

configure "$WORK/targets" -DEPDIFF_ENGINES=ON -DEPDIFF_ENGINE_LINK="$LIB_FUZZING_ENGINE" \
    -DEPDIFF_TARGET_SUBJECT=linked:transparent+syscall
while read -r name folders; do
    target=fuzz-$name
    cmake --build "$WORK/targets" --target "$target"
    cp "$WORK/targets/$target" "$OUT/"
    for folder in $folders; do
        [ ! -d "$folder" ] || find "$folder" -type f -print0 | sort -z |
            xargs -0 zip -q -j "$OUT/${target}_seed_corpus.zip"
    done
    if [ -e "fuzz/targets/$name.options" ]; then
        cp "fuzz/targets/$name.options" "$OUT/$target.options"
    fi
done <"$WORK/targets/fuzz-targets"

# The words of the text form: operations, vocabularies, headers.
{
    sed -n 's/^OP([A-Z0-9_]*, \("[a-z0-9_]*"\),.*/\1/p' fuzz/program/ops.def
    grep -oE 'WORD\([A-Za-z0-9_]+\)|\{"[A-Z]+",' fuzz/program/args.c | grep -oE '[A-Za-z0-9_]+\)|[A-Z]+"' |
        sed 's/[)"]$//; s/.*/"&"/' | sort -u
    printf '"%s"\n' 'main: ' 'parallel {' 'name: ' 'hazard: ' 'origin: ' 'requires: ' 'inject: ' 'expect ' ' = '
} >"$OUT/fuzz-text.dict"
