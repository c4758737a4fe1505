#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What attackers send (tests/e2e/attacks.py), IPv4 and IPv6, without XDP and
# with both kinds of it, VLAN tags taken off by the device and left in the
# frame: verdict, reason and counter of each; nothing dropped is delivered or
# answered.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours

# Loopback addresses are routable, so that none but us drops them
# (CVE-2020-8558).
in_ns a sysctl -qw net.ipv4.conf.all.route_localnet=1
quiet 10.9.0.66 fd00:9::66

# offload on|off: of both ends
offload() {
	for n in a b; do
		in_ns "$n" ethtool -K eth0 rxvlan "$1" txvlan "$1" ||
			fail "no VLAN offload to turn $1"
	done
}

attack() {
	agent_start a "xdp: $1"
	push_ok a "$(policy attacked '{name: web, from: any, protocol: tcp, ports: 80}, {name: data, from: any, protocol: udp, ports: 5000}, {name: ping, from: any, service: ping}')"
	against "XDP $1, offload $2" attack_run.py
	agent_end a
}

for tags in on off; do
	offload "$tags"
	attack none "$tags"
	attack native "$tags"
done
attack generic off
done_testing
