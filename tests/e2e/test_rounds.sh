#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Nothing leaks (R-48): after rounds of pushes that are taken, refused and taken
# back, and of interfaces that come and go, the agent holds as many
# descriptors, maps, programs, links and pins as before, and as much memory.
# ROUNDS (1000), INTERFACES (100); `make soak` takes 10,000 and 1,000.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
ROUNDS=${ROUNDS:-1000}
INTERFACES=${INTERFACES:-100}
D=$SANDBOX/host
rounds_clean() {
	local rc=$?
	kill -9 "${AGENT_PID[host]:-}" && wait "${AGENT_PID[host]}"
	umount "$D/state"
	return "$rc"
} 2>/dev/null
trap 'rounds_clean; sandbox_clean' EXIT
ns_add host
ns_add peer
veth host eth0 peer eth0
addr host eth0 10.9.0.1/24 fd00:9::1/64
addr peer eth0 10.9.0.2/24 fd00:9::2/64
# The disk of the machine would be what is measured.
mkdir "$D/state"
mount -t tmpfs -o size=16m,mode=700 tmpfs "$D/state" || fail "tmpfs"
agent_start host 'failsafe: []'
PID=${AGENT_PID[host]}

rounds() {
	/usr/bin/python3 -B "$ROOT/tests/e2e/rounds.py" "$(sock host)" "$1" "$2" ||
		fail "a round"
}
attached() { [ "$(status host '[.interfaces[] | select(.enforcing)] | length')" = "$1" ]; }
# interfaces COUNT: so many come, are attached to, and go
interfaces() {
	local i
	for ((i = 0; i < $1; i++)); do
		veth host eth1 peer eth1
		soon "enforced" 20 attached 2
		ip -n "$(ns host)" link del eth1
		soon "let go" 20 attached 1
	done
}
descriptors() {
	find "/proc/$PID/fd" -mindepth 1 -printf '%l\n' |
		sed 's/bpf_/bpf-/; s/[0-9]\+/N/g' | sort | uniq -c
}
# Ids of maps that its descriptors hold, and those of the programs.
count_of() { grep -h "^$1" /proc/"$PID"/fdinfo/* | sort -u | wc -l; }
pins() { (cd "$SANDBOX/bpf/host" && find . | sed 's/[0-9]\+/N/g' | sort | uniq -c); }
held() {
	descriptors
	echo "$(count_of map_id) maps, $(count_of prog_id) programs, $(count_of link_id) links"
	pins
	find "$D/state" -type f | sed 's/[0-9]\+/N/g' | sort | uniq -c
}
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$PID/status"; }

# The history holds what it may, and what grows with use has grown.
rounds 1 200
interfaces 5
rounds 201 240
sleep 11	# memory is given back every ten seconds
held >"$SANDBOX/before"
RSS=$(rss)
start=$SECONDS
rounds 241 $((240 + ROUNDS))
echo "$ROUNDS rounds: $((SECONDS - start)) s"
start=$SECONDS
interfaces "$INTERFACES"
echo "$INTERFACES interfaces: $((SECONDS - start)) s"
rounds $((241 + ROUNDS)) $((280 + ROUNDS))
same() {
	held >"$SANDBOX/after"
	cmp -s "$SANDBOX/before" "$SANDBOX/after"
}
until_ok 30 same || { diff "$SANDBOX/before" "$SANDBOX/after"; fail "more than before is held"; }
CHECKS=$((CHECKS + 1))
# One part in a hundred, and the pages by which a heap is off from one reading
# to the next: over thousands of rounds it goes up and down by 60 KiB.
given_back() { [ "$(rss)" -le $((RSS + RSS / 100 + 128)) ]; }
soon "memory is given back ($RSS KiB before)" 30 given_back
echo "resident: $RSS KiB, now $(rss) KiB"
is "the same agent" "$(field host '{"cmd":"version"}' .pid)" "$PID"
done_testing
