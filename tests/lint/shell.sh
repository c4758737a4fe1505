#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every shell script of the tree passes shellcheck.
set -u
cd "$(dirname "$0")/../.." || exit 2
mapfile -t scripts < <(
	find . \( -name .git -o -name .output \) -prune -o -type f -name '*.sh' \
		-print
	grep -rlE --exclude-dir=.git --exclude-dir=.output --exclude='*.sh' \
		-m 1 '^#!(/usr)?/bin/(env )?(ba|da)?sh\b' . | while read -r f; do
		head -n 1 "$f" | grep -q '^#!' && echo "$f"
	done
)
[ ${#scripts[@]} -gt 0 ] || exit 2
printf '%d scripts\n' "${#scripts[@]}"
shellcheck -x -P SCRIPTDIR "${scripts[@]}"
