#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A rule's counter slot gets a new owner only when no flow holds it, and the new
# one begins at zero (F33).
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80
agent_start a 'failsafe: []
timeouts: {tcp_closing: 1s, tcp_half_closed: 1s}'
# only NAME PORT: all that is let in
only() {
	one_rule "$SANDBOX/$1.yaml" "$1" "$2"
	push_ok a "$SANDBOX/$1.yaml"
}
# slot NAME: as it is kept on disk
slot() { sed -n 2p "$SANDBOX/a/state/slots.json" | jq ".slots[] | select(.[4] == \"$1\") | .[0]"; }
packets() { field a '{"cmd":"rules"}' ".rules[] | select(.rule == \"$1\") | .packets"; }
rule_of() { field a '{"cmd":"flows","port":80,"table":"flows"}' '.flows // [] | .[].rule'; }
walked() { [ "$(status a .upkeep.walks)" -ge $((W + 5)) ]; }
walks() { W=$(status a .upkeep.walks); soon "the tables are walked" 60 walked; }

only one 80
line_open kept b 10.1.0.1 80
yes "talks" line_says kept first
S=$(slot one)
is "under its rule" "$(rule_of)" base/one

# The rule goes, the flow stays and holds its slot, however long.
only two 81
walks
only three 82
yes "goes on" line_says kept second
is "under its rule still" "$(rule_of)" base/one
[ "$(slot three)" != "$S" ] || fail "the slot was given away"
is "counted for nobody else" "$(packets three)" 0

# The flow ends: the slot goes to the next rule, with its counters at zero.
line_close kept
ended() { [ -z "$(rule_of)" ] && [ "$(field a '{"cmd":"flows"}' 'select(.ok) | .count')" = 0 ]; }
soon "no flow is left" 60 ended
given() { [ "$(sed -n 2p "$SANDBOX/a/state/slots.json" | jq '[.slots[] | select(.[4] == "one")] | length')" = 0 ]; }
soon "its slot is given back" 60 given
only four 80
is "the slot has a new owner" "$(slot four)" "$S"
is "from zero on" "$(packets four)" 0
yes "a connection" tcp b 10.1.0.1 80
N=$(packets four)
if [ "$N" -lt 1 ] || [ "$N" -gt 8 ]; then fail "packets: $N"; fi

# What is subtracted goes with the maps it was counted by, and stays with them.
agent_stop a
agent_run a
is "the same after a restart" "$(packets four)" "$N"
agent_stop a
detach_all a || fail "detach-all"
agent_run a
is "of new maps nothing is subtracted" "$(packets four)" 0
done_testing
