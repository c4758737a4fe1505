#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Nothing is lost between the counters (R-43): over a mixed stream all that the
# interface took in is in the counters once, by verdict and reason, and all
# that was not dropped on its way out left by the interface; packets and bytes,
# with GSO and GRO off and on. The other side is the kernel's own counters.
. "$(dirname "$0")/lib.sh"
command -v ethtool >/dev/null || skip "no ethtool here"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
agent_start a
cat >"$SANDBOX/p.yaml" <<'EOT'
version: 1
name: mixed
mode: enforce
security_groups:
  host:
    members: [10.9.0.0/24, "fd00:9::/64"]
    ingress:
      - {name: web, from: any, protocol: tcp, ports: 80}
      - {name: data, from: any, protocol: udp, ports: 5000}
      - {name: ping, from: any, service: ping}
    egress:
      - {name: out, to: any, protocol: tcp, ports: 443}
EOT
push_ok a "$SANDBOX/p.yaml"

# sums DIRECTION METRIC [LABEL=VALUE]: over all verdicts and reasons. By the
# socket: a scrape over lo would be TCP segments of its own.
sums() {
	ctl a '{"cmd": "metrics"}' | jq -r .text |
		/usr/bin/python3 "$ROOT/tests/e2e/metric.py" "moat_$2_total" \
			interface=eth0 direction="$1" "${@:3}" || echo 0
}
# device NS FIELD: rx_packets, tx_bytes, …
device() {
	ip -n "$(ns "$1")" -s -j link show eth0 |
		jq ".[0].stats64.${2%%_*}.${2##*_}"
}
# segments NS: TCP segments sent, whatever they were put together to
segments() {
	in_ns "$1" nstat -az TcpOutSegs TcpRetransSegs |
		awk '!/^#/ { n += $2 } END { print n }'
}
sink() { start "$1" /dev/null socat -u "TCP6-LISTEN:$2,fork,reuseaddr,ipv6only=0" OPEN:/dev/null; }
sink a 80
sink b 443
start a /dev/null socat -u UDP6-RECV:5000,ipv6only=0 OPEN:/dev/null
soon "listener of a" 5 listening a 80
soon "listener of b" 5 listening b 443

cat >"$SANDBOX/send.py" <<'EOT'
"""Datagrams to an open and a closed port, and frames that no stack sends."""
import socket
import sys

for family, to in ((socket.AF_INET, "10.9.0.1"), (socket.AF_INET6, "fd00:9::1")):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    for n in range(600):
        sock.sendto(b"x" * (n % 1200), (to, 5000 if n % 3 else 5001))
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
mac = bytes(int(b, 16) for b in sys.argv[1].split(":")) + raw.getsockname()[4]
for n in range(100):
    raw.send(mac + b"\x88\xb5" + bytes(60))           # no IP
    raw.send(mac + b"\x08\x00\x55" + bytes(59))       # version 5
    raw.send(mac + b"\x86\xdd\x60" + bytes(30))       # ends too early
EOT

# mixed PREFIX: TCP in bulk between addresses of one family, and the rest
mixed() {
	local mac
	mac=$(ip -n "$(ns a)" -j link show eth0 | jq -r ".[0].address")
	head -c 25M /dev/zero | in_ns b timeout 20 nc -N "${1}1" 80
	head -c 25M /dev/zero | in_ns a timeout 20 nc -N "${1}2" 443
	in_ns b /usr/bin/python3 "$SANDBOX/send.py" "$mac"
	in_ns b ping -nq -i 0.002 -c 100 10.9.0.1 >/dev/null
	in_ns b nc -z -w 1 10.9.0.1 81
	in_ns a nc -z -w 1 10.9.0.2 444
	sleep 0.3
}

# near WHAT GOT EXPECTED: within 0.1 %, and the odd ARP or ND beside it
near() {
	local off=$(($2 - $3))
	CHECKS=$((CHECKS + 1))
	[ "${off#-}" -le $(($3 / 1000 + 4)) ] || fail "$1: got $2, expected $3"
}

declare -A before now
# reading: all of them, now
reading() {
	local way
	for way in in:ingress out:egress; do
		echo "${way%:*}_packets=$(sums "${way#*:}" packets)"
		echo "${way%:*}_bytes=$(sums "${way#*:}" bytes)"
	done
	echo "out_drop=$(sums egress packets verdict=drop)"
	echo "out_drop_bytes=$(sums egress bytes verdict=drop)"
	for way in rx_packets rx_bytes tx_packets tx_bytes; do
		echo "$way=$(device a $way)"
	done
	echo "theirs=$(segments b)"
	echo "ours=$(segments a)"
}

# one OFFLOAD PREFIX HEADERS: bytes of IP and TCP headers of a data segment
one() {
	local offload=$1 headers=$3 k v drops nonip more_in more_out
	while IFS='=' read -r k v; do before[$k]=$v; done < <(reading)
	drops=$(sums ingress packets verdict=drop)
	nonip=$(sums ingress packets reason=non-ip)
	mixed "$2"
	while IFS='=' read -r k v; do
		now[$k]=$((v - before[$k]))
	done < <(reading)
	# What segmentation added; nothing where it is off.
	more_in=$((now[in_packets] - now[rx_packets]))
	more_out=$((now[out_packets] - now[out_drop] - now[tx_packets]))
	if [ "$offload" = off ]; then
		near "packets in" "$more_in" 0
		near "packets out" "$more_out" 0
	else
		[ "$more_in" -gt 1000 ] || fail "nothing came in segments"
		[ "$more_out" -gt 1000 ] || fail "nothing went in segments"
	fi
	near "bytes in, $*" "${now[in_bytes]}" \
		$((now[rx_bytes] - 14 * now[rx_packets] + headers * more_in))
	near "bytes out, $*" $((now[out_bytes] - now[out_drop_bytes])) \
		$((now[tx_bytes] - 14 * now[tx_packets] + headers * more_out))
	# By the other side: TCP as it counts itself; the rest is known.
	near "TCP segments in, $*" $((now[in_packets] - 1200 - 300 - 100)) \
		"${now[theirs]}"
	near "TCP segments out, $*" $((now[out_packets] - 100)) "${now[ours]}"
	# 400 datagrams, 200 malformed frames, one opening and its copies.
	drops=$(($(sums ingress packets verdict=drop) - drops))
	[ $((drops / 5)) = 120 ] || fail "dropped $drops, $*"
	nonip=$(($(sums ingress packets reason=non-ip) - nonip))
	[ $((nonip / 10)) = 10 ] || fail "non-IP $nonip, $*"
}

for offload in off on; do
	for n in a b; do
		in_ns $n ethtool -K eth0 tso $offload gso $offload \
			gro $offload 2>/dev/null
	done
	one $offload 10.9.0. 52
	one $offload fd00:9:: 72
done
done_testing
