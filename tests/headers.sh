#!/usr/bin/env bash
# Every header compiles alone, and all of them in one file in alphabetical order and in reverse: none relies on what
# another file includes before it, and no two give one name to different things. One line a header that fails; the last
# line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C CXX=${CXX:-g++}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

headers=$(git ls-files '*.h' 2>/dev/null)
[ -n "$headers" ] || headers=$(find . -name 'build*' -prune -o -name '*.h' -print | sed 's#^\./##')
headers=$(sort <<<"$headers")
# Left out: the CUDA libraries' headers, which are not on every machine (the CUDA build compiles what needs them), and
# the host's primitives, which are a part of tensor/cuda/kernel.h. The kernels' other headers are written over those
# primitives, so they are compiled for the host.
left_out='^(tensor/cuda/vendor/|tests/cuda_emulation/primitives\.h)'
emulated='^(tensor/cuda/|tests/cuda/|tests/cuda_emulation/)'

flags=(-std=c++20 -fsyntax-only -fopenmp -Wall -Wextra -Wpedantic -Werror -I. -isystem /usr/include/stb
       -DKG_TEST_DIR='"tests"' -DKG_BIN_DIR='"bin"' -x c++)
emulation=(-Itests/cuda_emulation -DKG_CUDA -DKG_CUDA_EMULATION)

# check NAME FLAGS... FILE: prints NAME and the first error when that does not compile.
check() {
  local name=$1 output
  shift
  output=$("$CXX" "$@" 2>&1) || echo "$name: $(grep -m 1 -E 'error|not found' <<<"$output")"
}
export -f check

# check_each FLAGS...: every header of standard input alone, on all cores.
check_each() {
  xargs -P "$(nproc)" -I {} bash -c 'check "$1" "${@:2}" -include "$1" /dev/null' _ {} "$@"
}

plain=$(grep -vE "$emulated" <<<"$headers")
kernels=$(grep -E "$emulated" <<<"$headers" | grep -vE "$left_out")
{
  check_each "${flags[@]}" <<<"$plain"
  check_each "${emulation[@]}" "${flags[@]}" <<<"$kernels"
  sed 's/.*/#include "&"/' <<<"$plain" >"$scratch/forward.cpp"
  tac "$scratch/forward.cpp" >"$scratch/reverse.cpp"
  check "all headers, in alphabetical order" "${flags[@]}" "$scratch/forward.cpp"
  check "all headers, in reverse order" "${flags[@]}" "$scratch/reverse.cpp"
} | tee "$scratch/failures"
total=$(($(wc -l <<<"$plain") + $(wc -l <<<"$kernels") + 2))
failed=$(wc -l <"$scratch/failures")
echo "$((total - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
