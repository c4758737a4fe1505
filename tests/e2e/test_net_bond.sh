#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A bond (active-backup) of two ports: judged at the bond, never at its ports
# (F23); flapping ports and failover cost no established flow and open nothing.
# The same for a VLAN on the bond. Host a has the bond, b a bridge.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
ns_add a b
A=$(ns a) B=$(ns b)
ip -n "$A" link add bond0 type bond mode active-backup miimon 20 2>/dev/null ||
	skip "this kernel has no bond devices"
ip -n "$B" link add br0 type bridge || skip "this kernel has no bridges"
for port in p0 p1; do
	veth a $port b $port
	ip -n "$A" link set $port down
	ip -n "$A" link set $port master bond0 || fail "$port: no port"
	ip -n "$B" link set $port master br0
done
ip -n "$A" link set bond0 up
ip -n "$B" link set br0 up
addr a bond0 10.9.0.1/24 fd00:9::1/64
addr b br0 10.9.0.2/24 fd00:9::2/64
ip -n "$A" link add link bond0 name bond0.5 type vlan id 5 || fail "no VLAN"
ip -n "$B" link add link br0 name br0.5 type vlan id 5 || fail "no VLAN"
ip -n "$A" link set bond0.5 up
ip -n "$B" link set br0.5 up
addr a bond0.5 10.9.5.1/24
addr b br0.5 10.9.5.2/24
echo_server a 80 81

agent_start a 'interfaces: ["bond*", "p?"]'
POLICY=$(policy bond '{name: web, from: any, protocol: tcp, ports: 80}')
sed -i 's,10.9.0.0/24,10.9.0.0/16,' "$POLICY"
push_ok a "$POLICY"
why() { status a ".interfaces[] | select(.name == \"$1\") | .why"; }
is "the bond" "$(why bond0)" 'matches bond*'
is "a port" "$(why p0)" 'port of bond0, which is taken'
is "the other" "$(why p1)" 'port of bond0, which is taken'
is "a VLAN on it" "$(why bond0.5)" 'on top of bond0, which is taken'
is "enforcing" "$(enforcing a bond0)" 1
no "nothing at a port" metric a moat_interface_enforcing interface=p0

of_rule() { metric a moat_rule_connections_total rule=web; }
dropped() {
	metric a moat_packets_total interface=bond0 direction=ingress \
		verdict=drop reason="${1:-sg-no-match}"
}
active() { ip -n "$A" -j -d link show bond0 | jq -r '.[0].linkinfo.info_data.active_slave'; }
active_is() { [ "$(active)" = "$1" ]; }

# Two connections that live through everything below.
line_open untagged b 10.9.0.1 80
line_open tagged b 10.9.5.1 80
n=0
# Retransmissions after a failover take their time.
alive() {
	n=$((n + 1))
	line_says untagged "line $n" && line_says tagged "line $n"
}
yes "two connections" alive
is "both opened by the rule" "$(of_rule)" 2

# still WHAT: the connections go on, nothing else has been opened
still() {
	local before opened
	yes "$1: connections live" alive
	before=$(dropped)
	in_ns b /usr/bin/python3 "$ROOT/tests/e2e/frames.py" br0 \
		"$(mac_of a bond0)" syn81 syn81-v6
	grew "$1: closed, each packet counted once" "$before" 2 dropped
	before=$(dropped)
	in_ns b /usr/bin/python3 "$ROOT/tests/e2e/frames.py" br0.5 \
		"$(mac_of a bond0)" syn81
	grew "$1: closed in the VLAN" "$before" 1 dropped
	opened=$(of_rule)
	soon "$1: open" 5 tcp b fd00:9::1 80
	[ "$(of_rule)" -gt "$opened" ] || fail "$1: no connection was counted"
	is "$1: no packet lost its flow" "$(dropped no-flow)" 0
	is "$1: enforcing" "$(enforcing a bond0)" 1
}
still "at first"

# Failover to and fro, by the other end's carrier.
for round in 1 2; do
	gone=$(active)
	[ "$gone" = p0 ] && other=p1 || other=p0
	ip -n "$B" link set "$gone" down
	soon "failover $round" 20 active_is "$other"
	still "failover $round"
	ip -n "$B" link set "$gone" up
done

# The active port flaps while it is the only one.
gone=$(active)
[ "$gone" = p0 ] && other=p1 || other=p0
ip -n "$B" link set "$other" down
for _ in 1 2 3 4 5; do
	ip -n "$B" link set "$gone" down
	ip -n "$B" link set "$gone" up
done
soon "back" 20 active_is "$gone"
still "after flapping"
ip -n "$B" link set "$other" up

# A port that leaves the bond is judged itself, and not when it is back.
is_enforcing() { [ "$(enforcing a "$1")" = 1 ]; }
port_again() { [ "$(why "$1")" = 'port of bond0, which is taken' ]; }
ip -n "$A" link set "$other" nomaster
ip -n "$A" link set "$other" up
soon "left, and judged" 5 is_enforcing "$other"
still "with one port"
ip -n "$A" link set "$other" down
ip -n "$A" link set "$other" master bond0
soon "back in the bond" 5 port_again "$other"
no "not judged there" metric a moat_interface_enforcing interface="$other"
ip -n "$B" link set "$gone" down
soon "failover to it" 20 active_is "$other"
still "over the port that came back"
ip -n "$B" link set "$gone" up

# The agent dead, a failover still costs nothing.
agent_stop a KILL
gone=$(active)
ip -n "$B" link set "$gone" down
[ "$gone" = p0 ] && other=p1 || other=p0
soon "failover without an agent" 20 active_is "$other"
yes "without an agent: connections live" alive
no "without an agent: closed" tcp b 10.9.0.1 81
agent_run a
still "with an agent again"
agent_stop a

agent_start a 'interfaces: auto'
is "auto" "$(why bond0)" 'auto: bond'
is "auto: the VLAN" "$(why bond0.5)" 'on top of bond0, which is taken'
done_testing
