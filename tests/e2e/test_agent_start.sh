#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the first start does: before_first_policy, the configured policy file,
# max_mode, --check-config (interface.md section 2).
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 22 80
F='failsafe: [{name: ssh, direction: ingress, protocol: tcp, ports: [22], peers: [10.1.0.0/24]}]'

# Nothing was ever committed: attached, counting, dropping nothing.
agent_start a "$F"
is "state before the first policy" "$(status a .state)" before-first-policy
is "status exits 1" "$(status a .code)" 1
is "policy" "$(status a .policy)" null
is "enforcing" "$(enforcing a)" 0
is "attached" "$(metric a moat_interface_attached interface=eth0 hook=tc-ingress attach="$(tc_kind)")" 1
yes "all passes before the first policy" tcp b 10.1.0.1 80
yes "also outwards" icmp a fd00:1::2
is "nothing dropped" "$(metric a moat_packets_total verdict=drop)" 0
[ "$(metric a moat_packets_total reason=before-first-policy)" -gt 0 ] ||
	fail "nothing was counted as before-first-policy"

# deny: failsafe and essentials only, from the same pins on.
agent_stop a
agent_start a "$F
before_first_policy: deny"
yes "failsafe passes" tcp b 10.1.0.1 22
no "the rest does not" tcp b 10.1.0.1 80
no "nor outwards" icmp a 10.1.0.2
in_ns b ip -6 neigh flush dev eth0
in_ns b ping -6 -nqc1 -W1 fd00:1::1 >/dev/null 2>&1
yes "neighbours are found" sh -c "in_ns() { nsenter --net=/run/netns/$(ns b) \"\$@\"; }; in_ns ip -6 neigh show fd00:1::1 | grep -q lladdr"

# The configured file is used as long as nothing was committed.
agent_stop a
policy "$SANDBOX/a/policy.yaml" enforce 80
agent_start a "$F"
is "first policy from the file" "$(status a .policy.name)" test
is "state" "$(status a .state)" enforcing
is "enforcing" "$(enforcing a)" 1
yes "as the file says" tcp b 10.1.0.1 80
is "the file is in force" "$(metric a moat_policy_file_differs)" 0

# Later the committed one counts, not the file.
agent_stop a
policy "$SANDBOX/a/policy.yaml" enforce 8080
agent_start a "$F"
yes "still the committed one" tcp b 10.1.0.1 80
differs() { [ "$(metric a moat_policy_file_differs)" = 1 ]; }
soon "the difference is told" 8 differs

# max_mode: audit turns everything into audit (R-15: it drops nothing).
agent_stop a
agent_start a "$F
max_mode: audit"
is "state" "$(status a .state)" audit
is "effective mode" "$(status a .policy.effective_mode)" audit
is "not enforcing" "$(enforcing a)" 0
yes "a denied port passes" tcp b 10.1.0.1 22
no_drops=$(metric a moat_packets_total verdict=drop)
echo_server a 8081
yes "nothing is dropped" tcp b 10.1.0.1 8081
is "no drop is counted" "$(metric a moat_packets_total verdict=drop)" "$no_drops"
[ "$(metric a moat_packets_total verdict=would-drop reason=sg-no-match direction=ingress)" -gt 0 ] ||
	fail "no would-drop counted"

# A broken configuration: exit 1, with the place.
printf 'version: 1\ninterfaces: auto\nbogus: 1\n' >"$SANDBOX/bad.yaml"
"$MOATD" --check-config --config "$SANDBOX/bad.yaml" 2>"$SANDBOX/err"
is "check-config of a bad file" $? 1
yes "names the place" grep -q 'bad.yaml:3:1: error' "$SANDBOX/err"
"$MOATD" --check-config --config "$SANDBOX/a/moatd.yaml"
is "check-config of a good file" $? 0
"$MOATD" --check-config --config "$SANDBOX/none.yaml" 2>/dev/null
is "check-config of no file" $? 1
done_testing
