#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The verdict doesn't depend on how much of a frame is linear at tc (R-32,
# F25): AF_PACKET with PACKET_VNET_HDR, frames above 4 KiB, MTU 9000.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
in_ns a ip link set eth0 mtu 9000
in_ns b ip link set eth0 mtu 9000
agent_start a
push_ok a "$(policy linear '{name: web, from: any, protocol: tcp, ports: 80}')"
mac=$(mac_of a eth0)
for n in 14 15 20 34 42 54 100; do
	for port in 80 81; do
		verdict=allow reason=sg-allow
		[ $port = 81 ] && verdict=drop reason=sg-no-match
		before=$(count a $verdict $reason)
		in_ns b /usr/bin/python3 "$ROOT/tests/e2e/frames.py" --linear \
			$n eth0 "$mac" $port
		grew "$n linear bytes, port $port" "$before" 1 \
			count a $verdict $reason
	done
done
done_testing
