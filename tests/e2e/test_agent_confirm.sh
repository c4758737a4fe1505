#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Commit-confirm (F8, F50, G1): confirmed in time, not in time, with the agent
# dead, over a restart; rollback.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
agent_start a 'failsafe: []'
policy "$SANDBOX/p80.yaml" enforce 80
policy "$SANDBOX/p81.yaml" enforce 81
policy "$SANDBOX/none.yaml" enforce 9
push_ok a "$SANDBOX/p80.yaml"
G=$(gen_of a)
pending() { field a "{\"cmd\":\"pending\",\"generation\":$1}" .state; }
reaches() { tcp b 10.1.0.1 "$1"; }
# shut WHAT SECONDS COMMAND...: nothing is let in for so many seconds, the
# command runs, and b does not reach 81. Sets WAITS, the generation. Again with
# twice the time where all that took as long.
TRIES=0
shut() {
	local what=$1 seconds=$2 began=$EPOCHSECONDS
	shift 2
	CHECKS=$((CHECKS + 1))
	TRIES=$((TRIES + 1))
	[ -n "${AGENT_PID[a]-}" ] || agent_run a
	WAITS=$(push a "$SANDBOX/none.yaml" "\"confirm_seconds\": $seconds" | jq .generation)
	"$@"
	reaches 81 || return
	[ $((EPOCHSECONDS - began)) -ge "$seconds" ] || fail "$what: reached"
	shut "$what" $((seconds * 2)) "$@"
}

is "nothing to confirm" "$(field a '{"cmd":"confirm"}' .code)" 4
# Confirmed in time: in force at once and for good.
reply=$(push a "$SANDBOX/p81.yaml" '"confirm_seconds": 600')
H=$(jq .generation <<<"$reply")
is "waits" "$(pending "$H")" pending
yes "in force at once" reaches 81
no "the old one is not" reaches 80
refused a "$SANDBOX/p80.yaml" 4 'unconfirmed push pending'
is "status tells" "$(status a .pending.generation)" "$H"
is "and who comes after" "$(status a .pending.previous_generation)" "$G"
[ "$(metric a moat_confirm_deadline_timestamp_seconds)" != 0 ] || fail "no deadline in the metrics"
is "another generation" "$(field a "{\"cmd\":\"confirm\",\"generation\":$G}" .code)" 4
is "confirmed" "$(field a '{"cmd":"confirm"}' .generation)" "$H"
is "said so" "$(pending "$H")" confirmed
is "no deadline" "$(metric a moat_confirm_deadline_timestamp_seconds)" 0

# Not in time: back to the one before, by itself and recorded.
shut "not confirmed" 6 true
N=$WAITS
soon "fell back" 10 reaches 81
fell_back() { [ "$(pending "$N")" = rolled-back ]; }
soon "and says so" 3 fell_back
is "generation of before" "$(gen_of a)" "$H"
is "confirming is too late" "$(field a "{\"cmd\":\"confirm\",\"generation\":$N}" .code)" 5
is "counted" "$(metric a moat_policy_pushes_total result=rolled-back)" $TRIES
is "enforcing" "$(enforcing a)" 1

# A confirmation that comes too late by a moment is none: the programs judge by
# the one before already, whatever the agent had time to notice.
coproc CTL { exec socat -t 60 - "UNIX-CONNECT:$(sock a)"; }
CTL_PID=$!
asks() { echo "$1" >&"${CTL[1]}" && read -r -t 60 -u "${CTL[0]}" answer; }
asks '{"cmd":"version"}' || fail "no connection"
reply=$(push a "$SANDBOX/none.yaml" '"confirm_seconds": 4')
kill -STOP "${AGENT_PID[a]}"
echo "{\"cmd\":\"confirm\",\"generation\":$(jq .generation <<<"$reply")}" >&"${CTL[1]}"
soon "fell back" 10 reaches 81
kill -CONT "${AGENT_PID[a]}"
read -r -t 60 -u "${CTL[0]}" answer || fail "no answer"
is "too late" "$(jq -c '[.ok, .code]' <<<"$answer")" '[false,5]'
is "generation of before" "$(gen_of a)" "$H"
kill $CTL_PID

# Nor is one in the last second before: the programs' clock might pass the
# deadline under the agent's hands. That second lies at one's distance from the
# push; whoever is too slow for it is told that the push was rolled back.
last_second() {
	push_ok a "$SANDBOX/none.yaml" '"confirm_seconds": 1'
	sleep 1
	answer=$(field a '{"cmd":"confirm"}' '[.ok, .code, .error] | join(" ")')
	[[ $answer != 'false 5 generation '*' was rolled back' ]]
}
soon "the last second" 60 last_second
is "too late in it" "${answer%%: *}" "false 5 too late"
is "undone at once" "$(status a .pending)" null
is "generation of before" "$(gen_of a)" "$H"
yes "open again" reaches 81

# With the agent dead the programs fall back themselves (G1).
shut "agent dead" 8 agent_stop a KILL
M=$WAITS
[ "$M" -gt "$N" ] || fail "generation $M was used before"
soon "fell back without agent" 12 reaches 81
agent_run a
is "official after the restart" "$(gen_of a)" "$H"
is "and known" "$(pending "$M")" rolled-back
yes "open" reaches 81

# A restart inside the window: still waiting, then confirmed.
push_ok a "$SANDBOX/p80.yaml" '"confirm_seconds": 600'
K=$(gen_of a)
agent_stop a KILL
agent_run a
is "waits over a restart" "$(pending "$K")" pending
yes "in force" reaches 80
is "confirmed after the restart" "$(field a '{"cmd":"confirm"}' .generation)" "$K"

# Who was told that it is confirmed, or in force for good, finds it after a boot,
# however soon that comes.
boot() {
	agent_stop a KILL
	detach_all a || fail "detach-all"
	agent_run a
}
push_ok a "$SANDBOX/p81.yaml" '"confirm_seconds": 600'
is "confirmed" "$(field a '{"cmd":"confirm"}' .ok)" true
boot
yes "the confirmed one after a boot" reaches 81
push_ok a "$SANDBOX/p80.yaml"
boot
yes "the pushed one after a boot" reaches 80
K=$(gen_of a)

# A reboot inside the window comes up with the one before.
push_ok a "$SANDBOX/none.yaml" '"confirm_seconds": 600'
boot
yes "the confirmed one" reaches 80
is "nothing waits" "$(status a .pending)" null
[ "$(gen_of a)" -gt "$K" ] || fail "a generation number was used twice"

# rollback: an undone push, then the policy before, and there and back again.
push_ok a "$SANDBOX/none.yaml" '"confirm_seconds": 600'
is "undone on request" "$(field a '{"cmd":"rollback"}' .ok)" true
yes "at once" reaches 80
is "the one before" "$(field a '{"cmd":"rollback"}' .changed)" true
yes "81 again" reaches 81
no "not 80" reaches 80
is "and back" "$(field a '{"cmd":"rollback","confirm_seconds":600}' .changed)" true
yes "80 again" reaches 80
is "confirmed" "$(field a '{"cmd":"confirm"}' .ok)" true
is "an unknown one" "$(field a '{"cmd":"rollback","generation":9999}' .code)" 4
is "by number" "$(field a "{\"cmd\":\"rollback\",\"generation\":$G}" .ok)" true
yes "is 80" reaches 80
[ "$(field a '{"cmd":"history"}' '.entries?[]?.generation' | grep -c .)" -ge 4 ] || fail "history is short"

# Which rules are in force goes back too, and they keep their counters: those
# of the push that was undone are not, over a restart inside the window as well.
rules() { field a '{"cmd":"rules"}' '[.rules[].rule] | unique | join(" ")'; }
opened() { field a '{"cmd":"rules"}' '.rules[] | select(.rule == "tcp") | .connections'; }
walks() { status a .upkeep.walks; }
sed 's/name: tcp,/name: web,/' "$SANDBOX/p80.yaml" >"$SANDBOX/web.yaml"
BEFORE=$(opened)
for way in agent restart; do
	push_ok a "$SANDBOX/web.yaml" '"confirm_seconds": 600'
	is "rules of the push" "$(rules)" "ping web"
	if [ $way = restart ]; then
		agent_stop a KILL
		agent_run a
	fi
	is "undone" "$(field a '{"cmd":"rollback"}' .ok)" true
	is "rules of before" "$(rules)" "ping tcp"
	is "in the metrics" "$(scrape a | grep -c 'moat_rule_connections_total.*rule="web"')" 0
	W=$(walks)
	# Slots that nobody holds are given back after two walks.
	walked() { [ "$(walks)" -ge $((W + 4)) ]; }
	soon "the flow tables are walked" 60 walked
	yes "80 is open" reaches 80
	BEFORE=$((BEFORE + 1))
	is "counted under its own name" "$(opened)" $BEFORE
done
done_testing
