#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Who may talk to the agent, what it leaves open on disk, and what clients of
# ill will can do to it: to others nothing, and to its memory and descriptors
# nothing that stays.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
command -v setpriv >/dev/null || skip "no setpriv"
two_hosts
echo_server a 80 81
D=$SANDBOX/a
# Some group of the machine, that root is not in.
GROUP=$(getent group | awk -F: '$3 > 0 && $3 < 60000 { print $1; exit }')
GID=$(getent group "$GROUP" | cut -d: -f3)
umask 0	# the worst that it can be started with
agent_start a "failsafe: []
control: {socket: $D/run/control.sock, read_socket: $D/run/read.sock, group: $GROUP}
metrics: {listen: \"127.0.0.1:9849\", textfile: $D/text/moat.prom}"
umask 022
policy "$SANDBOX/p.yaml" enforce 80
push_ok a "$SANDBOX/p.yaml"
PID=${AGENT_PID[a]}

# ---- what lies on disk, with umask 0 ----
mode() { stat -c '%a %u %g' "$1"; }
modes() {
	is "$1: folder of the sockets" "$(mode "$D/run")" "750 0 $GID"
	is "$1: control socket" "$(mode "$D/run/control.sock")" "660 0 $GID"
	is "$1: read socket" "$(mode "$D/run/read.sock")" "660 0 $GID"
	is "$1: state" "$(mode "$D/state")" "700 0 0"
	is "$1: files of the state that others read" \
		"$(find "$D/state" -type f -perm /077)" ""
	is "$1: pins" "$(mode "$SANDBOX/bpf/a")" "700 0 0"
	is "$1: pins that others read" "$(find "$SANDBOX/bpf/a" -perm /077)" ""
}
modes "first"
mkdir "$D/text"
soon "textfile" 20 [ -s "$D/text/moat.prom" ]
is "node_exporter reads it, nobody else writes" "$(mode "$D/text/moat.prom")" "644 0 0"
is "what the agent listens on" "$(in_ns a ss -Hltnp | grep -c "pid=$PID,")" 1
is "and where" "$(in_ns a ss -Hltnp | grep "pid=$PID," | awk '{print $4}')" 127.0.0.1:9849

# ---- other users, as real processes ----
# as UID GID GROUPS SOCKET: what the agent says to a question
as() {
	local groups=--clear-groups
	[ -z "$3" ] || groups="--groups=$3"
	printf '{"cmd":"%s"}\n' "${5:-version}" |
		setpriv --reuid="$1" --regid="$2" "$groups" -- \
			socat -t 5 - "UNIX-CONNECT:$D/run/$4.sock" 2>&1
}
for socket in control read; do
	yes "another user, $socket" grep -q 'Permission denied' <(as 1000 1000 '' $socket)
	yes "nobody, $socket" grep -q 'Permission denied' <(as 65534 65534 '' $socket)
	is "a member by its own group" "$(as 1000 "$GID" '' $socket | jq .ok)" true
	is "a member by one more group" "$(as 1000 1000 "1001,$GID" $socket | jq .ok)" true
done
is "only looking on the read socket" "$(as 1000 "$GID" '' read reload | jq .code)" 3
# The folder opened up by hand: the agent asks the kernel who it is.
chmod 755 "$D/run"
chmod 666 "$D/run/"*.sock
for socket in control read; do
	# Told without being asked: a question may come too late.
	reply=$(setpriv --reuid=1000 --regid=1000 --clear-groups -- \
		socat -u "UNIX-CONNECT:$D/run/$socket.sock" -)
	is "refused by credentials, $socket" "$(jq .ok <<<"$reply")" false
	is "code" "$(jq .code <<<"$reply")" 3
	yes "and why" grep -q 'permission denied' <<<"$reply"
done
cp "$MOAT" "$SANDBOX/moat"
setpriv --reuid=1000 --regid=1000 --clear-groups -- "$SANDBOX/moat" \
	--socket "$D/run/control.sock" status >"$SANDBOX/out" 2>&1
is "exit code of the CLI" $? 3
yes "its words" grep -q 'permission denied' "$SANDBOX/out"
chmod 750 "$D/run"
setpriv --reuid=1000 --regid=1000 --clear-groups -- "$SANDBOX/moat" \
	--socket "$D/run/control.sock" status >"$SANDBOX/out" 2>&1
is "exit code with the folder closed" $? 3
yes "its words" grep -q 'permission denied' "$SANDBOX/out"
yes "no pins for others" [ -z "$(setpriv --reuid=1000 --regid=1000 --clear-groups -- find "$SANDBOX/bpf/a/" -mindepth 1 2>/dev/null)" ]
agent_stop a
agent_run a
PID=${AGENT_PID[a]}
modes "again"

# ---- clients of ill will ----
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$PID/status"; }
fds() { find "/proc/$PID/fd" -mindepth 1 | wc -l; }
scrape a >"$SANDBOX/page"
sleep 3	# pages that nobody asks for are let go
FDS=$(fds)
RSS=$(rss)
GEN=$(gen_of a)
PEAK=0 WORST=0
# alive: both sockets and the page answer another client. Where connections are
# too many, the oldest of the address that has most is hung up: the page's client
# is not at the attackers' address.
alive() {
	local before=${EPOCHREALTIME//[.,]/} took
	is "control" "$(timeout 20 socat -t 20 - "UNIX-CONNECT:$D/run/control.sock" <<<'{"cmd":"version"}' | jq .ok)" true
	is "read" "$(timeout 20 socat -t 20 - "UNIX-CONNECT:$D/run/read.sock" <<<'{"cmd":"version"}' | jq .ok)" true
	is "page" "$(in_ns a curl -sS --interface 127.0.0.2 --max-time 20 http://127.0.0.1:9849/metrics | grep -c '^moat_build_info')" 1
	took=$(((${EPOCHREALTIME//[.,]/} - before) / 1000))
	[ "$took" -le "$WORST" ] || WORST=$took
	[ "$(fds)" -le "$PEAK" ] || PEAK=$(fds)
}
calm() { [ "$(fds)" -le "$FDS" ]; }
# attack KIND TARGET NAME
attack() {
	local attacker
	in_ns a /usr/bin/python3 "$ROOT/tests/e2e/hostile.py" "$1" "$2" "$3" \
		>"$SANDBOX/hostile.log" 2>&1 &
	attacker=$!
	CHILDREN+=("$attacker")
	while kill -0 "$attacker" 2>/dev/null; do
		alive
		sleep 0.2
	done
	wait "$attacker" || { cat "$SANDBOX/hostile.log"; fail "attack $3"; }
	alive
	soon "$1 $3: descriptors as before" 40 calm
}
for name in thousands drip half_open huge unread noise; do
	attack unix "$D/run/control.sock" "$name"
	attack tcp 127.0.0.1:9849 "$name"
done
for name in descriptors paths nested; do
	attack unix "$D/run/control.sock" "$name"
	attack unix "$D/run/read.sock" "$name"
done
echo "worst of a round of three answers: $WORST ms; most descriptors: $PEAK of $FDS; resident: $RSS, now $(rss) KiB"
yes "descriptors bounded" [ "$PEAK" -lt $((FDS + 180)) ]
yes "nobody waited for long" [ "$WORST" -lt 15000 ]
settled() { [ "$(rss)" -lt $((RSS + 16384)) ]; }
soon "memory as before" 20 settled
is "the same policy" "$(gen_of a)" "$GEN"
is "the same agent" "$(field a '{"cmd":"version"}' .pid)" "$PID"
yes "it judges" tcp b 10.1.0.1 80
no "as before" tcp b 10.1.0.1 81
done_testing
