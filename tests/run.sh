#!/usr/bin/env bash
# Runs every GoogleTest program of a build and ends with "N passed, N failed". A program that crashes or stops early is
# one more failure; skipped tests are listed with their reasons. Full output: BUILD/test_logs/.
#   tests/run.sh [BUILD] [GoogleTest options]
set -u
build=${1:-build}
shift
logs=$build/test_logs
mkdir -p "$logs"
passed=0 failed=0
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}
export OMP_WAIT_POLICY=passive  # subprocesses share the cores with their test
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

for program in "$build"/bin/test_*; do
  [ -x "$program" ] || continue
  name=$(basename "$program")
  log=$logs/$name.log
  begin=$SECONDS
  timeout "${KG_TEST_TIMEOUT:-1800}" "$program" --gtest_color=no "$@" >"$log" 2>&1
  code=$?
  ok=$(grep -c '\[       OK \] ' "$log")
  bad=$(grep -cE '\[  FAILED  \] .*\([0-9]+ ms\)$' "$log")
  skipped=$(grep -cE '\[  SKIPPED \] .*\([0-9]+ ms\)$' "$log")
  crash=""
  # A complete run ends with GoogleTest's own summary, and its exit code agrees with it.
  if ! grep -qE '^\[==========\] .* ran\.' "$log" || { [ $code -ne 0 ] && [ "$bad" -eq 0 ]; }; then
    crash=" and stopped early with exit code $code"
  fi
  echo "$name: $ok passed, $bad failed, $skipped skipped, $((SECONDS - begin)) s$crash"
  if [ "$bad" -gt 0 ]; then
    # What each failed test printed, and its name.
    awk '/^\[ RUN      \]/ {text = ""} {text = text $0 "\n"} /\[  FAILED  \] .* ms\)$/ {printf "%s", text}' "$log"
  fi
  if [ -n "$crash" ]; then
    echo "--- the end of $log"
    tail -n 40 "$log"
  fi
  if [ "$skipped" -gt 0 ]; then
    # One line a test, or one for all that were skipped for the same reason.
    awk '/^\[ RUN      \]/ {reason = ""; next} /: Skipped$/ {next} {reason = reason " " $0}
         /\[  SKIPPED \] .* ms\)$/ {sub(/ *\[  SKIPPED \].*/, "", reason); count[reason]++; names[reason] = names[reason] "  skipped " $4 ":" reason "\n"}
         END {for (r in count) if (count[r] > 20) print "  skipped " count[r] " tests:" r; else printf "%s", names[r]}' "$log"
  fi
  passed=$((passed + ok)) failed=$((failed + bad))
  [ -n "$crash" ] && failed=$((failed + 1))
done

if [ $((passed + failed)) -eq 0 ]; then
  echo "no test program ran in $build/bin"
  failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
