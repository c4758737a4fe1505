#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What outlives the agent (G2), what --detach-all undoes, and what a damaged
# state directory comes to.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
F='failsafe: [{name: ssh, direction: ingress, protocol: tcp, ports: [22], peers: [10.1.0.0/24]}]'
agent_start a "$F"
policy "$SANDBOX/p80.yaml" enforce 80
policy "$SANDBOX/p81.yaml" enforce 81
push_ok a "$SANDBOX/p81.yaml"
push_ok a "$SANDBOX/p80.yaml"
G=$(gen_of a)
reaches() { tcp b 10.1.0.1 "$1"; }

# A connection that lives through everything below.
line_open kept b 10.1.0.1 80
n=0
alive() {
	n=$((n + 1))
	line_says kept "line $n"
}
yes "connection" alive

agent_stop a KILL
yes "after kill: open" reaches 80
no "after kill: closed" reaches 81
yes "after kill: connection lives" alive
agent_run a
is "same generation" "$(gen_of a)" "$G"
is "no new history" "$(field a '{"cmd":"history"}' '.entries?[]?.generation' | grep -c .)" 2
yes "after restart: connection lives" alive
no "after restart: closed" reaches 81
is "enforcing" "$(enforcing a)" 1
is "no repair was needed" "$(metric a moat_drift_repairs_total)" 0
[ "$(metric a moat_rule_connections_total rule=tcp)" -gt 0 ] || fail "counters were lost"

agent_stop a TERM
yes "after stop: open" reaches 80
no "after stop: closed" reaches 81
yes "after stop: connection lives" alive

# Another configuration takes effect at the restart.
agent_start a "$F
max_mode: audit"
yes "audit" reaches 81
agent_stop a
agent_start a "$F"
no "enforced" reaches 81
yes "connection lives" alive

# The newest entry of the history whose checksum holds.
damage() { printf X | dd of="$1" bs=1 seek=200 conv=notrunc status=none; }
agent_stop a
damage "$SANDBOX/a/state/committed.json"
agent_run a
yes "from the history" reaches 80
no "closed" reaches 81
is "degraded" "$(status a '.degraded | length')" 1

# Only when none holds: deny and failsafe (as after a reboot: no maps).
agent_stop a
damage "$SANDBOX/a/state/committed.json"
for f in "$SANDBOX"/a/state/history/*; do damage "$f"; done
detach_all a || fail "detach-all"
yes "detached" reaches 81
agent_run a
is "state" "$(status a .state)" lockdown
is "status exits 1" "$(status a .code)" 1
no "all shut" reaches 80
echo_server a 22
yes "but the failsafe" reaches 22
is "not enforcing a policy" "$(enforcing a)" 0
push_ok a "$SANDBOX/p80.yaml"
yes "a push ends it" reaches 80
is "state" "$(status a .state)" enforcing

# Another machine's state counts as nothing committed.
agent_stop a
f=$SANDBOX/a/state/committed.json
rm -f "$SANDBOX"/a/state/history/*
body=$(sed -n 2p "$f" | jq -c '.machine = "0123456789abcdef0123456789abcdef"')
{
	printf 'moat-state 2 %s\n%s\n' "$(printf %s "$body" | sha256sum | cut -d' ' -f1)" "$body"
	tail -n +3 "$f"
} >"$f.new"
mv "$f.new" "$f"
detach_all a || fail "detach-all"
agent_run a
is "of another machine" "$(status a .state)" before-first-policy

# --detach-all refuses while the agent runs, then leaves nothing.
detach_all a 2>/dev/null
is "detach-all beside the agent" $? 2
agent_stop a
detach_all a || fail "detach-all"
no "pins are gone" test -e "$SANDBOX/bpf/a"
is "twice is no error" "$(detach_all a && echo ok)" ok
done_testing
