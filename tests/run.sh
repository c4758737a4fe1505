#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs groups of tests: lint unit bpf diff e2e. A test is a program or script
# that exits 0 (passed), 77 (skipped, having said why) or else (failed). Its
# output is shown only when it did not pass, or with V=1. Exits 0 if none
# failed.
set -u
shopt -s nullglob
cd "$(dirname "$0")/.." || exit 2
passed=0 failed=0 skipped=0
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT

run_one() {
	local name=$1 start=$SECONDS rc
	shift
	if [ "${V:-0}" = 1 ]; then
		"$@" 2>&1 | tee "$log"
		rc=${PIPESTATUS[0]}
	else
		"$@" >"$log" 2>&1
		rc=$?
	fi
	case $rc in
	0) passed=$((passed + 1)); printf 'ok    %s (%ds)\n' "$name" $((SECONDS - start)) ;;
	77) skipped=$((skipped + 1)); printf 'SKIP  %s: %s\n' "$name" "$(tail -n 1 "$log")" ;;
	*) failed=$((failed + 1)); printf 'FAIL  %s (exit %d)\n' "$name" "$rc"
	   [ "${V:-0}" = 1 ] || tail -n 80 "$log" ;;
	esac
}

for group in "$@"; do
	case $group in
	lint) for t in tests/lint/*.sh; do run_one "$t" bash "$t"; done ;;
	unit) for t in .output/tests/unit/*/test_*; do run_one "${t#.output/}" "$t"; done ;;
	bpf) for t in .output/tests/bpf/test_*; do run_one "${t#.output/}" "$t"; done ;;
	diff) for t in .output/tests/diff/test_*; do run_one "${t#.output/}" "$t"; done ;;
	e2e) for t in tests/e2e/test_*.sh; do run_one "$t" bash "$t"; done ;;
	*) echo "run.sh: unknown group $group" >&2; exit 2 ;;
	esac
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
