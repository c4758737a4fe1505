#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# BIG TCP: GSO packets above 64 KiB carry length 0 and are no error (F3); the
# flow's counters see every segment and byte (F38, R-43).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
for n in a b; do
	in_ns $n ip link set eth0 gso_max_size 150000 gro_max_size 150000 2>/dev/null ||
		skip "no BIG TCP in this iproute2 or kernel"
done
agent_start a
push_ok a "$(policy big '{name: data, from: any, protocol: tcp, ports: 5201}' '{name: out, to: any, protocol: tcp, ports: 5201}')"
start a "$SANDBOX/iperf-a.log" iperf3 -s -p 5201
start b "$SANDBOX/iperf-b.log" iperf3 -s -p 5201
until_ok 5 listening a 5201
until_ok 5 listening b 5201
for v in 4 6; do
	case $v in 4) a=10.9.0.1 b=10.9.0.2 ;; *) a=fd00:9::1 b=fd00:9::2 ;; esac
	in_ns b iperf3 -J -c $a -p 5201 -n 512M >"$SANDBOX/in.json" || fail "IPv$v in: $(cat "$SANDBOX/in.json")"
	in_ns a iperf3 -J -c $b -p 5201 -n 512M >"$SANDBOX/out.json" || fail "IPv$v out: $(cat "$SANDBOX/out.json")"
done
is "no drop" "$(metric a moat_packets_total verdict=drop)" 0
# Four transfers of 512 MiB and their headers: bytes between 2 and 2.2 GiB
sum=$(( $(metric a moat_rule_bytes_total group=host rule=data direction=ingress) + $(metric a moat_rule_bytes_total group=host rule=out direction=egress) ))
if [ "$sum" -lt 2147483648 ] || [ "$sum" -gt 2362232012 ]; then
	fail "counted $sum bytes"
fi
CHECKS=$((CHECKS + 1))
done_testing
