#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# moat demo: five hosts in namespaces, agents on two of them, real traffic.
# Run by `moat demo`, which gives it mount, network and process namespaces of
# its own: whatever happens, all of this ends with this process.
#
# Environment: MOAT, MOATD: the programs; MOAT_DEMO_POLICY: the text of
# policies/training-cluster.yaml; MOAT_DEMO_XDP, MOAT_DEMO_COLOR: 1 or empty;
# MOAT_DEMO_SLOW: how many times as long all waits are (an emulated machine).
# Functions are called through expect and soon:
# shellcheck disable=SC2317
set -u
trap 'exit 130' INT TERM HUP
RUN=/run/moat-demo
SLOW=${MOAT_DEMO_SLOW:-1}
CONFIRM=$((3 * SLOW))s
PROBLEMS=0
RESULTS=0
HOSTS=(bastion trainer0 trainer1 storage stranger)
declare -A V4=([bastion]=10.0.5.10 [trainer0]=10.20.0.1 [trainer1]=10.20.0.2
	[storage]=10.40.0.5 [stranger]=203.0.113.7)
declare -A V6=([bastion]=fd00:5::10 [trainer0]=fd00:20::1
	[trainer1]=fd00:20::2 [storage]=fd00:40::5 [stranger]=2001:db8::7)

green='' red='' dim='' bold='' plain=''
if [ -n "${MOAT_DEMO_COLOR-}" ]; then
	green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' bold=$'\e[1m' plain=$'\e[0m'
fi

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '  %s\n' "$*"; }
shell() { printf '  %s$ %s%s\n' "$dim" "$*" "$plain"; }
give_up() {
	printf '%sdemo: %s%s\n' "$red" "$*" "$plain" >&2
	tail -n 5 "$RUN"/*/moatd.log >&2 2>/dev/null
	exit 1
}

# expect WHAT COMMAND...: one line, good or bad
expect() {
	local what=$1
	shift
	RESULTS=$((RESULTS + 1))
	if "$@" >/dev/null 2>&1; then
		printf '  %sok%s      %s\n' "$green" "$plain" "$what"
	else
		printf '  %sWRONG%s   %s\n' "$red" "$plain" "$what"
		PROBLEMS=$((PROBLEMS + 1))
	fi
}
refuse() { ! "$@"; }

# soon SECONDS COMMAND...
soon() {
	local end=$((SECONDS + $1 * SLOW))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# tenths N: that many tenths of a second; nap N: waits so long
tenths() { echo "$(($1 * SLOW / 10)).$(($1 * SLOW % 10))"; }
nap() { sleep "$(tenths "$1")"; }

in_ns() {
	local name=$1
	shift
	nsenter --net="/run/netns/$name" "$@"
}

# ---- the hosts ----------------------------------------------------------------
# A host is a namespace with one veth to the fabric, which routes.
add_host() {
	local h=$1
	ip netns add "$h" &&
		ip -n fabric link add "$h" type veth peer name eth0 netns "$h" &&
		ip -n "$h" link set lo up &&
		ip -n "$h" link set eth0 up &&
		ip -n fabric link set "$h" up &&
		ip -n fabric addr add 169.254.1.1/32 dev "$h" &&
		ip -n fabric addr add fe80::1/64 dev "$h" nodad &&
		ip -n "$h" addr add "${V4[$h]}/32" dev eth0 &&
		ip -n "$h" addr add "${V6[$h]}/128" dev eth0 nodad &&
		ip -n "$h" route add 169.254.1.1 dev eth0 scope link \
			src "${V4[$h]}" &&
		ip -n "$h" route add default via 169.254.1.1 dev eth0 &&
		ip -n "$h" -6 route add default via fe80::1 dev eth0 &&
		ip -n fabric route add "${V4[$h]}/32" dev "$h" &&
		ip -n fabric -6 route add "${V6[$h]}/128" dev "$h"
}

set_up_hosts() {
	local h
	if ! mount -t tmpfs tmpfs /run || ! mkdir -p /run/netns "$RUN/bpf" ||
		! mount -t bpf bpf "$RUN/bpf"; then
		give_up "can't mount in /run"
	fi
	ip netns add fabric || give_up "can't make a namespace"
	ip -n fabric link set lo up
	in_ns fabric sysctl -qw net.ipv4.ip_forward=1 \
		net.ipv6.conf.all.forwarding=1 \
		net.ipv6.conf.default.accept_dad=0
	for h in "${HOSTS[@]}"; do
		mkdir -p "$RUN/$h"
		add_host "$h" || give_up "can't set up $h"
	done
	printf '%s\n' "$MOAT_DEMO_POLICY" >"$RUN/policy.yaml"
}

# Real servers: every one echoes what it gets, over both families.
serve() {
	local h=$1 port
	shift
	for port in "$@"; do
		in_ns "$h" socat "TCP6-LISTEN:$port,fork,reuseaddr,ipv6only=0" \
			PIPE >/dev/null 2>&1 &
	done
}

set_up_servers() {
	local h
	for h in trainer0 trainer1; do
		serve "$h" 22 988 8080 29500 50010
		in_ns "$h" socat UDP6-RECVFROM:50020,fork,ipv6only=0 \
			PIPE >/dev/null 2>&1 &
	done
	serve storage 22 443 988 2049
	serve stranger 443
	in_ns trainer1 iperf3 -s -p 50000 >/dev/null 2>&1 &
	in_ns trainer1 iperf3 -s -p 50001 >/dev/null 2>&1 &
	if ! soon 5 listening trainer1 50001 ||
		! soon 5 listening trainer1 50010 ||
		! soon 5 listening storage 2049; then
		give_up "servers don't start"
	fi
}
listening() { in_ns "$1" ss -Htln "sport = :$2" | grep -q .; }

start_agent() {
	local h=$1 d=$RUN/$1 xdp=none
	[ -z "${MOAT_DEMO_XDP-}" ] || xdp=native
	cat >"$d/moatd.yaml" <<-END
		version: 1
		interfaces: auto
		xdp: $xdp
		failsafe:
		  - {name: ssh, direction: ingress, protocol: tcp, ports: [22], peers: [192.0.2.1/32]}
		tables: {flows: 4096, udp: 4096, embryonic: 4096, closing: 4096, other: 4096, fragments: 1024, denied: 4096, memory: 512MiB}
		control: {socket: $d/control.sock, read_socket: $d/read.sock, group: root}
		state: $d/state
		bpffs: $RUN/bpf/$h
		policy: $d/policy.yaml
	END
	in_ns "$h" "$MOATD" --config "$d/moatd.yaml" >"$d/moatd.log" 2>&1 &
	soon 30 moat "$h" version || give_up "the agent of $h doesn't start"
	soon 30 agent_there "$h" || give_up "the agent of $h doesn't answer"
}
agent_there() { moat "$1" version -o json | grep -q '"pid"'; }

# moat HOST COMMAND...: the CLI on that host
moat() {
	local h=$1
	shift
	in_ns "$h" "$MOAT" --socket "$RUN/$h/control.sock" --color never "$@"
}

# ---- probes -------------------------------------------------------------------
# try FROM TO FAMILY SERVICE: does it get through, with data and an answer?
try() {
	local from=$1 to=$2 family=$3 proto=${4%/*} port=${4#*/} address target
	# Two seconds: a lost SYN is sent again after one.
	local options=connect-timeout=$((2 * SLOW))
	if [ "$family" = 4 ]; then
		address=${V4[$to]} target=$address
	else
		address=${V6[$to]} target="[$address]"
	fi
	# NFS clients use a source port below 1024.
	[ "$port" = 2049 ] && options+=,sourceport=$((870 + family)),reuseaddr
	case $proto in
	ping) in_ns "$from" ping -nq -c 1 -W "$SLOW" "$address" ;;
	tcp) echoed "$from" "TCP$family:$target:$port,$options" ;;
	udp) echoed "$from" "UDP$family:$target:$port" ;;
	esac >/dev/null 2>&1
}
echoed() {
	[ "$(echo moat | timeout $((5 * SLOW)) nsenter --net="/run/netns/$1" \
		socat -t $((2 * SLOW)) - "$2" 2>/dev/null)" = moat ]
}

# FROM TO SERVICE FAMILIES EXPECTED under the policy, and what it is
PROBES=(
	"bastion  trainer0 tcp/22    4  yes an operator logs in"
	"bastion  trainer1 tcp/29500 4  no  no part in the job"
	"trainer1 trainer0 tcp/22    46 no  no ssh between ranks"
	"trainer1 trainer0 tcp/29500 46 yes torchrun's rendezvous"
	"trainer0 trainer1 tcp/50010 46 yes NCCL, ephemeral port"
	"trainer0 trainer1 tcp/8080  46 no  nobody asked for it"
	"trainer0 trainer1 udp/50020 46 no  ranks speak TCP alone"
	"trainer0 trainer1 ping      46 yes"
	"trainer0 storage  tcp/2049  46 yes NFS, port below 1024"
	"trainer1 storage  tcp/443   46 yes checkpoints"
	"trainer0 storage  tcp/22    46 no"
	"storage  trainer0 tcp/988   46 yes Lustre connects back"
	"storage  trainer1 tcp/22    46 no"
	"stranger trainer0 tcp/22    46 no"
	"stranger trainer1 tcp/29500 46 no"
	"stranger trainer0 ping      46 no"
	"trainer0 stranger tcp/443   46 no  nothing leaves"
	"bastion  stranger tcp/443   46 yes no agent there"
)

run_probes() {
	local line i=0 from to service families rest f jobs=()
	rm -f "$RUN"/seen.*
	for line in "${PROBES[@]}"; do
		read -r from to service families rest <<<"$line"
		for f in 4 6; do
			[[ $families == *$f* ]] || continue
			(try "$from" "$to" "$f" "$service" && echo yes || echo no) \
				>"$RUN/seen.$i.$f" &
			jobs+=("$!")
		done
		i=$((i + 1))
	done
	wait "${jobs[@]}"
}

seen() { cat "$RUN/seen.$1.$2" 2>/dev/null || echo -; }

# show_probes WANTED: WANTED "policy", or what every probe must see
show_probes() {
	local line i=0 from to service families expected note mark four six
	printf '  %s%-9s %-9s %-10s %-9s %-5s %-5s%s\n' "$bold" from to service \
		expected IPv4 IPv6 "$plain"
	for line in "${PROBES[@]}"; do
		read -r from to service families expected note <<<"$line"
		[ "$1" = policy ] || expected=$1
		four=$(seen $i 4) six=$(seen $i 6) mark=
		for f in "$four" "$six"; do
			[ "$f" = - ] && continue
			RESULTS=$((RESULTS + 1))
			[ "$f" = "$expected" ] && continue
			PROBLEMS=$((PROBLEMS + 1))
			mark="${red}<- wrong$plain"
		done
		printf '  %-9s %-9s %-10s %-9s %-5s %-5s%s%s%s%s\n' "$from" \
			"$to" "$service" "$expected" "$four" "$six" "$dim" \
			"$note" "$plain" "${mark:+ $mark}"
		i=$((i + 1))
	done
}

all_seen() { ! grep -qvx "$1" "$RUN"/seen.*; }

# ---- pushes -------------------------------------------------------------------
push_both() {
	local file=$1 h
	shift
	for h in trainer0 trainer1; do
		moat "$h" push "$@" "$file" 2>"$RUN/push.log" |
			sed -n "1s/\(generation [0-9]*.*\): .*/  $h: \1/p"
		[ "${PIPESTATUS[0]}" = 0 ] ||
			{ cat "$RUN/push.log" >&2; give_up "push to $h failed"; }
	done
}

# The bytes that a transfer has brought home, as its own socket says.
acked() {
	in_ns trainer0 ss -Htin "dport = :$1" |
		grep -o 'bytes_acked:[0-9]*' | cut -d: -f2 | sort -n | tail -n 1
}
flowing() {
	local before after
	before=$(acked "$1")
	nap 7
	after=$(acked "$1")
	[ -n "$before" ] && [ "${after:-0}" -gt $((before + 100000)) ]
}

start_transfers() {
	in_ns trainer0 iperf3 -c "${V4[trainer1]}" -p 50000 -t $((40 * SLOW)) \
		-b $((300 / SLOW))M >/dev/null 2>&1 &
	in_ns trainer0 iperf3 -c "${V6[trainer1]}" -p 50001 -t $((40 * SLOW)) \
		-b $((300 / SLOW))M >/dev/null 2>&1 &
	soon 5 flowing 50000 && soon 5 flowing 50001
}

close_port() {
	sed 's/32768-60999\]/32768-49999, 51000-60999]/' "$RUN/policy.yaml" \
		>"$RUN/closed.yaml"
	sed 's/^on_tighten: keep/on_tighten: reevaluate/' "$RUN/closed.yaml" \
		>"$RUN/cut.yaml"
}

# ---- scrape -------------------------------------------------------------------
scrape() {
	in_ns "$1" curl -sS --max-time 5 "http://127.0.0.1:9849/metrics"
}
# total HOST NAME PATTERN...: sum over the series that hold all patterns
total() {
	local h=$1 name=$2 p text
	shift 2
	text=$(scrape "$h" | grep "^${name}[{ ]")
	for p in "$@"; do
		text=$(grep -F "$p" <<<"$text")
	done
	awk '{ sum += $NF } END { printf "%.0f", sum }' <<<"$text"
}
at_least() { [ "${2:-0}" -ge "$1" ]; }

show_counters() {
	local h=trainer1 name
	shell "curl -s http://127.0.0.1:9849/metrics   # on $h"
	scrape "$h" >"$RUN/scrape"
	for name in 'moat_interface_enforcing' \
		'moat_policy_generation' \
		'moat_rule_connections_total.*group="trainers".*rule="ranks"' \
		'moat_rule_packets_total.*rule="ssh".*direction="ingress"' \
		'moat_packets_total.*verdict="drop".*reason="sg-no-match"' \
		'moat_packets_total.*verdict="drop".*reason="nacl-deny"'; do
		grep "^$name" "$RUN/scrape" | grep -v ' 0$' | head -n 2 |
			sed -E 's/layer="sg",//
				s/^([a-z_]+)\{(.*)\} (.*)/  \1 \3\n    \2/
				t
				s/^/  /'
	done
}

# ---- a port scan, met by XDP --------------------------------------------------
scan() {
	local port jobs=()
	for port in $(seq 1000 1299); do
		in_ns stranger nc -z -w 1 "${V4[trainer0]}" "$port" \
			>/dev/null 2>&1 &
		jobs+=("$!")
		[ $((port % 60)) = 0 ] && nap 3
	done
	wait "${jobs[@]}"
}

show_xdp() {
	local before after
	title "A port scan, dropped by XDP"
	expect "XDP is attached natively" at_least 1 "$(total trainer0 \
		moat_interface_attached 'hook="xdp"' 'attach="native"')"
	before=$(total trainer0 moat_xdp_dropped_packets_total)
	scan
	after=$(total trainer0 moat_xdp_dropped_packets_total)
	say "XDP dropped $((after - before)) packets of 300 ports"
	expect "the scan died in XDP" at_least 300 "$((after - before))"
}

# ---- the story ----------------------------------------------------------------
[ "$(id -u)" = 0 ] || give_up "needs root"
for tool in ip nsenter socat iperf3 nc ping curl ss sysctl; do
	command -v $tool >/dev/null || give_up "needs $tool: see make deps"
done

title "Five hosts, a fabric between them, agents on the trainers"
set_up_hosts
set_up_servers
start_agent trainer0
start_agent trainer1
for h in "${HOSTS[@]}"; do
	printf '  %-9s %-12s %-12s %s\n' "$h" "${V4[$h]}" "${V6[$h]}" \
		"$([[ $h == trainer* ]] && echo "moatd")"
done

title "Before any policy: everything passes"
run_probes
expect "every probe gets through" all_seen yes
all_seen yes || show_probes yes

title "The policy, pushed to both agents"
shell "moat check training-cluster.yaml"
moat trainer0 check "$RUN/policy.yaml" 2>/dev/null | paste -sd ' ' |
	fold -s -w 77 | sed 's/^/  /'
shell "moat push --now training-cluster.yaml"
push_both "$RUN/policy.yaml" --now --message demo
expect "trainer0 enforces" moat trainer0 status --require enforce
expect "trainer1 enforces" moat trainer1 status --require enforce

title "Who may reach whom"
run_probes
show_probes policy

title "Why"
shell "moat explain --live ingress ${V4[trainer0]} ${V4[stranger]} tcp/22"
moat trainer0 explain --live ingress "${V4[trainer0]}" "${V4[stranger]}" \
	tcp/22 | grep -v '^generation' | fold -s -w 77 | sed 's/^/  /'
expect "the stranger's packet would be dropped" refuse moat trainer0 \
	explain --live ingress "${V4[trainer0]}" "${V4[stranger]}" tcp/22
expect "the bastion's would pass" moat trainer0 \
	explain --live ingress "${V4[trainer0]}" "${V4[bastion]}" tcp/22

title "A push closes ports 50000-50999 while transfers run over them"
close_port
expect "transfers run, IPv4 and IPv6" start_transfers
shell "moat push --now closed.yaml"
push_both "$RUN/closed.yaml" --now
expect "a new connection is refused, IPv4" refuse \
	try trainer0 trainer1 4 tcp/50010
expect "a new connection is refused, IPv6" refuse \
	try trainer0 trainer1 6 tcp/50010
expect "the transfers go on (on_tighten: keep), IPv4" flowing 50000
expect "the transfers go on (on_tighten: keep), IPv6" flowing 50001
shell "moat push --now cut.yaml    # the same with on_tighten: reevaluate"
push_both "$RUN/cut.yaml" --now
nap 3
expect "the transfers end, IPv4" refuse flowing 50000
expect "the transfers end, IPv6" refuse flowing 50001

title "A push that locks the operator out"
sed '/name: ssh,/d' "$RUN/policy.yaml" >"$RUN/mistake.yaml"
sed '/^tests:/,$d' "$RUN/mistake.yaml" >"$RUN/untested.yaml"
shell "moat push --confirm $CONFIRM mistake.yaml"
moat trainer1 push --confirm $CONFIRM "$RUN/mistake.yaml" \
	>/dev/null 2>"$RUN/push.log"
expect "the policy's own tests refuse it: exit code 1" [ $? = 1 ]
grep -m 1 error: "$RUN/push.log" | sed 's,^[^:]*/,  ,' | fold -s -w 78 |
	sed '2,$s/^/    /'
shell "moat push --confirm $CONFIRM untested.yaml   # the same, untested"
moat trainer1 push --confirm $CONFIRM "$RUN/untested.yaml" >/dev/null 2>&1 &
pushed=$!
nap 5
expect "the operator is locked out" refuse try bastion trainer1 4 tcp/22
wait "$pushed"
expect "nobody confirmed: exit code 5" [ $? = 5 ]
expect "the policy before is in force, the operator is back" \
	try bastion trainer1 4 tcp/22

title "The same, seen by monitoring"
show_counters
expect "dropped openings are counted" at_least 5 "$(total trainer1 \
	moat_packets_total 'verdict="drop"')"
expect "the rule that let the ranks in is credited" at_least 4 "$(total \
	trainer1 moat_rule_connections_total 'group="trainers"' 'rule="ranks"')"
expect "the transfers are in its packets" at_least 1000 "$(total trainer1 \
	moat_rule_packets_total 'group="trainers"' 'rule="ranks"')"

[ -z "${MOAT_DEMO_XDP-}" ] || show_xdp

if [ "$PROBLEMS" = 0 ]; then
	title "${green}All $RESULTS results are as expected ($SECONDS s)."
	exit 0
fi
title "${red}$PROBLEMS of $RESULTS results are not as expected."
exit 1
