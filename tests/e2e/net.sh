# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What the network tests share: host a (the agent, 10.9.0.1, fd00:9::1) and its
# neighbour b (10.9.0.2, fd00:9::2) on eth0. Sourced after lib.sh.

# neighbours: makes both
neighbours() {
	ns_add a b
	veth a eth0 b eth0
	addr a eth0 10.9.0.1/24 fd00:9::1/64
	addr b eth0 10.9.0.2/24 fd00:9::2/64
}

# policy NAME [INGRESS [EGRESS]]: rules as YAML flow items; to a file whose
# path is printed
policy() {
	local f=$SANDBOX/$1.yaml
	cat >"$f" <<-EOT
		version: 1
		name: $1
		mode: enforce
		security_groups:
		  host:
		    members: [10.9.0.0/24, "fd00:9::/64"]
		    ingress: [${2-}]
		    egress: [${3-}]
	EOT
	echo "$f"
}

# count NS VERDICT REASON: packets in, all interfaces
count() {
	metric "$1" moat_packets_total direction=ingress verdict="$2" \
		reason="$3" || echo 0
}
# grew WHAT BEFORE BY COMMAND...: what the command counts becomes so much more
# than before, and no more. NAPI and XDP finish on their own time.
grew() {
	local what=$1 goal=$(($2 + $3))
	shift 3
	until_ok 5 counts_to "$goal" "$@"
	is "$what" "$("$@")" "$goal"
}
counts_to() {
	local goal=$1
	shift
	[ "$("$@")" -ge "$goal" ]
}

# frames NS SHAPE...: from b's eth0 (or $FROM) to a's MAC
mac_of() { ip -n "$(ns "$1")" -j link show "$2" | jq -r ".[0].address"; }
frames() {
	in_ns b /usr/bin/python3 "$ROOT/tests/e2e/frames.py" eth0 \
		"$(mac_of a eth0)" "$@"
}

# against WHAT SCRIPT ARGUMENT...: a script that plays b against a and says what
# is wrong
against() {
	local what=$1 script=$2
	shift 2
	CHECKS=$((CHECKS + 1))
	/usr/bin/python3 "$ROOT/tests/e2e/$script" "/run/netns/$(ns a)" \
		"/run/netns/$(ns b)" "$(mac_of a eth0)" "$(mac_of b eth0)" "$@" \
		>"$SANDBOX/out" || fail "$what: $(cat "$SANDBOX/out")"
	echo "$what: $(tail -n 1 "$SANDBOX/out")"
}

# quiet ADDR...: nobody has these addresses: no answer makes b talk. a sends to
# them without asking, takes packets of any source, and neither host says
# anything of its own accord.
quiet() {
	local n addr
	in_ns a sysctl -qw net.ipv4.conf.all.rp_filter=0 \
		net.ipv4.conf.eth0.rp_filter=0 net.ipv6.conf.eth0.accept_ra=0
	for addr in "$@"; do
		ip -n "$(ns a)" neigh replace "$addr" lladdr "$(mac_of b eth0)" \
			dev eth0 nud permanent
	done
	for n in a b; do
		in_ns "$n" sysctl -qw net.ipv6.conf.eth0.router_solicitations=0
		in_ns "$n" ip link set eth0 multicast off
	done
}
