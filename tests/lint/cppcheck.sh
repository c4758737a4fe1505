#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# cppcheck over what ships. Not asked for, each with its reason:
# - memleak: it knows nothing of the cleanup attribute; LeakSanitizer watches
#   the unit tests instead
# - duplicateAssignExpression: two that start alike part ways later
# - varFuncNullUB: NULL of glibc and musl is a pointer, as wide as the others
set -u
cd "$(dirname "$0")/../.." || exit 2
found=$(cppcheck --quiet -j"$(nproc)" --std=c11 --inline-suppr \
	--enable=warning,portability,performance \
	--suppress=memleak --suppress=varFuncNullUB \
	--suppress=duplicateAssignExpression \
	--include=tests/lint/cppcheck.inc -D_GNU_SOURCE -DMOAT_VERSION='"lint"' \
	-D__x86_64__ -Iinclude -Iuser user include vmtest 2>&1)
rc=$?
[ -z "$found" ] || printf '%s\n' "$found"
printf '%d files\n' "$(find user include vmtest -name '*.[ch]' | wc -l)"
[ $rc = 0 ] && [ -z "$found" ]
