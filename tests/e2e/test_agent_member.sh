#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# moat member: joins and leaves at once, refused whole, outlives the agent and
# a boot, ends with the next push, goes back by rollback (F50, R-18).
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80
addr b eth0 10.1.0.3/24 10.1.0.4/24
agent_start a 'failsafe: []'
moat() { "$MOAT" --socket "$(sock a)" "$@"; }
reaches() { in_ns b timeout $((SLOW > 1 ? 8 : 2)) socat -T1 /dev/null "TCP4:10.1.0.1:80,bind=$1"; }
cat >"$SANDBOX/p.yaml" <<-EOT
	version: 1
	name: test
	mode: enforce
	security_groups:
	  servers:
	    members: [10.1.0.1, "fd00:1::1"]
	    ingress: [{name: web, from: [clients], protocol: tcp, ports: [80]}]
	    egress: []
	  clients: {members: [10.1.0.2, 10.9.0.0/24], egress: [{name: web, to: [servers], protocol: tcp, ports: [80]}]}
	network_acls:
	  front:
	    applies_to: [servers]
	    ingress: [{rule: 1, action: deny, from: [10.1.0.99]}, {rule: 2, action: allow, from: [any]}]
	    egress: [{rule: 1, action: allow, to: [any]}]
	never: [{from: 10.66.0.0/16, to: servers}]
	tests: [{src: 10.77.0.1, dst: 10.1.0.1, dport: 80, protocol: tcp, expect: drop}]
EOT

push_ok a "$SANDBOX/p.yaml"
G=$(gen_of a)
yes "a member" reaches 10.1.0.2
no "none yet" reaches 10.1.0.3

reply=$(moat -o json member add clients 10.1.0.3 --message "ticket 1")
is "joined" "$(jq -c '[.changed, .generation, .members]' <<<"$reply")" "[true,$((G + 1)),1]"
is "in force" "$(gen_of a)" $((G + 1))
yes "now" reaches 10.1.0.3
no "the other not" reaches 10.1.0.4
is "status tells" "$(status a '.policy.members | length')" 1
is "explain agrees" "$(moat -o json explain --live ingress 10.1.0.1 10.1.0.3 tcp/80 | jq -r .verdict)" allow
is "reference too" "$(moat -o json explain --live --engine reference ingress 10.1.0.1 10.1.0.3 tcp/80 | jq -r .verdict)" allow
is "again: nothing" "$(moat -o json member add clients 10.1.0.3 | jq -c '[.changed, .generation]')" "[false,$((G + 1))]"
is "history" "$(moat -o json history | jq -r '.[0].message')" "ticket 1"
yes "shown" bash -c "$MOAT --socket $(sock a) show | grep -q 10.1.0.3"

# A part of a CIDR leaves; IPv6; several at once.
moat member add clients 10.1.0.4 fd00:1::2 10.1.0.16/28 >/dev/null || fail "several"
yes "the other" reaches 10.1.0.4
moat member remove clients 10.9.0.7 >/dev/null || fail "a part"
live() { moat -o json explain --live ingress 10.1.0.1 "$1" tcp/80 | jq -r .verdict; }
is "a part of a CIDR left" "$(live 10.9.0.7)" drop
is "the rest did not" "$(live 10.9.0.8)" allow
moat member remove clients 10.1.0.3 >/dev/null || fail "remove"
no "left" reaches 10.1.0.3
now=$(gen_of a)

# Refused whole, for each reason; nothing moves.
nay() {
	local code=$1 text=$2
	shift 2
	moat "$@" >/dev/null 2>"$SANDBOX/err"
	is "code of $*" $? "$code"
	yes "text of $*" grep -q -- "$text" "$SANDBOX/err"
	is "generation after $*" "$(gen_of a)" "$now"
}
nay 4 'has no group "nobody"; it has servers, clients' member add nobody 10.1.0.9
nay 2 'the network is 10.1.0.0/24' member add clients 10.1.0.9/24
nay 2 'no address' member add clients 10.1.0.9 fish
nay 2 'add or remove' member join clients 10.1.0.9
nay 4 'never' member add clients 10.1.0.20 10.66.0.1
nay 4 'tests' member add clients 10.77.0.1
nay 4 'would be in no group' member remove servers 10.1.0.1
no "half of a refused request" test "$(live 10.1.0.40)" = allow

# The NACL follows the group that it applies to.
moat member add servers 10.1.0.50 >/dev/null || fail "server"
is "its group" "$(moat -o json explain --live ingress 10.1.0.50 10.1.0.2 tcp/81 | jq -r .reason)" sg-no-match
for engine in kernel image reference; do
	is "under the NACL: $engine" "$(moat -o json explain --live --engine $engine \
		ingress 10.1.0.50 10.1.0.99 tcp/80 | jq -r .rule)" front/1
done
now=$(gen_of a)

# The agent's restart, its death, and a boot (no maps).
agent_stop a
agent_run a
is "same generation" "$(gen_of a)" "$now"
yes "after a restart" reaches 10.1.0.4
no "after a restart" reaches 10.1.0.3
agent_stop a KILL
agent_run a
is "same generation" "$(gen_of a)" "$now"
agent_stop a
detach_all a || fail "detach-all"
agent_run a
yes "after a boot" reaches 10.1.0.4
no "after a boot" reaches 10.1.0.3
is "a part of a CIDR" "$(live 10.9.0.7)" drop

# While a push waits: refused; undone, what was laid over is there again.
sed 's/ports: \[80\]/ports: [80, 81]/' "$SANDBOX/p.yaml" >"$SANDBOX/p2.yaml"
push_ok a "$SANDBOX/p2.yaml" '"confirm_seconds": 60'
no "the push replaced it" reaches 10.1.0.4
now=$(gen_of a)
nay 4 'unconfirmed push pending' member add clients 10.1.0.4
moat rollback >/dev/null || fail "rollback"
yes "again" reaches 10.1.0.4
moat member remove clients 10.1.0.4 >/dev/null || fail "remove"
no "removed" reaches 10.1.0.4
moat rollback >/dev/null || fail "rollback of a change"
yes "back" reaches 10.1.0.4

# The next push ends it, and says so.
reply=$(push a "$SANDBOX/p.yaml")
is "changed" "$(jq .changed <<<"$reply")" true
is "warned" "$(jq -r '.warnings[]' <<<"$reply" | grep -c 'moat member')" 1
no "gone" reaches 10.1.0.4
yes "the document's" reaches 10.1.0.2
is "none left" "$(status a '.policy.members | length')" 0

# A fleet that grows without pushes: thousands of addresses lie over the
# document, and each generation of the history has them all.
MANY=$([ "$SLOW" -gt 1 ] && echo 500 || echo 2500)
seq 0 $((MANY - 1)) | jq -nc '{cmd: "member", op: "add", group: "clients",
	addresses: [inputs | "10.77.\(. / 125 | floor).\(. % 125 * 2 + 2)"]}' >"$SANDBOX/many"
seq 1 70 | jq -c '{cmd: "member", op: "add", group: "clients",
	addresses: ["10.78.0.\(. * 2)"]}' >>"$SANDBOX/many"
socat -t 60 - "UNIX-CONNECT:$(sock a)" <"$SANDBOX/many" >"$SANDBOX/replies"
is "all taken" "$(jq .ok "$SANDBOX/replies" | grep -c true)" 71
history() { moat -o json history >"$SANDBOX/history"; }
soon "history" 20 history
is "as many as are shown" "$(jq length "$SANDBOX/history")" 64
[ "$(jq '.[0].members | length' "$SANDBOX/history")" -gt "$MANY" ] || fail "members are missing"
is "newest first" "$(jq '[.[].generation] == ([.[].generation] | sort | reverse)' "$SANDBOX/history")" true
yes "as a table" moat history
done_testing
