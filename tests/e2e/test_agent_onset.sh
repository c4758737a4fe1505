#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# From nothing to enforcement, and back: connections that were there before and
# that the policy allows lose nothing (G5, R-03); no link flaps, and nothing of
# it or beside us changes (G8, G9, R-05, R-06).
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
echo_server a 80 81
echo_server b 443

# talk NAME NS COUNT ADDRESS PORT: connections of that name
declare -A ASK=() ANSWER=()
talk() {
	local name=$1 n=$2 in out line=
	mkfifo "$SANDBOX/$name.in" "$SANDBOX/$name.out"
	exec {in}<>"$SANDBOX/$name.in" {out}<>"$SANDBOX/$name.out"
	in_ns "$n" /usr/bin/python3 "$ROOT/tests/e2e/talk.py" "${@:3}" \
		<&"$in" >&"$out" 2>"$SANDBOX/$name.log" &
	CHILDREN+=("$!")
	ASK[$name]=$in ANSWER[$name]=$out
	read -r -t 30 line <&"$out"
	is "$name" "$line" open
}
# lost NAME all|even [SECONDS]: connections that lost a line
lost() {
	local n=
	echo "$2 ${3:-20}" >&"${ASK[$1]}"
	read -r -t 60 n <&"${ANSWER[$1]}"
	echo "$n"
}
talk in4 b 10 10.9.0.1 80
talk in6 b 10 fd00:9::1 80
talk out4 a 10 10.9.0.2 443
talk out6 a 10 fd00:9::2 443
talk closed b 4 10.9.0.1 81
ALLOWED='in4 in6 out4 out6'
none_lost() {
	local name
	for name in $ALLOWED; do
		is "$2, $name: lost" "$(lost "$name" "$1")" 0
	done
}

# All that we could disturb, at both ends
facts() {
	local n
	for n in a b; do
		ip -n "$(ns "$n")" -d -j link show eth0 | jq -c '.[0] | del(.xdp)'
		in_ns "$n" ethtool -k eth0
		in_ns "$n" ethtool -l eth0
		in_ns "$n" tc qdisc show dev eth0
		in_ns "$n" tc filter show dev eth0 egress
		in_ns "$n" sysctl -a --pattern '^net\.(core|ipv[46]\.conf\.)' 2>/dev/null
		ip netns exec "$(ns "$n")" cat /sys/class/net/eth0/carrier_changes
		in_ns "$n" bpftool net show dev eth0 | grep foreign
	done
}
undisturbed() {
	facts >"$SANDBOX/now"
	CHECKS=$((CHECKS + 1))
	diff "$SANDBOX/facts" "$SANDBOX/now" >"$SANDBOX/diff" ||
		fail "$1: $(cat "$SANDBOX/diff")"
}

# Somebody else's classifier, on a qdisc of theirs
cat >"$SANDBOX/f.c" <<'EOT'
__attribute__((section("tc"), used)) int foreign(void *ctx) { return -1; }
char LICENSE[] __attribute__((section("license"), used)) = "GPL";
EOT
clang -O2 -target bpf -c "$SANDBOX/f.c" -o "$SANDBOX/f.o" || fail "clang"
in_ns a tc qdisc add dev eth0 clsact || fail "clsact"
in_ns a tc filter add dev eth0 egress bpf da obj "$SANDBOX/f.o" sec tc ||
	fail "no foreign filter"
facts >"$SANDBOX/facts"
grep -q foreign "$SANDBOX/facts" || fail "foreign filter: $(cat "$SANDBOX/facts")"
start a "$SANDBOX/monitor" ip monitor link

RULES=('{name: web, from: any, protocol: tcp, ports: 80}'
	'{name: https, to: any, protocol: tcp, ports: 443}')
agent_start a
undisturbed "started"
none_lost even "before the first policy"
policy=$(policy onset "${RULES[@]}")
push_ok a "$policy" '"now": true, "audit": true'
none_lost even "in audit"
is "in audit, closed: lost" "$(lost closed all)" 0
push_ok a "$policy"
is "enforcing" "$(enforcing a)" 1
none_lost all "enforced"
is "enforced, closed: lost" "$(lost closed all 1)" 4
undisturbed "enforced"
for i in 1 2 3; do
	push_ok a "$(policy "onset$i" "${RULES[@]}")"
done
agent_stop a KILL
none_lost all "agent dead"
agent_run a
none_lost all "agent back"
undisturbed "pushed and restarted"
agent_stop a
detach_all a
none_lost all "detached"
undisturbed "detached"
is "links that went down" "$(grep -cE 'NO-CARRIER|state DOWN|Deleted' "$SANDBOX/monitor")" 0
done_testing
