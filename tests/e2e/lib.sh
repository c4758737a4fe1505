# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sandbox for end-to-end tests: sourced, not run. Every name holds the pid, so
# tests may run side by side; everything made here is removed by a trap.
#
#   . "$(dirname "$0")/lib.sh"
#   sandbox              needs root; makes $SANDBOX and a bpffs in it
#   ns_add a; ns_add b   namespaces, lo up, no IPv6 DAD, MLD reports at once
#   veth a eth0 b eth0   a pair between two of them
#   addr a eth0 10.1.0.1/24
#   agent_start a [CONFIG LINES]   moatd in a, with paths of its own
#   push a policy.yaml '"now": true'
#
# Programs enter a namespace by nsenter: `ip netns exec` would hide the bpffs.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
MOATD=$ROOT/.output/moatd
# shellcheck disable=SC2034 # for the tests
MOAT=$ROOT/.output/moat
declare -A AGENT_PID=()
NAMESPACES=()
CHILDREN=()
CHECKS=0
# How much longer than here a wait may take: more in an emulated machine.
SLOW=${MOAT_TEST_SLOW:-1}
WAIT=$((SLOW > 1 ? 3 : 1))
# Each look costs an emulated machine a good part of a second.
POLL=$([ "$SLOW" -gt 1 ] && echo 0.5 || echo 0.05)

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*" >&2; show_logs >&2; exit 1; }

show_logs() {
	local f
	for f in "$SANDBOX"/*/moatd.log; do
		[ -f "$f" ] || continue
		echo "--- $f"
		tail -n 40 "$f"
	done
}

sandbox() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	SANDBOX=$(mktemp -d "${TMPDIR:-/tmp}/moat-e2e.XXXXXX") || exit 1
	chmod 755 "$SANDBOX"
	trap sandbox_clean EXIT
	trap 'exit 130' INT TERM
	mkdir "$SANDBOX/bpf"
	mount -t bpf bpf "$SANDBOX/bpf" || skip "no bpffs here"
}

sandbox_clean() {
	local rc=$? p n
	trap - EXIT INT TERM
	for p in "${CHILDREN[@]}"; do
		kill -9 "$p" && wait "$p"
	done 2>/dev/null
	for n in "${NAMESPACES[@]}"; do
		for p in $(ip netns pids "$n" 2>/dev/null); do
			kill -9 "$p" 2>/dev/null
		done
		ip netns del "$n" 2>/dev/null
	done
	# Some tests mount one over another.
	while umount "$SANDBOX/bpf" 2>/dev/null; do :; done
	rm -rf "$SANDBOX"
	exit "$rc"
}

# ns NAME: the name the kernel knows it by
ns() { echo "moat-$$-$1"; }

# in_ns NAME COMMAND...
in_ns() {
	local n=$1
	shift
	nsenter --net="/run/netns/$(ns "$n")" "$@"
}

# The stack repeats its MLD reports at random within a second (RFC 3810 9.11):
# here within a millisecond, or they would be counted among a test's packets.
ns_add() {
	local n
	for n in "$@"; do
		ip netns add "$(ns "$n")" || fail "no namespace $n"
		NAMESPACES+=("$(ns "$n")")
		mkdir -p "$SANDBOX/$n"
		in_ns "$n" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.default.mldv2_unsolicited_report_interval=1 \
			net.ipv4.ping_group_range="0 2147483647"
		in_ns "$n" ip link set lo up
	done
}

# veth NS1 IF1 NS2 IF2
veth() {
	ip -n "$(ns "$1")" link add "$2" type veth peer name "$4" \
		netns "$(ns "$3")" || fail "no veth $1/$2 $3/$4"
	ip -n "$(ns "$1")" link set "$2" up
	ip -n "$(ns "$3")" link set "$4" up
}

# addr NS IF ADDR...
addr() {
	local n=$1 dev=$2 a
	shift 2
	for a in "$@"; do
		case $a in
		*:*) ip -n "$(ns "$n")" addr add "$a" dev "$dev" nodad ;;
		*) ip -n "$(ns "$n")" addr add "$a" brd + dev "$dev" ;;
		esac || fail "no address $a"
	done
}

# start NS LOG COMMAND...: in the background, killed at the end; sets STARTED
start() {
	local n=$1 log=$2
	shift 2
	nsenter --net="/run/netns/$(ns "$n")" "$@" >"$log" 2>&1 </dev/null &
	STARTED=$!
	CHILDREN+=("$STARTED")
}

# until_ok SECONDS COMMAND...: again and again until it succeeds. So many
# seconds it may take on a quiet machine; nothing fails before PATIENCE is over.
PATIENCE=30
until_ok() {
	local end=$(($1 * SLOW))
	[ "$end" -gt $PATIENCE ] || end=$PATIENCE
	end=$((${EPOCHREALTIME//[.,]/} + end * 1000000))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME//[.,]/}" -lt "$end" ] || return 1
		sleep "$POLL"
	done
}

# ---- agent ------------------------------------------------------------------
sock() { echo "$SANDBOX/$1/run/control.sock"; }
read_sock() { echo "$SANDBOX/$1/run/read.sock"; }

# agent_config NS [LINES]: paths of its own, then LINES (which replace keys of
# the same name)
agent_config() {
	local d=$SANDBOX/$1 extra=${2-} key
	cat >"$d/base.yaml" <<-EOT
		version: 1
		interfaces: ["eth*"]
		control: {socket: $d/run/control.sock, read_socket: $d/run/read.sock, group: root}
		metrics: {listen: "127.0.0.1:9849"}
		tables: {flows: 4096, udp: 4096, embryonic: 1024, closing: 1024, other: 1024, fragments: 256, denied: 1024, memory: 512MiB}
		state: $d/state
		bpffs: $SANDBOX/bpf/$1
		policy: $d/policy.yaml
	EOT
	printf '%s\n' "$extra" >"$d/extra.yaml"
	while IFS= read -r key; do
		sed -i "/^$key:/d" "$d/base.yaml"
	done < <(sed -n 's/^\([a-z_]*\):.*/\1/p' "$d/extra.yaml")
	cat "$d/base.yaml" "$d/extra.yaml" >"$d/moatd.yaml"
}

# agent_run NS: starts moatd with the configuration that is there
agent_run() {
	local d=$SANDBOX/$1
	# nsenter becomes moatd, so that $! is the agent itself.
	nsenter --net="/run/netns/$(ns "$1")" "$MOATD" --config \
		"$d/moatd.yaml" >>"$d/moatd.log" 2>&1 </dev/null &
	AGENT_PID[$1]=$!
	CHILDREN+=("$!")
	until_ok 30 agent_answers "$1" || fail "agent of $1 does not answer"
}

agent_answers() {
	[ "$(ctl "$1" '{"cmd":"version"}' 2>/dev/null | jq .ok)" = true ]
}

agent_start() { agent_config "$@"; agent_run "$1"; }

# agent_stop NS [SIGNAL]: and waits until it is gone
agent_stop() {
	kill "-${2:-TERM}" "${AGENT_PID[$1]}" 2>/dev/null
	wait "${AGENT_PID[$1]}" 2>/dev/null
	unset "AGENT_PID[$1]"
}

# detach_all NS: programs and pins of an agent that is gone
detach_all() {
	in_ns "$1" "$MOATD" --detach-all --config "$SANDBOX/$1/moatd.yaml"
}

# agent_end NS: it, and all that outlives it
agent_end() {
	agent_stop "$1"
	detach_all "$1" || fail "detach-all"
	rm -rf "$SANDBOX/$1/state"
}

# ctl NS REQUEST: a raw line to the control socket, the reply on stdout
ctl() { printf '%s\n' "$2" | socat -t 60 - "UNIX-CONNECT:$(sock "$1")"; }

# push NS FILE [FIELDS]: FIELDS as in '"now": true'; the reply on stdout
push() {
	jq -Rsc "{cmd: \"push\", document: ., ${3:-\"now\": true}}" "$2" |
		socat -t 60 - "UNIX-CONNECT:$(sock "$1")"
}

# push_ok NS FILE [FIELDS]
push_ok() {
	local reply
	reply=$(push "$@")
	[ "$(jq .ok <<<"$reply")" = true ] || fail "push refused: $reply"
}

# refused NS FILE CODE TEXT [FIELDS]: a push is refused with that code and word
refused() {
	local reply
	reply=$(push "$1" "$2" "${5:-\"now\": true}")
	CHECKS=$((CHECKS + 1))
	[ "$(jq -r .ok <<<"$reply")" = false ] || fail "push of $2 taken: $reply"
	[ "$(jq .code <<<"$reply")" = "$3" ] || fail "code is not $3: $reply"
	grep -q -- "$4" <<<"$reply" || fail "nothing about '$4': $reply"
}

# field NS REQUEST FILTER: jq -r over a reply
field() { ctl "$1" "$2" | jq -r "$3"; }
# status NS FILTER
status() { field "$1" '{"cmd":"status"}' "$2"; }
gen_of() { status "$1" .generation; }

# since VERSION: is this kernel of that version or later?
since() { printf '%s\n' "$1" "$(uname -r)" | sort -CV; }
# tc_kind: how programs are attached here (F2)
tc_kind() { if since 6.6; then echo tcx; else echo clsact; fi; }

# two_hosts: a (10.1.0.1, fd00:1::1) and b (.2, ::2), joined by eth0
two_hosts() {
	ns_add a b
	veth a eth0 b eth0
	addr a eth0 10.1.0.1/24 fd00:1::1/64
	addr b eth0 10.1.0.2/24 fd00:1::2/64
}

# policy FILE MODE PORT...: a's group lets these TCP ports and pings in, and
# pings out
policy() {
	local f=$1 mode=$2
	shift 2
	cat >"$f" <<-EOT
		version: 1
		name: test
		mode: $mode
		security_groups:
		  base:
		    members: [10.1.0.1/32, "fd00:1::1/128"]
		    ingress:
		      - {name: ping, from: [any], service: ping}
		      - {name: tcp, from: [10.1.0.0/24, "fd00:1::/64"], protocol: tcp, ports: [$(IFS=,; echo "$*")]}
		    egress:
		      - {name: ping, to: [any], service: ping}
	EOT
}

# one_rule FILE NAME PORT: all of a's addresses let this TCP port in from
# anywhere, by a rule of that name, and nothing else
one_rule() {
	cat >"$1" <<-EOT
		version: 1
		name: test
		mode: enforce
		security_groups:
		  base:
		    members: [10.1.0.0/16, "fd00:1::/64"]
		    ingress: [{name: $2, from: [any], protocol: tcp, ports: [$3]}]
		    egress: []
	EOT
}

# scrape NS [PATH]: the metrics
scrape() {
	in_ns "$1" curl -sS --max-time 30 "http://127.0.0.1:9849${2:-/metrics}"
}

# metric NS NAME [LABEL=VALUE...]: sum over the series that match
metric() {
	local n=$1
	shift
	if [ "$SLOW" = 1 ]; then
		scrape "$n" | /usr/bin/python3 "$ROOT/tests/e2e/metric.py" "$@"
	else
		# Programs with few libraries: curl takes three times as long.
		printf 'GET /metrics HTTP/1.0\r\n\r\n' |
			in_ns "$n" nc -w 30 127.0.0.1 9849 |
			awk -v name="$1" -v labels="${*:2}" \
			-f "$ROOT/tests/e2e/metric.awk"
	fi
}

# ---- asserting --------------------------------------------------------------
# is WHAT GOT EXPECTED
is() {
	CHECKS=$((CHECKS + 1))
	[ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"
}

# yes WHAT COMMAND... and no WHAT COMMAND...
yes() {
	local what=$1
	shift
	CHECKS=$((CHECKS + 1))
	"$@" >/dev/null 2>&1 || fail "$what: failed: $*"
}
no() {
	local what=$1
	shift
	CHECKS=$((CHECKS + 1))
	if "$@" >/dev/null 2>&1; then fail "$what: succeeded: $*"; fi
}

# soon WHAT SECONDS COMMAND...
soon() {
	local what=$1
	shift
	CHECKS=$((CHECKS + 1))
	until_ok "$@" || fail "$what: never came: ${*:2}"
}

done_testing() { echo "$CHECKS checks"; exit 0; }

# ---- traffic ----------------------------------------------------------------
# echo_server NS PORT...: TCP, both families
echo_server() {
	local n=$1 port
	shift
	for port in "$@"; do
		start "$n" "$SANDBOX/$n/echo.log" socat \
			"TCP6-LISTEN:$port,fork,reuseaddr,ipv6only=0" EXEC:cat
		until_ok 5 listening "$n" "$port" ||
			fail "no listener on $n:$port"
	done
}
listening() { in_ns "$1" ss -Htln "sport = :$2" | grep -q .; }

# line_open NAME NS NC_ARGUMENT...: a connection to an echo server that stays
# open; line_says NAME TEXT: does the text come back over it? line_close NAME
declare -A LINE=() LINE_PID=()
line_open() {
	local name=$1 n=$2 fd
	shift 2
	mkfifo "$SANDBOX/$name.in"
	exec {fd}<>"$SANDBOX/$name.in"
	LINE[$name]=$fd
	nsenter --net="/run/netns/$(ns "$n")" nc "$@" <&"$fd" \
		>"$SANDBOX/$name.out" &
	LINE_PID[$name]=$!
	CHILDREN+=("$!")
}
line_says() {
	echo "$2" >&"${LINE[$1]}"
	until_ok 20 grep -qx "$2" "$SANDBOX/$1.out"
}
line_close() { kill "${LINE_PID[$1]}"; }

# tcp NS ADDR PORT: can a connection be opened within a second?
tcp() { in_ns "$1" nc -z -w "$WAIT" "$2" "$3"; }
# syns_again NS: how many SYN it has repeated, as one attempt does by and by
syns_again() {
	# shellcheck disable=SC2016 # awk's own
	in_ns "$1" awk '$1 == "TcpExt:" && at { print $at }
		$1 == "TcpExt:" && !at { for (at = NF; $at != "TCPSynRetrans"; at--); }' \
		/proc/net/netstat
}
# icmp NS ADDR
icmp() { in_ns "$1" ping -nq -c 1 -W "$WAIT" "$2"; }
# enforcing NS [IF]: as the metric says
enforcing() {
	metric "$1" moat_interface_enforcing "interface=${2:-eth0}"
}
# holds WHAT: b meets a's policy, of port 80 and not 81
holds() {
	yes "$1: open" tcp b 10.1.0.1 80
	yes "$1: open, IPv6" tcp b fd00:1::1 80
	no "$1: closed" tcp b 10.1.0.1 81
	yes "$1: ping" icmp b fd00:1::1
	is "$1: enforcing" "$(enforcing a)" 1
}
