#!/usr/bin/env bash
# Runs every GoogleTest program of a build and ends with "N passed, N failed". A program that crashes or stops early is
# one more failure; skipped tests are listed with their reasons. Full output: BUILD/test_logs/.
#   tests/run.sh [BUILD] [GoogleTest options]
# A program's tests are dealt out to several processes, of which KG_TEST_JOBS (the number of cores) run at once with one
# thread each: most tests have no work for a second one.
set -u
build=${1:-build}
shift
logs=$build/test_logs
rm -rf "$logs"
mkdir -p "$logs"
passed=0 failed=0
jobs=${KG_TEST_JOBS:-$(nproc)}
parts=$((2 * jobs))  # more than run at once: none is left with much to do at the end
export GTEST_TOTAL_SHARDS=$parts
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export OMP_WAIT_POLICY=passive  # subprocesses share the cores with their test
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

# run_part PROGRAM PART OPTIONS...: into NAME.PART.log, with the exit code and the seconds in NAME.PART.end.
run_part() {
  local program=$1 part=$2 begin=$SECONDS
  local out=$logs/$(basename "$program").$part
  shift 2
  GTEST_SHARD_INDEX=$part timeout "${KG_TEST_TIMEOUT:-1800}" "$program" --gtest_color=no "$@" >"$out.log" 2>&1
  echo "$? $((SECONDS - begin))" >"$out.end"
}

programs=()
for program in "$build"/bin/test_*; do
  if [ -x "$program" ]; then programs+=("$program"); fi
done
for program in "${programs[@]}"; do
  echo "running $(basename "$program")"
  for ((part = 0; part < parts; ++part)); do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    run_part "$program" "$part" "$@" &
  done
done
wait

for program in "${programs[@]}"; do
  name=$(basename "$program")
  log=$logs/$name.log
  cat "$logs/$name".*.log >"$log"
  ok=$(grep -c '\[       OK \] ' "$log")
  bad=$(grep -cE '\[  FAILED  \] .*\([0-9]+ ms\)$' "$log")
  skipped=$(grep -cE '\[  SKIPPED \] .*\([0-9]+ ms\)$' "$log")
  crash="" early="" seconds=0
  for ((part = 0; part < parts; ++part)); do
    # A complete run ends with GoogleTest's own summary, and its exit code agrees with it.
    one=$logs/$name.$part.log
    read -r code took <"$logs/$name.$part.end"
    seconds=$((seconds + took))
    if ! grep -qE '^\[==========\] .* ran\.' "$one" || { [ "$code" -ne 0 ] && ! grep -q '^\[  FAILED  \]' "$one"; }; then
      crash=" and stopped early with exit code $code" early=$one
      failed=$((failed + 1))
    fi
  done
  echo "$name: $ok passed, $bad failed, $skipped skipped, $seconds s$crash"
  if [ "$bad" -gt 0 ]; then
    # What each failed test printed, and its name.
    awk '/^\[ RUN      \]/ {text = ""} {text = text $0 "\n"} /\[  FAILED  \] .* ms\)$/ {printf "%s", text}' "$log"
  fi
  if [ -n "$crash" ]; then
    echo "--- the end of $early"
    tail -n 40 "$early"
  fi
  if [ "$skipped" -gt 0 ]; then
    # One line a test, or one for all that were skipped for the same reason.
    awk '/^\[ RUN      \]/ {reason = ""; next} /: Skipped$/ {next} {reason = reason " " $0}
         /\[  SKIPPED \] .* ms\)$/ {sub(/ *\[  SKIPPED \].*/, "", reason); count[reason]++; names[reason] = names[reason] "  skipped " $4 ":" reason "\n"}
         END {for (r in count) if (count[r] > 20) print "  skipped " count[r] " tests:" r; else printf "%s", names[r]}' "$log"
  fi
  passed=$((passed + ok)) failed=$((failed + bad))
done

if [ $((passed + failed)) -eq 0 ]; then
  echo "no test program ran in $build/bin"
  failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
