#!/usr/bin/env bash
# Runs every fuzz target of a build for some seconds, one on each core, and ends with "N passed, N failed". Finds are kept in
# BUILD/fuzz/TARGET; run the target on such a file to see the error again.
#   tests/fuzz/run.sh [BUILD] [SECONDS]
set -u
build=${1:-build-fuzz} seconds=${2:-60}
golden=$(dirname "$0")/../golden

# run_target PROGRAM: its exit code is left in BUILD/fuzz/TARGET/code.
run_target() {
  local work=$build/fuzz/$(basename "$1")
  mkdir -p "$work/corpus"
  "$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -artifact_prefix="$work/" "$work/corpus" "$golden/formats" "$golden/archives" >"$work/log" 2>&1
  echo $? >"$work/code"
}

for program in "$build"/bin/fuzz_*; do
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  if [ -x "$program" ]; then run_target "$program" & fi
done
wait

passed=0 failed=0
for program in "$build"/bin/fuzz_*; do
  [ -x "$program" ] || continue
  name=$(basename "$program")
  work=$build/fuzz/$name
  if [ "$(cat "$work/code")" = 0 ]; then
    passed=$((passed + 1))
    echo "$name: $(grep -oE 'Done [0-9]+ runs in [0-9]+ second' "$work/log")s"
  else
    failed=$((failed + 1))
    echo "$name: failed"
    tail -n 40 "$work/log"
  fi
done
if [ $((passed + failed)) -eq 0 ]; then
  echo "no fuzz target in $build/bin"
  failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
