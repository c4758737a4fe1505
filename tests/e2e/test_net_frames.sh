#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Real frames of odd shape at tc, with XDP off and on: fragments, VLAN tags
# (at ingress in skb metadata, F24), truncation, flags, sources. A listener
# waits behind the denied port; b sees whether anything answers.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
echo_server a 80 81

# expect SHAPE VERDICT REASON [PACKETS]
expect() {
	local before
	before=$(count a "$2" "$3")
	frames "$1"
	grew "$1 ($XDP)" "$before" "${4:-1}" count a "$2" "$3"
}

# out SHAPE: a sends it, tagged in the frame; dropped on its way out
out() {
	local counter=(metric a moat_packets_total direction=egress
		verdict=drop reason=sg-no-match) before
	before=$("${counter[@]}")
	in_ns a /usr/bin/python3 "$ROOT/tests/e2e/frames.py" eth0 \
		"$(mac_of b eth0)" "$1"
	grew "$1 dropped" "$before" 1 "${counter[@]}"
}

for XDP in none native; do
	agent_start a "xdp: $XDP"
	push_ok a "$(policy shapes '{name: web, from: any, protocol: tcp, ports: 80}, {name: data, from: any, protocol: udp, ports: 5000}')"
	yes "open port" tcp b 10.9.0.1 80
	no "closed port" tcp b 10.9.0.1 81
	expect syn81 drop sg-no-match
	expect syn81-v6 drop sg-no-match
	expect vlan5-81 drop sg-no-match
	expect vlan0-81 drop sg-no-match
	expect qinq-81 drop sg-no-match
	expect vlan5-81-v6 drop sg-no-match
	expect three-tags drop vlan-depth
	expect short-ip drop truncated
	expect short-ip6 drop truncated
	expect short-tcp drop truncated
	expect null drop tcp-flags
	expect xmas drop tcp-flags
	expect source-own drop own-source
	expect source-loopback drop bad-source
	expect rst drop no-flow
	expect synack drop no-flow
	expect frags-open allow sg-allow
	expect frags-open allow fragment
	expect frags-open-v6 allow fragment
	expect frags-closed drop sg-no-match
	expect frags-closed drop fragment-no-first
	expect frags-closed-v6 drop fragment-no-first
	out out-81
	out out-vlan5-81
	out out-vlan5-81-v6
	out out-qinq-81
	is "XDP drops counted" "$([ "$(metric a moat_packets_total reason=tcp-flags verdict=drop)" -ge 2 ] && echo yes)" yes
	agent_end a
done
done_testing
