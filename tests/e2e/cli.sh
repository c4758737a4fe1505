# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What the tests of the CLI share: sourced, not run.

# fits WHAT: standard input has no line over 80 columns
fits() {
	local long
	long=$(awk 'length($0) > 80 { print; exit }')
	is "$1: a line over 80 columns" "$long" ""
}

# code WHAT EXPECTED COMMAND...: the exit code; output goes to $OUT and $ERR
code() {
	local what=$1 expected=$2 rc=0
	shift 2
	"$@" >"$OUT" 2>"$ERR" </dev/null || rc=$?
	[ "$rc" = "$expected" ] || cat "$OUT" "$ERR" >&2
	is "exit code: $what" "$rc" "$expected"
}

# man_fields COMMAND: the words that moat(1) lists for its JSON
man_fields() {
	awk -v command="$1" '
	/^\.SH/ { inside = /JSON OUTPUT/; next }
	!inside { next }
	/^\.TP/ { title = 1; next }
	title {
		title = 0
		here = 0
		sub(/^\.B /, "")
		n = split($0, names, ", ")
		for (i = 1; i <= n; i++)
			if (names[i] == command) here = 1
		next
	}
	here' "$ROOT/user/cli/man/moat.1" | grep -oE '[a-z][a-z0-9_]+' | sort -u
}

# documented COMMAND: every field of the JSON in $OUT is in the man page
documented() {
	local missing
	missing=$(jq -r '.. | objects | keys[]' "$OUT" | sort -u |
		comm -23 - <(man_fields "$1") | tr '\n' ' ')
	is "fields of $1 -o json that moat(1) lacks" "$missing" ""
}
