#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Dummy devices: never taken by auto, judged when named, and an address on one
# is this host's like any other (3.8).
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
A=$(ns a)
ip -n "$A" link add dummy0 type dummy 2>/dev/null ||
	skip "this kernel has no dummy devices"
ip -n "$A" link set dummy0 up
addr a dummy0 10.9.77.1/32 fd00:9:77::1/128
ip -n "$(ns b)" route add 10.9.77.1/32 via 10.9.0.1
ip -n "$(ns b)" -6 route add fd00:9:77::1/128 via fd00:9::1
echo_server a 80 81
POLICY=$(policy dummy '{name: web, from: any, protocol: tcp, ports: 80}' \
	'{name: ping, to: any, service: ping}')
sed -i 's,10.9.0.0/24,10.9.0.0/16,; s,fd00:9::/64,fd00:9::/32,' "$POLICY"
why() { status a ".interfaces[] | select(.name == \"$1\") | .why"; }
counted() {
	metric a moat_packets_total interface="$1" direction="$2" \
		verdict="$3" reason="$4"
}

agent_start a 'interfaces: auto'
is "auto" "$(why dummy0)" 'auto: a dummy device'
is "told as not judged" "$(metric a moat_unenforced_device device=dummy0 kind=dummy)" 1
agent_stop a

# Its addresses are judged where their packets come in.
agent_start a
push_ok a "$POLICY"
for address in 10.9.77.1 fd00:9:77::1; do
	yes "a dummy's address, open: $address" tcp b "$address" 80
	before=$(counted eth0 ingress drop sg-no-match)
	no "a dummy's address, closed: $address" tcp b "$address" 81
	[ "$(counted eth0 ingress drop sg-no-match)" -gt "$before" ] ||
		fail "$address: not counted"
done
is "no address without a group" "$(metric a moat_unassigned_addresses)" 0
agent_stop a

# Named: what leaves through it is judged.
agent_start a 'interfaces: ["eth*", dummy0]
xdp: generic'
push_ok a "$POLICY"
is "named" "$(why dummy0)" 'named in the configuration'
is "enforcing" "$(enforcing a dummy0)" 1
ip -n "$A" route add 10.9.88.0/24 dev dummy0 src 10.9.77.1
leaves() {
	local before
	before=$(counted dummy0 egress allow sg-allow)
	no "$1: nobody answers" icmp a 10.9.88.1
	grew "$1: a ping leaves" "$before" 1 counted dummy0 egress allow sg-allow
	before=$(counted dummy0 egress drop sg-no-match)
	in_ns a nc -u -w 1 10.9.88.1 9 <<<x
	grew "$1: a datagram doesn't" "$before" 1 counted dummy0 egress drop sg-no-match
}
leaves "taken"
ip -n "$A" link del dummy0
gone() { [ -z "$(why dummy0)" ]; }
soon "gone" 5 gone
ip -n "$A" link add dummy0 type dummy
ip -n "$A" link set dummy0 up
addr a dummy0 10.9.77.1/32
ip -n "$A" route add 10.9.88.0/24 dev dummy0 src 10.9.77.1
is_enforcing() { [ "$(enforcing a dummy0)" = 1 ]; }
soon "made again, enforced" 5 is_enforcing
leaves "made again"
done_testing
