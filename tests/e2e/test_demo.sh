#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# moat demo: ends well, within a minute, and leaves nothing behind, also when
# it is interrupted.
# Called through yes and soon:
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root"
SANDBOX=$(mktemp -d "${TMPDIR:-/tmp}/moat-demo.XXXXXX") || exit 1
trap 'rm -rf "$SANDBOX"' EXIT
# What a demo could leave behind: its namespaces, devices and mounts by name,
# its processes by a mark in their environment. Other tests may run meanwhile.
HOSTS='fabric|bastion|trainer0|trainer1|storage|stranger'
export MOAT_DEMO_MARK=mark-$$
leftovers() {
	ip netns list | grep -E "^($HOSTS)( |$)"
	ip -br link | grep -E "^($HOSTS)[@ ]"
	grep -F /run/moat-demo /proc/self/mounts
	grep -lzx "MOAT_DEMO_MARK=$MOAT_DEMO_MARK" /proc/[0-9]*/environ \
		2>/dev/null | grep -vx "/proc/\($$\|self\|$BASHPID\)/environ" |
		while read -r f; do
			{ tr '\0' ' ' <"${f%environ}cmdline"; } 2>/dev/null |
				grep -E '^(bash -c|[^ ]*(moat|moatd|socat|iperf3)) '
		done
}
clean() { [ -z "$(leftovers)" ]; }

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
	is "what is left behind" "$(leftovers)" ""
}
run_demo
run_demo --xdp
yes "XDP dropped the scan" grep -q 'XDP dropped [3-9][0-9][0-9]' "$SANDBOX/log"

# Interrupted after it has set everything up.
for signal in INT TERM KILL; do
	"$MOAT" demo >"$SANDBOX/log" 2>&1 &
	demo=$!
	soon "the demo runs" 20 grep -q 'Before any policy' "$SANDBOX/log"
	no "leftovers are seen while it runs" clean
	kill -$signal $demo
	wait $demo
	no "a killed demo is no success" [ $? = 0 ]
	soon "nothing is left behind after SIG$signal" 5 clean
done
done_testing
