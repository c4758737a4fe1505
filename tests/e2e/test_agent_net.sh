#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Interfaces and addresses that come, go and change (R-17, F22, F23, F36), and
# what `interfaces: auto` takes.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
agent_start a 'failsafe: []
exclude: ["eth9*"]'
one_rule "$SANDBOX/p.yaml" web 80
push_ok a "$SANDBOX/p.yaml"
field_of() { status a ".interfaces[] | select(.name == \"$1\") | .$2"; }
is_enforcing() { [ "$(field_of "$1" enforcing)" = true ]; }

# Hot-plugged: enforced within a second of its appearance.
veth a eth1 b eth1
soon "a new interface is enforced" 1 is_enforcing eth1
addr a eth1 10.1.1.1/24
addr b eth1 10.1.1.2/24
soon "open on the new one" 3 tcp b 10.1.1.1 80
no "closed on the new one" tcp b 10.1.1.1 81

# Renamed: by the same programs, under the new name.
ip -n "$(ns a)" link set eth1 down
ip -n "$(ns a)" link set eth1 name eth5
ip -n "$(ns a)" link set eth5 up
ip -n "$(ns a)" addr replace 10.1.1.1/24 dev eth5
soon "renamed" 1 is_enforcing eth5
no "closed still" tcp b 10.1.1.1 81

# Deleted and made again under the same name: a stale pin enforces nothing.
ip -n "$(ns a)" link del eth5
veth a eth5 b eth5
soon "recreated" 1 is_enforcing eth5
addr a eth5 10.1.5.1/24
addr b eth5 10.1.5.2/24
soon "open after recreation" 3 tcp b 10.1.5.1 80
no "closed after recreation" tcp b 10.1.5.1 81

# A name that is no text: judged, and told of as any other.
veth a $'eth\xff\x1b' b odd
soon "a name that is no text" 3 is_enforcing 'eth??'
is "in the metrics" "$(enforcing a 'eth??')" 1
ip -n "$(ns a)" link del $'eth\xff\x1b'

# Given to another namespace: ours lets go of it.
ns_add c
ip -n "$(ns a)" link set eth5 netns "$(ns c)"
ip -n "$(ns c)" link set eth5 up
addr c eth5 10.1.5.1/24
echo_server c 81
soon "let go" 2 tcp b 10.1.5.1 81

# A link-local address follows the others of its interface.
ll=$(in_ns a ip -6 -j addr show dev eth0 scope link | jq -r '[.[].addr_info[].local | values] | first')
yes "link-local, open" tcp b "$ll%eth0" 80
no "link-local, closed" tcp b "$ll%eth0" 81
is "follows" "$(status a ".addresses[] | select(.address == \"$ll\") | .follows")" fd00:1::1

# Excluded, and names that never match.
veth a eth9 b eth9
veth a other0 b other0
gone() { [ "$(field_of "$1" selected)" = false ]; }
soon "excluded" 1 gone eth9
is "why" "$(field_of eth9 why)" 'excluded by eth9*'
is "not named" "$(field_of other0 why)" 'not in the configured interfaces'
is "loopback" "$(field_of lo why)" 'loopback is never judged'
is "not judged is told" "$(metric a moat_unenforced_device device=other0 kind=veth)" 1
no "not judged, so no series" metric a moat_interface_enforcing interface=other0

# A glob takes no device on top of one it took, nor a port of it (F23).
ip -n "$(ns a)" link add eth7 type bridge
ip -n "$(ns a)" link set eth0 master eth7
ip -n "$(ns a)" link set eth7 up
soon "the port leaves" 1 gone eth0
is "why" "$(field_of eth0 why)" 'port of eth7, which is taken'
soon "its master is enforced" 1 is_enforcing eth7
ip -n "$(ns a)" link set eth0 nomaster
ip -n "$(ns a)" link del eth7
soon "and comes back" 1 is_enforcing eth0
no "closed" tcp b 10.1.0.1 81

# A new own address is judged at once, with its groups; one in none is named.
addr a eth0 10.1.0.77/24
has_address() { status a '.addresses[].address' | grep -qx "$1"; }
soon "new address" 1 has_address 10.1.0.77
yes "open on it" tcp b 10.1.0.77 80
no "closed on it" tcp b 10.1.0.77 81
addr a eth0 192.0.2.7/32
ip -n "$(ns b)" route add 192.0.2.7/32 via 10.1.0.1
unassigned() { [ "$(metric a moat_unassigned_addresses)" = 1 ]; }
soon "in no group" 1 unassigned
no "all to it is dropped" tcp b 192.0.2.7 80
[ "$(metric a moat_packets_total reason=unassigned verdict=drop interface=eth0)" -gt 0 ] ||
	fail "not counted as unassigned"
# auto: a veth only where it carries a default route, names of others never.
agent_stop a
agent_start a 'failsafe: []
interfaces: auto'
is "auto without default route" "$(field_of eth0 why)" 'auto: veth without a default route'
ip -n "$(ns a)" route add default via 10.1.0.2
soon "auto with one" 1 is_enforcing eth0
is "why" "$(field_of eth0 why)" 'auto: veth with a default route'
ip -n "$(ns a)" link add docker0 type bridge
ip -n "$(ns a)" link add v0 type bridge
ip -n "$(ns a)" tuntap add tun0 mode tun
soon "told" 1 gone tun0
is "docker0" "$(field_of docker0 why)" 'auto: name of a container or tunnel device'
is "bridge" "$(field_of v0 why)" 'auto: a bridge device'
is "tun" "$(field_of tun0 why)" 'auto: a tun device'
ip -n "$(ns a)" route del default
soon "detached when it leaves" 3 tcp b 10.1.0.1 81
done_testing
