#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Tables grow while packets pass: what the old programs counted after the copy
# is counted still when the agent has been killed and started again.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
agent_start a 'failsafe: []'
start b /dev/null socat -u UDP4-RECV:5000 OPEN:/dev/null
soon "listener" 20 in_ns b sh -c 'ss -Hlun "sport = :5000" | grep -q .'

# grown CIDRS RULES PREFIX: a policy with so many networks, and rules more
grown() {
	cat <<-EOT
		version: 1
		name: grown
		mode: enforce
		security_groups:
		  base:
		    members: [10.1.0.1/32, "fd00:1::1/128"]
		    ingress: []
		    egress:
		      - {name: data, to: any, protocol: udp, ports: 5000}
		      - name: many
		        protocol: tcp
		        ports: 443
		        to:
	EOT
	# shellcheck disable=SC2016 # awk's own
	seq "$1" | awk '{ x = $1 * 2654435761 % 4294967296
		printf "          - \"2001:%x:%x:%x::/64\"\n", x / 65536, \
			x % 65536, $1 * 40503 % 65536 }'
	seq "$2" | sed "s/.*/      - {name: $3&, to: any, protocol: tcp, ports: &}/"
}
packets() { field a '{"cmd":"rules"}' '.rules[] | select(.rule == "data") | .packets'; }
counts() { [ "$(packets)" -gt "$N" ]; }
# What was added to the file's counts, of any rule.
carried() {
	sed -n 2p "$SANDBOX/a/state/slots.json" |
		jq -e '[.slots[][6:] | add] | any(. < 0)' >/dev/null
}

# Each is more than fits: of networks, then of rules. 0: some were carried.
grow_and_restart() {
	local size before
	grown 1 1 r >"$SANDBOX/p.yaml"
	push_ok a "$SANDBOX/p.yaml"
	N=0
	for size in "40000 1 r" "80000 1 r" "80000 9000 r" "80000 9000 s"; do
		before=$N
		start a /dev/null socat -u -b 64 /dev/zero UDP4:10.1.0.2:5000
		soon "packets are counted" 20 counts
		# shellcheck disable=SC2086 # three words
		grown $size >"$SANDBOX/p.yaml"
		push_ok a "$SANDBOX/p.yaml"
		kill "$STARTED"
		wait "$STARTED" 2>/dev/null
		N=$(packets)
		[ "$N" -gt "$before" ] || fail "counted backwards: $before, $N"
		agent_stop a KILL
		agent_run a
		is "the same after a restart, $size" "$(packets)" "$N"
		carried && return 0
	done
	return 1
}
# On a busy machine the sender may sleep just then.
for ((round = 1; ; round++)); do
	grow_and_restart && break
	[ "$round" -lt 6 ] || fail "nothing ever came after a copy"
	agent_end a
	agent_run a
done

# And a restart that nothing was counted before.
agent_stop a
agent_run a
is "after another restart" "$(packets)" "$N"
done_testing
