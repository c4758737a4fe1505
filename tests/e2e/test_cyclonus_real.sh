#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Thirty cyclonus cases by real packets between nine namespaces, an agent in
# each. The data lies in $MOAT_CONFORMANCE, or ../shared/conformance beside the
# project.
. "$(dirname "$0")/lib.sh"
DATA=${MOAT_CONFORMANCE:-$ROOT/../shared/conformance}/cyclonus
if ! [ -r "$DATA/cases-v4.jsonl" ]; then
	skip "$DATA is not there: NO cyclonus case was tried by real packets (set MOAT_CONFORMANCE)"
fi
sandbox
ns_add switch
ip -n "$(ns switch)" link add br0 type bridge || skip "no bridge device here"
ip -n "$(ns switch)" link set br0 up
pods=()
for n in 17 18 19 33 34 35 49 50 51; do
	pod=pod$n
	ns_add "$pod"
	veth "$pod" eth0 switch "$pod"
	ip -n "$(ns switch)" link set "$pod" master br0
	addr "$pod" eth0 "192.168.242.$n/24" \
		"fd00:192:168:242::$(printf %x "$n")/64"
	agent_config "$pod"
	pods+=("$(ns "$pod")=$(sock "$pod")")
done
# All at once: loading is the kernel's work, and takes a second each.
for n in 17 18 19 33 34 35 49 50 51; do
	agent_run "pod$n"
done
/usr/bin/python3 "$ROOT/tests/e2e/cyclonus.py" "$DATA" 30 "${pods[@]}" ||
	fail "cyclonus"
exit 0
