#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# gcc and clang make the same moat of one source: the same images, verdicts
# and diagnostics, and the unit tests pass when clang has built them, with its
# own sanitizers.
set -u
cd "$(dirname "$0")/../.." || exit 2
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'pkill -TERM -P $$; exit 130' INT TERM
# Those of the make that called this test.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
gcc=.output clang=.output/clang
differential=tests/diff/test_differential
bad=0
complain() {
	printf '%s\n' "$*"
	bad=1
}

make -j"$(nproc)" CC=clang OUT=$clang $clang/moat unit-build \
	$clang/$differential >"$scratch/log" 2>&1 || {
	grep -v '^  [A-Z]* ' "$scratch/log"
	exit 1
}
for program in moat $differential; do
	[ -x "$gcc/$program" ] || { echo "build first: make tests-build"; exit 2; }
done
# A comparison of clang with itself would prove nothing.
if readelf -p .comment $gcc/moat | grep -q 'clang version'; then
	echo "$gcc/moat is not built by gcc"
	exit 77
fi
readelf -p .comment $clang/moat | grep -q 'clang version' || exit 2

# both NAME COMMAND...: the program's path stands for @. Status and all words.
count=0
both() {
	local name=$1 which
	shift
	for which in gcc clang; do
		"${@/#@/${!which}/}" >"$scratch/$which" 2>&1
		echo "exit $?" >>"$scratch/$which"
	done
	cmp -s "$scratch/gcc" "$scratch/clang" || {
		complain "$name: not the same"
		diff "$scratch/gcc" "$scratch/clang" | head -n 20
	}
	count=$((count + 1))
}

# Random policies: SHA-256 of every image and every answer of the reference;
# the image's answers are the reference's, or it fails. Of two seeds one is new.
for seed in 1 $RANDOM; do
	both "images and verdicts, seed $seed" @$differential --no-kernel \
		--seed "$seed" --comparisons 240000
	tail -n 2 "$scratch/clang" | tr '\n' ' ' |
		grep -q '^sha256 [0-9a-f]\{64\} exit 0 $' ||
		complain "seed $seed: $(tail -n 3 "$scratch/clang")"
done
for policy in policies/*.yaml tests/invalid/policy/*.yaml; do
	both "$policy" @moat check "$policy"
done
for policy in policies/*.yaml; do
	both "$policy" @moat compile "$policy" -o json \
		--host 10.20.0.1,10.30.0.1,fd00:20::1
done
[ $count -gt 200 ] || complain "only $count comparisons"

# The user space of clang, and the programs that are in the kernel then.
if [ "$(id -u)" = 0 ]; then
	$clang/$differential --comparisons 24000 >"$scratch/kernel" 2>&1 ||
		complain "with the kernel: $(tail -n 40 "$scratch/kernel")"
fi

tests=(tests/unit/*/test_*.c)
# shellcheck disable=SC2016 # for the inner shell
printf "$clang/%s\n" "${tests[@]%.c}" |
	xargs -P "$(nproc)" -I{} sh -c '"$1" >"$2/test_$$.log" 2>&1 || {
		tail -n 40 "$2/test_$$.log"; echo "$1 failed"; exit 1; }' \
		- {} "$scratch" || bad=1
passed=$(find "$scratch" -name 'test_*.log' -exec grep -l 'PASSED' {} + | wc -l)
printf '%d comparisons, %d unit tests\n' $count "$passed"
[ "$passed" = ${#tests[@]} ] || complain "of ${#tests[@]} unit tests"
[ $bad = 0 ]
