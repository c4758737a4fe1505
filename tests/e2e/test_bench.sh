#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The benchmarks run, with small sizes, and leave results of the promised
# shape. Their figures mean nothing here; no figure is looked at.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root"
SANDBOX=$(mktemp -d "${TMPDIR:-/tmp}/moat-bench.XXXXXX") || exit 1
trap 'rm -rf "$SANDBOX"' EXIT
cd "$ROOT" || exit 1
tree() { sha256sum README.md tests/bench/*.* tests/bench/plots/* 2>/dev/null; }
before=$(tree)
MOAT_BENCH_QUICK=1 MOAT_BENCH_DIR=$SANDBOX/out tests/bench/run.sh \
	>"$SANDBOX/log" 2>&1 || {
	cat "$SANDBOX/log" >&2
	fail "run.sh"
}
cat "$SANDBOX/log"
/usr/bin/python3 tests/bench/report.py check "$SANDBOX/out" ||
	fail "results.json"
CHECKS=$((CHECKS + 1))
is "lines over 80 columns" "$(awk 'length($0) > 80' <"$SANDBOX/log" |
	grep '^P[1-9]')" ""
bars=$(jq length "$SANDBOX/out/results.json")
is "rows of results.md" "$(grep -c '^| P[1-9].*\(met\|missed\)' \
	"$SANDBOX/out/results.md")" "$bars"
for d in "$SANDBOX"/out/*/; do
	name=$(basename "$d")
	grep -q "^SKIP  $name:" "$SANDBOX/log" && continue
	yes "$name: bars" jq -e 'length > 0' "$d/bars.json"
	for f in "$d"/*.tsv; do
		[ -e "$f" ] || continue
		is "$name: columns of ${f##*/}" \
			"$(awk -F '\t' 'NR == 1 { n = NF } NF != n' "$f")" ""
		yes "$name: rows of ${f##*/}" [ "$(wc -l <"$f")" -gt 1 ]
	done
	for f in "$d"/*.gp; do
		[ -e "$f" ] || continue
		yes "$name: a drawing by ${f##*/}" \
			grep -q '</svg>' "${f%.gp}.svg"
	done
done
is "files of the tree that changed" "$(tree)" "$before"
done_testing
