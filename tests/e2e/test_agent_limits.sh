#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A host of more addresses and interfaces than there is room for: those that
# fit are judged, and status and metrics say of the others that they are not
# (G3).
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
agent_start a 'failsafe: []'
one_rule "$SANDBOX/p.yaml" web 80
push_ok a "$SANDBOX/p.yaml"
degraded() { status a '.degraded[]' | grep -q -- "$1"; }
healthy() { [ "$(status a '[.state, (.degraded | length)] | join(" ")')" = "enforcing 0" ]; }
yes "as it should be" healthy

# Addresses: 4,096 fit; b's way to the host itself is open and shut as before.
for i in $(seq 0 4199); do
	echo "addr add 10.1.$((i / 250 + 16)).$((i % 250 + 1))/32 dev eth0"
done >"$SANDBOX/addresses"
ip -n "$(ns a)" -batch "$SANDBOX/addresses" || fail "addresses"
soon "too many addresses" 10 degraded 'addresses, above 4096'
is "not enforcing" "$(enforcing a)" 0
is "nor by status" "$(status a .enforcing)" false
# One of the last, by the kernel's routes.
ip -n "$(ns b)" route add 10.1.32.0/24 via 10.1.0.1
in_ns a sysctl -qw net.ipv4.ip_forward=1
yes "one left out: open" tcp b 10.1.32.200 80
no "one left out: closed" tcp b 10.1.32.200 81
yes "open" tcp b 10.1.0.1 80
no "closed" tcp b 10.1.0.1 81
sed 's/addr add/addr del/' "$SANDBOX/addresses" >"$SANDBOX/gone"
ip -n "$(ns a)" -batch "$SANDBOX/gone" || fail "addresses"
soon "over" 10 healthy
is "enforcing" "$(enforcing a)" 1

# Interfaces: 63 have an entry.
for i in $(seq 1 70); do
	echo "link add eth$i type veth peer name far$i"
	echo "link set eth$i up"
done >"$SANDBOX/links"
ip -n "$(ns a)" -batch "$SANDBOX/links" || fail "links"
soon "too many interfaces" 10 degraded 'of 71 selected interfaces'
yes "open" tcp b 10.1.0.1 80
no "closed" tcp b 10.1.0.1 81
for i in $(seq 1 70); do echo "link del eth$i"; done >"$SANDBOX/links"
ip -n "$(ns a)" -batch "$SANDBOX/links" || fail "links"
soon "over" 20 healthy
done_testing
