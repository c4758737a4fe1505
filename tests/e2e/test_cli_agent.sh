#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The CLI with an agent: push, confirm, rollback, diff, show; the views and
# their JSON; the three engines of explain.
# Functions are called through code and yes:
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"
sandbox
OUT=$SANDBOX/out ERR=$SANDBOX/err
ns_add a b
veth a eth0 b eth0
addr a eth0 10.1.0.1/24 fd01::1/64
addr b eth0 10.1.0.2/24 fd01::2/64
agent_start a 'failsafe: []'
echo_server a 80 81 82
moat() { "$MOAT" --socket "$(sock a)" "$@"; }
field() { jq -r "$1" "$OUT"; }
generation() { moat status -o json | jq .generation; }

cat >"$SANDBOX/p1.yaml" <<'END'
version: 1
name: first
mode: enforce
security_groups:
  hosts:
    members: [10.1.0.1, "fd01::1"]
    ingress:
      - {name: web, from: [any], protocol: tcp, ports: [80-81]}
      - {name: ping, from: [10.1.0.0/24], service: ping}
    egress: []
network_acls:
  edge:
    applies_to: [hosts]
    ingress:
      - {rule: 10, action: deny, from: [192.0.2.0/24]}
      - {rule: 100, action: allow, from: [any]}
    egress:
      - {rule: 100, action: allow, to: [any]}
END
sed 's/80-81/80/;s/name: first/name: second/' "$SANDBOX/p1.yaml" >"$SANDBOX/p2.yaml"
sed 's/10.1.0.1, "fd01::1"/10.1.0.1/' "$SANDBOX/p1.yaml" >"$SANDBOX/unassigned.yaml"

# ---- before a policy -------------------------------------------------------------
code "status without a policy" 1 moat status
fits "status without a policy" <"$OUT"
code "status -o json" 1 moat status -o json
documented status
yes "the plan of all maps" jq -e '.memory | .planned == ([.maps[].planned] | add)
	and .bytes == ([.maps[].bytes] | add) and .planned <= .limit and
	([.maps[] | select(.map == "flows" and .planned > 0)] | length) == 1' "$OUT"
code "status --require enforce" 1 moat status --require enforce
code "version" 0 moat version -o json
documented version
is "the agent answers version" "$(field .agent.version)" "$(field .version)"
code "confirm with nothing to confirm" 4 moat confirm
code "permission denied" 3 setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$MOAT" --socket "$(sock a)" status
code "doctor" "$(moat doctor >/dev/null 2>&1; echo $?)" moat doctor -o json
documented doctor

# ---- push, show, diff --------------------------------------------------------------
code "dry run" 0 moat push --dry-run "$SANDBOX/p1.yaml" -o json
documented push
is "dry run would change" "$(field .changed)" true
code "and changes nothing" 1 moat status
code "an address in no group" 4 moat push --now "$SANDBOX/unassigned.yaml"
yes "it is named" grep -q 'fd01::1' "$ERR"
code "push" 0 moat push --now --message "first of all" "$SANDBOX/p1.yaml" -o json
documented push
is "push says what is in force" "$(field '[.changed, .policy, .mode] | @csv')" \
	'true,"first","enforce"'
first=$(field .generation)
code "status" 0 moat status --require "enforce,generation=$first,age=1h"
fits status <"$OUT"
code "another generation" 1 moat status --require "generation=$((first + 1))"
code "a condition that is none" 2 moat status --require sunshine
code "status -o json" 0 moat status -o json
documented status
code "pushed again" 0 moat push --now "$SANDBOX/p1.yaml" -o json
is "nothing changed" "$(field '[.changed, .generation] | @csv')" "false,$first"
code "show" 0 moat show
cp "$OUT" "$SANDBOX/shown.yaml"
code "show is a policy" 0 moat check "$SANDBOX/shown.yaml"
code "and the same one" 0 moat diff "$SANDBOX/shown.yaml"
code "show -o json" 0 moat show -o json
documented show
code "diff with the file pushed" 0 moat diff "$SANDBOX/p1.yaml"
code "diff with another" 1 moat diff "$SANDBOX/p2.yaml"
yes "by rule" grep -q 'hosts/web ingress' "$OUT"
fits diff <"$OUT"
code "diff -o json" 1 moat diff "$SANDBOX/p2.yaml" -o json
# before and after are parts of policies, in the words of moat-policy(5).
jq 'del(.changes[].before[]?, .changes[].after[]?)' "$OUT" >"$SANDBOX/diff" &&
	cp "$SANDBOX/diff" "$OUT"
documented diff
is "the changes" "$(field '[.changes[].where] | @csv')" \
	'"policy","hosts/web ingress"'
code "history" 0 moat history -o json
documented history
is "the message is kept" "$(field '.[0].message')" "first of all"
code "history as a table" 0 moat history
fits history <"$OUT"

# ---- confirm, deadline, rollback ----------------------------------------------------
yes "81 is open" tcp b 10.1.0.1 81
start a "$SANDBOX/wait.log" "$MOAT" --socket "$(sock a)" push --confirm 30s \
	"$SANDBOX/p2.yaml"
pushed=$STARTED
soon "the push is in force" 5 bash -c \
	"! nsenter --net=/run/netns/$(ns b) nc -z -w 1 10.1.0.1 81"
code "another push meanwhile" 4 moat push --now "$SANDBOX/p1.yaml"
code "confirm" 0 moat confirm -o json
documented confirm
wait "$pushed"
is "the push ends well" $? 0
second=$(generation)
code "rollback" 0 moat rollback -o json
documented rollback
is "to the policy before" "$(moat show -o json | jq -r .policy)" first
yes "81 is open again" tcp b 10.1.0.1 81
code "rollback to a generation" 0 moat rollback "$second"
is "that one is in force" "$(moat show -o json | jq -r .policy)" second
code "rollback to no generation" 4 moat rollback 9999
code "push p1" 0 moat push --now "$SANDBOX/p1.yaml"

code "not confirmed" 5 moat push --confirm 2s "$SANDBOX/p2.yaml"
is "the policy before judges" "$(moat show -o json | jq -r .policy)" first
yes "by its rules" tcp b 10.1.0.1 81

start a "$SANDBOX/undone.log" "$MOAT" --socket "$(sock a)" push --confirm 30s \
	"$SANDBOX/p2.yaml"
pushed=$STARTED
soon "it waits" 5 bash -c \
	"'$MOAT' --socket '$(sock a)' status -o json | jq -e .pending"
code "rollback of what waits" 0 moat rollback
wait "$pushed"
is "the push is told: undone" $? 5

# Ctrl-C leaves the deadline running.
start a "$SANDBOX/left.log" "$MOAT" --socket "$(sock a)" push --confirm 8s \
	"$SANDBOX/p2.yaml"
pushed=$STARTED
soon "it waits" 3 bash -c \
	"'$MOAT' --socket '$(sock a)' status -o json | jq -e .pending"
kill -TERM "$pushed"
wait "$pushed"
is "it is gone" $? 143
is "and the push still waits" "$(moat show -o json | jq -r .policy)" second
soon "until its deadline" 12 bash -c \
	"'$MOAT' --socket '$(sock a)' show -o json | jq -e '.policy == \"first\"'"

# On a terminal it asks.
on_terminal() {
	(sleep 1; echo "$1"; sleep 1) | script -qec \
		"'$MOAT' --socket '$(sock a)' push '$SANDBOX/p2.yaml'" \
		/dev/null >"$SANDBOX/terminal" 2>&1
}
if command -v script >/dev/null; then
	on_terminal n
	is "n undoes" $? 5
	is "n: the policy before" "$(moat show -o json | jq -r .policy)" first
	on_terminal y
	is "y confirms" $? 0
	yes "it asked" grep -q 'keep it?' "$SANDBOX/terminal"
	is "y: the new policy" "$(moat show -o json | jq -r .policy)" second
fi
code "push p1" 0 moat push --now "$SANDBOX/p1.yaml"

# ---- traffic and views ----------------------------------------------------------------
yes "80 is open" tcp b 10.1.0.1 80
yes "80 is open, IPv6" tcp b fd01::1 80
no "82 is not" tcp b 10.1.0.1 82
no "nor 82, IPv6" tcp b fd01::1 82
yes "ping" icmp b 10.1.0.1
start b /dev/null socat -u TCP:10.1.0.1:80 -
soon "a live flow" 5 bash -c \
	"'$MOAT' --socket '$(sock a)' flows --port 80 -o json | grep -q established"
for view in rules drops flows; do
	code "$view" 0 moat "$view"
	fits "$view" <"$OUT"
	code "$view -o json" 0 moat "$view" -o json
done
code "rules of one group" 0 moat rules --group hosts -o json
documented rules
is "the rule is credited" "$(field '[.[] | select(.rule == "web")][0] |
	.connections >= 3')" true
code "drops -o json" 0 moat drops -o json
cp "$OUT" "$SANDBOX/drops"
jq .recent "$SANDBOX/drops" >"$OUT"
documented flows
jq 'del(.recent[])' "$SANDBOX/drops" >"$OUT"
documented drops
cp "$SANDBOX/drops" "$OUT"
is "drops by reason" "$(field '[.drops[] | select(.reason == "sg-no-match")][0] |
	.packets >= 2')" true
is "and the openings" "$(field '[.recent[] | select(.local_port == 82)] |
	length >= 2')" true
code "drops tells what it means" 0 moat drops
yes "in words" grep -q 'no rule of the address' "$OUT"
code "flows of a filter" 0 moat flows --port 80 --peer 10.1.0.0/24 --rule hosts/web \
	-o json
documented flows
yes "one object a line" jq -e -s 'length >= 1 and all(.remote == "10.1.0.2")' "$OUT"
code "no such flows" 0 moat flows --peer 10.9.0.0/16 -o json
is "none" "$(wc -c <"$OUT")" 0
code "flows as VPC records" 0 moat flows --port 80 --verdict allow -o vpc
yes "14 fields" grep -qE '^2 - eth0 10\.1\.0\.2 10\.1\.0\.1 [0-9]+ 80 6 [0-9]+ [0-9]+ [0-9]+ [0-9]+ ACCEPT OK$' "$OUT"
start a "$SANDBOX/follow" "$MOAT" --socket "$(sock a)" flows --follow --port 81 \
	-o json
follower=$STARTED
soon "flows --follow begins" 5 [ -s "$SANDBOX/follow" ]
seen=$(wc -l <"$SANDBOX/follow")
yes "a new connection" tcp b 10.1.0.1 81
soon "flows --follow goes on" 5 bash -c "[ \$(wc -l <'$SANDBOX/follow') -gt $seen ]"
sleep 1.5
is "and each flow once" "$(jq -c '[.table, .remote, .remote_port]' \
	"$SANDBOX/follow" | sort | uniq -d)" ""
kill "$follower"
code "a filter that is none" 2 moat flows --peer home
code "flows kill" 0 moat flows kill 10.1.0.2:80 -o json
documented flows
is "killed" "$(field '.killed >= 1')" true
code "metrics" 0 moat metrics
yes "in Prometheus's form" grep -q '^moat_policy_generation ' "$OUT"
code "metrics -o json" 0 moat metrics -o json
documented metrics

# ---- explain: three engines, one answer ------------------------------------------------
for dir in ingress egress; do
	for ends in "10.1.0.1 10.1.0.2" "10.1.0.1 192.0.2.9" "fd01::1 fd01::2"; do
		for s in '"tcp","dport":80' '"tcp","dport":82' '"tcp","dport":22' '"udp","dport":53' \
			'"icmp","icmp_type":8' '"icmpv6","icmp_type":128' '"gre"' \
			'"tcp","dport":80,"flags":"A"' \
			'"tcp","dport":80,"flags":"R"'; do
			printf '{"dir":"%s","local":"%s","remote":"%s","sport":40000,"proto":%s}\n' \
				$dir "${ends% *}" "${ends#* }" "$s"
		done
	done
done >"$SANDBOX/batch"
# As this agent is configured: without a failsafe for ssh, for one.
engines_agree() {
	for engine in reference image kernel; do
		code "explain --live, $engine" 0 moat explain --live --batch \
			"$SANDBOX/batch" --engine $engine
		cp "$OUT" "$SANDBOX/$engine"
		is "answers of $engine" "$(wc -l <"$OUT")" 54
	done
	yes "reference is image" cmp "$SANDBOX/reference" "$SANDBOX/image"
	yes "image is kernel" cmp "$SANDBOX/image" "$SANDBOX/kernel"
}
engines_agree
is "no failsafe" "$(grep -c failsafe "$SANDBOX/kernel")" 0
code "explain --live" 0 moat explain --live ingress 10.1.0.1 10.1.0.2 tcp/80 -o json
documented explain
is "rule and generation" "$(field '[.rule, .generation] | @csv')" \
	"\"hosts/web\",$(generation)"
code "explain of a file by the kernel" 1 moat explain "$SANDBOX/p2.yaml" ingress \
	10.1.0.1 10.1.0.2 tcp/81 --engine kernel
code "path --live" 0 moat path --live 10.1.0.2 10.1.0.1 tcp/80 --config \
	"$SANDBOX/a/moatd.yaml"

# ---- audit ---------------------------------------------------------------------------
code "push --audit" 0 moat push --now --audit "$SANDBOX/p1.yaml" -o json
is "audit" "$(field .mode)" audit
engines_agree
is "nothing is dropped" "$(grep -c '"drop"' "$SANDBOX/kernel")" 0
yes "but would be" grep -q would-drop "$SANDBOX/kernel"
yes "82 is not dropped" tcp b 10.1.0.1 82
code "audit does not enforce" 1 moat status --require enforce
soon "would-drop is counted" 3 bash -c "'$MOAT' --socket '$(sock a)' drops -o json |
	jq -e '.drops[] | select(.verdict == \"would-drop\")'"
done_testing
