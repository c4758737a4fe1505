#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# xdp: none, auto, native, generic: taking XDP away changes no verdict, and a
# refusal means tc only, with the reason.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
policy "$SANDBOX/p.yaml" enforce 80
agent_start a 'failsafe: []'
push_ok a "$SANDBOX/p.yaml"
xdp() { metric a moat_interface_attached interface=eth0 hook=xdp "attach=$1"; }
none() { is "$1" "$(metric a moat_interface_attached interface=eth0 hook=xdp)" 0; }
restart_with() { agent_stop a; agent_start a "failsafe: []
xdp: $1"; }
none "none is the default"
holds none
is "not by XDP" "$(metric a moat_xdp_dropped_packets_total)" 0
restart_with generic
is "generic" "$(xdp generic)" 1
holds generic
[ "$(metric a moat_xdp_dropped_packets_total)" -gt 0 ] || fail "XDP dropped nothing"
restart_with native
is "native" "$(xdp native)" 1
holds native

# A changed MAC address: what comes for the former one is tc's, which passes it
# as another host's, and what comes for the new one is dropped by XDP (F19).
xmas() {
	in_ns b /usr/bin/python3 "$ROOT/tests/e2e/frames.py" eth0 "$1" xmas
}
dropped() { metric a moat_xdp_dropped_packets_total; }
left() { metric a moat_packets_total verdict=allow reason=other-host; }
# more COUNTER MAC: does it count an xmas for that address?
more() {
	local before
	before=$("$1") && xmas "$2" && [ "$("$1")" -gt "$before" ]
}
former=$(ip -n "$(ns a)" -j link show eth0 | jq -r '.[0].address')
soon "its own address" 20 more dropped "$former"
in_ns a ip link set eth0 address 02:00:00:00:00:77 || fail "ip"
soon "the former address" 20 more left "$former"
soon "the new address" 20 more dropped 02:00:00:00:00:77
before=$(dropped)
yes "the former address again" more left "$former"
is "not by XDP" "$(dropped)" "$before"
in_ns b ip neigh flush all
holds 'new MAC address'
restart_with auto
none "auto never takes veth"
is "why" "$(status a '.interfaces[] | select(.name == "eth0") | .xdp_why')" \
	'xdp: auto takes physical devices only'
holds auto
restart_with none
none "taken away"
holds 'none again'

# Somebody else's XDP program stays, ours is left out, tc enforces. A guest of
# vmtest has no compiler; bpf/test_attach_xdp.c holds the same there.
agent_stop a
[ "$SLOW" = 1 ] || done_testing
cat >"$SANDBOX/x.c" <<'EOT'
__attribute__((section("xdp"), used)) int pass(void *ctx) { return 2; }
char LICENSE[] __attribute__((section("license"), used)) = "GPL";
EOT
clang -O2 -target bpf -c "$SANDBOX/x.c" -o "$SANDBOX/x.o" || fail "clang"
bpftool prog load "$SANDBOX/x.o" "$SANDBOX/bpf/foreign" type xdp || fail "load"
in_ns a bpftool net attach xdpgeneric pinned "$SANDBOX/bpf/foreign" dev eth0 || fail "attach"
agent_start a 'failsafe: []
xdp: generic'
none "refused"
[ -n "$(status a '.interfaces[] | select(.name == "eth0") | .xdp_why')" ] || fail "no reason"
holds 'beside a foreign program'
yes "it is still there" sh -c "nsenter --net=/run/netns/$(ns a) ip link show eth0 | grep -q xdpgeneric"
done_testing
