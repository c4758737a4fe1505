#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Three capabilities are enough: CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON. And each
# of them is needed.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
command -v setpriv >/dev/null || skip "no setpriv"
two_hosts
echo_server a 80 81
policy "$SANDBOX/a/policy.yaml" enforce 80
agent_config a 'failsafe: []
xdp: native'
with_caps() {
	local caps=$1
	shift
	nsenter --net="/run/netns/$(ns a)" setpriv --no-new-privs \
		--inh-caps="-all" --bounding-set="-all,$caps" -- "$@"
}
with_caps +bpf,+net_admin,+perfmon "$MOATD" --config \
	"$SANDBOX/a/moatd.yaml" >>"$SANDBOX/a/moatd.log" 2>&1 </dev/null &
AGENT_PID[a]=$!
CHILDREN+=("$!")
until_ok 30 agent_answers a || fail "no answer"
pid=$(field a '{"cmd":"version"}' .pid)
CHILDREN+=("$pid")
is "capabilities held" "$(sed -n 's/^CapEff:\t//p' "/proc/$pid/status")" \
	000000c000001000
is "enforcing" "$(enforcing a)" 1
is "XDP too" "$(metric a moat_interface_attached hook=xdp attach=native)" 1
yes "open" tcp b 10.1.0.1 80
no "closed" tcp b 10.1.0.1 81
policy "$SANDBOX/p.yaml" enforce 81
push_ok a "$SANDBOX/p.yaml" '"confirm_seconds": 30'
yes "pushed" tcp b 10.1.0.1 81
is "confirmed" "$(field a '{"cmd":"confirm"}' .ok)" true
is "explained by the programs" "$(field a '{"cmd":"explain","engine":"kernel","probes":[{"dir":"ingress","local":"10.1.0.1","remote":"10.1.0.2","proto":"tcp","dport":81}]}' '.answers[0].verdict')" allow
veth a eth1 b eth1
is_enforcing() { [ "$(enforcing a eth1)" = 1 ]; }
soon "hot-plug" 2 is_enforcing
kill -TERM "$pid"
gone() { ! kill -0 "$pid"; }
soon "stopped" 5 gone

for caps in +bpf,+net_admin +bpf,+perfmon +net_admin,+perfmon; do
	with_caps "$caps" timeout 20 "$MOATD" --config \
		"$SANDBOX/a/moatd.yaml" 2>"$SANDBOX/err" </dev/null
	is "with $caps alone" $? 2
done
yes "the reason is told" grep -q 'CAP_BPF' "$SANDBOX/err"
yes "and the old programs judge" tcp b 10.1.0.1 81
done_testing
