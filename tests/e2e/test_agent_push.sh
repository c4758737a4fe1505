#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Pushes: taken, unchanged, refused, tried, in audit. A refused push leaves the
# old policy in force (R-18, R-26).
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
agent_start a 'failsafe: []'
P=$SANDBOX/p.yaml

policy "$P" enforce 80
reply=$(push a "$P")
is "changed" "$(jq .changed <<<"$reply")" true
G=$(jq .generation <<<"$reply")
is "mode" "$(jq -r .mode <<<"$reply")" enforce
is "in force" "$(gen_of a)" "$G"
yes "open" tcp b 10.1.0.1 80
yes "open, IPv6" tcp b fd00:1::1 80
again=$(syns_again b)
no "closed" tcp b 10.1.0.1 81
again=$(($(syns_again b) - again))
is "counted under its reason" "$(metric a moat_packets_total reason=sg-no-match verdict=drop direction=ingress)" $((1 + again))
is "credited to its rule" "$(metric a moat_rule_connections_total group=base rule=tcp)" 2

# The same again changes nothing.
reply=$(push a "$P")
is "unchanged" "$(jq -c '[.ok, .changed, .generation]' <<<"$reply")" "[true,false,$G]"
is "generation stays" "$(gen_of a)" "$G"

# Refused, one for each reason; code 4, and nothing moves.
sed 's/ports: \[80\]/ports: [70000]/' "$P" >"$SANDBOX/bad.yaml"
refused a "$SANDBOX/bad.yaml" 4 'port 70000 is above 65535'
refused a "$SANDBOX/bad.yaml" 4 'policy:9:'
{ cat "$P"; echo 'tests: [{src: 10.1.0.2, dst: 10.1.0.1, dport: 81, protocol: tcp, expect: allow}]'; } >"$SANDBOX/test.yaml"
refused a "$SANDBOX/test.yaml" 4 'policy:12:'
{ cat "$P"; echo 'never: [{from: 10.1.0.2, to: base, protocol: tcp, ports: [80]}]'; } >"$SANDBOX/never.yaml"
refused a "$SANDBOX/never.yaml" 4 'policy:12:'
{ cat "$P"; echo 'prefix_lists: {l: {file: /etc/passwd}}'; } >"$SANDBOX/file.yaml"
refused a "$SANDBOX/file.yaml" 4 'file'
no "no line of the file is told" grep -q root: "$SANDBOX/a/moatd.log"
sed 's/10.1.0.1\/32, //' "$P" >"$SANDBOX/unassigned.yaml"
refused a "$SANDBOX/unassigned.yaml" 4 '10.1.0.1'
is "what would be unassigned" "$(push a "$SANDBOX/unassigned.yaml" | jq -c .unassigned)" '["10.1.0.1"]'
is "generation stays" "$(gen_of a)" "$G"
yes "still open" tcp b 10.1.0.1 80
is "refused pushes are counted" "$(metric a moat_policy_pushes_total result=refused)" 7
is "the last one failed" "$(metric a moat_policy_last_push_successful)" 0

# Requests that are none: code 2.
is "neither now nor confirm" "$(field a '{"cmd":"push","document":"version: 1"}' .code)" 2
is "both" "$(field a '{"cmd":"push","document":"x","now":true,"confirm_seconds":5}' .code)" 2
is "no document" "$(field a '{"cmd":"push","now":true}' .code)" 2
is "wrong type" "$(field a '{"cmd":"push","document":7,"now":true}' .code)" 2

# Tried only.
policy "$SANDBOX/p2.yaml" enforce 81
reply=$(push a "$SANDBOX/p2.yaml" '"dry_run": true')
is "dry run" "$(jq -c '[.ok, .changed, .generation]' <<<"$reply")" "[true,true,$G]"
is "generation stays" "$(gen_of a)" "$G"
no "nothing opened" tcp b 10.1.0.1 81

# Told otherwise, an address may be left alone: all of it is dropped.
push_ok a "$SANDBOX/unassigned.yaml" '"now": true, "allow_unassigned": true'
is "unassigned addresses" "$(metric a moat_unassigned_addresses)" 1
no "dropped" tcp b 10.1.0.1 80
yes "the assigned one is judged" tcp b fd00:1::1 80
[ "$(metric a moat_packets_total reason=unassigned verdict=drop direction=ingress)" -gt 0 ] ||
	fail "unassigned is not counted"

# --audit: in force, dropping nothing; taking it back is a change.
push_ok a "$P" '"now": true, "audit": true'
is "state" "$(status a .state)" audit
yes "passes in audit" tcp b 10.1.0.1 81
[ "$(metric a moat_packets_total reason=sg-no-match verdict=would-drop direction=ingress)" -gt 0 ] ||
	fail "no would-drop counted"
is "not enforcing" "$(enforcing a)" 0
is "enforced again" "$(push a "$P" | jq .changed)" true
no "dropped again" tcp b 10.1.0.1 81
is "enforcing" "$(enforcing a)" 1

# unassigned: allow on the host needs no telling.
agent_stop a
agent_start a 'failsafe: []
unassigned: allow'
push_ok a "$SANDBOX/unassigned.yaml"
yes "allowed unassigned" tcp b 10.1.0.1 81
done_testing
