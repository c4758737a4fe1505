#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Stateful replies and the wrong direction, IPv4 and IPv6 (design 3.5, 3.7).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
agent_start a
echo_server a 80 81
echo_server b 443 444
push_ok a "$(policy open \
	'{name: web, from: any, protocol: tcp, ports: 80}, {name: ping, from: any, service: ping}' \
	'{name: https, to: any, protocol: tcp, ports: 443}, {name: dns, to: any, protocol: udp, ports: 5300}')"

for peer in 10.9.0. fd00:9::; do
	yes "allowed in" tcp b "${peer}1" 80
	no "closed in" tcp b "${peer}1" 81
	yes "allowed out" tcp a "${peer}2" 443
	no "closed out" tcp a "${peer}2" 444
	yes "ping in" icmp b "${peer}1"
	no "ping out" icmp a "${peer}2"
done

# UDP: the reply passes, other ports and hosts don't
start b "$SANDBOX/udp.log" socat UDP4-LISTEN:5300,fork,reuseaddr EXEC:cat
until_ok 5 in_ns b sh -c 'ss -Hlun "sport = :5300" | grep -q .'
is "UDP reply" "$(echo hello | in_ns a timeout 3 socat -t 1 - UDP4:10.9.0.2:5300,sourceport=6000)" hello
before=$(count a drop sg-no-match)
echo x | in_ns b socat - UDP4:10.9.0.1:6000,sourceport=5301
echo x | in_ns b socat - UDP4:10.9.0.1:6001,sourceport=5300,reuseaddr
grew "UDP from the wrong port, to the wrong port" "$before" 2 count a drop sg-no-match

# An echo request with the identifier of our own ping is judged by the rules
# (GHSA-c66w-hq56-4q97): a's own pings are denied out, b's allowed in.
before=$(metric a moat_rule_connections_total group=host rule=ping)
yes "ping again" icmp b 10.9.0.1
grew "one flow a ping" "$before" 1 metric a moat_rule_connections_total group=host rule=ping

# Shapes without a flow
before=$(count a drop no-flow)
frames rst synack
grew "RST and SYN-ACK without a flow" "$before" 2 count a drop no-flow

# The rules' counters: four connections were let in to web
[ "$(metric a moat_rule_connections_total group=host rule=web direction=ingress)" = 2 ] ||
	fail "web: $(metric a moat_rule_connections_total group=host rule=web)"
is "egress rule" "$(metric a moat_rule_connections_total group=host rule=https direction=egress)" 2
done_testing
