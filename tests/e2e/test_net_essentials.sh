#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Functions are handed to soon and yes by name.
# shellcheck disable=SC2317
# ARP, neighbour discovery, DAD, MLD, router advertisements and DHCP go on
# under a policy that allows nothing (R-29, R-30, G14, F4).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
agent_start a
push_ok a "$(policy empty)"
no "nothing in" icmp b 10.9.0.1
no "nothing in by IPv6" icmp b fd00:9::1

# b resolves a, and a resolves b, from nothing
for n in a b; do
	in_ns $n ip neigh flush all
	in_ns $n ip -6 neigh flush all
done
resolved() { in_ns "$1" ip neigh show "$2" | grep -Eq 'REACHABLE|DELAY|STALE|PROBE'; }
icmp b 10.9.0.1
yes "ARP answered" resolved b 10.9.0.1
icmp b fd00:9::1
soon "solicitation answered" 3 resolved b fd00:9::1
icmp a 10.9.0.2
yes "ARP asked" resolved a 10.9.0.2
icmp a fd00:9::2
soon "solicitation asked" 3 resolved a fd00:9::2

# Duplicate address detection: :: asks, and the answer arrives
in_ns a sysctl -qw net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.eth0.dad_transmits=1
in_ns a ip addr add fd00:9::77/64 dev eth0
dad_done() { ! in_ns a ip addr show dev eth0 tentative | grep -q fd00:9::77; }
soon "DAD ends" 5 dad_done
in_ns a ip addr add fd00:9::2/64 dev eth0
dad_failed() { in_ns a ip addr show dev eth0 dadfailed | grep -q 'fd00:9::2/'; }
soon "DAD sees the duplicate" 5 dad_failed
in_ns a ip addr del fd00:9::2/64 dev eth0

# DHCP: a client asks from 0.0.0.0, a server answers to broadcast
start b "$SANDBOX/dhcp.log" socat -u UDP4-RECVFROM:67,broadcast,reuseaddr "OPEN:$SANDBOX/discover,creat,trunc"
until_ok 5 in_ns b sh -c 'ss -Hlun "sport = :67" | grep -q .'
before=$(metric a moat_packets_total direction=egress reason=dhcp verdict=allow)
in_ns a /usr/bin/python3 "$ROOT/tests/e2e/dhcp.py" discover eth0
soon "DHCPDISCOVER arrives" 5 test -s "$SANDBOX/discover"
grew "counted as dhcp" "$before" 1 metric a moat_packets_total direction=egress reason=dhcp verdict=allow
before=$(metric a moat_packets_total direction=ingress reason=dhcp verdict=allow)
in_ns b /usr/bin/python3 "$ROOT/tests/e2e/dhcp.py" offer eth0
grew "DHCPOFFER passes" "$before" 1 metric a moat_packets_total direction=ingress reason=dhcp verdict=allow

# Solicitation over a router is no neighbour's
for r in ipv6-nd non-ip; do
	[ "$(metric a moat_packets_total reason=$r verdict=allow)" -ge 2 ] || fail "$r was not counted"
done
is "nothing else came in" "$(metric a moat_packets_total direction=ingress verdict=allow reason=sg-allow)" 0
done_testing
