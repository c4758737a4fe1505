#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the tables of tests/README.md name is there: programs, and in them the
# tests. Each of the design's guarantees, G1 to G18, has one row, and the
# command in it is the one that runs what the row names.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0 rows=0
complain() {
	echo "tests/README.md: $*"
	bad=$((bad + 1))
}
# shellcheck disable=SC2016 # what Markdown puts code in
quoted() { grep -o '`[^`]*`' <<<"$1" | tr -d '`'; }

# there FILE [TEST]
there() {
	[ -f "tests/$1" ] || complain "no tests/$1"
	[ -z "${2:-}" ] || ! [ -f "tests/$1" ] ||
		grep -qw "static void $2(void \*\*state)" "tests/$1" ||
		complain "tests/$1 has no $2"
}

while IFS='|' read -r _ _ programs tests _; do
	rows=$((rows + 1))
	for file in $(quoted "$programs"); do
		names=$(quoted "$tests")
		for name in ${names:-''}; do
			there "$file" "${name#\'\'}"
		done
	done
done < <(sed '1,/^| behaviour/d; /^| ---/d; /^|/!d' tests/README.md)

for n in {1..18}; do
	row=$(grep "^| G$n |" tests/README.md)
	if [ "$(grep -c . <<<"$row")" != 1 ]; then
		complain "not one row of G$n"
		continue
	fi
	rows=$((rows + 1))
	IFS='|' read -r _ _ _ _ command _ <<<"$row"
	[ "$(quoted "$command")" = "make guarantee G=$n" ] ||
		complain "G$n: the command is $command"
	tests=$(tests/guarantee.sh "$n")
	[ -n "$tests" ] || complain "G$n: no test"
	for one in $tests; do
		there "${one%%:*}" "$(sed -n 's/^[^:]*://p' <<<"$one")"
	done
done
echo "$rows rows, $bad wrong"
[ $bad = 0 ]
