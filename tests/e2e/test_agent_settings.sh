#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the configuration says of timeouts, mid-stream segments and essentials is
# what the programs do, after a change and a restart over the same maps too.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80
agent_start a 'failsafe: []'
policy "$SANDBOX/p.yaml" enforce 80
push_ok a "$SANDBOX/p.yaml"

# Seconds that a new flow of a table has left.
left() { field a "{\"cmd\":\"flows\",\"table\":\"$1\"}" '.flows // [] | .[].expires_seconds' | sort -n | tail -n 1; }
between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }
# A connection that stays, and a ping.
talk() {
	start b "$SANDBOX/nc.log" sh -c "sleep 60 | nc -p $1 10.1.0.1 80"
	until_ok 10 in_ns b sh -c "ss -Htn state established 'sport = :$1' | grep -q ." || fail "no connection"
	yes "ping" icmp b 10.1.0.1
}
midstream() {
	field a '{"cmd":"explain","engine":"kernel","probes":[{"dir":"ingress","local":"10.1.0.1","remote":"10.1.0.2","proto":"tcp","dport":80,"flags":"A"}]}' \
		'.answers[0].reason'
}
discover() { in_ns a /usr/bin/python3 "$ROOT/tests/e2e/dhcp.py" discover eth0 2>/dev/null; }
dhcp() { metric a moat_packets_total direction=egress reason=dhcp verdict=allow; }
solicited() { metric a moat_packets_total reason=ipv6-nd; }

talk 5001
yes "five days" between "$(left flows)" 431900 432000
yes "half a minute" between "$(left other)" 15 30
is "judged in midstream" "$(midstream)" sg-allow
before=$(dhcp)
discover
is "DHCP passes" "$(dhcp)" $((before + 1))

agent_stop a
agent_config a 'failsafe: []
midstream: drop
timeouts: {tcp_established: 1000s, icmp: 300s}
essentials: {dhcp: false, ipv6-nd: false}'
agent_run a
talk 5002
now_less() { between "$(field a '{"cmd":"flows","peer":"10.1.0.2"}' '.flows // [] | .[] |
	select(.remote_port == 5002 and .state == "established") | .expires_seconds')" 900 1000; }
soon "a thousand seconds" 10 now_less
longer() { between "$(left other)" 200 300; }
soon "five minutes" 10 longer
is "not judged in midstream" "$(midstream)" no-flow
before=$(dhcp)
discover
is "no essential any more" "$(dhcp)" "$before"
before=$(solicited)
in_ns b ip -6 neigh flush all
no "no neighbours" icmp b fd00:1::1
is "no essential either" "$(solicited)" "$before"
done_testing
