#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: tests/run.sh GROUP|TEST...
# Groups: lint static unit bpf diff fuzz e2e e2e-unprivileged soak vm. A TEST is
# one of them, as tests/README.md names it: bpf/test_life.c, e2e/test_demo.sh, or
# one of a cmocka program, bpf/test_life.c:others.
#
# A test is a program or script that exits 0 (passed), 77 (skipped, having said
# why) or else (failed). Its output is shown only when it did not pass, or with
# V=1. Exits 0 if none failed.
#
# Names of namespaces, pins and sockets are each test's own, so two run at a
# time (JOBS); those of bpf and diff alone, since they want both CPUs.
set -u
shopt -s nullglob
cd "$(dirname "$0")/.." || exit 2
JOBS=${JOBS:-2}
results=$(mktemp -d) || exit 2
trap 'rm -rf "$results"' EXIT
# Children of a script ignore Ctrl-C: they are told, and clean up themselves.
stop() {
	local job
	for job in $(jobs -p); do
		pkill -TERM -P "$job"
	done
	wait
	exit 130
}
trap stop INT TERM

# run_one NAME COMMAND...: says how it went, and leaves a file that counts it
run_one() {
	local name=$1 log start=$SECONDS rc
	shift
	log=$(mktemp "$results/log.XXXXXX")
	"$@" >"$log" 2>&1 </dev/null
	rc=$?
	{
		[ "${V:-0}" = 1 ] && cat "$log"
		case $rc in
		0) printf 'ok    %s (%ds)\n' "$name" $((SECONDS - start)) ;;
		77) printf 'SKIP  %s: %s\n' "$name" "$(tail -n 1 "$log")" ;;
		*)
			printf 'FAIL  %s (exit %d)\n' "$name" "$rc"
			[ "${V:-0}" = 1 ] || tail -n 80 "$log"
			;;
		esac
	} >"$log.said"
	cat "$log.said"
	mv "$log" "$log.rc$rc"
}

# pool JOBS COMMAND...: the names of tests on stdin, one a line
pool() {
	local jobs=$1 t ended
	local -A running=()
	shift
	while IFS= read -r t; do
		if [ ${#running[@]} -ge "$jobs" ]; then
			wait -n -p ended "${!running[@]}"
			unset "running[$ended]"
		fi
		run_one "${t#.output/}" "$@" "$t" &
		running[$!]=1
	done
	wait
}

# Not the soak: what others flood a CPU's backlog with makes every device lose
# frames, and there none may be lost.
e2e() {
	local t
	pool "$JOBS" bash < <(for t in tests/e2e/test_*.sh; do
		[ "$t" = tests/e2e/test_soak.sh ] || echo "$t"
	done)
}

# one_of PROGRAM TEST: the library is content when it finds no such test
one_of() {
	local said rc
	said=$(CMOCKA_TEST_FILTER=$2 "$1" 2>&1)
	rc=$?
	printf '%s\n' "$said"
	[ $rc != 0 ] || grep -q '^\[=*\] 1 test(s) run' <<<"$said" || {
		echo "$1 has no test $2"
		rc=1
	}
	return $rc
}

# single FILE[:TEST]
single() {
	local file=${1%%:*} program
	program=.output/tests/${file%.c}
	case $1 in
	*.c:*) run_one "$1" one_of "$program" "${1#*:}" ;;
	fuzz/*.c) run_one "$1" tests/fuzz/run.sh "$program" ;;
	*.c) run_one "$1" "$program" ;;
	*) run_one "$1" bash "tests/$file" ;;
	esac
}

list() { [ $# -eq 0 ] || printf '%s\n' "$@"; }

for group in "$@"; do
	case $group in
	*/*) single "$group" ;;
	lint) pool "$JOBS" bash < <(list tests/lint/*.sh) ;;
	static) pool "$JOBS" bash < <(list tests/static/*.sh) ;;
	unit) pool "$JOBS" env < <(list .output/tests/unit/*/test_*) ;;
	bpf | diff) pool 1 env < <(list .output/tests/"$group"/test_*) ;;
	fuzz) pool "$JOBS" tests/fuzz/run.sh < <(list .output/tests/fuzz/fuzz_*) ;;
	e2e) e2e ;;
	e2e-unprivileged) # those that ask for no root
		pool "$JOBS" bash < <(
			grep -LE '^sandbox|needs root' tests/e2e/test_*.sh
		)
		;;
	# Beside what comes next: the guests, which have networks of their own.
	soak) run_one e2e/test_soak.sh bash tests/e2e/test_soak.sh & ;;
	vm) pool 1 vmtest/run.sh --short < <(list vmtest/6.12 vmtest/6.1) ;;
	*)
		echo "run.sh: unknown group $group" >&2
		exit 2
		;;
	esac
done
wait
count() { find "$results" -name "log.*.rc$1" | grep -c .; }
passed=$(count 0) skipped=$(count 77)
all=$(count '*')
failed=$((all - passed - skipped))
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ] && [ "$all" -gt 0 ]
