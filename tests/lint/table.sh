#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the table of tests/README.md names is there: programs, and in them the
# tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0 rows=0
# shellcheck disable=SC2016 # what Markdown puts code in
quoted() { grep -o '`[^`]*`' <<<"$1" | tr -d '`'; }
while IFS='|' read -r _ _ programs tests _; do
	rows=$((rows + 1))
	for file in $(quoted "$programs"); do
		if ! [ -f "tests/$file" ]; then
			echo "tests/README.md: no tests/$file"
			bad=$((bad + 1))
			continue
		fi
		for name in $(quoted "$tests"); do
			grep -qw "static void $name(void \*\*state)" \
				"tests/$file" && continue
			echo "tests/README.md: tests/$file has no $name"
			bad=$((bad + 1))
		done
	done
done < <(sed '1,/^| behaviour/d; /^| ---/d; /^|/!d' tests/README.md)
echo "$rows rows, $bad wrong"
[ $bad = 0 ] && [ $rows -gt 0 ]
