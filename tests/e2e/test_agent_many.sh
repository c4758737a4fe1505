#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Several agents on one machine, each in its namespace with its own paths; a
# second one on the same paths is refused. Flows: list, filter, kill.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80
echo_server b 80
agent_start a 'failsafe: []'
agent_start b 'failsafe: []'
cat >"$SANDBOX/p.yaml" <<'EOT'
version: 1
name: both
mode: enforce
on_tighten: keep
security_groups:
  hosts:
    members: [10.1.0.0/24, "fd00:1::/64"]
    ingress: [{name: web, from: [self], protocol: tcp, ports: [80]}]
    egress: [{name: web, to: [self], protocol: tcp, ports: [80]}]
EOT
push_ok a "$SANDBOX/p.yaml"
push_ok b "$SANDBOX/p.yaml"
yes "b to a" tcp b 10.1.0.1 80
yes "a to b" tcp a fd00:1::2 80
is "each its own counters" "$(metric a moat_rule_connections_total rule=web direction=ingress)" 1
nsenter --net="/run/netns/$(ns a)" timeout 10 "$MOATD" --config \
	"$SANDBOX/a/moatd.yaml" 2>"$SANDBOX/err" </dev/null
is "a second agent on the same paths" $? 2
yes "says why" grep -q 'another agent' "$SANDBOX/err"
# One that shares no more than the state would boot with the other's policy.
sed "s#$SANDBOX/a/run#$SANDBOX/a/other#g; s#^bpffs:.*#bpffs: $SANDBOX/bpf/other#; s/9849/9850/" \
	"$SANDBOX/a/moatd.yaml" >"$SANDBOX/a/other.yaml"
nsenter --net="/run/netns/$(ns a)" timeout 10 "$MOATD" --config \
	"$SANDBOX/a/other.yaml" 2>"$SANDBOX/err" </dev/null
is "a second agent on the same state" $? 2
yes "says why" grep -q 'state in .*: another agent' "$SANDBOX/err"

# A long connection, seen at both ends.
line_open first b -p 5555 10.1.0.1 80
yes "talks" line_says first one
flow() { field "$1" '{"cmd":"flows","protocol":"tcp","port":80,"table":"flows"}' '.flows // [] | .[]'; }
established() { flow "$1" | jq -e 'select(.state == "established")' | grep -q .; }
yes "established at the server" established a
yes "established at the client" established b
is "who opened" "$(flow a | jq -r 'select(.remote_port == 5555) | .direction')" ingress
is "under which rule" "$(flow b | jq -r 'select(.local_port == 5555) | .rule')" hosts/web
is "limit" "$(field a '{"cmd":"flows","limit":1}' 'select(.ok) | .count')" 1
is "bad filter" "$(field a '{"cmd":"flows","peer":"x"}' .code)" 2
is "filter by peer" "$(field a '{"cmd":"flows","peer":"192.0.2.0/24"}' 'select(.ok) | .count')" 0

# Taking the rule away keeps the flow (on_tighten: keep), and says so.
sed 's/ports: \[80\]/ports: [81]/; s/name: both/name: p81/' "$SANDBOX/p.yaml" >"$SANDBOX/p81.yaml"
reply=$(push a "$SANDBOX/p81.yaml")
[ "$(jq .flows_by_state <<<"$reply")" -ge 1 ] || fail "no flows by state: $reply"
is "none is cut" "$(jq .flows_cut <<<"$reply")" 0
is "who to kill" "$(jq -r '.kill[0]' <<<"$reply")" 10.1.0.2:80
yes "goes on" line_says first two
no "a new one does not" tcp b 10.1.0.1 80
is "kill needs a filter" "$(field a '{"cmd":"kill"}' .code)" 2
[ "$(field a '{"cmd":"kill","peer":"10.1.0.2","port":80}' .killed)" -ge 1 ] || fail "nothing killed"
no "ended" line_says first three
[ "$(metric a moat_flows_expired_total reason=killed)" -ge 1 ] || fail "not counted"

# refuse_cuts: a NACL that would cut live flows is refused.
push_ok a "$SANDBOX/p.yaml"
line_open second b -p 5556 10.1.0.1 80
yes "talks again" line_says second four
cat "$SANDBOX/p.yaml" - >"$SANDBOX/nacl.yaml" <<'EOT'
network_acls:
  shut: {applies_to: [hosts], ingress: [], egress: []}
EOT
refused a "$SANDBOX/nacl.yaml" 4 'would be cut' '"now": true, "refuse_cuts": true'
yes "still talks" line_says second five
# In audit nothing is cut, the replies that this one denies neither.
sed 's/ingress: \[\], egress: \[\]/ingress: [{rule: 1, action: allow}], egress: []/' \
	"$SANDBOX/nacl.yaml" >"$SANDBOX/replies.yaml"
refused a "$SANDBOX/replies.yaml" 4 'would be cut' '"now": true, "refuse_cuts": true'
reply=$(push a "$SANDBOX/replies.yaml" '"now": true, "refuse_cuts": true, "audit": true')
is "audit cuts none" "$(jq -c '[.ok, .flows_cut]' <<<"$reply")" "[true,0]"
yes "talks in audit" line_says second audit
reply=$(push a "$SANDBOX/nacl.yaml")
[ "$(jq .flows_cut <<<"$reply")" -ge 1 ] || fail "nothing cut: $reply"
no "NACLs apply at once" line_says second six
done_testing
