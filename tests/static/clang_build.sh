#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# clang builds the whole tree, tests and benchmarks too, without a warning.
# What it builds stays in .output/clang, for e2e/test_compilers.sh.
set -u
cd "$(dirname "$0")/../.." || exit 2
# Those of the make that called this test.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
log=$(make -j"$(nproc)" CC=clang OUT=.output/clang all tests-build 2>&1) || {
	printf '%s\n' "$log" | grep -v '^  [A-Z]* '
	exit 1
}
printf '%d programs\n' "$(find .output/clang -type f -perm -u+x | wc -l)"
