#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# atk6-firewall6 and nmap's odd scans against closed ports that have listeners:
# nothing answers, and nothing but the open ones comes as far as the host's
# own stack (counted by nftables in front of it).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
command -v nmap >/dev/null || fail "no nmap: make deps"
command -v atk6-firewall6 >/dev/null || fail "no atk6-firewall6: make deps"
neighbours
echo_server a 81
start a "$SANDBOX/udp.log" socat UDP6-LISTEN:81,fork,ipv6only=0 EXEC:cat
in_ns a nft -f - <<-'EOT' || fail "no nftables"
	table inet seen {
		counter closed { }
		chain first {
			type filter hook prerouting priority -500;
			iifname "eth0" meta l4proto != { icmp, ipv6-icmp } tcp dport != 80 counter name closed
			iifname "eth0" meta l4proto != { tcp, icmp, ipv6-icmp } counter name closed
		}
	}
EOT
reached() { in_ns a nft -j list counter inet seen closed | jq '.nftables[] | .counter? // empty | .packets'; }

# drops: packets inward that were dropped, whatever the reason. Asked twice a
# scan: metric.py would take as long as the scan.
drops() {
	scrape a | awk '/^moat_packets_total{.*direction="ingress".*verdict="drop"/ {
		n += $NF } END { print n + 0 }'
}

# scan HOW TARGET...: what nmap says of the ports
scan() {
	in_ns b timeout 20 nmap -n -Pn --disable-arp-ping --max-retries 0 \
		--host-timeout 10s -T5 -oG - "$@" 2>/dev/null | grep -oE '(Ports|Protocols): .*'
}

# silent TARGET OPTIONS...: a scan that gets frames in, and no answer out
silent() {
	local before said
	before=$(drops)
	said=$(scan "${@:2}" "$1")
	case $said in
	*/open/* | */closed/* | */unfiltered/*) fail "nmap ${*:2} $1: $said" ;;
	*filtered*) ;;
	*) fail "nmap ${*:2} $1 did not scan: $said" ;;
	esac
	is "nmap ${*:2} $1 arrived" "$([ "$(drops)" -gt "$before" ] && echo yes)" yes
}

# All of them without XDP; with it those that it judges in another way
scans() {
	local how kinds='-sS -sN -sA -sU'
	[ "$XDP" = native ] || kinds+=' -sF -sX -sM -sW -sY'
	for how in $kinds; do
		silent 10.9.0.1 "$how" -p 81
		silent fd00:9::1 -6 "$how" -p 81
	done
	[ "$XDP" = none ] || return
	silent 10.9.0.1 -sO -p 2,17,47,132
	for how in SYNFIN SYNRST 0xff; do
		silent 10.9.0.1 -sS --scanflags $how -p 81
	done
	silent fd00:9::1 -6 -sS --scanflags SYNFIN -p 81
	for how in -f '--mtu 8' --badsum '-g 53' '--data-length 100' '--ttl 1'; do
		# shellcheck disable=SC2086 # an option and its value
		silent 10.9.0.1 -sS $how -p 81
	done
	silent fd00:9::1 -6 -sS --badsum -p 81
}

# Cases 1 to 38 of firewall6, TCP and UDP, all at once: each waits for an
# answer in vain. The last one waits eleven times.
firewall6() {
	local case how pids=()
	for case in {1..38}{,-u}; do
		how=${case#"${case%-u}"}
		# shellcheck disable=SC2086 # nothing or an option
		in_ns b timeout 60 atk6-firewall6 $how eth0 fd00:9::1 81 \
			"${case%-u}" >"$SANDBOX/case$case" 2>&1 &
		pids+=($!)
	done
	CHILDREN+=("${pids[@]}")
	wait "${pids[@]}"
	for case in {1..38}{,-u}; do
		is "firewall6, case $case" "$(grep -c 'no reply' "$SANDBOX/case$case")" 1
	done
}

for XDP in none native; do
	agent_start a "xdp: $XDP"
	push_ok a "$(policy scanned '{name: web, from: any, protocol: tcp, ports: 80}, {name: ping, from: any, service: ping}')"
	# That the tools see what there is to see
	[[ $(scan -sA -p 80 10.9.0.1) == *80/unfiltered/* ]] || fail "nmap, open port"
	[[ $(scan -6 -sA -p 80 fd00:9::1) == *80/unfiltered/* ]] || fail "nmap, open port"
	scans
	[ "$XDP" = native ] || firewall6
	is "reached the stack (XDP $XDP)" "$(reached)" 0
	agent_end a
done
yes "without moat it is reached" tcp b fd00:9::1 81
is "and counted" "$([ "$(reached)" -gt 0 ] && echo yes)" yes
done_testing
