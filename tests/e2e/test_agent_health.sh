#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Enforcement is what the kernel says, not the pins (G3, R-10, F22, F48):
# programs taken away, put behind another, an image edited, pins removed or
# hidden.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
agent_start a 'failsafe: []'
policy "$SANDBOX/p.yaml" enforce 80
push_ok a "$SANDBOX/p.yaml"
G=$(gen_of a)
no "closed" tcp b 10.1.0.1 81
pins=$(echo "$SANDBOX"/bpf/a/v*)
links() { find "$pins/links" -name '*_tc_*' | wc -l; }
# Before Linux 6.6 filters hold our programs, and no pin does.
LINKS=$([ "$(tc_kind)" = tcx ] && echo 2 || echo 0)
is "links" "$(links)" "$LINKS"
pins() { find "$pins" -type f | wc -l; }
PINS=$(pins)
[ "$PINS" -gt 20 ] || fail "few pins: $PINS"
is "only root reads pins" "$(stat -c '%a %u' "$SANDBOX/bpf/a")" '700 0'
repairs() { metric a moat_drift_repairs_total; }
is "no repairs" "$(repairs)" 0

# Our programs are detached behind our back, and stay so while it sleeps.
kill -STOP "${AGENT_PID[a]}"
if [ "$LINKS" = 2 ]; then
	for l in "$pins"/links/*; do
		bpftool link detach pinned "$l" || fail "bpftool"
	done
else
	for hook in ingress egress; do
		tc -n "$(ns a)" filter del dev eth0 "$hook" || fail "tc"
	done
fi
yes "open for a moment" tcp b 10.1.0.1 81
kill -CONT "${AGENT_PID[a]}"
repaired() { [ "$(repairs)" -ge "$1" ]; }
soon "attached again" 11 repaired 1
no "closed again" tcp b 10.1.0.1 81
is "enforcing" "$(enforcing a)" 1

# Removing pins changes nothing while the agent lives; it makes them anew.
rm -rf "$SANDBOX/bpf/a"
no "closed without pins" tcp b 10.1.0.1 81
pinned() { [ "$(pins)" = "$PINS" ]; }
soon "pinned again" 11 pinned
is "links again" "$(links)" "$LINKS"
is "only root reads them" "$(stat -c '%a %u' "$SANDBOX/bpf/a")" '700 0'
soon "counted" 2 repaired 2

# A map edited by hand: found within 5 s, the policy compiled anew.
before=$(gen_of a)
is "untouched so far" "$before" "$G"
# 168 bytes: struct moat_image
printf "00 %.0s" {1..168} >"$SANDBOX/slot"
set=$(find "$pins/sets" -maxdepth 1 -mindepth 1 | sort -V | tail -n 1)
erase() {
	for slot in 0 1 2 3; do
		# shellcheck disable=SC2046 # a list of bytes
		bpftool map update pinned "$set/image" key "$slot" 0 0 0 value hex \
			$(cat "$SANDBOX/slot") || fail "bpftool"
	done
}
nothing_passes() { erase && ! tcp b 10.1.0.1 80; }
soon "no image: nothing passes" 20 nothing_passes
# Before it is repaired nothing is enforced of what was pushed.
told() { erase && [ "$(enforcing a)" = 0 ] && [ "$(status a .enforcing)" = false ]; }
soon "not enforcing meanwhile" 20 told
# Not an earlier one, which was erased in turn: what is enforced again.
newer() { [ "$(gen_of a)" -gt "$before" ] && [ "$(enforcing a)" = 1 ]; }
soon "replaced" 11 newer
yes "judged again" tcp b 10.1.0.1 80
no "as before" tcp b 10.1.0.1 81
soon "counted" 2 repaired 3
is "enforcing" "$(enforcing a)" 1

# Pins hidden by another mount (F21): said, and nothing attached a second time.
agent_stop a
mount -t bpf bpf "$SANDBOX/bpf"
agent_run a
is "pins hidden" "$(status a .pins_hidden)" true
is "status exits 1" "$(status a .code)" 1
is "not enforcing" "$(enforcing a)" 0
refused a "$SANDBOX/p.yaml" 4 'pins hidden'
no "the old programs judge" tcp b 10.1.0.1 81
yes "and pass" tcp b 10.1.0.1 80
agent_stop a
umount "$SANDBOX/bpf"
agent_run a
is "no longer hidden" "$(status a .pins_hidden)" false
is "enforcing" "$(enforcing a)" 1
no "closed" tcp b 10.1.0.1 81
done_testing
