#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# /metrics and /metrics/flows of a working agent: clean for the official
# parser, true, and bounded; the sockets and who may do what on them.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80
umask 077
agent_start a 'failsafe: []
metrics: {listen: "127.0.0.1:9849", flows_max_series: 4, textfile: '"$SANDBOX"'/node.prom}'
clean() { scrape a "$1" | /usr/bin/python3 "$ROOT/tests/support/check_page.py"; }
yes "clean before the first policy" clean /metrics
policy "$SANDBOX/p.yaml" enforce 80
cat >>"$SANDBOX/p.yaml" <<'EOT'
network_acls:
  front:
    applies_to: [base]
    ingress:
      - {rule: 50, action: deny, from: [10.1.0.66]}
      - {rule: 100, action: allow, from: [any]}
    egress: [{rule: 100, action: allow, to: [any]}]
EOT
push_ok a "$SANDBOX/p.yaml"
yes "clean" clean /metrics
is "zero-valued from load on" "$(metric a moat_rule_packets_total layer=nacl group=front rule=50 verdict=drop)" 0
for i in 1 2 3; do yes "connection $i" tcp b 10.1.0.1 80; done
is "connections" "$(metric a moat_rule_connections_total layer=sg group=base rule=tcp verdict=allow)" 3
is "connections of the table" "$(metric a moat_flows_created_total table=flows)" 3
# Segments of a flow are credited to its group rule, openings to both (F18).
nacl=$(metric a moat_rule_packets_total layer=nacl group=front rule=100 direction=ingress verdict=allow)
sg=$(metric a moat_rule_packets_total layer=sg group=base rule=tcp verdict=allow)
[ "$sg" -ge 15 ] || fail "rule packets: $sg"
is "NACL openings" "$nacl" 3
addr b eth0 10.1.0.66/24
no "denied by the NACL" in_ns b nc -z -w 1 -s 10.1.0.66 10.1.0.1 80
# One, and more where the machine is slow enough for it to be sent again.
N=$(metric a moat_rule_packets_total layer=nacl group=front rule=50 verdict=drop)
[ "$N" -ge 1 ] || fail "not counted with the rule"
is "and the reason" "$(metric a moat_packets_total reason=nacl-deny verdict=drop direction=ingress)" "$N"

# Five sources, four series: the rest is in other, the sum is exact.
for i in 11 12 13 14 15; do
	addr b eth0 10.1.0.$i/24
	in_ns b ping -nq -c 1 -W 1 -I 10.1.0.$i 10.1.0.1 >/dev/null
done
flows() { scrape a /metrics/flows | /usr/bin/python3 "$ROOT/tests/e2e/metric.py" "$@"; }
folded() { [ "$(flows moat_flow_packets_total src=other)" -gt 0 ]; }
soon "the rest is folded" 8 folded
yes "clean" clean /metrics/flows
series=$(scrape a /metrics/flows | grep '^moat_flow_packets_total' | grep -vc other)
[ "$series" -le 4 ] || fail "$series series"
# Every packet that had a flow or a record is in one of the series.
exact() {
	local iface
	iface=$(metric a moat_packets_total interface=eth0)
	for r in non-ip ipv6-nd ipv6-ra icmp-errors before-first-policy; do
		iface=$((iface - $(metric a moat_packets_total "reason=$r")))
	done
	[ "$(flows moat_flow_packets_total)" = "$iface" ]
}
soon "the sum is exact" 10 exact
is "other pages" "$(in_ns a curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9849/)" 404
no "not from outside" in_ns b curl -s --max-time 1 http://10.1.0.1:9849/metrics
textfile() { grep -q '^moat_policy_generation 2$' "$SANDBOX/node.prom"; }
soon "textfile" 17 textfile
# node_exporter is another user, and the agent's umask need not be ours.
is "everybody reads it" "$(stat -c %a "$SANDBOX/node.prom")" 644

# Sockets: modes, and what the read-only one refuses.
is "folder" "$(stat -c '%a %u' "$SANDBOX/a/run")" '750 0'
is "control socket" "$(stat -c '%a %u' "$(sock a)")" '660 0'
is "read socket" "$(stat -c '%a %u' "$(read_sock a)")" '660 0'
ask_read() { printf '%s\n' "$1" | socat -t 10 - "UNIX-CONNECT:$(read_sock a)"; }
is "looking" "$(ask_read '{"cmd":"rules"}' | jq .ok)" true
for c in push confirm rollback kill reload; do
	is "$c is refused" "$(ask_read "{\"cmd\":\"$c\"}" | jq .code)" 3
done
chmod 755 "$SANDBOX" "$SANDBOX/a"
no "nobody may connect" setpriv --reuid 65534 --regid 65534 --clear-groups \
	socat -u OPEN:/dev/null "UNIX-CONNECT:$(sock a)"

# Nobody who sends nonsense or hangs stops the agent.
head -c 100000 /dev/urandom | socat -t 1 - "UNIX-CONNECT:$(sock a)" >/dev/null 2>&1
yes "alive" agent_answers a
done_testing
