#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A disk that is full (R-10, F50): a policy in force that could not be written
# as committed is on disk as the pushed one alone; nothing that is refused
# afterwards may take that away.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
STATE=$SANDBOX/a/state
# sandbox_clean exits as the test did.
trap 'RC=$?; agent_stop a 2>/dev/null; umount "$STATE" 2>/dev/null; (exit $RC); sandbox_clean' EXIT
mkdir -p "$STATE"
mount -t tmpfs -o size=1m,mode=700 tmpfs "$STATE" || fail "tmpfs"

# large FILE PORT: 100 KiB, with a word of its own
large() {
	policy "$1" enforce "$2"
	{
		echo "# of port $2"
		head -c 100000 /dev/zero | tr '\0' ' ' | fold -w 100 | sed 's/^/# /'
	} >>"$1"
}
large "$SANDBOX/p80.yaml" 80
large "$SANDBOX/p81.yaml" 81
policy "$SANDBOX/small.yaml" enforce 81

# leave KIB: so much is free
leave() {
	local free
	rm -f "$STATE/filler"
	free=$(stat -f -c '%a' "$STATE")
	head -c $((free * $(stat -f -c %S "$STATE") - $1 * 1024)) /dev/zero \
		>"$STATE/filler" || fail "filler"
}
in_force() {
	is "$1: in force" "$(status a .policy.sha256)" "$(sha256sum <"$SANDBOX/$2.yaml" | cut -d' ' -f1)"
	yes "$1: open" tcp b 10.1.0.1 "$3"
	no "$1: shut" tcp b 10.1.0.1 "$4"
}

agent_start a 'failsafe: []'
push_ok a "$SANDBOX/p81.yaml"
in_force "written" p81 81 80
leave 160
reply=$(push a "$SANDBOX/p80.yaml")
is "in force" "$(jq .ok <<<"$reply")" true
is "and not written" "$(jq -r '.warnings[]' <<<"$reply" | grep -c 'not written to disk')" 1
unwritten() { status a '.degraded[]' | grep -q "could not be written to disk"; }
yes "status says so" unwritten
G=$(gen_of a)

# Each of these is refused for the disk, and what is in force is still known
# to whoever comes next.
refused a "$SANDBOX/p81.yaml" 4 "No space left on device"
refused a "$SANDBOX/small.yaml" 4 "No space left on device"
refused a "$SANDBOX/small.yaml" 4 "No space left on device" '"confirm_seconds": 5'
is "member" "$(field a '{"cmd":"member","op":"add","group":"base","addresses":["10.1.0.9"]}' .error)" \
	"state: No space left on device"
for how in TERM KILL; do
	agent_stop a $how
	agent_run a
	in_force "after $how" p80 80 81
	is "after $how: the same generation" "$(gen_of a)" "$G"
	yes "after $how: status says so" unwritten
done

# With room again it is written, unasked.
rm "$STATE/filler"
written() { ! unwritten; }
soon "written" 20 written
is "committed" "$(sed -n 2p "$STATE/committed.json" | jq -r .sha256)" \
	"$(sha256sum <"$SANDBOX/p80.yaml" | cut -d' ' -f1)"
no "pending is gone" [ -e "$STATE/pending.json" ]
push_ok a "$SANDBOX/p81.yaml"
in_force "next push" p81 81 80
done_testing
