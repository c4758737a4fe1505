#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What of tests/README.md holds a guarantee of the design, G1 to G18.
# usage: tests/guarantee.sh N		its tests, as tests/run.sh takes them
#        tests/guarantee.sh --build N	what make builds for them
set -u
cd "$(dirname "$0")/.." || exit 2
build=
if [ "${1:-}" = --build ]; then
	build=1
	shift
fi
row=$(grep "^| G${1:-} |" tests/README.md) || {
	echo "no guarantee \"${1:-}\" in tests/README.md: make guarantee G=7" >&2
	exit 2
}
IFS='|' read -r _ _ _ programs _ <<<"$row"

# A program, then its tests that are meant; none: all of it.
# shellcheck disable=SC2016 # what Markdown puts code in
grep -o '`[^`]*`' <<<"$programs" | tr -d '`' | awk -v build="$build" '
	function end() { if (program != "" && !named) print program }
	/\// {
		if (build) {
			if (sub(/\.c$/, "")) print ".output/tests/" $0
			next
		}
		end(); program = $0; named = 0; next
	}
	!build { print program ":" $0; named = 1 }
	END { if (build) print "all"; else end() }' | sort -u
