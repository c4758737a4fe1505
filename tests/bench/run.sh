#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the benchmarks, one after the other, each with a folder of its own
# under .output/bench, and puts the results together there. Of a whole run
# they go into the tree as well: results.json, results.md, plots/, and the
# README's section.
#
#   tests/bench/run.sh              all, as `make bench` does
#   tests/bench/run.sh hot drops    these alone; nothing goes into the tree
#   MOAT_BENCH_QUICK=1              small sizes: a test of the benchmarks
#   MOAT_BENCH_DIR=DIR              results there instead of .output/bench
#
# One that can't run here exits 77; its bars are then missing. Exits 0 if none
# failed: a missed bar is a result.
set -u
shopt -s nullglob
cd "$(dirname "$0")/../.." || exit 2
out=$(realpath -m "${MOAT_BENCH_DIR:-.output/bench}")
limit=${MOAT_BENCH_LIMIT:-300} # seconds a program
rm -rf "$out" && mkdir -p "$out" || exit 2
[ "$(id -u)" = 0 ] || {
	echo "skipped: needs root"
	exit 77
}
running=
# Its own process group, so that all of it can be told.
stop() {
	if [ -n "$running" ]; then
		kill -TERM "$running"
		wait "$running"
	fi
	exit 130
}
trap stop INT TERM

programs=()
for p in tests/bench/bench_*.c tests/bench/bench_*.sh; do
	name=${p##*/bench_} name=${name%.*}
	if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then
		continue
	fi
	case $p in
	*.c) programs+=(".output/tests/bench/bench_$name") ;;
	*) programs+=("$p") ;;
	esac
done
[ ${#programs[@]} -gt 0 ] || {
	echo "run.sh: no such benchmark" >&2
	exit 2
}

# run_one PROGRAM: output to log; the plots are drawn where it left them
run_one() {
	local name=${1##*/bench_} began=$SECONDS rc
	name=${name%.sh}
	export MOAT_BENCH_OUT=$out/$name
	mkdir "$MOAT_BENCH_OUT" || return 1
	case $1 in
	*.sh) set -- bash "$1" ;;
	esac
	timeout -k 20 "$limit" "$@" >"$MOAT_BENCH_OUT/log" 2>&1 </dev/null &
	running=$!
	wait "$running"
	rc=$?
	running=
	case $rc in
	0) printf 'ok    %s (%ds)\n' "$name" $((SECONDS - began)) ;;
	77) printf 'SKIP  %s: %s\n' "$name" "$(tail -n 1 "$MOAT_BENCH_OUT/log")" ;;
	*)
		printf 'FAIL  %s (exit %d)\n' "$name" "$rc"
		tail -n 40 "$MOAT_BENCH_OUT/log"
		return 1
		;;
	esac
	plots "$name"
}

plots() {
	local gp
	for gp in "$MOAT_BENCH_OUT"/*.gp; do
		(cd "$MOAT_BENCH_OUT" && gnuplot "${gp##*/}") && continue
		echo "FAIL  $1: ${gp##*/}"
		return 1
	done
}

failed=0
for p in "${programs[@]}"; do
	run_one "$p" || failed=$((failed + 1))
done
report() { /usr/bin/python3 tests/bench/report.py "$@"; }
report merge "$out" || failed=$((failed + 1))
if [ $# = 0 ] && [ $failed = 0 ] && [ "${MOAT_BENCH_QUICK:-0}" != 1 ] &&
	[ -z "${MOAT_BENCH_DIR:-}" ]; then
	report install "$out" || failed=1
fi
echo "$failed failed; results in $out"
[ $failed = 0 ]
