#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What this kernel has and lacks: doctor says each lack in one line, and what
# is used instead enforces.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
policy "$SANDBOX/p.yaml" enforce 80
agent_start a 'failsafe: []
xdp: native'
push_ok a "$SANDBOX/p.yaml"

# The versions that brought them, from the kernel's own history.
tcx=no frags=no
since 6.6 && tcx=yes
since 5.18 && frags=yes

"$MOAT" --socket "$(sock a)" doctor -o json >"$SANDBOX/doctor"
"$MOAT" --socket "$(sock a)" doctor | grep -E '^kernel'
lines() {
	jq -r --arg n "$1" --arg t "$2" '[.[] | select(.name == $n and
		(.text | startswith($t)))] | length' "$SANDBOX/doctor"
}
is "the kernel" "$(lines kernel "$(uname -r), tc by $([ $tcx = yes ] && echo tcx || echo clsact)")" 1
is "tcx is lacking" "$(lines 'kernel lacks' 'tcx ')" "$([ $tcx = no ] && echo 1 || echo 0)"
is "XDP frags are lacking" "$(lines 'kernel lacks' 'XDP frags ')" "$([ $frags = no ] && echo 1 || echo 0)"
is "lacks, all" "$(lines 'kernel lacks' '')" "$(printf "%s\n" $tcx $frags | grep -c no)"
is "none of it is bad" "$(jq '[.[] | select(.name | startswith("kernel")) | select(.level == "bad")] | length' "$SANDBOX/doctor")" 0

attached() { metric a moat_interface_attached interface=eth0 "hook=$1" "attach=$2"; }
want=$(tc_kind)
is "ingress by $want" "$(attached tc-ingress "$want")" 1
is "egress by $want" "$(attached tc-egress "$want")" 1
is "XDP natively" "$(attached xdp native)" 1
is "enforcing" "$(enforcing a)" 1
for address in 10.1.0.1 fd00:1::1; do
	yes "open, $address" tcp b "$address" 80
	no "closed, $address" tcp b "$address" 81
	yes "ping, $address" icmp b "$address"
done
[ "$(metric a moat_packets_total reason=sg-no-match verdict=drop interface=eth0)" -ge 2 ] ||
	fail "not counted"
done_testing
