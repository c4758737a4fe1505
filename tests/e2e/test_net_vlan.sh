#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# VLAN devices: a tag in the packet's metadata and in the frame, tc and XDP,
# judged at the device below or at the VLAN itself, never twice (F23, F24).
# Host a and its neighbour b speak over VLAN 5 of eth0.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
ns_add a b
veth a eth0 b eth0
# vlan NS LOWER ID ADDR...
vlan() {
	local n=$1 lower=$2 id=$3
	shift 3
	ip -n "$(ns "$n")" link add link "$lower" name "$lower.$id" type vlan \
		id "$id" 2>/dev/null || skip "this kernel has no VLAN devices"
	ip -n "$(ns "$n")" link set "$lower.$id" up
	addr "$n" "$lower.$id" "$@"
}
vlan a eth0 5 10.9.0.1/24 fd00:9::1/64
vlan b eth0 5 10.9.0.2/24 fd00:9::2/64
echo_server a 80 81
echo_server b 80 81
why() { status a ".interfaces[] | select(.name == \"$1\") | .why"; }
of_rule() { metric a moat_rule_connections_total rule="$1"; }
# dropped DIRECTION: packets that no rule let pass, at the device under test
dropped() {
	metric a moat_packets_total interface="$AT" direction="$1" \
		verdict=drop reason=sg-no-match
}
# one SHAPE: b sends it into the VLAN, and it is dropped once
one() {
	local before
	before=$(dropped ingress)
	in_ns b /usr/bin/python3 "$ROOT/tests/e2e/frames.py" eth0.5 \
		"$(mac_of a eth0)" "$1"
	grew "$1 dropped at $AT ($WHAT)" "$before" 1 dropped ingress
}
verdicts() {
	local address before opened
	opened=$(of_rule web)
	before=$(dropped egress)
	for address in 10.9.0.1 fd00:9::1; do
		yes "$WHAT: open, $address" tcp b "$address" 80
		no "$WHAT: closed, $address" tcp b "$address" 81
	done
	is "$WHAT: connections in" $(($(of_rule web) - opened)) 2
	one syn81
	one syn81-v6
	opened=$(of_rule out)
	yes "$WHAT: out" tcp a 10.9.0.2 80
	yes "$WHAT: out, IPv6" tcp a fd00:9::2 80
	is "$WHAT: connections out" $(($(of_rule out) - opened)) 2
	no "$WHAT: not out" tcp a 10.9.0.2 81
	[ "$(dropped egress)" -gt "$before" ] || fail "$WHAT: egress not counted"
	is "$WHAT: enforcing" "$(enforcing a "$AT")" 1
	is "$WHAT: nothing without a link header" "$(metric a \
		moat_packets_total reason=truncated verdict=drop)" 0
}
POLICY=$(policy vlan '{name: web, from: any, protocol: tcp, ports: 80}' \
	'{name: out, to: any, protocol: tcp, ports: 80}')

# Judged at eth0, where the tag is still there: in metadata as the device
# offloads it, else in the frame.
AT=eth0
for xdp in none native; do
	for offload in on off; do
		WHAT="tag offload $offload, xdp $xdp"
		for n in a b; do
			in_ns $n ethtool -K eth0 txvlan $offload rxvlan $offload \
				>/dev/null 2>&1
			is "$n: tag offload" "$(in_ns $n ethtool -k eth0 |
				sed -n 's/^tx-vlan-offload: \([a-z]*\).*/\1/p')" $offload
		done
		agent_start a "xdp: $xdp"
		push_ok a "$POLICY"
		is "attached to eth0 alone" "$(why eth0.5)" \
			'on top of eth0, which is taken'
		is "XDP" "$(metric a moat_interface_attached interface=eth0 \
			hook=xdp attach=$xdp)" "$([ $xdp = none ] && echo 0 || echo 1)"
		verdicts
		agent_end a
	done
done

# A VLAN in the VLAN: still judged once, at eth0.
vlan a eth0.5 7 10.9.7.1/24
vlan b eth0.5 7 10.9.7.2/24
agent_start a
push_ok a "$POLICY"
is "VLAN in VLAN" "$(why eth0.5.7)" 'on top of eth0, which is taken'
sed -i 's,10.9.0.0/24,10.9.0.0/16,' "$POLICY"
push_ok a "$POLICY"
opened=$(of_rule web)
yes "open, two tags" tcp b 10.9.7.1 80
no "closed, two tags" tcp b 10.9.7.1 81
is "judged once" $(($(of_rule web) - opened)) 1
agent_stop a

# Judged at the VLAN itself, which has no tag any more.
AT=eth0.5
agent_start a 'interfaces: ["eth0.5"]'
push_ok a "$POLICY"
is "the VLAN alone" "$(why eth0.5)" 'named in the configuration'
is "not below" "$(why eth0)" 'not in the configured interfaces'
WHAT='at the VLAN'
verdicts
# Gone and made again.
ip -n "$(ns a)" link del eth0.5
gone() { [ -z "$(why eth0.5)" ]; }
soon "the VLAN is gone" 5 gone
vlan a eth0 5 10.9.0.1/24 fd00:9::1/64
is_enforcing() { [ "$(enforcing a eth0.5)" = 1 ]; }
soon "made again, enforced" 5 is_enforcing
WHAT='at the VLAN made again'
verdicts
agent_stop a

agent_start a 'interfaces: auto'
is "auto" "$(why eth0.5)" 'auto: vlan'
is "auto, below" "$(why eth0)" 'auto: veth without a default route'
done_testing
