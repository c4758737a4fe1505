#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The time of day jumps while a push waits: neither the deadline nor what is
# said of it hangs on it (F8, R-33).
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80
echo_server a 81
gcc -shared -fPIC -O2 -o "$SANDBOX/clock.so" "$ROOT/tests/e2e/soak_clock.c" ||
	fail "soak_clock.c"
export SOAK_CLOCK=$SANDBOX/offset
jump() { printf '%s' "$1" | /usr/bin/python3 -c 'import struct, sys
open(sys.argv[1], "r+b").write(struct.pack("q", int(sys.stdin.read())))' "$SOAK_CLOCK"; }
head -c 8 /dev/zero >"$SOAK_CLOCK"
policy "$SANDBOX/p80.yaml" enforce 80
policy "$SANDBOX/p81.yaml" enforce 81
LD_PRELOAD=$SANDBOX/clock.so agent_start a 'failsafe: []'
push_ok a "$SANDBOX/p80.yaml"
G=$(gen_of a)
left() { field a "{\"cmd\":\"pending\"}" .seconds_left; }
# The deadline's distance from the agent's time of day, in seconds.
ahead() {
	local wall
	wall=$(($(date +%s) + $1))
	echo $(($(date +%s -d "$(field a '{"cmd":"pending"}' .deadline)") - wall))
}
between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }

push_ok a "$SANDBOX/p81.yaml" '"confirm_seconds": 600'
for offset in 86400 -86400 0; do
	jump $offset
	yes "waits" test "$(field a '{"cmd":"pending"}' .state)" = pending
	yes "seconds that are left, clock at $offset" between "$(left)" 300 600
	yes "the deadline, clock at $offset" between "$(ahead $offset)" 300 601
	yes "in status, clock at $offset" between "$(status a .pending.seconds_left)" 300 600
done
is "confirmed" "$(field a '{"cmd":"confirm"}' .ok)" true

# A clock that is set back does not keep a rejected policy in force.
jump 86400
push_ok a "$SANDBOX/p80.yaml" '"confirm_seconds": 4'
jump -86400
soon "undone in time" 20 tcp b 10.1.0.1 81
undone() { [ "$(status a .pending)" = null ]; }
soon "and by the agent" 10 undone
[ "$(gen_of a)" -gt "$G" ] || fail "generation"
W=$(status a .upkeep.walks)
walked() { [ "$(status a .upkeep.walks)" -gt "$W" ]; }
soon "still walks its tables" 30 walked
done_testing
