#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The CLI without an agent: help, exit codes, JSON, check, compile, explain,
# path, schema, completion.
# Functions are called through code and yes:
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/moat-cli.XXXXXX") || exit 1
SANDBOX=$WORK
trap 'rm -rf "$WORK"' EXIT
OUT=$WORK/out ERR=$WORK/err
POLICY=$ROOT/policies/training-cluster.yaml
moat() { "$MOAT" --socket "$WORK/none.sock" "$@"; }
COMMANDS=$("$MOAT" help | sed -n 's/^  \([a-z]*\)  .*/\1/p')

# ---- help ---------------------------------------------------------------------
"$MOAT" help | fits "moat help"
is "commands of moat help" "$(wc -w <<<"$COMMANDS")" 23
for c in $COMMANDS; do
	code "$c --help" 0 moat "$c" --help
	yes "$c --help has examples" grep -q "^  moat $c" "$OUT"
	fits "$c --help" <"$OUT"
	code "help $c" 0 moat help "$c"
	yes "moat(1) tells of $c" grep -qE "^\.BR? (\"flows kill \" )?$c( |$)" \
		"$ROOT/user/cli/man/moat.1"
	while read -r o; do
		yes "moat(1) tells of $c --$o" grep -qF -- \
			"\\-\\-${o//-/\\-}" "$ROOT/user/cli/man/moat.1"
	done < <(sed -n '/^options$/,/^options of/s/^  --\([a-z-]*\).*/\1/p' "$OUT")
done
for m in "$ROOT"/user/cli/man/*.[158]; do
	is "man page ${m##*/}" "$(LC_ALL=C man --warnings -l "$m" 2>&1 >/dev/null)" ""
done

# ---- usage: 2, agent not reachable: 3 -------------------------------------------
code "nothing" 2 moat
code "unknown command" 2 moat frobnicate
code "unknown option" 2 moat check --frobnicate "$POLICY"
yes "it names the option" grep -q frobnicate "$ERR"
code "missing value" 2 moat check "$POLICY" --host
code "too few words" 2 moat check
code "too many words" 2 moat confirm 1 2
code "unknown format" 2 moat -o yaml check "$POLICY"
code "vpc for flows alone" 2 moat -o vpc rules
code "unknown colour" 2 moat --color pink check "$POLICY"
code "no such file" 2 moat check "$WORK/nothing.yaml"
yes "it names the file" grep -q nothing.yaml "$ERR"
code "push not on a terminal" 2 moat push "$POLICY"
yes "it says what to do" grep -q -- --now "$ERR"
code "push both ways" 2 moat push --now --confirm 60s "$POLICY"
code "push for no time" 2 moat push --confirm 0s "$POLICY"
code "push for nonsense" 2 moat push --confirm soon "$POLICY"
code "flows kill needs a filter" 2 moat flows kill
code "explain: families differ" 2 moat explain "$POLICY" ingress 10.20.0.1 \
	fd00::1 tcp/22
code "explain: tcp needs a port" 2 moat explain "$POLICY" ingress 10.20.0.1 \
	10.0.5.10 tcp
code "explain: no direction" 2 moat explain "$POLICY" inward 10.20.0.1 \
	10.0.5.10 tcp/22
code "explain: no engine" 2 moat explain "$POLICY" ingress 10.20.0.1 10.0.5.10 \
	tcp/22 --engine steam
for c in status rules drops flows history show confirm rollback metrics doctor; do
	code "$c without an agent" 3 moat "$c"
done
yes "it names the socket" grep -q none.sock "$ERR"
code "push without an agent" 3 moat push --now "$POLICY"
code "diff without an agent" 3 moat diff "$POLICY"
code "explain --live without an agent" 3 moat explain --live ingress 10.20.0.1 \
	10.0.5.10 tcp/22
code "version needs none" 0 moat version -o json
documented version
code "output that can't be written" 2 bash -c \
	"'$MOAT' schema >/dev/full"

# ---- check ----------------------------------------------------------------------
for f in "$ROOT"/policies/*.yaml; do
	[[ $f == */role-storage.yaml ]] && continue
	code "check ${f##*/}" 0 moat check "$f"
	fits "check ${f##*/}" <"$OUT"
done
code "check base and role" 0 moat check "$ROOT/policies/base.yaml" \
	"$ROOT/policies/role-storage.yaml"
code "check with hosts" 0 moat check "$POLICY" --host 10.20.0.1,fd00:20::1,10.9.9.9
fits "check --host" <"$OUT"
yes "an address in no group is told" grep -Eq '^10\.9\.9\.9 +no ' "$OUT"
code "check -o json" 0 moat -o json check "$POLICY" --host 10.20.0.1
documented check
is "check -o json" "$(jq -r '[.valid, .policy, .hosts[0].groups[1]] | @csv' \
	"$OUT")" 'true,"training-cluster","trainers"'
code "check of standard input" 0 bash -c "'$MOAT' check - <'$POLICY'"
printf 'version: 1\nname: x\nmode: audit\nsecurity_groups:\n  g: {members: [10.0.0.1], ingress: [{name: a, from: [any], protocol: tcp, ports: [70000]}], egress: []}\n' \
	>"$WORK/bad.yaml"
code "an invalid file" 1 moat check "$WORK/bad.yaml"
yes "with place and caret" grep -qE 'bad.yaml:5:[0-9]+: error: ' "$ERR"
code "an invalid file, JSON" 1 moat check -o json "$WORK/bad.yaml"
documented check
is "the diagnostic as JSON" "$(jq -r \
	'[.valid, .errors, .diagnostics[0].line, .diagnostics[0].severity] | @csv' \
	"$OUT")" 'false,1,5,"error"'
code "push of an invalid file" 1 moat push --now "$WORK/bad.yaml" -o json
documented push
is "push of an invalid file, JSON" "$(jq -c '[.changed, .errors]' "$OUT")" \
	'[false,1]'
code "strict makes warnings errors" 1 moat check --strict "$POLICY"
mkdir "$WORK/lists"
echo 10.66.0.0/16 >"$WORK/lists/l.txt"
printf 'version: 1\nname: x\nmode: audit\nprefix_lists: {l: {file: lists/l.txt}}\nsecurity_groups:\n  g: {members: [10.0.0.1], ingress: [{name: a, from: [l], service: ssh}], egress: []}\n' \
	>"$WORK/list.yaml"
code "a list beside the file" 0 moat check "$WORK/list.yaml"
code "the list is used" 0 moat explain "$WORK/list.yaml" ingress 10.0.0.1 \
	10.66.1.1 tcp/22 --config <(printf 'version: 1\nfailsafe: []\n')
rm "$WORK/lists/l.txt"
code "a list that is gone" 1 moat check "$WORK/list.yaml"
# Every file of the invalid corpus is refused, with the text beside it.
found=0
cd "$ROOT/tests/invalid/policy" || exit 1
for f in *.yaml; do
	found=$((found + 1))
	code "invalid: $f" 1 moat check "$f"
	yes "diagnostics of $f" cmp "${f%.yaml}.err" "$ERR"
done
cd "$ROOT" || exit 1
yes "there is a corpus" [ "$found" -gt 100 ]

# ---- compile --------------------------------------------------------------------
code "compile" 0 moat compile "$POLICY" --host 10.20.0.1,fd00:20::1
fits compile <"$OUT"
code "compile -o json" 0 moat compile "$POLICY" --host 10.20.0.1 -o json
documented compile
yes "sizes add up" jq -e '.bytes == ([.arrays[:-1][].bytes] | add)' "$OUT"
yes "so does the plan" jq -e '.memory.planned == ([.memory.maps[].planned] | add)
	and .memory.planned <= .memory.limit' "$OUT"
two=$(jq .memory.planned "$OUT")
code "compile for many CPUs" 0 moat compile "$POLICY" --host 10.20.0.1 \
	--cpus 64 -o json
yes "more CPUs, other counters" [ "$(jq .memory.planned "$OUT")" != "$two" ]
code "no CPUs" 2 moat compile "$POLICY" --host 10.20.0.1 --cpus 0
printf 'version: 1\ntables: {memory: 64MiB}\n' >"$SANDBOX/small.yaml"
code "a plan over tables.memory" 1 moat compile "$POLICY" --host 10.20.0.1 \
	--config "$SANDBOX/small.yaml"
yes "says so" grep -q "tables.memory is too small" "$ERR"
code "compile needs a host" 2 moat compile "$POLICY"

# ---- explain and path -------------------------------------------------------------
code "explain: allowed" 0 moat explain "$POLICY" ingress 10.20.0.1 10.0.5.10 tcp/22
fits explain <"$OUT"
code "explain: dropped" 1 moat explain "$POLICY" ingress 10.20.0.1 203.0.113.7 \
	tcp/22
code "explain -o json" 1 moat explain "$POLICY" ingress 10.20.0.1 203.0.113.7 \
	tcp/22 -o json
documented explain
is "explain -o json" "$(jq -r '[.verdict, .reason] | @csv' "$OUT")" \
	'"drop","nacl-deny"'
cat >"$WORK/reply.yaml" <<'END'
version: 1
name: reply
mode: enforce
security_groups:
  g:
    members: [10.0.0.1]
    ingress: [{name: web, from: [any], service: http}]
    egress: []
network_acls:
  n:
    applies_to: [g]
    ingress: [{rule: 100, action: allow, from: [any]}]
    egress: [{rule: 100, action: allow, to: [any], protocol: tcp, ports: [443]}]
END
code "a denied reply" 1 moat explain "$WORK/reply.yaml" ingress 10.0.0.1 \
	192.0.2.1 tcp/80 -o json
is "a denied reply" "$(jq -r '[.reason, .layer] | @csv' "$OUT")" \
	'"reply-denied","nacl"'
code "path" 0 moat path "$POLICY" 10.20.0.1:870 10.40.0.5 tcp/2049
fits path <"$OUT"
code "path, IPv6" 0 moat path "$POLICY" '[fd00:20::1]:50000' fd00:20::2 tcp/29500 \
	-o json
documented path
is "four legs" "$(jq '.legs | length' "$OUT")" 4
code "path: no" 1 moat path "$POLICY" 10.20.0.1 10.20.0.2 tcp/22

# Reference and image agree on every packet of a batch.
for dir in ingress egress; do
	for remote in 10.20.0.2 10.0.5.10 10.40.0.5 203.0.113.7 10.0.0.2; do
		for service in tcp/22 tcp/29500 tcp/45000 tcp/2049 udp/53 icmp/0; do
			printf '{"dir":"%s","local":"10.20.0.1","remote":"%s","proto":"%s","sport":40000,"dport":%s,"icmp_type":8}\n' \
				$dir $remote "${service%/*}" "${service#*/}"
		done
	done
done >"$WORK/batch"
for engine in reference image; do
	code "explain --batch, $engine" 0 moat explain "$POLICY" --batch \
		"$WORK/batch" --engine $engine
	documented explain
	cp "$OUT" "$WORK/$engine"
done
is "answers" "$(wc -l <"$WORK/reference")" 60
yes "some allowed" grep -q '"allow"' "$WORK/reference"
yes "some dropped" grep -q '"drop"' "$WORK/reference"
yes "engines agree" cmp "$WORK/reference" "$WORK/image"
echo nonsense >>"$WORK/batch"
code "a line that is no packet" 2 moat explain "$POLICY" --batch "$WORK/batch"
is "is answered in its place" "$(tail -n 1 "$OUT" | jq -r 'has("error")')" true

# ---- schema, completion -----------------------------------------------------------
code "schema" 0 moat schema
yes "schema is the file" cmp "$OUT" "$ROOT/policies/policy.schema.json"
code "services" 0 moat schema --services
fits "schema --services" <"$OUT"
code "services -o json" 0 moat schema --services -o json
documented schema
code "completion" 0 moat completion bash
complete_words() {
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		_moat 2>/dev/null; printf "%s\n" "${COMPREPLY[@]}"' - "$OUT" "$@"
}
yes "completes commands" grep -qx push <(complete_words moat pu)
yes "completes options" grep -qx -- --confirm <(complete_words moat push --con)
yes "completes words" grep -qx kill <(complete_words moat flows ki)
yes "completes choices" grep -qx add <(complete_words moat member "")
yes "completes directions" grep -qx ingress <(complete_words moat explain p.yaml in)
yes "completes values" grep -qx image <(complete_words moat explain --engine im)
yes "completes formats" grep -qx json <(complete_words moat -o js)
no "no other words there" grep -q . <(complete_words moat explain --engine stat)
yes "completes help" grep -qx rollback <(complete_words moat help roll)

# ---- colours --------------------------------------------------------------------
code "colours where asked for" 0 moat --color always explain "$POLICY" ingress \
	10.20.0.1 10.0.5.10 tcp/22
yes "green" grep -q $'\e\[32mallow' "$OUT"
code "no colours into a file" 0 moat explain "$POLICY" ingress 10.20.0.1 \
	10.0.5.10 tcp/22
no "no escape" grep -q $'\e' "$OUT"
# On a terminal, unless NO_COLOR or the command line says otherwise.
terminal() {
	script -qec "$MOAT $* explain $POLICY ingress 10.20.0.1 10.0.5.10 tcp/22" /dev/null
}
code "on a terminal" 0 env -u NO_COLOR TERM=xterm bash -c "$(declare -f terminal); MOAT=$MOAT POLICY=$POLICY; terminal"
yes "green there" grep -q $'\e\[32mallow' "$OUT"
code "NO_COLOR" 0 env NO_COLOR=1 bash -c "$(declare -f terminal); MOAT=$MOAT POLICY=$POLICY; terminal"
no "no escape" grep -q $'\e' "$OUT"
code "--color never" 0 env -u NO_COLOR bash -c "$(declare -f terminal); MOAT=$MOAT POLICY=$POLICY; terminal --color never"
no "no escape either" grep -q $'\e' "$OUT"
done_testing
