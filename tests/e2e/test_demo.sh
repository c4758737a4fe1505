#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# moat demo: ends well, within a minute, and leaves nothing behind, also when
# it is interrupted.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root"
SANDBOX=$(mktemp -d "${TMPDIR:-/tmp}/moat-demo.XXXXXX") || exit 1
trap 'rm -rf "$SANDBOX"' EXIT
# What a machine has: namespaces, mounts, devices, our processes.
inventory() {
	ip netns list
	ip -br link
	sort /proc/self/mounts
	pgrep -x moatd
	pgrep -x iperf3
}
inventory >"$SANDBOX/before"

run_demo() {
	local began=$SECONDS
	if ! "$MOAT" demo "$@" >"$SANDBOX/log" 2>&1; then
		cat "$SANDBOX/log" >&2
		fail "moat demo $*"
	fi
	CHECKS=$((CHECKS + 1))
	yes "moat demo $* ends within a minute" [ $((SECONDS - began)) -lt 60 ]
	is "lines over 80 columns" "$(awk 'length($0) > 80' "$SANDBOX/log")" ""
	no "a wrong result" grep -qi wrong "$SANDBOX/log"
	inventory >"$SANDBOX/after"
	yes "nothing is left behind" cmp "$SANDBOX/before" "$SANDBOX/after"
}
run_demo
run_demo --xdp
yes "XDP dropped the scan" grep -q 'XDP dropped [3-9][0-9][0-9]' "$SANDBOX/log"

# Interrupted after it has set everything up.
for signal in INT TERM KILL; do
	"$MOAT" demo >"$SANDBOX/log" 2>&1 &
	demo=$!
	soon "the demo runs" 20 grep -q 'Before any policy' "$SANDBOX/log"
	kill -$signal $demo
	wait $demo
	no "a killed demo is no success" [ $? = 0 ]
	soon "nothing is left behind after SIG$signal" 5 bash -c "
		$(declare -f inventory)
		inventory | cmp -s - '$SANDBOX/before'"
done
done_testing
