#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# R-08, G17: two boots that end soon after XDP was attached, and the next one
# judges by tc alone, says so, and comes to the same verdicts, until somebody
# says otherwise. Boots are told by their id, which is another file here.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80
echo_server a 81
D=$SANDBOX/a
RECORD=$D/state/xdp.json

# run_agent: as agent_run, in the boot that is
run_agent() {
	# shellcheck disable=SC2016 # the inner shell's
	nsenter --net="/run/netns/$(ns a)" unshare --mount --propagation slave \
		sh -c 'mount --bind "$1" /proc/sys/kernel/random/boot_id &&
		exec "$2" --config "$3"' sh "$D/boot_id" "$MOATD" \
		"$D/moatd.yaml" >>"$D/moatd.log" 2>&1 </dev/null &
	AGENT_PID[a]=$!
	CHILDREN+=("$!")
	until_ok 30 agent_answers a || fail "agent does not answer"
}
# boot N: the kernel is another one, the disk is as it was
boot() {
	in_ns a "$MOATD" --detach-all --config "$D/moatd.yaml" || fail "detach"
	printf '%08d-0000-4000-8000-000000000000\n' "$1" >"$D/boot_id"
	run_agent
}
crash() { agent_stop a KILL; }
attached() { status a '.interfaces[] | select(.name == "eth0") | .xdp.attach'; }
is_generic() { [ "$(attached)" = generic ]; }
alarm() { metric a moat_xdp_held_off; }
no_alarm() { [ "$(alarm)" = 0 ]; }
unclean() { status a .xdp_unclean_boots; }
why() { status a '.interfaces[] | select(.name == "eth0") | .xdp_why'; }
logged() { grep -q -- "$1" "$D/moatd.log"; }
retry() { "$MOATD" --retry-xdp --config "$D/moatd.yaml"; }
verdicts() {
	holds "$1"
	is "$1: policy" "$(status a .policy.name)" test
}
# held WHAT: tc alone, the same verdicts, and nobody can miss it
held() {
	is "$1: no XDP" "$(attached)" none
	is "$1: alarm" "$(alarm)" 1
	is "$1: status" "$(status a .code)" 1
	is "$1: state" "$(status a .state)" enforcing
}
# calm WHAT: XDP is there, and no word of it
calm() {
	soon "$1: XDP" 12 is_generic
	is "$1: no alarm" "$(alarm)" 0
	is "$1: held off" "$(status a .xdp_held_off)" ''
	is "$1: status" "$(status a .code)" null
}

policy "$SANDBOX/p.yaml" enforce 80
agent_config a 'failsafe: []
xdp: generic'
boot 1
push_ok a "$SANDBOX/p.yaml"
calm "first boot"
verdicts "first boot"
crash
boot 2
calm "second boot"
is "one unclean" "$(unclean)" 1
yes "warned" logged 'the last boot ended uncleanly.*generic: eth0'
# An agent that is killed is no host that went down.
for _ in 1 2 3; do
	agent_stop a KILL
	run_agent
done
is "still one" "$(unclean)" 1
calm "killed three times"
crash

boot 3
held "third boot"
verdicts "third boot"
is "two unclean" "$(unclean)" 2
is "two unclean" "$(metric a moat_xdp_unclean_boots)" 2
is "not attached" "$(metric a moat_interface_attached hook=xdp)" 0
is "the interface" "$(why)" 'held off'
for remedy in 'generic: eth0' 'moatd --retry-xdp'; do
	yes "log: $remedy" logged "XDP is held off.*$remedy"
	yes "status: $remedy" grep -q -- "$remedy" <<<"$(status a '.degraded[]')"
	yes "doctor: $remedy" grep -q -- "$remedy" \
		<<<"$(field a '{"cmd":"doctor"}' '.checks[] | select(.level == "bad") | .text')"
done
is "doctor: what to do" \
	"$(field a '{"cmd":"doctor"}' '.checks[] | select(.name == "xdp") | .fix')" \
	'mend the cause, then moatd --retry-xdp'
yes "moat status" grep -q 'XDP is held off' \
	<<<"$("$MOAT" --socket "$(sock a)" status)"
"$MOAT" --socket "$(sock a)" status >/dev/null
is "its exit code" $? 1
agent_stop a
run_agent
held "the agent stopped and started"
crash
boot 4
held "fourth boot"
is "counted once each" "$(unclean)" 2
agent_stop a

# Who wants no XDP has no alarm, and the record keeps.
agent_config a 'failsafe: []'
run_agent
is "none: no alarm" "$(alarm)" 0
is "none: status" "$(status a .code)" null
agent_stop a
agent_config a 'failsafe: []
xdp: generic'
run_agent
held "configured again"

yes "tried again" retry
calm "tried again"
verdicts "tried again"
yes "log" logged 'no longer held off'
is "none unclean" "$(unclean)" 0
is "no link was lost" "$(metric a moat_drift_repairs_total)" 0
# An orderly stop is none, of the agent or with the host.
agent_stop a
for n in 5 6 7; do
	boot $n
	calm "in order, $n"
	is "none unclean" "$(unclean)" 0
	agent_stop a
done

# A record that can't be read: what is attached stays, a boot attaches nothing.
damage() { printf X | dd of="$RECORD" bs=1 seek=90 conv=notrunc status=none; }
damage
run_agent
is "damaged: it stays" "$(attached)" generic
is "damaged: alarm" "$(alarm)" 1
verdicts "damaged"
agent_stop a
boot 8
held "damaged"
verdicts "damaged, booted"
yes "damaged: why" grep -q 'record.*damaged' <<<"$(status a .xdp_held_off)"
yes "damaged: tried again" retry
calm "damaged: tried again"
is "nothing to do" "$(rm "$RECORD"; retry)" 'nothing held XDP off'
agent_stop a

# An attach that can't be recorded is not made until it can.
mkdir "$RECORD.tmp"
boot 9
held "unwritable"
yes "unwritable: why" grep -q "can't be recorded: Is a directory" <<<"$(why)"
rmdir "$RECORD.tmp"
soon "written" 12 no_alarm
calm "written"

# A device that refuses has taken nothing down: the record is of the others.
agent_stop a
ip -n "$(ns a)" link add eth7 type bridge || fail "no bridge"
agent_config a 'failsafe: []
xdp: native'
boot 10
is "refused: eth0" "$(attached)" native
is "refused: why" "$(status a '.interfaces[] | select(.name == "eth7") | .xdp_why')" \
	'the driver refuses native XDP: Operation not supported'
is "refused: record" "$(sed -n 2p "$RECORD" | jq -c '[.end, .devices]')" \
	'["open",["eth0"]]'
ip -n "$(ns a)" link del eth7
agent_stop a

# Ten minutes after the attach the host has outlived it.
agent_config a 'failsafe: []
xdp: generic'
boot 11
crash
boot 12
is "one unclean" "$(unclean)" 1
until_ok 12 test -e "$RECORD" || fail "no record"
crash
earlier() {
	local body
	body=$(sed -n 2p "$RECORD" | jq -c '.boottime_ms -= 600000')
	printf 'moat-state 1 %s\n%s' "$(printf %s "$body" | sha256sum | cut -d' ' -f1)" \
		"$body" >"$RECORD.new" && mv "$RECORD.new" "$RECORD"
}
outlived() { [ "$(unclean)" = 0 ]; }
if [ "$(cut -d. -f1 /proc/uptime)" -gt 700 ]; then
	earlier
	run_agent
	soon "outlived" 12 outlived
	is "record" "$(sed -n 2p "$RECORD" | jq -r '"\(.end) \(.unclean)"')" \
		'survived 0'
	crash
	boot 13
	calm "outlived"
	is "none unclean" "$(unclean)" 0
fi
done_testing
