#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# One target of tests/fuzz: replays its seeds and every input that was once
# found, then fuzzes for MOAT_FUZZ_SECONDS (60; 0: replays alone).
#
#   run.sh .output/tests/fuzz/fuzz_TARGET
#   run.sh --forever TARGET		until something is found, or Ctrl-C
#
# An input that breaks something is kept in .output/fuzz/findings, and the
# command that repeats it is printed. What widens coverage is kept from run to
# run in .output/fuzz/corpus.
set -u
shopt -s nullglob
cd "$(dirname "$0")/../.." || exit 2
seconds=${MOAT_FUZZ_SECONDS:-60}

targets() {
	local t
	for t in tests/fuzz/fuzz_*.c; do
		t=${t##*/fuzz_}
		printf ' %s' "${t%.c}"
	done
}

if [ "${1:-}" = --forever ]; then
	program=.output/tests/fuzz/fuzz_${2:-}
	if ! [ -x "$program" ]; then
		echo "make fuzz TARGET=…, one of:$(targets)" >&2
		exit 2
	fi
	seconds=forever
else
	program=$1
fi
target=${program##*/fuzz_}
here=tests/fuzz
corpus=.output/fuzz/corpus/$target
findings=.output/fuzz/findings/$target
mkdir -p "$corpus" "$findings" || exit 2

seeds=() # folders that begin the corpus
for d in "$here/corpus/$target" "$here/found/$target"; do
	[ -d "$d" ] && seeds+=("$d")
done
case $target in
policy) seeds+=(policies tests/invalid/policy) ;;
config) seeds+=(user/agent tests/invalid/config) ;;
packet)
	made=.output/fuzz/frames
	rm -rf "$made" && mkdir -p "$made"
	MOAT_FUZZ_SEEDS=$made "$program" -runs=0 >/dev/null 2>&1 || exit 2
	seeds+=("$made")
	;;
esac

options=(-artifact_prefix="$findings/" -timeout=20 -rss_limit_mb=2048
	-max_len=16384 -print_final_stats=1)
[ -f "$here/dict/$target" ] && options+=(-dict="$here/dict/$target")
export ASAN_OPTIONS=detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1

# The command that repeats a finding is the last that is said.
fail() {
	local input
	for input in "$findings"/*; do
		[ "$input" -nt "$corpus/.began" ] || continue
		echo "found by $target: $input"
		echo "repeat: $program $input"
	done
	exit 1
}

touch "$corpus/.began"
"$program" "${options[@]}" -runs=0 "${seeds[@]}" || fail
case $seconds in
forever) set -- ;;
0) exit 0 ;;
*) set -- -max_total_time="$seconds" -verbosity=0 ;; # the end of a log is read
esac
"$program" "${options[@]}" "$@" "$corpus" "${seeds[@]}" || fail
