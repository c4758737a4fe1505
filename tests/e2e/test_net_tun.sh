#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A device without a link header gets the same verdicts (F1): an Ethernet
# parser would read the sender's address as an EtherType and let all pass.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
[ -e /dev/net/tun ] || skip "no tun device here"
sandbox
ns_add a
coproc TUN { in_ns a /usr/bin/python3 "$ROOT/tests/e2e/frames.py" --tun tun0 syn80; }
CHILDREN+=("$TUN_PID")
read -r -t 10 line <&"${TUN[0]}" || fail "no tun"
is "tun" "$line" ready
in_ns a ip link set tun0 up
addr a tun0 10.9.0.1/24 fd00:9::1/64
agent_start a 'interfaces: ["tun0"]'
push_ok a "$(policy tun '{name: web, from: any, protocol: tcp, ports: 80}, {name: data, from: any, protocol: udp, ports: 5000}')"
expect() {
	local before
	before=$(count a "$2" "$3")
	echo "$1" >&"${TUN[1]}"
	read -r -t 5 line <&"${TUN[0]}" || fail "$1 was not sent"
	grew "$1" "$before" 1 count a "$2" "$3"
}
expect syn80 allow sg-allow
expect syn81 drop sg-no-match
expect syn80-v6 allow sg-allow
expect syn81-v6 drop sg-no-match
expect null drop tcp-flags
expect xmas drop tcp-flags
expect source-own drop own-source
expect source-loopback drop bad-source
expect rst drop no-flow
expect frags-open allow fragment
expect frags-closed drop fragment-no-first
expect frags-open-v6 allow fragment
expect short-tcp drop truncated
is "nothing passed as non-IP" "$(count a allow non-ip)" 0
done_testing
