#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Maps and links in the service manager's descriptor store (F21): with the
# pins hidden, or gone, the next agent goes on with them; nothing is attached
# a second time and no flow is lost.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
policy "$SANDBOX/p.yaml" enforce 80
agent_config a 'failsafe: []'
M=$SANDBOX/manager
mkdir "$M"
start a "$M/log" /usr/bin/python3 "$ROOT/tests/e2e/manager.py" "$M" \
	"$MOATD" --config "$SANDBOX/a/moatd.yaml"
MANAGER=$STARTED
until_ok 30 agent_answers a || { cat "$M/log"; fail "no answer"; }
push_ok a "$SANDBOX/p.yaml"
kept() { grep -cE "^v[0-9]+_$1" "$M/store"; }
soon "links are kept" 5 [ -s "$M/store" ]
# Before Linux 6.6 filters hold our programs: there is no link to keep.
LINKS=$([ "$(tc_kind)" = tcx ] && echo 2 || echo 0)
is "links" "$(kept 'link_[0-9]+_tc_(in|e)gress$')" "$LINKS"
is "image set" "$(kept 'set_1_(image|control|rules)$')" 3
is "flow tables" "$(kept 'map_(flows|udp|other)$')" 3
is "each once" "$(sort -u "$M/store" | wc -l)" "$(wc -l <"$M/store")"

# A connection that has to live through everything.
line_open kept b 10.1.0.1 80
talks() { yes "the connection lives: $1" line_says kept "$1"; }
talks one
age() { field a '{"cmd":"flows","port":80}' 'select(.flows) | .flows[0].age_seconds' | head -1; }

pid_now() { cat "$M/pid"; }
# again WHAT COMMAND: killed; the command; and started by the manager
again() {
	local before
	before=$(pid_now)
	touch "$M/hold"
	kill -9 "$before"
	sleep 0.1
	no "$1: nobody answers" agent_answers a
	no "$1: closed while nobody answers" tcp b 10.1.0.1 81
	"$2"
	rm "$M/hold"
	soon "$1: started" 20 agent_answers a
	[ "$(pid_now)" != "$before" ] || fail "$1: the same process"
}
pins() { echo "$SANDBOX"/bpf/a/v*/; }
# What holds our program at the hook: the link's number, or our one filter.
link_id() {
	if [ "$LINKS" = 2 ]; then
		bpftool -j link show pinned \
			"$(echo "$(pins)"links/*_tc_ingress)" | jq .id
	else
		tc -n "$(ns a)" -j filter show dev eth0 ingress |
			jq '[.[] | select(.options.handle)] | length'
	fi
}
LINK=$(link_id)
[ "$LINK" -gt 0 ] || fail "no link: $LINK"
GEN=$(gen_of a)
same() {
	is "$1: pins hidden" "$(status a .pins_hidden)" false
	is "$1: enforcing" "$(enforcing a)" 1
	is "$1: generation" "$(gen_of a)" "$GEN"
	is "$1: the same link" "$(link_id)" "$LINK"
	is "$1: each kept once" "$(sort -u "$M/store" | wc -l)" "$(wc -l <"$M/store")"
	talks "$1"
	yes "$1: open" tcp b 10.1.0.1 80
	no "$1: closed" tcp b 10.1.0.1 81
}

again restarted :
same restarted
sleep 1.1
AGE=$(age)
[ "$AGE" -ge 1 ] || fail "no age: $AGE"

hide() { mount -t bpf bpf "$SANDBOX/bpf"; }
again hidden hide
same hidden
yes "hidden: said so" grep -q 'nothing is pinned under' "$M/log"
yes "the flow is the one of before" [ "$(age)" -ge "$AGE" ]
is "hidden: pinned anew" "$(find "$(pins)links" -name '*_tc_*' | wc -l)" "$LINKS"
[ -e "$(pins)maps/flows" ] || fail "hidden: no map is pinned anew"

# A larger image set made while the first mount was out of sight: it is the
# one that counts when that comes back.
{
	cat "$SANDBOX/p.yaml"
	echo "prefix_lists:"
	echo "  many:"
	awk 'BEGIN {
		srand(7)
		for (i = 0; i < 60000; i++)
			printf "    - \"fd%02x:%x:%x:%x::/64\"\n", rand() * 256,
				rand() * 65535 + 1, rand() * 65535 + 1, i + 1
	}'
} >"$SANDBOX/large.yaml"
sed -i 's/{name: ping, from: \[any\]/{name: many, from: [many], protocol: tcp, ports: [82]}\n      - &/' \
	"$SANDBOX/large.yaml"
push_ok a "$SANDBOX/large.yaml"
GEN=$(gen_of a)
soon "a larger set is kept" 5 kept 'set_2_control$'
is "and the former is not" "$(kept 'set_1_')" 0
again larger :
same larger
uncover() { umount "$SANDBOX/bpf"; }
again uncovered uncover
same uncovered
is "a rule of the larger set" "$(field a '{"cmd":"rules"}' '.rules[] | select(.rule == "many").in_policy')" true

# Pins removed while nobody looks.
unpin() { rm -rf "$SANDBOX/bpf/a"; }
again removed unpin
same removed

# A device that goes leaves the store too.
veth a eth1 b eth1
four() { [ "$(kept link_)" = $((LINKS * 2)) ] && [ "$(enforcing a eth1)" = 1 ]; }
two() { [ "$(kept link_)" = "$LINKS" ]; }
soon "four links" 5 four
ip -n "$(ns a)" link del eth1
soon "two links" 10 two

# Without a store, hidden pins are what they are.
touch "$M/stop"
kill -9 "$(pid_now)"
wait "$MANAGER"
mount -t bpf bpf "$SANDBOX/bpf"
agent_run a
is "no store: pins hidden" "$(status a .pins_hidden)" true
agent_stop a
umount "$SANDBOX/bpf"
done_testing
