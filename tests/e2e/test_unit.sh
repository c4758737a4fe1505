#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The systemd unit: its score, the system calls that it allows, and a whole
# life of the agent inside its walls.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
for tool in systemd-analyze setpriv unshare strace gcc; do
	command -v "$tool" >/dev/null || skip "no $tool"
done
HERE=$ROOT/tests/e2e
B=$SANDBOX/bin
mkdir "$B" && cp "$MOATD" "$MOAT" "$HERE/confine.sh" "$HERE/confine.py" "$B"
UNIT=$B/moatd.service
sed "s,@SBINDIR@,$B,;s,@BINDIR@,$B,;s,@SYSCONFDIR@,/etc," \
	"$ROOT/user/agent/moatd.service.in" >"$UNIT"

# ---- what systemd says ----
is "complaints of systemd-analyze verify" \
	"$(systemd-analyze verify --man=no "$UNIT" 2>&1)" ""
score=$(systemd-analyze security --offline=true --no-pager "$UNIT" |
	sed -n 's/.*exposure level for [^:]*: \([0-9.]*\).*/\1/p')
echo "score: $score"
yes "score of at most 2.0" awk -v s="$score" 'BEGIN { exit !(s != "" && s <= 2.0) }'
setting() { sed -n "s/^$1=//p" "$UNIT"; }
is "capabilities" "$(setting CapabilityBoundingSet)" \
	"CAP_BPF CAP_NET_ADMIN CAP_PERFMON"
is "started again however often" "$(setting Restart) $(setting StartLimitIntervalSec)" "always 0"
is "locked memory before 5.11" "$(setting LimitMEMLOCK)" infinity

# ---- one life: start, pushes, reload, restart, hot-plug, detach ----
two_hosts
echo_server a 80 81
D=$SANDBOX/a
mkdir -m 700 "$SANDBOX/bpf/a" "$D/state"
mkdir -m 2750 "$D/run"
policy "$D/policy.yaml" enforce 80
policy "$SANDBOX/81.yaml" enforce 81
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
	-days 2 -subj /CN=moat -keyout "$D/key" -out "$D/cert" 2>/dev/null
agent_config a "failsafe: []
xdp: native
metrics: {listen: \"10.1.0.1:9849\", tls: {cert: $D/cert, key: $D/key}}"
is_enforcing() { [ "$(status a '.interfaces[] | select(.name == "eth0").enforcing')" = true ]; }
page() { in_ns a curl -sSk --max-time 30 https://10.1.0.1:9849/metrics; }
state_is() { [ "$(field a '{"cmd":"pending"}' .state)" = "$1" ]; }
PROBE='{"cmd":"explain","engine":"kernel","replies":true,"probes":[{"dir":"ingress","local":"10.1.0.1","remote":"10.1.0.2","proto":"tcp","dport":81}]}'
life() {
	local c
	agent_run a
	yes "$1: enforcing" is_enforcing
	yes "$1: XDP" [ "$(status a '.interfaces[] | select(.name == "eth0").xdp.ours')" = true ]
	yes "$1: open" tcp b 10.1.0.1 80
	no "$1: closed" tcp b 10.1.0.1 81
	is "$1: metrics" "$(page | grep -c '^moat_build_info')" 1
	refused a <(echo "version: 2") 4 "reads 1"
	push_ok a "$SANDBOX/81.yaml" '"confirm_seconds": 30'
	yes "$1: pushed" tcp b 10.1.0.1 81
	is "$1: confirmed" "$(field a '{"cmd":"confirm"}' .ok)" true
	push_ok a "$D/policy.yaml" '"confirm_seconds": 1'
	soon "$1: rolled back" 5 state_is confirmed
	is "$1: judged by the programs" "$(field a "$PROBE" '.answers[0].verdict')" allow
	for c in rules drops flows history show metrics doctor pending; do
		is "$1: $c" "$(ctl a "{\"cmd\":\"$c\"}" | jq -s 'last.ok')" true
	done
	is "$1: kill" "$(field a '{"cmd":"kill","port":81}' .ok)" true
	kill -HUP "${AGENT_PID[a]}"
	yes "$1: reloaded" until_ok 5 tcp b 10.1.0.1 80
	is "$1: reload again" "$(field a '{"cmd":"reload"}' .ok)" true
	veth a eth1 b eth1
	eth1() { [ "$(status a '.interfaces[] | select(.name == "eth1").enforcing')" = true ]; }
	soon "$1: hot-plug" 5 eth1
	ip -n "$(ns a)" link del eth1
	sleep 5.5	# one look at the programs and pins, one heartbeat
	agent_stop a
	no "$1: stopped, still closed" tcp b 10.1.0.1 81
	agent_run a
	yes "$1: again" is_enforcing
	yes "$1: open" tcp b 10.1.0.1 80
	no "$1: closed" tcp b 10.1.0.1 81
	agent_stop a
	# By hand, outside of the unit's walls.
	nsenter --net="/run/netns/$(ns a)" "$B/moatd" --detach-all --config \
		"$D/moatd.yaml" || fail "$1: --detach-all"
	yes "$1: detached" tcp b 10.1.0.1 81
}

# ---- the calls it makes are calls that the unit allows ----
cat >"$B/traced" <<-EOT
	#!/bin/bash
	exec strace -D -f -qq -o "$SANDBOX/trace.\$\$" "$B/moatd" "\$@"
EOT
chmod 755 "$B/traced"
MOATD=$B/traced
life traced
cat "$SANDBOX"/trace.* >"$SANDBOX/trace"
sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$SANDBOX/trace" | sort -u >"$SANDBOX/made"
/usr/bin/python3 "$B/confine.py" "$UNIT" --list >"$SANDBOX/allowed"
yes "the trace is one of a life" [ "$(wc -l <"$SANDBOX/made")" -gt 40 ]
is "calls that the unit forbids" "$(sort "$SANDBOX/allowed" | comm -23 "$SANDBOX/made" - | tr '\n' ' ')" ""
is "families of its sockets" "$(grep -o ' socket(AF_[A-Z0-9]*' "$SANDBOX/trace" |
	sed 's/.*(//' | sort -u | grep -vxE 'AF_(UNIX|NETLINK|INET6?)')" ""
is "memory both writable and executable" \
	"$(grep -E ' mmap\(.*PROT_WRITE\|PROT_EXEC| mprotect\(.*PROT_EXEC' "$SANDBOX/trace")" ""

# ---- and it lives within the unit's walls ----
mkdir -m 700 "$SANDBOX/bpf/a"
rm -rf "$D/state" && mkdir -m 700 "$D/state"
confined() {
	bash "$B/confine.sh" "$UNIT" "$SANDBOX/bpf/a:$D/state:$D/run" "$@"
}
no "the walls: /etc is read-only" confined touch "$D/x"
yes "the walls: state is not" confined touch "$D/state/x"
no "the walls: no mounts" confined mount -t tmpfs tmpfs "$D/state"
no "the walls: no packet sockets" confined /usr/bin/python3 -c \
	'import socket; socket.socket(17, 2)'
yes "the walls: others" confined /usr/bin/python3 -c \
	'import socket; socket.socket(1, 2); socket.socket(16, 3)'
no "the walls: /root is hidden" confined ls /root
cat >"$B/walled" <<-EOT
	#!/bin/bash
	exec bash "$B/confine.sh" "$UNIT" "$SANDBOX/bpf/a:$D/state:$D/run" "$B/moatd" "\$@"
EOT
chmod 755 "$B/walled"
MOATD=$B/walled
agent_run a
is "capabilities held" "$(sed -n 's/^CapEff:\t//p' "/proc/${AGENT_PID[a]}/status")" \
	000000c000001000
is "a seccomp filter" "$(sed -n 's/^Seccomp:\t//p' "/proc/${AGENT_PID[a]}/status")" 2
agent_stop a
life walled
no "nothing was killed or refused" grep -qE 'Bad system call|Read-only|not permitted' "$D/moatd.log"
done_testing
