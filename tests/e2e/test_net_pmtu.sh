#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Path MTU 9000 -> 1500 under deny-all-else (R-28): the router that says "too
# big" is in no rule, its errors are related to the flow.
. "$(dirname "$0")/lib.sh"
sandbox
ns_add a r b
veth a eth0 r left
veth r right b eth0
for end in a:eth0 r:left; do
	in_ns "${end%:*}" ip link set "${end#*:}" mtu 9000
done
addr a eth0 10.9.1.1/24 fd00:9:1::1/64
addr r left 10.9.1.254/24 fd00:9:1::254/64
addr r right 10.9.2.254/24 fd00:9:2::254/64
addr b eth0 10.9.2.1/24 fd00:9:2::1/64
in_ns r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
in_ns a ip route add 10.9.2.0/24 via 10.9.1.254
in_ns a ip -6 route add fd00:9:2::/64 via fd00:9:1::254
in_ns b ip route add 10.9.1.0/24 via 10.9.2.254
in_ns b ip -6 route add fd00:9:1::/64 via fd00:9:2::254
cat >"$SANDBOX/pmtu.yaml" <<-EOT
	version: 1
	name: pmtu
	mode: enforce
	security_groups:
	  host:
	    members: [10.9.1.1, "fd00:9:1::1"]
	    ingress: []
	    egress: [{name: data, to: [10.9.2.1, "fd00:9:2::1"], protocol: tcp, ports: 5000}]
EOT
agent_start a
push_ok a "$SANDBOX/pmtu.yaml"
# TCP would agree on b's MSS: b offers 9000 as well, the narrow link is between
in_ns b ip link set eth0 mtu 9000
in_ns r ip link set right mtu 1500
for to in 10.9.2.1 fd00:9:2::1; do
	case $to in *:*) v=6 target="[$to]" ;; *) v=4 target=$to ;; esac
	start b "$SANDBOX/sink.log" socat -u "TCP$v-LISTEN:5000,reuseaddr" "OPEN:$SANDBOX/got,creat,trunc"
	until_ok 5 in_ns b sh -c 'ss -Htln "sport = :5000" | grep -q .'
	yes "1 MiB over IPv$v" sh -c "head -c 1048576 /dev/zero | nsenter --net=/run/netns/$(ns a) timeout 10 socat -u - TCP$v:$target:5000"
	wait "$STARTED" 2>/dev/null
	is "all of it arrived by IPv$v" "$(stat -c %s "$SANDBOX/got")" 1048576
done
related=$(metric a moat_packets_total direction=ingress reason=related verdict=allow)
[ "$related" -ge 2 ] || fail "errors of both families were related, got $related"
yes "IPv4 path MTU learnt" sh -c "nsenter --net=/run/netns/$(ns a) ip route get 10.9.2.1 | grep -q 'mtu 1500'"
yes "IPv6 path MTU learnt" sh -c "nsenter --net=/run/netns/$(ns a) ip -6 route get fd00:9:2::1 | grep -q 'mtu 1500'"
is "nothing else of the router came in" "$(metric a moat_packets_total direction=ingress reason=not-related verdict=drop || echo 0)" 0
done_testing
