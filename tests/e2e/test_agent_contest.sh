#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two agents on one interface, each of which insists on being first (F22): they
# answer each other ever less often, say so, and one of them enforces.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
# Filters of two agents would be one filter (kern/attach_clsact.c).
[ "$(tc_kind)" = tcx ] || skip "no order of links before Linux 6.6"
two_hosts
ahead() { field "$1" '{"cmd":"status"}' "[.interfaces[].tc_egress.ahead // empty] | .[0].$2 // 0"; }
agent_start a 'failsafe: []'
# Pins and state of its own, in the same namespace.
ip netns attach "$(ns c)" "${AGENT_PID[a]}" || fail "a second name"
NAMESPACES+=("$(ns c)")
mkdir "$SANDBOX/c"
FROM=${EPOCHREALTIME//[.,]/}
agent_start c 'failsafe: []
metrics: {listen: "127.0.0.1:9850"}'
policy "$SANDBOX/p.yaml" enforce 80
push_ok a "$SANDBOX/p.yaml"
push_ok c "$SANDBOX/p.yaml"
# Every piece of news is a look: nothing but the pauses holds them back.
look() { ip -n "$(ns a)" link set eth0 alias "at $EPOCHREALTIME"; }
contested() { look && [ "$(ahead a contested)" = true ] && [ "$(ahead c contested)" = true ]; }
PATIENCE=90
soon "each has found that the other won't stop" 60 contested
# answers_of SECONDS: at 0, 5, 15 and 35 s
answers_of() {
	local next most=1
	for ((next = 5; next <= $1; next = next * 2 + 5)); do
		most=$((most + 1))
	done
	echo "$most"
}
for n in a c; do
	times=$(ahead $n times)
	took=$(((${EPOCHREALTIME//[.,]/} - FROM) / 1000000 + 1))
	echo "$n: $times answers in $took s"
	[ "$times" -le "$(answers_of "$took")" ] || fail "too many answers of $n"
	# Looked at while it moves, it is moat_tc_next, and news of its own.
	yes "$n: whose it is" grep -qxE 'moat_tc_(egress|next)' <<<"$(ahead $n name)"
	clear=$(grep -c "keeps coming ahead of ours on egress" "$SANDBOX/$n/moatd.log")
	yes "$n: a line when it is clear" [ "$clear" -ge 1 ]
	yes "$n: not many" [ "$clear" -le 3 ]
	yes "$n: one line for each before that" [ "$(grep -c "came ahead of ours on egress" \
		"$SANDBOX/$n/moatd.log")" -le 2 ]
	status $n '.degraded[]' >"$SANDBOX/said"
	yes "$n: status says so" grep -qE "\(moat_tc_(egress|next)\) keeps coming ahead of ours on egress" "$SANDBOX/said"
	field $n '{"cmd":"doctor"}' '.checks[] | select(.name == "order") | .fix' >"$SANDBOX/said"
	yes "$n: what to do" grep -q "another moatd" "$SANDBOX/said"
done
# Whoever is second says that he does not enforce.
first() { field "$1" '{"cmd":"status"}' '[.interfaces[] | select(.selected)][0].enforcing'; }
one_enforces() { look && grep -qxE "true false|false true" <<<"$(first a) $(first c)"; }
soon "only one enforces" 20 one_enforces
agent_stop c
detach_all c || fail "detach-all"
look
back() { look && [ "$(first a)" = true ]; }
soon "alone again" 20 back
done_testing
