#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Functions are handed to soon and yes by name.
# shellcheck disable=SC2317
# Two uplinks: what leaves by one rail and is answered on the other is one
# flow (R-34). A hot-plugged, renamed or recreated interface is enforced
# within a second (R-17).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
veth a eth1 b eth1
addr a eth1 10.9.1.1/24 fd00:9:1::1/64
addr b eth1 10.9.1.2/24 fd00:9:1::2/64
for n in a b; do
	in_ns $n sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
done
# a reaches b's far address by eth0; b answers by eth1
in_ns b ip addr add 10.8.0.2/32 dev lo
in_ns b ip -6 addr add fd00:8::2/128 dev lo
in_ns a ip route add 10.8.0.2 via 10.9.0.2 src 10.9.0.1
in_ns a ip -6 route add fd00:8::2 via fd00:9::2 src fd00:9::1
in_ns b ip route add 10.9.0.1/32 via 10.9.1.1
in_ns b ip -6 route add fd00:9::1/128 via fd00:9:1::1
echo_server b 443
cat >"$SANDBOX/rails.yaml" <<-EOT
	version: 1
	name: rails
	mode: enforce
	security_groups:
	  host:
	    members: [10.9.0.0/16, "fd00:9::/32"]
	    ingress: [{name: web, from: any, protocol: tcp, ports: 80}]
	    egress: [{name: https, to: any, protocol: tcp, ports: 443}]
EOT
agent_start a
push_ok a "$SANDBOX/rails.yaml"
for to in 10.8.0.2 fd00:8::2; do
	before=$(metric a moat_packets_total interface=eth1 direction=ingress reason=established)
	yes "answered on the other rail" tcp a $to 443
	after=$(metric a moat_packets_total interface=eth1 direction=ingress reason=established)
	[ "$after" -gt "$before" ] || fail "replies did not come by eth1"
done
is "no drop" "$(metric a moat_packets_total verdict=drop direction=ingress)" 0

# Hot plug, rename, recreate: denied within a second, allowed stays allowed
echo_server a 80 81
enforced() { [ "$(metric a moat_interface_enforcing interface="$1")" = 1 ]; }
veth a eth2 b eth2
addr a eth2 10.9.2.1/24 fd00:9:2::1/64
addr b eth2 10.9.2.2/24 fd00:9:2::2/64
soon "hot-plugged eth2 is enforced" 1 enforced eth2
yes "allowed on eth2" tcp b 10.9.2.1 80
no "denied on eth2" tcp b 10.9.2.1 81
in_ns a ip link set eth2 down
in_ns a ip link set eth2 name eth7
in_ns a ip link set eth7 up
soon "renamed to eth7 it is enforced" 1 enforced eth7
no "denied on eth7" tcp b 10.9.2.1 81
ip -n "$(ns a)" link del eth7
veth a eth7 b eth2
addr a eth7 10.9.2.1/24
addr b eth2 10.9.2.2/24
soon "recreated eth7 is enforced" 1 enforced eth7
no "denied on the new eth7" tcp b 10.9.2.1 81
yes "allowed on the new eth7" tcp b 10.9.2.1 80
done_testing
