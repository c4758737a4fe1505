#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Packets that are neither to nor from this host (design 3.8, F10): passed by
# default, judged on request; and a source that is not ours.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
ns_add a b c
veth a eth0 b eth0
veth a eth1 c eth0
addr a eth0 10.1.0.1/24 fd00:1::1/64
addr b eth0 10.1.0.2/24 fd00:1::2/64
addr a eth1 10.2.0.1/24 fd00:2::1/64
addr c eth0 10.2.0.2/24 fd00:2::2/64
in_ns a sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$(ns b)" route add default via 10.1.0.1
ip -n "$(ns c)" route add default via 10.2.0.1
ip -n "$(ns b)" -6 route add default via fd00:1::1
ip -n "$(ns c)" -6 route add default via fd00:2::1
echo_server c 80 81
cat >"$SANDBOX/p.yaml" <<'EOT'
version: 1
name: router
mode: enforce
security_groups:
  host:
    members: [10.1.0.1, 10.2.0.1, "fd00:1::1", "fd00:2::1"]
    ingress: []
    egress: []
EOT
sed 's/name: router/name: judged/' "$SANDBOX/p.yaml" >"$SANDBOX/judged.yaml"
cat >>"$SANDBOX/judged.yaml" <<'EOT'
  behind:
    members: [10.2.0.0/24, "fd00:2::/64", 10.1.0.2, "fd00:1::2"]
    ingress: [{name: web, from: [any], protocol: tcp, ports: [80]}]
    egress: [{name: web, to: [any], protocol: tcp, ports: [80]}]
EOT
sed -i 's/members: \[10.2.0.0\/24, "fd00:2::\/64"/members: [10.2.0.2, "fd00:2::2"/' "$SANDBOX/judged.yaml"

agent_start a 'failsafe: []'
push_ok a "$SANDBOX/p.yaml"
is "status says so" "$(status a .forwarding)" pass
yes "passes through" tcp b 10.2.0.2 80
yes "every port" tcp b 10.2.0.2 81
yes "IPv6" tcp b fd00:2::2 81
no "but not to the host" icmp b 10.1.0.1
[ "$(metric a moat_packets_total reason=forwarded verdict=allow direction=ingress interface=eth0)" -gt 0 ] || fail "not counted"
[ "$(metric a moat_packets_total reason=forwarded verdict=allow direction=egress interface=eth1)" -gt 0 ] || fail "not counted on egress"
is "no state is kept" "$(field a '{"cmd":"flows","local":"10.2.0.2"}' 'select(.ok) | .count')" 0

# A source of ours that is not ours (3.10): never leaves, leaves no state.
in_ns a ip addr add 10.9.9.9/32 dev lo
own() { status a '.addresses[].address' | grep -qx 10.9.9.9; }
soon "an own address on lo" 2 own
in_ns a ip addr del 10.9.9.9/32 dev lo
not_own() { ! own; }
soon "gone again" 2 not_own
printf x | in_ns a socat -u - UDP:10.2.0.2:9,bind=10.9.9.9,ip-transparent 2>/dev/null
[ "$(metric a moat_packets_total reason=spoofed-source verdict=drop direction=egress)" -gt 0 ] || fail "spoofed source not counted"

agent_stop a
agent_start a 'failsafe: []
forwarding: judge'
push_ok a "$SANDBOX/judged.yaml"
yes "judged: open" tcp b 10.2.0.2 80
yes "judged: open, IPv6" tcp b fd00:2::2 80
no "judged: closed" tcp b 10.2.0.2 81
no "judged: closed, IPv6" tcp b fd00:2::2 81
is "status says so" "$(status a .forwarding)" judge
push_ok a "$SANDBOX/p.yaml"
no "in no group: unassigned" tcp b 10.2.0.2 80
[ "$(metric a moat_packets_total reason=unassigned verdict=drop direction=ingress)" -gt 0 ] || fail "not counted as unassigned"
done_testing
